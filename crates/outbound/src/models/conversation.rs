//! What looks alike in the conversations of every API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core_types::models::{Attachment, Role, Turn};

/// Whether more than one person speaks; names are only of use, and only cost tokens, where that is so.
pub fn several_people(turns: &[Turn]) -> bool {
    let mut people = turns.iter().filter(|turn| turn.role == Role::User && !turn.author.is_empty()).map(|turn| &turn.author);
    people.next().is_some_and(|first| people.any(|other| other != first))
}

/// What somebody other than the agent contributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// What is said, and the attachments that cannot be seen, by their names.
    pub text: String,
    /// The images that go along.
    pub images: Vec<&'a Attachment>,
}

impl<'a> Contribution<'a> {
    /// The contribution of a turn, with its author's name in front if so wanted. `seen` says which attachments the model
    /// is shown.
    pub fn of(turn: &'a Turn, named: bool, seen: impl Fn(&Attachment) -> bool) -> Self {
        let (images, mentioned): (Vec<_>, Vec<_>) = turn.attachments.iter().partition(|attachment| seen(attachment));
        let mut text = if named && !turn.author.is_empty() { format!("{}: {}", turn.author, turn.text) } else { turn.text.clone() };
        for attachment in mentioned {
            let title = if attachment.title.is_empty() { "without a name" } else { &attachment.title };
            let kind = if attachment.content_type.is_empty() { "unknown type" } else { &attachment.content_type };
            text.push_str("\n[attached: ");
            text.extend([title, ", ", kind, "]"]);
        }
        Self { text, images }
    }
}

/// An image that a model can be shown: its type, and its bytes in base64. Services are sent the bytes and never an address,
/// since one that they cannot reach makes them refuse the whole request.
pub fn image(attachment: &Attachment) -> Option<(&str, String)> {
    let content = attachment.content.as_ref().filter(|_| is_image(attachment))?;
    Some((&attachment.content_type, STANDARD.encode(content)))
}

/// Whether an attachment is an image whose bytes are there.
pub fn is_image(attachment: &Attachment) -> bool {
    attachment.content.is_some() && attachment.content_type.starts_with("image/")
}
