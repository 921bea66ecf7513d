//! Programs keep the promises of engines: those of them that are installed. What is missing is said; with
//! `DOOLITTLE_REQUIRE_SPEECH=1` flite and pocketsphinx may not be missing (`.ci/speech` installs them).

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contract::speech::{Recorded, held};
use core_types::Secret;
use core_types::media::MediaType;
use core_types::models::ModelSettings;
use core_types::speech::{SpeechError, SpeechRequest, SpeechSynthesizer, Transcriber};
use doolittle_speech_local::{Found, Limits, LocalSettings, find};
use tempfile::TempDir;

struct Nothing;

impl ModelSettings for Nothing {
    fn get(&self, _name: &str) -> Option<Secret> {
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "where programs are, and which must be there, is a setting of the test run alone")]
fn path_and_required() -> (Vec<PathBuf>, bool) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    (std::env::split_paths(&path).collect(), std::env::var("DOOLITTLE_REQUIRE_SPEECH").as_deref() == Ok("1"))
}

async fn found(limits: Limits) -> (Found, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = path_and_required();
    let settings =
        LocalSettings { path, scratch: directory.path().join("speech"), speaks: true, hears: true, limits, ..LocalSettings::default() };
    (find(settings).await.unwrap(), directory)
}

/// Says aloud that a test did nothing, past the test runner, which keeps what a passing test prints to itself.
fn skipped(program: &str, required: bool) {
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    assert!(!required, "no {program}");
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED {count}: {test} (no {program}; .ci/speech installs flite and pocketsphinx)");
}

async fn speaks(name: &str, limits: Limits) -> Option<(Arc<dyn SpeechSynthesizer>, TempDir)> {
    let (found, directory) = found(limits).await;
    let engine = found.present.iter().find(|engine| engine.name() == name);
    let engine = engine.and_then(|engine| engine.synthesizer(&Nothing).unwrap());
    if engine.is_none() {
        skipped(name, path_and_required().1 && name == "flite");
    }
    engine.map(|engine| (engine, directory))
}

async fn hears(limits: Limits) -> Option<(Arc<dyn Transcriber>, TempDir)> {
    let (found, directory) = found(limits).await;
    let engine = found.present.iter().find(|engine| engine.name() == "pocketsphinx");
    let engine = engine.and_then(|engine| engine.transcriber(&Nothing).unwrap());
    if engine.is_none() {
        skipped("pocketsphinx", path_and_required().1);
    }
    engine.map(|engine| (engine, directory))
}

/// What flite says.
async fn recorded(text: &str, words: &'static [&'static str]) -> Option<Recorded> {
    let (flite, _directory) = speaks("flite", Limits::default()).await?;
    let sound = flite.speak(SpeechRequest { text: text.to_owned(), voice: Some("awb".to_owned()) }).await.unwrap();
    Some(Recorded { media_type: sound.media_type, bytes: sound.bytes, words })
}

mod flite {
    use super::*;

    async fn make() -> Option<(Arc<dyn SpeechSynthesizer>, TempDir)> {
        speaks("flite", Limits::default()).await
    }

    contract::synthesizer_contract!(make);
}

mod espeak {
    use super::*;

    async fn make() -> Option<(Arc<dyn SpeechSynthesizer>, TempDir)> {
        speaks("espeak-ng", Limits::default()).await
    }

    contract::synthesizer_contract!(make);
}

mod pocketsphinx {
    use super::*;

    async fn make() -> Option<(Arc<dyn Transcriber>, Recorded, TempDir)> {
        let recorded = recorded("The weather is nice today.", &["the", "weather", "is", "nice", "today"]).await?;
        // A short queue, so that a crowd is soon over.
        let (engine, directory) = hears(Limits { waiting: 3, ..Limits::default() }).await?;
        Some((engine, recorded, directory))
    }

    contract::transcriber_contract!(make);
}

#[tokio::test]
async fn a_voice_speaks_that_the_character_names() {
    let Some((flite, _directory)) = speaks("flite", Limits::default()).await else { return };
    let mut sounds = Vec::new();
    for voice in ["awb", "slt", "RMS"] {
        sounds.push(flite.speak(SpeechRequest { text: "Hello.".to_owned(), voice: Some(voice.to_owned()) }).await.unwrap().bytes);
    }
    assert!(sounds[0] != sounds[1] && sounds[1] != sounds[2], "they sound alike");
}

