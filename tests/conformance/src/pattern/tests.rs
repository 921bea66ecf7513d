//! Every word of the language, with what fits and what does not.

use serde_json::{Value, json};

use super::{at, check, problems};

#[track_caller]
fn fits(pattern: &Value, values: impl IntoIterator<Item = Value>) {
    for value in values {
        if let Err(why) = check(pattern, Some(&value)) {
            panic!("{pattern} should fit {value}: {why}");
        }
    }
}

#[track_caller]
fn fails(pattern: &Value, values: impl IntoIterator<Item = Value>) {
    for value in values {
        assert!(check(pattern, Some(&value)).is_err(), "{pattern} should not fit {value}");
    }
}

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

#[test]
fn values_mean_themselves() {
    for value in
        [json!("a"), json!(""), json!(1), json!(true), json!(null), json!("<no word>"), json!("<>"), json!("a <b>"), json!({}), json!([])]
    {
        fits(&value, [value.clone()]);
    }
    fits(&json!(1), [json!(1.0)]);
    fails(&json!("a"), [json!("A"), json!(1), json!(null), json!(["a"]), json!({"a": 1})]);
    fails(&json!(1), [json!("1"), json!(2), json!(1.5), json!(true)]);
    fails(&json!(null), [json!(false), json!(0), json!("")]);
    assert!(check(&json!(null), None).is_err(), "null is not absence");
    assert!(check(&json!({}), None).is_err(), "an object is not absence");
}

#[test]
fn an_object_has_at_least_these_fields_and_an_array_exactly_these_elements() {
    fits(&json!({"a": 1}), [json!({"a": 1, "b": 2})]);
    fails(&json!({"a": 1}), [json!({"b": 1}), json!({"a": 2}), json!([1]), json!("a"), json!(null)]);
    fits(&json!([1, {"a": 1}]), [json!([1, {"a": 1, "b": 2}])]);
    fails(&json!([1]), [json!([]), json!([1, 1]), json!([2]), json!({"0": 1})]);
}

#[test]
fn words_for_types() {
    let every = [json!("a"), json!(""), json!(1), json!(1.5), json!(true), json!(null), json!([]), json!({})];
    for (word, fitting) in [
        ("<any>", vec![0, 1, 2, 3, 4, 5, 6, 7]),
        ("<absent>", vec![]),
        ("<string>", vec![0, 1]),
        ("<text>", vec![0]),
        ("<number>", vec![2, 3]),
        ("<integer>", vec![2]),
        ("<boolean>", vec![4]),
        ("<array>", vec![6]),
        ("<object>", vec![7]),
        ("<uuid>", vec![]),
        ("<iso>", vec![]),
        ("<millis>", vec![]),
    ] {
        for (index, value) in every.iter().enumerate() {
            assert_eq!(check(&json!(word), Some(value)).is_ok(), fitting.contains(&index), "{word} and {value}");
        }
        assert_eq!(check(&json!(word), None).is_ok(), word == "<absent>", "{word} and nothing");
    }
}

#[test]
fn words_for_ids_and_times() {
    fits(&json!("<uuid>"), [json!(ID), json!("00000000-0000-0000-0000-000000000000"), json!("b850bc30-45f8-0041-a00a-83df46d8555d")]);
    fails(&json!("<uuid>"), [json!(ID.to_uppercase()), json!(format!("{{{ID}}}")), json!(ID.replace('-', "")), json!(format!("{ID}0"))]);
    fits(&json!("<iso>"), [json!("2024-01-01T00:00:00.000Z")]);
    fails(&json!("<iso>"), [json!("2024-01-01T00:00:00Z"), json!("2024-13-01T00:00:00.000Z"), json!("2024-01-01 00:00:00.000Z"), json!(1)]);
    fits(&json!("<millis>"), [json!(1_704_067_200_000_u64)]);
    fails(&json!("<millis>"), [json!(1_704_067_200), json!("1704067200000"), json!(1_704_067_200_000.5)]);
}

