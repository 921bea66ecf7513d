//! The verb `chat`: a conversation in the terminal.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::Server;
use super::agents::{self, Listed};
use super::conversation::{Conversation, Line, Reply};
use crate::cli::ChatArgs;
use crate::config::{Config, environment};
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::terminal;

/// Messages shown when a conversation is taken up again.
const SHOWN_AT_START: u32 = 10;
/// The most bytes of a line from a pipe.
const MAX_LINE: u64 = 1 << 20;

const HELP: &str = "  /help         this text
  /history [N]  the last N messages (20)
  /quit         end; so do Ctrl-D and Ctrl-C
  //...         send a message that begins with a slash
While a reply comes, Ctrl-C stops showing it.
";

/// Holds the conversation that the command line asks for.
pub async fn run(config: &Config, arguments: ChatArgs) -> Result<(), Failure> {
    let server = Server::named(config, &arguments.server)?;
    let agent = choose(&agents::list(&server).await?, arguments.agent.as_deref())?;
    let user = environment::login_name().unwrap_or_else(|| "you".to_owned());
    let conversation = Conversation::open(server, agent, user).await?;
    match arguments.once {
        Some(text) => once(&conversation, &text).await,
        None if io::stdin().is_terminal() => Session::open(config, conversation)?.run().await,
        None => lines(&conversation).await,
    }
}

/// The agent that is named, else the first of one's own that runs: nobody talks to a tenant's without having said so.
fn choose(agents: &[Listed], wanted: Option<&str>) -> Result<Listed, Failure> {
    let agent = match wanted {
        Some(wanted) => agents::find(agents, wanted)?,
        None => agents.iter().find(|agent| agent.is_own() && agent.runs()).cloned().ok_or_else(|| nobody(agents))?,
    };
    if agent.runs() {
        return Ok(agent);
    }
    let (name, handle) = (&agent.name, agent.handle());
    Err(Failure::new(Exit::Failure, format!("{name} does not run; start it with `doolittle agent start '{handle}'`")))
}

/// Why there is nobody to talk to, and what to do about it.
fn nobody(agents: &[Listed]) -> Failure {
    let advice = match agents.iter().find(|agent| agent.is_own()) {
        Some(agent) => format!("start one, for example with `doolittle agent start '{}'`", agent.name),
        None => "make one with `doolittle agent create FILE --start`".to_owned(),
    };
    let message = match agents {
        [] => format!("there are no agents yet; {advice}"),
        agents if agents.iter().any(Listed::runs) => format!("only agents of tenants run; name one with --agent, or {advice}"),
        _ => format!("no agent runs; {advice}"),
    };
    Failure::new(Exit::Failure, message)
}

/// One message; the reply, and nothing else, goes to standard output.
async fn once(conversation: &Conversation, text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "--once needs a message that is not empty"));
    }
    match conversation.say(text, &mut |_| {}).await? {
        Reply::Said(reply) => print(&format!("{}\n", terminal::plain(&reply))),
        Reply::Silent => Err(Failure::new(Exit::Failure, format!("{} chose not to answer", conversation.agent.name))),
    }
}

/// Every line of standard input is a message; the replies go to standard output.
async fn lines(conversation: &Conversation) -> Result<(), Failure> {
    while let Some(line) = blocking(next_line).await?? {
        let line = line.trim();
        if line == "/quit" {
            break;
        }
        if !line.is_empty()
            && let Reply::Said(reply) = conversation.say(line, &mut |_| {}).await?
        {
            print(&format!("{}\n", terminal::plain(&reply)))?;
        }
    }
    Ok(())
}

fn next_line() -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
    match read.map_err(|error| Failure::new(Exit::Failure, "standard input cannot be read").because(error))? {
        0 => Ok(None),
        _ => Ok(Some(line)),
    }
}

/// Waiting for a person or a pipe must not hold up the connection.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::new(Exit::Failure, "the terminal broke off").because(error))
}

/// A conversation with a person at a terminal.
struct Session {
    conversation: Conversation,
    history_file: Option<PathBuf>,
    editor: Option<DefaultEditor>,
}

