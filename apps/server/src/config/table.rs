//! Every setting there is. A line here gives it its environment variable, TOML key, flag, bounds, default, help text, its
//! place in the manual and in `docs/operations.md`.

use super::setting::{Kind, Setting};

macro_rules! settings {
    ($($id:ident = $setting:expr;)*) => {
        /// Names a setting of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SettingId {
            $(
                #[doc = concat!("`", stringify!($id), "`, as the table describes it.")]
                $id,
            )*
        }

        impl SettingId {
            /// Every setting, in the order of the manual.
            pub const ALL: &[Self] = &[$(Self::$id),*];

            /// What the table says about it.
            pub fn setting(self) -> &'static Setting {
                match self {
                    $(Self::$id => {
                        static SETTING: Setting = $setting;
                        &SETTING
                    })*
                }
            }
        }
    };
}

const fn count(most: u64) -> Kind {
    Kind::Number { least: 1, most }
}

settings! {
    DataDir = Setting::new("ELIZA_DATA_DIR", "data_dir", Kind::Path, "Where everything is kept that must survive")
        .flag("data-dir").default("./.doolittle").operator_only();
    CharactersDir = Setting::new("ELIZA_DATA_DIR_CHARACTERS", "characters_dir", Kind::Path,
        "The directory below which `characterPath` may name files").flag("characters-dir").derived("<data-dir>/characters").operator_only();
    RemoteCharacters = Setting::new("ALLOW_REMOTE_CHARACTERS", "remote_characters", Kind::Switch,
        "Whether `characterPath` may also be an `http` or `https` address, of a public place").flag("remote-characters").default("false").operator_only();
    KnowledgeDir = Setting::new("KNOWLEDGE_PATH", "knowledge_dir", Kind::Path,
        "The directory below which `knowledge` of a character may name files and directories").flag("knowledge-dir").derived("<data-dir>/knowledge").operator_only();
    LogLevel = Setting::new("LOG_LEVEL", "log_level", Kind::Level, "How much is logged: off, error, warn, info, debug or trace")
        .flag("log-level").default("info");
    DefaultAgent = Setting::new("DEFAULT_AGENT", "default_agent", Kind::Switch,
        "Whether an empty database gets the agent Eliza, started").flag("default-agent").default("true");

    Host = Setting::new("SERVER_HOST", "server.host", Kind::Host, "The address to listen on; other than loopback only with a key")
        .flag("host").default("127.0.0.1").operator_only();
    Port = Setting::new("SERVER_PORT", "server.port", Kind::Number { least: 0, most: 65_535 }, "The port to listen on; 0 takes a free one")
        .flag("port").default("3000").operator_only();
    Key = Setting::new("ELIZA_SERVER_AUTH_TOKEN", "server.key", Kind::Key,
        "The key that every request must carry in X-API-KEY; none where unset").secret().operator_only();
    TokenSecret = Setting::new("JWT_SECRET", "tokens.secret", Kind::Text,
        "A secret of at least 32 bytes: bearer tokens (JWT) that are signed with it by HS256 are taken").secret().operator_only();
    TokenKey = Setting::new("PRIVY_VERIFICATION_KEY", "tokens.ed25519", Kind::Text,
        "An Ed25519 public key in PEM, with \\n between its lines: bearer tokens that are signed for it are taken").secret().operator_only();
    TokenKeySet = Setting::new("JWT_JWKS_URI", "tokens.key_set", Kind::HttpUrl,
        "Where a JSON Web Key Set is: bearer tokens that one of its keys signed (RS256, ES256, EdDSA) are taken").operator_only();
    TokenIssuers = Setting::new("JWT_ISSUER_WHITELIST", "tokens.issuers", Kind::Text,
        "Who may have issued bearer tokens, separated by commas; anyone with a key where unset").operator_only();
    Insecure = Setting::new("SERVER_INSECURE", "server.insecure", Kind::Switch,
        "Listen on an address other than loopback without a key").flag("insecure").default("false").operator_only();
    UiDir = Setting::new("ELIZA_UI_DIR", "server.ui_dir", Kind::Path,
        "The folder of a built web UI, such as `dist/client` of elizaOS's server package; its pages are at `/`").flag("ui-dir").operator_only();
    AnonymousSockets = Setting::new("SOCKET_ALLOW_ANONYMOUS", "server.anonymous_sockets", Kind::Switch,
        "Let sockets connect without an entityId, as clients of elizaOS 1.2 do").default("false").operator_only();
    CorsOrigin = Setting::new("CORS_ORIGIN", "server.cors_origin", Kind::Origins,
        "Web origins that may call the server, separated by commas; loopback always may").flag("cors-origin").operator_only();
    MaxPayload = Setting::new("EXPRESS_MAX_PAYLOAD", "server.max_payload", Kind::Size { least: 1 << 10, most: 1 << 28 },
        "The largest JSON body").flag("max-payload").default("2mb");
    MaxUpload = Setting::new("MEDIA_MAX_UPLOAD", "media.max_upload", Kind::Size { least: 1 << 10, most: 1 << 36 },
        "The largest file that can be uploaded").flag("media-max-upload").default("50mb");
    MediaDir = Setting::new("MEDIA_DIR", "media.dir", Kind::Path, "The directory in which uploaded files are kept")
        .flag("media-dir").derived("<data-dir>/media").operator_only();
    S3Bucket = Setting::new("MEDIA_S3_BUCKET", "media.s3.bucket", Kind::Text,
        "A bucket of S3 in which uploaded files are kept, in place of the directory").operator_only();
    S3Endpoint = Setting::new("MEDIA_S3_ENDPOINT", "media.s3.endpoint", Kind::HttpUrl,
        "The address of a service that speaks S3; Amazon's own where unset").operator_only();
    S3Region = Setting::new("MEDIA_S3_REGION", "media.s3.region", Kind::Text, "The region of the bucket").default("us-east-1").operator_only();
    S3Prefix = Setting::new("MEDIA_S3_PREFIX", "media.s3.prefix", Kind::Text, "What comes before the names of files in the bucket")
        .operator_only();
    S3KeyId = Setting::new("MEDIA_S3_ACCESS_KEY_ID", "media.s3.access_key_id", Kind::Key,
        "Who asks for the bucket; the role of the machine where unset").secret().operator_only();
    S3Key = Setting::new("MEDIA_S3_SECRET_ACCESS_KEY", "media.s3.secret_access_key", Kind::Key, "The key to it").secret().operator_only();
    RateLimitMax = Setting::new("RATE_LIMIT_MAX", "server.rate_limit.max", Kind::Number { least: 0, most: 1_000_000_000 },
        "Requests that one tenant, or one address without a key, may make in a window; 0 for no limit").flag("rate-limit-max").default("1000");
    RateLimitWindow = Setting::new("RATE_LIMIT_WINDOW", "server.rate_limit.window_seconds", count(86_400), "The window in seconds")
        .flag("rate-limit-window").default("60");
    RateLimitUploads = Setting::new("RATE_LIMIT_UPLOAD_MAX", "server.rate_limit.upload_max", Kind::Number { least: 0, most: 1_000_000_000 },
        "The same for uploads and audio, beside the limit of all requests").flag("rate-limit-upload-max").default("100");
    TrustedProxies = Setting::new("TRUSTED_PROXIES", "server.trusted_proxies", Kind::Networks,
        "Proxies whose X-Forwarded-For tells whom to count: addresses or networks such as 10.0.0.0/8, separated by commas")
        .flag("trusted-proxies").operator_only();
    HttpWorkers = Setting::new("HTTP_WORKERS", "server.workers", count(1_024), "Threads that serve HTTP")
        .flag("http-workers").derived("one per processor");

    PostgresUrl = Setting::new("POSTGRES_URL", "database.postgres_url", Kind::PostgresUrl,
        "A PostgreSQL database to use in place of the embedded SQLite").secret().operator_only();
    SecretSalt = Setting::new("SECRET_SALT", "secret_salt", Kind::Text,
        "What the key for agents' secrets is derived from; a key file in the data directory where unset").secret().operator_only();
    OldSecretSalt = Setting::new("SECRET_SALT_PREVIOUS", "secret_salt_previous", Kind::Text,
        "The SECRET_SALT from before: secrets that it encrypted, here or in elizaOS, are still read").secret().operator_only();

    TeeMode = Setting::new("TEE_MODE", "tee.mode", Kind::Choice(&["off", "dstack", "configfs", "simulator"]),
        "What attests this server; the simulator proves nothing").flag("tee-mode").default("off").operator_only();
    DstackSocket = Setting::new("TEE_DSTACK_SOCKET", "tee.dstack_socket", Kind::Path, "The socket of dstack's guest agent")
        .default("/var/run/dstack.sock").operator_only();
    ConfigfsDir = Setting::new("TEE_CONFIGFS_DIR", "tee.configfs_dir", Kind::Path, "The kernel's directory for reports of the hardware")
        .default("/sys/kernel/config/tsm/report").operator_only();

    RunTimeout = Setting::new("RUN_TIMEOUT_SECONDS", "runs.timeout_seconds", count(3_600), "The longest that an agent works on one message")
        .default("120");
    MaxRuns = Setting::new("MAX_CONCURRENT_RUNS", "runs.max_concurrent", count(10_000), "Messages that are being answered at once, all agents together")
        .default("64");
    MaxRunsPerAgent = Setting::new("MAX_CONCURRENT_RUNS_PER_AGENT", "runs.max_concurrent_per_agent", count(10_000),
        "The same for one agent").default("32");
    ReflectEvery = Setting::new("REFLECT_EVERY", "runs.reflect_every", Kind::Number { least: 0, most: 64 },
        "An agent looks back at a conversation and notes facts, with its small model, whenever so much was said; 0 turns this off")
        .default("8");
    ReplyWait = Setting::new("REPLY_WAIT_SECONDS", "replies.wait_seconds", count(3_600),
        "The longest that a request with transport http waits for its reply").default("120");
    MaxBacklog = Setting::new("MAX_WAITING_MESSAGES", "runs.max_waiting", count(10_000_000),
        "Messages that may wait for one agent; more are refused with 503 and the place that they would have had").default("10000");
    MaxWaiting = Setting::new("MAX_WAITING_REPLIES", "replies.max_waiting", count(100_000), "Requests that wait for a reply at once")
        .default("1024");
    EventRetention = Setting::new("EVENT_RETENTION_DAYS", "retention.event_days", count(3_650),
        "How long the events of channels are kept for readers that resume").default("30");
    EventCount = Setting::new("EVENT_RETENTION_COUNT", "retention.event_count", count(1_000_000_000),
        "How many events are kept at most, all channels together").default("1000000");
    LogRetention = Setting::new("LOG_RETENTION_DAYS", "retention.log_days", count(3_650), "How long runs and agents' logs are kept")
        .default("30");
    LogCount = Setting::new("LOG_RETENTION_COUNT", "retention.log_count", count(1_000_000_000),
        "How many log lines are kept at most, all agents together, and the runs of their time").default("1000000");

    SessionTimeout = Setting::new("SESSION_DEFAULT_TIMEOUT_MINUTES", "sessions.default_timeout_minutes", count(525_600),
        "After so many minutes without anything happening a session ends, where neither its caller nor its agent says otherwise").default("30");
    SessionLeast = Setting::new("SESSION_MIN_TIMEOUT_MINUTES", "sessions.min_timeout_minutes", count(525_600),
        "The least that they may say").default("5");
    SessionMost = Setting::new("SESSION_MAX_TIMEOUT_MINUTES", "sessions.max_timeout_minutes", count(525_600),
        "The most that they may say; of a session's whole duration, twice as much").default("1440");
    SessionDuration = Setting::new("SESSION_MAX_DURATION_MINUTES", "sessions.max_duration_minutes", count(525_600),
        "After so many minutes a session ends in any case, where they do not say otherwise").default("720");
    SessionWarning = Setting::new("SESSION_WARNING_THRESHOLD_MINUTES", "sessions.warning_threshold_minutes", count(525_600),
        "So many minutes before its end a session is near it").default("5");
    SessionCleanup = Setting::new("SESSION_CLEANUP_INTERVAL_MINUTES", "sessions.cleanup_interval_minutes", count(1_440),
        "How often sessions that are over are forgotten").default("5");

    BackupDir = Setting::new("BACKUP_DIR", "backups.dir", Kind::Path,
        "The directory into which the running server puts backups, each a directory of its own; none are made where unset").operator_only();
    BackupEvery = Setting::new("BACKUP_EVERY_MINUTES", "backups.every_minutes", count(525_600), "The time between two of them").default("1440")
        .operator_only();
    BackupKeep = Setting::new("BACKUP_KEEP", "backups.keep", count(10_000), "How many of them are kept").default("7").operator_only();
    BackupComplete = Setting::new("BACKUP_COMPLETE", "backups.complete", Kind::Switch,
        "Whether they have secret.key; whoever has them then has the agents' secrets").default("false").operator_only();
    BackupLog = Setting::new("BACKUP_LOG_DIR", "backups.log_dir", Kind::Path,
        "The directory that a log of all commits is kept in, for the way back to any moment since a backup; none is kept where unset").operator_only();
    BackupLogEvery = Setting::new("BACKUP_LOG_SECONDS", "backups.log_seconds", count(3_600),
        "How often what was committed is put into that log").default("10").operator_only();

    SmallModel = Setting::new("SMALL_MODEL", "models.small", Kind::Text, "The model for decisions, where the provider has none set");
    LargeModel = Setting::new("LARGE_MODEL", "models.large", Kind::Text, "The model for replies, where the provider has none set");
    OpenaiKey = Setting::new("OPENAI_API_KEY", "models.openai.api_key", Kind::Key, "The key for OpenAI or a server that speaks its API").secret();
    OpenaiUrl = Setting::new("OPENAI_BASE_URL", "models.openai.base_url", Kind::HttpUrl, "The address of such a server; OpenAI's own where unset");
    OpenaiSmall = Setting::new("OPENAI_SMALL_MODEL", "models.openai.small_model", Kind::Text, "The OpenAI model for decisions");
    OpenaiLarge = Setting::new("OPENAI_LARGE_MODEL", "models.openai.large_model", Kind::Text, "The OpenAI model for replies");
    OpenaiTimeout = Setting::new("OPENAI_TIMEOUT_SECONDS", "models.openai.timeout_seconds", count(3_600),
        "How long a model may be silent before the request is given up");
    OpenaiContext = Setting::new("OPENAI_CONTEXT_TOKENS", "models.openai.context_tokens", Kind::Number { least: 256, most: 4_294_967_295 },
        "How many tokens a request and its answer may have together");
    OpenaiSpeech = Setting::new("OPENAI_TTS_MODEL", "models.openai.tts_model", Kind::Text,
        "The OpenAI model that speaks, `gpt-4o-mini-tts` where unset; a server that only speaks its API is asked for speech where this is set");
    OpenaiVoice = Setting::new("OPENAI_TTS_VOICE", "models.openai.tts_voice", Kind::Text,
        "Its voice where the character names none that it has; `nova` where unset");
    OpenaiManner = Setting::new("OPENAI_TTS_INSTRUCTIONS", "models.openai.tts_instructions", Kind::Text, "How it should speak");
    OpenaiHearing = Setting::new("OPENAI_TRANSCRIPTION_MODEL", "models.openai.transcription_model", Kind::Text,
        "The OpenAI model that hears, `gpt-4o-mini-transcribe` where unset; the same holds for other servers");
    OllamaUrl = Setting::new("OLLAMA_API_ENDPOINT", "models.ollama.endpoint", Kind::HttpUrl, "The address of an Ollama server");
    OllamaSmall = Setting::new("OLLAMA_SMALL_MODEL", "models.ollama.small_model", Kind::Text, "The Ollama model for decisions");
    OllamaLarge = Setting::new("OLLAMA_LARGE_MODEL", "models.ollama.large_model", Kind::Text, "The Ollama model for replies");
    OpenrouterKey = Setting::new("OPENROUTER_API_KEY", "models.openrouter.api_key", Kind::Key, "The key for OpenRouter").secret();
    OpenrouterUrl = Setting::new("OPENROUTER_BASE_URL", "models.openrouter.base_url", Kind::HttpUrl, "The address of OpenRouter; its own where unset");
    OpenrouterSmall = Setting::new("OPENROUTER_SMALL_MODEL", "models.openrouter.small_model", Kind::Text, "The OpenRouter model for decisions");
    OpenrouterLarge = Setting::new("OPENROUTER_LARGE_MODEL", "models.openrouter.large_model", Kind::Text, "The OpenRouter model for replies");
    AnthropicKey = Setting::new("ANTHROPIC_API_KEY", "models.anthropic.api_key", Kind::Key, "The key for Anthropic").secret();
    AnthropicUrl = Setting::new("ANTHROPIC_BASE_URL", "models.anthropic.base_url", Kind::HttpUrl, "The address of a server that speaks its API; Anthropic's own where unset");
    AnthropicSmall = Setting::new("ANTHROPIC_SMALL_MODEL", "models.anthropic.small_model", Kind::Text, "The Anthropic model for decisions");
    AnthropicLarge = Setting::new("ANTHROPIC_LARGE_MODEL", "models.anthropic.large_model", Kind::Text, "The Anthropic model for replies");
    AnthropicTimeout = Setting::new("ANTHROPIC_TIMEOUT_SECONDS", "models.anthropic.timeout_seconds", count(3_600),
        "How long an Anthropic model may be silent before the request is given up");
    AnthropicContext = Setting::new("ANTHROPIC_CONTEXT_TOKENS", "models.anthropic.context_tokens", Kind::Number { least: 256, most: 4_294_967_295 },
        "How many tokens a request to Anthropic and its answer may have together");

    Synthesizer = Setting::new("SPEECH_SYNTHESIZER", "speech.synthesizer", Kind::Choice(&["auto", "none", "openai", "piper", "flite", "espeak-ng"]),
        "What speaks for agents").default("auto");
    Transcriber = Setting::new("SPEECH_TRANSCRIBER", "speech.transcriber", Kind::Choice(&["auto", "none", "openai", "whisper", "pocketsphinx"]),
        "What hears for agents").default("auto");
    Voice = Setting::new("SPEECH_VOICE", "speech.voice", Kind::Text,
        "The voice of a program where the character names none that it has; one of its own where unset");
    PiperVoices = Setting::new("PIPER_VOICES", "speech.piper_voices", Kind::Path,
        "A directory of piper's voices (`<name>.onnx`), with which piper speaks").operator_only();
    WhisperModel = Setting::new("WHISPER_MODEL", "speech.whisper_model", Kind::Path,
        "A model of whisper.cpp (a file of ggml), with which whisper-cli hears").operator_only();
    SpeechAtOnce = Setting::new("SPEECH_MAX_CONCURRENT", "speech.max_concurrent", count(256), "Programs that speak or hear at once").default("2");
    SpeechWaiting = Setting::new("SPEECH_MAX_WAITING", "speech.max_waiting", Kind::Number { least: 0, most: 10_000 },
        "Requests that wait for one of these").default("16");
    SpeechTimeout = Setting::new("SPEECH_TIMEOUT_SECONDS", "speech.timeout_seconds", count(3_600), "The longest that a program may work")
        .default("120");
    SpeechSeconds = Setting::new("SPEECH_MAX_SECONDS", "speech.max_seconds", count(3_600), "The longest recording that a program hears")
        .default("300");
    EmbeddingProvider = Setting::new("EMBEDDING_PROVIDER", "embeddings.provider", Kind::Choice(&["auto", "local", "openai", "ollama", "static", "none"]),
        "Who makes the vectors by which memories are found by their meaning: auto takes the first of local, openai, ollama and static that is set up")
        .default("auto").operator_only();
    EmbeddingRate = Setting::new("EMBEDDING_RATE", "embeddings.rate", Kind::Number { least: 0, most: 1_000_000 },
        "How many memories at most get a vector in a second; 0 for no bound").default("200");
    EmbeddingQueryTime = Setting::new("EMBEDDING_QUERY_TIMEOUT_MS", "embeddings.query_timeout_ms", Kind::Number { least: 10, most: 60_000 },
        "How long in milliseconds an embedding model may take for a question; after that memories are found by words alone").default("2000");
    EmbeddingDir = Setting::new("EMBEDDING_MODEL_DIR", "embeddings.local.dir", Kind::Path,
        "The directory of a sentence transformer in ONNX that makes vectors on this machine").operator_only();
    EmbeddingDirPrevious = Setting::new("EMBEDDING_MODEL_DIR_PREVIOUS", "embeddings.local.previous_dir", Kind::Path,
        "The one from before, whose vectors are searched until the new model has made its own").operator_only();
    OpenaiEmbedding = Setting::new("OPENAI_EMBEDDING_MODEL", "embeddings.openai.model", Kind::Text, "The OpenAI model that makes vectors");
    OpenaiEmbeddingUrl = Setting::new("OPENAI_EMBEDDING_URL", "embeddings.openai.base_url", Kind::HttpUrl,
        "The address of a server that makes them, where it is another than OPENAI_BASE_URL");
    OpenaiEmbeddingKey = Setting::new("OPENAI_EMBEDDING_API_KEY", "embeddings.openai.api_key", Kind::Key,
        "The key for that; without an address of its own, OPENAI_API_KEY stands in for it").secret();
    OpenaiEmbeddingDimensions = Setting::new("OPENAI_EMBEDDING_DIMENSIONS", "embeddings.openai.dimensions", Kind::Number { least: 1, most: 4_096 },
        "How many numbers a vector shall have, for models that can be told");
    OllamaEmbedding = Setting::new("OLLAMA_EMBEDDING_MODEL", "embeddings.ollama.model", Kind::Text, "The Ollama model that makes vectors");

    ClientKey = Setting::new("ELIZAOS_API_KEY", "client.key", Kind::Key,
        "The key that `chat` and `agent` send, where ELIZA_SERVER_AUTH_TOKEN is unset").secret();
}

