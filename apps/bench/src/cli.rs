//! The command line, and the manual that `--help` prints.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const MANUAL: &str = "\
Each scenario prints one line of JSON to standard output; how it goes is told on standard error. The line has the scenario \
and its parameters, rate_per_s (good answers a second), p50_ms, p99_ms and max_ms (from sending a request to its whole \
answer), answers, errors, rss_mib and rss_peak_mib (the server's memory after the load), server_cpu_us and \
generator_cpu_us (processor time for each answer), others_share (the share of the processors that other programs had \
meanwhile), and what else the scenario has. A figure that makes no sense or cannot be had is null.

A bad answer is an error: a run with errors ends with code 1, and with the first of them on standard error. Code 2 means \
that the command line makes no sense.

Without --base-url the server is started for the run: on this machine, with a database of its own, without a rate limit, \
with the offline model, and with everything else as it is by default. The server is the program `doolittle` beside this one, \
which `cargo build --release` makes, or the one that --server names.

With --base-url the server must be running, without a rate limit (RATE_LIMIT_MAX=0). Channels and messages are made in it and \
stay. Its memory is read from the process that --pid names, or that listens on the port, if that is on this machine.

Generator and server share the machine. Compare figures of one run, such as those of --limit; figures of two runs on a \
busy machine may differ by a third without any reason in the program. docs/benchmarks.md tells more.

  bench ping --limit
  bench submit --connections 16
  bench round-trip --users 32 --base-url http://127.0.0.1:3000
  bench report --repeat 3
  bench growth messages --most 100000
  bench report --quick";

/// Puts a load on a Doolittle or elizaOS server and prints figures.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", version, max_term_width = 110, subcommand_value_name = "SCENARIO", subcommand_help_heading = "Scenarios")]
#[command(after_long_help = MANUAL)]
pub struct Cli {
    /// What is measured.
    #[command(subcommand)]
    pub scenario: Scenario,
    /// On what and for how long.
    #[command(flatten)]
    pub common: Common,
}

/// What every scenario takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// A server that runs already; one is started for the run where nothing is said.
    #[arg(long, global = true, value_name = "URL")]
    pub base_url: Option<String>,
    /// Its key, if it wants one.
    #[arg(long, global = true, value_name = "KEY", requires = "base_url")]
    pub key: Option<String>,
    /// Its process; the one that listens on the port where nothing is said.
    #[arg(long, global = true, value_name = "PID", requires = "base_url")]
    pub pid: Option<u32>,
    /// The server program to start; `doolittle` beside this program where nothing is said.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "base_url")]
    pub server: Option<PathBuf>,
    /// Where temporary databases are made, on a disk whose speed is meant; beside this program where nothing is said.
    #[arg(long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// HTTP workers of the started server and of the bare handler; one for each processor where nothing is said.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// How long is measured.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub seconds: f64,
    /// How long the load is on before the measuring begins.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub warm_up: f64,
    /// A verdict that is missed counts as an error; otherwise the line alone tells it.
    #[arg(long, global = true)]
    pub strict: bool,
    /// Threads of the generator; more than one only helps where there are processors to spare.
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
}

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum Scenario {
    /// GET /api/server/ping
    Ping(PingArgs),
    /// GET /api/agents
    Agents(AgentsArgs),
    /// Read a page of a long channel, which is filled first
    Read(ReadArgs),
    /// Post messages to many channels, without an agent in them or with one
    Submit(SubmitArgs),
    /// Post messages to an agent and wait for its replies, each user in a channel of their own
    RoundTrip(RoundTripArgs),
    /// Open many sockets: what they cost, how soon all of a room are told, and whether many that chat lose or double anything
    Sockets(SocketsArgs),
    /// Upload large files
    Upload(UploadArgs),
    /// Give an agent documents to know
    Ingest(IngestArgs),
    /// Start the server on an existing database with one agent, up to a ping and up to a first reply
    Start(StartArgs),
    /// The server's memory, idle with more and more started agents, and after a load
    Memory(MemoryArgs),
    /// Recall by meaning from many memories of one agent, in this process: no server is started
    Recall(RecallArgs),
    /// What this machine could do at most, without the server
    #[command(subcommand)]
    Limits(Limit),
    /// Replies to users that together ask for half of what the server can bear
    HalfRate(HalfRateArgs),
    /// More of everything than the server can bear, and whether it says meanwhile how it is
    Overload(OverloadArgs),
    /// Everything at once for a long time, and whether the server's memory, files and threads stay as they are
    Soak(SoakArgs),
    /// How reads, posts, replies and memory change with how much there is
    Growth(GrowthArgs),
    /// Every scenario that has a bar, several times over, and a table of medians
    All(AllArgs),
    /// Everything at once, with the curves of growth, as a page with tables and charts: some 5 minutes, fewer with --quick
    Report(ReportArgs),
    /// Fills the database of `recall`
    #[command(hide = true)]
    RecallFill(RecallFillArgs),
    /// The server of `limits http`, until its standard input ends
    #[command(hide = true)]
    BareHandler(BareHandlerArgs),
}

