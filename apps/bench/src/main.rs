//! The load generator, which measures a server of this API from outside and holds it against what the machine could do at
//! most. `bench --help` and `docs/benchmarks.md` tell how it is used.
//!
//! A scenario ([`scenarios`]) prepares a server ([`target`], [`server`], [`api`]), puts a load on it ([`load`], over
//! [`wire`]) and returns a line of [`figures`]; [`limits`] are measured by the same loop or in the same way.

mod all;
mod api;
mod cli;
mod failure;
mod figures;
mod limits;
mod load;
mod machine;
mod meter;
mod posts;
mod program;
mod report;
mod scenarios;
mod server;
mod svg;
mod target;
#[cfg(test)]
mod testing;
mod wire;

/// The server's, so that the bare handler has no other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    program::main()
}