impl SettingId {
    /// The setting that the environment calls `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.setting().name == name)
    }

    /// The setting that the TOML file calls `key`.
    pub fn by_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.setting().key == key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::setting::Fallback;
    use super::SettingId;

    #[test]
    fn names_keys_and_flags_are_unique() {
        let all = || SettingId::ALL.iter().map(|id| id.setting());
        let names: BTreeSet<_> = all().map(|setting| setting.name).collect();
        let keys: BTreeSet<_> = all().map(|setting| setting.key).collect();
        let flags: Vec<_> = all().filter_map(|setting| setting.flag).collect();
        assert_eq!(names.len(), SettingId::ALL.len());
        assert_eq!(keys.len(), SettingId::ALL.len());
        assert_eq!(flags.len(), flags.iter().collect::<BTreeSet<_>>().len());
    }

    #[test]
    fn every_default_is_a_value_that_the_setting_accepts() {
        for id in SettingId::ALL {
            if let Fallback::Value(value) = id.setting().fallback {
                assert_eq!(id.setting().kind.check(value), Ok(()), "{}", id.setting().name);
            }
        }
    }

    #[test]
    fn no_secret_has_a_flag_since_command_lines_are_public() {
        assert!(SettingId::ALL.iter().map(|id| id.setting()).all(|setting| !(setting.secret && setting.flag.is_some())));
    }

    #[test]
    fn the_api_may_not_write_what_opens_the_server_or_its_secrets() {
        for name in [
            "ALLOW_REMOTE_CHARACTERS",
            "SECRET_SALT",
            "SECRET_SALT_PREVIOUS",
            "POSTGRES_URL",
            "SERVER_HOST",
            "SERVER_PORT",
            "ELIZA_SERVER_AUTH_TOKEN",
            "SERVER_INSECURE",
            "CORS_ORIGIN",
            "TRUSTED_PROXIES",
            "MEDIA_DIR",
            "MEDIA_S3_ENDPOINT",
            "PIPER_VOICES",
            "WHISPER_MODEL",
            "TEE_MODE",
            "TEE_DSTACK_SOCKET",
            "TEE_CONFIGFS_DIR",
            "BACKUP_DIR",
            "BACKUP_EVERY_MINUTES",
            "BACKUP_KEEP",
            "BACKUP_COMPLETE",
            "BACKUP_LOG_DIR",
            "BACKUP_LOG_SECONDS",
        ] {
            assert!(!SettingId::by_name(name).unwrap().setting().api_writable, "{name}");
        }
        assert!(SettingId::by_name("OPENAI_API_KEY").unwrap().setting().api_writable);
    }

    #[test]
    fn keys_and_tokens_are_secret() {
        for id in SettingId::ALL {
            let setting = id.setting();
            let sounds_secret = ["KEY", "SECRET", "AUTH_TOKEN", "POSTGRES_URL"].iter().any(|word| setting.name.contains(word));
            assert_eq!(setting.secret, sounds_secret, "{}", setting.name);
        }
    }
}