/// How many connections.
#[derive(Debug, Clone, Args)]
pub struct Connections {
    /// Connections, each of which sends the next request when the last one is answered.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections: u16,
}

/// Parameters of `ping`.
#[derive(Debug, Clone, Args)]
pub struct PingArgs {
    /// How many connections.
    #[command(flatten)]
    pub load: Connections,
    /// Measure `limits http` with an answer of the same length before and after, and say what share of it the ping is.
    #[arg(long)]
    pub limit: bool,
}

/// Parameters of `agents`.
#[derive(Debug, Clone, Args)]
pub struct AgentsArgs {
    /// How many connections.
    #[command(flatten)]
    pub load: Connections,
    /// At least so many agents are listed; those that are missing are made.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub agents: u16,
}

/// Parameters of `read`.
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// How many connections.
    #[command(flatten)]
    pub load: Connections,
    /// Messages in the channel.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub messages: u32,
    /// Messages that are read at once.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub page: u16,
    /// Read from all over the channel, which is more than the server keeps written, and not its newest messages alone.
    #[arg(long)]
    pub spread: bool,
}

/// Parameters of `submit`.
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    /// How many connections.
    #[command(flatten)]
    pub load: Connections,
    /// Channels that the messages go to in turn.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub channels: u16,
    /// An agent takes part in every channel and answers behind the posts, whose rate alone is measured.
    #[arg(long)]
    pub agent: bool,
    /// Measure `limits sqlite` with groups of as many submits as there are connections before and after, and say what share of
    /// it the submits are.
    #[arg(long)]
    pub limit: bool,
}

/// Parameters of `round-trip`.
#[derive(Debug, Clone, Args)]
pub struct RoundTripArgs {
    /// Users, each of whom sends the next message when the last one is answered.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub users: u16,
}

/// Parameters of `sockets`.
#[derive(Debug, Clone, Args)]
pub struct SocketsArgs {
    /// Sockets in one room.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=9_000))]
    pub sockets: u16,
    /// Messages that they are told, one after the other.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub broadcasts: u16,
    /// Sockets that chat with the agent at once.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=9_000))]
    pub chatting: u16,
    /// Messages of each of them.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub messages: u16,
}

/// Parameters of `upload`.
#[derive(Debug, Clone, Args)]
pub struct UploadArgs {
    /// Connections, each of which uploads the next file when the last one is stored.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub connections: u16,
    /// The size of a file in MiB; the server takes 50 unless it is told otherwise.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub mib: u16,
    /// Measure synced writes of the same file before and after, and say what share of them the uploads are.
    #[arg(long)]
    pub limit: bool,
}

/// Parameters of `ingest`.
#[derive(Debug, Clone, Args)]
pub struct IngestArgs {
    /// How many pages, of 2,500 bytes each.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub pages: u32,
    /// How many of them a document has.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub pages_per_document: u32,
}

/// Parameters of `start`.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// How often it is started.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub times: u16,
}

/// Parameters of `memory`.
#[derive(Debug, Clone, Args)]
pub struct MemoryArgs {
    /// Numbers of started agents.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [0, 1, 100, 1_000])]
    pub agents: Vec<u16>,
}

/// Parameters of `recall`.
#[derive(Debug, Clone, Args)]
pub struct RecallArgs {
    /// Memories of the agent.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    pub memories: u32,
    /// Numbers in a vector.
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = clap::value_parser!(u16).range(8..=4_096))]
    pub dimensions: u16,
}

