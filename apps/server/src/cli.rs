//! The command line, and the manual that `--help` prints.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, ArgGroup, ArgMatches, Args, Command, CommandFactory as _, FromArgMatches, Parser, Subcommand};
use core_types::tee::Challenge;
use core_types::{MessageServerId, Permission, Timestamp};

use crate::config::SettingId;
use crate::config::setting::Kind;
use crate::exit;

/// An agent server that speaks the elizaOS REST API: one program, its data in one directory.
///
/// Without a verb it serves. `chat` and `agent` talk to a running server.
#[derive(Debug, Parser)]
#[command(name = "doolittle", version, max_term_width = 110)]
pub struct Cli {
    /// What to do; `serve` where nothing is said.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The settings file; `doolittle.toml` in the working directory where it exists and nothing is said.
    #[arg(long, value_name = "FILE", global = true, help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// Settings of the command line.
    #[command(flatten)]
    pub settings: Flags,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Run the server until it is told to stop (the default)
    Serve,
    /// Talk to an agent of a running server
    Chat(ChatArgs),
    /// See and manage the agents of a running server
    Agent {
        /// What to do with them.
        #[command(subcommand)]
        verb: AgentVerb,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// Make, list and revoke API keys of a running server, for others than its owner
    Key {
        /// What to do with them.
        #[command(subcommand)]
        verb: KeyVerb,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// Encrypt the secrets of agents of a running server with a new key, while they go on being used
    Secrets {
        /// What to do with them.
        #[command(subcommand)]
        verb: SecretsVerb,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// Show on a running server that everybody is let on to what is theirs and to nothing else
    Selftest {
        /// What to test.
        #[command(subcommand)]
        verb: SelftestVerb,
    },
    /// Check what a server has attested
    Tee {
        /// What to do.
        #[command(subcommand)]
        verb: TeeVerb,
    },
    /// Bring the database to this version's schema and stop
    Migrate(MigrateArgs),
    /// Bring in agents: characters, an exported agent, or the database of an elizaOS server
    Import(ImportArgs),
    /// Write an agent with its memories into one file, without its secrets
    Export(ExportArgs),
    /// Copy the database and the uploaded files, while a server runs or not
    Backup(BackupArgs),
    /// Make a data directory of a backup
    Restore(RestoreArgs),
    /// Check the database and the uploaded files, a backup, or the log that is kept; changes nothing
    Verify(VerifyDataArgs),
    /// Make anew what can be: indexes, words, vectors; and move files of no row aside. The server must not run
    Repair(RepairArgs),
    /// Show every setting, its value and where it came from; secrets are masked
    Config {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print the table of settings for the documentation.
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
    /// Print the OpenAPI document of the API
    Openapi,
    /// Read a document from standard input: what the server starts for each, see the crate `documents`
    #[command(name = documents::VERB, hide = true)]
    ReadDocument {
        /// Its format.
        format: String,
    },
}

/// What is backed up, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BackupArgs {
    /// A directory, or a file whose name ends in `.tar`; nothing may be there yet. Where nothing is said, a directory by the time, in
    /// `BACKUP_DIR` or here.
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// Put `secret.key` into it. Whoever has the backup then has the agents' secrets.
    #[arg(long)]
    pub with_key: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What becomes a data directory. The server must not run.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("beyond").multiple(true))]
pub struct RestoreArgs {
    /// The backup: a directory or a `.tar` that `backup` made.
    #[arg(long, value_name = "PATH")]
    pub from: PathBuf,
    /// Go on from the backup to this moment by the log that was kept: ISO 8601 or epoch milliseconds, not before the backup.
    #[arg(long, value_name = "TIME", value_parser = moment, group = "beyond")]
    pub until: Option<Timestamp>,
    /// The directory of that log; `BACKUP_LOG_DIR` where nothing is said. Without `--until` this goes on to the log's end.
    #[arg(long, value_name = "DIR", group = "beyond")]
    pub log: Option<PathBuf>,
    /// A media directory from which uploaded files are copied that came after the backup, where they are still what was uploaded.
    #[arg(long, value_name = "DIR", requires = "beyond")]
    pub media: Option<PathBuf>,
    /// Move what is in the data directory aside; without this it must be empty.
    #[arg(long)]
    pub replace: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is checked.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct VerifyDataArgs {
    /// A backup in place of the data directory.
    #[arg(long, value_name = "PATH")]
    pub backup: Option<PathBuf>,
    /// The directory of a log (`BACKUP_LOG_DIR`) in place of the data directory: each segment, from when to when it leads, and which of the
    /// backups in `BACKUP_DIR` lead into it.
    #[arg(long, value_name = "DIR", conflicts_with = "backup")]
    pub log: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which way to migrate. The server must not run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct MigrateArgs {
    /// Undo the newest migration with all that it holds, for the version before this one. Of the embedded database a copy is made first, of
    /// PostgreSQL none: make one with `pg_dump`.
    #[arg(long)]
    pub down: bool,
}

/// How repairs are told.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RepairArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where agents come from. The server must not run.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ImportArgs {
    /// A character as JSON, a file that `export` wrote, or a directory of such files (`*.json`, `*.jsonl`).
    #[arg(value_name = "PATH", required_unless_present = "from_postgres", conflicts_with = "from_postgres")]
    pub path: Option<PathBuf>,
    /// The PostgreSQL database of an elizaOS server 1.7.2: `postgres://user:password@host/database`; `-` reads the URL from
    /// standard input, where others cannot see it. It is only read.
    #[arg(long, value_name = "URL")]
    pub from_postgres: Option<String>,
    /// Bring it in; without this it is only looked at, and told what would come in and what is not understood.
    #[arg(long)]
    pub yes: bool,
}

/// Which agent goes where. The server must not run.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExportArgs {
    /// The agent: its id, its name or a beginning of its id that only one has; of one name, the owner's before tenants'.
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// The file to write, which must not be there yet; standard output where nothing is said.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A conversation in the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ChatArgs {
    /// The agent: its id, its name or a beginning that only one has (of an id eight digits at least); where nothing is said, the first
    /// running one that is no tenant's.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Send this one message, print the reply and stop.
    #[arg(long, value_name = "TEXT")]
    pub once: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What to do with agents.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AgentVerb {
    /// List all agents
    List,
    /// Show one agent
    Show {
        /// Its id, its name or a beginning that only one has (of an id eight digits at least).
        name: String,
    },
    /// Create an agent from a character file
    Create {
        /// The character as JSON; `-` reads standard input.
        file: PathBuf,
        /// Start it as well.
        #[arg(long)]
        start: bool,
    },
    /// Start an agent; it runs until it is stopped, across restarts of the server
    Start {
        /// Its id, its name or a beginning that only one has (of an id eight digits at least).
        name: String,
    },
    /// Stop an agent; what it has not answered yet waits
    Stop {
        /// Its id, its name or a beginning that only one has (of an id eight digits at least).
        name: String,
    },
    /// Delete an agent with its memories
    Remove {
        /// Its id or its name, either of them whole.
        name: String,
    },
}

/// What to test.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SelftestVerb {
    /// Ask every operation and every event by everybody: without a key, with a wrong one, with keys of two tenants that are made for
    /// it and deleted afterwards, and with the owner's
    Authz {
        /// The server's address; by default this machine and `SERVER_PORT`.
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// The owner's key; by default `ELIZA_SERVER_AUTH_TOKEN`, then `ELIZAOS_API_KEY`.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

/// What to do with the secrets of agents. The owner's key is needed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum SecretsVerb {
    /// Make a new key and encrypt all of them with it
    Rotate,
}

/// What to do with API keys. The owner's key is needed for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum KeyVerb {
    /// Make a key and print it, this one time
    Create(NewKeyArgs),
    /// List the keys and when each was shown last
    List,
    /// Take a key back; it counts nowhere from now on
    Revoke {
        /// Its id, or a beginning of eight digits or more that only one has.
        id: String,
    },
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct NewKeyArgs {
    /// What it is for.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// What it lets its bearer do: agents:read, agents:write, messages:read, messages:write, memories:read, memories:write,
    /// system:read; separated by commas.
    #[arg(long, value_name = "SCOPES", required = true, value_delimiter = ',', value_parser = scope)]
    pub scope: Vec<Permission>,
    /// A message server that it shares with others, by its id; may be given more than once.
    #[arg(long, value_name = "ID")]
    pub server: Vec<MessageServerId>,
    /// When it ends: a time such as 2027-01-31T12:00:00Z, or a span from now such as 30d, 12h or 45m; never where nothing is said.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Whose things are its own: keys of one tenant see the same; its name where nothing is said.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
}

/// What to do with what a server has attested.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TeeVerb {
    /// Check an answer of `/api/tee/...`: its signature, its key, its evidence
    Verify(VerifyArgs),
}

/// An answer to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct VerifyArgs {
    /// The answer as JSON; `-` reads standard input.
    pub file: PathBuf,
    /// What Intel publishes about machines of its kind, as JSON (docs/tee.md); without it a TDX quote proves nothing.
    #[arg(long, value_name = "FILE")]
    pub collateral: Option<PathBuf>,
    /// The time at which certificates and collateral must be valid: ISO 8601 or epoch milliseconds; now where nothing is said.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Timestamp>,
    /// The nonce, or the report data, that the answer must repeat, in hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    pub nonce: Option<Challenge>,
    /// Succeed with simulated evidence too, which proves nothing.
    #[arg(long)]
    pub allow_simulated: bool,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "must be epoch milliseconds or an ISO 8601 time".to_owned())
}

