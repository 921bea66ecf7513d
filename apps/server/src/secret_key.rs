//! The key under which agents' secrets are kept: derived from `SECRET_SALT` where that is set, else a random key in a
//! file of the data directory.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use auth::{KEY_BYTES, KeyUse, SecretVault};
use core_types::secrets::{SealedSecret, SealingKey, SecretRepository, Vault as _};
use core_types::{AgentId, ServiceError, ServiceResult};

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DirectoryIdentity;
use crate::private_file;

/// The name of the key file in the data directory.
pub const FILE: &str = "secret.key";

/// So many secrets are looked at, whether they can be read; before a first key is made, so many at once.
const LOOKED_AT: u32 = 100;

/// The vault by these settings: it encrypts under `SECRET_SALT`, else under the first key of the key file; it also opens what any other
/// key of the file or `SECRET_SALT_PREVIOUS` encrypted. Where there is no key, one is made, unless there are secrets that only another
/// can open.
pub async fn vault(config: &Config, secrets: &dyn SecretRepository) -> Result<SecretVault, Failure> {
    let stored = stored(&config.data_dir)?;
    let found = page(secrets, None).await?;
    let keys = match stored {
        Some(keys) => keys,
        None if config.secret_salt.is_some() => Vec::new(),
        None => vec![first_key(config, secrets).await?],
    };
    let vault = with_keys(config, keys)?;
    let unreadable = unreadable(&vault, &found);
    if unreadable > 0 {
        log::warn!(
            "of {} secrets that were looked at {unreadable} cannot be read with the keys of this server, and their agents fail: put the \
             key from before into {} as a further line, or its salt into SECRET_SALT_PREVIOUS, or give these secrets again",
            found.len(),
            config.data_dir.join(FILE).display()
        );
    }
    Ok(vault)
}

/// The secrets after this one.
async fn page(secrets: &dyn SecretRepository, after: Option<(AgentId, String)>) -> Result<Vec<(AgentId, SealedSecret)>, Failure> {
    let found = secrets.page(after, LOOKED_AT).await;
    found.map_err(|error| Failure::new(Exit::Database, "the agents' secrets cannot be read").because(error))
}

fn with_keys(config: &Config, keys: Vec<[u8; KEY_BYTES]>) -> Result<SecretVault, Failure> {
    let mut keys = keys.into_iter();
    let vault = match (&config.secret_salt, &config.old_secret_salt) {
        (Some(salt), _) => SecretVault::with_passphrase(salt),
        (None, _) => keys.next().map(SecretVault::with_key).ok_or_else(|| damaged(&config.data_dir))?,
    };
    let vault = config.old_secret_salt.iter().fold(vault, SecretVault::and_opens_with);
    Ok(keys.fold(vault, SecretVault::and_opens))
}

/// A vault that reads what elizaOS encrypted, by the salts of these settings, and keeps nothing: no key is read or made.
pub fn reader(config: &Config) -> SecretVault {
    let vault = config.secret_salt.as_ref().map_or_else(|| SecretVault::with_key([0; KEY_BYTES]), SecretVault::with_passphrase);
    config.old_secret_salt.iter().fold(vault, SecretVault::and_opens_with)
}

/// A vault that opens with the keys in the text of a key file; `None` where it has none. Lines that are no keys are passed over.
pub(crate) fn of_text(text: &[u8]) -> Option<SecretVault> {
    let mut keys = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(line.trim_ascii(), &mut key).is_ok().then_some(key)
    });
    let first = SecretVault::with_key(keys.next()?);
    Some(keys.fold(first, SecretVault::and_opens))
}

/// How many of these secrets no key opens.
fn unreadable(vault: &SecretVault, secrets: &[(AgentId, SealedSecret)]) -> usize {
    secrets.iter().filter(|(agent, sealed)| vault.open(*agent, sealed).is_err()).count()
}

/// Makes the file with a random key. Another key in its place would hide that the one which opens a secret is lost.
async fn first_key(config: &Config, secrets: &dyn SecretRepository) -> Result<[u8; KEY_BYTES], Failure> {
    let path = config.data_dir.join(FILE);
    let (reader, mut after) = (reader(config), None);
    loop {
        let found = page(secrets, after.take()).await?;
        let Some((agent, last)) = found.last() else { break };
        if unreadable(&reader, &found) > 0 {
            return Err(missing(&path));
        }
        after = Some((*agent, last.name.clone()));
    }
    private_file::new_key(&path).map_err(|error| unusable(&config.data_dir, "cannot be made").because(error))
}

