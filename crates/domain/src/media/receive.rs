//! A file that is being taken.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use core_types::access::Wanted;
use core_types::error::chain;
use core_types::media::{
    HeldFile, MediaFile, MediaName, MediaPlace, MediaReader, MediaStore, MediaStoreResult, MediaType, MediaWriter, Upload,
};
use core_types::{Caller, InvalidCode, MediaId, ServiceError, ServiceResult, Thing};
use tokio::sync::OwnedSemaphorePermit;

use super::hash::Hashing;
use super::sniff::{self, HEAD, TextCheck};
use super::{MediaLimits, MediaPorts};

/// Characters of the sender's name for the file that are kept.
const NAME_CHARS: usize = 255;

/// Takes the bytes of a file: holds back the first until they tell what it is, then hands all on to the store.
pub(super) struct Receiving {
    ports: MediaPorts,
    limits: MediaLimits,
    known_channels_only: bool,
    caller: Caller,
    declared: Option<MediaType>,
    file_name: String,
    size: u64,
    hash: Hashing,
    head: BytesMut,
    begun: Option<Begun>,
    slot: OwnedSemaphorePermit,
}

/// A file whose type and name are known.
struct Begun {
    id: MediaId,
    media_type: MediaType,
    text: Option<TextCheck>,
    writer: Box<dyn MediaWriter>,
}

impl Receiving {
    pub(super) fn new(
        ports: MediaPorts,
        limits: MediaLimits,
        known_channels_only: bool,
        caller: Caller,
        declared: Option<MediaType>,
        file_name: String,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let (hash, head) = (Hashing::default(), BytesMut::new());
        Self { ports, limits, known_channels_only, caller, declared, file_name, size: 0, hash, head, begun: None, slot }
    }

    /// Decides what the file is, and begins to store it.
    async fn begin(&mut self) -> ServiceResult<Begun> {
        let media_type = sniff::media_type(self.declared, &self.head)?;
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
            MediaPlace::Agent(agent) => return self.ports.access.to(&self.caller, Wanted::OwnAgent(agent)).await,
            MediaPlace::Generated(_) => return Ok(()),
        };
        if self.file_name.contains("..") || self.file_name.contains('/') {
            // No path is made of it; elizaOS refuses it here, and its clients may count on that.
            return Err(ServiceError::invalid(InvalidCode::Upload, "Invalid filename detected"));
        }
        self.ports.access.to(&self.caller, Wanted::Channel(channel)).await?;
        if self.known_channels_only && self.ports.channels.find(channel).await?.is_none() {
            return Err(ServiceError::NotFound(Thing::Channel));
        }
        Ok(())
    }
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

    async fn keep(mut self: Box<Self>, place: MediaPlace) -> ServiceResult<MediaFile> {
        self.check_size()?;
        self.check(place).await?;
        let (id, media_type) = self.finish().await?;
        let sha256 = std::mem::take(&mut self.hash).finish().await?;
        let file = MediaFile {
            id,
            place,
            media_type,
            original_name: plain_name(&self.file_name),
            size: self.size,
            sha256,
            created_at: self.ports.clock.now(),
        };
        // A crash between the two leaves a file that nobody knows, which is collected.
        if let Err(error) = self.ports.media.add(file.clone()).await {
            let _ = self.ports.store.remove(file.name()).await;
            return Err(error.into());
        }
        Ok(file)
    }

    async fn hold(mut self: Box<Self>) -> ServiceResult<HeldFile> {
        self.check_size()?;
        let (id, media_type) = self.finish().await?;
        let held = Held { store: Arc::clone(&self.ports.store), name: MediaName::new(id, media_type) };
        let reader = self.ports.store.open(held.name, 0..self.size).await?;
        let reader = reader.ok_or_else(|| ServiceError::Internal("a file is gone that was just written".into()))?;
        Ok(HeldFile { media_type, size: self.size, reader: Box::new(Once { reader, _held: held, _slot: self.slot }) })
    }
}

/// The reader of a file that goes with it. It counts among the files that are being taken until then.
struct Once {
    reader: Box<dyn MediaReader>,
    _held: Held,
    _slot: OwnedSemaphorePermit,
}

#[async_trait]
impl MediaReader for Once {
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>> {
        self.reader.next().await
    }
}

/// Removes a file when it is dropped. What a crash leaves is known to nobody, and collected.
struct Held {
    store: Arc<dyn MediaStore>,
    name: MediaName,
}

impl Drop for Held {
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
