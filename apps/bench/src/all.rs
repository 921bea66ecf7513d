//! Every scenario, several times over, and the table of medians beside the bars that the project has set itself.

use std::fmt::Write as _;

use clap::Parser as _;
use serde_json::Value;

use crate::cli::{AllArgs, Cli, Common};
use crate::failure::{During as _, Failure, Outcome, say};
use crate::figures::median;
use crate::program;
use crate::scenarios;
use crate::target::needs_own_server;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// It is only told.
    None,
}

/// A figure of a line.
pub struct Figure {
    name: &'static str,
    /// Where it is, as a JSON pointer.
    place: &'static str,
    bar: Bar,
}

const fn figure(name: &'static str, place: &'static str, bar: Bar) -> Figure {
    Figure { name, place, bar }
}

const RATE: Figure = figure("per second", "/rate_per_s", Bar::None);
const P50: Figure = figure("p50, ms", "/p50_ms", Bar::None);
const P99: Figure = figure("p99, ms", "/p99_ms", Bar::None);
const CPU_SHARE: Figure = figure("the same by processor time", "/limit/cpu_ratio", Bar::None);
const RSS: Figure = figure("memory after it, MiB", "/rss_mib", Bar::None);

/// 25 and 120 MB.
const IDLE: f64 = 23.8;
const THOUSAND: f64 = 114.4;

/// 30 MB.
const LISTENING: f64 = 28.6;

/// 20 MB.
const UPLOADING: f64 = 19.1;

/// A run in which other programs had more of the processors than this is made again, so often at most.
const DISTURBED: f64 = 0.1;
const ATTEMPTS: usize = 3;

/// The scenarios, each as it is called, and which of its figures the table has.
pub const RUNS: &[(&str, &[Figure])] = &[
    ("ping --limit", &[RATE, figure("share of the bare handler", "/limit/ratio", Bar::AtLeast(0.8)), CPU_SHARE, P50, P99, RSS]),
    ("agents", &[RATE, P50, P99]),
    ("read", &[figure("per second", "/rate_per_s", Bar::AtLeast(12_000.0)), P50, P99, RSS]),
    ("read --spread", &[RATE, P50, P99]),
    ("submit --connections 1", &[RATE, P50, P99]),
    ("submit --connections 16", &[RATE, P50, P99]),
    (
        "submit --connections 64 --limit",
        &[
            figure("per second", "/rate_per_s", Bar::AtLeast(10_000.0)),
            figure("share of bare SQLite", "/limit/ratio", Bar::AtLeast(0.6)),
            P50,
            P99,
            RSS,
        ],
    ),
    ("submit --connections 1 --agent", &[RATE, P50, P99]),
    ("submit --connections 16 --agent", &[RATE, P50, P99]),
    ("submit --connections 64 --agent", &[RATE, P50, P99, RSS]),
    ("round-trip", &[RATE, figure("p50, ms", "/p50_ms", Bar::AtMost(1.5)), P99]),
    ("round-trip --users 32", &[figure("per second", "/rate_per_s", Bar::AtLeast(2_500.0)), P50, P99, RSS]),
    (
        "half-rate --repeat 5",
        &[RATE, P50, figure("p99, ms", "/p99_ms", Bar::AtMost(20.0)), figure("of so many at most", "/saturated_per_s", Bar::None)],
    ),
    (
        "overload",
        &[
            figure("`/health` and `/healthz` meanwhile, p50, ms", "/p50_ms", Bar::None),
            figure("p99, ms", "/p99_ms", Bar::AtMost(50.0)),
            figure("longest, ms", "/max_ms", Bar::None),
            figure("refusals with the time to come back", "/refused", Bar::None),
            figure("refusals without", "/refused_without_time", Bar::AtMost(0.0)),
        ],
    ),
    (
        "sockets",
        &[
            figure("1,000 idle sockets, MiB", "/idle_mib", Bar::AtMost(LISTENING)),
            figure("to the last of 1,000, p50, ms", "/p50_ms", Bar::AtMost(50.0)),
            P99,
            figure("replies per second to 200 that chat", "/rate_per_s", Bar::None),
            RSS,
        ],
    ),
    (
        "upload --limit",
        &[
            figure("MiB a second", "/mib_per_s", Bar::None),
            figure("share of a synced write", "/limit/ratio", Bar::AtLeast(0.6)),
            figure("memory growth, MiB", "/rss_growth_mib", Bar::AtMost(UPLOADING)),
        ],
    ),
    (
        "start",
        &[
            figure("to a ping, p50, ms", "/ping_p50_ms", Bar::None),
            figure("to a reply, p50, ms", "/p50_ms", Bar::AtMost(150.0)),
            figure("the program, MB", "/program_mb", Bar::AtMost(40.0)),
        ],
    ),
    (
        "memory --agents 0,1,100,1000",
        &[
            figure("0 agents, MiB", "/idle/0/rss_mib", Bar::AtMost(IDLE)),
            figure("1 agent, MiB", "/idle/1/rss_mib", Bar::AtMost(IDLE)),
            figure("100 agents, MiB", "/idle/2/rss_mib", Bar::None),
            figure("1,000 agents, MiB", "/idle/3/rss_mib", Bar::AtMost(THOUSAND)),
            figure("1,000 agents just made, MiB", "/idle/3/made_rss_mib", Bar::AtMost(THOUSAND)),
            figure("after a load, MiB", "/rss_mib", Bar::None),
        ],
    ),
];

