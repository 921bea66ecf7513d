//! Everything that reads what somebody wrote: whatever it is given it reads or refuses, and what it has read is written so that it is read
//! as the same.

use doolittle_core_types::character;
use doolittle_core_types::ids::{parse_uuid, string_to_uuid};
use doolittle_core_types::media::{MediaName, MediaType};
use doolittle_core_types::tee::Challenge;
use doolittle_core_types::{ChannelId, MediaId, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value};

const KEYS: [&str; 22] = [
    "id",
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
    "settings",
    "style",
    "secrets",
    "clients",
    "modelProvider",
    "content",
    "text",
    "path",
    "all",
];

fn key() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(&KEYS[..]).prop_map(str::to_owned), "\\PC{0,8}"]
}

/// Any JSON, whose objects have keys of characters now and then.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// What may be a character: of the right kinds mostly.
fn character() -> impl Strategy<Value = Value> {
    let texts = || prop::collection::vec("\\PC{0,12}".prop_map(Value::from), 0..3).prop_map(Value::from);
    let scalar =
        || prop_oneof![any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from), "\\PC{1,12}".prop_map(Value::from)];
    let settings =
        || prop::collection::vec(("[a-zA-Z_]{1,8}", scalar()), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect()));
    let entry = prop_oneof![
        ("(system|username)", "\\PC{0,12}".prop_map(Value::from)),
        ("(lore|topics|adjectives|postExamples|plugins|knowledge)", texts()),
        ("(settings|secrets)", settings()),
        ("(messageExamples|style|templates|settings|knowledge|id)", json()),
    ];
    ("\\PC{1,12}", prop_oneof![texts(), "\\PC{0,12}".prop_map(Value::from)], prop::collection::vec(entry, 0..4)).prop_map(
        |(name, bio, entries)| {
            let object: Map<String, Value> =
                [("name".to_owned(), Value::from(name)), ("bio".to_owned(), bio)].into_iter().chain(entries).collect();
            Value::Object(object)
        },
    )
}

proptest! {
    #[test]
    fn any_json_is_a_character_or_refused(value in json()) {
        let _ = character::parse(&value);
    }

    #[test]
    fn a_character_that_was_read_is_written_without_secrets_and_read_as_the_same(value in character()) {
        if let Ok(parsed) = character::parse(&value) {
            let written = serde_json::to_value(&parsed.character).unwrap();
            let again = character::parse(&written).unwrap();
            prop_assert_eq!(&again.character, &parsed.character);
            prop_assert!(again.secrets.is_empty(), "{written}");
        }
    }

    #[test]
    fn any_text_is_an_id_or_refused(text in "([0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9A-F]{12}|[0-9a-fA-F{}é\\-]{0,40})") {
        match parse_uuid(&text) {
            Ok(id) => prop_assert_eq!(id.to_string(), text.to_ascii_lowercase()),
            Err(_) => prop_assert!(text.parse::<ChannelId>().is_err()),
        }
        let _ = string_to_uuid(&text);
    }

    #[test]
    fn any_text_is_a_moment_or_refused(
        text in "([0-9]{1,20}|\\PC{0,12}|[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?)?)",
        offset in "(Z|[+-][0-2][0-9]:[0-5][0-9])?",
    ) {
        let text = text + &offset;
        if let Some(moment) = Timestamp::parse(&text) {
            prop_assert_eq!(Timestamp::parse(&moment.iso()), Some(moment));
        }
    }

    #[test]
    fn a_moment_is_written_so_that_it_is_read_as_the_same(millis in 0..=Timestamp::MAX.millis()) {
        let moment = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::parse(&moment.iso()), Some(moment));
        prop_assert_eq!(Timestamp::parse(&millis.to_string()), Some(moment));
    }

    #[test]
    fn any_text_is_the_name_of_a_file_or_refused(text in "([0-9a-f]{32}\\.(png|txt|mp3|html)|[0-9a-fA-F/.\\\\é]{0,36}(\\.png)?)") {
        if let Ok(name) = text.parse::<MediaName>() {
            prop_assert_eq!(name.to_string(), text.clone());
            prop_assert!(!text.contains(['/', '\\']));
        }
    }

    #[test]
    fn a_name_is_written_so_that_it_is_read_as_the_same(bits: u128, place in 0..MediaType::ALL.len()) {
        let name = MediaName::new(MediaId::from_bits(bits), MediaType::ALL[place]);
        prop_assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn any_text_is_a_media_type_or_refused(text in "((audio|image|text|application|x)/[a-z0-9.+-]{0,12}|\\PC{0,12})( ?;\\PC{0,12})?") {
        if let Ok(known) = text.parse::<MediaType>() {
            prop_assert_eq!(known.mime().parse(), Ok(known));
        }
    }

    #[test]
    fn any_text_is_a_challenge_or_refused(text in "([0-9a-fA-F]{0,132}|\\PC{0,20})") {
        if let Ok(challenge) = text.parse::<Challenge>() {
            prop_assert_eq!(challenge.hex(), text.to_ascii_lowercase());
        }
    }
}

#[test]
fn a_moment_is_read_up_to_either_end_of_the_calendar_and_refused_beyond() {
    for (text, millis) in [
        ("9999-12-31T23:59:59.999Z", Some(Timestamp::MAX.millis())),
        ("9999-12-31T23:59:59-23:59", None),
        ("0000-01-01", Some(-62_167_219_200_000)),
        ("0000-01-01T00:00:00+23:59", None),
    ] {
        assert_eq!(Timestamp::parse(text).map(Timestamp::millis), millis, "{text}");
    }
}