#[test]
fn words_for_logic() {
    fits(&json!({"<not>": 1}), [json!(2), json!(null)]);
    fails(&json!({"<not>": 1}), [json!(1)]);
    assert!(check(&json!({"<not>": "<absent>"}), None).is_err());
    fits(&json!({"<oneOf>": [1, "<string>"]}), [json!(1), json!("a")]);
    fails(&json!({"<oneOf>": [1, "<string>"]}), [json!(2), json!(null)]);
    fails(&json!({"<oneOf>": []}), [json!(1)]);
    assert!(check(&json!({"<oneOf>": [null, "<absent>"]}), None).is_ok());
    fits(&json!({"<all>": [{"<atLeast>": 1}, {"<atMost>": 2}]}), [json!(1), json!(2)]);
    fails(&json!({"<all>": [{"<atLeast>": 1}, {"<atMost>": 2}]}), [json!(0), json!(3)]);
    fits(&json!({"<atLeast>": 1, "<atMost>": 2}), [json!(1)]);
    fails(&json!({"<atLeast>": 1, "<atMost>": 2}), [json!(3), json!(0)]);
    fits(&json!({"<equal>": {"a": [1]}}), [json!({"a": [1.0]})]);
    fails(&json!({"<equal>": {"a": [1]}}), [json!({"a": [1], "b": 2}), json!({"a": [1, 2]}), json!({}), json!({"b": [1]})]);
    fits(&json!({"<equal>": "<uuid>"}), [json!("<uuid>")]);
    fails(&json!({"<equal>": "<uuid>"}), [json!(ID)]);
}

#[test]
fn words_for_texts_and_sizes() {
    fits(&json!({"<regex>": "^a+$"}), [json!("aa")]);
    fails(&json!({"<regex>": "^a+$"}), [json!("ab"), json!(1), json!(null)]);
    fits(&json!({"<contains>": "b"}), [json!("abc")]);
    fails(&json!({"<contains>": "b"}), [json!("ac"), json!("B"), json!(["b"])]);
    fits(&json!({"<starts>": "ab"}), [json!("abc"), json!("ab")]);
    fails(&json!({"<starts>": "ab"}), [json!("cab"), json!("a")]);
    fits(&json!({"<prefixOf>": "pong"}), [json!(""), json!("po"), json!("pong")]);
    fails(&json!({"<prefixOf>": "pong"}), [json!("pongs"), json!("ong"), json!(null)]);
    fits(&json!({"<atLeast>": "b"}), [json!("b"), json!("c")]);
    fails(&json!({"<atLeast>": "b"}), [json!("a"), json!(1), json!(null)]);
    fits(&json!({"<millisOf>": "2024-01-01T00:00:00.007Z"}), [json!(1_704_067_200_007_u64)]);
    fails(&json!({"<millisOf>": "2024-01-01T00:00:00.007Z"}), [json!(1_704_067_200_008_u64), json!("1704067200007"), json!(null)]);
    fails(&json!({"<millisOf>": "yesterday"}), [json!(null), json!(0)]);
}

#[test]
fn words_for_arrays() {
    fits(&json!({"<each>": "<integer>"}), [json!([1, 2]), json!([])]);
    fails(&json!({"<each>": "<integer>"}), [json!([1, "a"]), json!({}), json!(null)]);
    fits(&json!({"<some>": {"a": 1}}), [json!([{}, {"a": 1, "b": 2}])]);
    fails(&json!({"<some>": {"a": 1}}), [json!([]), json!([{"a": 2}]), json!({"a": 1})]);
    fits(&json!({"<none>": {"a": 1}}), [json!([]), json!([{"a": 2}])]);
    fails(&json!({"<none>": {"a": 1}}), [json!([{"a": 2}, {"a": 1}]), json!(null)]);
    fits(&json!({"<first>": 1, "<last>": 3}), [json!([1, 2, 3])]);
    fails(&json!({"<first>": 1}), [json!([2, 1]), json!([])]);
    fails(&json!({"<last>": 1}), [json!([1, 2]), json!([])]);
    fits(&json!({"<length>": 2}), [json!([1, 2])]);
    fails(&json!({"<length>": 2}), [json!([1]), json!("ab"), json!({"a": 1, "b": 2})]);
    fits(&json!({"<length>": {"<atLeast>": 1}}), [json!([1])]);
    fails(&json!({"<length>": {"<atLeast>": 1}}), [json!([])]);
    fits(&json!({"<count>": {"of": "<string>", "is": 1}}), [json!(["a", 1])]);
    fails(&json!({"<count>": {"of": "<string>", "is": 1}}), [json!(["a", "b"]), json!([1])]);
    fits(&json!({"<set>": [1, {"a": 1}, "<integer>"]}), [json!([{"a": 1}, 5, 1]), json!([5, 1, {"a": 1}])]);
    fails(&json!({"<set>": [1, 2]}), [json!([1, 1]), json!([1]), json!([1, 2, 2]), json!([2, 2])]);
}

