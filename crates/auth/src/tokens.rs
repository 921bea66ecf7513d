//! Bearer tokens that somebody else issued: JSON Web Tokens, by a shared secret, a public key or a set of public keys
//! (contract §3.12).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use core_types::ids::string_to_uuid;
use core_types::{Credential, EntityId, MessageServerId, Permission, Reach, Secret, Tenant, Timestamp};
use derive_more::{Display, Error};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use parking_lot::RwLock;
use serde::Deserialize;

use crate::ring_provider;

/// The most bytes of a token.
const MAX_TOKEN: usize = 8 * 1024;
/// The most bytes of a subject or an issuer.
const MAX_CLAIM: usize = 255;
/// The most message servers that a token names.
const MAX_SERVERS: usize = 100;
/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// How far clocks may be apart, in milliseconds.
const LEEWAY: i64 = 60_000;
/// What comes before the 32 bytes of an Ed25519 key in its DER form (RFC 8410).
const ED25519_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What a subject may do where its token says nothing of it: see agents and talk with them.
const USUAL: [Permission; 3] = [Permission::AgentsRead, Permission::MessagesRead, Permission::MessagesWrite];

/// Why keys for tokens cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
pub enum InvalidTokenKey {
    /// It is no Ed25519 public key in PEM.
    #[display("no Ed25519 public key: it must be PEM, `-----BEGIN PUBLIC KEY-----` and so on")]
    Ed25519,
    /// It is no JSON Web Key Set with a key that can be used.
    #[display("no JSON Web Key Set with a signature key for RS256, ES256 or EdDSA")]
    KeySet,
    /// The secret is so short that it can be guessed.
    #[display("the secret must have at least 32 bytes")]
    ShortSecret,
}

/// Which tokens are taken.
#[derive(Debug, Clone, Default)]
pub struct TokenSettings {
    /// An Ed25519 public key in PEM.
    pub ed25519: Option<String>,
    /// A shared secret for HS256, of at least 32 bytes.
    pub secret: Option<Secret>,
    /// Whether a set of public keys will be handed in.
    pub key_set: bool,
    /// Who may have issued a token; anyone with a key where empty.
    pub issuers: Vec<String>,
}

/// Verifies tokens. What kind of key a token needs is told by its header, but each kind of key takes its own algorithms only.
pub struct Tokens {
    ed25519: Option<DecodingKey>,
    secret: Option<DecodingKey>,
    set: RwLock<HashMap<String, (Algorithm, DecodingKey)>>,
    has_set: bool,
    issuers: Vec<String>,
    /// Whether a token named a key that the set has not.
    missed: AtomicBool,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    scope: Option<String>,
    servers: Option<Vec<MessageServerId>>,
}

impl Tokens {
    /// Takes tokens by these settings; `None` where they name no key.
    pub fn new(settings: &TokenSettings) -> Result<Option<Self>, InvalidTokenKey> {
        ring_provider::install();
        if settings.secret.as_ref().is_some_and(|secret| secret.reveal().len() < 32) {
            return Err(InvalidTokenKey::ShortSecret);
        }
        let ed25519 = settings.ed25519.as_deref().map(ed25519_key).transpose()?;
        let secret = settings.secret.as_ref().map(|secret| DecodingKey::from_secret(secret.reveal().as_bytes()));
        if ed25519.is_none() && secret.is_none() && !settings.key_set {
            return Ok(None);
        }
        let (has_set, issuers) = (settings.key_set, settings.issuers.clone());
        Ok(Some(Self { ed25519, secret, set: RwLock::default(), has_set, issuers, missed: AtomicBool::new(false) }))
    }

