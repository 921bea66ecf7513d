//! Recordings in every format. A decoder that panics refuses in the server too, so that what counts here is time, memory and aborts.
#![no_main]

use std::sync::Once;

use core_types::media::MediaType;
use libfuzzer_sys::fuzz_target;

const FORMATS: [MediaType; 7] =
    [MediaType::Mp3, MediaType::Ogg, MediaType::Flac, MediaType::Mp4Audio, MediaType::Aac, MediaType::WebmAudio, MediaType::Wav];
static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Some((format, recording)) = bytes.split_first() else { return };
    speech_local::fuzzing::decode(FORMATS[usize::from(*format) % FORMATS.len()], recording);
});
