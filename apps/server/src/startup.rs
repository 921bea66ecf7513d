//! What the server says when it is ready.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use core_types::speech::SpeechEngines;
use core_types::{AgentId, ChannelId, ids::string_to_uuid};

use crate::terminal;

/// What there is to say.
#[derive(Debug)]
pub struct Started<'a> {
    /// How this program was called, so that the examples can be copied.
    pub program: &'a str,
    /// Where the server listens, with the port that it got.
    pub address: SocketAddr,
    /// Where it keeps its data.
    pub data_dir: &'a Path,
    /// The database, without credentials, such as `SQLite, ./.doolittle/doolittle.db`.
    pub database: &'a str,
    /// Where uploaded files are kept.
    pub files: &'a str,
    /// The model providers that the settings connect, the one that answers first.
    pub models: &'a [String],
    /// What speaks and hears.
    pub speech: &'a SpeechEngines,
    /// The model by which memories are found by their meaning.
    pub embeddings: Option<&'a str>,
    /// What attests the server, where something does.
    pub tee: Option<&'a str>,
    /// What backups are made, where some are.
    pub backups: Option<&'a str>,
    /// Where the log of commits is kept, where one is.
    pub log: Option<&'a Path>,
    /// The folder of the web UI, where one is served.
    pub ui: Option<&'a Path>,
    /// Whether requests must carry a key.
    pub key: bool,
    /// The owner's own agents that run, by name.
    pub running: &'a [(AgentId, String)],
    /// How many agents the owner has.
    pub agents: usize,
    /// How many agents tenants have.
    pub of_tenants: usize,
    /// Where the example talks: a channel that there is not yet, and that nobody who could make it first can guess.
    pub channel: ChannelId,
}

/// How this program was called, where that can be typed again; else its name.
pub fn program() -> String {
    let plain = |name: &String| name.chars().all(|c| c.is_alphanumeric() || "/\\._-:".contains(c));
    std::env::args_os().next().and_then(|name| name.into_string().ok()).filter(plain).unwrap_or_else(|| "doolittle".to_owned())
}