#[tokio::test]
async fn what_has_no_word_is_refused() {
    let Some((flite, _directory)) = speaks("flite", Limits::default()).await else { return };
    for text in ["...", "日本語", "\u{1f600}"] {
        let outcome = flite.speak(SpeechRequest { text: text.to_owned(), voice: None }).await;
        assert!(matches!(outcome, Err(SpeechError::Unreadable { .. })), "{text:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn more_than_may_wait_is_refused_and_nothing_is_left() {
    let limits = Limits { at_once: 1, waiting: 1, ..Limits::default() };
    let Some((flite, directory)) = speaks("flite", limits).await else { return };
    let all = (0..10).map(|_| {
        let flite = Arc::clone(&flite);
        tokio::spawn(async move { flite.speak(SpeechRequest { text: "One of ten.".to_owned(), voice: None }).await })
    });
    let mut refused = 0;
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(_) => {}
            Err(SpeechError::Busy { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused >= 1, "nobody was refused");
    assert_eq!(std::fs::read_dir(directory.path().join("speech")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_program_that_takes_too_long_or_makes_too_much_is_stopped() {
    let long = "many words ".repeat(40);
    let Some((hurried, _directory)) = speaks("flite", Limits { time: Duration::from_millis(5), ..Limits::default() }).await else { return };
    let outcome = hurried.speak(SpeechRequest { text: long.clone(), voice: None }).await;
    assert!(matches!(outcome, Err(SpeechError::Failed(_))), "{outcome:?}");
    let (small, directory) = speaks("flite", Limits { sound_bytes: 10_000, ..Limits::default() }).await.unwrap();
    let outcome = small.speak(SpeechRequest { text: long, voice: None }).await;
    assert!(matches!(outcome, Err(SpeechError::Failed(_))), "{outcome:?}");
    assert_eq!(std::fs::read_dir(directory.path().join("speech")).unwrap().count(), 0);
}

/// What a browser records is Opus.
#[tokio::test]
async fn opus_is_heard_by_way_of_ffmpeg_or_refused_with_advice() {
    let samples = [
        (MediaType::Ogg, &include_bytes!("samples/weather-opus.ogg")[..]),
        (MediaType::WebmAudio, include_bytes!("samples/weather-opus.weba")),
        (MediaType::Webm, include_bytes!("samples/weather-opus.weba")),
    ];
    let (path, _) = path_and_required();
    let has_ffmpeg = path.iter().any(|directory| directory.join("ffmpeg").exists());
    let Some((pocketsphinx, _directory)) = hears(Limits::default()).await else { return };
    for (media_type, bytes) in samples {
        let outcome = pocketsphinx.transcribe(held(media_type, bytes)).await;
        if has_ffmpeg {
            assert!(outcome.as_ref().is_ok_and(|text| text.contains("weather")), "{media_type:?}: {outcome:?}");
        } else {
            assert!(matches!(&outcome, Err(SpeechError::Unsupported { message }) if message.contains("ffmpeg")), "{outcome:?}");
        }
    }
    let limits = Limits { recording: Duration::from_secs(1), ..Limits::default() };
    let (hurried, directory) = hears(limits).await.unwrap();
    let outcome = hurried.transcribe(held(MediaType::Ogg, samples[0].1)).await;
    assert!(matches!(outcome, Err(SpeechError::Unreadable { .. } | SpeechError::Unsupported { .. })), "{outcome:?}");
    let torn = hurried.transcribe(held(MediaType::Ogg, &samples[0].1[..300])).await;
    assert!(matches!(torn, Err(SpeechError::Unreadable { .. } | SpeechError::Unsupported { .. })), "{torn:?}");
    assert_eq!(std::fs::read_dir(directory.path().join("speech")).unwrap().count(), 0);
}

#[tokio::test]
async fn silence_has_no_words() {
    let Some((pocketsphinx, _directory)) = hears(Limits::default()).await else { return };
    assert_eq!(pocketsphinx.transcribe(held(MediaType::Wav, wav(16_000, 1, 16_000))).await.unwrap(), "");
}

#[tokio::test]
async fn a_recording_that_is_too_long_is_refused() {
    let limits = Limits { recording: Duration::from_secs(2), ..Limits::default() };
    let Some((pocketsphinx, directory)) = hears(limits).await else { return };
    let error = pocketsphinx.transcribe(held(MediaType::Wav, wav(8_000, 2, 3 * 8_000))).await.unwrap_err();
    assert!(matches!(&error, SpeechError::Unreadable { message } if message.contains("longer than 2 s")), "{error:?}");
    assert_eq!(std::fs::read_dir(directory.path().join("speech")).unwrap().count(), 0);
}

/// A WAV of silence.
fn wav(rate: u32, channels: u16, frames: u32) -> Vec<u8> {
    let data = frames * u32::from(channels) * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels) * 2).to_le_bytes());
    bytes.extend((channels * 2).to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend(data.to_le_bytes());
    bytes.resize(bytes.len() + data as usize, 0);
    bytes
}