/// Runs everything, prints a line for each run, and the table at the end. Fails where a run failed.
pub fn run(arguments: &AllArgs, common: &Common) -> Outcome<()> {
    needs_own_server(common)?;
    let mut table: Vec<(&str, &[Figure], Vec<Value>)> = RUNS.iter().map(|(call, figures)| (*call, *figures, Vec::new())).collect();
    let mut failed = 0;
    // One after the other and that several times, so that a slow moment of the machine hits all alike.
    for round in 1..=arguments.repeat {
        for (call, _, lines) in &mut table {
            say(format!("round {round} of {}: {call}", arguments.repeat));
            match undisturbed(call, common) {
                Ok(line) => {
                    failed += u32::from(program::has_errors(&line));
                    lines.push(line);
                }
                Err(failure) => {
                    failed += 1;
                    say(format!("{call}: {}", failure.story()));
                }
            }
        }
    }
    let rows: Vec<Row> =
        table.iter().flat_map(|(call, figures, lines)| figures.iter().map(move |figure| Row::of(call, figure, lines))).collect();
    let quiet = quiet(table.iter().flat_map(|(_, _, lines)| lines));
    eprintln!("{}{quiet}", plain(&rows));
    if failed == 0 { Ok(()) } else { Err(Failure::new(format!("{failed} runs had errors"))) }
}

/// How far the machine was left to the runs.
pub fn quiet<'l>(lines: impl Iterator<Item = &'l Value>) -> String {
    let shares: Vec<f64> = lines.filter_map(|line| line.get("others_share")?.as_f64()).collect();
    let Some((median, most)) = median(&shares).zip(shares.iter().copied().reduce(f64::max)) else {
        return "How much other programs used the processors meanwhile is not known.".to_owned();
    };
    let (median, most) = (median * 100.0, most * 100.0);
    format!("Other programs had {median:.0} % of the processors during the median run and {most:.0} % during the worst.")
}

/// Runs a scenario, and again where other programs disturbed it; returns the line that they disturbed least.
pub fn undisturbed(call: &str, common: &Common) -> Outcome<Value> {
    let mut best = one(call, common)?;
    for _ in 1..ATTEMPTS {
        if others_share(&best) <= DISTURBED {
            break;
        }
        say(format!("{call} was disturbed by other programs and is run again"));
        let next = one(call, common)?;
        if others_share(&next) < others_share(&best) {
            best = next;
        }
    }
    Ok(best)
}

/// How far other programs disturbed a run; 0 where that is not known.
fn others_share(line: &Value) -> f64 {
    line.get("others_share").and_then(Value::as_f64).unwrap_or_default()
}

/// Runs a scenario as the command line would, and prints its line.
pub fn one(call: &str, common: &Common) -> Outcome<Value> {
    let line = scenarios::run(&parsed(call)?.scenario, common)?;
    let line = line.ok_or_else(|| Failure::new("there is no line"))?.json()?;
    program::print(&line)?;
    Ok(line)
}

fn parsed(call: &str) -> Outcome<Cli> {
    Cli::try_parse_from(["bench"].into_iter().chain(call.split(' '))).during(format!("reading {call:?}"))
}

/// A row of the table.
pub struct Row {
    call: String,
    figure: &'static str,
    median: Option<f64>,
    range: Option<(f64, f64)>,
    bar: Bar,
}

impl Row {
    /// The row of a figure of some lines.
    pub fn of(call: &str, figure: &Figure, lines: &[Value]) -> Self {
        let figures: Vec<f64> = lines.iter().filter_map(|line| line.pointer(figure.place)?.as_f64()).collect();
        let range = figures.iter().copied().reduce(f64::min).zip(figures.iter().copied().reduce(f64::max));
        Self { call: call.to_owned(), figure: figure.name, median: median(&figures), range, bar: figure.bar }
    }

