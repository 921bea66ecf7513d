//! The key under which agents' secrets are kept: derived from `SECRET_SALT` where that is set, else a random key in a
//! file of the data directory.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use auth::{KEY_BYTES, SecretVault};

use crate::config::Config;
use crate::exit::{Exit, Failure};

/// The name of the key file in the data directory.
pub const FILE: &str = "secret.key";

/// The vault by these settings. Makes the key file where there is none.
pub fn vault(config: &Config) -> Result<SecretVault, Failure> {
    match &config.secret_salt {
        Some(salt) => Ok(SecretVault::with_passphrase(salt)),
        None => key(&config.data_dir).map(SecretVault::with_key),
    }
}

fn key(data_dir: &Path) -> Result<[u8; KEY_BYTES], Failure> {
    let path = data_dir.join(FILE);
    let unusable = |message: &str| {
        Failure::new(Exit::DataDir, format!("the key file {} {message}; without it the agents' secrets cannot be read", path.display()))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let mut key = [0; KEY_BYTES];
            hex::decode_to_slice(text.trim(), &mut key).map_err(|_| unusable("is damaged: it must hold 64 hex digits"))?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut key = [0; KEY_BYTES];
            getrandom::fill(&mut key).map_err(|error| unusable("cannot be made").because(error))?;
            write(&path, &hex::encode(key)).map_err(|error| unusable("cannot be written").because(error))?;
            Ok(key)
        }
        Err(error) => Err(unusable("cannot be read").because(error)),
    }
}

/// Writes a file that is whole or not there, for its owner only. A key that was used must not be lost with the power.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let partial = path.with_added_extension("partial");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let first = key(directory.path()).unwrap();
        assert_eq!(key(directory.path()).unwrap(), first);
        assert_ne!(first, [0; KEY_BYTES]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "short").unwrap();
        assert_eq!(key(directory.path()).unwrap_err().exit, Exit::DataDir);
        assert_eq!(std::fs::read_to_string(directory.path().join(FILE)).unwrap(), "short");
    }
}
