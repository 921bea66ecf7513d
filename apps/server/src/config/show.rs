//! Shows the settings: for a person, for a program, for the docs. Secrets are masked everywhere.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Config;
use super::setting::Kind;
use super::table::SettingId;
use crate::terminal;

/// A table of every setting: its name, value, origin and help.
pub fn text(config: &Config) -> String {
    let rows: Vec<Vec<String>> = config
        .values
        .iter()
        .map(|resolved| {
            let setting = resolved.id.setting();
            vec![setting.name.to_owned(), terminal::shorten(resolved.shown(), 48), resolved.origin.to_string(), setting.help.to_owned()]
        })
        .collect();
    terminal::table(&["SETTING", "VALUE", "FROM", "WHAT IT DOES"], &rows)
}

/// A list of `{name, key, flag, value, origin, default, secret, apiWritable, help}`; what is absent is null.
pub fn json(config: &Config) -> Value {
    let entries = config.values.iter().map(|resolved| {
        let setting = resolved.id.setting();
        json!({
            "name": setting.name,
            "key": setting.key,
            "flag": setting.flag.map(|flag| format!("--{flag}")),
            "value": resolved.value.as_ref().map(|value| setting.shown(value.reveal())),
            "origin": resolved.origin.to_string(),
            "default": Some(setting.default_text()).filter(|text| !text.is_empty()),
            "secret": setting.secret,
            "apiWritable": setting.api_writable,
            "help": setting.help,
        })
    });
    Value::Array(entries.collect())
}

/// The table of `docs/operations.md`.
pub fn markdown() -> String {
    let mut out = String::from("| environment | flag | TOML key | default | what it does |\n| --- | --- | --- | --- | --- |\n");
    for id in SettingId::ALL {
        let setting = id.setting();
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let flag = setting.flag.map_or(String::new(), |flag| code(&format!("--{flag}")));
        let bounds = match setting.kind {
            Kind::Number { least, most } => format!(" ({least} to {most})"),
            Kind::Choice(words) => format!(": {}", words.join(", ")),
            _ => String::new(),
        };
        let cells = [code(setting.name), flag, code(setting.key), code(setting.default_text()), format!("{}{bounds}", setting.help)];
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}
