//! The server under test: the very program that users run, built here so that the suite can start and kill it.

fn main() -> std::process::ExitCode {
    doolittle::main()
}
