//! What a file is, by its bytes. What its sender says only decides where the bytes leave a choice.

use core_types::ServiceError;
use core_types::media::{MediaClass, MediaType};

/// Bytes by which a file is told; the beginnings that matter are shorter.
pub(super) const HEAD: usize = 4_096;

/// The refusal of a type that is not taken.
pub(super) fn not_taken() -> ServiceError {
    let known: Vec<&str> = MediaType::ALL.iter().map(|known| known.mime()).collect();
    unsupported(format!("Files of this type are not taken; these are: {}", known.join(", ")))
}

fn unsupported(message: impl Into<String>) -> ServiceError {
    ServiceError::Unsupported { message: message.into() }
}

/// The type of a file that begins like this. Whether a text goes on as one is for [`TextCheck`] to see.
pub(super) fn media_type(declared: Option<MediaType>, head: &[u8]) -> Result<MediaType, ServiceError> {
    let is_text = || TextCheck::default().takes(head);
    let found = infer::get(head).and_then(|found| found.mime_type().parse::<MediaType>().ok());
    match (declared, found) {
        (Some(MediaType::Text), _) | (None, None) if is_text() => Ok(MediaType::Text),
        (Some(declared), Some(found)) if is_same_container(declared, found) => Ok(declared),
        (Some(declared), Some(found)) if declared.class() == found.class() && declared.class() != MediaClass::Document => Ok(found),
        (Some(declared), Some(found)) if declared == found => Ok(found),
        (None, Some(found)) => Ok(found),
        (None, None) => Err(not_taken()),
        (Some(declared), Some(found)) => Err(unsupported(format!("The file is {}, not {}", found.mime(), declared.mime()))),
        (Some(declared), None) => Err(unsupported(format!("The file is not {}", declared.mime()))),
    }
}

/// Sound and moving pictures come in the same containers, which begin alike.
fn is_same_container(declared: MediaType, found: MediaType) -> bool {
    let both = [declared, found];
    [[MediaType::Webm, MediaType::WebmAudio], [MediaType::Mp4, MediaType::Mp4Audio]]
        .iter()
        .any(|pair| both.iter().all(|one| pair.contains(one)))
}

/// Checks text that comes in pieces: UTF-8, and no control characters but those of text.
#[derive(Debug, Default)]
pub(super) struct TextCheck {
    /// The beginning of a character that the next piece should end.
    begun: Vec<u8>,
}

impl TextCheck {
    /// Whether the text may go on with this piece.
    pub(super) fn takes(&mut self, piece: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(piece);
        if text.iter().any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127)) {
            return false;
        }
        match std::str::from_utf8(&text) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                self.begun = text.get(error.valid_up_to()..).unwrap_or_default().to_vec();
                true
            }
            Err(_) => false,
        }
    }

    /// Whether the text may end here.
    pub(super) fn may_end(&self) -> bool {
        self.begun.is_empty()
    }
}

/// The refusal of what was declared to be text and is none.
pub(super) fn no_text() -> ServiceError {
    unsupported("The file is not text in UTF-8")
}

#[cfg(test)]
mod tests {
    use core_types::media::MediaType as T;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";
    const MP4: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
    const WEBM: &[u8] = &webm();
    const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n";
    const EXE: &[u8] = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0";
    const HTML: &[u8] = b"<!DOCTYPE html><script>alert(1)</script>";
    const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";

    /// The beginning of a `WebM`, which only counts where more follows.
    const fn webm() -> [u8; 300] {
        let head = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webmB\x87\x81\x04";
        let mut file = [0; 300];
        let mut place = 0;
        while place < head.len() {
            file[place] = head[place];
            place += 1;
        }
        file
    }

    #[test]
    fn the_bytes_decide_and_what_is_said_of_them_must_fit() {
        for (declared, head, expected) in [
            (Some(T::Png), PNG, Some(T::Png)),
            (Some(T::Jpeg), PNG, Some(T::Png)),
            (None, JPEG, Some(T::Jpeg)),
            (None, WAV, Some(T::Wav)),
            (Some(T::Pdf), PDF, Some(T::Pdf)),
            (Some(T::Webm), WEBM, Some(T::Webm)),
            (Some(T::WebmAudio), WEBM, Some(T::WebmAudio)),
            (None, WEBM, Some(T::Webm)),
            (Some(T::Mp4Audio), MP4, Some(T::Mp4Audio)),
            (Some(T::Text), HTML, Some(T::Text)),
            (None, b"just words", Some(T::Text)),
            (Some(T::Png), HTML, None),
            (Some(T::Png), SVG, None),
            (Some(T::Jpeg), EXE, None),
            (Some(T::Png), PDF, None),
            (Some(T::Png), MP4, None),
            (Some(T::Mp3), WEBM, None),
            (Some(T::Text), PNG, None),
            (Some(T::Text), b"Latin \xe9 one", None),
            (None, EXE, None),
            (None, b"\0\0\0\0", None),
        ] {
            assert_eq!(media_type(declared, head).ok(), expected, "{declared:?} {:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn text_is_checked_across_pieces() {
        let whole = "a€😀\t\r\n\u{c}z".as_bytes();
        for size in 1..=whole.len() {
            let mut check = TextCheck::default();
            assert!(whole.chunks(size).all(|piece| check.takes(piece)) && check.may_end(), "in pieces of {size}");
        }
        let mut check = TextCheck::default();
        assert!(check.takes(b"a\xe2\x82") && !check.may_end());
        assert!(!check.takes(b"b"));
        for bad in [&b"a\0b"[..], b"\x1b[2J\x07", b"\xff", b"\xed\xa0\x80"] {
            assert!(!TextCheck::default().takes(bad), "{bad:?}");
        }
    }
}
