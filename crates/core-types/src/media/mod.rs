//! Media: files that callers upload and agents make, where their bytes and what is known of them are kept, and how they are
//! served (contract §2.9, §2.10).

use std::str::FromStr;

use derive_more::{Display, Error};

use crate::{AgentId, ChannelId, MediaId, Timestamp};

mod attachments;
mod service;
mod store;

pub use attachments::{AttachmentContent, AttachmentLimits, AttachmentReader, AttachmentUnreadable};
pub use service::{HeldFile, KeptFile, MediaService, Upload, UploadHead};
pub use store::{MediaAdded, MediaReader, MediaRepository, MediaStore, MediaStoreError, MediaStoreResult, MediaWriter, StoredMedia};

/// What a file is, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display)]
#[display(rename_all = "lowercase")]
pub enum MediaClass {
    /// A picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Anything else.
    Document,
}

/// Makes the media types and their table.
macro_rules! media_types {
    ($($(#[$doc:meta])* $name:ident = $mime:literal, $extension:literal, $class:ident;)*) => {
        /// The types of files that are taken (contract §1.7).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum MediaType {
            $($(#[$doc])* $name,)*
        }

        impl MediaType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The type's name, such as `image/png`.
            pub const fn mime(self) -> &'static str {
                match self {
                    $(Self::$name => $mime,)*
                }
            }

            /// How names of such files end.
            pub const fn extension(self) -> &'static str {
                match self {
                    $(Self::$name => $extension,)*
                }
            }

            /// What such a file is, roughly.
            pub const fn class(self) -> MediaClass {
                match self {
                    $(Self::$name => MediaClass::$class,)*
                }
            }
        }
    };
}

media_types! {
    /// A JPEG image.
    Jpeg = "image/jpeg", "jpg", Image;
    /// A PNG image.
    Png = "image/png", "png", Image;
    /// A GIF image.
    Gif = "image/gif", "gif", Image;
    /// A WebP image.
    Webp = "image/webp", "webp", Image;
    /// MP3 sound.
    Mp3 = "audio/mpeg", "mp3", Audio;
    /// WAV sound.
    Wav = "audio/wav", "wav", Audio;
    /// Sound in an Ogg container: Vorbis, Opus, ...
    Ogg = "audio/ogg", "ogg", Audio;
    /// Sound in a `WebM` container, as browsers record it.
    WebmAudio = "audio/webm", "weba", Audio;
    /// Sound in an MP4 container.
    Mp4Audio = "audio/mp4", "m4a", Audio;
    /// AAC sound without a container.
    Aac = "audio/aac", "aac", Audio;
    /// FLAC sound.
    Flac = "audio/flac", "flac", Audio;
    /// An MP4 video.
    Mp4 = "video/mp4", "mp4", Video;
    /// A `WebM` video.
    Webm = "video/webm", "webm", Video;
    /// A PDF document.
    Pdf = "application/pdf", "pdf", Document;
    /// Text in UTF-8, whatever it says.
    Text = "text/plain", "txt", Document;
}

/// The text is no media type that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
#[display("files of this type are not taken")]
pub struct UnknownMediaType;

impl FromStr for MediaType {
    type Err = UnknownMediaType;

    /// Reads a type as clients write it: in any case, with parameters, by any of its names.
    fn from_str(text: &str) -> Result<Self, UnknownMediaType> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let name = match essence.as_str() {
            "audio/mp3" => Self::Mp3.mime(),
            "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Self::Wav.mime(),
            "audio/m4a" | "audio/x-m4a" => Self::Mp4Audio.mime(),
            "audio/x-flac" => Self::Flac.mime(),
            "audio/opus" => Self::Ogg.mime(),
            other => other,
        };
        Self::ALL.iter().copied().find(|known| known.mime() == name).ok_or(UnknownMediaType)
    }
}

/// The text is no name that we gave to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
#[display("no file has such a name")]
pub struct InvalidMediaName;

/// The name of a file: its id as 32 hexadecimal digits, and the extension of its type. Nothing else is a name, so none can
/// lead out of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
#[display("{}.{extension}", id.uuid().simple())]
pub struct MediaName {
    id: MediaId,
    extension: &'static str,
}

impl MediaName {
    /// The name of a file of this type.
    pub const fn new(id: MediaId, media_type: MediaType) -> Self {
        Self { id, extension: media_type.extension() }
    }

    /// The file's id.
    pub const fn id(self) -> MediaId {
        self.id
    }
}

impl FromStr for MediaName {
    type Err = InvalidMediaName;

    fn from_str(text: &str) -> Result<Self, InvalidMediaName> {
        let (digits, extension) = text.split_once('.').ok_or(InvalidMediaName)?;
        let plain = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let bits = plain.then(|| u128::from_str_radix(digits, 16).ok()).flatten().ok_or(InvalidMediaName)?;
        let known = MediaType::ALL.iter().map(|known| known.extension()).find(|known| *known == extension);
        Ok(Self { id: MediaId::from_bits(bits), extension: known.ok_or(InvalidMediaName)? })
    }
}

