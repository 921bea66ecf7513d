//! A character's own instructions for a step, in the Handlebars language of elizaOS, without HTML escaping. Whoever has an agent writes
//! them, and they are filled in between the runs of others: a template is gone through once, from its beginning to its end, with nothing in
//! it that would be gone through again.

use std::io;
use std::sync::LazyLock;

use core_types::character::{TemplateEngine, check_template};
use handlebars::template::TemplateElement;
use handlebars::{
    BlockContext, Context, Handlebars, Helper, HelperDef, HelperResult, Output, PathAndJson, RenderContext, RenderError, RenderErrorReason,
    Renderable, ScopedJson, Template, no_escape,
};
use serde_json::Value;

use crate::run::RunError;

/// Names for the people of examples, who in elizaOS have random ones.
const NAMES: [&str; 10] = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hal", "Iris", "Jon"];
/// The most bytes that come of a template, and that a variable has in it. What is more is cut, as it is for the model's context afterwards,
/// and is no error: it may be others who have written so much.
const MAX_TEXT: usize = 512 << 10;
/// What the crate calls for a block that nothing else is registered for.
const SECTION: &str = "blockHelperMissing";
/// What decides whether its block is shown, and how many parameters each needs.
const DECIDING: [(&str, usize); 13] = [
    ("if", 1),
    ("unless", 1),
    ("with", 1),
    ("each", 1),
    ("eq", 2),
    ("ne", 2),
    ("gt", 2),
    ("gte", 2),
    ("lt", 2),
    ("lte", 2),
    ("and", 0),
    ("or", 0),
    ("not", 1),
];

/// Tells which templates of characters can be filled in.
pub struct CharacterTemplates {
    /// Made when it is needed first: many servers never get a template.
    engine: LazyLock<Handlebars<'static>>,
}

impl Default for CharacterTemplates {
    fn default() -> Self {
        Self { engine: LazyLock::new(checking) }
    }
}

/// An engine that goes through all of a template.
fn checking() -> Handlebars<'static> {
    let mut engine = engine();
    for (name, needs) in DECIDING {
        engine.register_helper(name, Box::new(WhateverIsSo { needs }));
    }
    engine.register_helper(SECTION, Box::new(Section { is_checked: true }));
    engine
}

impl TemplateEngine for CharacterTemplates {
    /// Goes through all of the template, with nothing to fill in.
    fn check(&self, template: &str) -> Result<(), String> {
        filled_in(&self.engine, template, &Context::null()).map(drop)
    }
}

/// Shows its block and what is there otherwise, so that nothing that cannot be shown is found out only when it is to be.
struct WhateverIsSo {
    needs: usize,
}

impl HelperDef for WhateverIsSo {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let given = helper.params().len();
        if given < self.needs {
            return Err(RenderErrorReason::Other(format!("{} needs {} parameters and has {given}", helper.name(), self.needs)).into());
        }
        show_both(helper, engine, context, state, out)
    }
}

fn show_both<'reg: 'rc, 'rc>(
    helper: &Helper<'rc>,
    engine: &'reg Handlebars<'reg>,
    context: &'rc Context,
    state: &mut RenderContext<'reg, 'rc>,
    out: &mut dyn Output,
) -> HelperResult {
    for block in [helper.template(), helper.inverse()].into_iter().flatten() {
        block.render(engine, context, state, out)?;
    }
    Ok(())
}

/// Renders a template; unknown variables are empty.
pub(super) fn render(name: &str, template: &str, mut variables: Value) -> Result<String, RunError> {
    if let Some(variables) = variables.as_object_mut() {
        for (index, person) in NAMES.iter().enumerate() {
            variables.insert(format!("name{}", index + 1), (*person).into());
        }
        for variable in variables.values_mut() {
            if let Value::String(text) = variable {
                text.truncate(text.floor_char_boundary(MAX_TEXT));
            }
        }
    }
    filled_in(&engine(), template, &Context::from(variables)).map_err(|reason| RunError::Template { name: name.to_owned(), reason })
}

/// The text, or why there is none.
fn filled_in(engine: &Handlebars<'_>, template: &str, context: &Context) -> Result<String, String> {
    let template = parsed(template)?;
    let mut out = Bounded::default();
    let rendered = template.render(engine, context, &mut RenderContext::new(None), &mut out);
    match rendered {
        Err(error) if !out.is_full => Err(what_and_where(error.line_no.zip(error.column_no), error.reason())),
        _ => Ok(out.text),
    }
}

fn parsed(template: &str) -> Result<Template, String> {
    // It may have been stored before templates were checked where they come in, and nothing else may see it before this.
    check_template(template).map_err(|error| error.to_string())?;
    let template = Template::compile(template).map_err(|error| what_and_where(error.pos(), error.reason()))?;
    if is_plain(&template) { Ok(template) } else { Err("must not use other templates".to_owned()) }
}

