//! The ids that elizaOS derives from texts, written a second time here, so that the server is not its own judge.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

/// `stringToUuid` (contract §7.2): an id stays what it is; of anything else the first 16 bytes of the SHA-1 of the text as
/// `encodeURIComponent` writes it, with the variant of RFC 4122 and version 0.
pub fn string_to_uuid(text: &str) -> String {
    if is_uuid(&text.to_ascii_lowercase()) {
        return text.to_owned();
    }
    let digest = Sha1::digest(encoded(text));
    let mut id = String::with_capacity(36);
    for (index, byte) in digest.iter().take(16).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        let byte = match index {
            6 => byte & 0x0f,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Whether a text is an id in lower case, of any version.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// `encodeURIComponent`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // As above.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::string_to_uuid;

    #[test]
    fn the_vectors_of_the_contract_hold() {
        for (text, id) in [
            ("Eliza", "b850bc30-45f8-0041-a00a-83df46d8555d"),
            ("", "da39a3ee-5e6b-0b0d-b255-bfef95601890"),
            ("héllo wörld", "93824064-00f3-05ac-9053-09726326c166"),
            ("日本語", "783fc0ab-b904-0759-a125-627bcd50aed7"),
            ("it's (ok)*~!", "585a8063-948b-0eb1-9655-c25180707b72"),
            ("a/b c?d", "5578562c-5344-0b0d-bdfe-0483babc07ce"),
            ("123", "40bd0015-6308-0fc3-9165-329ea1ff5c5e"),
            ("550E8400-e29b-41d4-a716-446655440000", "550E8400-e29b-41d4-a716-446655440000"),
            ("user-1:b850bc30-45f8-0041-a00a-83df46d8555d", "53f4979a-5a36-08d1-b15f-120ecb19064c"),
        ] {
            assert_eq!(string_to_uuid(text), id, "{text:?}");
        }
    }
}