/// What a typed line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Typed<'a> {
    Nothing,
    Message(&'a str),
    Help,
    History(u32),
    Quit,
    Unknown(&'a str),
}

fn read_typed(line: &str) -> Typed<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Typed::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else {
        return Typed::Message(line);
    };
    if command.starts_with('/') {
        return Typed::Message(command);
    }
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    match word {
        "help" | "?" => Typed::Help,
        "quit" | "exit" => Typed::Quit,
        "history" if rest.trim().is_empty() => Typed::History(20),
        "history" => rest.trim().parse().map_or(Typed::Unknown(line), |count: u32| Typed::History(count.clamp(1, 1_000))),
        _ => Typed::Unknown(line),
    }
}

impl Session {
    fn open(config: &Config, conversation: Conversation) -> Result<Self, Failure> {
        let mut editor = DefaultEditor::new().map_err(|error| Failure::new(Exit::Failure, "the terminal cannot be used").because(error))?;
        // Whoever talks to a server elsewhere has no data directory here, and gets none by talking.
        let history_file = config.data_dir.is_dir().then(|| config.data_dir.join("chat_history"));
        if let Some(file) = history_file.as_ref().filter(|file| file.exists())
            && let Err(error) = editor.load_history(file)
        {
            log::warn!("the history of the prompt in {} cannot be read: {error}", file.display());
        }
        Ok(Self { conversation, history_file, editor: Some(editor) })
    }

    async fn run(mut self) -> Result<(), Failure> {
        let name = terminal::line(&self.conversation.agent.name);
        print(&format!("You are talking to {name}. /help says what else there is, /quit ends.\n\n"))?;
        self.show_history(SHOWN_AT_START).await?;
        while let Some(line) = self.prompt().await? {
            match read_typed(&line) {
                Typed::Nothing => {}
                Typed::Quit => break,
                Typed::Help => print(HELP)?,
                Typed::Unknown(line) => print(&format!("{} is no command; /help lists them\n", terminal::line(line)))?,
                // What fails here may work the next time: the conversation goes on.
                Typed::History(count) => report(self.show_history(count).await),
                Typed::Message(text) => report(self.exchange(text).await),
            }
        }
        Ok(())
    }

    /// The next line; `None` at the end.
    async fn prompt(&mut self) -> Result<Option<String>, Failure> {
        let Some(mut editor) = self.editor.take() else { return Ok(None) };
        let file = self.history_file.clone();
        let (editor, line) = blocking(move || {
            let line = editor.readline("you> ");
            remember(&mut editor, file.as_deref(), line.as_deref().unwrap_or_default());
            (editor, line)
        })
        .await?;
        self.editor = Some(editor);
        match line {
            Ok(line) => Ok(Some(line)),
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
            Err(error) => Err(Failure::new(Exit::Failure, "the terminal cannot be read").because(error)),
        }
    }

    async fn show_history(&self, count: u32) -> Result<(), Failure> {
        let lines = self.conversation.history(count).await?;
        print(&transcript(&self.conversation.agent.name, &lines))
    }

    async fn exchange(&self, text: &str) -> Result<(), Failure> {
        print(&format!("{}: ", terminal::line(&self.conversation.agent.name)))?;
        let mut shown = String::new();
        let mut piece = |text: &str| {
            shown.push_str(text);
            // A terminal that is gone is noticed at the next prompt.
            let _ = print(&terminal::plain(text));
        };
        let reply = tokio::select! {
            reply = self.conversation.say(text, &mut piece) => reply,
            _ = tokio::signal::ctrl_c() => return print("\n(no longer shown; the reply will be in /history)\n"),
        };
        print(&match reply {
            Ok(reply) => ending(&shown, &reply, &self.conversation.agent.name),
            Err(failure) => {
                print("\n")?;
                return Err(failure);
            }
        })
    }
}

fn report(result: Result<(), Failure>) {
    if let Err(failure) = result {
        let _ = writeln!(io::stderr(), "{}", failure.story());
    }
}

/// Adds a line to the prompt's history and its file, which only its owner may read.
fn remember(editor: &mut DefaultEditor, file: Option<&std::path::Path>, line: &str) {
    if line.trim().is_empty() {
        return;
    }
    let added = editor.add_history_entry(line);
    if let (Ok(true), Some(file)) = (added, file)
        && let Err(error) = editor.append_history(file)
    {
        log::debug!("the history of the prompt cannot be kept: {error}");
    }
}

/// What is still to print when a reply is complete: its final text replaces pieces that differ from it.
fn ending(shown: &str, reply: &Reply, name: &str) -> String {
    match reply {
        Reply::Said(text) => match text.strip_prefix(shown) {
            Some(rest) => format!("{}\n", terminal::plain(rest)),
            None => format!("\n{}: {}\n", terminal::line(name), terminal::plain(text)),
        },
        Reply::Silent => "(no answer)\n".to_owned(),
    }
}

