//! Which programs there are, and what they can do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use core_types::speech::SpeechConnector;

use crate::LocalSettings;
use crate::engines::{Hearing, Listener, Local, Speaking, Synthesizer, Workshop};
use crate::ffmpeg::Ffmpeg;
use crate::job::Job;
use crate::pool::Pool;
use crate::scratch::Scratch;

/// How long a program may take to say what it can do.
const PROBE: Duration = Duration::from_secs(5);
/// The most voices of one program that are looked at.
const VOICES: usize = 1_000;

/// The engines that were found.
#[derive(Default)]
pub struct Found {
    /// Those that settings ask for, by naming voices or a model.
    pub configured: Vec<Arc<dyn SpeechConnector>>,
    /// Those that are simply there, the better ones first.
    pub present: Vec<Arc<dyn SpeechConnector>>,
}

/// The programs that are looked for, but for the one that only decodes.
const PROGRAMS: [&str; 5] = ["flite", "espeak-ng", "piper", "pocketsphinx_continuous", "whisper-cli"];

/// Looks for programs. What is set and cannot be used is told in the log. Where none could be used nothing is made.
///
/// # Errors
/// Where the scratch directory cannot be used.
pub async fn find(settings: LocalSettings) -> io::Result<Found> {
    let is_set = settings.piper_voices.is_some() || settings.whisper_model.is_some();
    if !is_set && !PROGRAMS.iter().any(|name| on_path(&settings.path, name).is_some()) {
        return Ok(Found::default());
    }
    let scratch = settings.scratch.clone();
    let scratch = tokio::task::spawn_blocking(move || Scratch::take(&scratch)).await.map_err(io::Error::other)??;
    let path = settings.path.clone();
    let on_path = move |name: &str| on_path(&path, name);
    let ffmpeg = on_path("ffmpeg").map(Ffmpeg);
    let workshop = Arc::new(Workshop { scratch, pool: Pool::new(settings.limits), limits: settings.limits, ffmpeg });
    let search = Search { workshop, settings: &settings, on_path: &on_path };
    let mut found = Found::default();
    if settings.speaks {
        let (piper, flite, espeak) = tokio::join!(search.piper(), search.flite(), search.espeak());
        found.configured.extend(piper);
        found.present.extend(flite.into_iter().chain(espeak));
    }
    if settings.hears {
        found.configured.extend(search.whisper());
        found.present.extend(search.pocketsphinx());
    }
    let engines = found.configured.iter().chain(&found.present).map(|engine| engine.name());
    let names: Vec<_> = engines.chain(search.workshop.ffmpeg.as_ref().map(|_| "ffmpeg")).collect();
    log::info!("programs for speech: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
    Ok(found)
}

type Engine = Option<Arc<dyn SpeechConnector>>;

struct Search<'a> {
    workshop: Arc<Workshop>,
    settings: &'a LocalSettings,
    on_path: &'a (dyn Fn(&str) -> Option<PathBuf> + Sync),
}

impl Search<'_> {
    async fn flite(&self) -> Engine {
        let program = (self.on_path)("flite")?;
        let said = self.said(&program, &["-lv"]).await?;
        let voices = flite_voices(&said);
        self.synthesizer(program, Speaking::Flite, voices, &["slt", "rms", "awb", "kal16", "kal"])
    }

    async fn espeak(&self) -> Engine {
        let program = (self.on_path)("espeak-ng")?;
        let said = self.said(&program, &["--voices"]).await?;
        self.synthesizer(program, Speaking::Espeak, espeak_voices(&said), &["en-us", "en"])
    }

    async fn piper(&self) -> Engine {
        let directory = self.settings.piper_voices.as_ref()?;
        let voices = match piper_voices(directory) {
            Ok(voices) if !voices.is_empty() => voices,
            Ok(_) => return missing(&format!("PIPER_VOICES: there is no voice (<name>.onnx) in {}", directory.display())),
            Err(error) => return missing(&format!("PIPER_VOICES: {} cannot be read: {error}", directory.display())),
        };
        let Some(program) = (self.on_path)("piper") else {
            return missing("PIPER_VOICES is set, and there is no program piper on the path");
        };
        // A program for the buttons of mice has the same name.
        let said = self.said(&program, &["--help"]).await.unwrap_or_default();
        if !said.contains("--model") {
            return missing(&format!("PIPER_VOICES is set, and {} is another program of the same name", program.display()));
        }
        let directory = directory.canonicalize().ok()?;
        self.synthesizer(program, Speaking::Piper(directory), voices, &[])
    }

    fn pocketsphinx(&self) -> Engine {
        let program = (self.on_path)("pocketsphinx_continuous")?;
        let root = program.canonicalize().ok()?.parent()?.parent()?.to_owned();
        let model = root.join("share/pocketsphinx/model/en-us");
        if !model.join("en-us").is_dir() {
            return missing(&format!("pocketsphinx is there without its English model (pocketsphinx-en-us), in {}", model.display()));
        }
        Some(self.listener(program, Hearing::Pocketsphinx(model)))
    }

    fn whisper(&self) -> Engine {
        let model = self.settings.whisper_model.as_ref()?;
        let Some(program) = (self.on_path)("whisper-cli") else {
            return missing("WHISPER_MODEL is set, and there is no program whisper-cli on the path");
        };
        match model.canonicalize() {
            Ok(model) if model.is_file() => Some(self.listener(program, Hearing::Whisper(model))),
            _ => missing(&format!("WHISPER_MODEL: there is no file {}", model.display())),
        }
    }

    /// The program with these voices; its own is the one that the settings name, or the first of those that are liked.
    fn synthesizer(&self, program: PathBuf, speaking: Speaking, voices: Vec<String>, liked: &[&str]) -> Engine {
        let named = |name: &str| voices.iter().find(|voice| voice.eq_ignore_ascii_case(name));
        let voice = self.settings.voice.as_deref().and_then(named).or_else(|| liked.iter().find_map(|name| named(name))).or(voices.first());
        let Some(voice) = voice.cloned() else { return missing(&format!("{} has no voices", program.display())) };
        Some(Local::speaking(Synthesizer { workshop: Arc::clone(&self.workshop), program, speaking, voices, voice }))
    }

    fn listener(&self, program: PathBuf, hearing: Hearing) -> Arc<dyn SpeechConnector> {
        Local::hearing(Listener { workshop: Arc::clone(&self.workshop), program, hearing })
    }

    /// What a program says to these arguments.
    async fn said(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let name = program.display().to_string();
        let desk = self.workshop.scratch.desk(&name).await.ok()?;
        let job = Job {
            engine: &name,
            program,
            arguments: arguments.iter().map(Into::into).collect(),
            input: b"",
            directory: desk.path(),
            output: None,
            time: PROBE,
        };
        match job.run().await {
            Ok(ended) => Some(format!("{}\n{}", String::from_utf8_lossy(&ended.said), ended.complaints)),
            Err(error) => missing(&format!("{name} is there and does not answer: {error}")),
        }
    }
}

