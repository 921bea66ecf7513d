//! What the process holds in memory of the files that it runs from.

#![expect(unsafe_code, reason = "the kernel is told of memory by its address")]

use std::ffi::c_void;
use std::fs;
use std::ops::Range;
use std::time::Duration;

use rustix::mm::{Advice, madvise};

/// By then all threads have begun, and nothing is under way but what clients ask for.
const START: Duration = Duration::from_secs(1);

/// Lets go of code that the start alone needed, once that is over.
pub async fn after_start() {
    tokio::time::sleep(START).await;
    let_go();
}

/// Lets go of the program's code and constants. What is needed comes back as it is needed, from the kernel's cache or the file; the kernel
/// maps 64 KiB around each such place, so that a start leaves nearly all of the program mapped.
fn let_go() {
    // Where the kernel does not tell what there is, nothing is done.
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for mapping in unwritten(&smaps) {
        let start = std::ptr::with_exposed_provenance_mut::<c_void>(mapping.start);
        // SAFETY: the pages are those of a file, cannot be written to, and none ever was: whoever reads them reads the same again.
        let advised = unsafe { madvise(start, mapping.len(), Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            log::debug!("the code of the start stays in memory: {error}");
        }
    }
}

/// The mappings of files, for this process alone, that cannot be written to and have no page that differs from its file. The format is
/// that of `proc_pid_smaps(5)`.
fn unwritten(smaps: &str) -> impl Iterator<Item = Range<usize>> {
    let mut last = None;
    smaps.lines().filter_map(move |line| {
        if let Some(size) = line.strip_prefix("Anonymous:") {
            return last.take().filter(|_| size.trim() == "0 kB");
        }
        last = read_only(line).or_else(|| last.take());
        None
    })
}

/// The addresses that the first line of a mapping tells, where that is of a file, private and only read or executed.
fn read_only(line: &str) -> Option<Range<usize>> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    let range = address(start)?..address(end)?;
    let is_wanted = ["r--p ", "r-xp "].iter().any(|kind| rest.starts_with(kind)) && rest.contains(" /");
    is_wanted.then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file_is_let_go_of() {
        let smaps = "\
            5648f4cc0000-5648f58a6000 r--p 00000000 08:01 42  /usr/bin/doolittle\n\
            Size:              12184 kB\n\
            Anonymous:             0 kB\n\
            VmFlags: rd mr mw me sd\n\
            5648f58a6000-5648f6d87000 r-xp 00be5000 08:01 42  /usr/bin/doolittle\n\
            Anonymous:             4 kB\n\
            5648f6d87000-5648f6e73000 rw-p 020c5000 08:01 42  /usr/bin/doolittle\n\
            Anonymous:             0 kB\n\
            7f37f43db000-7f37f4531000 r-xp 00026000 08:01 43  /usr/lib/libc.so.6\n\
            Anonymous:             0 kB\n\
            7f37f4600000-7f37f4601000 r--s 00000000 08:01 44  /data/doolittle.db-shm\n\
            Anonymous:             0 kB\n\
            7ffd6e2f5000-7ffd6e2f7000 r-xp 00000000 00:00 0   [vdso]\n\
            Anonymous:             0 kB\n";
        let found: Vec<_> = unwritten(smaps).collect();
        assert_eq!(found, [0x5648_f4cc_0000..0x5648_f58a_6000, 0x7f37_f43d_b000..0x7f37_f453_1000]);
    }

    #[test]
    fn a_program_goes_on_with_less_of_itself_in_memory() {
        let of_files = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u32>().unwrap()
        };
        let before = of_files();
        let_go();
        let after = of_files();
        assert!(after < before, "{before} kB, then {after} kB");
    }
}
