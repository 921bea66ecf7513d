use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SECRET: &str = "a secret of at least thirty-two bytes";

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn by_secret(secret: &str) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"sub": "eliza:ada", "exp": 1_700_000_100, "iss": "eliza-server"});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn hs256(claims: &Value) -> String {
    token(&json!({"alg": "HS256", "typ": "JWT"}), claims, by_secret(SECRET))
}

fn tokens(settings: &TokenSettings) -> Tokens {
    Tokens::new(settings).unwrap().unwrap()
}

fn with_secret() -> TokenSettings {
    TokenSettings { secret: Some(Secret::new(SECRET)), ..TokenSettings::default() }
}

fn ed25519() -> (Ed25519KeyPair, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let der = [ED25519_DER.as_slice(), pair.public_key().as_ref()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    (pair, pem)
}

#[test]
fn a_subject_is_a_person_and_a_tenant_of_its_own() {
    let tokens = tokens(&with_secret());
    let ada = tokens.verify(&hs256(&claims(&json!({}))), NOW).unwrap();
    assert_eq!(ada.reach.person, Some(string_to_uuid("eliza:ada").into()));
    assert_eq!(ada.permissions, USUAL);
    let others = [json!({"sub": "eliza:bob"}), json!({"iss": "another"}), json!({"sub": "ada", "iss": "eliza-servereliza:"})];
    for other in others {
        let other = tokens.verify(&hs256(&claims(&other)), NOW).unwrap();
        assert_ne!(other.reach.tenant, ada.reach.tenant);
    }
}

#[test]
fn scopes_and_servers_are_taken_from_the_token_and_the_owners_is_not() {
    let server = string_to_uuid("a server");
    let more = json!({"scope": "agents:read system:manage openid", "servers": [server]});
    let credential = tokens(&with_secret()).verify(&hs256(&claims(&more)), NOW).unwrap();
    assert_eq!(credential.permissions, [Permission::AgentsRead]);
    assert_eq!(credential.reach.servers, [MessageServerId::new(server)]);
}

#[test]
fn times_and_issuers_are_looked_at() {
    let tokens = tokens(&TokenSettings { issuers: vec!["eliza-server".to_owned()], ..with_secret() });
    let seconds = NOW.millis() / 1_000;
    for (more, taken) in [
        (json!({}), true),
        (json!({"exp": seconds - 59}), true),
        (json!({"exp": seconds - 61}), false),
        (json!({"nbf": seconds + 59}), true),
        (json!({"nbf": seconds + 61}), false),
        (json!({"exp": 1e300}), false),
        (json!({"exp": "soon"}), false),
        (json!({"iss": "somebody else"}), false),
        (json!({"iss": null}), false),
        (json!({"sub": ""}), false),
        (json!({"sub": "x".repeat(256)}), false),
    ] {
        assert_eq!(tokens.verify(&hs256(&claims(&more)), NOW).is_some(), taken, "{more}");
    }
    let without_end = token(&json!({"alg": "HS256"}), &json!({"sub": "x", "iss": "eliza-server"}), by_secret(SECRET));
    assert!(tokens.verify(&without_end, NOW).is_none());
}

#[test]
fn a_token_that_nobody_signed_is_refused() {
    let (_, pem) = ed25519();
    let both = tokens(&TokenSettings { ed25519: Some(pem.clone()), ..with_secret() });
    let only_public = tokens(&TokenSettings { ed25519: Some(pem.clone()), ..TokenSettings::default() });
    let claims = claims(&json!({}));
    let good = hs256(&claims);
    assert!(both.verify(&good, NOW).is_some());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(&claims));
    // The public key is known to everybody, and must not serve as a secret.
    let confused = token(&json!({"alg": "HS256"}), &claims, by_secret(&pem));
    for bad in [
        unsigned,
        confused.clone(),
        token(&json!({"alg": "HS256"}), &claims, by_secret("another secret of more than 32 bytes")),
        token(&json!({"alg": "HS512"}), &claims, by_secret(SECRET)),
        token(&json!({"alg": "EdDSA"}), &claims, by_secret(SECRET)),
        token(&json!({"alg": "EdDSA", "kid": "unknown"}), &claims, |_| vec![0; 64]),
        format!("{message}."),
        format!("{message}.{}", &signature[1..]),
        format!("x{good}"),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "x".repeat(MAX_TOKEN + 1),
    ] {
        assert!(both.verify(&bad, NOW).is_none(), "{bad}");
    }
    assert!(only_public.verify(&confused, NOW).is_none() && only_public.verify(&good, NOW).is_none());
}

