//! The machine that the server runs on.

use std::sync::Arc;

use core_types::system::{Machine, MemoryUse};
use sysinfo::{Error, MemoryRefreshKind, Process, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};
use tokio::sync::Notify;

/// This process, on the machine or in the container that it runs in.
#[derive(Default)]
pub struct ThisMachine {
    stopping: Arc<Notify>,
}

impl ThisMachine {
    /// Resolves when the process was asked to end.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let stopping = Arc::clone(&self.stopping);
        async move { stopping.notified().await }
    }
}

impl Machine for ThisMachine {
    fn memory(&self) -> MemoryUse {
        measure().unwrap_or_else(|error| {
            log::warn!("this system does not say how much memory is in use: {error}");
            MemoryUse { used: 0, total: 0 }
        })
    }

    fn stop(&self) {
        // A permit is kept where nobody waits yet.
        self.stopping.notify_one();
    }
}

fn measure() -> Result<MemoryUse, Error> {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let mut system = System::new_with_specifics(ram)?;
    let machine = system.total_memory();
    let total = system.cgroup_limits().map_or(machine, |limits| limits.total_memory.min(machine));
    let this = sysinfo::get_current_pid()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, ProcessRefreshKind::nothing().with_memory());
    Ok(MemoryUse { used: system.process(this).map_or(0, Process::memory), total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_uses_some_of_what_there_is() {
        let MemoryUse { used, total } = ThisMachine::default().memory();
        assert!(used > 1 << 20 && used <= total, "{used} of {total} bytes");
    }
}
