use super::*;

/// The vectors of contract §7.2, computed with the released elizaOS code.
#[test]
fn string_to_uuid_agrees_with_elizaos() {
    for (input, output) in [
        ("Eliza", "b850bc30-45f8-0041-a00a-83df46d8555d"),
        ("Alice", "35318264-c9a9-0faf-b996-5c270ac80c56"),
        ("Bob", "da6645f6-e22b-05f7-9974-dc7eed5fcd61"),
        ("test", "a94a8fe5-ccb1-0ba6-9c4c-0873d391e987"),
        ("", "da39a3ee-5e6b-0b0d-b255-bfef95601890"),
        ("héllo wörld", "93824064-00f3-05ac-9053-09726326c166"),
        ("日本語", "783fc0ab-b904-0759-a125-627bcd50aed7"),
        ("it's (ok)*~!", "585a8063-948b-0eb1-9655-c25180707b72"),
        ("a/b c?d", "5578562c-5344-0b0d-bdfe-0483babc07ce"),
        ("123", "40bd0015-6308-0fc3-9165-329ea1ff5c5e"),
        ("550E8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
    ] {
        assert_eq!(string_to_uuid(input).to_string(), output, "{input:?}");
    }
}

#[test]
fn create_unique_uuid_agrees_with_elizaos() {
    let agent = AgentId::of_name("Eliza");
    for (base, output) in [
        ("00000000-0000-0000-0000-000000000000", "740de269-82a9-0d4f-9889-c87fb8884f7f"),
        ("550e8400-e29b-41d4-a716-446655440000", "8202a9be-ee6c-0436-9f6b-cc79abaa608b"),
        ("user-1", "53f4979a-5a36-08d1-b15f-120ecb19064c"),
        ("Anon", "05b9046f-368f-0415-b415-d019d5027884"),
        ("direct", "b05e41e3-8255-0089-ac8c-0314fb89ffdd"),
        ("world-1700000000000", "dec793fc-c523-0cac-9993-b536acb152af"),
        ("550e8400-e29b-41d4-a716-446655440002-b850bc30-45f8-0041-a00a-83df46d8555d", "e15f829b-52fb-0d27-b767-359e7cbce303"),
        ("b850bc30-45f8-0041-a00a-83df46d8555d", "b850bc30-45f8-0041-a00a-83df46d8555d"),
    ] {
        assert_eq!(create_unique_uuid(agent, base).to_string(), output, "{base:?}");
    }
}

#[test]
fn derivations_use_the_same_vectors() {
    let agent = AgentId::of_name("Eliza");
    assert_eq!(agent.world_of(MessageServerId::DEFAULT).to_string(), "740de269-82a9-0d4f-9889-c87fb8884f7f");
    let channel = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
    assert_eq!(agent.room_of(channel).to_string(), "8202a9be-ee6c-0436-9f6b-cc79abaa608b");
    let message = "550e8400-e29b-41d4-a716-446655440002".parse().unwrap();
    assert_eq!(agent.memory_of(message).to_string(), "e15f829b-52fb-0d27-b767-359e7cbce303");
}

#[test]
fn only_the_hyphenated_form_is_an_id() {
    for bad in [
        "",
        "550e8400e29b41d4a716446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        " 550e8400-e29b-41d4-a716-446655440000",
        "550e8400-e29b-41d4-a716-44665544000g",
        "550e8400-e29b-41d4-a716_446655440000",
        "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        "550e840-0e29b-41d4-a716-4466554400000",
    ] {
        assert_eq!(bad.parse::<ChannelId>(), Err(InvalidId), "{bad:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_version_and_case_is_accepted_and_lower_cased(bytes: [u8; 16]) {
        let text = Uuid::from_bytes(bytes).to_string();
        let id: ChannelId = text.to_uppercase().parse().unwrap();
        proptest::prop_assert_eq!(id.to_string(), text);
    }

    #[test]
    fn derived_ids_are_version_zero_and_stable(text in "\\PC{0,40}") {
        let id = string_to_uuid(&text);
        proptest::prop_assert_eq!(id, string_to_uuid(&text));
        if parse_uuid(&text).is_err() {
            proptest::prop_assert_eq!(id.as_bytes()[6] & 0xf0, 0);
            proptest::prop_assert_eq!(id.as_bytes()[8] & 0xc0, 0x80);
        }
    }
}
