//! The promises of engines that speak and of engines that hear.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::media::{HeldFile, MediaReader, MediaStoreError, MediaStoreResult, MediaType};
use core_types::speech::{MAX_SPOKEN, Sound, SpeechError, SpeechRequest, SpeechSynthesizer, Transcriber};
use tokio::time::timeout;

/// Longer than any promise takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// More than any engine does at once.
const CROWD: usize = 40;

/// A recording, for engines that hear.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its type.
    pub media_type: MediaType,
    /// The file.
    pub bytes: Bytes,
    /// Words that are said in it.
    pub words: &'static [&'static str],
}

/// Gives a file in pieces, and fails at its end where it should.
struct Pieces {
    left: Bytes,
    fails: bool,
}

#[async_trait]
impl MediaReader for Pieces {
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>> {
        if self.left.is_empty() && self.fails {
            return Err(MediaStoreError::Defect("the file is torn".into()));
        }
        let most = self.left.len().min(1_000);
        Ok(Some(self.left.split_to(most)).filter(|piece| !piece.is_empty()))
    }
}

/// A file as an engine gets it.
pub fn held(media_type: MediaType, bytes: impl Into<Bytes>) -> HeldFile {
    let left = bytes.into();
    HeldFile { media_type, size: left.len() as u64, reader: Box::new(Pieces { left, fails: false }) }
}

async fn said(engine: &dyn SpeechSynthesizer, text: &str, voice: Option<&str>) -> Result<Sound, SpeechError> {
    let request = SpeechRequest { text: text.to_owned(), voice: voice.map(str::to_owned) };
    timeout(PATIENCE, engine.speak(request)).await.unwrap_or_else(|_| panic!("{text:?} is never said"))
}

async fn heard(engine: &dyn Transcriber, file: HeldFile) -> Result<String, SpeechError> {
    timeout(PATIENCE, engine.transcribe(file)).await.unwrap_or_else(|_| panic!("it is never heard"))
}

#[track_caller]
fn assert_sound(sound: &Sound) {
    let begins: &[&[u8]] = match sound.media_type {
        MediaType::Wav => &[b"RIFF"],
        MediaType::Mp3 => &[b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"],
        MediaType::Ogg => &[b"OggS"],
        MediaType::Flac => &[b"fLaC"],
        other => panic!("{other:?} is no sound"),
    };
    assert!(begins.iter().any(|begins| sound.bytes.starts_with(begins)), "{:?} begins otherwise", sound.media_type);
}

/// A text becomes sound, of the type that it is said to be.
pub async fn a_text_becomes_sound_of_the_type_that_it_is_said_to_be(engine: Arc<dyn SpeechSynthesizer>) {
    let sound = said(engine.as_ref(), "Hello, this is a test message.", None).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_sound(&sound);
    assert!(!engine.describe().is_empty());
}

/// Whatever a text looks like, it is said: as an option, a path, a command, a tag, or on several lines.
pub async fn whatever_a_text_looks_like_it_is_said(engine: Arc<dyn SpeechSynthesizer>) {
    for text in [
        "-v",
        "--help",
        "-f /etc/passwd",
        "-o\n/tmp/elsewhere",
        "$(touch x) `touch y`; touch z | touch a && touch b > c",
        "<speak><audio src=\"/etc/passwd\"/>hi</speak>",
        "%s%s%n \\0 \\x00 word",
        "one\ntwo\r\n\ttwo and a half\u{0}three",
        "Grüße, ça va, \u{1f600} 日本 word",
    ] {
        let sound = said(engine.as_ref(), text, None).await.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        assert_sound(&sound);
    }
}

/// A text of the greatest length is said.
pub async fn a_text_of_the_greatest_length_is_said(engine: Arc<dyn SpeechSynthesizer>) {
    let text: String = "Many words, and a full stop. ".chars().cycle().take(MAX_SPOKEN).collect();
    assert_sound(&said(engine.as_ref(), &text, None).await.unwrap_or_else(|error| panic!("{error:?}")));
}

/// In the place of a voice that it does not have, another speaks.
pub async fn a_voice_that_is_not_there_is_replaced(engine: Arc<dyn SpeechSynthesizer>) {
    for voice in ["no such voice", "../../etc/passwd", "-x", "en_US-hfc_female-medium"] {
        let sound = said(engine.as_ref(), "Hello.", Some(voice)).await.unwrap_or_else(|error| panic!("{voice:?}: {error:?}"));
        assert_sound(&sound);
    }
}

/// Of many texts at once each is said, or refused with a time to come again.
pub async fn of_many_texts_each_is_said_or_refused_for_now(engine: Arc<dyn SpeechSynthesizer>) {
    let all = (0..CROWD).map(|_| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move { said(engine.as_ref(), "One of many.", None).await })
    });
    let mut done = 0;
    for one in all.collect::<Vec<_>>() {
        match one.await {
            Ok(Ok(sound)) => {
                assert_sound(&sound);
                done += 1;
            }
            Ok(Err(SpeechError::Busy { retry_after, .. })) => assert!(!retry_after.is_zero()),
            other => panic!("{other:?}"),
        }
    }
    assert!(done > 0);
}

