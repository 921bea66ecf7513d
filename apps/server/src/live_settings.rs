//! The settings while the server runs: the API may change the settings file, and what providers of models read follows at
//! once. Everything else is read at the next start.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use core_types::models::ModelSettings;
use core_types::secrets::MASK;
use core_types::system::{Environment, EnvironmentChange, EnvironmentName};
use core_types::{InvalidCode, Secret, ServiceError, ServiceResult};
use tokio::sync::{Mutex, Notify};

use crate::config::resolve::{DOTENV, MAX_FILE, read};
use crate::config::{Config, Origin, SettingId, dotenv};
use crate::private_file;

/// The most changes at once.
const MAX_CHANGES: usize = 100;
/// The most bytes of a name, and of a value.
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 8 * 1024;

/// The settings, and the file that the API may change. Clones are the same settings.
#[derive(Clone)]
pub struct LiveSettings(Arc<Shared>);

struct Shared {
    path: PathBuf,
    current: RwLock<Arc<Config>>,
    /// One change of the file at a time.
    changing: Mutex<()>,
    changed: Notify,
}

impl LiveSettings {
    /// The settings as they were at the start.
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Shared {
            path: config.data_dir.join(DOTENV),
            current: RwLock::new(Arc::new(config.clone())),
            changing: Mutex::new(()),
            changed: Notify::new(),
        }))
    }

    /// Resolves when they have changed since this was last asked.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn current(&self) -> Arc<Config> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the file and takes the new settings over. Blocks.
    fn apply(&self, changes: &[EnvironmentChange]) -> ServiceResult<()> {
        let text = self.text()?;
        let changes: Vec<(&str, Option<&str>)> = changes
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref().map(Secret::reveal)))
            // Whoever sends back what was read means no change.
            .filter(|(_, value)| *value != Some(MASK))
            .collect();
        let text = dotenv::changed(&text, &changes);
        if text.len() as u64 > MAX_FILE {
            return Err(invalid("The settings file would become too large"));
        }
        let sources = &self.current().sources;
        let config = Config::load_with_dotenv(sources, &text).map_err(|error| invalid(error.to_string()))?;
        private_file::write(&self.0.path, &text).map_err(private_file::refused)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.0.changed.notify_one();
        Ok(())
    }

    fn text(&self) -> ServiceResult<String> {
        match read(&self.0.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read.map_err(|error| ServiceError::Internal(Box::new(error))),
        }
    }

    fn names_now(&self) -> ServiceResult<Vec<EnvironmentName>> {
        let entries = dotenv::parse(&self.text()?).map_err(|error| invalid(format!("The settings file cannot be read: {error}")))?;
        let current = self.current();
        let is_overridden = |name: &str| {
            let id = SettingId::by_name(name);
            id.is_some_and(|id| matches!(current.origin(id), Origin::Flag(_) | Origin::Environment))
        };
        Ok(entries.into_iter().map(|(name, _)| EnvironmentName { overridden: is_overridden(&name), name }).collect())
    }

    /// Runs what works with files where waiting for them hurts nobody.
    async fn with_files<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> ServiceResult<T> + Send + 'static) -> ServiceResult<T> {
        let _turn = self.0.changing.lock().await;
        let settings = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&settings)).await;
        done.map_err(|error| ServiceError::Internal(Box::new(error)))?
    }
}

impl ModelSettings for LiveSettings {
    fn get(&self, name: &str) -> Option<Secret> {
        self.current().get(name)
    }
}

#[async_trait]
impl Environment for LiveSettings {
    async fn names(&self) -> ServiceResult<Vec<EnvironmentName>> {
        self.with_files(Self::names_now).await
    }

    async fn change(&self, changes: Vec<EnvironmentChange>) -> ServiceResult<()> {
        check(&changes)?;
        self.with_files(move |settings| settings.apply(&changes)).await
    }
}

