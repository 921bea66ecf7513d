//! What speaks and hears for agents, put together.

use std::sync::Arc;

use core_types::error::chain;
use models_openai::OpenAiSpeech;
use runtime::SpeechRegistry;
use speech_local::{Limits, LocalSettings};

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::live_settings::LiveSettings;

/// The most bytes of sound that a program may make: as much as any text that is said at once needs.
const SOUND: u64 = 64 * 1024 * 1024;

/// The engines by these settings: programs that settings name, then OpenAI and what speaks its API, then programs that are
/// simply there. Programs are looked for here and not again.
pub async fn registry(config: &Config, settings: &LiveSettings, client: outbound::Client) -> Result<SpeechRegistry, Failure> {
    let local = &config.speech;
    let found = if local.speaks || local.hears {
        let dir = config.media.dir.join("speech");
        speech_local::find(LocalSettings {
            path: config.sources.program_path.clone(),
            scratch: dir.clone(),
            speaks: local.speaks,
            hears: local.hears,
            piper_voices: local.piper_voices.clone(),
            whisper_model: local.whisper_model.clone(),
            voice: local.voice.clone(),
            limits: Limits {
                at_once: local.max_concurrent,
                waiting: local.max_waiting,
                time: local.timeout,
                recording: local.max_recording,
                sound_bytes: SOUND,
            },
        })
        .await
        .map_err(|error| {
            let message = format!("the directory {} cannot be used; mend its permissions or set MEDIA_DIR", dir.display());
            Failure::new(Exit::DataDir, message).because(chain(&error))
        })?
    } else {
        speech_local::Found::default()
    };
    let registry = found.configured.into_iter().fold(SpeechRegistry::new(Arc::new(settings.clone())), SpeechRegistry::with);
    Ok(found.present.into_iter().fold(registry.with(Arc::new(OpenAiSpeech::new(client))), SpeechRegistry::with))
}
