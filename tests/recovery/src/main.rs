//! The server under test: the very program that users run, built here so that the suite can start and kill it, and can put a
//! disk beneath it that forgets what was not synced, and fails when it is told to.

#[cfg(target_os = "linux")]
mod disk;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    disk::begin();
    doolittle::main()
}