/// Says why something that is there or set is not used.
fn missing<T>(message: &str) -> Option<T> {
    log::warn!("{message}");
    None
}

/// The program of this name in the first directory that has it.
fn on_path(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    path.iter().filter(|directory| directory.is_absolute()).map(|directory| directory.join(name)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// The voices in `Voices available: kal awb_time kal16 awb rms slt`.
fn flite_voices(said: &str) -> Vec<String> {
    let list = said.split_once("Voices available:").map(|(_, list)| list).unwrap_or_default();
    // This one tells the time, and nothing else.
    let voices = list.lines().next().unwrap_or_default().split_whitespace().filter(|voice| *voice != "awb_time");
    voices.filter(|voice| is_name(voice)).take(VOICES).map(str::to_owned).collect()
}

/// The languages in the second column of a table with a head.
fn espeak_voices(said: &str) -> Vec<String> {
    let languages = said.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    languages.filter(|language| is_name(language)).take(VOICES).map(str::to_owned).collect()
}

/// The names of the models in a directory.
fn piper_voices(directory: &Path) -> io::Result<Vec<String>> {
    let mut voices = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        voices.extend(name.strip_suffix(".onnx").filter(|voice| is_name(voice)).map(str::to_owned));
    }
    voices.sort_unstable();
    voices.truncate(VOICES);
    Ok(voices)
}

/// Whether a voice can be named without being taken for anything else.
fn is_name(voice: &str) -> bool {
    !voice.is_empty()
        && voice.len() <= 100
        && voice.starts_with(|first: char| first.is_ascii_alphanumeric())
        && voice.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_are_read_from_what_programs_say() {
        assert_eq!(flite_voices("Voices available: kal awb_time kal16 awb rms slt \n"), ["kal", "kal16", "awb", "rms", "slt"]);
        assert!(flite_voices("something else").is_empty());
        let table = "Pty Language       Age/Gender VoiceName          File                 Other Languages \n\
                     \x205  af              --/M      Afrikaans          gmw/af               \n\
                     \x202  en-us           --/M      English_(America)  gmw/en-US            (en 3)\n";
        assert_eq!(espeak_voices(table), ["af", "en-us"]);
    }

    #[test]
    fn a_voice_is_a_plain_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["en_US-amy-medium.onnx", "en_US-amy-medium.onnx.json", "-x.onnx", ".onnx", "a b.onnx", "readme"] {
            std::fs::write(directory.path().join(name), b"").unwrap();
        }
        assert_eq!(piper_voices(directory.path()).unwrap(), ["en_US-amy-medium"]);
    }

    #[tokio::test]
    async fn nothing_is_found_where_nothing_is() {
        let scratch = tempfile::tempdir().unwrap();
        let left = scratch.path().join("speech/job-of-a-crash");
        std::fs::create_dir_all(&left).unwrap();
        let settings = LocalSettings {
            path: vec![PathBuf::from("relative"), scratch.path().to_owned()],
            scratch: scratch.path().join("speech"),
            speaks: true,
            hears: true,
            piper_voices: Some("/nowhere".into()),
            whisper_model: Some("/nowhere".into()),
            ..LocalSettings::default()
        };
        let found = find(settings).await.unwrap();
        assert!(found.configured.is_empty() && found.present.is_empty());
        assert!(!left.exists(), "what a crash left is removed");
    }
}
