//! What a template of a character may be, told from its text before anything parses it. What parses and fills in the Handlebars language
//! calls itself for whatever is nested, so that a template which is nested without an end would take the process with it.
//!
//! The text is cut into tags as the grammar of the crate `handlebars` cuts it; where the two could differ, it is refused.

use derive_more::{Display, Error};
use serde_json::Value;

use super::InvalidCharacter;
use crate::JsonObject;

/// The most templates that come in at once: elizaOS has some thirty.
const MAX_TEMPLATES: usize = 100;

/// The most bytes of a template.
const MAX_BYTES: usize = 64 << 10;
/// The most tags of a template, comments and `\{{` among them: the parser counts lines from the beginning for each.
const MAX_TAGS: usize = 256;
/// The most bytes of all tags together, but for comments: each parameter is looked up, and two bytes make one.
const MAX_TAG_BYTES: usize = 8 << 10;
/// How many blocks may be in each other, and how many parentheses.
const MAX_DEPTH: usize = 16;

/// What the grammar takes for space.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
/// What may stand around the signs that say what a tag is.
const PADDING: [char; 5] = [' ', '\t', '\n', '\r', '~'];

/// Why a template is not taken, as what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
pub enum InvalidTemplate {
    /// It is too long.
    #[display("must have at most {} KiB", MAX_BYTES >> 10)]
    TooLong,
    /// There is too much to fill in.
    #[display("must have at most {MAX_TAGS} tags, which together have at most {} KiB", MAX_TAG_BYTES >> 10)]
    TooMuch,
    /// It is nested too deep.
    #[display("must have at most {MAX_DEPTH} blocks in each other, and {MAX_DEPTH} parentheses")]
    TooDeep,
    /// It uses other templates or makes some.
    #[display("must not have partials or decorators (`{{{{>`, `{{{{*`): put the text itself in their place")]
    Partial,
    /// There is in a tag what is no name, text or number.
    #[display("must not have braces in a tag, nor quotes or brackets in brackets: write `\\{{{{` for braces that are only shown")]
    Braces,
    /// It ends within a tag.
    #[display("must close its tags, comments and quotes")]
    Unclosed,
}

/// What fills templates in, and says beforehand which it cannot.
pub trait TemplateEngine: Send + Sync {
    /// Whether a template can be filled in, whatever with. What is wrong with it is said as what it must be, or as what is found where.
    fn check(&self, template: &str) -> Result<(), String>;
}

/// Refuses templates that cannot or must not be filled in; the first of them is named. Those that the character `has` already are whatever
/// they are, until they are to be filled in.
pub fn check_templates(templates: &Value, has: &JsonObject, engine: &dyn TemplateEngine) -> Result<(), InvalidCharacter> {
    let given = templates.as_object().into_iter().flatten();
    let mut new = given.filter(|(name, template)| has.get(*name) != Some(*template));
    for (name, template) in new.by_ref().take(MAX_TEMPLATES) {
        let checked = template.as_str().map_or(Ok(()), |template| engine.check(template));
        checked.map_err(|error| InvalidCharacter(format!("templates.{name}: {error}")))?;
    }
    match new.next() {
        Some(_) => Err(InvalidCharacter(format!("templates: must have at most {MAX_TEMPLATES} entries"))),
        None => Ok(()),
    }
}

/// Refuses a template that must not be parsed, let alone filled in. It need not be valid otherwise.
pub fn check_template(template: &str) -> Result<(), InvalidTemplate> {
    if template.len() > MAX_BYTES {
        return Err(InvalidTemplate::TooLong);
    }
    let mut reader = Reader::default();
    let mut rest = template;
    while let Some((text, tag)) = rest.split_once("{{") {
        rest = if is_escape(text) { tag.strip_prefix("{{").unwrap_or(tag) } else { reader.tag(tag)? };
        reader.tags += 1;
        if reader.tags > MAX_TAGS || reader.bytes > MAX_TAG_BYTES {
            return Err(InvalidTemplate::TooMuch);
        }
    }
    Ok(())
}

/// Whether braces after this text are only shown: one backslash does that, and several do not.
fn is_escape(text: &str) -> bool {
    text.ends_with('\\') && !text.ends_with("\\\\")
}

/// What has been read of a template.
#[derive(Default)]
struct Reader {
    tags: usize,
    bytes: usize,
    /// How many blocks are around what comes.
    depth: usize,
    /// How many were around each block that is open.
    outside: Vec<usize>,
}

