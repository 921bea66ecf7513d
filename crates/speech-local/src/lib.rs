//! Speech by programs on this machine.
//!
//! | program | what it does | how it is found |
//! | --- | --- | --- |
//! | flite | speaks English | on the path |
//! | espeak-ng | speaks many languages | on the path |
//! | piper | speaks with neural voices | on the path, with a directory of voices |
//! | `pocketsphinx_continuous` | hears English | on the path, with its English model |
//! | whisper-cli (whisper.cpp) | hears many languages | on the path, with a model file |
//! | ffmpeg | decodes what this crate does not (Opus) | on the path |
//!
//! A program is started without a shell, with an empty environment, a fixed list of arguments and a working directory of its own, which goes
//! with the job. What callers send is in files there or on its standard input, never among the arguments. It has so much time
//! and may write so much; it is killed where it goes beyond, and when the caller leaves. As many run at once as
//! [`Limits::at_once`] says, a few more jobs wait, and the rest is refused.
//!
//! Recordings are decoded in this process, piece by piece, to what engines hear: 16 000 samples of 16 bits a second, one
//! channel, at most [`Limits::recording`] of it.

mod decode;
mod engines;
mod ffmpeg;
mod job;
mod pool;
mod programs;
mod resample;
mod scratch;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use programs::{Found, find};

/// What bounds the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Programs that run at once.
    pub at_once: usize,
    /// Jobs that wait for one of these places.
    pub waiting: usize,
    /// How long a program may run.
    pub time: Duration,
    /// The longest recording that is heard.
    pub recording: Duration,
    /// The most bytes of sound that a program may make.
    pub sound_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 2, waiting: 16, time: Duration::from_mins(1), recording: Duration::from_mins(10), sound_bytes: 64 * 1024 * 1024 }
    }
}

/// Where to look for programs, and what they need.
#[derive(Debug, Clone, Default)]
pub struct LocalSettings {
    /// The directories in which programs are looked for, in this order.
    pub path: Vec<PathBuf>,
    /// A directory of this process alone, for the files of jobs. What lies in it is removed.
    pub scratch: PathBuf,
    /// Whether programs that speak are looked for.
    pub speaks: bool,
    /// Whether programs that hear are looked for.
    pub hears: bool,
    /// The directory of piper's voices: `<name>.onnx` with `<name>.onnx.json` beside it.
    pub piper_voices: Option<PathBuf>,
    /// The file of whisper.cpp's model.
    pub whisper_model: Option<PathBuf>,
    /// The voice where the character names none that the engine has.
    pub voice: Option<String>,
    /// The bounds.
    pub limits: Limits,
}