#[test]
fn words_for_order() {
    fits(&json!({"<inOrder>": [1, 3]}), [json!([1, 2, 3]), json!([1, 3]), json!([3, 1, 3])]);
    fails(&json!({"<inOrder>": [1, 3]}), [json!([3, 1]), json!([1]), json!([])]);
    let ordered = json!({"<ordered>": {"by": "s", "as": ["a", "b"]}});
    fits(&ordered, [json!([]), json!([{"s": "a"}, {"s": "a"}, {"s": "b"}]), json!([{"s": "b"}])]);
    fails(&ordered, [json!([{"s": "b"}, {"s": "a"}]), json!([{"s": "c"}]), json!([{}])]);
    fits(&json!({"<descending>": "t"}), [json!([{"t": 2}, {"t": 1}]), json!([]), json!([{"t": "b"}, {"t": "a"}])]);
    fails(&json!({"<descending>": "t"}), [json!([{"t": 1}, {"t": 1}]), json!([{"t": 1}, {"t": 2}]), json!([{}]), json!([{"t": 2}, {}])]);
}

#[test]
fn an_operand_may_be_another_field() {
    let beside = json!({"<each>": {"b": {"<equal>": "@a"}}});
    fits(&beside, [json!([{"a": 1, "b": 1}, {"a": "x", "b": "x"}])]);
    fails(&beside, [json!([{"a": 1, "b": 2}]), json!([{"b": 1}])]);
    fits(&json!({"used": {"<atMost>": "@total"}}), [json!({"used": 1, "total": 2})]);
    fails(&json!({"used": {"<atMost>": "@total"}}), [json!({"used": 3, "total": 2}), json!({"used": 3})]);
    let from_top = json!({"data": {"id": {"<equal>": "@@data.server.id"}}});
    fits(&from_top, [json!({"data": {"id": 1, "server": {"id": 1}}})]);
    fails(&from_top, [json!({"data": {"id": 1, "server": {"id": 2}}}), json!({"data": {"id": 1}})]);
}

#[test]
fn a_mismatch_says_where_and_what() {
    let why = check(&json!({"data": {"agents": {"<each>": {"id": "<uuid>"}}}}), Some(&json!({"data": {"agents": [{"id": 7}]}})));
    assert_eq!(why, Err(r#"data.agents.0.id: "<uuid>" was expected, and 7 came"#.to_owned()));
    let why = check(&json!({"a": "<absent>"}), Some(&json!({"a": null})));
    assert_eq!(why, Err(r#"a: "<absent>" was expected, and null came"#.to_owned()));
    assert_eq!(check(&json!("<any>"), None), Err(r#"the body: "<any>" was expected, and nothing came"#.to_owned()));
}

#[test]
fn misspelt_words_are_found_and_never_fit() {
    for wrong in [
        json!("<uid>"),
        json!({"a": ["<txt>"]}),
        json!({"<eech>": 1}),
        json!({"<each>": "<nothing>"}),
        json!({"<oneOf>": 1}),
        json!({"<set>": {"<some>": 1}}),
        json!({"<regex>": "("}),
        json!({"<contains>": 1}),
        json!({"<count>": {"of": 1}}),
        json!({"<ordered>": {"by": "a"}}),
        json!({"<some>": 1, "field": 2}),
    ] {
        assert!(!problems(&wrong).is_empty(), "{wrong} should be found");
    }
    fails(&json!("<uid>"), [json!("<uid>"), json!(ID)]);
    fails(&json!({"<eech>": 1}), [json!([1])]);
    assert!(
        problems(&json!({"a": {"<some>": {"id": "<uuid>"}, "<length>": {"<atLeast>": 1}}, "b": ["<any>", {"<regex>": "^a$"}]})).is_empty()
    );
}

#[test]
fn a_path_leads_through_objects_and_arrays() {
    let value = json!({"a": [{"b": 1}]});
    assert_eq!(at(&value, "a.0.b"), Some(&json!(1)));
    assert_eq!(at(&value, ""), Some(&value));
    for nowhere in ["a.1", "a.b", "b", "a.0.b.c"] {
        assert_eq!(at(&value, nowhere), None, "{nowhere}");
    }
}