/// Who leaves before the end is in nobody's way.
pub async fn a_listener_who_leaves_is_in_nobodys_way(engine: Arc<dyn SpeechSynthesizer>) {
    let long: String = "Many words, and a full stop. ".chars().cycle().take(MAX_SPOKEN).collect();
    for _ in 0..CROWD {
        let leaving = engine.speak(SpeechRequest { text: long.clone(), voice: None });
        let _ = timeout(Duration::from_millis(2), leaving).await;
    }
    assert_sound(&said(engine.as_ref(), "Hello.", None).await.unwrap_or_else(|error| panic!("{error:?}")));
}

/// The words of a recording are heard.
pub async fn the_words_of_a_recording_are_heard(engine: Arc<dyn Transcriber>, recorded: Recorded) {
    let text = heard(engine.as_ref(), held(recorded.media_type, recorded.bytes)).await.unwrap_or_else(|error| panic!("{error:?}"));
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase()).collect();
    for word in recorded.words {
        assert!(words.iter().any(|found| found == word), "{word} is not in {text:?}");
    }
    assert!(!text.contains('\n') && text.trim() == text, "{text:?}");
    assert!(!engine.describe().is_empty());
}

/// What is no sound is refused, and not taken for a failure of the engine.
pub async fn what_is_no_sound_is_refused(engine: Arc<dyn Transcriber>, _: Recorded) {
    let noise: Vec<u8> = (0_u32..5_000).map(|place| u8::try_from(place.wrapping_mul(2_654_435_761) >> 24).unwrap_or_default()).collect();
    for (media_type, bytes) in [
        (MediaType::Wav, &b"<!DOCTYPE html><script>alert(1)</script>"[..]),
        (MediaType::Wav, b"R"),
        (MediaType::Wav, b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"),
        (MediaType::Mp3, b"ID3\x04\0\0\x7f\x7f\x7f\x7f"),
        (MediaType::Flac, b"fLaC\0\xff\xff\xff"),
        (MediaType::Ogg, b"OggS"),
        (MediaType::WebmAudio, b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff"),
        (MediaType::Mp4Audio, b"\xff\xff\xff\xffftypM4A "),
        (MediaType::Aac, noise.as_slice()),
    ] {
        let outcome = heard(engine.as_ref(), held(media_type, bytes.to_vec())).await;
        let refused = matches!(outcome, Err(SpeechError::Unreadable { .. } | SpeechError::Unsupported { .. }));
        assert!(refused, "{media_type:?} {:?}: {outcome:?}", String::from_utf8_lossy(bytes));
    }
}

/// A recording that is cut off is heard as far as it goes, or refused.
pub async fn a_recording_that_is_cut_off_is_heard_or_refused(engine: Arc<dyn Transcriber>, recorded: Recorded) {
    let whole = recorded.bytes.len();
    for length in [whole / 2, 60, 44, 20, 1].map(|length| length.min(whole - 1)) {
        let outcome = heard(engine.as_ref(), held(recorded.media_type, recorded.bytes.slice(..length))).await;
        let good = matches!(outcome, Ok(_) | Err(SpeechError::Unreadable { .. } | SpeechError::Unsupported { .. }));
        assert!(good, "{length} bytes: {outcome:?}");
    }
}

/// A recording that cannot be read to its end is not heard in part.
pub async fn a_recording_that_cannot_be_read_is_a_failure(engine: Arc<dyn Transcriber>, recorded: Recorded) {
    let left = recorded.bytes.slice(..recorded.bytes.len() / 2);
    let file =
        HeldFile { media_type: recorded.media_type, size: recorded.bytes.len() as u64, reader: Box::new(Pieces { left, fails: true }) };
    let outcome = heard(engine.as_ref(), file).await;
    assert!(outcome.is_err(), "{outcome:?}");
}

/// Of many recordings at once each is heard, or refused with a time to come again.
pub async fn of_many_recordings_each_is_heard_or_refused_for_now(engine: Arc<dyn Transcriber>, recorded: Recorded) {
    let all = (0..CROWD).map(|_| {
        let (engine, recorded) = (Arc::clone(&engine), recorded.clone());
        tokio::spawn(async move { heard(engine.as_ref(), held(recorded.media_type, recorded.bytes)).await })
    });
    let mut done = 0;
    for one in all.collect::<Vec<_>>() {
        match one.await {
            Ok(Ok(_)) => done += 1,
            Ok(Err(SpeechError::Busy { retry_after, .. })) => assert!(!retry_after.is_zero()),
            other => panic!("{other:?}"),
        }
    }
    assert!(done > 0);
}

/// Who leaves before the end is in nobody's way.
pub async fn a_speaker_who_leaves_is_in_nobodys_way(engine: Arc<dyn Transcriber>, recorded: Recorded) {
    for _ in 0..CROWD {
        let leaving = engine.transcribe(held(recorded.media_type, recorded.bytes.clone()));
        let _ = timeout(Duration::from_millis(2), leaving).await;
    }
    let outcome = heard(engine.as_ref(), held(recorded.media_type, recorded.bytes)).await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// Makes a test of every promise of an engine that speaks. `$make` is an async function without arguments that gives
/// `Option<(Arc<dyn SpeechSynthesizer>, guard)>`; the guard lives as long as the test. Without an engine nothing is held;
/// whoever has none says so.
#[macro_export]
macro_rules! synthesizer_contract {
    ($make:ident) => {
        $crate::synthesizer_contract!(@ $make;
            a_text_becomes_sound_of_the_type_that_it_is_said_to_be,
            whatever_a_text_looks_like_it_is_said,
            a_text_of_the_greatest_length_is_said,
            a_voice_that_is_not_there_is_replaced,
            of_many_texts_each_is_said_or_refused_for_now,
            a_listener_who_leaves_is_in_nobodys_way
        );
    };
    (@ $make:ident; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let Some((engine, _guard)) = $make().await else { return };
                $crate::speech::$promise(engine).await;
            }
        )+
    };
}

/// The same of an engine that hears: `$make` gives `Option<(Arc<dyn Transcriber>, Recorded, guard)>`.
#[macro_export]
macro_rules! transcriber_contract {
    ($make:ident) => {
        $crate::transcriber_contract!(@ $make;
            the_words_of_a_recording_are_heard,
            what_is_no_sound_is_refused,
            a_recording_that_is_cut_off_is_heard_or_refused,
            a_recording_that_cannot_be_read_is_a_failure,
            of_many_recordings_each_is_heard_or_refused_for_now,
            a_speaker_who_leaves_is_in_nobodys_way
        );
    };
    (@ $make:ident; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let Some((engine, recorded, _guard)) = $make().await else { return };
                $crate::speech::$promise(engine, recorded).await;
            }
        )+
    };
}
