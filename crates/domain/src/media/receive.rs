//! A file that is being taken.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use core_types::access::Wanted;
use core_types::error::chain;
use core_types::media::{
    HeldFile, KeptFile, MediaAdded, MediaFile, MediaName, MediaPlace, MediaReader, MediaStore, MediaStoreResult, MediaType, MediaWriter,
    Upload,
};
use core_types::messaging::IdempotencyKey;
use core_types::{Caller, InvalidCode, MediaId, ServiceError, ServiceResult, Thing};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::hash::Hashing;
use super::sniff::{self, HEAD, TextCheck};
use super::{MediaLimits, MediaPorts};
use crate::places::Place;

/// Characters of the sender's name for the file that are kept.
const NAME_CHARS: usize = 255;
/// The name under which the keys of files are kept.
const ROUTE: &str = "upload";

/// What the sender says of a file.
pub(super) struct Said {
    /// Who sends it.
    pub(super) caller: Caller,
    /// What it should be.
    pub(super) declared: Option<MediaType>,
    /// What it is called.
    pub(super) file_name: String,
    /// The sender's name and key.
    pub(super) key: Option<(String, String)>,
}

/// Takes the bytes of a file: holds back the first until they tell what it is, then hands all on to the store.
pub(super) struct Receiving {
    ports: MediaPorts,
    limits: MediaLimits,
    known_channels_only: bool,
    said: Said,
    size: u64,
    hash: Hashing,
    head: BytesMut,
    begun: Option<Begun>,
    place: Place,
}

/// A file whose type and name are known.
struct Begun {
    id: MediaId,
    media_type: MediaType,
    text: Option<TextCheck>,
    writer: Box<dyn MediaWriter>,
}

impl Receiving {
    pub(super) fn new(ports: MediaPorts, limits: MediaLimits, known_channels_only: bool, said: Said, place: Place) -> Self {
        let (hash, head) = (Hashing::default(), BytesMut::new());
        Self { ports, limits, known_channels_only, said, size: 0, hash, head, begun: None, place }
    }

    /// Decides what the file is, and begins to store it.
    async fn begin(&mut self) -> ServiceResult<Begun> {
        let media_type = sniff::media_type(self.said.declared, &self.head)?;
        let id = MediaId::from_bits(self.ports.randomness.bits().map_err(ServiceError::Internal)?);
        let writer = self.ports.store.create(MediaName::new(id, media_type)).await?;
        let text = (media_type == MediaType::Text).then(TextCheck::default);
        let mut begun = Begun { id, media_type, text, writer };
        begun.write(std::mem::take(&mut self.head).freeze()).await?;
        Ok(begun)
    }

    fn check_size(&self) -> ServiceResult<()> {
        if self.size == 0 { Err(ServiceError::invalid(InvalidCode::Upload, "The file is empty")) } else { Ok(()) }
    }

    /// Ends the file in the store.
    async fn finish(&mut self) -> ServiceResult<(MediaId, MediaType)> {
        let Begun { id, media_type, text, writer } = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin().await?,
        };
        if text.is_some_and(|text| !text.may_end()) {
            return Err(sniff::no_text());
        }
        writer.finish().await?;
        Ok((id, media_type))
    }

    /// The refusal of a place where the file cannot go. Exclusive, since a writer is not for two threads to look at.
    async fn check(&mut self, place: MediaPlace) -> ServiceResult<()> {
        let channel = match place {
            MediaPlace::Channel(channel) => channel,
            // A file may come before its agent, but not before a tenant's.
            MediaPlace::Agent(agent) => return self.ports.access.to(&self.said.caller, Wanted::OwnAgent(agent)).await,
            MediaPlace::Generated(_) => return Ok(()),
        };
        if self.said.file_name.contains("..") || self.said.file_name.contains('/') {
            // No path is made of it; elizaOS refuses it here, and its clients may count on that.
            return Err(ServiceError::invalid(InvalidCode::Upload, "Invalid filename detected"));
        }
        self.ports.access.to(&self.said.caller, Wanted::Channel(channel)).await?;
        if self.known_channels_only && self.ports.channels.find(channel).await?.is_none() {
            return Err(ServiceError::NotFound(Thing::Channel));
        }
        Ok(())
    }
}

impl Receiving {
    /// Makes the file known, unless its key names another. Exclusive, as `check` is.
    async fn add(&mut self, file: MediaFile) -> ServiceResult<KeptFile> {
        let Some((caller, key)) = &self.said.key else {
            self.ports.media.add(file.clone()).await?;
            return Ok(KeptFile { file, repeated: false });
        };
        let key =
            IdempotencyKey { caller: caller.clone(), route: ROUTE.to_owned(), key: format!("key:{key}"), body_hash: body_hash(&file) };
        match self.ports.media.add_once(file.clone(), key).await? {
            MediaAdded::New => Ok(KeptFile { file, repeated: false }),
            MediaAdded::Repeats(file) => Ok(KeptFile { file, repeated: true }),
            MediaAdded::OtherBody => Err(ServiceError::conflict("The Idempotency-Key was used with another file")),
        }
    }
}

