//! What `PATCH /api/agents/{id}` does to an agent.

use std::collections::{HashMap, HashSet};

use core_types::agents::Agent;
use core_types::character::{self, MAX_SECRETS};
use core_types::secrets::{MASK, SealedSecret, Secret, SecretChange, Vault};
use core_types::{InvalidCode, JsonObject, ServiceError, ServiceResult, settings};
use serde_json::Value;

use super::bounds;

/// The columns that a caller may set as a whole.
const REPLACED: [&str; 13] = [
    "name",
    "username",
    "system",
    "bio",
    "lore",
    "templates",
    "messageExamples",
    "postExamples",
    "topics",
    "adjectives",
    "knowledge",
    "plugins",
    "style",
];

/// Columns that `null` sets back to their default; the others refuse it.
const REQUIRED: [&str; 2] = ["name", "bio"];

/// An agent after a patch, and what happens to its secrets.
pub(super) struct Change {
    /// The agent with the patch applied.
    pub agent: Agent,
    /// Whether all secrets are removed before the others are set.
    clears_secrets: bool,
    secrets: Vec<(String, Option<Secret>)>,
    changed: bool,
}

impl Change {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        !self.changed && !self.touches_secrets()
    }

    /// Whether secrets are set or removed.
    pub fn touches_secrets(&self) -> bool {
        self.clears_secrets || !self.secrets.is_empty()
    }

    /// The changes to the agent's secrets, encrypted, where it has these so far.
    pub fn seal_secrets(&self, kept: &[SealedSecret], vault: &dyn Vault) -> ServiceResult<Vec<SecretChange>> {
        let seal = |(name, secret): &(String, Option<Secret>)| match secret {
            None => Ok(SecretChange::Remove(name.clone())),
            Some(secret) => {
                vault.seal(self.agent.id, name, secret).map(SecretChange::Put).map_err(|error| ServiceError::Internal(Box::new(error)))
            }
        };
        let cleared = kept.iter().filter(|_| self.clears_secrets).map(|secret| Ok(SecretChange::Remove(secret.name.clone())));
        let changes = cleared.chain(self.secrets.iter().map(seal)).collect::<ServiceResult<Vec<_>>>()?;
        bounds::check_secrets(after(kept, &changes).into_values(), kept).map_err(|message| invalid(&message))?;
        Ok(changes)
    }
}

/// The secrets that there are after these changes, by name.
fn after<'s>(kept: &'s [SealedSecret], changes: &'s [SecretChange]) -> HashMap<&'s str, &'s SealedSecret> {
    let mut after: HashMap<&str, &SealedSecret> = kept.iter().map(|secret| (secret.name.as_str(), secret)).collect();
    for change in changes {
        match change {
            SecretChange::Put(secret) => after.insert(secret.name.as_str(), secret),
            SecretChange::Remove(name) => after.remove(name.as_str()),
        };
    }
    after
}

