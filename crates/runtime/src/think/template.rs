//! A character's own instructions for a step, in the Handlebars language of elizaOS, without HTML escaping.

use handlebars::{Handlebars, no_escape};
use serde_json::Value;

use crate::run::RunError;

/// Names for the people of examples, who in elizaOS have random ones.
const NAMES: [&str; 10] = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hal", "Iris", "Jon"];

/// Renders a template; unknown variables are empty.
pub(super) fn render(name: &str, template: &str, mut variables: Value) -> Result<String, RunError> {
    if let Some(variables) = variables.as_object_mut() {
        for (index, person) in NAMES.iter().enumerate() {
            variables.insert(format!("name{}", index + 1), (*person).into());
        }
    }
    let mut engine = Handlebars::new();
    engine.register_escape_fn(no_escape);
    engine.render_template(template, &variables).map_err(|error| RunError::Template { name: name.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn variables_blocks_and_names_are_filled_in_without_escaping() {
        let template = "{{agentName}}: {{{a}}} {{a}}{{missing}} {{#if on}}yes{{/if}} {{#each list}}[{{this}}]{{/each}} {{name2}}";
        let rendered = render("t", template, json!({"agentName": "E", "a": "<&>", "on": true, "list": ["x", "y"]})).unwrap();
        assert_eq!(rendered, "E: <&> <&> yes [x][y] Ben");
    }

    #[test]
    fn a_broken_template_is_an_error_that_names_it() {
        let error = render("replyTemplate", "{{#if}", json!({})).unwrap_err().to_string();
        assert!(error.contains("replyTemplate"), "{error}");
    }
}
