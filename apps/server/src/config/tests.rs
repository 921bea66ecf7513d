use std::path::{Path, PathBuf};
use std::time::Duration;

use core_types::models::ModelSettings as _;
use core_types::secrets::MASK;

use super::{Config, InvalidConfig, Origin, SettingId, Sources, show};

struct Place {
    directory: tempfile::TempDir,
    sources: Sources,
}

/// A data directory `data` and a working directory, both fresh; the data directory is named by the environment.
fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    let mut sources = Sources { working_dir: directory.path().to_owned(), ..Sources::default() };
    sources.environment.insert(SettingId::DataDir, directory.path().join("data").to_string_lossy().into_owned());
    Place { directory, sources }
}

impl Place {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Result<Config, InvalidConfig> {
        Config::load(&self.sources)
    }

    fn problems(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

#[test]
fn the_nearer_source_wins_and_every_value_knows_where_it_came_from() {
    let mut place = place();
    assert_eq!(port_and_origin(&place), (3000, Origin::Default));
    let file = place.write("doolittle.toml", "[server]\nport = 4001\n");
    assert_eq!(port_and_origin(&place), (4001, Origin::File(file)));
    let dotenv = place.write("data/.env", "SERVER_PORT=4002\n");
    assert_eq!(port_and_origin(&place), (4002, Origin::DotEnv(dotenv)));
    place.sources.environment.insert(SettingId::Port, "4003".to_owned());
    assert_eq!(port_and_origin(&place), (4003, Origin::Environment));
    place.sources.flags.insert(SettingId::Port, "4004".to_owned());
    assert_eq!(port_and_origin(&place), (4004, Origin::Flag("port")));
}

fn port_and_origin(place: &Place) -> (u16, Origin) {
    let config = place.load().unwrap();
    (config.server.port, config.origin(SettingId::Port).clone())
}

#[test]
fn an_empty_value_is_as_good_as_none() {
    let mut place = place();
    place.write("data/.env", "ELIZA_SERVER_AUTH_TOKEN=from-dotenv\n");
    place.sources.environment.insert(SettingId::Key, String::new());
    assert_eq!(place.load().unwrap().server.key.unwrap().reveal(), "from-dotenv");
}

#[test]
fn the_data_directory_never_comes_from_its_own_dotenv() {
    let place = place();
    place.write("data/.env", "ELIZA_DATA_DIR=/elsewhere\nLOG_LEVEL=debug\n");
    let config = place.load().unwrap();
    assert_eq!(config.data_dir, place.directory.path().join("data"));
    assert_eq!(config.log_level, log::LevelFilter::Debug);
    assert!(config.warnings.concat().contains("ELIZA_DATA_DIR"), "{:?}", config.warnings);
}

#[test]
fn the_data_directory_of_the_file_decides_which_dotenv_is_read() {
    let mut place = place();
    place.sources.environment.clear();
    let data = place.directory.path().join("data");
    place.write("doolittle.toml", &format!("data_dir = '{}'\n", data.display()));
    place.write("data/.env", "SERVER_HOST=::1\n");
    let config = place.load().unwrap();
    assert_eq!((config.data_dir, config.server.host.as_str()), (data, "::1"));
}

#[test]
fn a_named_file_must_exist_and_the_default_one_need_not() {
    let mut place = place();
    place.load().unwrap();
    place.sources.file = Some(place.directory.path().join("mine.toml"));
    assert!(place.problems().contains("mine.toml cannot be read"));
    place.write("mine.toml", "log_level = 'warn'");
    assert_eq!(place.load().unwrap().log_level, log::LevelFilter::Warn);
}

#[test]
fn all_problems_are_told_together_with_their_place_and_without_values() {
    let mut place = place();
    place.write("doolittle.toml", "[server]\nprot = 1\n");
    place.write("data/.env", "FINE=1\nnot a setting\n");
    place.sources.environment.insert(SettingId::Key, "two words".to_owned());
    place.sources.environment.insert(SettingId::MaxRuns, "0".to_owned());
    place.sources.flags.insert(SettingId::Port, "70000".to_owned());
    let problems = place.problems();
    for expected in [
        "unknown key `server.prot`; the nearest known one is `server.port`",
        ".env: line 2: expected NAME=VALUE",
        "ELIZA_SERVER_AUTH_TOKEN (environment) must be at most 512 visible ASCII characters",
        "MAX_CONCURRENT_RUNS (environment) must be a whole number between 1 and 10000",
        "SERVER_PORT (--port) must be a whole number between 0 and 65535",
    ] {
        assert!(problems.contains(expected), "missing {expected:?} in\n{problems}");
    }
    assert!(!problems.contains("two words"), "{problems}");
}

#[test]
fn a_huge_settings_file_is_refused() {
    let place = place();
    place.write("data/.env", &"#".repeat((1 << 20) + 1));
    assert!(place.problems().contains("more than 1048576 bytes"));
}

#[test]
fn defaults_make_a_whole_configuration() {
    let place = place();
    let config = place.load().unwrap();
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 3000));
    assert_eq!(config.server.max_payload, 2 * 1024 * 1024);
    assert_eq!(config.characters_dir, place.directory.path().join("data/characters"));
    assert_eq!(config.knowledge_dir, place.directory.path().join("data/knowledge"));
    assert!(config.server.workers >= 1 && config.default_agent && !config.server.insecure);
    assert_eq!(config.runs.timeout, Duration::from_mins(2));
    assert_eq!((config.runs.max_concurrent, config.runs.max_concurrent_per_agent, config.runs.max_waiting), (64, 32, 1024));
    assert_eq!(config.retention.events, Duration::from_hours(30 * 24));
    assert!(config.server.key.is_none() && config.postgres_url.is_none() && config.server.cors_origins.is_empty());
}

