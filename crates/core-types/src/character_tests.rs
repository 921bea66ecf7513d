use serde_json::json;

use super::*;

#[test]
fn the_seeds_own_examples_are_characters() {
    let bob = json!({
        "name": "Bob", "bio": ["A specialized assistant"], "lore": ["Background story"],
        "settings": {"secrets": {"openai_api_key": "sk-1"}, "voice": {"model": "en_US-hfc_female-medium"}},
    });
    let parsed = parse(&bob).unwrap();
    assert_eq!(parsed.character.lore, Some(OneOrMany::Many(vec!["Background story".to_owned()])));
    assert_eq!(parsed.secrets, vec![("openai_api_key".to_owned(), Secret::new("sk-1"))]);
    assert!(!serde_json::to_string(&parsed.character).unwrap().contains("sk-1"));
    assert_eq!(parsed.character.settings["voice"]["model"], "en_US-hfc_female-medium");
}

#[test]
fn what_is_wrong_is_named_with_its_path() {
    for (character, problem) in [
        (json!({"bio": ["x"]}), "name: is required"),
        (json!({"name": "A"}), "bio: is required"),
        (json!({"name": "", "bio": []}), "name: must not be empty"),
        (json!({"name": 7, "bio": []}), "name: must be a text"),
        (json!({"name": "A", "bio": [1]}), "bio.0: must be a text"),
        (json!({"name": "A", "bio": [], "notAField": 1}), "notAField: unrecognised key"),
        (json!({"name": "A", "bio": [], "settings": {"a": null}}), "settings.a: must be"),
        (json!({"name": "A", "bio": [], "secrets": {"a": {}}}), "secrets.a: must be"),
        (json!({"name": "A", "bio": [], "settings": {"secrets": {"a": []}}}), "settings.secrets.a: must be"),
        (json!({"name": "A", "bio": [], "knowledge": [{"item": {}}]}), "knowledge.0: must be"),
        (json!({"name": "A", "bio": [], "messageExamples": [[{"user": "u", "content": {}}]]}), "messageExamples.0.0: must be"),
        (json!({"name": "A", "bio": [], "style": {"all": "x"}}), "style.all: must be a list"),
        (json!({"name": "A", "bio": [], "id": "zz"}), "id: must be a UUID"),
        (json!(["A"]), "a character must be a JSON object"),
    ] {
        let error = parse(&character).unwrap_err().to_string();
        assert!(error.contains(problem), "{character} gave {error:?}, which lacks {problem:?}");
    }
}

#[test]
fn legacy_keys_and_masks_are_warned_about() {
    let parsed = parse(&json!({
        "name": "A", "bio": "b", "clients": [], "modelProvider": "openai", "secrets": {"K": MASK, "N": 7},
    }))
    .unwrap();
    assert_eq!(parsed.warnings.len(), 3, "{:?}", parsed.warnings);
    assert_eq!(parsed.secrets, vec![("N".to_owned(), Secret::new("7"))]);
}

#[test]
fn a_bio_is_given_back_as_it_came() {
    for bio in [json!("one"), json!(["one", "two"]), json!([])] {
        let parsed = parse(&json!({"name": "A", "bio": bio})).unwrap();
        assert_eq!(serde_json::to_value(&parsed.character).unwrap()["bio"], bio);
    }
}

#[test]
fn empty_texts_that_stand_for_absent_ones_are_absent() {
    let parsed = parse(&json!({"name": "A", "bio": "b", "username": "", "system": ""})).unwrap();
    assert_eq!((parsed.character.username, parsed.character.system), (None, None));
}

#[test]
fn what_is_a_secret_by_its_name_is_one_wherever_it_stands() {
    let parsed = parse(&json!({
        "name": "A", "bio": "b", "settings": {
            "OPENAI_API_KEY": "k", "botToken": "t", "DB_PASSWORD": 7, "MAX_TOKENS": 100, "voice": {"token": "stays"}, "EMPTY_SECRET": "",
            "secrets": {"OPENAI_API_KEY": "told twice"},
        },
    }))
    .unwrap();
    let secret = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    assert_eq!(parsed.secrets, [secret("botToken", "t"), secret("DB_PASSWORD", "7"), secret("OPENAI_API_KEY", "told twice")]);
    assert_eq!(serde_json::to_value(&parsed.character).unwrap()["settings"], json!({"MAX_TOKENS": 100, "voice": {"token": "stays"}}));
}

#[test]
fn there_are_bounds_for_secrets_and_for_the_bio() {
    let named = |count: usize, name: &str| -> JsonObject { (0..count).map(|number| (format!("S{number}{name}"), json!("v"))).collect() };
    let bios = |bytes: usize| [json!("b".repeat(bytes)), json!(["b", "b".repeat(bytes - 1)])];
    let [one, many] = bios(MAX_BIO);
    assert!(check_bio(&one).and(check_bio(&many)).is_ok());
    for character in [
        json!({"name": "A", "bio": one, "secrets": named(MAX_SECRETS, "")}),
        json!({"name": "A", "bio": many, "settings": {"secrets": named(MAX_SECRETS, "")}, "secrets": named(MAX_SECRETS, "")}),
        json!({"name": "A", "bio": "b", "settings": named(MAX_SECRETS, "_TOKEN")}),
    ] {
        assert_eq!(parse(&character).unwrap().secrets.len(), MAX_SECRETS);
    }
    let [one, many] = bios(MAX_BIO + 1);
    for (character, problem) in [
        (json!({"name": "A", "bio": "b", "secrets": named(60_000, "")}), "secrets: must have at most 1000 entries"),
        (json!({"name": "A", "bio": "b", "settings": {"secrets": named(60_000, "")}}), "settings.secrets: must have at most 1000 entries"),
        (json!({"name": "A", "bio": "b", "settings": named(60_000, "_TOKEN")}), "secrets: must have at most 1000 entries"),
        (json!({"name": "A", "bio": "b", "settings": {"X_TOKEN": "v"}, "secrets": named(MAX_SECRETS, "")}), "secrets: must have at most"),
    ] {
        let error = parse(&character).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error:?} lacks {problem:?}");
    }
    for bio in [one, many] {
        assert_eq!(check_bio(&bio).unwrap_err().to_string(), "bio: must have at most 65536 bytes");
        assert!(parse(&json!({"name": "A", "bio": bio})).is_ok(), "what is there, or comes with its agent, stays");
    }
}

#[test]
fn the_last_of_a_name_counts_and_stands_where_it_was() {
    let entries = [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5)].map(|(name, value)| (name.to_owned(), value)).to_vec();
    assert_eq!(last_of_each(entries), [("a", 3), ("c", 4), ("b", 5)].map(|(name, value)| (name.to_owned(), value)));
}
