//! Keys and tokens in the running server: read at the start, kept up to date beside the requests.

use std::sync::Arc;
use std::time::Duration;

use auth::{Keyring, TokenSettings, Tokens};
use core_types::error::chain;
use core_types::{Clock, Ids};
use domain::Keys;
use outbound::{Auth, Client, Endpoint, Limits, Method};
use persistence::Store;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clock::SystemRandomness;
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// How often it is written down when keys were shown last.
const NOTE_USES: Duration = Duration::from_mins(1);
/// How often the set of public keys is fetched anew.
const SET_AGE: Duration = Duration::from_mins(10);
/// How soon again, where a token names a key that is not in it.
const SET_PAUSE: Duration = Duration::from_secs(30);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The keyring by the settings, without the keys that the database has.
pub fn keyring(config: &Config) -> Result<Keyring, Failure> {
    let settings = TokenSettings {
        ed25519: config.tokens.ed25519.as_ref().map(|key| key.reveal().to_owned()),
        secret: config.tokens.secret.clone(),
        key_set: config.tokens.key_set.is_some(),
        issuers: config.tokens.issuers.clone(),
    };
    let tokens = Tokens::new(&settings).map_err(|error| {
        let name = match error {
            auth::InvalidTokenKey::ShortSecret => "JWT_SECRET",
            auth::InvalidTokenKey::Ed25519 => "PRIVY_VERIFICATION_KEY",
            auth::InvalidTokenKey::KeySet => "JWT_JWKS_URI",
        };
        Failure::new(Exit::Usage, format!("{name} cannot be used: {error}"))
    })?;
    Ok(Keyring::with_tokens(config.server.key.as_ref(), tokens))
}

/// Takes in the keys that the database has, and begins to note when they are shown; fetches the set of public keys where there is one,
/// and keeps it up to date.
pub async fn begin(
    store: &Store,
    (keyring, key_set): (Keyring, Option<KeySet>),
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    background: &mut JoinSet<()>,
) -> Result<Arc<Keys>, Failure> {
    let randomness = Arc::new(SystemRandomness);
    let keys = Arc::new(Keys {
        keys: store.keys(),
        keyring,
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        randomness,
        changes: Mutex::default(),
    });
    keys.load().await.map_err(|error| Failure::new(Exit::Database, "the API keys cannot be read").because(error))?;
    background.spawn(note_uses(Arc::clone(&keys)));
    if let Some(key_set) = key_set {
        key_set.fetch().await;
        background.spawn(key_set.follow());
    }
    Ok(keys)
}

/// Notes for the last time when keys were shown.
pub async fn end(keys: &Keys) {
    if let Err(error) = keys.note_uses().await {
        log::warn!("when keys were shown last is not written down: {}", chain(&error));
    }
}

/// Writes down from time to time when keys were shown last.
async fn note_uses(keys: Arc<Keys>) {
    loop {
        sleep(NOTE_USES).await;
        if let Err(error) = keys.note_uses().await {
            log::warn!("when keys were shown last cannot be written down yet: {}", chain(&error));
        }
    }
}

/// Where a set of public keys is, and who uses it.
pub struct KeySet {
    endpoint: Endpoint,
    keyring: Keyring,
}

impl KeySet {
    /// The set that the settings name.
    pub fn named(config: &Config, keyring: &Keyring) -> Result<Option<Self>, Failure> {
        let Some(url) = &config.tokens.key_set else { return Ok(None) };
        let limits = Limits { total: Duration::from_secs(10), ..Limits::default() };
        let endpoint = Client::new(limits).at(url, &Auth::None);
        let endpoint = endpoint.map_err(|error| Failure::new(Exit::Usage, "JWT_JWKS_URI cannot be addressed").because(error))?;
        Ok(Some(Self { endpoint, keyring: keyring.clone() }))
    }

    /// Fetches the set. What cannot be fetched or read leaves the one before in place.
    pub async fn fetch(&self) {
        let Some(tokens) = self.keyring.tokens() else { return };
        let answer = match self.endpoint.send(Method::Get, "", None).await {
            Ok(answer) if answer.is_success() => answer,
            Ok(answer) => return log::error!("the keys at JWT_JWKS_URI cannot be fetched: the answer has status {}", answer.status()),
            Err(error) => return log::error!("the keys at JWT_JWKS_URI cannot be fetched: {}", chain(&error)),
        };
        match tokens.replace_set(answer.body()) {
            Ok(count) => log::debug!("JWT_JWKS_URI has {count} keys"),
            Err(error) => log::error!("what is at JWT_JWKS_URI is {error}"),
        }
    }

    /// Keeps it up to date.
    pub async fn follow(self) {
        let mut age = Duration::ZERO;
        loop {
            sleep(LOOK).await;
            age += LOOK;
            let missed = || self.keyring.tokens().is_some_and(Tokens::take_missed);
            if age >= SET_AGE || age >= SET_PAUSE && missed() {
                self.fetch().await;
                age = Duration::ZERO;
            }
        }
    }
}