/// A hash of everything that the sender sent.
fn body_hash(file: &MediaFile) -> [u8; 32] {
    let place = match file.place {
        MediaPlace::Agent(id) => json!(["agent", id]),
        MediaPlace::Channel(id) => json!(["channel", id]),
        MediaPlace::Generated(id) => json!(["generated", id]),
    };
    let body = json!([place, file.media_type.mime(), file.original_name, file.size, file.sha256]);
    Sha256::digest(body.to_string().as_bytes()).into()
}

impl Begun {
    async fn write(&mut self, piece: Bytes) -> ServiceResult<()> {
        if self.text.as_mut().is_some_and(|text| !text.takes(&piece)) {
            return Err(sniff::no_text());
        }
        Ok(self.writer.write(piece).await?)
    }
}

#[async_trait]
impl Upload for Receiving {
    async fn write(&mut self, piece: Bytes) -> ServiceResult<()> {
        self.size += piece.len() as u64;
        if self.size > self.limits.file_bytes {
            return Err(ServiceError::TooLarge { limit: self.limits.file_bytes });
        }
        self.hash.add(piece.clone()).await;
        if let Some(begun) = &mut self.begun {
            return begun.write(piece).await;
        }
        self.head.extend_from_slice(&piece);
        if self.head.len() >= HEAD {
            self.begun = Some(self.begin().await?);
        }
        Ok(())
    }

    async fn keep(mut self: Box<Self>, place: MediaPlace) -> ServiceResult<KeptFile> {
        self.check_size()?;
        self.check(place).await?;
        let (id, media_type) = self.finish().await?;
        let sha256 = std::mem::take(&mut self.hash).finish().await?;
        let file = MediaFile {
            id,
            place,
            media_type,
            original_name: plain_name(&self.said.file_name),
            size: self.size,
            sha256,
            created_at: self.ports.clock.now(),
        };
        // A crash between the two leaves a file that nobody knows, which is collected.
        let name = file.name();
        let added = self.add(file).await;
        // Where the database fails, it may yet turn out to know the file.
        if matches!(added, Ok(KeptFile { repeated: true, .. }) | Err(ServiceError::Conflict { .. })) {
            let _ = self.ports.store.remove(name).await;
        }
        added
    }

    async fn hold(mut self: Box<Self>) -> ServiceResult<HeldFile> {
        self.check_size()?;
        let (id, media_type) = self.finish().await?;
        let file = RemovedOnDrop { store: Arc::clone(&self.ports.store), name: MediaName::new(id, media_type) };
        let reader = self.ports.store.open(file.name, 0..self.size).await?;
        let reader = reader.ok_or_else(|| ServiceError::Internal("a file is gone that was just written".into()))?;
        Ok(HeldFile { media_type, size: self.size, reader: Box::new(Once { reader, _file: file, _place: self.place }) })
    }
}

/// The reader of a file that goes with it. It counts among the files that are being taken until then.
struct Once {
    reader: Box<dyn MediaReader>,
    _file: RemovedOnDrop,
    _place: Place,
}

#[async_trait]
impl MediaReader for Once {
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>> {
        self.reader.next().await
    }
}

/// Removes a file when it is dropped. What a crash leaves is known to nobody, and collected.
struct RemovedOnDrop {
    store: Arc<dyn MediaStore>,
    name: MediaName,
}

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        let (store, name) = (Arc::clone(&self.store), self.name);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = store.remove(name).await {
                log::warn!("the file {name} is left for the collector: {}", chain(&error));
            }
        });
    }
}

/// What the sender calls the file, without directories and control characters.
fn plain_name(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    base.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_lose_their_directories_and_control_characters() {
        for (given, expected) in [
            ("pixel.png", "pixel.png"),
            ("../../evil.png", "evil.png"),
            ("C:\\Users\\ann\\photo.jpg", "photo.jpg"),
            ("/etc/passwd", "passwd"),
            ("a\0b\r\nc.txt", "abc.txt"),
            ("..", ".."),
            ("Grüße.txt", "Grüße.txt"),
            ("", ""),
        ] {
            assert_eq!(plain_name(given), expected, "{given:?}");
        }
        assert_eq!(plain_name(&"é".repeat(1_000)).chars().count(), 255);
    }
}
