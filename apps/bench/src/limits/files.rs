//! The limit of `upload`: the same bytes, written to files one after the other and synced, by a thread that does nothing else.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::Common;
use crate::failure::{During, Outcome, say};
use crate::figures::{Latencies, Line, float, rate, rounded};
use crate::meter::Meter;
use crate::target::{Place, parameters};

/// How a file begins that is taken for a picture.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// Bytes that are kept of what was written, as the server keeps all: where a file goes at once, the next one is given its memory, which is
/// far faster than memory that nobody had before.
const KEPT: usize = 4 << 30;

/// Bytes that are written at once, as copying programs do.
const PIECE: usize = 64 * 1024;

/// A file of so many MiB.
pub(crate) fn content(mib: u16) -> Vec<u8> {
    of_bytes(usize::from(mib) * 1024 * 1024)
}

/// A file of so many bytes.
pub(crate) fn of_bytes(bytes: usize) -> Vec<u8> {
    let mut content = PNG.to_vec();
    content.resize(bytes, 0x5a);
    content
}

/// Writes files for as long as is measured. `when` is told to whoever watches.
pub(crate) fn measure(common: &Common, content: &[u8], when: &str) -> Outcome<Line> {
    let place = Place::new(common)?;
    let path = |number: u64| place.path().join(format!("written-{number}"));
    let most = (KEPT / content.len()) as u64;
    let (begin, before) = (Instant::now(), Meter::read(None));
    let (mut latencies, mut writing) = (Latencies::new(), Duration::ZERO);
    while writing < Duration::from_secs_f64(common.seconds) {
        let number = latencies.count();
        let begin = Instant::now();
        write(&path(number), content).during("writing a file")?;
        let took = begin.elapsed();
        latencies.record(took);
        writing += took;
        // Not counted.
        if let Some(oldest) = number.checked_sub(most) {
            fs::remove_file(path(oldest)).during("removing a file")?;
        }
    }
    let usage = Meter::read(None).since(before, begin.elapsed(), false);
    let mut line = Line::new("limits files", parameters(common)).latencies(&latencies);
    line.rate_per_s = Some(rate(latencies.count(), writing));
    line.others_share = usage.others_share;
    let mib = float(content.len() as u64) * float(latencies.count()) / writing.as_secs_f64() / f64::from(1 << 20);
    say(format!("synced file writes, {when}: {} MiB/s", rounded(mib)));
    Ok(line)
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for piece in content.chunks(PIECE) {
        file.write_all(piece)?;
    }
    file.sync_all()
}
