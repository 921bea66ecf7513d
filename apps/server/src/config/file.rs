//! Reads the TOML file. Its keys are those of the settings' table; anything else is a mistake and named with the nearest
//! key that exists.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::table::SettingId;

/// The settings of a TOML file, or every problem with it.
pub fn parse(text: &str) -> Result<BTreeMap<SettingId, String>, Vec<String>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| vec![syntax(text, &error)])?;
    let mut reader = Reader::default();
    reader.table("", &table);
    if reader.problems.is_empty() { Ok(reader.settings) } else { Err(reader.problems) }
}

/// The error without the excerpt that its own `Display` shows, since the line may hold a secret.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

#[derive(Default)]
struct Reader {
    settings: BTreeMap<SettingId, String>,
    problems: Vec<String>,
}

impl Reader {
    fn table(&mut self, path: &str, table: &Table) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (SettingId::by_key(&path), value) {
                (Some(id), value) => self.setting(id, &path, value),
                (None, Value::Table(inner)) if !inner.is_empty() || is_table(&path) => self.table(&path, inner),
                (None, _) => self.problems.push(format!("unknown key `{path}`; the nearest known one is `{}`", nearest(&path))),
            }
        }
    }

    fn setting(&mut self, id: SettingId, path: &str, value: &Value) {
        match plain(value) {
            Some(text) => {
                self.settings.insert(id, text);
            }
            None => self.problems.push(format!("`{path}` must be a text, a whole number, a boolean or a list of texts")),
        }
    }
}

fn is_table(path: &str) -> bool {
    SettingId::ALL.iter().any(|id| id.setting().key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(items) => items.iter().map(|item| item.as_str()).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// The known key that is least different: as a whole, or by its last part where it stands in no known table.
fn nearest(key: &str) -> &'static str {
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    let misplaced = !is_table(table);
    SettingId::ALL
        .iter()
        .map(|id| id.setting().key)
        .min_by_key(|known| {
            let whole = distance(key, known);
            let known_last = known.rsplit('.').next().unwrap_or_default();
            if misplaced { whole.min(distance(last, known_last) + 1) } else { whole }
        })
        .unwrap_or_default()
}

/// How many letters to insert, delete or replace to come from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((right, window), column) in to.chars().zip(row.windows(2)).zip(0..) {
            let (diagonal, above) = (window.first().copied().unwrap_or(0), window.last().copied().unwrap_or(0));
            let beside = next.get(column).copied().unwrap_or(0);
            next.push((diagonal + usize::from(left != right)).min(above + 1).min(beside + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{SettingId, distance, parse};

    #[test]
    fn every_type_that_a_setting_may_have_is_read() {
        let text = "data_dir = 'x'\n[server]\nport = 4000\ninsecure = true\ncors_origin = ['http://a', 'http://b']\n[models.openai]\napi_key = 'k'\n[runs]\n";
        let settings = parse(text).unwrap();
        let read: Vec<_> = settings.iter().map(|(id, value)| (*id, value.as_str())).collect();
        assert_eq!(
            read,
            [
                (SettingId::DataDir, "x"),
                (SettingId::Port, "4000"),
                (SettingId::Insecure, "true"),
                (SettingId::CorsOrigin, "http://a,http://b"),
                (SettingId::OpenaiKey, "k"),
            ]
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known() {
        for (text, key, near) in [
            ("[server]\nprot = 1", "server.prot", "server.port"),
            ("port = 1", "port", "server.port"),
            ("[srever]\nhost = 'x'", "srever.host", "server.host"),
            ("datadir = 'x'", "datadir", "data_dir"),
            ("[runs.timeout]", "runs.timeout", "runs.timeout_seconds"),
            ("[models.openai]\nkey = 'x'", "models.openai.key", "models.openai.api_key"),
        ] {
            assert_eq!(parse(text), Err(vec![format!("unknown key `{key}`; the nearest known one is `{near}`")]));
        }
    }

    #[test]
    fn a_syntax_error_names_the_line_and_shows_nothing_of_it() {
        let problem = parse("log_level = 'info'\nsecret_salt = hunter2-and-more oops\n").unwrap_err().concat();
        assert!(problem.starts_with("line 2: ") && !problem.contains("hunter2-and-more oops"), "{problem}");
    }

    #[test]
    fn a_value_of_a_wrong_type_is_a_problem() {
        let problems = parse("log_level = 1.5\n[server]\nport = { a = 1 }").unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems.iter().all(|problem| problem.contains("must be a text")), "{problems:?}");
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (from, to, steps) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("port", "prot", 2), ("abc", "abc", 0)] {
            assert_eq!(distance(from, to), steps, "{from} {to}");
        }
    }
}
