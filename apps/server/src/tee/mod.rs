//! What attests this server, and the key that signs what it says.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use ::tee::{Configfs, Simulator};
use auth::{KEY_BYTES, SigningKey};
use core_types::tee::Attestor;
use domain::Enclave;

use crate::config::{Config, TeeConfig, TeeMode};
use crate::exit::{Exit, Failure};
use crate::private_file;

pub mod verify;

/// The name of the key file in the data directory.
pub const FILE: &str = "tee.key";
/// The same where evidence is made up: such a key has been outside of hardware that protects it, and must never be vouched for.
pub const SIMULATED_FILE: &str = "tee-simulated.key";

/// What attests by these settings, with evidence about the key, which is made where there is none; `None` where nothing should.
pub async fn enclave(config: &Config) -> Result<Option<Enclave>, Failure> {
    let Some(attestor) = attestor(&config.tee)? else { return Ok(None) };
    let file = if attestor.is_simulated() { SIMULATED_FILE } else { FILE };
    let key = key(&config.data_dir.join(file))?;
    let described = attestor.describe();
    let entered = Enclave::enter(attestor, Arc::new(key)).await;
    entered.map(Some).map_err(|error| {
        let advice = "this must be a confidential machine, and the server must be let to its attestor; or set TEE_MODE=off";
        Failure::new(Exit::Failure, format!("there is no evidence from {described}; {advice}")).because(error)
    })
}

fn attestor(config: &TeeConfig) -> Result<Option<Arc<dyn Attestor>>, Failure> {
    Ok(match config.mode {
        TeeMode::Off => None,
        TeeMode::Dstack => Some(dstack(&config.dstack_socket)?),
        TeeMode::Configfs => Some(Arc::new(Configfs::new(config.configfs_dir.clone()))),
        TeeMode::Simulator => Some(Arc::new(Simulator)),
    })
}

#[cfg(unix)]
fn dstack(socket: &Path) -> Result<Arc<dyn Attestor>, Failure> {
    let dstack = ::tee::Dstack::new(socket.to_owned());
    let dstack = dstack.map_err(|error| Failure::new(Exit::Failure, "the client of the guest agent cannot be set up").because(error))?;
    Ok(Arc::new(dstack))
}

#[cfg(not(unix))]
fn dstack(_socket: &Path) -> Result<Arc<dyn Attestor>, Failure> {
    Err(Failure::new(Exit::Usage, "TEE_MODE=dstack needs a system with sockets in its file system"))
}

/// The key of the file, which is made with a random seed where there is none.
fn key(path: &Path) -> Result<SigningKey, Failure> {
    let mut seed = [0; KEY_BYTES];
    match std::fs::read_to_string(path) {
        Ok(text) => hex::decode_to_slice(text.trim(), &mut seed).map_err(|_| unusable(path, "is damaged: it must hold 64 hex digits"))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // What was signed with a key that is lost with the power has no successor.
            seed = private_file::new_key(path).map_err(|error| unusable(path, "cannot be made").because(error))?;
        }
        Err(error) => return Err(unusable(path, "cannot be read").because(error)),
    }
    SigningKey::from_seed(&seed).map_err(|error| unusable(path, "makes no key").because(error))
}

fn unusable(path: &Path, what: &str) -> Failure {
    Failure::new(Exit::DataDir, format!("the key file {} {what}; what the server attests is signed with it", path.display()))
}

#[cfg(test)]
mod tests {
    use core_types::tee::Signer as _;

    use super::*;
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
        let path = directory.path().join(FILE);
        let first = key(&path).unwrap().public_key();
        assert_eq!(key(&path).unwrap().public_key(), first);
        assert_ne!(key(&directory.path().join(SIMULATED_FILE)).unwrap().public_key(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        for text in ["", "short", &"xy".repeat(KEY_BYTES)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(key(&path).unwrap_err().exit, Exit::DataDir);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[tokio::test]
    async fn the_mode_says_what_attests_and_simulated_keys_stay_apart() {
        let directory = tempfile::tempdir().unwrap();
        assert!(enclave(&config(directory.path(), &[])).await.unwrap().is_none());
        assert!(enclave(&config(directory.path(), &[(SettingId::TeeMode, "off")])).await.unwrap().is_none());
        let simulated = enclave(&config(directory.path(), &[(SettingId::TeeMode, "simulator")])).await.unwrap().unwrap();
        assert!(simulated.describe().starts_with("SIMULATED"));
        assert!(directory.path().join(SIMULATED_FILE).exists() && !directory.path().join(FILE).exists());
    }

    #[tokio::test]
    async fn an_attestor_that_is_not_there_ends_the_start_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("nowhere");
        let nowhere = nowhere.to_str().unwrap();
        for (mode, setting) in [("dstack", SettingId::DstackSocket), ("configfs", SettingId::ConfigfsDir)] {
            let config = config(directory.path(), &[(SettingId::TeeMode, mode), (setting, nowhere)]);
            let Err(failure) = enclave(&config).await else { panic!("{mode} attests") };
            assert_eq!(failure.exit, Exit::Failure);
            let story = failure.story();
            assert!(story.contains("TEE_MODE=off") && story.contains("nowhere") && story.contains("because: "), "{story}");
        }
    }
}
