//! Everything that is measured, in one go, as a page with tables and charts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::all::{self, RUNS, Row};
use crate::cli::{Common, ReportArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::median;
use crate::machine;
use crate::program;
use crate::svg::{self, Series};
use crate::target::needs_own_server;

/// The curves: what grows, how many there are in the end, and how many in a quick run.
const GROWTH: [(&str, u32, u32); 4] =
    [("messages", 1_000_000, 100_000), ("memories", 1_000_000, 100_000), ("agents", 5_000, 1_000), ("sockets", 5_000, 1_000)];

/// How long loads are measured, in seconds: in full, and in a quick run.
const SECONDS: (f64, f64) = (4.0, 1.0);
const WARM_UP: (f64, f64) = (1.0, 0.3);

/// The page, and the directory of its charts beside it.
const PAGE: &str = "performance.md";
const CHARTS: &str = "performance";

/// What came of one run of a scenario.
struct Done {
    call: String,
    outcome: Result<Value, String>,
    took: Duration,
}

/// On what and when it was measured.
struct Facts {
    machine: String,
    commit: String,
    date: String,
    command: String,
    repeat: u16,
}

/// Measures everything, and writes the page after each scenario, so that whatever ends it leaves what there is. Fails at the end where a
/// scenario failed.
pub fn run(arguments: &ReportArgs, common: &Common) -> Outcome<()> {
    needs_own_server(common)?;
    let choose = |(full, quick): (f64, f64)| if arguments.quick { quick } else { full };
    let common = Common { seconds: choose(SECONDS), warm_up: choose(WARM_UP), ..common.clone() };
    let growth = GROWTH.iter().map(|(what, full, quick)| {
        let most = if arguments.quick { *quick } else { *full };
        format!("growth {what} --most {}", arguments.most.map_or(most, |bound| bound.min(most)))
    });
    // One after the other and that several times, as `all` does.
    let rounds = (0..arguments.repeat).flat_map(|_| RUNS.iter().map(|(call, _)| (*call).to_owned()));
    let wanted = |call: &String| arguments.only.is_empty() || arguments.only.iter().any(|only| call.starts_with(only.as_str()));
    let calls: Vec<String> = rounds.chain(growth).filter(wanted).collect();
    if calls.is_empty() {
        return Err(Failure::new("no scenario begins as --only says"));
    }
    let facts = Facts::find(arguments);
    let mut done = Vec::with_capacity(calls.len());
    let began = Instant::now();
    for (place, call) in calls.iter().enumerate() {
        say(format!("{} of {} after {} s: {call}", place + 1, calls.len(), began.elapsed().as_secs()));
        let start = Instant::now();
        // A disturbed growth curve would take minutes again; a quick run is not for keeping.
        let once = arguments.quick || call.starts_with("growth");
        let outcome = if once { all::one(call, &common) } else { all::undisturbed(call, &common) };
        let outcome = outcome.map_err(|failure| failure.story());
        if let Err(story) = &outcome {
            say(format!("{call}: {story}"));
        }
        done.push(Done { call: call.clone(), outcome, took: start.elapsed() });
        write(&arguments.docs, &facts, &done)?;
    }
    say(format!("{} is written", arguments.docs.join(PAGE).display()));
    let failed = done.iter().filter(|done| done.trouble().is_some()).count();
    if failed == 0 { Ok(()) } else { Err(Failure::new(format!("{failed} scenarios had errors; the page tells which"))) }
}

impl Done {
    /// Why its figures mean nothing or are not there.
    fn trouble(&self) -> Option<String> {
        match &self.outcome {
            Err(story) => Some(story.clone()),
            Ok(line) if program::has_errors(line) => Some(format!("{} errors", line.get("errors").unwrap_or(&Value::Null))),
            Ok(_) => None,
        }
    }

    fn line(&self) -> Option<&Value> {
        self.outcome.as_ref().ok()
    }
}

impl Facts {
    fn find(arguments: &ReportArgs) -> Self {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
            String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
        };
        let unknown = || "not known".to_owned();
        Self {
            machine: machine::described(),
            commit: said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(unknown),
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_else(unknown),
            command: command(arguments),
            repeat: arguments.repeat,
        }
    }
}

