//! Keeps files in a bucket of S3, or of what speaks like it: `MinIO`, Garage, R2, Ceph, ...
//!
//! A file of several megabytes is sent in parts while it arrives, of which the store holds as many as are on their way; a
//! smaller one is sent when it is finished. Neither is seen before. Parts of uploads that a crash cut off stay until the
//! bucket's own rule (`AbortIncompleteMultipartUpload`) removes them, since their list is not to be had through this interface.

mod write;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::error::Source;
use core_types::media::{MediaName, MediaReader, MediaStore, MediaStoreError, MediaStoreResult, MediaWriter, StoredMedia};
use core_types::{Secret, Timestamp};
use derive_more::{Display, Error};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use rustls::crypto::{CryptoProvider, ring};

/// For a connection to be made, and for an answer to a request.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_mins(2);
/// How often and for how long a failed request is tried again.
const RETRIES: usize = 3;
const RETRY_TIME: Duration = Duration::from_secs(30);

/// Which bucket, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The region; what speaks like S3 mostly takes any.
    pub region: String,
    /// The address of the service; Amazon's own where absent. Only such an address may be `http`.
    pub endpoint: Option<String>,
    /// What comes before the names of files, without slashes around it; may be empty.
    pub prefix: String,
    /// The key's id and the key; without them the machine's role is asked for.
    pub credentials: Option<(Secret, Secret)>,
}

/// The settings make no client.
#[derive(Debug, Display, Error)]
#[display("the S3 client cannot be set up")]
pub struct InvalidS3Settings {
    source: Source,
}

/// A bucket of files.
#[derive(Debug, Clone)]
pub struct MediaS3 {
    store: Arc<AmazonS3>,
    prefix: Path,
    description: String,
}

impl MediaS3 {
    /// A bucket by these settings. Nothing is asked of it yet; [`Self::check`] does.
    pub fn new(settings: &S3Settings) -> Result<Self, InvalidS3Settings> {
        install_crypto_provider();
        let client = ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(ANSWER).with_allow_http(settings.endpoint.is_some());
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        if let Some((id, key)) = &settings.credentials {
            builder = builder.with_access_key_id(id.reveal()).with_secret_access_key(key.reveal());
        }
        let invalid = |source: Source| InvalidS3Settings { source };
        let prefix = Path::parse(&settings.prefix).map_err(|error| invalid(Box::new(error)))?;
        let store = Arc::new(builder.build().map_err(|error| invalid(Box::new(error)))?);
        let description = match &settings.endpoint {
            Some(endpoint) => format!("bucket {} at {endpoint}", settings.bucket),
            None => format!("S3 bucket {}", settings.bucket),
        };
        Ok(Self { store, prefix, description })
    }

    /// Whether the bucket is there and may be read.
    pub async fn check(&self) -> MediaStoreResult<()> {
        self.list(None, 1).await.map(drop)
    }

    fn path(&self, name: MediaName) -> Path {
        self.prefix.clone().join(name.to_string())
    }

    /// A file of ours; others in the bucket are left alone.
    fn stored(&self, object: &ObjectMeta) -> Option<StoredMedia> {
        let name: MediaName = object.location.filename()?.parse().ok()?;
        let written_at = Timestamp::from_millis(object.last_modified.timestamp_millis());
        (self.path(name) == object.location).then_some(StoredMedia { name, size: object.size, written_at })
    }

    async fn head(&self, name: MediaName) -> MediaStoreResult<Option<ObjectMeta>> {
        if_there(self.store.head(&self.path(name)).await)
    }
}

#[async_trait]
impl MediaStore for MediaS3 {
    fn describe(&self) -> String {
        self.description.clone()
    }

    async fn create(&self, name: MediaName) -> MediaStoreResult<Box<dyn MediaWriter>> {
        Ok(Box::new(write::Writer::new(Arc::clone(&self.store), self.path(name))))
    }

    async fn open(&self, name: MediaName, range: Range<u64>) -> MediaStoreResult<Option<Box<dyn MediaReader>>> {
        let left = range.end.saturating_sub(range.start);
        if left == 0 {
            // S3 knows no empty range.
            let there = self.head(name).await?.is_some();
            return Ok(there.then(|| Box::new(Reader { pieces: futures_util::stream::empty().boxed(), left }) as Box<dyn MediaReader>));
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let opened = if_there(self.store.get_opts(&self.path(name), options).await)?;
        Ok(opened.map(|opened| Box::new(Reader { pieces: opened.into_stream(), left }) as Box<dyn MediaReader>))
    }

    async fn metadata(&self, name: MediaName) -> MediaStoreResult<Option<StoredMedia>> {
        Ok(self.head(name).await?.and_then(|object| self.stored(&object)))
    }

    async fn remove(&self, name: MediaName) -> MediaStoreResult<bool> {
        // S3 does not say whether there was something to delete.
        if self.head(name).await?.is_none() {
            return Ok(false);
        }
        Ok(if_there(self.store.delete(&self.path(name)).await)?.is_some())
    }

    async fn list(&self, after: Option<MediaName>, limit: usize) -> MediaStoreResult<Vec<StoredMedia>> {
        let mut objects = match after {
            Some(after) => self.store.list_with_offset(Some(&self.prefix), &self.path(after)),
            None => self.store.list(Some(&self.prefix)),
        };
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(object) = objects.next().await else { break };
            found.extend(self.stored(&object.map_err(failed)?));
        }
        Ok(found)
    }

    async fn sweep(&self, _before: Timestamp) -> MediaStoreResult<usize> {
        Ok(0)
    }
}

/// The pieces of a part, as they arrive.
struct Reader {
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
    left: u64,
}

#[async_trait]
impl MediaReader for Reader {
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>> {
        loop {
            match self.pieces.next().await {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.left = self.left.saturating_sub(piece.len() as u64);
                    return Ok(Some(piece));
                }
                Some(Err(error)) => return Err(failed(error)),
                None if self.left > 0 => {
                    return Err(MediaStoreError::Defect("the object is shorter than it was when it was written".into()));
                }
                None => return Ok(None),
            }
        }
    }
}

/// What is not there is `None`.
fn if_there<T>(answer: object_store::Result<T>) -> MediaStoreResult<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: object_store::Error) -> MediaStoreError {
    use object_store::Error::{Generic, JoinError, PermissionDenied, Unauthenticated};
    match error {
        Generic { .. } | JoinError { .. } => MediaStoreError::Unavailable(Box::new(error)),
        PermissionDenied { .. } | Unauthenticated { .. } => MediaStoreError::ReadOnly(Box::new(error)),
        other => MediaStoreError::Defect(Box::new(other)),
    }
}

/// The HTTP library panics without a provider of cryptography; one that is already there is kept.
fn install_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}