/// Applies a patch: `settings` merges, the columns in [`REPLACED`] replace, everything else is ignored (an id, times and
/// the server are not the caller's to set).
pub(super) fn apply(stored: &Agent, patch: &JsonObject, vault: &dyn Vault) -> ServiceResult<Change> {
    let mut columns = match serde_json::to_value(&stored.character) {
        Ok(Value::Object(columns)) => columns,
        Ok(_) => JsonObject::new(),
        Err(error) => return Err(ServiceError::Internal(Box::new(error))),
    };
    for key in REPLACED {
        match patch.get(key) {
            None => {}
            Some(Value::Null) if REQUIRED.contains(&key) => return Err(invalid(&format!("{key}: must not be null"))),
            Some(Value::Null) => {
                columns.shift_remove(key);
            }
            Some(value) => {
                columns.insert(key.to_owned(), value.clone());
            }
        }
    }
    patch.get("bio").map_or(Ok(()), character::check_bio).map_err(|error| invalid(&error.to_string()))?;
    let mut secrets = Vec::new();
    if let Some(given) = patch.get("settings") {
        merge_settings(&mut columns, given, &mut secrets)?;
    }
    if let Some(given) = patch.get("secrets") {
        take_secrets(given, &mut secrets)?;
    }
    let mut secrets = character::last_of_each(secrets);
    if secrets.len() > MAX_SECRETS {
        return Err(invalid(&format!("secrets: must have at most {MAX_SECRETS} entries")));
    }
    for (name, secret) in secrets.iter_mut().filter_map(|(name, secret)| Some((name, secret.as_mut()?))) {
        // An update has no place for warnings.
        if let Some(warning) = super::move_in(vault, name, secret) {
            log::warn!("agent {}: {warning}", stored.character.name);
        }
    }
    let nested = patch.get("settings").and_then(|settings| settings.get("secrets"));
    let clears_secrets = [nested, patch.get("secrets")].contains(&Some(&Value::Null));
    let parsed = character::parse(&Value::Object(columns)).map_err(|error| invalid(&error.to_string()))?;
    bounds::check_character(&parsed.character, Some(&stored.character)).map_err(|message| invalid(&message))?;
    // What was kept among the settings before it counted as a secret moves over, unless the patch says otherwise.
    if !clears_secrets {
        let named: HashSet<String> = secrets.iter().map(|(name, _)| name.clone()).collect();
        let kept = parsed.secrets.into_iter().filter(|(name, _)| !named.contains(name));
        secrets.extend(kept.map(|(name, secret)| (name, Some(secret))));
    }
    let enabled = match patch.get("enabled") {
        None => stored.enabled,
        Some(Value::Bool(enabled)) => *enabled,
        Some(_) => return Err(invalid("enabled: must be a boolean")),
    };
    let changed = parsed.character != stored.character || enabled != stored.enabled;
    Ok(Change {
        clears_secrets,
        agent: Agent { character: parsed.character, enabled, owner: stored.owner.clone(), ..*stored },
        secrets,
        changed,
    })
}

fn merge_settings(columns: &mut JsonObject, given: &Value, secrets: &mut Vec<(String, Option<Secret>)>) -> ServiceResult<()> {
    let Value::Object(given) = given else { return Err(invalid("settings: must be an object")) };
    let mut given = given.clone();
    take_secrets(&Value::Object(character::loose_secrets(&mut given)), secrets)?;
    if let Some(nested) = given.shift_remove("secrets") {
        take_secrets(&nested, secrets)?;
    }
    let mut merged = match columns.shift_remove("settings") {
        Some(Value::Object(stored)) => stored,
        _ => JsonObject::new(),
    };
    settings::merge(&mut merged, &given);
    columns.insert("settings".to_owned(), Value::Object(merged));
    Ok(())
}

/// A text, number or boolean sets a secret, `null` removes it, the mask leaves it as it is.
fn take_secrets(given: &Value, secrets: &mut Vec<(String, Option<Secret>)>) -> ServiceResult<()> {
    let entries = match given {
        Value::Object(entries) => entries,
        Value::Null => return Ok(()),
        _ => return Err(invalid("secrets: must be an object")),
    };
    for (name, value) in entries {
        let change = match value {
            Value::String(text) if text == MASK => continue,
            Value::Null => None,
            Value::Array(_) | Value::Object(_) => {
                return Err(invalid(&format!("secrets.{name}: must be a text, a number or a boolean")));
            }
            value => character::secret_text(value).map(Secret::new),
        };
        secrets.push((name.clone(), change));
    }
    Ok(())
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::invalid(InvalidCode::Update, message)
}

#[cfg(test)]
mod tests {
    use core_types::{AgentId, Timestamp};
    use serde_json::json;

    use super::*;

    fn stored() -> Agent {
        let character = json!({"name": "A", "bio": ["b"], "settings": {"a": 1, "b": {"c": 2}}, "system": "s"});
        Agent {
            id: AgentId::of_name("A"),
            character: character::parse(&character).unwrap().character,
            enabled: true,
            running: false,
            owner: None,
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(1),
        }
    }

    fn patched(patch: &Value) -> ServiceResult<Change> {
        patched_of(&stored(), patch)
    }

    fn patched_of(stored: &Agent, patch: &Value) -> ServiceResult<Change> {
        apply(stored, patch.as_object().unwrap(), &auth::SecretVault::with_key([7; 32]))
    }

