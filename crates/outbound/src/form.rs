//! Forms with a file.

use core_types::media::HeldFile;
use futures_util::stream;
use reqwest::multipart::{Form, Part};

use crate::error::OutboundError;

/// A form with a file in the field `file`.
pub struct FileForm {
    /// The fields besides.
    pub fields: Vec<(&'static str, String)>,
    /// The file. It goes by a name that only says its type.
    pub file: HeldFile,
}

impl FileForm {
    pub(crate) fn into_multipart(self) -> Result<Form, OutboundError> {
        let HeldFile { media_type, size, reader } = self.file;
        let pieces = stream::try_unfold(reader, |mut reader| async move {
            Ok::<_, core_types::media::MediaStoreError>(reader.next().await?.map(|piece| (piece, reader)))
        });
        let part = Part::stream_with_length(reqwest::Body::wrap_stream(pieces), size)
            .file_name(format!("file.{}", media_type.extension()))
            .mime_str(media_type.mime())
            .map_err(|error| OutboundError::Setup { source: Box::new(error) })?;
        Ok(self.fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value)).part("file", part))
    }
}

impl std::fmt::Debug for FileForm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FileForm").field("fields", &self.fields.len()).field("size", &self.file.size).finish_non_exhaustive()
    }
}