impl Started<'_> {
    /// The text, for standard error.
    pub fn text(&self) -> String {
        let base = self.base_url();
        let mut text = format!("Doolittle {} listens on http://{}\n\n", env!("CARGO_PKG_VERSION"), self.address);
        for (label, value) in [
            ("data", self.data_dir.display().to_string()),
            ("database", self.database.to_owned()),
            ("files", self.files.to_owned()),
            ("models", self.models()),
            ("speech", self.speech()),
            ("memories", self.memories()),
            ("tee", self.tee.unwrap_or_default().to_owned()),
            ("backups", self.backups.unwrap_or_default().to_owned()),
            ("log", self.log.map(|dir| format!("all commits, to {}", dir.display())).unwrap_or_default()),
            ("web ui", self.ui.map(|folder| format!("{} at /", folder.display())).unwrap_or_default()),
            ("key", self.key().to_owned()),
            ("agents", self.agents()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<9} {}", terminal::line(&value));
        }
        let _ = write!(text, "\nTry it:\n\n{}\n  {} chat{}\n", self.curl(&base), self.program, self.chat_url());
        text
    }

    /// The address that a program on this machine uses.
    fn base_url(&self) -> String {
        let ip = self.address.ip();
        if ip.is_unspecified() { format!("http://127.0.0.1:{}", self.address.port()) } else { format!("http://{}", self.address) }
    }

    fn models(&self) -> String {
        match self.models {
            [] => "none; agents cannot answer".to_owned(),
            models => models.join(", "),
        }
    }

    fn speech(&self) -> String {
        let SpeechEngines { synthesizer, transcriber } = self.speech;
        match (synthesizer, transcriber) {
            (None, None) => "none: nothing speaks or hears (docs/operations.md says what to install)".to_owned(),
            (Some(speaks), None) => format!("{speaks} speaks, nothing hears"),
            (None, Some(hears)) => format!("nothing speaks, {hears} hears"),
            (Some(speaks), Some(hears)) => format!("{speaks} speaks, {hears} hears"),
        }
    }

    fn memories(&self) -> String {
        match self.embeddings {
            Some(model) => format!("found by words and by meaning ({model})"),
            None => "found by words alone".to_owned(),
        }
    }

    const fn key(&self) -> &'static str {
        match (self.key, self.address.ip().is_loopback()) {
            (true, _) => "set: requests need the header X-API-KEY",
            (false, true) => "none: programs on this machine may do everything (ELIZA_SERVER_AUTH_TOKEN sets one)",
            (false, false) => "NONE, AND OTHER MACHINES MAY CONNECT (ELIZA_SERVER_AUTH_TOKEN sets one)",
        }
    }

    fn agents(&self) -> String {
        let names: Vec<&str> = self.running.iter().take(5).map(|(_, name)| name.as_str()).collect();
        let own = match (self.agents, names.is_empty()) {
            (0, _) => format!("none yet: {} agent create FILE", self.program),
            (stored, true) => format!("{stored}, none running: {} agent start NAME", self.program),
            (stored, false) => {
                let more = if self.running.len() > names.len() { ", ..." } else { "" };
                format!("{} of {stored} running: {}{more}", self.running.len(), names.join(", "))
            }
        };
        if self.of_tenants == 0 { own } else { format!("{own}; tenants have {}", self.of_tenants) }
    }

    fn curl(&self, base: &str) -> String {
        let header = if self.key { " -H \"X-API-KEY: $ELIZA_SERVER_AUTH_TOKEN\"" } else { "" };
        let Some((agent, _)) = self.running.first() else {
            return format!("  curl -s{header} {base}/api/agents");
        };
        let (channel, author) = (self.channel, string_to_uuid("doolittle-curl"));
        format!(
            "  curl -s{header} {base}/api/messaging/channels/{channel}/messages \\\n    \
             -H 'Content-Type: application/json' -d '{{\"author_id\":\"{author}\",\"content\":\"Hello\",\n    \
             \"server_id\":\"00000000-0000-0000-0000-000000000000\",\"transport\":\"http\",\n    \
             \"metadata\":{{\"isDm\":true,\"targetUserId\":\"{agent}\"}}}}'"
        )
    }

    fn chat_url(&self) -> String {
        if self.address.port() == 3000 { String::new() } else { format!(" --url {}", self.base_url()) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use core_types::speech::SpeechEngines;
    use core_types::{AgentId, ChannelId};
    use uuid::Uuid;

    use super::Started;

    fn started<'a>(address: &str, running: &'a [(AgentId, String)]) -> Started<'a> {
        Started {
            program: "doolittle",
            address: address.parse().unwrap(),
            data_dir: Path::new("./.doolittle"),
            database: "SQLite, ./.doolittle/doolittle.db",
            files: "./.doolittle/media",
            models: &[],
            speech: &SpeechEngines { synthesizer: None, transcriber: None },
            embeddings: Some("static/en"),
            tee: None,
            backups: None,
            log: None,
            ui: None,
            key: false,
            running,
            agents: running.len(),
            of_tenants: 0,
            channel: ChannelId::new(Uuid::from_u128(7)),
        }
    }

    #[test]
    fn it_says_everything_that_the_operator_needs() {
        let running = [(AgentId::of_name("Eliza"), "Eliza".to_owned())];
        let models = ["eliza".to_owned()];
        let speech = SpeechEngines { synthesizer: Some("flite (slt)".to_owned()), transcriber: None };
        let text = Started { models: &models, speech: &speech, ..started("127.0.0.1:3000", &running) }.text();
        for expected in [
            "listens on http://127.0.0.1:3000\n",
            "data      ./.doolittle\n",
            "database  SQLite, ./.doolittle/doolittle.db\n",
            "files     ./.doolittle/media\n",
            "models    eliza\n",
            "speech    flite (slt) speaks, nothing hears\n",
            "key       none: programs on this machine",
            "agents    1 of 1 running: Eliza\n",
            "curl -s http://127.0.0.1:3000/api/messaging/channels/00000000-0000-0000-0000-000000000007/messages",
            "\"targetUserId\":\"b850bc30-45f8-0041-a00a-83df46d8555d\"",
            "  doolittle chat\n",
        ] {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
    }

    #[test]
    fn a_server_without_agents_or_models_says_what_to_do() {
        let text = started("127.0.0.1:4000", &[]).text();
        for expected in [
            "none; agents cannot answer",
            "doolittle agent create FILE",
            "curl -s http://127.0.0.1:4000/api/agents",
            "chat --url http://127.0.0.1:4000",
        ] {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
        assert!(Started { agents: 2, ..started("127.0.0.1:3000", &[]) }.text().contains("2, none running"));
    }

    #[test]
    fn agents_of_tenants_are_counted_and_no_example_is_of_them() {
        let text = Started { of_tenants: 3, ..started("127.0.0.1:4000", &[]) }.text();
        for expected in ["doolittle agent create FILE; tenants have 3\n", "curl -s http://127.0.0.1:4000/api/agents\n"] {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
    }

    #[test]
    fn a_key_is_mentioned_and_never_shown_and_its_absence_is_loud_where_it_matters() {
        let keyed = Started { key: true, ..started("0.0.0.0:3000", &[]) }.text();
        assert!(keyed.contains("X-API-KEY: $ELIZA_SERVER_AUTH_TOKEN") && keyed.contains("http://127.0.0.1:3000/"), "{keyed}");
        assert!(started("0.0.0.0:3000", &[]).text().contains("OTHER MACHINES MAY CONNECT"));
    }

    #[test]
    fn what_attests_the_server_is_told_where_something_does() {
        let plain = started("127.0.0.1:3000", &[]);
        assert!(!plain.text().contains("  tee "));
        let attested = Started { tee: Some("SIMULATED: the evidence is made up"), ..plain }.text();
        assert!(attested.contains("  tee       SIMULATED: the evidence is made up\n"), "{attested}");
    }

    #[test]
    fn backups_are_told_where_some_are_made() {
        let plain = started("127.0.0.1:3000", &[]);
        assert!(!plain.text().contains("  backups"));
        let made = Started { backups: Some("every 60 min to /backups, 7 kept; the next now"), ..plain }.text();
        assert!(made.contains("  backups   every 60 min to /backups, 7 kept; the next now\n"), "{made}");
    }

    #[test]
    fn a_log_of_commits_is_told_where_one_is_kept() {
        let plain = started("127.0.0.1:3000", &[]);
        assert!(!plain.text().contains("  log "));
        let kept = Started { log: Some(Path::new("/backups/log")), ..plain }.text();
        assert!(kept.contains("  log       all commits, to /backups/log\n"), "{kept}");
    }

    #[test]
    fn a_web_ui_is_told_where_there_is_one() {
        let plain = started("127.0.0.1:3000", &[]);
        assert!(!plain.text().contains("  web ui"));
        let served = Started { ui: Some(Path::new("dist/client")), ..plain }.text();
        assert!(served.contains("  web ui    dist/client at /\n"), "{served}");
    }

    #[test]
    fn the_body_in_the_curl_line_is_json() {
        let running = [(AgentId::of_name("Eliza"), "Eliza".to_owned())];
        let text = started("127.0.0.1:3000", &running).text();
        let body = text.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["transport"], "http");
    }

    #[test]
    fn names_of_agents_cannot_steer_the_terminal() {
        let running = [(AgentId::of_name("x"), "\u{1b}[2Jx".to_owned())];
        assert!(!started("127.0.0.1:3000", &running).text().contains('\u{1b}'));
    }
}
