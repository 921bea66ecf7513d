//! The engines: how each program is asked, and how its answer is read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use core_types::media::{HeldFile, MediaType};
use core_types::models::{ModelError, ModelSettings};
use core_types::speech::{Sound, SpeechConnector, SpeechError, SpeechRequest, SpeechSynthesizer, Transcriber};
use tokio::time::timeout;

use crate::Limits;
use crate::decode::{self, Refusal};
use crate::ffmpeg::Ffmpeg;
use crate::job::Job;
use crate::pool::Pool;
use crate::scratch::{Desk, Scratch, broken, failed};

/// What all engines share.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) scratch: Scratch,
    pub(crate) pool: Pool,
    pub(crate) limits: Limits,
    /// Decodes what we do not.
    pub(crate) ffmpeg: Option<Ffmpeg>,
}

/// A program that speaks.
#[derive(Debug)]
pub(crate) enum Speaking {
    /// flite.
    Flite,
    /// espeak-ng.
    Espeak,
    /// piper, with the directory of its voices.
    Piper(PathBuf),
}

impl Speaking {
    const fn name(&self) -> &'static str {
        match self {
            Self::Flite => "flite",
            Self::Espeak => "espeak-ng",
            Self::Piper(_) => "piper",
        }
    }

    /// The arguments, and what the program reads; the text lies in a file.
    fn arguments(&self, text: &Path, output: &Path, voice: &str) -> Vec<OsString> {
        let (text, output) = (text.as_os_str(), output.as_os_str());
        match self {
            Self::Flite => ["-f".as_ref(), text, "-o".as_ref(), output, "-voice".as_ref(), voice.as_ref()].map(OsString::from).into(),
            Self::Espeak => {
                // `-b 1`: the text is UTF-8.
                let of_text = ["-b".as_ref(), "1".as_ref(), "-f".as_ref(), text, "-w".as_ref(), output];
                of_text.into_iter().chain(["-v".as_ref(), voice.as_ref()]).map(OsString::from).collect()
            }
            Self::Piper(voices) => {
                let model = voices.join(format!("{voice}.onnx")).into_os_string();
                vec!["-m".into(), model, "-f".into(), output.to_owned()]
            }
        }
    }

    /// The text as the program can read it.
    fn readable(&self, text: &str) -> String {
        match self {
            Self::Flite => plain_ascii(text),
            // The null character ends a text for programs in C.
            Self::Espeak => text.replace('\0', " "),
            // It says each line into the same file.
            Self::Piper(_) => format!("{}\n", text.split(|letter: char| letter.is_control()).collect::<Vec<_>>().join(" ")),
        }
    }
}

/// A program that speaks, with the voices that it was found to have.
#[derive(Debug)]
pub(crate) struct Synthesizer {
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) program: PathBuf,
    pub(crate) speaking: Speaking,
    pub(crate) voices: Vec<String>,
    /// One of the voices.
    pub(crate) voice: String,
}

impl Synthesizer {
    /// The voice that is wished for, where the program has it.
    fn voice(&self, wished: Option<&str>) -> &str {
        let Some(wished) = wished else { return &self.voice };
        let found = self.voices.iter().find(|voice| voice.eq_ignore_ascii_case(wished));
        found.unwrap_or_else(|| {
            log::warn!("{} has no voice {wished:?}; {} speaks", self.speaking.name(), self.voice);
            &self.voice
        })
    }
}

#[async_trait]
impl SpeechSynthesizer for Synthesizer {
    fn describe(&self) -> String {
        format!("{} ({})", self.speaking.name(), self.voice)
    }