fn transcript(name: &str, lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let speaker = if line.mine { "you>".to_owned() } else { format!("{}:", terminal::line(name)) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{speaker} {}", terminal::plain(&line.text));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::agents::Listed;
    use super::super::conversation::{Line, Reply};
    use super::{Typed, choose, ending, read_typed, remember, transcript};

    fn agent(name: &str, status: &str) -> Listed {
        Listed { id: format!("id-{name}"), name: name.to_owned(), status: status.to_owned(), bio: String::new(), tenant: None }
    }

    fn of_a_tenant(name: &str, status: &str) -> Listed {
        Listed { tenant: Some("shop".to_owned()), ..agent(name, status) }
    }

    #[test]
    fn the_first_running_agent_is_the_default() {
        let agents = [agent("Ada", "inactive"), agent("Eliza", "active")];
        assert_eq!(choose(&agents, None).unwrap().name, "Eliza");
        for (agents, wanted, advice) in [
            (&agents[..1], None, "agent start 'Ada'"),
            (&agents[..1], Some("ada"), "agent start 'Ada'"),
            (&agents[..0], None, "agent create FILE"),
        ] {
            let failure = choose(agents, wanted).unwrap_err();
            assert!(failure.message.contains(advice), "{failure}");
        }
    }

    #[test]
    fn a_tenants_agent_is_never_the_default() {
        let agents = [of_a_tenant("Bob", "active"), of_a_tenant("Zoe", "inactive"), agent("Eliza", "active")];
        assert_eq!(choose(&agents, None).unwrap().name, "Eliza");
        assert_eq!(choose(&agents, Some("bob")).unwrap().name, "Bob");
        let asleep = [of_a_tenant("Bob", "active"), agent("Eliza", "inactive")];
        for (agents, wanted, advice) in [
            (&agents[..2], None, "only agents of tenants run; name one with --agent, or make one"),
            (&asleep[..], None, "name one with --agent, or start one, for example with `doolittle agent start 'Eliza'`"),
            (&agents[1..2], None, "no agent runs; make one"),
            (&agents[..], Some("zoe"), "agent start 'id-Zoe'"),
        ] {
            let failure = choose(agents, wanted).unwrap_err();
            assert!(failure.message.contains(advice), "{failure}");
        }
    }

    #[test]
    fn a_typed_line_is_a_message_or_a_command() {
        for (line, typed) in [
            ("  hello /quit ", Typed::Message("hello /quit")),
            ("", Typed::Nothing),
            ("/quit", Typed::Quit),
            ("/help", Typed::Help),
            ("/history", Typed::History(20)),
            ("/history 5", Typed::History(5)),
            ("/history 999999", Typed::History(1_000)),
            ("/history soon", Typed::Unknown("/history soon")),
            ("/dance", Typed::Unknown("/dance")),
            ("//etc", Typed::Message("/etc")),
        ] {
            assert_eq!(read_typed(line), typed, "{line:?}");
        }
    }

    #[test]
    fn the_final_text_completes_or_replaces_what_was_shown() {
        let said = Reply::Said("Hello there".to_owned());
        assert_eq!(ending("", &said, "Eliza"), "Hello there\n");
        assert_eq!(ending("Hello", &said, "Eliza"), " there\n");
        assert_eq!(ending("Hello there", &said, "Eliza"), "\n");
        assert_eq!(ending("Good day", &said, "Eliza"), "\nEliza: Hello there\n");
        assert_eq!(ending("", &Reply::Silent, "Eliza"), "(no answer)\n");
    }

    #[test]
    fn what_the_server_sends_cannot_steer_the_terminal() {
        let evil = "\u{1b}]52;c;aGk=\u{7}";
        let lines = [Line { mine: false, text: evil.to_owned() }, Line { mine: true, text: "hi".to_owned() }];
        let shown = transcript(evil, &lines) + &ending("", &Reply::Said(evil.to_owned()), evil);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
        assert!(shown.contains("you> hi\n"));
    }

    #[test]
    fn the_prompts_history_is_kept_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("chat_history");
        let mut editor = rustyline::DefaultEditor::new().unwrap();
        remember(&mut editor, Some(&file), "a secret thought");
        remember(&mut editor, Some(&file), "   ");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("a secret thought"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
