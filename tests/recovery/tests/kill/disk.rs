//! The disk of a server, from outside: what survives a power cut, and what goes wrong (`src/disk`).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dice::Dice;

#[path = "../../src/disk/control.rs"]
pub mod control;

/// What is written to a disk at once, or not at all.
const SECTOR: usize = 512;

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Some of it: of each sector that was written, and of each name, either.
    Some,
}

/// A data directory, and what of it survives.
pub struct Disk {
    root: PathBuf,
    state: PathBuf,
}

impl Disk {
    /// A disk with an empty data directory, `data` in this directory.
    pub fn new(directory: &Path) -> Self {
        let disk = Self { root: directory.join("data"), state: directory.join("disk") };
        fs::create_dir_all(&disk.root).unwrap();
        fs::create_dir_all(&disk.state).unwrap();
        File::create(disk.state.join(control::FILE)).unwrap().set_len(control::BYTES as u64).unwrap();
        disk.settle();
        disk
    }

    /// The data directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Puts the disk beneath a program.
    pub fn beneath(&self, command: &mut Command) {
        command.env("RECOVERY_DISK_ROOT", &self.root).env("RECOVERY_DISK_STATE", &self.state);
    }

    fn control(&self) -> File {
        OpenOptions::new().read(true).write(true).open(self.state.join(control::FILE)).unwrap()
    }

    /// Turns faults on, and all others off.
    pub fn fail(&self, faults: u32, room: u64) {
        let control = self.control();
        control.write_all_at(&room.to_ne_bytes(), control::ROOM as u64).unwrap();
        control.write_all_at(&faults.to_ne_bytes(), control::FAULTS as u64).unwrap();
    }

    /// How often a fault was met.
    pub fn met(&self) -> u64 {
        self.number(control::MET)
    }

    /// Ends the program by itself at the so-manieth call that changes one of these files; with 0 not at all.
    pub fn end_after(&self, calls: u64, of: u32) {
        let control = self.control();
        control.write_all_at(&of.to_ne_bytes(), control::OF as u64).unwrap();
        control.write_all_at(&calls.to_ne_bytes(), control::CALLS as u64).unwrap();
    }

    /// How many calls are left until then.
    pub fn calls_left(&self) -> u64 {
        self.number(control::CALLS)
    }

    fn number(&self, place: usize) -> u64 {
        let mut bytes = [0; 8];
        self.control().read_exact_at(&mut bytes, place as u64).unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// All that is there survives from now on, as it does when the system has had time, or was not cut off at all.
    pub fn settle(&self) {
        let (inodes, names) = (self.state.join("inodes"), self.state.join("names"));
        for directory in [&inodes, &names] {
            if directory.exists() {
                fs::remove_dir_all(directory).unwrap();
            }
            fs::create_dir_all(directory).unwrap();
        }
        for (path, inode) in files(&self.root) {
            let copy = inodes.join(inode.to_string());
            fs::copy(self.root.join(&path), &copy).unwrap();
            let name = names.join(path);
            fs::create_dir_all(name.parent().unwrap()).unwrap();
            fs::hard_link(copy, name).unwrap();
        }
        for path in directories(&self.root) {
            fs::create_dir_all(names.join(path)).unwrap();
        }
    }

    /// Cuts the power of a disk whose program has ended.
    pub fn cut(&self, keep: Keep, dice: &mut Dice) {
        let names = self.state.join("names");
        // By the numbers of their files, the copies of each.
        let real_of: BTreeMap<u64, u64> = fs::read_dir(self.state.join("inodes"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.metadata().unwrap().ino(), entry.file_name().to_str().unwrap().parse().unwrap()))
            .collect();
        let written: BTreeMap<PathBuf, u64> = files(&self.root).into_iter().collect();
        let by_inode: BTreeMap<u64, PathBuf> = written.iter().map(|(path, inode)| (*inode, path.clone())).collect();
        let after = self.state.with_file_name("after");
        fs::create_dir_all(&after).unwrap();
        for path in directories(&names) {
            fs::create_dir_all(after.join(path)).unwrap();
        }
        for (path, copy) in files(&names) {
            let inode = real_of.get(&copy).copied();
            let now = inode.and_then(|inode| by_inode.get(&inode));
            let name = if keep == Keep::Some && now != Some(&path) && dice.below(2) == 0 {
                // What became of the name is on the disk: another, or none, or that of another file.
                match now {
                    Some(now) => now.clone(),
                    None => continue,
                }
            } else {
                path.clone()
            };
            let mut content = fs::read(names.join(&path)).unwrap();
            if let (Keep::Some, Some(now)) = (keep, now) {
                content = mixed(content, &fs::read(self.root.join(now)).unwrap(), dice);
            }
            let place = after.join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, content).unwrap();
        }
        if keep == Keep::Some {
            // Files that have no name yet which survives.
            let survivors: Vec<u64> = files(&names).into_iter().filter_map(|(_, copy)| real_of.get(&copy).copied()).collect();
            for (path, inode) in &written {
                if survivors.contains(inode) || dice.below(2) == 0 || after.join(path).exists() {
                    continue;
                }
                let synced = fs::read(self.state.join("inodes").join(inode.to_string())).unwrap_or_default();
                let place = after.join(path);
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(place, mixed(synced, &fs::read(self.root.join(path)).unwrap(), dice)).unwrap();
            }
        }
        fs::remove_dir_all(&self.root).unwrap();
        fs::rename(after, &self.root).unwrap();
        self.settle();
    }
}

/// Of each sector the old or the new one, and of the two lengths either.
fn mixed(mut old: Vec<u8>, new: &[u8], dice: &mut Dice) -> Vec<u8> {
    if dice.below(2) == 0 {
        old.resize(new.len(), 0);
    }
    for (old, new) in old.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
        if old != new && dice.below(2) == 0 {
            let length = old.len().min(new.len());
            old[..length].copy_from_slice(&new[..length]);
        }
    }
    old
}

/// The files below a directory, by their paths in it, with their numbers.
fn files(root: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    walk(root, root, &mut |path, metadata| {
        if metadata.is_file() {
            found.push((path, metadata.ino()));
        }
    });
    found.sort();
    found
}

fn directories(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(root, root, &mut |path, metadata| {
        if metadata.is_dir() {
            found.push(path);
        }
    });
    found
}

fn walk(root: &Path, directory: &Path, see: &mut dyn FnMut(PathBuf, &fs::Metadata)) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        see(entry.path().strip_prefix(root).unwrap().to_owned(), &metadata);
        if metadata.is_dir() {
            walk(root, &entry.path(), see);
        }
    }
}
