//! Taking in the database of an elizaOS server.

use std::collections::BTreeSet;

use core_types::agents::{Added, MAX_LISTED};
use core_types::character::{self, ParsedCharacter};
use core_types::messaging::{ChannelAdded, Linked, MAX_PARTICIPANTS};
use core_types::moving::{Belonging, Brought, ElizaOsDatabase, ElizaOsRows, PastMessage};
use core_types::{AgentId, ChannelId, JsonObject, MessageServerId, Page};
use serde_json::Value;

use super::rows::{self, Row, Wrong};
use super::{BATCH, Kind, MovingError, MovingIn, bounds};

/// So many rows are read at once.
const PAGE: u32 = 200;

/// Tables whose rows stay where they are, and why.
const LEFT: &[(&str, &str)] = &[
    ("embeddings", "vectors are made anew of what is remembered, by the model that is set here"),
    ("logs", "logs do not move"),
    ("cache", "what was cached does not move"),
    ("components", "there are no components here"),
    ("relationships", "there are no relationships here"),
    ("tasks", "there are no tasks here"),
    ("servers", "there are no tenants here"),
];

/// Tables whose rows move.
const MOVED: &[&str] = &[
    "agents",
    "central_messages",
    "channel_participants",
    "channels",
    "entities",
    "memories",
    "message_server_agents",
    "message_servers",
    "participants",
    "rooms",
    "worlds",
];

/// Columns that mean nothing here.
const IGNORED: &[(&str, &str)] = &[("agents", "server_id"), ("agents", "owner_id"), ("rooms", "server_id"), ("worlds", "server_id")];

