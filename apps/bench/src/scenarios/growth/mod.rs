//! How the server changes with how much there is: the same few requests, one after the other on one connection, among ten times as much
//! each time. Each curve says what it may do: stay as it is, or grow no faster than sorting does.

use serde::Serialize;
use serde_json::json;

use super::put;
use crate::cli::{Common, Growing, GrowthArgs};
use crate::failure::{Outcome, say};
use crate::figures::{Line, rounded};
use crate::load::{Expected, Extent, Lane, Load};
use crate::machine::Resident;
use crate::target::{Target, needs_own_server, parameters};

mod agents;
mod memories;
mod messages;
mod sockets;

/// Requests that are measured, and those before them that fill caches.
const REQUESTS: usize = 200;
const BEFORE: usize = 30;
/// How far a flat curve may rise from its first point to its last.
const FLAT: f64 = 3.0;
/// By how much a curve may exceed n log n.
const SORTING: f64 = 2.0;
/// From so many on a curve that may grow is judged.
const MANY: u32 = 100;
/// What is below this, in its unit, is as good as nothing: so many milliseconds are the noise of a machine.
const NOISE: f64 = 1.0;

/// What measures a curve: at these sizes, into this record.
type Measure = fn(&Common, &[u32], &mut Record) -> Outcome<()>;

pub(super) fn run(arguments: &GrowthArgs, common: &Common) -> Outcome<Line> {
    needs_own_server(common)?;
    let (name, least, most, measure): (_, _, _, Measure) = match arguments.of {
        Growing::Messages => ("growth messages", 1_000, 1_000_000, messages::measure),
        Growing::Memories => ("growth memories", 1_000, 1_000_000, memories::measure),
        Growing::Agents => ("growth agents", 1, 5_000, agents::measure),
        Growing::Sockets => ("growth sockets", 1, 5_000, sockets::measure),
    };
    let sizes = sizes(least, arguments.most.unwrap_or(most));
    let mut record = Record::default();
    if let Err(failure) = measure(common, &sizes, &mut record) {
        // What was measured before is still worth knowing.
        say(failure.story());
        record.errors += 1;
    }
    let mut parameters = parameters(common);
    parameters.retain(|name, _| name != "seconds" && name != "warm_up_seconds");
    parameters.insert("sizes".to_owned(), json!(sizes));
    let mut line = Line::new(name, parameters).resident(record.resident);
    line.answers = record.answers;
    line.errors = record.errors;
    let curves: Vec<Told<'_>> = record.curves.iter().map(Told::of).collect();
    for curve in &curves {
        let word = if curve.met { "as it should be" } else { "MISSED" };
        say(format!("{}: {} times the first, at most {} ({}): {word}", curve.curve.name, curve.ratio, curve.bound, curve.shape));
    }
    let met = curves.iter().all(|curve| curve.met);
    Ok(line.with("curves", json!(curves)).judged(met))
}

/// Ten times as much each time, and the most at the end.
fn sizes(least: u32, most: u32) -> Vec<u32> {
    let tens = std::iter::successors(Some(least), |size| size.checked_mul(10));
    let mut sizes: Vec<u32> = tens.take_while(|size| *size < most).collect();
    sizes.push(most);
    sizes
}

/// What a curve may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Flat,
    /// As n log n.
    Sorting,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Point {
    size: u32,
    p50: f64,
    p99: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Curve {
    name: &'static str,
    unit: &'static str,
    #[serde(skip)]
    shape: Shape,
    points: Vec<Point>,
}

/// A curve with its verdict.
#[derive(Debug, Serialize)]
struct Told<'c> {
    #[serde(flatten)]
    curve: &'c Curve,
    shape: &'static str,
    /// The last point by the first that is judged, and what that may be.
    ratio: f64,
    bound: f64,
    met: bool,
}

