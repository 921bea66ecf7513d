//! Writing one file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::media::{MediaStoreError, MediaStoreResult, MediaWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::failed;
use crate::prefixes::Prefixes;

/// Bytes that are handed to the thread at once: to wake it for every piece of an HTTP body costs more than to write the piece.
const BLOCK: usize = 256 * 1024;
/// The most pieces of a block. Small ones come from a slow sender, whom nobody waits for.
const PIECES: usize = 64;
/// Blocks that wait to be written, beside the one that is gathered and the one that is being written: a megabyte in all.
const QUEUE: usize = 2;
/// Written bytes that are sent to the disk together.
#[cfg(target_os = "linux")]
const DUE: u64 = 2 * 1024 * 1024;
/// The same where each time is waited for.
#[cfg(not(target_os = "linux"))]
const DUE: u64 = 8 * 1024 * 1024;

enum Order {
    Write(Vec<Bytes>),
    Finish,
}

/// Hands pieces to the thread that writes them.
pub(crate) struct Writer {
    orders: mpsc::Sender<Order>,
    thread: Option<JoinHandle<io::Result<()>>>,
    block: Vec<Bytes>,
    block_bytes: usize,
}

impl Writer {
    /// Begins a file at `unfinished` that will be at `path`, in one of these directories.
    pub(crate) fn begin(unfinished: PathBuf, path: PathBuf, prefixes: Arc<Prefixes>) -> Self {
        let (orders, mut queue) = mpsc::channel(QUEUE);
        let thread = tokio::task::spawn_blocking(move || {
            let written = write(&unfinished, &path, &prefixes, &mut queue);
            if !matches!(written, Ok(true)) {
                // A crash leaves such files too, so they are swept up anyway.
                let _ = fs::remove_file(&unfinished);
            }
            written.map(drop)
        });
        Self { orders, thread: Some(thread), block: Vec::new(), block_bytes: 0 }
    }

    async fn order(&mut self, order: Order) -> MediaStoreResult<()> {
        if self.orders.send(order).await.is_ok() { Ok(()) } else { self.outcome().await }
    }

    /// Hands on what has been gathered.
    async fn hand_on(&mut self) -> MediaStoreResult<()> {
        self.block_bytes = 0;
        let block = std::mem::take(&mut self.block);
        self.order(Order::Write(block)).await
    }

    /// How the thread ended, which it does before its time where it cannot write.
    async fn outcome(&mut self) -> MediaStoreResult<()> {
        let Some(thread) = self.thread.take() else { return Err(MediaStoreError::Defect("the file was given up".into())) };
        thread.await.map_err(|failed| MediaStoreError::Defect(Box::new(failed)))?.map_err(failed)
    }
}

#[async_trait]
impl MediaWriter for Writer {
    async fn write(&mut self, piece: Bytes) -> MediaStoreResult<()> {
        self.block_bytes += piece.len();
        self.block.push(piece);
        if self.block_bytes < BLOCK && self.block.len() < PIECES { Ok(()) } else { self.hand_on().await }
    }

    async fn finish(mut self: Box<Self>) -> MediaStoreResult<()> {
        self.hand_on().await?;
        self.order(Order::Finish).await?;
        self.outcome().await
    }
}

/// Writes what is ordered; `false` where the file was given up.
fn write(unfinished: &Path, path: &Path, prefixes: &Prefixes, orders: &mut mpsc::Receiver<Order>) -> io::Result<bool> {
    let file = create(unfinished)?;
    let (mut written, mut on_its_way) = (0, 0);
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Write(block) => {
                written += write_block(&file, &block)?;
                if written - on_its_way >= DUE {
                    send_to_disk(&file, on_its_way, written - on_its_way)?;
                    on_its_way = written;
                }
            }
            Order::Finish => {
                file.sync_all()?;
                drop(file);
                publish(unfinished, path, prefixes)?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Has a part of the file written to the disk while more of it arrives, so that there is little to wait for at its end, and waits
/// for nothing itself. Linux begins with it when it is told that nobody needs the part: it drops what is on the disk already, which
/// is none of it, and writes the rest (`POSIX_FADV_DONTNEED`). That is advice; what counts is the sync at the end.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
fn send_to_disk(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    // File systems that cannot take advice write when they like.
    let _ = fadvise(file, from, std::num::NonZeroU64::new(bytes), Advice::DontNeed);
    Ok(())
}

/// The same where only waiting helps.
#[cfg(not(target_os = "linux"))]
fn send_to_disk(file: &File, _from: u64, _bytes: u64) -> io::Result<()> {
    file.sync_data()
}

/// Writes the pieces of a block one after the other, in as few calls as the system lets; returns how many bytes they are.
fn write_block(mut file: &File, block: &[Bytes]) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = block.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut left = slices.as_mut_slice();
    // Takes off pieces that are empty, of which no byte could ever be written.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(block.iter().map(|piece| piece.len() as u64).sum())
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives a written file its name, for good.
fn publish(unfinished: &Path, path: &Path, prefixes: &Prefixes) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    prefixes.ensure(parent)?;
    fs::rename(unfinished, path)?;
    prefixes.sync_entries(parent)
}
