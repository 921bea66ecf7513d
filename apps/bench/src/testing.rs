//! What tests of this program need: the server, as a program that they can start.

use std::path::PathBuf;

use clap::Parser as _;

use crate::cli::{Cli, Common};
use crate::server;

/// The example `server`, which Cargo builds with the tests of this package.
pub fn server() -> PathBuf {
    let tests = server::beside().unwrap();
    let path = tests.parent().unwrap().join("examples").join(format!("server{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is not there: run `cargo test -p bench`, which builds it", path.display());
    path
}

/// Options that name it.
pub fn common() -> Common {
    let server = server();
    Cli::try_parse_from(["bench", "ping", "--server", server.to_str().unwrap()]).unwrap().common
}