fn scope(text: &str) -> Result<Permission, String> {
    let known = || Permission::GRANTABLE.map(|permission| permission.to_string()).join(", ");
    Permission::of_scope(text.trim()).ok_or_else(|| format!("must be one or more of {}, separated by commas", known()))
}

/// Which server to talk to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct ServerArgs {
    /// The server's address, without `/api`; by default this machine and `SERVER_PORT`.
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Its key; by default `ELIZA_SERVER_AUTH_TOKEN`, then `ELIZAOS_API_KEY`.
    #[arg(long, global = true, value_name = "KEY")]
    pub key: Option<String>,
}

/// The settings that the command line gives: one flag for each setting of the table that has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags(pub BTreeMap<SettingId, String>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(SettingId::ALL.iter().filter_map(|id| flag(*id)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for id in SettingId::ALL.iter().filter(|id| id.setting().flag.is_some()) {
            if let Some(value) = matches.get_one::<String>(id.setting().name) {
                self.0.insert(*id, value.clone());
            }
        }
        Ok(())
    }
}

fn flag(id: SettingId) -> Option<Arg> {
    let setting = id.setting();
    let mut help = format!("{} [{}]", setting.help, setting.name);
    if !setting.default_text().is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(help, " [default: {}]", setting.default_text());
    }
    let arg = Arg::new(setting.name).long(setting.flag?).value_name(setting.kind.placeholder()).help(help);
    let arg = arg.global(true).help_heading("Settings");
    Some(if setting.kind == Kind::Switch { arg.num_args(0..=1).default_missing_value("true").require_equals(true) } else { arg })
}

