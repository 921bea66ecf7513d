//! The names that survive.

use std::collections::HashSet;
use std::ffi::c_int;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::synced::place;

/// Gives the copies in an open directory the names that the files have.
pub fn copy(root: &Path, state: &Path, directory: c_int) -> io::Result<()> {
    let directory = fs::read_link(format!("/proc/self/fd/{directory}"))?;
    let Ok(within) = directory.strip_prefix(root) else { return Ok(()) };
    let copied = state.join("names").join(within);
    fs::create_dir_all(&copied)?;
    let mut there = HashSet::new();
    for entry in fs::read_dir(&directory)? {
        let entry = entry?;
        // It may be gone since.
        let Ok(metadata) = entry.metadata() else { continue };
        there.insert(entry.file_name());
        let name = copied.join(entry.file_name());
        if metadata.is_dir() {
            if !name.is_dir() {
                fs::create_dir(&name)?;
            }
        } else {
            link(&place(state, metadata.ino()), &name)?;
        }
    }
    for entry in fs::read_dir(&copied)? {
        let entry = entry?;
        if there.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// Gives a copy a name, in place of another that has it.
fn link(content: &Path, name: &Path) -> io::Result<()> {
    if !content.exists() {
        // It was there before anything was watched, and nothing of it was synced since.
        File::create(content)?;
    }
    let same = fs::metadata(name).is_ok_and(|named| fs::metadata(content).is_ok_and(|content| content.ino() == named.ino()));
    if same {
        return Ok(());
    }
    let beside = name.with_extension("linked");
    let _ = fs::remove_file(&beside);
    fs::hard_link(content, &beside)?;
    fs::rename(&beside, name)
}