/// Whose a file is, which is where it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaPlace {
    /// Uploaded for an agent.
    Agent(AgentId),
    /// Uploaded to a channel.
    Channel(ChannelId),
    /// Made by an agent.
    Generated(AgentId),
}

impl MediaPlace {
    /// The path that a file of this place is served at.
    pub fn url(self, name: MediaName) -> String {
        match self {
            Self::Agent(id) => format!("/media/uploads/agents/{id}/{name}"),
            Self::Channel(id) => format!("/media/uploads/channels/{id}/{name}"),
            Self::Generated(id) => format!("/media/generated/{id}/{name}"),
        }
    }

    /// The place and the name that a path, or the path of an `http` address, speaks of. The host says nothing: clients put in
    /// front whatever name the server has for them, and a name that cannot be guessed is known or not.
    pub fn of_url(url: &str) -> Option<(Self, MediaName)> {
        let path = match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
            Some(rest) => rest.split_at_checked(rest.find('/')?)?.1,
            None => url,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = path.strip_prefix("/media/")?.split('/').collect();
        let (place, name) = match parts.as_slice() {
            ["uploads", "agents", id, name] => (Self::Agent(id.parse().ok()?), name),
            ["uploads", "channels", id, name] => (Self::Channel(id.parse().ok()?), name),
            ["generated", id, name] => (Self::Generated(id.parse().ok()?), name),
            _ => return None,
        };
        Some((place, name.parse().ok()?))
    }
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Its id.
    pub id: MediaId,
    /// Whose it is.
    pub place: MediaPlace,
    /// What it was found to be.
    pub media_type: MediaType,
    /// What its sender called it, without directories; empty where it had no name.
    pub original_name: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// When it was stored.
    pub created_at: Timestamp,
}

impl MediaFile {
    /// Its name.
    pub const fn name(&self) -> MediaName {
        MediaName::new(self.id, self.media_type)
    }

    /// The path that it is served at.
    pub fn url(&self) -> String {
        self.place.url(self.name())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DIGITS: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_name_is_an_id_with_an_extension_and_nothing_else() {
        let id = MediaId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        for media_type in MediaType::ALL {
            let name = MediaName::new(id, *media_type);
            assert_eq!(name.to_string(), format!("{DIGITS}.{}", media_type.extension()));
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for bad in [
            "",
            ".",
            "..",
            ".png",
            DIGITS,
            "0123456789abcdef0123456789abcde.png",
            "0123456789ABCDEF0123456789ABCDEF.png",
            "+123456789abcdef0123456789abcdef.png",
            "0123456789abcdef0123456789abcdef.html",
            "0123456789abcdef0123456789abcdef.png.html",
            "0123456789abcdef0123456789abcdef.png/..",
            "0123456789abcdef0123456789abcdef.png\0",
            "../0123456789abcdef0123456789abcdef.png",
            "..%2f0123456789abcdef0123456789abcdef.png",
            "/etc/passwd",
            "..\\..\\x.png",
        ] {
            assert_eq!(bad.parse::<MediaName>(), Err(InvalidMediaName), "{bad:?}");
        }
    }

    #[test]
    fn names_sort_as_their_texts() {
        let names = [(0, MediaType::Webp), (1, MediaType::Gif), (1, MediaType::Png), (u128::MAX, MediaType::Aac)];
        let names = names.map(|(bits, media_type)| MediaName::new(MediaId::from_bits(bits), media_type));
        assert!(names.is_sorted() && names.map(|name| name.to_string()).is_sorted());
    }

    #[test]
    fn types_are_read_by_all_their_names() {
        for (text, expected) in [
            ("image/png", Ok(MediaType::Png)),
            ("IMAGE/PNG", Ok(MediaType::Png)),
            ("text/plain; charset=utf-8", Ok(MediaType::Text)),
            ("audio/mp3", Ok(MediaType::Mp3)),
            ("audio/x-wav", Ok(MediaType::Wav)),
            ("text/html", Err(UnknownMediaType)),
            ("image/svg+xml", Err(UnknownMediaType)),
            ("application/x-msdownload", Err(UnknownMediaType)),
            ("", Err(UnknownMediaType)),
        ] {
            assert_eq!(text.parse(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_url_is_read_back_whatever_host_is_in_front() {
        let id = Uuid::from_u128(7);
        let name = MediaName::new(MediaId::from_bits(5), MediaType::Png);
        for place in [MediaPlace::Agent(AgentId::new(id)), MediaPlace::Channel(ChannelId::new(id)), MediaPlace::Generated(AgentId::new(id))]
        {
            let url = place.url(name);
            assert_eq!(MediaPlace::of_url(&url), Some((place, name)));
            assert_eq!(MediaPlace::of_url(&format!("https://chat.example:8080{url}?x=/media/#y")), Some((place, name)));
        }
        for bad in ["", "/media/", "/media/generated/x/y.png", "https://chat.example", "https://chat.example/a.png", "media/generated"] {
            assert_eq!(MediaPlace::of_url(bad), None, "{bad:?}");
        }
        let foreign = format!("/media/uploads/agents/{id}/../{name}");
        assert_eq!(MediaPlace::of_url(&foreign), None);
    }
}