#[test]
fn a_token_with_extensions_that_must_be_understood_is_refused() {
    let tokens = tokens(&with_secret());
    let with_header = |header: &Value| tokens.verify(&token(header, &claims(&json!({})), by_secret(SECRET)), NOW);
    assert!(with_header(&json!({"alg": "HS256", "b64": true})).is_some());
    for critical in [json!(["b64"]), json!(["exp"]), json!([]), json!("b64"), json!([7])] {
        assert!(with_header(&json!({"alg": "HS256", "b64": true, "crit": critical})).is_none(), "{critical}");
    }
}

#[test]
fn an_ed25519_key_is_read_from_pem_with_line_breaks_of_either_kind() {
    let (pair, pem) = ed25519();
    let signed = token(&json!({"alg": "EdDSA"}), &claims(&json!({})), |message| pair.sign(message).as_ref().to_vec());
    for pem in [pem.clone(), pem.trim().replace('\n', "\\n")] {
        let tokens = tokens(&TokenSettings { ed25519: Some(pem), ..TokenSettings::default() });
        assert!(tokens.verify(&signed, NOW).is_some());
    }
    for bad in ["", "MCowBQYDK2VwAyEA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        let settings = TokenSettings { ed25519: Some(bad.to_owned()), ..TokenSettings::default() };
        assert_eq!(Tokens::new(&settings).err(), Some(InvalidTokenKey::Ed25519), "{bad:?}");
    }
}

#[test]
fn a_key_of_a_set_is_found_by_its_name_and_serves_its_algorithm_only() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let (ed, _) = ed25519();
    let set = json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "x": x, "y": y},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": URL_SAFE_NO_PAD.encode(ed.public_key().as_ref())},
        {"kty": "EC", "crv": "P-256", "kid": "for encryption", "use": "enc", "x": x, "y": y},
    ]});
    let tokens = tokens(&TokenSettings { key_set: true, ..TokenSettings::default() });
    let es256 = |kid: &str| {
        token(&json!({"alg": "ES256", "kid": kid}), &claims(&json!({})), |message| pair.sign(&random, message).unwrap().as_ref().to_vec())
    };
    assert!(tokens.verify(&es256("ec"), NOW).is_none());
    assert!(tokens.take_missed() && !tokens.take_missed());
    assert_eq!(tokens.replace_set(set.to_string().as_bytes()), Ok(2));
    assert!(tokens.verify(&es256("ec"), NOW).is_some());
    assert!(tokens.verify(&es256("ed"), NOW).is_none() && tokens.verify(&es256("for encryption"), NOW).is_none());
    let eddsa = token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(&json!({})), |message| ed.sign(message).as_ref().to_vec());
    assert!(tokens.verify(&eddsa, NOW).is_some());
    for bad in ["", "{}", r#"{"keys": []}"#, r#"{"keys": [{"kty": "oct", "k": "AAAA", "kid": "s"}]}"#] {
        assert_eq!(tokens.replace_set(bad.as_bytes()), Err(InvalidTokenKey::KeySet), "{bad}");
    }
    // A set that cannot be read leaves the one before in place.
    assert!(tokens.verify(&es256("ec"), NOW).is_some());
}

#[test]
fn a_secret_that_can_be_guessed_is_refused() {
    let settings = TokenSettings { secret: Some(Secret::new("short")), ..TokenSettings::default() };
    assert_eq!(Tokens::new(&settings).err(), Some(InvalidTokenKey::ShortSecret));
    assert!(Tokens::new(&TokenSettings::default()).unwrap().is_none());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", header in "[A-Za-z0-9_-]{0,40}", claims in "[A-Za-z0-9_-]{0,80}") {
        let tokens = tokens(&with_secret());
        assert!(tokens.verify(&text, NOW).is_none());
        let shaped = format!("{header}.{claims}.AAAA");
        assert!(tokens.verify(&shaped, NOW).is_none());
    }
}
