//! Files on the wire.

use core_types::media::{MediaFile, MediaPlace};
use serde::Serialize;
use utoipa::ToSchema;

/// A file that was uploaded.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Uploaded {
    /// Where it is served, without a key.
    #[schema(example = "/media/uploads/agents/3f1d4c1e-9d3c-4b7e-8a52-6a0c6d1f2b10/0f8e2d5c9b3a47168e5d2c1b0a9f8e7d.png")]
    url: String,
    /// Of an agent's file `image`, `video`, `audio` or `document`; of a channel's the same as `contentType`, as elizaOS has it.
    #[serde(rename = "type")]
    #[schema(example = "image")]
    kind: String,
    /// What it was found to be.
    #[schema(example = "image/png")]
    content_type: &'static str,
    /// The name that it was given.
    #[schema(example = "0f8e2d5c9b3a47168e5d2c1b0a9f8e7d.png")]
    filename: String,
    /// What its sender called it.
    #[schema(example = "pixel.png")]
    original_name: String,
    /// Its bytes.
    size: u64,
}

impl From<&MediaFile> for Uploaded {
    fn from(file: &MediaFile) -> Self {
        Self {
            url: file.url(),
            kind: match file.place {
                MediaPlace::Channel(_) => file.media_type.mime().to_owned(),
                _ => file.media_type.class().to_string(),
            },
            content_type: file.media_type.mime(),
            filename: file.name().to_string(),
            original_name: file.original_name.clone(),
            size: file.size,
        }
    }
}

/// A form with a file.
#[derive(ToSchema)]
#[schema(as = UploadForm)]
#[expect(dead_code, reason = "the schema of what `UploadForm` reads")]
pub(crate) struct UploadBody {
    /// The file.
    #[schema(format = Binary)]
    file: String,
}

/// A form with a file and whose it is.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UploadToForm)]
#[expect(dead_code, reason = "the schema of what `UploadForm` reads")]
pub(crate) struct UploadToBody {
    /// The file.
    #[schema(format = Binary)]
    file: String,
    /// The agent that it is for.
    #[schema(value_type = Option<Uuid>)]
    agent_id: Option<()>,
    /// The channel that it is for, where no agent is named.
    #[schema(value_type = Option<Uuid>)]
    channel_id: Option<()>,
    /// Taken, and of no consequence.
    #[schema(value_type = Option<Uuid>)]
    room_id: Option<()>,
}