fn missing(path: &Path) -> Failure {
    let path = path.display();
    Failure::new(
        Exit::DataDir,
        format!(
            "the key file {path} is missing, and the database has secrets of agents that cannot be read without it: put it back from \
             where you keep it, or set SECRET_SALT as it was; to go on without these secrets, put a new key there (openssl rand \
             -hex 32 > {path}) and give them to the agents again"
        ),
    )
}

/// The keys of the file, one a line, the one that encrypts first; `None` where there is no file.
fn stored(data_dir: &Path) -> Result<Option<Vec<[u8; KEY_BYTES]>>, Failure> {
    let text = match std::fs::read_to_string(data_dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(data_dir, "cannot be read").because(error)),
    };
    let decode = |line: &str| {
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(line, &mut key).map(|()| key).map_err(|_| damaged(data_dir))
    };
    let keys: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(decode).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(damaged(data_dir)) } else { Ok(Some(keys)) }
}

/// The key file of the running server, whose first key encrypts.
pub struct KeyFile {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether the key that encrypts follows from `SECRET_SALT`, and so is not in the file.
    pub salted: bool,
    /// What encrypts with it.
    pub vault: Arc<SecretVault>,
    /// What tells whether the data directory still is that of the start.
    pub identity: DirectoryIdentity,
}

impl KeyFile {
    /// The key file by these settings.
    pub fn of(config: &Config, vault: &Arc<SecretVault>, identity: DirectoryIdentity) -> Self {
        Self { data_dir: config.data_dir.clone(), salted: config.secret_salt.is_some(), vault: Arc::clone(vault), identity }
    }

    fn stored(&self) -> ServiceResult<Vec<[u8; KEY_BYTES]>> {
        let stored = stored(&self.data_dir).map_err(|failure| ServiceError::Internal(failure.story().into()))?;
        Ok(stored.unwrap_or_default())
    }

    /// Writes the file, if the directory is the server's still: the file of another server has the only keys to that one's secrets.
    fn write<'k>(&self, keys: impl Iterator<Item = &'k [u8; KEY_BYTES]>) -> ServiceResult<()> {
        let lines: Vec<String> = keys.map(hex::encode).collect();
        if let Some(loss) = self.identity.loss().map_err(private_file::refused)? {
            log::error!("no key is written to {}, which is not this server's data directory any more: {loss}", self.data_dir.display());
            return Err(ServiceError::conflict("The data directory of the server was moved, removed or replaced: no key is written there"));
        }
        private_file::write(&self.data_dir.join(FILE), &lines.join("\n")).map_err(private_file::refused)
    }
}

#[async_trait]
impl SealingKey for KeyFile {
    async fn renew(&self) -> ServiceResult<bool> {
        if self.salted {
            return Ok(false);
        }
        let before = self.stored()?;
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| ServiceError::Internal(Box::new(error)))?;
        // On disk before anything is encrypted with it.
        self.write(std::iter::once(&key).chain(&before))?;
        self.vault.renew(key);
        Ok(true)
    }

    async fn forget_old(&self) -> ServiceResult<()> {
        if !self.salted {
            let keys = self.stored()?;
            if !keys.iter().any(|key| self.vault.use_of(*key) == Some(KeyUse::Seal)) {
                return Err(ServiceError::Internal("the key file lacks the key that encrypts; nothing of it is removed".into()));
            }
            // What is not known here was put there by somebody else, for something.
            self.write(keys.iter().filter(|key| self.vault.use_of(**key) != Some(KeyUse::Open)))?;
        }
        self.vault.forget_old();
        Ok(())
    }
}

fn damaged(data_dir: &Path) -> Failure {
    unusable(data_dir, "is damaged: each line must hold 64 hex digits")
}

