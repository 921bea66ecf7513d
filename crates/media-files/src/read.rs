//! Reading a part of one file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::media::{MediaReader, MediaStoreError, MediaStoreResult};

use crate::off_thread;

/// Bytes that are read at once.
const PIECE: u64 = 128 * 1024;

/// A file and how much of it is left to read.
pub(crate) struct Reader {
    file: Option<File>,
    left: u64,
}

impl Reader {
    /// Opens a part of a file.
    pub(crate) fn open(path: &Path, range: &Range<u64>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start))?;
        }
        Ok(Self { file: Some(file), left: range.end.saturating_sub(range.start) })
    }
}

#[async_trait]
impl MediaReader for Reader {
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>> {
        let most = self.left.min(PIECE);
        if most == 0 {
            return Ok(None);
        }
        let Some(file) = self.file.take() else { return Err(MediaStoreError::Defect("a piece before could not be read".into())) };
        let (file, piece) = off_thread(move || {
            let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
            (&file).take(most).read_to_end(&mut piece)?;
            Ok((file, piece))
        })
        .await?;
        let read = piece.len() as u64;
        if read < most {
            return Err(MediaStoreError::Defect("the file is shorter than it was when it was written".into()));
        }
        self.file = Some(file);
        self.left -= read;
        Ok(Some(piece.into()))
    }
}