#[test]
fn without_any_source_the_data_directory_is_beside_the_caller() {
    let elsewhere = tempfile::tempdir().unwrap();
    let config = Config::load(&Sources { working_dir: elsewhere.path().to_owned(), ..Sources::default() }).unwrap();
    assert_eq!(config.data_dir, Path::new("./.doolittle"));
    assert_eq!(config.origin(SettingId::DataDir), &Origin::Default);
}

#[test]
fn no_secret_is_shown_anywhere() {
    let mut place = place();
    for id in SettingId::ALL.iter().filter(|id| id.setting().secret) {
        place
            .sources
            .environment
            .insert(*id, if *id == SettingId::PostgresUrl { "postgres://u:hunter2@db/x" } else { "hunter2" }.to_owned());
    }
    let config = place.load().unwrap();
    for shown in [show::text(&config), show::json(&config).to_string(), format!("{config:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(show::text(&config).contains(MASK) && show::json(&config).to_string().contains(MASK));
    assert_eq!(config.postgres_url.unwrap().reveal(), "postgres://u:hunter2@db/x");
}

#[test]
fn models_look_their_settings_up_by_name() {
    let mut place = place();
    place.write("data/.env", "OPENAI_API_KEY=sk-1\n");
    place.sources.environment.insert(SettingId::OllamaUrl, "http://localhost:11434".to_owned());
    let config = place.load().unwrap();
    assert_eq!(config.get("OPENAI_API_KEY").unwrap().reveal(), "sk-1");
    assert_eq!(config.get("OLLAMA_API_ENDPOINT").unwrap().reveal(), "http://localhost:11434");
    assert_eq!(config.get("OPENAI_BASE_URL"), None);
    assert_eq!(config.get("PATH"), None);
}

#[test]
fn the_clients_send_the_servers_key_or_their_own() {
    let mut place = place();
    assert_eq!(place.load().unwrap().client_key, None);
    place.sources.environment.insert(SettingId::ClientKey, "mine".to_owned());
    assert_eq!(place.load().unwrap().client_key.unwrap().reveal(), "mine");
    place.sources.environment.insert(SettingId::Key, "servers".to_owned());
    assert_eq!(place.load().unwrap().client_key.unwrap().reveal(), "servers");
}

#[test]
fn the_bounds_on_sessions_must_be_in_order() {
    for (least, usual, most, fine) in
        [("5", "30", "1440", true), ("7", "7", "7", true), ("31", "30", "40", false), ("5", "30", "29", false)]
    {
        let mut place = place();
        for (id, value) in [(SettingId::SessionLeast, least), (SettingId::SessionTimeout, usual), (SettingId::SessionMost, most)] {
            place.sources.environment.insert(id, value.to_owned());
        }
        assert_eq!(place.load().is_ok(), fine, "{least} {usual} {most}");
        if !fine {
            assert!(place.problems().contains("SESSION_DEFAULT_TIMEOUT_MINUTES (30) must be from SESSION_MIN_TIMEOUT_MINUTES"));
        }
    }
}
