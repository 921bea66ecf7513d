//! What looks alike in the conversations of every API.

use std::net::IpAddr;

use core_types::models::{Attachment, Role, Turn};
use url::{Host, Url};

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

/// An image that a service can fetch itself: one on this machine or network would make it refuse the whole request.
pub fn is_public_image(attachment: &Attachment) -> bool {
    let url = Url::parse(&attachment.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    attachment.content_type.starts_with("image/") && url.is_some_and(|url| is_public(&url))
}

fn is_public(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Domain(name)) => return name.contains('.') && !matches!(name.rsplit('.').next(), Some("local" | "localhost")),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        None => return false,
    };
    match address.to_canonical() {
        IpAddr::V4(address) => !(address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()),
        IpAddr::V6(address) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local() || address.is_unspecified())
        }
    }
}