fn unusable(data_dir: &Path, message: &str) -> Failure {
    let path = data_dir.join(FILE);
    Failure::new(Exit::DataDir, format!("the key file {} {message}; without it the agents' secrets cannot be read", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    use core_types::{Secret, StoreResult};

    use crate::config::{SettingId, Sources};
    use crate::lock::DataLock;

    /// Secrets that are there already.
    #[derive(Default)]
    struct Kept(Vec<(AgentId, SealedSecret)>);

    #[async_trait]
    impl SecretRepository for Kept {
        async fn list(&self, _agent: AgentId) -> StoreResult<Vec<SealedSecret>> {
            Ok(Vec::new())
        }

        async fn page(&self, after: Option<(AgentId, String)>, limit: u32) -> StoreResult<Vec<(AgentId, SealedSecret)>> {
            let is_behind =
                |(agent, sealed): &&(_, SealedSecret)| after.as_ref().is_none_or(|after| (*agent, &sealed.name) > (after.0, &after.1));
            Ok(self.0.iter().filter(is_behind).take(usize::try_from(limit).unwrap()).cloned().collect())
        }

        async fn reseal(&self, _agent: AgentId, _was: SealedSecret, _now: Vec<u8>) -> StoreResult<bool> {
            Ok(false)
        }
    }

    fn config(data_dir: &Path, settings: &[(SettingId, &str)]) -> Config {
        let mut sources = Sources { working_dir: data_dir.to_owned(), ..Sources::default() };
        sources.flags.insert(SettingId::DataDir, data_dir.to_string_lossy().into_owned());
        sources.environment.extend(settings.iter().map(|(id, value)| (*id, (*value).to_owned())));
        Config::load(&sources).unwrap()
    }

    async fn without_secrets(config: &Config) -> Result<SecretVault, Failure> {
        vault(config, &Kept::default()).await
    }

    fn lines(data_dir: &Path) -> Vec<String> {
        std::fs::read_to_string(data_dir.join(FILE)).unwrap().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn the_key_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), &[]);
        without_secrets(&config).await.unwrap();
        let first = stored(directory.path()).unwrap().unwrap();
        without_secrets(&config).await.unwrap();
        assert_eq!(stored(directory.path()).unwrap().unwrap(), first);
        assert_ne!(first, [[0; KEY_BYTES]]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_damaged_key_is_refused_and_not_replaced() {
        for text in ["short", "", "\n", &format!("{}\nshort", "ab".repeat(KEY_BYTES))] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(FILE), text).unwrap();
            assert_eq!(without_secrets(&config(directory.path(), &[])).await.unwrap_err().exit, Exit::DataDir);
            assert_eq!(std::fs::read_to_string(directory.path().join(FILE)).unwrap(), text);
        }
    }

    /// The vault by these settings, with the keys that there are.
    fn opened(data_dir: &Path, settings: &[(SettingId, &str)]) -> SecretVault {
        with_keys(&config(data_dir, settings), stored(data_dir).unwrap().unwrap_or_default()).unwrap()
    }

    #[tokio::test]
    async fn a_key_that_is_missed_is_not_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (agent, secret) = (AgentId::of_name("A"), Secret::new("s"));
        let unsalted = config(directory.path(), &[]);
        let sealed = without_secrets(&unsalted).await.unwrap().seal(agent, "KEY", &secret).unwrap();
        let kept = Kept(vec![(agent, sealed.clone())]);
        std::fs::remove_file(directory.path().join(FILE)).unwrap();
        let refused = vault(&unsalted, &kept).await.unwrap_err();
        assert_eq!(refused.exit, Exit::DataDir);
        assert!(refused.message.contains("is missing") && refused.message.contains("openssl rand"), "{refused}");
        assert!(!directory.path().join(FILE).exists());

        // What a salt encrypted needs no file, nor does the way from a salt to a file.
        let one = config(directory.path(), &[(SettingId::SecretSalt, "one")]);
        let by_salt = vault(&one, &kept).await.unwrap().seal(agent, "KEY", &secret).unwrap();
        let salted = Kept(vec![(agent, by_salt.clone())]);
        assert_eq!(vault(&one, &salted).await.unwrap().open(agent, &by_salt), Ok(secret.clone()));
        assert_eq!(vault(&unsalted, &salted).await.unwrap_err().exit, Exit::DataDir);
        assert!(!directory.path().join(FILE).exists());
        let moving = config(directory.path(), &[(SettingId::OldSecretSalt, "one")]);
        assert_eq!(vault(&moving, &salted).await.unwrap().open(agent, &by_salt), Ok(secret));
        assert_eq!(lines(directory.path()).len(), 1);

        // Whoever puts another key there goes on without.
        let vault = vault(&unsalted, &kept).await.unwrap();
        assert!(vault.open(agent, &sealed).is_err());
    }

    #[tokio::test]
    async fn no_key_is_written_where_the_directory_is_not_the_servers_any_more() {
        let temporary = tempfile::tempdir().unwrap();
        let (data, aside) = (temporary.path().join("data"), temporary.path().join("aside"));
        std::fs::create_dir(&data).unwrap();
        let lock = DataLock::take(&data).unwrap();
        let config = config(&data, &[]);
        let vault = Arc::new(without_secrets(&config).await.unwrap());
        let key = KeyFile::of(&config, &vault, lock.identity());
        assert!(key.renew().await.unwrap());
        let own = lines(&data);
        assert_eq!(own.len(), 2);

        std::fs::rename(&data, &aside).unwrap();
        std::fs::create_dir(&data).unwrap();
        let other = "cd".repeat(KEY_BYTES);
        std::fs::write(data.join(FILE), &other).unwrap();
        for refused in [key.renew().await.map(drop), key.forget_old().await] {
            assert!(refused.is_err(), "the file is another server's");
        }
        assert!(matches!(key.renew().await, Err(ServiceError::Conflict { .. })));
        assert_eq!((lines(&data), lines(&aside)), (vec![other], own));
    }

    #[tokio::test]
    async fn only_keys_that_are_known_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DataLock::take(directory.path()).unwrap();
        let config = config(directory.path(), &[]);
        let vault = Arc::new(without_secrets(&config).await.unwrap());
        let key = KeyFile::of(&config, &vault, lock.identity());
        let first = lines(directory.path());
        assert!(key.renew().await.unwrap());
        // Somebody adds a key by hand meanwhile.
        let added = "ef".repeat(KEY_BYTES);
        let path = directory.path().join(FILE);
        std::fs::write(&path, format!("{}\n{added}", std::fs::read_to_string(&path).unwrap())).unwrap();
        key.forget_old().await.unwrap();
        let left = lines(directory.path());
        assert!(left.len() == 2 && left[1] == added && left[0] != first[0], "{left:?}");

        // Where the key that encrypts is not there, nothing is removed.
        std::fs::write(&path, format!("{added}\n{}", first[0])).unwrap();
        key.forget_old().await.unwrap_err();
        assert_eq!(lines(directory.path()), [added, first[0].clone()]);
    }

    #[tokio::test]
    async fn what_earlier_keys_and_salts_encrypted_is_still_read() {
        let directory = tempfile::tempdir().unwrap();
        let (agent, secret) = (AgentId::of_name("A"), Secret::new("s"));
        without_secrets(&config(directory.path(), &[])).await.unwrap();
        let vault = |settings: &[(SettingId, &str)]| opened(directory.path(), settings);
        let by_file = vault(&[]).seal(agent, "KEY", &secret).unwrap();
        let by_salt = vault(&[(SettingId::SecretSalt, "one")]).seal(agent, "KEY", &secret).unwrap();
        let with_both = vault(&[(SettingId::SecretSalt, "two"), (SettingId::OldSecretSalt, "one")]);
        for sealed in [&by_file, &by_salt] {
            assert_eq!(with_both.open(agent, sealed), Ok(secret.clone()));
        }
        assert!(vault(&[(SettingId::SecretSalt, "two")]).open(agent, &by_salt).is_err());

        // A new first line encrypts from then on; the line below still opens.
        let path = directory.path().join(FILE);
        let lines = format!("{}\n{}\n", "ab".repeat(KEY_BYTES), std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, lines).unwrap();
        let rotated = vault(&[]);
        assert_eq!(rotated.open(agent, &by_file), Ok(secret.clone()));
        let by_new = rotated.seal(agent, "KEY", &secret).unwrap();
        std::fs::write(&path, "ab".repeat(KEY_BYTES)).unwrap();
        assert_eq!((vault(&[]).open(agent, &by_new), vault(&[]).open(agent, &by_file).is_err()), (Ok(secret), true));
    }
}