    /// Replaces the set of public keys by a JSON Web Key Set; returns how many of its keys can be used.
    pub fn replace_set(&self, json: &[u8]) -> Result<usize, InvalidTokenKey> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|_| InvalidTokenKey::KeySet)?;
        let usable = set.keys.iter().take(MAX_KEYS).filter_map(|key| {
            let id = key.common.key_id.clone().unwrap_or_default();
            let algorithm = algorithm_of(key)?;
            Some((id, (algorithm, DecodingKey::from_jwk(key).ok()?)))
        });
        let keys: HashMap<_, _> = usable.collect();
        if keys.is_empty() {
            return Err(InvalidTokenKey::KeySet);
        }
        let count = keys.len();
        *self.set.write() = keys;
        Ok(count)
    }

    /// Whether a token named a key that the set has not since this was asked last: the set may have changed.
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }

    /// Who presents this token.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<Credential> {
        if token.len() > MAX_TOKEN || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return None;
        }
        let header = decode_header(token).ok()?;
        // What must be understood (RFC 7515, section 4.1.11) is not: no extension is known here.
        if header.crit.is_some() {
            return None;
        }
        let claims = match header.alg {
            Algorithm::HS256 => claims(token, self.secret.as_ref()?, Algorithm::HS256),
            algorithm => {
                let fixed = self.ed25519.as_ref().filter(|_| algorithm == Algorithm::EdDSA);
                fixed
                    .and_then(|key| claims(token, key, algorithm))
                    .or_else(|| self.by_set(token, &header.kid.unwrap_or_default(), algorithm))
            }
        }?;
        self.credential(claims, now)
    }

    fn by_set(&self, token: &str, id: &str, algorithm: Algorithm) -> Option<Claims> {
        let set = self.set.read();
        let Some((of_key, key)) = set.get(id) else {
            self.missed.fetch_or(self.has_set, Ordering::Relaxed);
            return None;
        };
        (*of_key == algorithm).then(|| claims(token, key, algorithm)).flatten()
    }

    fn credential(&self, claims: Claims, now: Timestamp) -> Option<Credential> {
        let expires_at = millis(claims.exp)?.checked_add(LEEWAY)?;
        let not_before = claims.nbf.map_or(Some(i64::MIN), |at| millis(at)?.checked_sub(LEEWAY))?;
        let issuer = claims.iss.unwrap_or_default();
        let issuer_is_known = self.issuers.is_empty() || self.issuers.contains(&issuer);
        let in_bounds = (1..=MAX_CLAIM).contains(&claims.sub.len()) && issuer.len() <= MAX_CLAIM;
        if now.millis() >= expires_at || now.millis() < not_before || !issuer_is_known || !in_bounds {
            return None;
        }
        let permissions = match &claims.scope {
            // A scope that is nobody's to give, or of another service, gives nothing.
            Some(scopes) => scopes.split(' ').filter_map(Permission::of_scope).collect(),
            None => USUAL.to_vec(),
        };
        let mut servers = claims.servers.unwrap_or_default();
        servers.truncate(MAX_SERVERS);
        let reach = Reach { tenant: tenant(&issuer, &claims.sub)?, servers, person: Some(person(&claims.sub)) };
        Some(Credential { key: None, permissions, reach, expires_at: Some(expires_at) })
    }
}

/// The person that a subject is, as elizaOS derives it.
fn person(subject: &str) -> EntityId {
    string_to_uuid(subject).into()
}

/// Subjects of two issuers are two tenants, whatever their names; and none is the tenant of a key.
fn tenant(issuer: &str, subject: &str) -> Option<Tenant> {
    Tenant::new(&format!("{}{}", core_types::keys::SUBJECTS, string_to_uuid(&format!("{}:{issuer}{subject}", issuer.len()))))
}

/// The claims of a token whose signature is right. Times are looked at elsewhere, by the clock that was handed in.
fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Claims>(token, key, &validation).ok().map(|decoded| decoded.claims)
}

/// Seconds of a claim in milliseconds; `None` where no clock could show them.
fn millis(seconds: f64) -> Option<i64> {
    let millis = seconds * 1e3;
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds that were just checked")]
    (millis.is_finite() && millis.abs() < 1e15).then_some(millis as i64)
}

/// What a key of a set is for. A key never serves two algorithms.
fn algorithm_of(key: &jsonwebtoken::jwk::Jwk) -> Option<Algorithm> {
    use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, PublicKeyUse};
    if key.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return None;
    }
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// An Ed25519 public key in PEM, as `openssl pkey -pubout` writes it. Line breaks may be written as `\n`, as in `.env` files.
fn ed25519_key(pem: &str) -> Result<DecodingKey, InvalidTokenKey> {
    let text = pem.replace("\\n", "\n");
    let inner = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----").and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let inner: String = inner.ok_or(InvalidTokenKey::Ed25519)?.split_whitespace().collect();
    let der = STANDARD.decode(inner).map_err(|_| InvalidTokenKey::Ed25519)?;
    let key = der.strip_prefix(&ED25519_DER).filter(|key| key.len() == 32).ok_or(InvalidTokenKey::Ed25519)?;
    DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(key)).map_err(|_| InvalidTokenKey::Ed25519)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
