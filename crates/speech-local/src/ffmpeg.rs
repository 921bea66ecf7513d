//! Decoding by ffmpeg, for what we do not decode ourselves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use core_types::media::MediaType;
use core_types::speech::SpeechError;

use crate::Limits;
use crate::decode::{RATE, too_long};
use crate::job::Job;
use crate::scratch::Desk;

/// The most bytes that ffmpeg may take for one thing; what sound needs is far less.
const MOST_AT_ONCE: &str = "67108864";

/// The most bytes of a WAV that are no sound.
const HEAD: u64 = 1_024;

/// The program.
#[derive(Debug, Clone)]
pub(crate) struct Ffmpeg(pub(crate) PathBuf);

impl Ffmpeg {
    /// Makes of a recording what engines hear.
    pub(crate) async fn decode(
        &self,
        desk: &Desk,
        recording: &Path,
        media_type: MediaType,
        output: &Path,
        limits: &Limits,
    ) -> Result<(), SpeechError> {
        let unreadable = || SpeechError::Unreadable { message: format!("The recording cannot be read as {}", media_type.mime()) };
        let Some(container) = container(media_type) else { return Err(unreadable()) };
        // One second more than is heard, to notice that there is more.
        let seconds = limits.recording.as_secs() + 1;
        let most = |seconds: u64| HEAD + seconds * u64::from(RATE) * 2;
        let job = Job {
            engine: "ffmpeg",
            program: &self.0,
            arguments: arguments(container, recording, output, seconds),
            input: b"",
            directory: desk.path(),
            output: Some((output.to_owned(), most(seconds + 1))),
            time: limits.time,
        };
        let ended = job.run().await?;
        let bytes = tokio::fs::metadata(output).await.map(|metadata| metadata.len()).unwrap_or_default();
        if !ended.success || bytes <= 44 {
            log::debug!("ffmpeg does not decode a recording: {}", ended.complaints);
            return Err(unreadable());
        }
        if bytes > most(limits.recording.as_secs()) {
            return Err(SpeechError::Unreadable { message: too_long(limits.recording) });
        }
        Ok(())
    }
}

/// What ffmpeg calls a container. It is told, so that no list of other files is taken for one.
const fn container(media_type: MediaType) -> Option<&'static str> {
    Some(match media_type {
        MediaType::Ogg => "ogg",
        MediaType::Webm | MediaType::WebmAudio => "matroska",
        MediaType::Mp4 | MediaType::Mp4Audio => "mov",
        MediaType::Wav => "wav",
        MediaType::Mp3 => "mp3",
        MediaType::Aac => "aac",
        MediaType::Flac => "flac",
        _ => return None,
    })
}

fn arguments(container: &str, recording: &Path, output: &Path, seconds: u64) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["-nostdin", "-hide_banner", "-loglevel", "error", "-max_alloc", MOST_AT_ONCE].map(Into::into).into();
    arguments.extend(["-protocol_whitelist", "file", "-f", container, "-i"].map(OsString::from));
    let mut file = OsString::from("file:");
    file.push(recording);
    arguments.push(file);
    let (seconds, rate) = (seconds.to_string(), RATE.to_string());
    arguments.extend(["-map", "0:a:0", "-t", &seconds, "-ac", "1", "-ar", &rate, "-c:a", "pcm_s16le"].map(OsString::from));
    arguments.extend(["-map_metadata", "-1", "-f", "wav", "-y"].map(OsString::from));
    arguments.push(output.into());
    arguments
}