/// Parameters of `recall-fill`.
#[derive(Debug, Clone, Args)]
pub struct RecallFillArgs {
    /// What is stored.
    #[command(flatten)]
    pub stored: RecallArgs,
    /// The directory of the database.
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
}

/// A limit.
#[derive(Debug, Clone, Subcommand)]
pub enum Limit {
    /// A handler on actix-web that answers a constant, under the load of `ping`
    Http(HttpLimitArgs),
    /// The rows that one submit writes, in group commits of bare SQLite with the server's settings
    Sqlite(SqliteLimitArgs),
}

/// Parameters of `limits http`.
#[derive(Debug, Clone, Args)]
pub struct HttpLimitArgs {
    /// How many connections.
    #[command(flatten)]
    pub load: Connections,
    /// Bytes of the answer's body; by default as many as the ping of Doolittle has.
    #[arg(long, value_name = "N", default_value_t = 144)]
    pub bytes: usize,
}

/// Parameters of `limits sqlite`.
#[derive(Debug, Clone, Args)]
pub struct SqliteLimitArgs {
    /// Submits in a commit.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub group: u16,
    /// Channels that the messages go to in turn.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub channels: u16,
}

/// Parameters of `half-rate`.
#[derive(Debug, Clone, Args)]
pub struct HalfRateArgs {
    /// Users, each in a channel of their own.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub users: u16,
    /// How often half of the rate is measured; the line is the one with the median p99.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub repeat: u16,
}

/// Parameters of `overload`.
#[derive(Debug, Clone, Args)]
pub struct OverloadArgs {
    /// Connections that submit, half of them to channels with the agent; half as many read besides.
    #[command(flatten)]
    pub load: Connections,
    /// Users that wait for replies at once; the server takes 1,024 unless it is told otherwise.
    #[arg(long, value_name = "N", default_value_t = 1_200, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub waiting: u16,
}

/// Parameters of `soak`.
#[derive(Debug, Clone, Args)]
pub struct SoakArgs {
    /// For how long.
    #[arg(long, value_name = "MINUTES", default_value_t = 30.0, value_parser = seconds)]
    pub minutes: f64,
    /// How often memory, open files and threads are told.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub interval: f64,
}

/// What there is more and more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Growing {
    /// Messages in one channel, up to 1,000,000
    Messages,
    /// Memories of one agent, up to 1,000,000
    Memories,
    /// Started agents, up to 5,000
    Agents,
    /// Sockets in one room, up to 5,000
    Sockets,
}

/// Parameters of `growth`.
#[derive(Debug, Clone, Args)]
pub struct GrowthArgs {
    /// What there is more and more of.
    #[arg(value_name = "WHAT")]
    pub of: Growing,
    /// How many there are in the end.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub most: Option<u32>,
}

/// Parameters of `all`.
#[derive(Debug, Clone, Args)]
pub struct AllArgs {
    /// How often each scenario is run; the table has the medians.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub repeat: u16,
}

/// Parameters of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Shorter loads and less growth: figures to look at, not to keep.
    #[arg(long)]
    pub quick: bool,
    /// How often each scenario is run; the table has the medians. What grows is grown once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    pub repeat: u16,
    /// The directory in which `performance.md` and `performance/*.svg` are written.
    #[arg(long, value_name = "DIR", default_value = "docs")]
    pub docs: PathBuf,
    /// No curve grows further than this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub most: Option<u32>,
    /// Only the scenarios that begin with one of these; --docs says where, so that no page of all is replaced by one of some.
    #[arg(long, value_name = "SCENARIO,...", value_delimiter = ',', requires = "docs")]
    pub only: Vec<String>,
}

/// Parameters of the bare handler.
#[derive(Debug, Clone, Args)]
pub struct BareHandlerArgs {
    /// Bytes of the answer's body.
    #[arg(long)]
    pub bytes: usize,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds, at most a day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_may_stand_on_either_side_of_the_scenario() {
        for line in ["bench --seconds 2 submit --connections 16", "bench submit --connections 16 --seconds 2"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!((cli.common.seconds - 2.0).abs() < f64::EPSILON, "{line}");
            assert!(matches!(cli.scenario, Scenario::Submit(submit) if submit.load.connections == 16), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "bench",
            "bench swim",
            "bench ping --connections 0",
            "bench ping --seconds -1",
            "bench ping --pid 1",
            "bench ping --key k",
            "bench report --only ping",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
