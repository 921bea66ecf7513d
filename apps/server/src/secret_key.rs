//! The key under which agents' secrets are kept: derived from `SECRET_SALT` where that is set, else a random key in a
//! file of the data directory.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use auth::{KEY_BYTES, SecretVault};
use core_types::error::Source;
use core_types::secrets::SealingKey;

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::private_file;

/// The name of the key file in the data directory.
pub const FILE: &str = "secret.key";

/// The vault by these settings: it encrypts under `SECRET_SALT`, else under the first key of the key file, which is made
/// where there is none; it also opens what any other key of the file or `SECRET_SALT_PREVIOUS` encrypted.
pub fn vault(config: &Config) -> Result<SecretVault, Failure> {
    let keys = match &config.secret_salt {
        Some(_) => stored(&config.data_dir)?.unwrap_or_default(),
        None => keys(&config.data_dir)?,
    };
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

/// The keys of the file, which is made with a random one where there is none.
fn keys(data_dir: &Path) -> Result<Vec<[u8; KEY_BYTES]>, Failure> {
    if let Some(keys) = stored(data_dir)? {
        return Ok(keys);
    }
    let key = private_file::new_key(&data_dir.join(FILE)).map_err(|error| unusable(data_dir, "cannot be made").because(error))?;
    Ok(vec![key])
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
}

impl KeyFile {
    fn path(&self) -> PathBuf {
        self.data_dir.join(FILE)
    }
}

#[async_trait]
impl SealingKey for KeyFile {
    async fn renew(&self) -> Result<bool, Source> {
        if self.salted {
            return Ok(false);
        }
        let before = stored(&self.data_dir).map_err(|failure| failure.story())?.unwrap_or_default();
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key)?;
        let lines: Vec<String> = std::iter::once(key).chain(before).map(hex::encode).collect();
        // On disk before anything is encrypted with it.
        private_file::write(&self.path(), &lines.join("\n"))?;
        self.vault.renew(key);
        Ok(true)
    }

    async fn forget_old(&self) -> Result<(), Source> {
        let keys = stored(&self.data_dir).map_err(|failure| failure.story())?.unwrap_or_default();
        if !self.salted
            && let Some(first) = keys.first()
        {
            private_file::write(&self.path(), &hex::encode(first))?;
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

    use core_types::secrets::Vault as _;
    use core_types::{AgentId, Secret};

    use crate::config::{SettingId, Sources};

    fn config(data_dir: &Path, settings: &[(SettingId, &str)]) -> Config {
        let mut sources = Sources { working_dir: data_dir.to_owned(), ..Sources::default() };
        sources.flags.insert(SettingId::DataDir, data_dir.to_string_lossy().into_owned());
        sources.environment.extend(settings.iter().map(|(id, value)| (*id, (*value).to_owned())));
        Config::load(&sources).unwrap()
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let first = keys(directory.path()).unwrap();
        assert_eq!(keys(directory.path()).unwrap(), first);
        assert_ne!(first, [[0; KEY_BYTES]]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        for text in ["short", "", "\n", &format!("{}\nshort", "ab".repeat(KEY_BYTES))] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(FILE), text).unwrap();
            assert_eq!(keys(directory.path()).unwrap_err().exit, Exit::DataDir);
            assert_eq!(std::fs::read_to_string(directory.path().join(FILE)).unwrap(), text);
        }
    }

    #[test]
    fn what_earlier_keys_and_salts_encrypted_is_still_read() {
        let directory = tempfile::tempdir().unwrap();
        let (agent, secret) = (AgentId::of_name("A"), Secret::new("s"));
        let vault = |settings: &[(SettingId, &str)]| super::vault(&config(directory.path(), settings)).unwrap();
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