impl Reader {
    /// Reads a tag after its `{{`; returns what follows it.
    fn tag<'t>(&mut self, tag: &'t str) -> Result<&'t str, InvalidTemplate> {
        if let Some(comment) = tag.strip_prefix('!') {
            return after_comment(comment);
        }
        let head = tag.trim_start_matches(PADDING);
        self.nest(head)?;
        // The third brace of `{{{a}}}` is left for the text after it.
        let rest = after_tag(head.strip_prefix('{').unwrap_or(head))?;
        self.bytes += tag.len() - rest.len();
        Ok(rest)
    }

    fn nest(&mut self, head: &str) -> Result<(), InvalidTemplate> {
        let block = head.strip_prefix('#');
        if block.unwrap_or(head).trim_start_matches(PADDING).starts_with(['>', '*']) {
            return Err(InvalidTemplate::Partial);
        }
        if block.is_some() {
            self.outside.push(self.depth);
            return self.deeper();
        }
        if head.starts_with('/') {
            self.depth = self.outside.pop().unwrap_or(0);
            return Ok(());
        }
        // `{{else if a}}` is a block within the one before, and closed with it; `{{else}}` is not. `{{elsewhere}}` is an `else` too.
        match head.strip_prefix('^').or_else(|| head.strip_prefix("else")) {
            Some(chained) if !chained.trim_start_matches(PADDING).starts_with("}}") => self.deeper(),
            _ => Ok(()),
        }
    }

    fn deeper(&mut self) -> Result<(), InvalidTemplate> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(InvalidTemplate::TooDeep) } else { Ok(()) }
    }
}

/// A comment ends at the next braces, or at the next `--}}` where it begins with dashes. The parser looks for those up to the end.
fn after_comment(comment: &str) -> Result<&str, InvalidTemplate> {
    let ended = match comment.trim_start_matches(SPACE).strip_prefix("--") {
        Some(comment) => comment.split_once("--}}"),
        None => comment.split_once("}}"),
    };
    ended.map(|(_, rest)| rest).ok_or(InvalidTemplate::Unclosed)
}

fn after_tag(tag: &str) -> Result<&str, InvalidTemplate> {
    let mut parentheses = 0_usize;
    let mut rest = tag;
    loop {
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok(after);
        }
        let mut signs = rest.chars();
        let sign = signs.next().ok_or(InvalidTemplate::Unclosed)?;
        rest = signs.as_str();
        match sign {
            '(' if parentheses == MAX_DEPTH => return Err(InvalidTemplate::TooDeep),
            '(' => parentheses += 1,
            ')' => parentheses = parentheses.saturating_sub(1),
            '"' | '\'' => rest = after_text(rest, sign)?,
            '[' => rest = after_brackets(rest)?,
            '{' => return Err(InvalidTemplate::Braces),
            _ => {}
        }
    }
}

fn after_text(text: &str, quote: char) -> Result<&str, InvalidTemplate> {
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        if sign == quote {
            return Ok(signs.as_str());
        }
        if sign == '\\' {
            signs.next();
        }
    }
    Err(InvalidTemplate::Unclosed)
}

