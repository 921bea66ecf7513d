//! Snapshots that nobody compares with, and comparisons without a snapshot, are mistakes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn files(directory: &str, extension: &str) -> Vec<std::path::PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let paths = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
}

#[test]
fn every_snapshot_is_used_once_and_every_use_has_its_snapshot() {
    let call = concat!("snapshot", "!(\"");
    let mut used = Vec::new();
    for source in files("api", "rs") {
        let source = fs::read_to_string(source).unwrap();
        used.extend(source.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    let once: BTreeSet<String> = used.iter().cloned().collect();
    assert_eq!(once.len(), used.len(), "a name is used twice: {used:?}");
    let stored: BTreeSet<String> =
        files("snapshots", "snap").iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(stored, once);
}
