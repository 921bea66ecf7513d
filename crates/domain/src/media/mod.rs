//! Files: taken from callers, given out by their names, collected when nobody owns them, and read for models.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::media::{
    MediaFile, MediaName, MediaPlace, MediaReader, MediaRepository, MediaService, MediaStore, MediaType, Upload, UploadHead,
};
use core_types::messaging::ChannelRepository;
use core_types::{Caller, Clock, Permission, Randomness, ServiceError, ServiceResult, Thing};

use crate::permission::{Access, require};
use crate::places::Places;

mod attachments;
mod collect;
mod hash;
mod receive;
mod sniff;

pub use attachments::{AttachmentPorts, Attachments};
pub use collect::{Collected, MediaCollector};

/// When to come again where too many files are being taken.
const BUSY: Duration = Duration::from_secs(2);

/// What bounds the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaLimits {
    /// The most bytes of a file.
    pub file_bytes: u64,
    /// Files that are taken at once.
    pub uploads: usize,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self { file_bytes: 50 * 1024 * 1024, uploads: 32 }
    }
}

/// What the files need.
#[derive(Clone)]
pub struct MediaPorts {
    /// Where what is known of files is kept.
    pub media: Arc<dyn MediaRepository>,
    /// Where their bytes are.
    pub store: Arc<dyn MediaStore>,
    /// What callers can reach.
    pub access: Access,
    /// Where channels are looked up.
    pub channels: Arc<dyn ChannelRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where names come from that nobody can guess.
    pub randomness: Arc<dyn Randomness>,
}

/// Takes files and gives them out.
pub struct Media {
    ports: MediaPorts,
    limits: MediaLimits,
    known_channels_only: bool,
    places: Places,
}

impl Media {
    /// Files over these ports. `known_channels_only` refuses uploads to channels that do not exist; elizaOS takes them, and so
    /// does a server that only its own machine can reach.
    pub fn new(ports: MediaPorts, limits: MediaLimits, known_channels_only: bool) -> Self {
        Self { ports, limits, known_channels_only, places: Places::new(limits.uploads) }
    }
}

#[async_trait]
impl MediaService for Media {
    async fn begin(&self, caller: &Caller, head: UploadHead) -> ServiceResult<Box<dyn Upload>> {
        require(caller, Permission::MessagesWrite)?;
        let declared = declared_type(&head)?;
        let place = self.places.take(caller).ok_or_else(|| ServiceError::Overloaded {
            message: format!("{} files are being taken already", self.limits.uploads),
            retry_after: BUSY,
        })?;
        let key = head.idempotency_key.map(|key| (caller.name(), key));
        let said = receive::Said { caller: caller.clone(), declared, file_name: head.file_name.unwrap_or_default(), key };
        Ok(Box::new(receive::Receiving::new(self.ports.clone(), self.limits, self.known_channels_only, said, place)))
    }

    async fn find(&self, place: MediaPlace, name: MediaName) -> ServiceResult<MediaFile> {
        let file = self.ports.media.find(name.id()).await?;
        file.filter(|file| file.place == place && file.name() == name).ok_or(ServiceError::NotFound(Thing::File))
    }

    async fn read(&self, file: &MediaFile, range: Range<u64>) -> ServiceResult<Box<dyn MediaReader>> {
        let reader = self.ports.store.open(file.name(), range).await?;
        reader.ok_or_else(|| {
            log::error!("the file {} is known and is not in the media store", file.name());
            ServiceError::NotFound(Thing::File)
        })
    }
}

/// The type that the sender declares; `application/octet-stream` declares nothing.
fn declared_type(head: &UploadHead) -> ServiceResult<Option<MediaType>> {
    let Some(declared) = head.declared_type.as_deref().filter(|declared| !declared.starts_with("application/octet-stream")) else {
        return Ok(None);
    };
    declared.parse().map(Some).map_err(|_| sniff::not_taken())
}
