//! Files that are taken and given out from memory.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use core_types::media::{
    HeldFile, KeptFile, MediaFile, MediaName, MediaPlace, MediaReader, MediaService, MediaStoreResult, MediaType, Upload, UploadHead,
};
use core_types::{Caller, ServiceError, ServiceResult};

use super::{CONTENT, Call, Fakes, file};

struct Taking {
    calls: Arc<Mutex<Vec<Call>>>,
    bytes: Vec<u8>,
}

#[async_trait::async_trait]
impl Upload for Taking {
    async fn write(&mut self, piece: Bytes) -> ServiceResult<()> {
        self.bytes.extend_from_slice(&piece);
        if self.bytes.starts_with(b"too large") { Err(ServiceError::TooLarge { limit: 8 }) } else { Ok(()) }
    }

    async fn keep(self: Box<Self>, place: MediaPlace) -> ServiceResult<KeptFile> {
        self.calls.lock().unwrap().push(Call::Keep(place, self.bytes));
        Ok(KeptFile { file: file(place, MediaType::Png), repeated: false })
    }

    async fn hold(self: Box<Self>) -> ServiceResult<HeldFile> {
        let size = self.bytes.len() as u64;
        Ok(HeldFile { media_type: MediaType::Wav, size, reader: Box::new(Giving(self.bytes.into())) })
    }
}

/// Gives its bytes three at a time.
struct Giving(Bytes);

#[async_trait::async_trait]
impl MediaReader for Giving {
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>> {
        let most = self.0.len().min(3);
        Ok(Some(self.0.split_to(most)).filter(|piece| !piece.is_empty()))
    }
}

#[async_trait::async_trait]
impl MediaService for Fakes {
    async fn begin(&self, _caller: &Caller, head: UploadHead) -> ServiceResult<Box<dyn Upload>> {
        self.note(Call::Begin(head))?;
        Ok(Box::new(Taking { calls: Arc::clone(&self.calls), bytes: Vec::new() }))
    }

    async fn find(&self, place: MediaPlace, name: MediaName) -> ServiceResult<MediaFile> {
        self.note(Call::Find(place, name))?;
        Ok(file(place, self.media_type.lock().unwrap().unwrap_or(MediaType::Png)))
    }

    async fn read(&self, _file: &MediaFile, range: Range<u64>) -> ServiceResult<Box<dyn MediaReader>> {
        let part = CONTENT.get(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()).unwrap();
        self.note(Call::Read(range))?;
        Ok(Box::new(Giving(Bytes::from_static(part))))
    }
}
