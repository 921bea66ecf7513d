//! Sockets in one room.

use super::{Point, Record, Shape};
use crate::cli::{Common, SocketsArgs};
use crate::failure::{During, Failure, Outcome};
use crate::figures::rounded;
use crate::scenarios::sockets::in_one_room;
use crate::target::Target;

/// Messages that they are told.
const BROADCASTS: u16 = 20;
/// From so many on, what one of them costs can be told from what the server does anyway.
const TOLD_APART: u32 = 100;

pub(super) fn measure(common: &Common, sizes: &[u32], record: &mut Record) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().during("starting a runtime")?;
    for size in sizes {
        // Each with a server of its own: what was freed by earlier sockets would otherwise be used again.
        let target = Target::prepare(common)?;
        let sockets = u16::try_from(*size).map_err(|_| Failure::new("at most 65,535 sockets"))?;
        let arguments = SocketsArgs { sockets, broadcasts: BROADCASTS, chatting: 0, messages: 0 };
        let (idle, latencies) = in_one_room(&target, &runtime, &arguments)?;
        record.answers += latencies.count();
        if let Some(p50) = latencies.quantile_ms(0.5) {
            let p99 = latencies.quantile_ms(0.99);
            record.point(("a message to the last of them", "ms", Shape::Sorting), Point { size: *size, p50, p99 });
        }
        if let Some(idle) = idle.filter(|_| *size >= TOLD_APART) {
            let each = rounded(idle * 1024.0 / f64::from(*size));
            record.point(("memory of each", "KiB", Shape::Flat), Point { size: *size, p50: each, p99: None });
        }
        record.resident = target.resident();
    }
    Ok(())
}
