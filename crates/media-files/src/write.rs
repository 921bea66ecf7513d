//! Writing one file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use core_types::media::{MediaStoreError, MediaStoreResult, MediaWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{directory, failed, sync_directory};

/// Pieces that wait to be written; with those of an HTTP body, half a megabyte or so.
const QUEUE: usize = 8;
/// Written bytes that are not on the disk yet. Handing them over while more arrive leaves little to wait for at the end.
const UNSYNCED: usize = 8 * 1024 * 1024;

enum Order {
    Write(Bytes),
    Finish,
}

/// Hands pieces to the thread that writes them.
pub(crate) struct Writer {
    orders: mpsc::Sender<Order>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Writer {
    /// Begins a file at `unfinished` that will be at `path`.
    pub(crate) fn begin(unfinished: PathBuf, path: PathBuf) -> Self {
        let (orders, mut queue) = mpsc::channel(QUEUE);
        let thread = tokio::task::spawn_blocking(move || {
            let written = write(&unfinished, &path, &mut queue);
            if !matches!(written, Ok(true)) {
                // A crash leaves such files too, so they are swept up anyway.
                let _ = fs::remove_file(&unfinished);
            }
            written.map(drop)
        });
        Self { orders, thread: Some(thread) }
    }

    async fn order(&mut self, order: Order) -> MediaStoreResult<()> {
        if self.orders.send(order).await.is_ok() { Ok(()) } else { self.outcome().await }
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
        self.order(Order::Write(piece)).await
    }

    async fn finish(mut self: Box<Self>) -> MediaStoreResult<()> {
        self.order(Order::Finish).await?;
        self.outcome().await
    }
}

/// Writes what is ordered; `false` where the file was given up.
fn write(unfinished: &Path, path: &Path, orders: &mut mpsc::Receiver<Order>) -> io::Result<bool> {
    let mut file = create(unfinished)?;
    let mut unsynced = 0;
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Write(piece) => {
                file.write_all(&piece)?;
                unsynced += piece.len();
                if unsynced >= UNSYNCED {
                    file.sync_data()?;
                    unsynced = 0;
                }
            }
            Order::Finish => {
                file.sync_all()?;
                drop(file);
                publish(unfinished, path)?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives a written file its name, for good.
fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    if !parent.is_dir() {
        directory(parent)?;
        sync_directory(parent.parent().unwrap_or(parent))?;
    }
    fs::rename(unfinished, path)?;
    sync_directory(parent)
}
