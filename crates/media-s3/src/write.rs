//! Writing one file.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::media::{MediaStoreError, MediaStoreResult, MediaWriter};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayloadMut, WriteMultipart};

use crate::failed;

/// The bytes of a part, and of the largest file that is sent at once. S3 takes ten thousand parts.
const PART: usize = 8 * 1024 * 1024;
/// Parts that are on their way at once.
const PARTS: usize = 2;

/// Sends pieces.
pub(crate) struct Writer {
    store: Arc<AmazonS3>,
    path: Path,
    state: State,
}

enum State {
    /// It may still fit into one request.
    Small(PutPayloadMut),
    /// It is sent in parts.
    Large(WriteMultipart),
    /// It is finished, or failed.
    Ended,
}

impl Writer {
    pub(crate) fn new(store: Arc<AmazonS3>, path: Path) -> Self {
        Self { store, path, state: State::Small(PutPayloadMut::new()) }
    }
}

/// Begins to send a file in parts, with what there is of it.
async fn in_parts(store: &AmazonS3, path: &Path, begun: PutPayloadMut) -> MediaStoreResult<WriteMultipart> {
    let upload = store.put_multipart(path).await.map_err(failed)?;
    let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
    for piece in begun.freeze() {
        parts.put(piece);
    }
    Ok(parts)
}

#[async_trait]
impl MediaWriter for Writer {
    async fn write(&mut self, piece: Bytes) -> MediaStoreResult<()> {
        let mut parts = match std::mem::replace(&mut self.state, State::Ended) {
            State::Small(mut begun) if begun.content_length() + piece.len() < PART => {
                begun.push(piece);
                self.state = State::Small(begun);
                return Ok(());
            }
            State::Small(begun) => in_parts(&self.store, &self.path, begun).await?,
            State::Large(parts) => parts,
            State::Ended => return Err(MediaStoreError::Defect("the file was given up".into())),
        };
        let waited = parts.wait_for_capacity(PARTS).await;
        parts.put(piece);
        // Kept where it failed too, so that what was sent is taken back.
        self.state = State::Large(parts);
        waited.map_err(failed)
    }

    async fn finish(mut self: Box<Self>) -> MediaStoreResult<()> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Small(whole) => self.store.put(&self.path, whole.freeze()).await.map(drop).map_err(failed),
            State::Large(parts) => parts.finish().await.map(drop).map_err(failed),
            State::Ended => Err(MediaStoreError::Defect("the file was given up".into())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let State::Large(parts) = std::mem::replace(&mut self.state, State::Ended) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let path = self.path.clone();
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    log::warn!("the parts of {path} that were sent cannot be taken back: {error}");
                }
            });
        }
    }
}
