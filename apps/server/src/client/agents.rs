//! The verb `agent`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use outbound::Method;
use serde_json::{Value, json};

use super::Server;
use crate::cli::{AgentVerb, ServerArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::terminal;

/// The most bytes that a character file may have.
const MAX_CHARACTER: u64 = 4 << 20;

/// So many digits of an id are at least needed to mean a thing: fewer are typed by mistake, or for a name.
pub(super) const DIGITS: usize = 8;

/// An agent as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `active` or `inactive`.
    pub status: String,
    /// The beginning of its bio.
    pub bio: String,
    /// The tenant whose agent it is; `None` where it is one's own, and where the server does not say.
    pub tenant: Option<String>,
}

impl Listed {
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.status == "active"
    }

    /// Whether it is no tenant's.
    pub const fn is_own(&self) -> bool {
        self.tenant.is_none()
    }

    /// Its name and id, and whose it is where it is a tenant's.
    pub fn described(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("{} ({}, of the tenant {tenant})", self.name, self.id),
            None => format!("{} ({})", self.name, self.id),
        }
    }

    /// What means it on a command line: the name, but the id of a tenant's, which can have any name.
    pub fn handle(&self) -> &str {
        if self.is_own() { &self.name } else { &self.id }
    }
}

/// Does what the command line says.
pub async fn run(config: &Config, verb: AgentVerb, server: &ServerArgs, as_json: bool) -> Result<(), Failure> {
    let server = Server::named(config, server)?;
    match verb {
        AgentVerb::List => {
            let answer = server.ask(Method::Get, "/api/agents", None).await?;
            if as_json { print_json(answer.get("agents").unwrap_or(&answer)) } else { print(&listing(&read_list(&answer))) }
        }
        AgentVerb::Show { name } => {
            let agent = find(&list(&server).await?, &name)?;
            let answer = server.ask(Method::Get, &path(&agent, ""), None).await?;
            if as_json { print_json(&answer) } else { print(&portrait(&answer)) }
        }
        AgentVerb::Create { file, start } => create(&server, &file, start, as_json).await,
        AgentVerb::Start { name } => change(&server, &find(&list(&server).await?, &name)?, "/start", "runs", as_json).await,
        AgentVerb::Stop { name } => stop(&server, &name, as_json).await,
        AgentVerb::Remove { name } => remove(&server, &name, as_json).await,
    }
}

async fn create(server: &Server, file: &Path, start: bool, as_json: bool) -> Result<(), Failure> {
    let character = read_character(file)?;
    let created = server.ask(Method::Post, "/api/agents", Some(&json!({"characterJson": character}))).await?;
    let id = created.get("id").and_then(Value::as_str).unwrap_or_default();
    let agent = Listed {
        id: id.to_owned(),
        name: created.pointer("/character/name").and_then(Value::as_str).unwrap_or(id).to_owned(),
        status: String::new(),
        bio: String::new(),
        tenant: None,
    };
    if start {
        server.ask(Method::Post, &path(&agent, "/start"), None).await?;
    }
    if as_json {
        return print_json(&created);
    }
    for warning in created.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(io::stderr(), "warning: {}", terminal::line(warning));
    }
    let existed = created.get("existing").and_then(Value::as_bool).unwrap_or_default();
    let what = match (existed, start) {
        (true, true) => "existed before, is unchanged and runs",
        (true, false) => "existed before and is unchanged",
        (false, true) => "is created and runs",
        (false, false) => "is created; start it with `doolittle agent start`",
    };
    print(&format!("{} ({}) {what}\n", terminal::line(&agent.name), terminal::line(id)))
}

async fn change(server: &Server, agent: &Listed, verb: &str, what: &str, as_json: bool) -> Result<(), Failure> {
    let answer = server.ask(Method::Post, &path(agent, verb), None).await?;
    if as_json { print_json(&answer) } else { print(&format!("{} {what}\n", terminal::line(&agent.name))) }
}

/// The server says of an agent that does not run that it knows none; whoever asks by its name knows better.
async fn stop(server: &Server, name: &str, as_json: bool) -> Result<(), Failure> {
    let agent = find(&list(server).await?, name)?;
    if !agent.runs() {
        let told = format!("{} does not run\n", terminal::line(&agent.name));
        return if as_json { print_json(&json!({"id": agent.id, "status": agent.status})) } else { print(&told) };
    }
    change(server, &agent, "/stop", "is stopped; what it has not answered yet waits for its next start", as_json).await
}