/// Reads the arguments, the program's name first. An error is also how `--help` and `--version` come out.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// The command line with its manual.
pub fn command() -> Command {
    Cli::command().after_help("`doolittle --help` prints the manual.").after_long_help(manual())
}

fn manual() -> String {
    let mut manual = format!("{EXAMPLES}{PRECEDENCE}");
    for id in SettingId::ALL {
        let setting = id.setting();
        let default = if setting.default_text().is_empty() { String::new() } else { format!("  [{}]", setting.default_text()) };
        // Writing to a String cannot fail.
        let _ = writeln!(manual, "  {}{default}\n{}", setting.name, indented(setting.help));
    }
    manual.push_str(FILES);
    manual.push_str("\nExit status:\n");
    for (code, meaning) in exit::MEANINGS {
        let _ = writeln!(manual, "  {code}  {meaning}");
    }
    manual
}

/// The text in lines of at most 78 characters, six spaces from the left.
fn indented(text: &str) -> String {
    let mut lines = vec![String::from("     ")];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 78 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("      {word}")),
        }
    }
    lines.join("\n")
}

const PRECEDENCE: &str = "
Environment:
  A flag wins over the environment, that over `.env` in the data directory, that
  over the settings file, that over the default. An empty value is as good as
  none. `doolittle config` shows what holds and where it came from.

";

const EXAMPLES: &str = "\
Examples:
  doolittle                                      serve on 127.0.0.1:3000, data in ./.doolittle
  doolittle --port 8080 --data-dir /var/lib/doolittle
  OPENAI_API_KEY=... doolittle                   answer with a language model
  doolittle chat                                 talk to the first running agent
  doolittle chat --agent Eliza --once 'Hello'    one message, the reply on standard output
  doolittle agent create characters/ada.json --start
  doolittle agent list --url https://agents.example.org --key ...
  doolittle key create --name shop --scope agents:read,messages:read,messages:write --expires 90d
  doolittle import characters/                   look at what would come in; --yes brings it in
  doolittle import --from-postgres postgres://eliza:...@localhost/eliza --yes
  doolittle export Ada --out ada.jsonl           an agent with its memories as one file
  doolittle backup --to /backups/monday.tar      also while the server runs
  doolittle verify --backup /backups/monday.tar
  doolittle verify --log /backups/log            from when to when the log of BACKUP_LOG_DIR leads
  doolittle restore --from /backups/monday.tar --data-dir /var/lib/doolittle
  curl -s http://127.0.0.1:3000/api/tee/status | doolittle tee verify - --collateral collateral.json
";

const FILES: &str = "
Files:
  ./doolittle.toml               settings as TOML, unless --config names another file
  <data-dir>/.env                settings, NAME=VALUE
  <data-dir>/doolittle.lock      held by the one process that uses the directory; has its process id
  <data-dir>/doolittle.db        the database, with doolittle.db-wal and doolittle.db-shm while it is in use
  <data-dir>/media/              uploaded files
  <data-dir>/secret.key          the key under which agents' secrets are encrypted
  <data-dir>/backups/            copies of the database from before an upgrade, a downgrade or a repair
  <data-dir>/tee.key             the key that attested answers are signed with
  <data-dir>/characters/         characters that `characterPath` may name
  <data-dir>/chat_history        what was typed into `chat`
";

#[cfg(test)]
mod tests;
