//! The settings merge of `PATCH /api/agents/{id}` (contract §8.3).

use std::collections::HashSet;

use serde_json::Value;

use crate::JsonObject;

/// Merges `patch` into `stored`: objects merge key by key, `null` removes a key, everything else replaces. An object
/// that the patch leaves empty disappears, an empty object that the patch itself brings is kept.
pub fn merge(stored: &mut JsonObject, patch: &JsonObject) {
    // Removed together: each removal alone moves all that is behind it.
    let mut gone = HashSet::new();
    for (key, change) in patch {
        match (stored.get_mut(key), change) {
            (_, Value::Null) => {
                gone.insert(key);
            }
            (Some(Value::Object(inner)), Value::Object(inner_patch)) => {
                merge(inner, inner_patch);
                if inner.is_empty() && !inner_patch.is_empty() {
                    gone.insert(key);
                }
            }
            (_, Value::Object(inner_patch)) => {
                let mut inner = JsonObject::new();
                merge(&mut inner, inner_patch);
                if !inner.is_empty() || inner_patch.is_empty() {
                    stored.insert(key.clone(), Value::Object(inner));
                }
            }
            (_, value) => {
                stored.insert(key.clone(), value.clone());
            }
        }
    }
    if !gone.is_empty() {
        stored.retain(|key, _| !gone.contains(key));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::merge;
    use crate::JsonObject;

    fn object(value: Value) -> JsonObject {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn merges_as_the_released_elizaos_does() {
        for (patch, expected) in [
            (json!({"b": {"c": null}}), json!({"a": 1, "b": {"d": 3}})),
            (json!({"b": {"c": null, "d": null}}), json!({"a": 1})),
            (json!({"b": null}), json!({"a": 1})),
            (json!({"b": [9]}), json!({"a": 1, "b": [9]})),
            (json!({"b": {}}), json!({"a": 1, "b": {"c": 2, "d": 3}})),
            (json!({"e": {}}), json!({"a": 1, "b": {"c": 2, "d": 3}, "e": {}})),
            (json!({}), json!({"a": 1, "b": {"c": 2, "d": 3}})),
        ] {
            let mut stored = object(json!({"a": 1, "b": {"c": 2, "d": 3}}));
            merge(&mut stored, &object(patch.clone()));
            assert_eq!(Value::Object(stored), expected, "patch {patch}");
        }
    }

    fn settings() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), any::<i32>().prop_map(|n| json!(n)), "[a-c]{0,3}".prop_map(|s| json!(s))];
        let tree = leaf.prop_recursive(3, 16, 3, |inner| prop::collection::btree_map("[a-d]", inner, 0..3).prop_map(|map| json!(map)));
        prop::collection::btree_map("[a-d]", tree, 0..4).prop_map(|map| json!(map))
    }

    proptest! {
        #[test]
        fn merging_the_same_patch_twice_changes_nothing_more(stored in settings(), patch in settings()) {
            let mut once = object(stored);
            let patch = object(patch);
            merge(&mut once, &patch);
            let mut twice = once.clone();
            merge(&mut twice, &patch);
            prop_assert_eq!(once, twice);
        }

        #[test]
        fn no_null_of_a_patch_is_ever_stored(patch in settings()) {
            let mut stored = JsonObject::new();
            merge(&mut stored, &object(patch));
            prop_assert!(!Value::Object(stored).to_string().contains("null"));
        }
    }
}
