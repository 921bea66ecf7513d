//! What came with the message: images for models that see, texts and those of documents for all, and the rest by name.

use std::time::Duration;

use core_types::media::{AttachmentContent, AttachmentLimits, MediaClass};
use core_types::models::Attachment;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::timeout;

use super::Mind;
use crate::record::attachments;

/// Attachments that are looked at; more are mentioned by name.
const READ: usize = 8;
/// Attachments that are mentioned.
const MENTIONED: usize = 32;
/// The most bytes of an image: what fits the tightest of the services, which count it in base64.
const IMAGE_BYTES: usize = 3_750_000;
/// The most bytes of a message's images together.
const IMAGES_BYTES: usize = 8_000_000;
/// The most bytes of a text, of which the model then is given what its context has room for.
const TEXT_BYTES: usize = 1024 * 1024;
/// The most bytes of a document whose text is read; the same as of one that an agent is to know.
const DOCUMENT_BYTES: usize = core_types::knowledge::SOURCE_LIMIT;
/// What is not there by then is mentioned by name.
const PATIENCE: Duration = Duration::from_secs(20);

/// A text that came with the message.
pub(super) struct AttachedText {
    /// What it is called.
    pub(super) title: String,
    /// What it says.
    pub(super) text: String,
}

/// What came with the message.
#[derive(Default)]
pub(super) struct Attached {
    /// Images with their bytes, and what is only mentioned.
    pub(super) attachments: Vec<Attachment>,
    /// Texts, and those of documents, which are not among the attachments.
    pub(super) texts: Vec<AttachedText>,
    /// What was to be read and could not be: its name, and why.
    pub(super) unread: Vec<(String, String)>,
}

/// The attachments of the message, by their names alone.
pub(super) fn mentioned(mind: &Mind<'_>) -> Vec<Attachment> {
    attachments(mind.claimed).iter().filter_map(attachment).take(MENTIONED).collect()
}

/// The attachments of the message, read where the model has a use for them. What cannot be read is mentioned, with the reason.
pub(super) async fn read(mind: &Mind<'_>) -> Attached {
    let sees = mind.ready.provider.capabilities().images;
    let limits = AttachmentLimits { file: if sees { IMAGE_BYTES } else { TEXT_BYTES }, text: TEXT_BYTES, document: DOCUMENT_BYTES };
    let mentioned = mentioned(mind);
    let reading = mentioned.iter().enumerate().map(async |(place, attachment)| {
        if place >= READ || is_no_use(&attachment.content_type, sees) {
            return None;
        }
        Some(match timeout(PATIENCE, mind.ports.attachments.read(&attachment.url, limits)).await {
            Ok(Ok(content)) => Ok(content),
            Ok(Err(unreadable)) => {
                log::info!("an attachment of message {} is not read: {unreadable}", mind.claimed.message.id);
                Err(unreadable.message)
            }
            Err(_) => Err("it took too long".to_owned()),
        })
    });
    let contents = join_all(reading).await;
    let mut attached = Attached::default();
    let mut image_bytes = 0;
    for (attachment, content) in mentioned.into_iter().zip(contents) {
        match content {
            Some(Ok(content)) => attached.add(attachment, content, sees, &mut image_bytes),
            Some(Err(why)) => {
                attached.unread.push((attachment.title.clone(), why));
                attached.attachments.push(attachment);
            }
            None => attached.attachments.push(attachment),
        }
    }
    attached
}

/// Whether a model has no use for something, by what the message calls it: a MIME type, or one of elizaOS's words.
fn is_no_use(content_type: &str, sees: bool) -> bool {
    ["video", "audio", "link"].iter().any(|kind| content_type.starts_with(kind)) || content_type.starts_with("image") && !sees
}

impl Attached {
    fn add(&mut self, attachment: Attachment, content: AttachmentContent, sees: bool, image_bytes: &mut usize) {
        let (media_type, bytes) = match content {
            AttachmentContent::Text(text) => {
                self.texts.push(AttachedText { title: attachment.title, text });
                return;
            }
            AttachmentContent::File { media_type, bytes } => (media_type, bytes),
        };
        // What it was found to be counts, whatever the message calls it.
        let content_type = media_type.mime().to_owned();
        let is_shown = sees && media_type.class() == MediaClass::Image && *image_bytes + bytes.len() <= IMAGES_BYTES;
        if is_shown {
            *image_bytes += bytes.len();
        }
        self.attachments.push(Attachment { content_type, content: is_shown.then_some(bytes), ..attachment });
    }
}

fn attachment(value: &Value) -> Option<Attachment> {
    let text = |names: &[&str]| names.iter().find_map(|name| value.get(*name)?.as_str()).unwrap_or_default().to_owned();
    let (url, content_type, title) = (text(&["url"]), text(&["contentType", "type"]), text(&["title", "name"]));
    (!url.is_empty()).then_some(Attachment { url, content_type, title, content: None })
}