    #[test]
    fn settings_merge_and_everything_else_replaces() {
        let change = patched(&json!({"settings": {"b": {"c": null, "d": 3}}, "bio": "new", "system": null})).unwrap();
        let character = &change.agent.character;
        assert_eq!(Value::Object(character.settings.clone()), json!({"a": 1, "b": {"d": 3}}));
        assert_eq!((character.bio.summary(), character.system.as_deref()), ("new", None));
    }

    #[test]
    fn what_is_not_the_callers_to_set_is_ignored() {
        let patch = json!({"id": AgentId::of_name("B"), "createdAt": 0, "updatedAt": 0, "server_id": "x", "nonsense": 1});
        assert!(patched(&patch).unwrap().is_empty());
    }

    #[test]
    fn secrets_are_set_removed_or_left() {
        let change = patched(&json!({"settings": {"secrets": {"SET": "v", "GONE": null, "KEPT": MASK, "EMPTY": ""}}})).unwrap();
        let names: Vec<_> = change.secrets.iter().map(|(name, secret)| (name.as_str(), secret.is_some())).collect();
        assert_eq!(names, [("SET", true), ("GONE", false), ("EMPTY", false)]);
        assert!(!change.agent.character.settings.contains_key("secrets"));
    }

    #[test]
    fn there_is_a_bound_for_the_secrets_of_a_patch() {
        let named = |count: usize| -> JsonObject { (0..count).map(|number| (format!("S{number}_TOKEN"), json!("v"))).collect() };
        for given in [named(MAX_SECRETS), named(60_000)] {
            for patch in [json!({"secrets": given}), json!({"settings": {"secrets": given}}), json!({"settings": given})] {
                match patched(&patch) {
                    Ok(change) => assert_eq!((change.secrets.len(), given.len()), (MAX_SECRETS, MAX_SECRETS)),
                    Err(error) => assert_eq!(error.to_string(), "secrets: must have at most 1000 entries"),
                }
            }
        }
    }

    #[test]
    fn there_is_a_bound_for_the_secrets_after_a_patch() {
        let vault = auth::SecretVault::with_key([7; 32]);
        let kept = |count: usize, bytes: usize| -> Vec<SealedSecret> {
            (0..count).map(|number| SealedSecret { name: format!("S{number}"), sealed: vec![0; bytes] }).collect()
        };
        let sealed = |patch: &Value, kept: &[SealedSecret]| {
            let changes = patched(patch).and_then(|change| change.seal_secrets(kept, &vault));
            changes.map(|changes| changes.len()).map_err(|error| error.to_string())
        };
        let refused = |message: &str| -> Result<usize, String> { Err(message.to_owned()) };
        let too_many = refused("secrets: must have at most 1000 entries in all");
        let too_large = refused("secrets: must have at most 1048576 bytes in all, with their names and encrypted");
        let long = "v".repeat(100_000);
        for (patch, kept, expected) in [
            (json!({"secrets": {"NEW": "v"}}), kept(999, 50), Ok(1)),
            (json!({"secrets": {"NEW": "v"}}), kept(1_000, 50), too_many.clone()),
            (json!({"settings": {"secrets": {"NEW": "v"}}}), kept(1_000, 50), too_many.clone()),
            (json!({"settings": {"NEW_TOKEN": "v"}}), kept(1_000, 50), too_many.clone()),
            (json!({"secrets": {"S0": "v"}}), kept(1_000, 50), Ok(1)),
            (json!({"secrets": {"S0": null, "NEW": "v"}}), kept(1_000, 50), Ok(2)),
            (json!({"secrets": null, "settings": {"secrets": {"NEW": "v"}}}), kept(1_000, 50), Ok(1_001)),
            (json!({"secrets": {"S0": null, "S1": "v"}}), kept(30_000, 50), Ok(2)),
            (json!({"secrets": {"NEW": "v"}}), kept(30_000, 50), too_many),
            (json!({"secrets": {"NEW": long}}), kept(10, 100_000), too_large.clone()),
            (json!({"secrets": {"S0": long}}), kept(10, 99_000), Ok(1)),
            (json!({"secrets": {"S0": long}}), kept(11, 99_000), too_large),
        ] {
            assert_eq!(sealed(&patch, &kept), expected, "{} {patch:.80}", kept.len());
        }
    }

