//! What the system tells of processes: their memory and processor time, who listens on a port, and on what kind of
//! filesystem a directory is. All of it is read from `/proc`, which Linux has.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

/// Clock ticks in a second, as `/proc/<pid>/stat` counts them: the same on every Linux that is in use.
const TICKS: u32 = 100;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// Processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What kind of machine this is, in a few words.
pub fn described() -> String {
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start_matches([' ', '\t', ':']).trim().to_owned()))
    };
    let model = line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = line("/proc/meminfo", "MemTotal").and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok());
    let memory = memory.map(|kib| format!(", {} GiB", kib.div_ceil(1024 * 1024))).unwrap_or_default();
    format!("{} processors ({model}){memory}, {}", processors(), std::env::consts::OS)
}

/// How much memory a process has resident, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// The most that it ever had.
    pub peak: u64,
}

/// The memory of a process, or why it cannot be told.
pub fn resident(pid: u32) -> Result<Resident, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let figure = |name| kib(&status, name).ok_or_else(|| format!("{path} has no {name}"));
    Ok(Resident { now: figure("VmRSS")?, peak: figure("VmHWM")? })
}

/// A figure of `/proc/<pid>/status`, such as `VmRSS: 12345 kB`.
fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Files, sockets and the like that a process has open; `None` where that cannot be told.
pub fn descriptors(pid: u32) -> Option<u64> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

/// Threads of a process; `None` where that cannot be told.
pub fn threads(pid: u32) -> Option<u64> {
    Some(fs::read_dir(format!("/proc/{pid}/task")).ok()?.count() as u64)
}

/// The processor time that a process has used, all its threads together; in steps of 10 ms.
pub fn processor_time(pid: u32) -> Option<Duration> {
    ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The same of this process.
pub fn own_processor_time() -> Option<Duration> {
    processor_time(std::process::id())
}

/// The processor time that anything on this machine has used, and what its host took from it; in steps of 10 ms.
pub fn busy_time() -> Option<Duration> {
    busy_ticks(&fs::read_to_string("/proc/stat").ok()?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen.
fn busy_ticks(stat: &str) -> Option<Duration> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map(|field| field.parse::<u64>().ok());
    let fields: Vec<u64> = fields.collect::<Option<_>>()?;
    let idle = |place: &usize| matches!(place, 3 | 4);
    let busy: u64 = fields.iter().enumerate().take(8).filter(|(place, _)| !idle(place)).map(|(_, ticks)| ticks).sum();
    Some(Duration::from_millis(busy * 1_000 / u64::from(TICKS)))
}

/// User and system time of `/proc/<pid>/stat`, whose second field is a name in parentheses and may be anything.
fn ticks(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs(1) * user.checked_add(system)? / TICKS)
}

/// The process that listens on a port of this machine, or why it cannot be told.
pub fn listener(port: u16) -> Result<u32, String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> = tables.iter().flat_map(|table| inodes(table, port)).map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return Err(format!("/proc/net/tcp shows nobody who listens on port {port}"));
    }
    let processes = fs::read_dir("/proc").map_err(|error| format!("/proc cannot be read: {error}"))?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut owners = pids.filter(|pid| holds(*pid, &sockets));
    owners.next().ok_or_else(|| format!("the process that listens on port {port} is another user's: name it with --pid"))
}

/// The inodes of the sockets of a table that listen on a port.
fn inodes(table: &str, port: u16) -> impl Iterator<Item = &str> {
    let ending = format!(":{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&ending) && *fields.get(3)? == LISTENING;
        is_it.then(|| fields.get(9).copied()).flatten()
    })
}

fn holds(pid: u32, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target)))
}

/// The kind of filesystem that a directory is on, such as `ext4`.
pub fn filesystem(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    of_mounts(&fs::read_to_string("/proc/mounts").ok()?, &directory).map(str::to_owned)
}

/// The innermost mount that holds a directory; of two at the same place the later one, which hides the other.
fn of_mounts<'a>(mounts: &'a str, directory: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let holding = mounts.filter(|(place, _)| directory.starts_with(place));
    holding.max_by_key(|(place, _)| place.components().count()).map(|(_, kind)| kind)
}

/// Whether what is written to such a filesystem is only kept in memory, where syncing costs nothing.
pub fn is_volatile(filesystem: &str) -> bool {
    matches!(filesystem, "tmpfs" | "ramfs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_opened_is_one_descriptor_more() {
        let pid = std::process::id();
        let open: Vec<fs::File> = (0..50).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        assert!(descriptors(pid).unwrap() >= 50);
        assert!(threads(pid).unwrap() >= 1);
        drop(open);
        assert_eq!(descriptors(0), None);
    }

    #[test]
    fn the_figures_of_a_status_are_read_by_their_names() {
        let status = "Name:\tdoolittle\nVmPeak:\t  999999 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t9\n";
        assert_eq!((kib(status, "VmRSS"), kib(status, "VmHWM")), (Some(10_240), Some(20_480)));
        assert_eq!((kib(status, "VmSwap"), kib(status, "Threads")), (None, None));
    }

    #[test]
    fn processor_time_is_read_whatever_the_process_is_called() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 9 0 100 1 2 3";
        assert_eq!(ticks(stat), Some(Duration::from_secs(4)));
        assert_eq!(ticks("42 (short) S 1"), None);
    }

    #[test]
    fn a_machine_is_busy_unless_it_idles_or_waits() {
        let stat = "cpu  100 20 30 90000 5000 4 5 1 700 0\ncpu0 50 10 15 45000 2500 2 2 0 0 0\n";
        assert_eq!(busy_ticks(stat), Some(Duration::from_millis(1_600)));
        assert_eq!(busy_ticks("intr 1 2 3"), None);
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0 0 10 0\n\
             1: 0100007F:0BB8 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0 100 0 0 10 0\n\
             2: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 333 1 0 100 0 0 10 0\n";
        assert_eq!(inodes(table, 3000).collect::<Vec<_>>(), ["111"]);
        assert_eq!(inodes(table, 80).count(), 0);
    }

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n";
        for (directory, kind) in [("/home", "ext4"), ("/tmp", "tmpfs"), ("/tmp/x", "tmpfs"), ("/tmp/disk/y", "xfs"), ("/tmpfile", "ext4")] {
            assert_eq!(of_mounts(mounts, Path::new(directory)), Some(kind), "{directory}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_a_port_of_its_own() {
        let own = resident(std::process::id()).unwrap();
        assert!(own.now > 0 && own.peak >= own.now, "{own:?}");
        assert!(own_processor_time().is_some());
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(listener(listening.local_addr().unwrap().port()), Ok(std::process::id()));
        assert!(filesystem(Path::new(".")).is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_told_has_a_reason() {
        assert!(resident(u32::MAX).unwrap_err().contains("cannot be read"));
        assert!(listener(0).unwrap_err().contains("port 0"));
    }
}