    async fn speak(&self, request: SpeechRequest) -> Result<Sound, SpeechError> {
        let engine = self.speaking.name();
        let readable = self.speaking.readable(&request.text);
        if !readable.chars().any(char::is_alphanumeric) {
            return Err(SpeechError::Unreadable { message: format!("There is nothing in the text that {engine} can say") });
        }
        let _place = self.workshop.pool.place(engine).await?;
        let desk = self.workshop.scratch.desk(engine).await?;
        let text = desk.put("text", readable.as_bytes()).await?;
        let output = desk.file("speech.wav");
        let job = Job {
            engine,
            program: &self.program,
            arguments: self.speaking.arguments(&text, &output, self.voice(request.voice.as_deref())),
            input: if matches!(self.speaking, Speaking::Piper(_)) { readable.as_bytes() } else { b"" },
            directory: desk.path(),
            output: Some((output.clone(), self.workshop.limits.sound_bytes)),
            time: self.workshop.limits.time,
        };
        job.succeed().await?;
        let bytes = tokio::fs::read(&output).await.map_err(|error| failed(engine, "it made no sound", &error))?;
        if !bytes.starts_with(b"RIFF") || bytes.len() <= 44 {
            return Err(broken(engine, "it made no sound").into());
        }
        Ok(Sound { media_type: MediaType::Wav, bytes: bytes.into() })
    }
}

/// A program that hears.
#[derive(Debug)]
pub(crate) enum Hearing {
    /// pocketsphinx, with the directory of its English model.
    Pocketsphinx(PathBuf),
    /// whisper.cpp, with the file of its model.
    Whisper(PathBuf),
}

impl Hearing {
    const fn name(&self) -> &'static str {
        match self {
            Self::Pocketsphinx(_) => "pocketsphinx",
            Self::Whisper(_) => "whisper",
        }
    }

    fn arguments(&self, recording: &Path) -> Vec<OsString> {
        let recording = recording.as_os_str();
        match self {
            Self::Pocketsphinx(model) => {
                let of_model = |option: &str, name: &str| [OsString::from(option), model.join(name).into_os_string()];
                let models = [of_model("-hmm", "en-us"), of_model("-lm", "en-us.lm.bin"), of_model("-dict", "cmudict-en-us.dict")];
                let rest = ["-infile".as_ref(), recording].map(OsString::from);
                models.into_iter().flatten().chain(rest).collect()
            }
            Self::Whisper(model) => {
                // Without times, without its own messages, in whatever language it hears.
                let fixed = ["-nt", "-np", "-l", "auto", "-m"].map(OsString::from);
                fixed.into_iter().chain([model.clone().into_os_string(), "-f".into(), recording.to_owned()]).collect()
            }
        }
    }
}

/// A program that hears.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) program: PathBuf,
    pub(crate) hearing: Hearing,
}

impl Listener {
    /// The recording as the program reads it.
    async fn prepared(&self, desk: &Desk, recording: HeldFile) -> Result<PathBuf, SpeechError> {
        let engine = self.hearing.name();
        let media_type = recording.media_type;
        let (received, prepared) = (desk.receive("recording", recording).await?, desk.file("recording.wav"));
        let Limits { recording: most, time, .. } = self.workshop.limits;
        let decoding = timeout(time, decode::decode(received.clone(), media_type, prepared.clone(), most));
        let decoded = decoding.await.map_err(|_| ModelError::TimedOut { provider: "the decoder of recordings".to_owned(), limit: time })?;
        match decoded {
            Ok(()) => Ok(prepared),
            Err(Refusal::Codec(codec)) => match &self.workshop.ffmpeg {
                Some(ffmpeg) => {
                    ffmpeg.decode(desk, &received, media_type, &prepared, &self.workshop.limits).await?;
                    Ok(prepared)
                }
                None => Err(SpeechError::Unsupported {
                    message: format!(
                        "The recording is {codec} sound, which is not decoded here: send WAV, MP3, FLAC, AAC or Vorbis, \
                         or install ffmpeg where the server runs and start it again"
                    ),
                }),
            },
            Err(Refusal::Unreadable(message)) => Err(SpeechError::Unreadable { message }),
            Err(Refusal::Failed(error)) => Err(failed(engine, "the recording cannot be decoded", error.as_ref())),
        }
    }
}

#[async_trait]
impl Transcriber for Listener {
    fn describe(&self) -> String {
        self.hearing.name().to_owned()
    }

