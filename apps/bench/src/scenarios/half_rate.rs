//! Replies at half of the rate that the server can bear at most, as it is on an ordinary day: users ask at moments of their own, whether
//! or not the last answer has come.

use std::time::Duration;

use serde_json::json;

use super::put;
use super::round_trip::{self, REPLIED};
use crate::cli::{Common, HalfRateArgs};
use crate::failure::{Failure, Outcome, say};
use crate::figures::{Line, rate};
use crate::load::Load;
use crate::target::Target;

/// The bar for the p99, in milliseconds.
const BAR: f64 = 20.0;

pub(super) fn run(arguments: &HalfRateArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let lanes = round_trip::lanes(&target, arguments.users)?;
    let saturated = put(&target.load(lanes.clone(), REPLIED))?;
    let most = rate(saturated.latencies.count(), saturated.window);
    if most <= 0.0 || saturated.errors > 0 {
        return Err(Failure::new("the server answers nobody, so there is no half of its rate"));
    }
    say(format!("{} users have {most} replies a second at most", arguments.users));
    let pace = Duration::from_secs_f64(2.0 * f64::from(arguments.users) / most);
    let mut parameters = target.parameters();
    parameters.insert("users".to_owned(), json!(arguments.users));
    parameters.insert("repeat".to_owned(), json!(arguments.repeat));
    let mut told = Vec::with_capacity(arguments.repeat.into());
    for _ in 0..arguments.repeat {
        let measured = put(&Load { pace: Some(pace), ..target.load(lanes.clone(), REPLIED) })?;
        let line = Line::new("half-rate", parameters.clone()).measured(&measured).resident(target.resident());
        say(format!("at half of that, p50 is {:?} ms and p99 {:?} ms", line.p50_ms, line.p99_ms));
        told.push(line);
    }
    let errors = told.iter().map(|line| line.errors).sum();
    told.sort_by(|one, other| one.p99_ms.unwrap_or(f64::MAX).total_cmp(&other.p99_ms.unwrap_or(f64::MAX)));
    let middle = told.len() / 2;
    let mut line = told.into_iter().nth(middle).ok_or_else(|| Failure::new("nothing was measured"))?;
    line.errors = errors;
    let met = line.p99_ms.is_some_and(|p99| p99 < BAR);
    Ok(line.with("saturated_per_s", json!(most)).judged(met))
}