/// The command that makes such a page again, as a shell takes it.
fn command(arguments: &ReportArgs) -> String {
    let mut command = "cargo build --release && cargo run --release -p bench -- report".to_owned();
    if arguments.quick {
        command.push_str(" --quick");
    }
    // Writing to a String cannot fail.
    if arguments.repeat > 1 {
        let _ = write!(command, " --repeat {}", arguments.repeat);
    }
    if let Some(most) = arguments.most {
        let _ = write!(command, " --most {most}");
    }
    if !arguments.only.is_empty() {
        let _ = write!(command, " --only {} --docs {}", quoted(&arguments.only.join(",")), quoted(&arguments.docs.to_string_lossy()));
    }
    command
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Writes the page and its charts.
fn write(docs: &Path, facts: &Facts, done: &[Done]) -> Outcome<()> {
    let charts = docs.join(CHARTS);
    fs::create_dir_all(&charts).during(format!("making {}", charts.display()))?;
    let (page, drawn) = composed(facts, done);
    for (name, svg) in drawn {
        fs::write(charts.join(&name), svg).during(format!("writing {name}"))?;
    }
    let page_file = docs.join(PAGE);
    fs::write(&page_file, page).during(format!("writing {}", page_file.display()))
}

/// The page, and its charts by their names.
fn composed(facts: &Facts, done: &[Done]) -> (String, Vec<(String, String)>) {
    let Facts { machine, commit, date, command, .. } = facts;
    let mut page = format!(
        "# Performance\n\nMeasured and written by one command; [benchmarks.md](benchmarks.md) says what each scenario does and how to read it.\n\n\
         ```sh\n{command}\n```\n\n| | |\n| --- | --- |\n| machine | {machine} |\n| commit | {commit} |\n| date | {date} |\n\n"
    );
    let mut charts = Vec::new();
    // Writing to a String cannot fail.
    let rows: Vec<Row> = RUNS
        .iter()
        .flat_map(|(call, figures)| {
            let lines: Vec<Value> = done.iter().filter(|done| done.call == *call).filter_map(Done::line).cloned().collect();
            figures.iter().filter(|_| !lines.is_empty()).map(|figure| Row::of(call, figure, &lines)).collect::<Vec<_>>()
        })
        .collect();
    if !rows.is_empty() {
        let quiet = all::quiet(done.iter().filter_map(Done::line));
        let runs = match facts.repeat {
            1 => "One run each.".to_owned(),
            repeat => format!("The medians of {repeat} runs each, one scenario after the other."),
        };
        let _ = write!(page, "## Scenarios\n\n{runs}\n\n{}\n{quiet}\n\n", all::markdown(&rows));
    }
    draw(&mut page, &mut charts, "submits.svg", svg::chart("Submits a second", ("connections", "per second"), &submits(done)));
    for (what, ..) in GROWTH {
        let prefix = format!("growth {what} ");
        let Some(line) = done.iter().filter(|done| done.call.starts_with(&prefix)).find_map(Done::line) else { continue };
        let _ = write!(page, "## With more {what}\n\n{}\n", curves_table(line));
        for (unit, series) in by_unit(line) {
            let name = format!("{what}-{}.svg", unit.to_lowercase());
            draw(&mut page, &mut charts, &name, svg::chart(&format!("With more {what}, p50"), (what, unit.as_str()), &series));
        }
    }
    let trouble: Vec<(&Done, String)> = done.iter().filter_map(|done| Some((done, done.trouble()?))).collect();
    if !trouble.is_empty() {
        page.push_str("## What failed\n\n| scenario | why |\n| --- | --- |\n");
        for (done, why) in trouble {
            let _ = writeln!(page, "| `{}` | {} |", done.call, why.replace('|', "\\|").replace('\n', " "));
        }
        page.push('\n');
    }
    let seconds: u64 = done.iter().map(|done| done.took.as_secs()).sum();
    let _ = writeln!(page, "All of it took {} minutes.", seconds.div_ceil(60));
    (page, charts)
}

/// Puts a chart on the page, where there is one.
fn draw(page: &mut String, charts: &mut Vec<(String, String)>, name: &str, svg: Option<String>) {
    if let Some(svg) = svg {
        let _ = write!(page, "![{}]({CHARTS}/{name})\n\n", name.trim_end_matches(".svg"));
        charts.push((name.to_owned(), svg));
    }
}

/// Submits a second by connections, with an agent and without: the median of all runs.
fn submits(done: &[Done]) -> Vec<Series> {
    let of = |name: &str, agent: bool| {
        let mut rates: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        let lines = done.iter().filter(|done| done.call.starts_with("submit") && done.call.ends_with("--agent") == agent);
        for line in lines.filter_map(Done::line) {
            let connections = line.pointer("/parameters/connections").and_then(Value::as_u64);
            if let Some((connections, rate)) = connections.zip(line.get("rate_per_s").and_then(Value::as_f64)) {
                rates.entry(connections).or_default().push(rate);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 connections")]
        let point = |(connections, rates): (u64, Vec<f64>)| Some((connections as f64, median(&rates)?));
        Series { name: name.to_owned(), points: rates.into_iter().filter_map(point).collect() }
    };
    let series = [of("without an agent", false), of("with an agent", true)];
    series.into_iter().filter(|series| !series.points.is_empty()).collect()
}

fn curves(line: &Value) -> impl Iterator<Item = &Value> {
    line.get("curves").and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The points of a curve: how many there were, the p50 and the p99.
fn points(curve: &Value) -> Vec<(f64, f64, Option<f64>)> {
    let points = curve.get("points").and_then(Value::as_array).into_iter().flatten();
    let figure = |point: &Value, name| point.get(name).and_then(Value::as_f64);
    points.filter_map(|point| Some((figure(point, "size")?, figure(point, "p50")?, figure(point, "p99")))).collect()
}

/// The curves of a line, those of one unit together.
fn by_unit(line: &Value) -> BTreeMap<String, Vec<Series>> {
    let mut series: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for curve in curves(line) {
        let points = points(curve).into_iter().map(|(size, p50, _)| (size, p50)).collect();
        series.entry(text(curve, "unit").to_owned()).or_default().push(Series { name: text(curve, "name").to_owned(), points });
    }
    series
}

/// A row for each curve: p50 and p99 at each size, and the verdict.
fn curves_table(line: &Value) -> String {
    let mut sizes: Vec<f64> = curves(line).flat_map(points).map(|point| point.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let heads: Vec<String> =
        sizes.iter().map(|size| all::shown(size.trunc()).trim_end_matches(".00").trim_end_matches(".0").to_owned()).collect();
    let mut table =
        format!("| p50 / p99 | {} | last by first | may be |\n| --- |{} --- | --- |\n", heads.join(" | "), " --- |".repeat(sizes.len()));
    for curve in curves(line) {
        let points = points(curve);
        let cell = |size: &f64| match points.iter().find(|point| point.0.total_cmp(size).is_eq()) {
            Some((_, p50, Some(p99))) => format!("{} / {}", all::shown(*p50), all::shown(*p99)),
            Some((_, p50, None)) => all::shown(*p50),
            None => String::new(),
        };
        let cells: Vec<String> = sizes.iter().map(cell).collect();
        let figure = |name| all::shown(curve.get(name).and_then(Value::as_f64).unwrap_or_default());
        let missed = if curve.get("met") == Some(&Value::Bool(true)) { "" } else { ": missed" };
        let (name, unit, shape) = (text(curve, "name"), text(curve, "unit"), text(curve, "shape"));
        let _ = writeln!(table, "| {name}, {unit} | {} | {} | {} ({shape}){missed} |", cells.join(" | "), figure("ratio"), figure("bound"));
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn done(call: &str, outcome: Result<Value, String>) -> Done {
        Done { call: call.to_owned(), outcome, took: Duration::from_secs(61) }
    }

    fn facts() -> Facts {
        let [machine, commit, date, command] = ["two processors", "abc123", "2026-01-31", "bench report"].map(str::to_owned);
        Facts { machine, commit, date, command, repeat: 2 }
    }

    #[test]
    fn the_page_has_figures_curves_charts_and_what_failed() {
        let points = json!([{"size": 1000, "p50": 2.0, "p99": 3.5}, {"size": 10000, "p50": 8.0, "p99": null}]);
        let curve = json!({"name": "a read", "unit": "ms", "shape": "flat", "ratio": 4.0, "bound": 3.0, "met": false, "points": points});
        let (page, charts) = composed(
            &facts(),
            &[
                done(
                    "submit --connections 16",
                    Ok(json!({"answers": 9, "errors": 0, "rate_per_s": 16_000.0, "parameters": {"connections": 16}})),
                ),
                done(
                    "submit --connections 16",
                    Ok(json!({"answers": 9, "errors": 0, "rate_per_s": 18_000.0, "parameters": {"connections": 16}})),
                ),
                done("read", Err("the server\nended | there".to_owned())),
                done("growth messages --most 10000", Ok(json!({"answers": 9, "errors": 0, "curves": [curve]}))),
            ],
        );
        for part in [
            "| commit | abc123 |",
            "The medians of 2 runs each",
            "| `submit --connections 16` | per second | 17,000 | 16,000 to 18,000 |",
            "## With more messages",
            "| a read, ms | 2.00 / 3.50 | 8.00 | 4.00 | 3.00 (flat): missed |",
            "![messages-ms](performance/messages-ms.svg)",
            "| `read` | the server ended \\| there |",
            "took 5 minutes",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(page.contains("| p50 / p99 | 1,000 | 10,000 |"), "{page}");
        assert_eq!(charts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["submits.svg", "messages-ms.svg"]);
    }

    #[test]
    fn the_command_on_the_page_makes_such_a_page_again() {
        let page = |quick, repeat, most, only: &[&str]| {
            let only = only.iter().map(ToString::to_string).collect();
            command(&ReportArgs { quick, repeat, docs: "the docs".into(), most, only }).split_once("-- ").unwrap().1.to_owned()
        };
        assert_eq!(page(false, 1, None, &[]), "report");
        assert_eq!(page(true, 3, Some(20), &["ping"]), "report --quick --repeat 3 --most 20 --only ping --docs 'the docs'");
        assert_eq!(page(false, 1, None, &["ping", "growth sockets"]), "report --only 'ping,growth sockets' --docs 'the docs'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }

    #[test]
    fn what_has_not_run_is_not_on_the_page() {
        let (page, charts) = composed(&facts(), &[done("ping --limit", Ok(json!({"answers": 9, "errors": 0})))]);
        assert!(page.contains("`ping --limit`") && !page.contains("`agents`") && !page.contains("failed"), "{page}");
        assert!(charts.is_empty());
    }
}
