//! The server as users run it, built with the tests of this package so that they can start it.

fn main() -> std::process::ExitCode {
    doolittle::main()
}