    #[test]
    fn settings_grow_up_to_a_bound_however_many_patches_there_are() {
        let patch = |agent: &Agent, patch: Value| patched_of(agent, &patch).map(|change| change.agent).map_err(|error| error.to_string());
        let too_large = "character: must have at most 2097152 bytes";
        let refused = |patched: Result<Agent, String>| patched.is_err_and(|error| error.starts_with(too_large));
        let grown = patch(&stored(), json!({"settings": {"k0": "v".repeat(1_900_000)}})).unwrap();
        assert!(refused(patch(&grown, json!({"settings": {"k1": "v".repeat(200_000)}}))));
        assert!(refused(patch(&grown, json!({"system": "v".repeat(200_000)}))));
        assert!(patch(&grown, json!({"settings": {"k0": null, "k1": "v".repeat(1_900_000)}})).is_ok());
        let many = patch(&stored(), json!({"settings": {"list": vec![0; 50_000]}})).unwrap_err();
        assert!(many.starts_with("character: must have at most 50000 values"), "{many}");

        // One that was larger before there was a bound.
        let mut old = stored();
        old.character.settings.insert("old".to_owned(), json!("v".repeat(3_000_000)));
        assert!(refused(patch(&old, json!({"settings": {"more": 1}}))));
        for smaller in [json!({"enabled": false}), json!({"settings": {"old": "v"}}), json!({"settings": {"a": null}, "system": "t"})] {
            assert!(patch(&old, smaller).is_ok());
        }
    }

    #[test]
    fn secrets_in_the_form_of_elizaos_are_taken_out_of_it() {
        let sealed = "000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850e";
        let change = patched(&json!({"settings": {"secrets": {"KEY": sealed}}})).unwrap();
        assert_eq!(change.secrets, [("KEY".to_owned(), Some(Secret::new("sk-test-123")))]);
    }

    #[test]
    fn what_is_a_secret_by_its_name_is_one_also_where_it_was_kept_as_a_setting() {
        let set = |change: &Change| -> Vec<(String, Option<String>)> {
            change.secrets.iter().map(|(name, secret)| (name.clone(), secret.as_ref().map(|secret| secret.reveal().to_owned()))).collect()
        };
        let change = patched(&json!({"settings": {"BOT_TOKEN": "t", "OLD_API_KEY": null, "x": 1}})).unwrap();
        assert_eq!(set(&change), [("BOT_TOKEN".to_owned(), Some("t".to_owned())), ("OLD_API_KEY".to_owned(), None)]);
        assert!(!change.agent.character.settings.contains_key("BOT_TOKEN"));

        let mut before = stored();
        before.character.settings.insert("OLD_API_KEY".to_owned(), json!("k"));
        for (patch, kept) in [(json!({"system": "new"}), Some("k")), (json!({"settings": {"secrets": {"OLD_API_KEY": "n"}}}), Some("n"))] {
            let change = patched_of(&before, &patch).unwrap();
            assert_eq!(set(&change), [("OLD_API_KEY".to_owned(), kept.map(str::to_owned))], "{patch}");
            assert!(!change.agent.character.settings.contains_key("OLD_API_KEY"));
        }
    }

    #[test]
    fn null_in_place_of_the_secrets_removes_them_all() {
        for patch in [json!({"secrets": null}), json!({"settings": {"secrets": null}})] {
            let change = patched(&patch).unwrap();
            assert!(change.clears_secrets && !change.is_empty(), "{patch}");
        }
        assert!(!patched(&json!({"secrets": {}})).unwrap().clears_secrets);
    }

    #[test]
    fn what_would_not_be_a_character_is_refused() {
        for patch in [
            json!({"name": ""}),
            json!({"name": null}),
            json!({"bio": 7}),
            json!({"plugins": "x"}),
            json!({"settings": []}),
            json!({"enabled": "yes"}),
            json!({"secrets": {"K": {}}}),
        ] {
            let Err(ServiceError::Invalid { code, .. }) = patched(&patch) else { panic!("{patch} was accepted") };
            assert_eq!(code, InvalidCode::Update);
        }
    }
}
