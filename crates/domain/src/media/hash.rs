//! The SHA-256 of a file that arrives.

use bytes::Bytes;
use core_types::{ServiceError, ServiceResult};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes that are hashed together.
const BLOCK: usize = 256 * 1024;
/// The most pieces of them.
const PIECES: usize = 64;
/// Blocks that wait to be hashed. The store waits for the same bytes, so that this costs no memory.
const QUEUE: usize = 2;

/// Hashes pieces. What is more than a block is hashed by a thread for blocking work: it takes about as long as to receive and to
/// write the bytes, and the three go on at once.
#[derive(Default)]
pub(super) struct Hashing {
    block: Vec<Bytes>,
    bytes: usize,
    thread: Option<Thread>,
}

struct Thread {
    blocks: mpsc::Sender<Vec<Bytes>>,
    hash: JoinHandle<Sha256>,
}

impl Hashing {
    /// Adds a piece.
    pub(super) async fn add(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.block.push(piece);
        if self.bytes >= BLOCK || self.block.len() >= PIECES {
            let block = std::mem::take(&mut self.block);
            self.bytes = 0;
            // It takes all until it is left alone; where it panicked, the end says so.
            let _ = self.thread.get_or_insert_with(Thread::start).blocks.send(block).await;
        }
    }

    /// The hash of all pieces.
    pub(super) async fn finish(self) -> ServiceResult<[u8; 32]> {
        let hash = match self.thread {
            None => Sha256::new(),
            Some(Thread { blocks, hash }) => {
                drop(blocks);
                hash.await.map_err(|panicked| ServiceError::Internal(Box::new(panicked)))?
            }
        };
        Ok(update(hash, &self.block).finalize().into())
    }
}

impl Thread {
    fn start() -> Self {
        let (blocks, mut queue) = mpsc::channel::<Vec<Bytes>>(QUEUE);
        let hash = tokio::task::spawn_blocking(move || {
            let mut hash = Sha256::new();
            while let Some(block) = queue.blocking_recv() {
                hash = update(hash, &block);
            }
            hash
        });
        Self { blocks, hash }
    }
}

fn update(mut hash: Sha256, block: &[Bytes]) -> Sha256 {
    for piece in block {
        hash.update(piece);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hash_is_that_of_the_whole_however_it_is_cut() {
        let whole: Vec<u8> = (0..BLOCK * 3 + 77).map(|place| u8::try_from(place % 251).unwrap()).collect();
        for (bytes, piece) in [(0, 1), (1, 1), (300, 3), (whole.len(), 4_000), (whole.len(), BLOCK), (whole.len(), whole.len())] {
            let whole = &whole[..bytes];
            let mut hashing = Hashing::default();
            for piece in whole.chunks(piece) {
                hashing.add(Bytes::copy_from_slice(piece)).await;
            }
            let expected: [u8; 32] = Sha256::digest(whole).into();
            assert_eq!(hashing.finish().await.unwrap(), expected, "{bytes} bytes in pieces of {piece}");
        }
    }
}
