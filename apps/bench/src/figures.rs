//! Figures, and the line of JSON that they are printed as.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::{During, Outcome};
use crate::load::Measured;
use crate::machine::Resident;

/// The longest latency that is told apart, in nanoseconds: ten minutes.
const LONGEST: u64 = 600_000_000_000;

/// How long things took, to three digits.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None so far.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).unwrap_or_else(|error| unreachable!("the bounds are sound: {error}")))
    }

    /// Records one.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(LONGEST));
    }

    /// Records one as often as it happened.
    pub fn record_many(&mut self, took: Duration, times: u64) {
        self.0.saturating_record_n(u64::try_from(took.as_nanos()).unwrap_or(LONGEST), times);
    }

    /// Takes in those of another.
    pub fn add(&mut self, other: &Self) -> Outcome<()> {
        self.0.add(&other.0).during("adding up latencies")
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency in milliseconds that this share of all did not exceed; `None` where there are none.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        (self.count() > 0).then(|| rounded(float(self.0.value_at_quantile(share)) / 1e6))
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds here are far below 2^53")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// A figure to three decimals, which is more than any measurement here is good for.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// How many a second.
pub fn rate(count: u64, window: Duration) -> f64 {
    if window.is_zero() { 0.0 } else { rounded(float(count) / window.as_secs_f64()) }
}

/// KiB as MiB.
pub fn mib(kib: u64) -> f64 {
    rounded(float(kib) / 1024.0)
}

/// The middle of some figures, or of the two in the middle; `None` where there are none.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(sorted.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// What came of a scenario. A figure that makes no sense for it, or could not be had, is `null`.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Which scenario.
    pub scenario: &'static str,
    /// With which parameters, on what.
    pub parameters: Map<String, Value>,
    /// Good answers a second.
    pub rate_per_s: Option<f64>,
    /// The median latency in milliseconds.
    pub p50_ms: Option<f64>,
    /// The latency in milliseconds that 99 of 100 did not exceed.
    pub p99_ms: Option<f64>,
    /// The longest latency in milliseconds.
    pub max_ms: Option<f64>,
    /// Good answers.
    pub answers: u64,
    /// Bad answers, and requests without one.
    pub errors: u64,
    /// The server's resident memory in MiB after the load.
    pub rss_mib: Option<f64>,
    /// The most that it ever was.
    pub rss_peak_mib: Option<f64>,
    /// The share of the processors that other programs had meanwhile.
    pub others_share: Option<f64>,
    /// What only this scenario has.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Line {
    /// A line without figures.
    pub fn new(scenario: &'static str, parameters: Map<String, Value>) -> Self {
        Self {
            scenario,
            parameters,
            rate_per_s: None,
            p50_ms: None,
            p99_ms: None,
            max_ms: None,
            answers: 0,
            errors: 0,
            rss_mib: None,
            rss_peak_mib: None,
            others_share: None,
            more: Map::new(),
        }
    }

    /// The line with the figures of a load.
    pub fn measured(mut self, measured: &Measured) -> Self {
        let answers = measured.latencies.count();
        self = self.latencies(&measured.latencies);
        self.rate_per_s = Some(rate(answers, measured.window));
        self.errors = measured.errors;
        let each = |time: Option<Duration>| Some(rounded(time?.as_secs_f64() * 1e6 / float(answers.max(1))));
        self.others_share = measured.usage.others_share;
        let line = self.with("server_cpu_us", json!(each(measured.usage.server)));
        line.with("generator_cpu_us", json!(each(measured.usage.generator)))
    }

    /// The line with these latencies.
    pub fn latencies(mut self, latencies: &Latencies) -> Self {
        self.answers = latencies.count();
        self.p50_ms = latencies.quantile_ms(0.5);
        self.p99_ms = latencies.quantile_ms(0.99);
        self.max_ms = latencies.quantile_ms(1.0);
        self
    }

    /// The line with the server's memory.
    pub fn resident(mut self, resident: Option<Resident>) -> Self {
        self.rss_mib = resident.map(|resident| mib(resident.now));
        self.rss_peak_mib = resident.map(|resident| mib(resident.peak));
        self
    }

    /// The line with whether what was measured is as it should be.
    pub fn judged(self, met: bool) -> Self {
        self.with("met", json!(met))
    }

    /// The line with one figure more.
    pub fn with(mut self, name: &str, figure: Value) -> Self {
        self.more.insert(name.to_owned(), figure);
        self
    }

    /// The line as JSON.
    pub fn json(&self) -> Outcome<Value> {
        serde_json::to_value(self).during("writing the figures down")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Usage;

    fn latencies(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new();
        millis.into_iter().for_each(|millis| latencies.record(Duration::from_millis(millis)));
        latencies
    }

    #[track_caller]
    fn assert_near(figure: Option<f64>, expected: f64) {
        let figure = figure.unwrap();
        assert!((figure - expected).abs() <= expected / 500.0, "{figure} is not {expected}");
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let hundred = latencies(1..=100);
        assert_near(hundred.quantile_ms(0.5), 50.0);
        assert_near(hundred.quantile_ms(0.99), 99.0);
        assert_near(hundred.quantile_ms(1.0), 100.0);
        assert_eq!(Latencies::new().quantile_ms(0.5), None);
    }

    #[test]
    fn two_threads_latencies_add_up() {
        let mut both = latencies(1..=50);
        both.add(&latencies(51..=100)).unwrap();
        assert_eq!(both.count(), 100);
        assert_near(both.quantile_ms(0.5), 50.0);
        both.record_many(Duration::from_millis(200), 300);
        assert_near(both.quantile_ms(0.5), 200.0);
    }

    #[test]
    fn a_rate_is_a_count_by_a_time() {
        for (count, seconds, expected) in [(30_000, 3, 10_000.0), (1, 3, 0.333), (0, 5, 0.0), (5, 0, 0.0)] {
            assert!((rate(count, Duration::from_secs(seconds)) - expected).abs() < 1e-9, "{count} in {seconds} s");
        }
    }

    #[test]
    fn the_median_is_the_middle_one_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_line_has_every_figure_that_is_promised() {
        let measured = Measured {
            latencies: latencies([2; 100]),
            errors: 1,
            said: Vec::new(),
            window: Duration::from_secs(2),
            usage: Usage { server: Some(Duration::from_millis(10)), generator: None, others_share: Some(0.25) },
        };
        let parameters = Map::from_iter([("connections".to_owned(), json!(64))]);
        let line = Line::new("ping", parameters).measured(&measured).resident(Some(Resident { now: 2048, peak: 3072 }));
        let json = line.json().unwrap();
        let expected = [
            ("/scenario", json!("ping")),
            ("/parameters/connections", json!(64)),
            ("/rate_per_s", json!(50.0)),
            ("/answers", json!(100)),
            ("/errors", json!(1)),
            ("/rss_mib", json!(2.0)),
            ("/rss_peak_mib", json!(3.0)),
            ("/server_cpu_us", json!(100.0)),
            ("/generator_cpu_us", Value::Null),
            ("/others_share", json!(0.25)),
        ];
        for (pointer, value) in expected {
            assert_eq!(json.pointer(pointer), Some(&value), "{pointer} in {json}");
        }
        for pointer in ["/p50_ms", "/p99_ms", "/max_ms"] {
            assert_near(json.pointer(pointer).and_then(Value::as_f64), 2.0);
        }
        assert!(!json.to_string().contains('\n'), "one line");
    }

    #[test]
    fn a_line_without_figures_has_nulls_and_no_gaps() {
        let json = Line::new("start", Map::new()).json().unwrap();
        for name in ["rate_per_s", "p50_ms", "p99_ms", "rss_mib"] {
            assert_eq!(json.get(name), Some(&Value::Null), "{name}");
        }
    }
}