impl<'c> Told<'c> {
    fn of(curve: &'c Curve) -> Self {
        let shape = if curve.shape == Shape::Flat { "flat" } else { "n log n" };
        // What grows among few is mostly what there is anyway.
        let before = curve.points.split_last().map_or(&[][..], |(_, before)| before);
        let first = before.iter().find(|point| curve.shape == Shape::Flat || point.size >= MANY).or(curve.points.first());
        let Some((first, last)) = first.zip(curve.points.last()) else {
            return Self { curve, shape, ratio: 0.0, bound: 0.0, met: false };
        };
        let sorting = |size: u32| f64::from(size) * f64::from(size.max(2)).ln();
        let bound = match curve.shape {
            Shape::Flat => FLAT,
            Shape::Sorting => SORTING * sorting(last.size) / sorting(first.size),
        };
        let ratio = if first.p50 > 0.0 { last.p50 / first.p50 } else { 0.0 };
        let met = last.p50 < NOISE || last.p50 <= first.p50 * bound;
        Self { curve, shape, ratio: rounded(ratio), bound: rounded(bound), met }
    }
}

/// What was measured so far.
#[derive(Debug, Default)]
struct Record {
    curves: Vec<Curve>,
    answers: u64,
    errors: u64,
    resident: Option<Resident>,
}

impl Record {
    /// Notes one point of a curve.
    fn point(&mut self, (name, unit, shape): (&'static str, &'static str, Shape), point: Point) {
        say(format!("{name} with {}: {} {unit}", point.size, point.p50));
        match self.curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => self.curves.push(Curve { name, unit, shape, points: vec![point] }),
        }
    }

    /// Sends requests in turn, on one connection, and notes how long their answers take.
    fn ask(
        &mut self,
        target: &Target,
        (name, shape, size): (&'static str, Shape, u32),
        requests: &[Vec<u8>],
        expected: Expected,
    ) -> Outcome<()> {
        let of = |from: usize, count: usize| {
            let requests: Vec<Vec<u8>> = requests.iter().cycle().skip(from).take(count).cloned().collect();
            let lanes = vec![Lane { requests: requests.into(), first: 0 }];
            put(&Load { extent: Extent::Once, ..target.load(lanes, expected) })
        };
        let before = of(0, BEFORE)?;
        let measured = of(BEFORE, REQUESTS)?;
        self.answers += measured.latencies.count();
        self.errors += before.errors + measured.errors;
        if let Some(p50) = measured.latencies.quantile_ms(0.5) {
            self.point((name, "ms", shape), Point { size, p50, p99: measured.latencies.quantile_ms(0.99) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(shape: Shape, points: &[(u32, f64)]) -> bool {
        let points = points.iter().map(|(size, p50)| Point { size: *size, p50: *p50, p99: None }).collect();
        Told::of(&Curve { name: "x", unit: "ms", shape, points }).met
    }

    #[test]
    fn sizes_are_tens_and_the_most() {
        assert_eq!(sizes(1, 5_000), [1, 10, 100, 1_000, 5_000]);
        assert_eq!(sizes(1_000, 100_000), [1_000, 10_000, 100_000]);
        assert_eq!(sizes(1_000, 50), [50]);
    }

    #[test]
    fn a_flat_curve_may_waver_and_a_growing_one_is_told() {
        assert!(met(Shape::Flat, &[(1_000, 2.0), (1_000_000, 5.0)]));
        assert!(!met(Shape::Flat, &[(1_000, 2.0), (1_000_000, 7.0)]));
        assert!(met(Shape::Flat, &[(1_000, 0.1), (1_000_000, 0.9)]), "less than a millisecond is nothing");
        assert!(met(Shape::Sorting, &[(10, 1.0), (100, 20.0)]));
        assert!(!met(Shape::Sorting, &[(10, 1.0), (100, 100.0)]), "as the square");
        assert!(!met(Shape::Sorting, &[(1, 9.9), (100, 10.0), (1_000, 1_000.0)]), "as the square, but for what there is anyway");
        assert!(!met(Shape::Flat, &[]), "nothing was measured");
    }

    #[test]
    fn the_line_of_a_curve_tells_its_verdict() {
        let points = vec![Point { size: 10, p50: 2.0, p99: Some(3.0) }, Point { size: 100, p50: 8.0, p99: None }];
        let told = json!(Told::of(&Curve { name: "a read", unit: "ms", shape: Shape::Flat, points }));
        assert_eq!(
            told,
            json!({
                "name": "a read", "unit": "ms", "shape": "flat", "ratio": 4.0, "bound": 3.0, "met": false,
                "points": [{"size": 10, "p50": 2.0, "p99": 3.0}, {"size": 100, "p50": 8.0, "p99": null}],
            })
        );
    }
}