/// elizaOS keeps the whole environment of its process with the secrets of every agent that it starts. These names are of the
/// machine or the server, and no agent's.
const OF_THE_PROCESS: &[&str] = &[
    "_",
    "CORS_ORIGIN",
    "DISPLAY",
    "EDITOR",
    "EXPRESS_MAX_PAYLOAD",
    "HOME",
    "HOSTNAME",
    "INIT_CWD",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "LOG_LEVEL",
    "MAIL",
    "OLDPWD",
    "PATH",
    "PGLITE_DATA_DIR",
    "POSTGRES_URL",
    "PWD",
    "SECRET_SALT",
    "SERVER_HOST",
    "SERVER_PORT",
    "SHELL",
    "SHLVL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Beginnings of such names.
const OF_THE_PROCESS_TOO: &[&str] =
    &["BUN_", "DBUS_", "ELIZA_", "LC_", "NODE_", "NVM_", "SENTRY_", "SSH_", "SSL_", "SYSTEMD_", "XDG_", "npm_"];

fn is_of_the_process(name: &str) -> bool {
    OF_THE_PROCESS.contains(&name) || OF_THE_PROCESS_TOO.iter().any(|beginning| name.starts_with(beginning))
}

impl MovingIn {
    /// Takes in all that a database of elizaOS has and that has a place here.
    pub async fn elizaos(&mut self, from: &mut dyn ElizaOsDatabase) -> Result<(), MovingError> {
        for (table, rows) in from.tables().await?.into_iter().filter(|(_, rows)| *rows > 0) {
            if let Some((_, why)) = LEFT.iter().find(|(left, _)| *left == table) {
                self.report.note_times(format!("{table}: {why}"), rows);
            } else if !MOVED.contains(&table.as_str()) {
                self.report.note_times(format!("{table}: this table is not known, and its rows were left out"), rows);
            }
        }
        self.servers(from).await?;
        self.agents(from).await?;
        self.links(from).await?;
        for (of, kind, table) in [
            (ElizaOsRows::Worlds, Kind::Worlds, "worlds"),
            (ElizaOsRows::Entities, Kind::Entities, "entities"),
            (ElizaOsRows::Rooms, Kind::Rooms, "rooms"),
            (ElizaOsRows::Participants, Kind::Participants, "participants"),
            (ElizaOsRows::Memories, Kind::Memories, "memories"),
        ] {
            self.belongings(from, of, (kind, table)).await?;
        }
        self.channels(from).await?;
        self.messages(from).await?;
        self.looked_back(self.agents.clone()).await
    }

    /// Reads a row; one that is not understood is noted, and so are columns of which nothing is known.
    fn read<T>(&mut self, (kind, table): (Kind, &str), row: JsonObject, read: impl Fn(&mut Row) -> Result<T, Wrong>) -> Option<T> {
        let mut row = Row::new(row);
        match read(&mut row) {
            Ok(thing) => {
                for column in row.lost() {
                    self.report.note(format!("{table}: what `{column}` says has no place here, at least in part, and was left out"));
                }
                for column in row.rest().filter(|column| !IGNORED.contains(&(table, column.as_str()))) {
                    self.report.note(format!("{table}: the column `{column}` is not known and was left out"));
                }
                Some(thing)
            }
            Err(wrong) => {
                self.report.refused(kind, format!("{table}: {wrong}; left out"));
                None
            }
        }
    }

    async fn servers(&mut self, from: &mut dyn ElizaOsDatabase) -> Result<(), MovingError> {
        from.read(ElizaOsRows::Servers).await?;
        loop {
            let page = from.next(PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for row in page {
                let Some(server) = self.read((Kind::Servers, "message_servers"), row, rows::server) else { continue };
                self.report.found(Kind::Servers);
                let Some(into) = &self.into else { continue };
                let added = into.servers.add(server).await?;
                self.report.became(Kind::Servers, outcome(&added));
            }
            self.tell(Kind::Servers);
        }
    }

    async fn agents(&mut self, from: &mut dyn ElizaOsDatabase) -> Result<(), MovingError> {
        from.read(ElizaOsRows::Agents).await?;
        let mut left = BTreeSet::new();
        loop {
            let page = from.next(PAGE).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                let read = self.read((Kind::Agents, "agents"), row, |row| {
                    let times = (row.time("created_at")?, row.time("updated_at")?);
                    Ok((row.must::<AgentId>("id")?, row.flag("enabled", true), times, character_columns(row)))
                });
                let Some((id, enabled, times, character)) = read else { continue };
                if let Some(mut parsed) = self.character_of(id, character) {
                    left.extend(without_environment(&mut parsed));
                    if let Err(why) = self.agent(id, parsed, enabled, times).await? {
                        self.report.refused(Kind::Agents, why);
                    }
                }
            }
            self.tell(Kind::Agents);
        }
        if !left.is_empty() {
            let names = Vec::from_iter(left).join(", ");
            self.report.note(format!("agents: elizaOS keeps its environment with every agent's secrets; left out of it: {names}"));
        }
        Ok(())
    }

    /// The character of these columns; where parts of it are not understood, without them.
    fn character_of(&mut self, id: AgentId, mut character: JsonObject) -> Option<ParsedCharacter> {
        let name = character.get("name").and_then(Value::as_str).map_or_else(|| id.to_string(), str::to_owned);
        let keys: Vec<String> = character.keys().filter(|key| !["name", "bio"].contains(&key.as_str())).cloned().collect();
        for key in keys {
            let Some(value) = character.get(&key) else { continue };
            let alone = serde_json::json!({"name": "x", "bio": "", key.as_str(): value});
            if let Err(error) = character::parse(&alone) {
                character.shift_remove(&key);
                self.report.note(format!("{name}: {error}; left out"));
            }
        }
        match character::parse(&Value::Object(character)) {
            Ok(parsed) => {
                for warning in &parsed.warnings {
                    self.report.note(format!("{name}: {warning}"));
                }
                Some(parsed)
            }
            Err(error) => {
                self.report.refused(Kind::Agents, format!("{name}: {error}"));
                None
            }
        }
    }

    async fn links(&mut self, from: &mut dyn ElizaOsDatabase) -> Result<(), MovingError> {
        from.read(ElizaOsRows::ServerAgents).await?;
        // Who listens on the server at hand: rows come server by server.
        let mut known: (Option<MessageServerId>, Vec<AgentId>) = (None, Vec::new());
        loop {
            let page = from.next(PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for row in page {
                let read = |row: &mut Row| Ok((row.must::<MessageServerId>("message_server_id")?, row.must::<AgentId>("agent_id")?));
                let Some((server, agent)) = self.read((Kind::Links, "message_server_agents"), row, read) else { continue };
                self.report.found(Kind::Links);
                let Some(into) = &self.into else { continue };
                if known.0 != Some(server) {
                    known = (Some(server), into.servers.agents(None, server, Page::first(MAX_LISTED)).await?.items);
                }
                let outcome = match into.servers.link(server, agent).await? {
                    Linked::Yes if known.1.contains(&agent) => Brought::Existing,
                    Linked::Yes => Brought::New,
                    Linked::NoServer | Linked::NoAgent => Brought::Homeless,
                };
                self.report.became(Kind::Links, outcome);
            }
        }
    }

    async fn belongings(&mut self, from: &mut dyn ElizaOsDatabase, of: ElizaOsRows, named: (Kind, &str)) -> Result<(), MovingError> {
        from.read(of).await?;
        loop {
            let page = from.next(PAGE).await?;
            if page.is_empty() {
                return self.flush().await;
            }
            for row in page {
                let things = match of {
                    ElizaOsRows::Participants => self.read(named, row, |row| bounded(rows::participant(row)?)),
                    ElizaOsRows::Worlds => self.read(named, row, |row| bounded(vec![Belonging::World(rows::world(row)?)])),
                    ElizaOsRows::Entities => self.read(named, row, |row| bounded(vec![Belonging::Entity(rows::entity(row)?)])),
                    ElizaOsRows::Rooms => self.read(named, row, |row| bounded(vec![Belonging::Room(rows::room(row)?)])),
                    _ => self.read(named, row, |row| bounded(vec![Belonging::Memory(Box::new(rows::memory(row)?))])),
                };
                for thing in things.into_iter().flatten() {
                    self.belonging(thing).await?;
                }
            }
        }
    }

    async fn channels(&mut self, from: &mut dyn ElizaOsDatabase) -> Result<(), MovingError> {
        from.read(ElizaOsRows::Channels).await?;
        loop {
            let page = from.next(PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for row in page {
                let Some((channel, mut participants)) = self.read((Kind::Channels, "channels"), row, rows::channel) else { continue };
                self.report.found(Kind::Channels);
                if participants.len() > MAX_PARTICIPANTS {
                    participants.truncate(MAX_PARTICIPANTS);
                    self.report.note(format!("channels: one has more than {MAX_PARTICIPANTS} participants; the others were left out"));
                }
                let Some(into) = &self.into else { continue };
                let outcome = match into.channels.add(channel, participants).await? {
                    ChannelAdded::New(_) => Brought::New,
                    ChannelAdded::Existing(_) | ChannelAdded::WasAnothers => Brought::Existing,
                    ChannelAdded::NoServer => Brought::Homeless,
                };
                self.report.became(Kind::Channels, outcome);
            }
            self.tell(Kind::Channels);
        }
    }

    async fn messages(&mut self, from: &mut dyn ElizaOsDatabase) -> Result<(), MovingError> {
        from.read(ElizaOsRows::Messages).await?;
        let mut batch: Vec<PastMessage> = Vec::new();
        loop {
            let page = from.next(PAGE).await?;
            if page.is_empty() {
                return self.past_messages(batch).await;
            }
            for row in page {
                let Some(message) = self.read((Kind::Messages, "central_messages"), row, rows::message) else { continue };
                self.report.found(Kind::Messages);
                let goes_on = batch.last().is_none_or(|last| last.draft.channel_id == message.draft.channel_id);
                if !goes_on || batch.len() >= BATCH {
                    self.past_messages(std::mem::take(&mut batch)).await?;
                }
                batch.push(message);
            }
        }
    }

    /// Stores messages of one channel.
    async fn past_messages(&mut self, messages: Vec<PastMessage>) -> Result<(), MovingError> {
        let Some(channel) = messages.first().map(|message: &PastMessage| -> ChannelId { message.draft.channel_id }) else { return Ok(()) };
        if let Some(into) = &self.into {
            for outcome in into.arrivals.bring_messages(channel, messages).await? {
                self.report.became(Kind::Messages, outcome);
            }
        }
        self.tell(Kind::Messages);
        Ok(())
    }
}

/// What a row means, unless it is larger than what moves in may be.
fn bounded(things: Vec<Belonging>) -> Result<Vec<Belonging>, Wrong> {
    things.iter().try_for_each(bounds::check)?;
    Ok(things)
}

/// Takes out of an agent's secrets what is of elizaOS's process; returns the names.
fn without_environment(parsed: &mut ParsedCharacter) -> Vec<String> {
    let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut parsed.secrets).into_iter().partition(|(name, _)| is_of_the_process(name));
    parsed.secrets = kept;
    gone.into_iter().map(|(name, _)| name).collect()
}

/// What became of a thing that was added.
const fn outcome<T>(added: &Added<T>) -> Brought {
    match added {
        Added::New(_) => Brought::New,
        Added::Existing(_) => Brought::Existing,
    }
}

/// A character in the form in which clients send it; what elizaOS keeps empty is left out.
fn character_columns(row: &mut Row) -> JsonObject {
    let mut character = JsonObject::new();
    for (column, key) in [
        ("name", "name"),
        ("username", "username"),
        ("system", "system"),
        ("bio", "bio"),
        ("message_examples", "messageExamples"),
        ("post_examples", "postExamples"),
        ("topics", "topics"),
        ("adjectives", "adjectives"),
        ("knowledge", "knowledge"),
        ("plugins", "plugins"),
        ("settings", "settings"),
        ("style", "style"),
    ] {
        if let Some(value) = row.take(column) {
            character.insert(key.to_owned(), value);
        }
    }
    character.entry("bio").or_insert_with(|| Value::Array(Vec::new()));
    character
}

#[cfg(test)]
#[path = "elizaos_tests.rs"]
mod tests;