async fn remove(server: &Server, name: &str, as_json: bool) -> Result<(), Failure> {
    let agent = find_whole(&list(server).await?, name)?;
    if !confirmed(&agent)? {
        return Err(Failure::new(Exit::Failure, "nothing was removed"));
    }
    server.ask(Method::Delete, &path(&agent, ""), None).await?;
    if as_json { print_json(&json!({"id": agent.id})) } else { print(&format!("{} is removed\n", terminal::line(&agent.name))) }
}

/// Asks a person; a script has made up its mind.
fn confirmed(agent: &Listed) -> Result<bool, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(true);
    }
    let _ = write!(io::stderr(), "Remove {} with all its memories? [y/N] ", terminal::line(&agent.described()));
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    read.map_err(|error| Failure::new(Exit::Failure, "the answer cannot be read").because(error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// All agents of the server, running ones first.
pub async fn list(server: &Server) -> Result<Vec<Listed>, Failure> {
    server.ask(Method::Get, "/api/agents", None).await.map(|answer| read_list(&answer))
}

fn read_list(answer: &Value) -> Vec<Listed> {
    let text = |agent: &Value, key: &str| agent.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let agents = answer.get("agents").and_then(Value::as_array).into_iter().flatten();
    agents
        .map(|agent| Listed {
            id: text(agent, "id"),
            name: text(agent, "name"),
            status: text(agent, "status"),
            bio: text(agent, "bio"),
            tenant: agent.get("tenant").and_then(Value::as_str).map(str::to_owned),
        })
        .collect()
}

/// The one agent that is meant: by its id, else by its name in any case, else by a beginning of either that no other has, of an id of eight
/// digits at least. Tenants name their agents as they like, so that an id comes first, and one's own agents come before theirs.
pub fn find(agents: &[Listed], wanted: &str) -> Result<Listed, Failure> {
    let wanted = wanted.trim().to_lowercase();
    let by_id = |agent: &Listed| agent.id == wanted;
    let by_name = |agent: &Listed| agent.name.to_lowercase() == wanted;
    let by_digits = |agent: &Listed| wanted.len() >= DIGITS && agent.id.starts_with(&wanted);
    let by_beginning = |agent: &Listed| !wanted.is_empty() && agent.name.to_lowercase().starts_with(&wanted) || by_digits(agent);
    let own_by_name = |agent: &Listed| agent.is_own() && by_name(agent);
    let own_by_beginning = |agent: &Listed| agent.is_own() && by_beginning(agent);
    // A tenant's whole name may be the beginning of what one's own agent was meant by: then neither is taken.
    let is_a_name = agents.iter().any(by_name);
    let by_name_or_mistakable = |agent: &Listed| by_name(agent) || is_a_name && own_by_beginning(agent);
    let tries: [&dyn Fn(&Listed) -> bool; 5] = [&by_id, &own_by_name, &by_name_or_mistakable, &own_by_beginning, &by_beginning];
    for fits in tries {
        let found: Vec<&Listed> = agents.iter().filter(|agent| fits(agent)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok((*one).clone()),
            several => return Err(ambiguous(&wanted, several)),
        }
    }
    Err(unknown(agents, &wanted))
}

/// The same for what cannot be undone: by the whole id or name alone. What a beginning means is another agent once the first is gone.
fn find_whole(agents: &[Listed], wanted: &str) -> Result<Listed, Failure> {
    let agent = find(agents, wanted)?;
    let wanted = wanted.trim().to_lowercase();
    if agent.id == wanted || agent.name.to_lowercase() == wanted {
        return Ok(agent);
    }
    let message = format!("no agent is called {wanted:?}; {} begins so, and is meant by its whole name or id alone", agent.described());
    Err(Failure::new(Exit::Failure, message))
}

fn ambiguous(wanted: &str, found: &[&Listed]) -> Failure {
    let candidates: Vec<String> = found.iter().take(10).map(|agent| agent.described()).collect();
    Failure::new(Exit::Failure, format!("{wanted:?} can mean several agents; give the id: {}", candidates.join(", ")))
}

fn unknown(agents: &[Listed], wanted: &str) -> Failure {
    let names: Vec<&str> = agents.iter().take(10).map(|agent| agent.name.as_str()).collect();
    let known = if names.is_empty() { "there are none yet".to_owned() } else { format!("there are: {}", names.join(", ")) };
    Failure::new(Exit::Failure, format!("no agent is called {wanted:?}; {known}"))
}

fn path(agent: &Listed, rest: &str) -> String {
    format!("/api/agents/{}{rest}", agent.id)
}

fn listing(agents: &[Listed]) -> String {
    if agents.is_empty() {
        return "There are no agents yet; `doolittle agent create FILE` makes one.\n".to_owned();
    }
    let bio = |agent: &Listed| terminal::shorten(&agent.bio, 60);
    if agents.iter().all(Listed::is_own) {
        let row = |agent: &Listed| vec![agent.name.clone(), agent.status.clone(), agent.id.clone(), bio(agent)];
        return terminal::table(&["NAME", "STATUS", "ID", "BIO"], &agents.iter().map(row).collect::<Vec<_>>());
    }
    let tenant = |agent: &Listed| agent.tenant.clone().unwrap_or_default();
    let row = |agent: &Listed| vec![agent.name.clone(), tenant(agent), agent.status.clone(), agent.id.clone(), bio(agent)];
    terminal::table(&["NAME", "TENANT", "STATUS", "ID", "BIO"], &agents.iter().map(row).collect::<Vec<_>>())
}

/// An agent's answer, one line for each key that says something; texts whole, everything else as JSON.
fn portrait(agent: &Value) -> String {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let mut rows = Vec::new();
    for (key, value) in agent.as_object().into_iter().flatten().filter(|(_, value)| !empty(value)) {
        match value {
            Value::String(text) => rows.push(vec![key.clone(), text.clone()]),
            Value::Array(items) => rows.extend(items.iter().enumerate().map(|(index, item)| {
                let label = if index == 0 { key.clone() } else { String::new() };
                vec![label, item.as_str().map_or_else(|| item.to_string(), str::to_owned)]
            })),
            other => rows.push(vec![key.clone(), other.to_string()]),
        }
    }
    terminal::table(&["", ""], &rows).trim_start().to_owned()
}

fn read_character(file: &Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        io::stdin().lock().take(MAX_CHARACTER + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MAX_CHARACTER + 1).read_to_string(&mut text))
    };
    let length = read.map_err(|error| Failure::new(Exit::Failure, format!("{} cannot be read", file.display())).because(error))?;
    if length as u64 > MAX_CHARACTER {
        return Err(Failure::new(Exit::Failure, format!("{} has more than {MAX_CHARACTER} bytes", file.display())));
    }
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| Failure::new(Exit::Failure, format!("{} is not JSON", file.display())).because(error))
}

