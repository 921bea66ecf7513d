//! Characters: what is taken is taken the same again from what is kept of it.
#![no_main]

use core_types::character;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(parsed) = character::parse(&value) else { return };
    let kept = serde_json::to_value(&parsed.character).expect("a character is JSON");
    let again = character::parse(&kept).expect("what is kept of a character is one");
    assert_eq!(parsed.character, again.character);
    assert!(again.secrets.is_empty(), "secrets are kept elsewhere");
});
