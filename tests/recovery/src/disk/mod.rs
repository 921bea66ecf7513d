//! A disk beneath the program, which knows what of it would survive a power cut.
//!
//! The functions of the system library that write files are defined here once more, so that the linker takes these for the whole
//! program: the standard library and SQLite alike. Files below the directory that `RECOVERY_DISK_ROOT` names are written as ever,
//! so that the program sees what it has written. What is synced is copied beside, into the directory `RECOVERY_DISK_STATE`: the
//! content of a file when the file is synced (`inodes/<number>`), its name when its directory is (`names/`, which are links to the
//! former). A power cut is the end of the process and going back to those copies.
//!
//! The suite turns faults on and off while the program runs (`control`).

#![expect(unsafe_code, reason = "functions of the system library are defined, called and spoken to through pointers")]

mod control;
mod faults;
mod names;
mod synced;
mod track;

use std::ffi::{CStr, c_char, c_int, c_long, c_void};

use libc::{iovec, mode_t, off_t, size_t, ssize_t};

pub use track::begin;
use track::{Kind, Watched, watched};

/// Says why a call failed, in the way of the system library.
fn refuse(error: c_int) -> c_int {
    // SAFETY: the place of this thread's error is always there.
    unsafe { *libc::__errno_location() = error };
    -1
}

/// A path that is watched.
unsafe fn path_of<'p>(path: *const c_char) -> Option<(&'static track::Disk, &'p CStr)> {
    let disk = track::disk()?;
    // SAFETY: by the contract of every function that takes a path it is a string that ends with 0.
    let path = unsafe { CStr::from_ptr(path) };
    disk.has(path).then_some((disk, path))
}

unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are those of `openat`.
    let open = || unsafe { narrow(libc::syscall(libc::SYS_openat, directory, path, flags, mode)) };
    // SAFETY: the caller's path.
    let Some((disk, path)) = (unsafe { path_of(path) }) else { return open() };
    disk.open(path, flags, open)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the same contract.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the same contract.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(file: c_int) -> c_int {
    track::forget(file);
    // SAFETY: the same contract.
    unsafe { narrow(libc::syscall(libc::SYS_close, file)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the same contract, of fewer bytes where the disk is full.
    let write = |count: size_t| unsafe { wide(libc::syscall(libc::SYS_write, file, bytes, count)) };
    match watched(file) {
        Some(Watched { disk, inode, kind: kind @ Kind::File(_) }) => {
            disk.count(kind);
            disk.write(file, inode, None, count, write)
        }
        _ => write(count),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(file: c_int, bytes: *const c_void, count: size_t, place: off_t) -> ssize_t {
    // SAFETY: the same contract, of fewer bytes where the disk is full.
    let write = |count: size_t| unsafe { wide(libc::syscall(libc::SYS_pwrite64, file, bytes, count, place)) };
    match watched(file) {
        Some(Watched { disk, inode, kind: kind @ Kind::File(_) }) => {
            disk.count(kind);
            disk.write(file, inode, Some(place), count, write)
        }
        _ => write(count),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, count: size_t, place: off_t) -> ssize_t {
    // SAFETY: the same contract.
    unsafe { pwrite(file, bytes, count, place) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(file: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if let Some(Watched { kind: Kind::File(_), .. }) = watched(file) {
        // One after the other: a writer of parts takes any number of bytes for an answer.
        for number in 0..count {
            // SAFETY: there are `count` parts.
            let part = unsafe { &*parts.offset(isize::try_from(number).unwrap_or(0)) };
            if part.iov_len > 0 {
                // SAFETY: a part is bytes and their count.
                return unsafe { write(file, part.iov_base, part.iov_len) };
            }
        }
        return 0;
    }
    // SAFETY: the same contract.
    unsafe { wide(libc::syscall(libc::SYS_writev, file, parts, count)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(file: c_int, length: off_t) -> c_int {
    // SAFETY: the same contract.
    let truncate = || unsafe { narrow(libc::syscall(libc::SYS_ftruncate, file, length)) };
    match watched(file) {
        Some(Watched { disk, inode, kind: kind @ Kind::File(_) }) => {
            disk.count(kind);
            disk.truncate(inode, truncate)
        }
        _ => truncate(),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(file: c_int, length: off_t) -> c_int {
    // SAFETY: the same contract.
    unsafe { ftruncate(file, length) }
}

fn sync(file: c_int, call: c_long) -> c_int {
    match watched(file) {
        // The copies are as good as the disk, and the disk need not turn for them.
        Some(Watched { disk, inode, kind }) => {
            disk.count(kind);
            disk.sync(file, inode, kind)
        }
        // SAFETY: any number may be synced; what is no file is refused.
        None => unsafe { narrow(libc::syscall(call, file)) },
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    sync(file, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(file, libc::SYS_fdatasync)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: the caller's path.
    let watched = unsafe { path_of(new) };
    if let Some((disk, _)) = watched {
        disk.count(Kind::Directory);
        if disk.is_read_only() {
            return refuse(libc::EROFS);
        }
    }
    // SAFETY: the same contract.
    unsafe { narrow(libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, old, libc::AT_FDCWD, new, 0)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's path.
    if unsafe { path_of(path) }.is_some_and(|(disk, _)| disk.is_read_only()) {
        return refuse(libc::EROFS);
    }
    // SAFETY: the same contract.
    unsafe { narrow(libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's path.
    if let Some((disk, _)) = unsafe { path_of(path) } {
        if disk.is_read_only() {
            return refuse(libc::EROFS);
        }
        if disk.is_full() {
            return refuse(libc::ENOSPC);
        }
    }
    // SAFETY: the same contract.
    unsafe { narrow(libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode)) }
}

/// What a call of the system answers, as those functions do whose answers are small.
fn narrow(answer: c_long) -> c_int {
    c_int::try_from(answer).unwrap_or(-1)
}

/// The same of those that count bytes.
fn wide(answer: c_long) -> ssize_t {
    ssize_t::try_from(answer).unwrap_or(-1)
}