fn check(changes: &[EnvironmentChange]) -> ServiceResult<()> {
    if changes.len() > MAX_CHANGES {
        return Err(invalid(format!("At most {MAX_CHANGES} names can be changed at once")));
    }
    let mut seen = HashSet::new();
    for (name, value) in changes {
        if !is_name(name) || !seen.insert(name) {
            return Err(invalid("A name consists of capital letters, digits and underscores and begins with a letter"));
        }
        let value = value.as_ref().map_or("", Secret::reveal);
        if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
            return Err(invalid(format!("The value of {name} must have at most {MAX_VALUE} bytes and no control characters")));
        }
        if SettingId::by_name(name).is_some_and(|id| !id.setting().api_writable) {
            return Err(ServiceError::forbidden(format!("{name} is for the operator alone to set, where the server is started")));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::invalid(InvalidCode::Input, message)
}

#[cfg(test)]
mod tests {
    use core_types::Secret;
    use core_types::models::ModelSettings as _;
    use core_types::system::Environment as _;

    use super::*;
    use crate::config::Sources;

    fn settings(directory: &std::path::Path) -> LiveSettings {
        let mut sources = Sources { working_dir: directory.to_owned(), ..Sources::default() };
        sources.flags.insert(SettingId::DataDir, directory.display().to_string());
        sources.environment.insert(SettingId::by_name("OPENAI_API_KEY").unwrap(), "from-outside".to_owned());
        LiveSettings::new(&Config::load(&sources).unwrap())
    }

    fn change(name: &str, value: Option<&str>) -> EnvironmentChange {
        (name.to_owned(), value.map(Secret::new))
    }

    fn shown(settings: &LiveSettings, name: &str) -> Option<String> {
        settings.get(name).map(|value| value.reveal().to_owned())
    }

    #[tokio::test]
    async fn what_is_changed_is_written_and_followed_at_once() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".env"), "# mine\nSMALL_MODEL=one\n").unwrap();
        let settings = settings(directory.path());
        assert_eq!(shown(&settings, "SMALL_MODEL").as_deref(), Some("one"));

        settings.change(vec![change("SMALL_MODEL", Some("two")), change("OPENAI_API_KEY", Some("k"))]).await.unwrap();
        assert_eq!(shown(&settings, "SMALL_MODEL").as_deref(), Some("two"));
        assert_eq!(shown(&settings, "OPENAI_API_KEY").as_deref(), Some("from-outside"), "the process says otherwise");
        let name = |name: &str, overridden| EnvironmentName { name: name.to_owned(), overridden };
        assert_eq!(settings.names().await.unwrap(), [name("SMALL_MODEL", false), name("OPENAI_API_KEY", true)]);

        settings.change(vec![change("SMALL_MODEL", Some(MASK)), change("OPENAI_API_KEY", None)]).await.unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join(".env")).unwrap(), "# mine\nSMALL_MODEL=two\n");
        tokio::time::timeout(std::time::Duration::from_secs(5), settings.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        for (name, value) in [
            ("lower", "x"),
            ("1A", "x"),
            ("", "x"),
            ("A B", "x"),
            ("A\nB", "x"),
            ("A=B", "x"),
            ("SMALL_MODEL", "a\nSECRET_SALT=b"),
            ("SMALL_MODEL", "a\u{0}"),
            ("OPENAI_BASE_URL", "ftp://nowhere"),
            ("MAX_CONCURRENT_RUNS", "many"),
        ] {
            let refused = settings.change(vec![change("LARGE_MODEL", Some("good")), change(name, Some(value))]).await.unwrap_err();
            assert!(matches!(refused, ServiceError::Invalid { code: InvalidCode::Input, .. }), "{name}: {refused}");
        }
        for name in ["SECRET_SALT", "POSTGRES_URL", "SERVER_HOST", "SERVER_PORT", "ELIZA_SERVER_AUTH_TOKEN", "TRUSTED_PROXIES"] {
            let refused = settings.change(vec![change(name, Some("1"))]).await.unwrap_err();
            assert!(matches!(refused, ServiceError::Forbidden { .. }), "{name}: {refused}");
        }
        let twice = vec![change("LARGE_MODEL", Some("a")), change("LARGE_MODEL", None)];
        assert!(settings.change(twice).await.is_err());
        let many = (0..=MAX_CHANGES).map(|number| change(&format!("A{number}"), None)).collect();
        assert!(settings.change(many).await.is_err());
        assert!(!directory.path().join(".env").exists());
        assert_eq!(shown(&settings, "LARGE_MODEL"), None);
    }
}
