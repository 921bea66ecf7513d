//! Forms with a document, in the pieces in which a network brings them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, form)) = bytes.split_first() else { return };
    http_api::fuzzing::form(form, usize::from(*piece).max(1));
});
