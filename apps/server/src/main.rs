//! The program `doolittle`: reads the command line and hands over to the library of the same name.

use std::process::ExitCode;

/// Faster than the system's allocator on JSON, by a fifth to a third.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doolittle::main()
}