/// A program gets the text as it is, a terminal without what could steer it.
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    let text = format!("{value:#}\n");
    if io::stdout().is_terminal() { print(&terminal::plain(&text)) } else { print(&text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Listed, find, find_whole, listing, portrait, read_character, read_list};

    /// An id of which these are the first digits.
    fn id(digits: &str) -> String {
        format!("{digits}0000-0000")
    }

    fn agent(digits: &str, name: &str) -> Listed {
        Listed { id: id(digits), name: name.into(), status: "active".into(), bio: "A bio".into(), tenant: None }
    }

    fn agents() -> Vec<Listed> {
        vec![agent("aa11", "Eliza"), agent("aa22", "Ada"), agent("bb33", "Adam"), agent("cc44", "Twin"), agent("cc55", "Twin")]
    }

    fn of_a_tenant(digits: &str, name: &str) -> Listed {
        Listed { tenant: Some("shop".into()), ..agent(digits, name) }
    }

    #[test]
    fn an_agent_is_found_by_name_id_or_an_unmistakable_beginning() {
        for (wanted, digits) in [
            ("eliza", "aa11"),
            ("Ada", "aa22"),
            ("bb330000-0000", "bb33"),
            ("adam", "bb33"),
            ("el", "aa11"),
            ("BB330000", "bb33"),
            ("bb330000-00", "bb33"),
        ] {
            assert_eq!(find(&agents(), wanted).unwrap().id, id(digits), "{wanted}");
        }
    }

    #[test]
    fn a_name_that_says_too_little_is_refused_with_what_there_is() {
        for (wanted, message) in [
            ("twin", "cc44"),
            ("ad", "several agents"),
            ("nobody", "there are: Eliza, Ada"),
            ("", "no agent is called"),
            // Too few digits for an id.
            ("bb33000", "no agent is called"),
        ] {
            let failure = find(&agents(), wanted).unwrap_err();
            assert!(failure.message.contains(message), "{wanted}: {failure}");
        }
    }

    #[test]
    fn what_is_removed_has_its_whole_name_or_id() {
        for (wanted, digits) in [("ada", "aa22"), (" ADAM ", "bb33"), ("BB330000-0000", "bb33")] {
            assert_eq!(find_whole(&agents(), wanted).unwrap().id, id(digits), "{wanted}");
        }
        let mut agents = agents();
        for (wanted, message) in [
            ("eli", "Eliza (aa110000-0000) begins so"),
            ("aa110000", "Eliza (aa110000-0000) begins so"),
            ("ad", "several agents"),
            ("nobody", "there are: Eliza, Ada"),
            ("", "no agent is called"),
        ] {
            let failure = find_whole(&agents, wanted).unwrap_err();
            assert!(failure.message.contains(message), "{wanted}: {failure}");
        }
        // The same words again, when that agent is gone.
        agents.retain(|agent| agent.name != "Ada");
        let failure = find_whole(&agents, "ada").unwrap_err();
        assert!(failure.message.contains("Adam (bb330000-0000) begins so"), "{failure}");
    }

    #[test]
    fn no_tenant_takes_the_place_of_ones_own_agent_by_a_name() {
        let mut agents = vec![
            of_a_tenant("ee11", "aa110000-0000"),
            of_a_tenant("ee22", "ADA"),
            of_a_tenant("ee33", "Elizabeth"),
            of_a_tenant("ff44", "Zoe"),
            of_a_tenant("ff55", "Bob"),
            of_a_tenant("ff66", "Bob"),
        ];
        agents.extend(self::agents());
        for (wanted, digits) in [
            ("aa110000-0000", "aa11"),
            ("ada", "aa22"),
            ("eliz", "aa11"),
            ("e", "aa11"),
            ("elizabeth", "ee33"),
            ("ee220000-0000", "ee22"),
            ("ee110000", "ee11"),
            ("zo", "ff44"),
        ] {
            assert_eq!(find(&agents, wanted).unwrap().id, id(digits), "{wanted}");
        }
        agents.push(of_a_tenant("ff77", "aa220000"));
        let failure = find(&agents, "aa220000").unwrap_err();
        assert!(failure.message.contains("aa220000 (ff770000-0000, of the tenant shop)"), "it may be a beginning of Ada's id: {failure}");
        let failure = find(&agents, "bob").unwrap_err();
        let both = "Bob (ff550000-0000, of the tenant shop), Bob (ff660000-0000, of the tenant shop)";
        assert!(failure.message.contains(both), "{failure}");
    }

    #[test]
    fn the_list_is_a_table() {
        let answer = json!({"agents": [{"id": "1", "name": "Eliza", "characterName": "Eliza", "bio": "Listens", "status": "active"}]});
        assert_eq!(listing(&read_list(&answer)), "NAME   STATUS  ID  BIO\nEliza  active  1   Listens\n");
        assert!(listing(&[]).contains("agent create"));
    }

    #[test]
    fn the_list_says_whose_agents_are_where_some_are_a_tenants() {
        let answer = json!({"agents": [
            {"id": "1", "name": "Eliza", "bio": "Listens", "status": "active"},
            {"id": "2", "name": "Bob", "bio": "Sells", "status": "inactive", "tenant": "shop"},
        ]});
        let lines = ["NAME   TENANT  STATUS    ID  BIO", "Eliza          active    1   Listens", "Bob    shop    inactive  2   Sells", ""];
        assert_eq!(listing(&read_list(&answer)), lines.join("\n"));
    }

    #[test]
    fn a_portrait_leaves_out_what_is_empty_and_lists_lists() {
        let shown = portrait(&json!({"name": "Ada", "system": "", "bio": ["one", "two"], "settings": {"a": 1}, "enabled": true}));
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(lines, ["name      Ada", "bio       one", "          two", "settings  {\"a\":1}", "enabled   true"]);
    }

    #[test]
    fn a_character_file_must_be_json() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ada.json");
        assert!(read_character(&file).unwrap_err().story().contains("ada.json cannot be read"));
        std::fs::write(&file, "\u{feff}{\"name\": \"Ada\"}").unwrap();
        assert_eq!(read_character(&file).unwrap(), json!({"name": "Ada"}));
        std::fs::write(&file, "name: Ada").unwrap();
        assert!(read_character(&file).unwrap_err().story().contains("is not JSON\n  because: expected"));
    }
}