    /// The cells of the row, as text.
    fn cells(&self) -> [String; 5] {
        let median = self.median.map_or_else(|| "none".to_owned(), shown);
        let range = self.range.map_or_else(String::new, |(least, most)| format!("{} to {}", shown(least), shown(most)));
        let (bar, met) = match self.bar {
            Bar::AtLeast(bar) => (format!("at least {}", shown(bar)), self.median.is_some_and(|median| median >= bar)),
            Bar::AtMost(bar) => (format!("at most {}", shown(bar)), self.median.is_some_and(|median| median <= bar)),
            Bar::None => (String::new(), true),
        };
        let bar = if met { bar } else { format!("{bar}: missed") };
        [self.call.clone(), self.figure.to_owned(), median, range, bar]
    }
}

const HEADS: [&str; 5] = ["scenario", "figure", "median", "range", "bar"];

/// A figure with as many digits as it deserves, thousands apart.
pub fn shown(figure: f64) -> String {
    let decimals = if figure.abs() < 10.0 { 2 } else { usize::from(figure.abs() < 999.95) };
    let text = format!("{figure:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut grouped = String::new();
    for (position, digit) in whole.char_indices() {
        if position > 0 && digit.is_ascii_digit() && (whole.len() - position) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

/// The table as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEADS.join(" | "), " --- |".repeat(HEADS.len()));
    let mut before = "";
    for row in rows {
        let [call, figure, median, range, bar] = row.cells();
        let call = if row.call == before { String::new() } else { format!("`{call}`") };
        before = &row.call;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {call} | {figure} | {median} | {range} | {bar} |");
    }
    text
}

fn plain(rows: &[Row]) -> String {
    let cells: Vec<[String; 5]> = std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let mut widths = [0; 5];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &cells {
        let padded: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", padded.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_call_of_the_table_is_one_that_the_command_line_takes() {
        for (call, figures) in RUNS {
            parsed(call).unwrap();
            assert!(!figures.is_empty(), "{call}");
        }
    }

    #[test]
    fn a_row_has_the_median_the_range_and_whether_the_bar_is_met() {
        let lines = [json!({"rate_per_s": 12_000.0}), json!({"rate_per_s": 9_000.0}), json!({"rate_per_s": 11_000.5})];
        for (bar, expected) in [
            (Bar::AtLeast(10_000.0), "at least 10,000"),
            (Bar::AtLeast(12_000.0), "at least 12,000: missed"),
            (Bar::AtMost(10_000.0), "at most 10,000: missed"),
            (Bar::None, ""),
        ] {
            let row = Row::of("ping", &figure("per second", "/rate_per_s", bar), &lines);
            assert_eq!(row.cells(), ["ping", "per second", "11,000", "9,000 to 12,000", expected].map(str::to_owned));
        }
    }

    #[test]
    fn a_figure_that_could_not_be_had_misses_its_bar() {
        let row = Row::of("ping", &figure("share", "/limit/ratio", Bar::AtLeast(0.8)), &[json!({"limit": {"ratio": null}})]);
        assert_eq!(row.cells(), ["ping", "share", "none", "", "at least 0.80: missed"].map(str::to_owned));
    }

    #[test]
    fn figures_are_shown_with_as_many_digits_as_they_deserve() {
        let shown: Vec<String> = [0.0, 0.853, 9.99, 28.64, 999.96, 1_000.4, 12_345_678.0].map(shown).into();
        assert_eq!(shown, ["0.00", "0.85", "9.99", "28.6", "1,000", "1,000", "12,345,678"]);
    }

    #[test]
    fn the_table_says_how_quiet_the_machine_was() {
        let lines = [json!({"others_share": 0.02}), json!({"others_share": 0.3}), json!({"others_share": 0.04}), json!({})];
        assert!(quiet(lines.iter()).contains("had 4 % of the processors during the median run and 30 %"), "{}", quiet(lines.iter()));
        assert!(quiet(lines.iter().skip(3)).contains("not known"));
    }

    #[test]
    fn both_tables_have_every_row() {
        let rows = [Row::of("start", &P50, &[json!({"p50_ms": 5.0})]), Row::of("start", &P99, &[json!({"p99_ms": 7.5})])];
        assert_eq!(
            markdown(&rows),
            "| scenario | figure | median | range | bar |\n| --- | --- | --- | --- | --- |\n\
             | `start` | p50, ms | 5.00 | 5.00 to 5.00 |  |\n|  | p99, ms | 7.50 | 7.50 to 7.50 |  |\n"
        );
        let plain = plain(&rows);
        assert!(plain.lines().count() == 3 && plain.contains("start     p99, ms  7.50    7.50 to 7.50"), "{plain}");
    }
}