    async fn transcribe(&self, recording: HeldFile) -> Result<String, SpeechError> {
        let engine = self.hearing.name();
        let _place = self.workshop.pool.place(engine).await?;
        let desk = self.workshop.scratch.desk(engine).await?;
        let prepared = self.prepared(&desk, recording).await?;
        let job = Job {
            engine,
            program: &self.program,
            arguments: self.hearing.arguments(&prepared),
            input: b"",
            directory: desk.path(),
            output: None,
            time: self.workshop.limits.time,
        };
        let ended = job.succeed().await?;
        let said = String::from_utf8_lossy(&ended.said);
        Ok(said.split_whitespace().filter(|word| !is_no_word(word)).collect::<Vec<_>>().join(" "))
    }
}

/// What engines write where they hear something that is no word, such as `[BLANK_AUDIO]` or `[NOISE]`.
fn is_no_word(word: &str) -> bool {
    word.starts_with('[') && word.ends_with(']') || word.starts_with('<') && word.ends_with('>')
}

/// An engine that is there whatever the settings of an agent say.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) name: &'static str,
    pub(crate) speaks: Option<Arc<Synthesizer>>,
    pub(crate) hears: Option<Arc<Listener>>,
}

impl Local {
    pub(crate) fn speaking(synthesizer: Synthesizer) -> Arc<dyn SpeechConnector> {
        Arc::new(Self { name: synthesizer.speaking.name(), speaks: Some(Arc::new(synthesizer)), hears: None })
    }

    pub(crate) fn hearing(listener: Listener) -> Arc<dyn SpeechConnector> {
        Arc::new(Self { name: listener.hearing.name(), speaks: None, hears: Some(Arc::new(listener)) })
    }
}

impl SpeechConnector for Local {
    fn name(&self) -> &'static str {
        self.name
    }

    fn synthesizer(&self, _: &dyn ModelSettings) -> Result<Option<Arc<dyn SpeechSynthesizer>>, ModelError> {
        Ok(self.speaks.clone().map(|speaks| speaks as Arc<dyn SpeechSynthesizer>))
    }

    fn transcriber(&self, _: &dyn ModelSettings) -> Result<Option<Arc<dyn Transcriber>>, ModelError> {
        Ok(self.hears.clone().map(|hears| hears as Arc<dyn Transcriber>))
    }
}

/// A text in ASCII: typographic signs become those of a typewriter, and what is left is a pause.
fn plain_ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{2018}' | '\u{2019}' | '\u{2032}' => plain.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{ab}' | '\u{bb}' => plain.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => plain.push('-'),
            '\u{2026}' => plain.push_str("..."),
            '\n' | ' '..='~' => plain.push(letter),
            _ => plain.push(' '),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_is_a_callers() {
        let (text, output) = (Path::new("/d/text"), Path::new("/d/out.wav"));
        for (speaking, expected) in [
            (Speaking::Flite, "-f /d/text -o /d/out.wav -voice v"),
            (Speaking::Espeak, "-b 1 -f /d/text -w /d/out.wav -v v"),
            (Speaking::Piper("/voices".into()), "-m /voices/v.onnx -f /d/out.wav"),
        ] {
            let arguments = speaking.arguments(text, output, "v");
            let line: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
            assert_eq!(line.join(" "), expected);
        }
        for (hearing, expected) in [
            (Hearing::Pocketsphinx("/m".into()), "-hmm /m/en-us -lm /m/en-us.lm.bin -dict /m/cmudict-en-us.dict -infile /d/out.wav"),
            (Hearing::Whisper("/m.bin".into()), "-nt -np -l auto -m /m.bin -f /d/out.wav"),
        ] {
            let arguments = hearing.arguments(output);
            let line: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
            assert_eq!(line.join(" "), expected);
        }
    }

    #[test]
    fn a_text_is_made_readable() {
        assert_eq!(Speaking::Flite.readable("It’s “fine” – really… né"), "It's \"fine\" - really... n ");
        assert_eq!(Speaking::Piper(PathBuf::new()).readable("one\ntwo\0three"), "one two three\n");
        assert_eq!(Speaking::Espeak.readable("né\0"), "né ");
    }

    #[test]
    fn what_is_no_word_is_left_out() {
        let words = ["[BLANK_AUDIO]", "<sil>", "word", "[", "a]"].map(is_no_word);
        assert_eq!(words, [true, true, false, false, false]);
    }
}
