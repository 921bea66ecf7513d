//! Started agents.

use std::time::Instant;

use super::{Point, REQUESTS, Record, Shape};
use crate::api::Api;
use crate::cli::Common;
use crate::failure::Outcome;
use crate::figures::{median, mib, rounded};
use crate::load::Expected;
use crate::scenarios::round_trip::{self, REPLIED};
use crate::scenarios::{OK, PING};
use crate::target::{Place, Target};

/// How often the server is started among so many.
const STARTS: usize = 3;

pub(super) fn measure(common: &Common, sizes: &[u32], record: &mut Record) -> Outcome<()> {
    let mut place = Place::new(common)?;
    let mut there = 0;
    for size in sizes {
        let target = Target::started(common, place, false)?;
        let mut api = Api::open(&target)?;
        for number in there..*size {
            api.start_agent(&format!("Bench {number}"))?;
        }
        there = *size;
        drop(api);
        place = target.stop()?;
        let mut starts = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let began = Instant::now();
            let target = Target::started(common, place, false)?;
            Api::open(&target)?.body("GET", PING, None)?;
            starts.push(rounded(began.elapsed().as_secs_f64() * 1e3));
            place = target.stop()?;
        }
        if let Some(p50) = median(&starts) {
            record.point(("from the start to a ping", "ms", Shape::Sorting), Point { size: *size, p50, p99: None });
        }
        let target = Target::started(common, place, false)?;
        one_size(&target, *size, record)?;
        place = target.stop()?;
    }
    Ok(())
}

fn one_size(target: &Target, size: u32, record: &mut Record) -> Outcome<()> {
    let list = target.request("GET", "/api/agents", None);
    record.ask(target, ("the list of agents", Shape::Sorting, size), &[list], Expected { status: 200, contains: "\"agents\":[{" })?;
    record.ask(target, ("a ping", Shape::Flat, size), &[target.request("GET", PING, None)], OK)?;
    let lanes = round_trip::lanes(target, 1)?;
    let talk: Vec<Vec<u8>> = lanes.iter().flat_map(|lane| lane.requests.iter().cycle().take(REQUESTS)).cloned().collect();
    record.ask(target, ("a reply", Shape::Flat, size), &talk, REPLIED)?;
    record.resident = target.resident();
    if let Some(resident) = record.resident {
        record.point(("memory", "MiB", Shape::Sorting), Point { size, p50: mib(resident.now), p99: None });
    }
    Ok(())
}
