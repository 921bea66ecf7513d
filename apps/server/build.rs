//! Packs the addresses that are set right when the program starts: two megabytes fewer, in its file and in memory.

use std::process::Command;

/// The first version of the C library that reads the packed form.
const READS_PACKED: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && c_library().is_some_and(|own| own >= READS_PACKED) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

#[expect(clippy::disallowed_methods, reason = "what cargo tells a build script is no setting of the server")]
fn is(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|told| told == value)
}

/// The version on this machine, on which the program runs or which is older than where it will.
fn c_library() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, rest) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}