/// Brackets are around a name, which goes up to the first `]`, or around a list, in which they may be nested or in quotes.
fn after_brackets(brackets: &str) -> Result<&str, InvalidTemplate> {
    let (within, rest) = brackets.split_once(']').ok_or(InvalidTemplate::Unclosed)?;
    if within.contains(['[', '{', '"', '\'']) { Err(InvalidTemplate::Braces) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_characters_use_is_taken() {
        for template in [
            "",
            "<task>Answer as {{agentName}}.</task>\n{{providers}}\n<response><text>...</text></response>",
            "{{#if topics}}{{topics}}{{else if topic}}{{topic}}{{else}}none{{/if}}{{~#unless a ~}} b {{~^~}} c {{~/unless~}}",
            "{{#each actors}}{{#each goals}}{{#each steps}}{{@index}}: {{this.name}}{{/each}}{{/each}}{{/each}}",
            "{{{bio}}} {{~{bio}~}} {{&bio}} {{lookup this 'a\"}}'}} {{settings.[a b].c}} {{#with (lookup this \"a\") as |b|}}{{b}}{{/with}}",
            "{{!-- {{> a}} {{#if --}} {{! {{a }} \\{{> a}} \\{{{{a}}}} {\"a\": {\"b\": {}}}",
            &"{{#if a}}b{{else if c}}d{{/if}}".repeat(MAX_TAGS / 3),
            &[&"{{#if a}}".repeat(MAX_DEPTH)[..], "{{b ", &"(c ".repeat(MAX_DEPTH), "}}"].concat(),
        ] {
            assert_eq!(check_template(template), Ok(()), "{template}");
        }
    }

    #[test]
    fn what_is_long_or_nested_is_refused_before_it_is_parsed() {
        let nested = |open: &str| open.repeat(MAX_DEPTH + 1);
        for (template, problem) in [
            ("a".repeat(MAX_BYTES + 1), InvalidTemplate::TooLong),
            ("{{a}}".repeat(MAX_TAGS + 1), InvalidTemplate::TooMuch),
            ("{{!a}}".repeat(MAX_TAGS + 1), InvalidTemplate::TooMuch),
            ("\\{{a}}".repeat(MAX_TAGS + 1), InvalidTemplate::TooMuch),
            (["{{a ", &"b ".repeat(MAX_TAG_BYTES / 2), "}}"].concat(), InvalidTemplate::TooMuch),
            (["{{a ", &nested("(b ")].concat(), InvalidTemplate::TooDeep),
            (nested("{{#if a}}"), InvalidTemplate::TooDeep),
            (nested("{{~ # if a}}"), InvalidTemplate::TooDeep),
            (["{{#if a}}", &nested("{{else if a}}")].concat(), InvalidTemplate::TooDeep),
            (["{{#if a}}", &nested("{{~ ^ if a}}")].concat(), InvalidTemplate::TooDeep),
            (["{{#if a}}", &nested("{{elseif}}")].concat(), InvalidTemplate::TooDeep),
        ] {
            assert_eq!(check_template(&template), Err(problem), "{template:.80}");
        }
    }

    #[test]
    fn nothing_that_only_looks_like_an_end_closes_a_block() {
        for shown in [
            "{{!-- {{/if}} --}}",
            "{{! -- }} {{/if}} --}}",
            "{{!--}} {{/if}} --}}",
            "{{!~-- }}{{!/if}}",
            "\\{{/if}}",
            "\\\\\\\\{{!-- {{/if}} --}}",
            "{{b '{{/if}}'}}",
            "{{b \"\\\"{{/if}}\"}}",
        ] {
            let template = ["{{#if a}}", shown].concat().repeat(MAX_DEPTH + 1);
            assert_eq!(check_template(&template), Err(InvalidTemplate::TooDeep), "{shown}");
        }
    }

    #[test]
    fn other_templates_raw_blocks_and_lists_are_refused_however_they_are_written() {
        let partials = ["{{> a}}", "{{~>a}}", "{{#> a}}{{/a}}", "{{~\n#\t> a}}{{/a}}", "{{#*inline 'a'}}", "{{ # * inline 'a'}}", "{{*a}}"];
        let braces = ["{{{{a}}}} {{{{/a}}}}", "{{ {{a}} }}", "{{a {\"b\": 1}}}", "{{a [[1]]}}", "{{a [']']}}"];
        let unclosed = ["{{", "{{a", "{{{a}", "{{a '}}", "{{a.[b}}", "{{!a", "{{!-- a }}", "{{!--}}"];
        for (templates, problem) in
            [(&partials[..], InvalidTemplate::Partial), (&braces[..], InvalidTemplate::Braces), (&unclosed[..], InvalidTemplate::Unclosed)]
        {
            for template in templates {
                assert_eq!(check_template(template), Err(problem), "{template}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_template_and_says_what_to_do() {
        let error = checked(&json!({"a": "{{b}}", "replyTemplate": "{{> c}}"}), &json!({})).unwrap_err().to_string();
        let advice = "must not have partials or decorators (`{{>`, `{{*`): put the text itself in their place";
        assert_eq!(error, format!("templates.replyTemplate: {advice}"));
        assert_eq!(InvalidTemplate::TooLong.to_string(), "must have at most 64 KiB");
        assert_eq!(InvalidTemplate::TooDeep.to_string(), "must have at most 16 blocks in each other, and 16 parentheses");
    }

    #[test]
    fn what_is_no_template_is_left_to_the_schema() {
        for other in [json!(null), json!([]), json!({"a": 7})] {
            assert_eq!(checked(&other, &json!({})), Ok(()));
        }
    }

    #[test]
    fn what_a_character_has_already_is_left_alone() {
        let has = json!({"replyTemplate": "{{> a}}"});
        assert_eq!(checked(&json!({"replyTemplate": "{{> a}}", "b": "{{c}}"}), &has), Ok(()));
        assert!(checked(&json!({"replyTemplate": "{{> a}} "}), &has).is_err());
        assert!(checked(&json!({"b": "{{> a}}"}), &has).is_err());
    }

    #[test]
    fn there_is_a_bound_for_the_templates_that_come_in_at_once() {
        let named = |count: usize| Value::Object((0..count).map(|number| (format!("t{number}"), json!("{{a}}"))).collect());
        assert_eq!(checked(&named(MAX_TEMPLATES), &json!({})), Ok(()));
        let error = checked(&named(MAX_TEMPLATES + 1), &json!({})).unwrap_err().to_string();
        assert_eq!(error, "templates: must have at most 100 entries");
        assert_eq!(checked(&named(MAX_TEMPLATES + 1), &named(1)), Ok(()));
    }

    /// Takes whatever may be parsed.
    struct NoEngine;

    impl TemplateEngine for NoEngine {
        fn check(&self, template: &str) -> Result<(), String> {
            check_template(template).map_err(|error| error.to_string())
        }
    }

    fn checked(templates: &Value, has: &Value) -> Result<(), InvalidCharacter> {
        check_templates(templates, has.as_object().unwrap(), &NoEngine)
    }
}