/// What is wrong, without the part of the template that the crate shows: whoever waits for the reply is told.
fn what_and_where(place: Option<(usize, usize)>, what: &dyn std::error::Error) -> String {
    let place = place.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default();
    place + &what.to_string()
}

/// Whether there are neither partials nor decorators in a template. That is known of its text already; here it is known of what was parsed.
fn is_plain(template: &Template) -> bool {
    template.elements.iter().all(|element| match element {
        TemplateElement::RawString(_)
        | TemplateElement::Comment(_)
        | TemplateElement::Expression(_)
        | TemplateElement::HtmlExpression(_) => true,
        TemplateElement::HelperBlock(block) => [&block.template, &block.inverse].into_iter().flatten().all(is_plain),
        _ => false,
    })
}

fn engine() -> Handlebars<'static> {
    let mut engine = Handlebars::new();
    engine.register_escape_fn(no_escape);
    engine.register_helper("each", Box::new(Each));
    engine.register_helper("lookup", Box::new(Lookup));
    engine.register_helper("log", Box::new(Log));
    engine.register_helper(SECTION, Box::new(Section { is_checked: false }));
    engine
}

/// `each` where there is nothing to go through: every variable is a text. That of the crate would go through the variables themselves, and
/// within each of them through all of them again.
struct Each;

impl HelperDef for Each {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        match helper.inverse() {
            Some(otherwise) => otherwise.render(engine, context, state, out),
            None => Ok(()),
        }
    }
}

/// `{{#name}}…{{/name}}`: shown where there is such a variable, whose text is `this` in it.
struct Section {
    /// Whether it is shown whatever is so, and what is there otherwise as well.
    is_checked: bool,
}

impl HelperDef for Section {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let name = helper.name();
        if !helper.params().is_empty() {
            return Err(RenderErrorReason::HelperNotFound(name.to_owned()).into());
        }
        if self.is_checked {
            return show_both(helper, engine, context, state, out);
        }
        if context.data().get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            return helper.inverse().map_or(Ok(()), |otherwise| otherwise.render(engine, context, state, out));
        }
        let mut block = BlockContext::new();
        block.base_path_mut().push(name.to_owned());
        state.push_block(block);
        let shown = helper.template().map_or(Ok(()), |template| template.render(engine, context, state, out));
        state.pop_block();
        shown
    }
}

/// `lookup` among the variables, which gives what it finds without a copy: a template may look for a long text in many places.
struct Lookup;

impl HelperDef for Lookup {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let is_among_all = helper.param(0).and_then(PathAndJson::context_path).is_some_and(Vec::is_empty);
        let name = helper.param(1).and_then(|name| name.value().as_str()).filter(|_| is_among_all);
        let found = name.and_then(|name| Some(ScopedJson::Context(context.data().get(name)?, vec![name.to_owned()])));
        Ok(found.unwrap_or(ScopedJson::Missing))
    }
}

/// `log` to nobody: the server's log is not for characters to write.
struct Log;

impl HelperDef for Log {}

/// What has come of a template, up to [`MAX_TEXT`]; then it ends.
#[derive(Default)]
struct Bounded {
    text: String,
    is_full: bool,
}

