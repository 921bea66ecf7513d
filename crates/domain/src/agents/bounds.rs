//! How large an agent becomes. One that was larger before can still be changed, and becomes no larger.

use core_types::character::{Character, MAX_SECRETS};
use core_types::json::extent;
use core_types::secrets::SealedSecret;

/// The most bytes of a character as JSON.
const MAX_BYTES: usize = 2 << 20;
/// The most entries and items in it, at any depth: in memory it would be many times as large with more of them.
const MAX_VALUES: usize = 50_000;
/// The most bytes of an agent's secrets together, with their names and as they are kept: encrypted. How long they are opened is not
/// known without opening them.
const MAX_SECRET_BYTES: usize = 1 << 20;

/// Refuses a character that is too large, unless it was as large `before`. Says what is too large, and the bound.
pub(crate) fn check_character(after: &Character, before: Option<&Character>) -> Result<(), String> {
    let is = extent(after);
    if is.bytes <= MAX_BYTES && is.values <= MAX_VALUES {
        return Ok(());
    }
    let was = before.map(extent).unwrap_or_default();
    if is.bytes > MAX_BYTES.max(was.bytes) {
        return Err(format!("character: must have at most {MAX_BYTES} bytes as JSON, all its settings and texts together"));
    }
    if is.values > MAX_VALUES.max(was.values) {
        return Err(format!("character: must have at most {MAX_VALUES} values, all its settings and lists together"));
    }
    Ok(())
}

/// Refuses secrets that are too many or too large together, unless there were as many and they were as large `before`.
pub(crate) fn check_secrets<'s>(after: impl IntoIterator<Item = &'s SealedSecret>, before: &[SealedSecret]) -> Result<(), String> {
    let (count, bytes) = load(after);
    let was = load(before);
    if count > MAX_SECRETS.max(was.0) {
        return Err(format!("secrets: must have at most {MAX_SECRETS} entries in all"));
    }
    if bytes > MAX_SECRET_BYTES.max(was.1) {
        return Err(format!("secrets: must have at most {MAX_SECRET_BYTES} bytes in all, with their names and encrypted"));
    }
    Ok(())
}

/// How many these are, and their bytes.
fn load<'s>(secrets: impl IntoIterator<Item = &'s SealedSecret>) -> (usize, usize) {
    secrets.into_iter().fold((0, 0), |(count, bytes), secret| (count + 1, bytes + secret.name.len() + secret.sealed.len()))
}

#[cfg(test)]
mod tests {
    use core_types::character::OneOrMany;
    use serde_json::{Value, json};

    use super::*;

    /// A character of this many bytes, with this many values.
    fn character(bytes: usize, values: usize) -> Character {
        let mut character = Character { name: "A".to_owned(), bio: OneOrMany::One(String::new()), ..Character::default() };
        character.settings.insert("list".to_owned(), json!([]));
        let missing = values - extent(&character).values;
        character.settings.insert("list".to_owned(), Value::Array(vec![json!(0); missing]));
        let missing = bytes - extent(&character).bytes;
        character.bio = OneOrMany::One("b".repeat(missing));
        assert_eq!((extent(&character).bytes, extent(&character).values), (bytes, values));
        character
    }

    fn secrets(count: usize, bytes: usize) -> Vec<SealedSecret> {
        (0..count).map(|number| SealedSecret { name: format!("{number:04}"), sealed: vec![0; bytes - 4] }).collect()
    }

    #[test]
    fn a_character_is_bounded_and_what_was_larger_becomes_no_larger() {
        let (most_bytes, most_values) = (2_097_152, 50_000);
        let too_large = "character: must have at most 2097152 bytes as JSON, all its settings and texts together";
        let too_many = "character: must have at most 50000 values, all its settings and lists together";
        for (after, before, refused) in [
            ((most_bytes, most_values), None, None),
            ((most_bytes + 1, 100), None, Some(too_large)),
            ((most_bytes, most_values + 1), None, Some(too_many)),
            ((most_bytes + 1, 100), Some((most_bytes, 100)), Some(too_large)),
            ((most_bytes + 1, 100), Some((most_bytes + 1, 100)), None),
            ((most_bytes + 2, 100), Some((most_bytes + 1, 100)), Some(too_large)),
            ((most_bytes, most_values + 1), Some((most_bytes, most_values)), Some(too_many)),
            ((most_bytes, most_values + 1), Some((most_bytes, most_values + 1)), None),
            ((most_bytes, most_values + 1), Some((most_bytes + 1, most_values)), Some(too_many)),
        ] {
            let before = before.map(|(bytes, values)| character(bytes, values));
            let checked = check_character(&character(after.0, after.1), before.as_ref());
            assert_eq!(checked.err().as_deref(), refused, "{after:?}");
        }
    }

    #[test]
    fn secrets_are_bounded_and_those_that_were_more_become_no_more() {
        let too_many = "secrets: must have at most 1000 entries in all";
        let too_large = "secrets: must have at most 1048576 bytes in all, with their names and encrypted";
        for (after, before, refused) in [
            ((1_000, 100), (0, 0), None),
            ((1_001, 100), (0, 0), Some(too_many)),
            ((1_001, 100), (1_000, 100), Some(too_many)),
            ((1_001, 100), (1_001, 100), None),
            ((1_002, 100), (1_001, 100), Some(too_many)),
            ((16, 65_536), (0, 0), None),
            ((16, 65_537), (0, 0), Some(too_large)),
            ((16, 65_537), (16, 65_536), Some(too_large)),
            ((16, 65_537), (17, 65_537), None),
        ] {
            let before = if before.0 == 0 { Vec::new() } else { secrets(before.0, before.1) };
            assert_eq!(check_secrets(&secrets(after.0, after.1), &before).err().as_deref(), refused, "{after:?}");
        }
    }
}