impl Output for Bounded {
    fn write(&mut self, text: &str) -> io::Result<()> {
        let end = text.floor_char_boundary(MAX_TEXT - self.text.len());
        self.text.push_str(text.get(..end).unwrap_or_default());
        self.is_full = end < text.len();
        if self.is_full { Err(io::Error::other("more than a template may come to")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_blocks_and_names_are_filled_in_without_escaping() {
        let template = "{{agentName}}: {{{a}}} {{a}}{{missing}} {{#if on}}yes{{/if}} {{#unless on}}yes{{else if a}}no{{/unless}} {{name2}}";
        let rendered = render("t", template, json!({"agentName": "E", "a": "<&>", "on": true})).unwrap();
        assert_eq!(rendered, "E: <&> <&> yes no Ben");
    }

    #[test]
    fn what_helpers_find_among_the_variables_is_filled_in() {
        let template = "{{lookup this 'a'}} {{#with (lookup this 'a')}}{{this}}{{/with}} {{#if (eq a (lookup @root.this 'a'))}}same{{/if}}|\
                        {{lookup a 'a'}}{{lookup this 'missing'}}{{lookup this '__proto__'}}{{log a level='error'}}|";
        assert_eq!(render("t", template, json!({"a": "x"})).unwrap(), "x x same||");
    }

    #[test]
    fn a_broken_template_is_an_error_that_names_it_and_shows_nothing_of_it() {
        for template in ["{{#if}", "secret {{#if a}}{{/unless}}", "secret {{#if a}}", "secret {{nobodysHelper a}}"] {
            let error = render("replyTemplate", template, json!({})).unwrap_err().to_string();
            assert!(error.contains("replyTemplate") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_template_from_before_templates_were_checked_fails_its_run_and_ends_nothing() {
        let nested = ["{{#if ", &"(lookup this ".repeat(3_000), &")".repeat(3_000), "}}{{/if}}"].concat();
        let blocks = ["{{#if a}}".repeat(3_000), "{{/if}}".repeat(3_000)].concat();
        for template in ["{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}", &nested, &blocks] {
            let error = render("replyTemplate", template, json!({})).unwrap_err();
            assert!(matches!(&error, RunError::Template { name, .. } if name == "replyTemplate"), "{error}");
            assert!(error.to_string().contains(": must"), "{error}");
        }
    }

    #[test]
    fn sections_are_shown_where_there_is_something() {
        let template =
            "{{#a}}[{{this}}{{b}}]{{else}}no{{/a}} {{#missing}}x{{^}}none{{/missing}}{{#empty}}x{{/empty}} {{#a}}{{#a}}x{{/a}}{{/a}}";
        assert_eq!(render("t", template, json!({"a": "A", "b": "B", "empty": ""})).unwrap(), "[A] none x");
    }

    #[test]
    fn what_cannot_be_filled_in_is_known_before_there_is_anything_to_fill_in() {
        let templates = CharacterTemplates::default();
        for (template, problem) in [
            ("{{> a}}", "must not have partials"),
            ("{{.}}", "line 1, column "),
            ("{{^a}}b{{/a}}", "line 1, column "),
            ("a\n{{#if a}}", "line "),
            ("{{#if a}}{{/unless}}", "line 1, column "),
            ("{{#if a}}{{else}}{{nobodysHelper a}}{{/if}}", "line 1, column 18: Helper not found nobodysHelper"),
            ("{{#each a}}{{#if (nobodysHelper a)}}{{/if}}{{/each}}", "line 1, column 12: Helper not found nobodysHelper"),
            ("{{#nobodysHelper a}}{{/nobodysHelper}}", "line 1, column 1: Helper not found nobodysHelper"),
            ("{{#a}}{{#eq b c}}{{else}}{{#if}}{{/if}}{{/eq}}{{/a}}", "line 1, column 26: if needs 1 parameters and has 0"),
        ] {
            let error = templates.check(template).unwrap_err();
            assert!(error.starts_with(problem), "{template}: {error}");
        }
        for template in [
            "",
            "{{#if (gt (len a) 3)}}{{#with a as |b|}}{{b}}{{/with}}{{else if (and a (not b))}}{{lookup this 'a'}}{{/if}}",
            "{{#each a}}{{@index}} {{this.b}}{{/each}}{{#unless a}}{{log a}}{{/unless}}{{{a}}} {{&a}} {{#a}}{{this}}{{/a}} \\{{#if}}",
        ] {
            assert_eq!(templates.check(template), Ok(()), "{template}");
        }
    }

    #[test]
    fn the_deepest_template_that_is_taken_is_filled_in() {
        let (open, close) = ("{{#if a}}".repeat(15), "{{/if}}".repeat(15));
        let condition = ["(or ".repeat(16), "a".to_owned(), ")".repeat(16)].concat();
        let template = format!("{open}{{{{#if {condition}}}}}deep{{{{/if}}}}{close}");
        assert_eq!(render("t", &template, json!({"a": "x"})).unwrap(), "deep");
        assert!(render("t", &format!("{{{{#if a}}}}{template}{{{{/if}}}}"), json!({"a": "x"})).is_err());
    }

    #[test]
    fn nothing_is_gone_through_again() {
        let all = ["this", "@root.this", "[1, 2, 3]", "a"];
        for list in all {
            let (open, close) = (format!("{{{{#each {list}}}}}").repeat(8), "{{/each}}".repeat(8));
            let rendered = render("t", &format!("{open}again{close}{{{{#each {list}}}}}{{{{else}}}}none{{{{/each}}}}"), json!({"a": "x"}));
            assert_eq!(rendered.unwrap(), "none", "{list}");
        }
    }

    #[test]
    fn what_comes_of_a_template_is_cut() {
        let variables = json!({"long": "é".repeat(MAX_TEXT)});
        let rendered = render("t", "a{{long}}{{long}}", variables.clone()).unwrap();
        assert!(rendered.starts_with("aéé") && rendered.len() == MAX_TEXT - 1, "{}", rendered.len());
        assert_eq!(render("t", "{{len long}}", variables).unwrap(), MAX_TEXT.to_string());
    }

    #[test]
    fn partials_and_decorators_are_seen_in_what_was_parsed() {
        for (template, plain) in [
            ("a {{b}} {{{c}}} {{! d }}{{#if e}}{{f}}{{else if g}}{{h}}{{else}}i{{/if}}", true),
            ("{{> a}}", false),
            ("{{#if a}}{{else}}{{> b}}{{/if}}", false),
            ("{{#> a}}{{/a}}", false),
            ("{{* a}}", false),
            ("{{#*inline \"a\"}}{{/inline}}", false),
        ] {
            assert_eq!(is_plain(&Template::compile(template).unwrap()), plain, "{template}");
        }
    }
}
