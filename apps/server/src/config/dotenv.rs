//! Reads a `.env`: `NAME=VALUE` lines, blank lines, `#` comments. A value may stand in single quotes (taken as it is) or
//! double quotes (`\n`, `\t`, `\"`, `\\`); without quotes it ends at ` #` or the end of the line. `export ` may come first.

/// A line that cannot be read. The message never repeats the line, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, derive_more::Display, derive_more::Error)]
#[display("line {line}: {message}")]
pub struct MalformedLine {
    /// Counts from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: &'static str,
}

/// The names and values of a `.env`, in its order. Of a name that comes twice, the last counts.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, MalformedLine> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let entry = parse_line(line.trim()).map_err(|message| MalformedLine { line: index + 1, message })?;
        if let Some((name, value)) = entry {
            entries.retain(|(known, _)| *known != name);
            entries.push((name, value));
        }
    }
    Ok(entries)
}

/// The text of a `.env` after changes: a name with its new value, or none to remove it. Everything else stays as it is,
/// comments included; new names come last. The values must be ones that [`parse`] reads: without control characters.
pub fn changed(text: &str, changes: &[(&str, Option<&str>)]) -> String {
    let mut left = changes.to_vec();
    let mut lines: Vec<String> = Vec::new();
    // Of a name that comes twice the last counts, so that is the one that changes; the others go.
    for line in text.lines().rev() {
        let name = parse_line(line.trim()).ok().flatten().map(|(name, _)| name);
        let is_it = |(changed, _): &(&str, Option<&str>)| name.as_deref() == Some(*changed);
        if !changes.iter().any(is_it) {
            lines.push(line.to_owned());
        } else if let Some(place) = left.iter().position(is_it) {
            let (name, value) = left.remove(place);
            lines.extend(value.map(|value| entry(name, value)));
        }
    }
    lines.reverse();
    lines.extend(left.into_iter().filter_map(|(name, value)| value.map(|value| entry(name, value))));
    lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}

fn entry(name: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@,+=".contains(&byte);
    if value.bytes().all(plain) {
        format!("{name}={value}")
    } else if value.contains('\'') {
        format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("{name}='{value}'")
    }
}

fn parse_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("expected NAME=VALUE")?;
    let name = name.trim();
    if !is_name(name) {
        return Err("a name consists of letters, digits and underscores and does not begin with a digit");
    }
    let value = parse_value(value.trim())?;
    if value.chars().any(|character| character.is_control() && character != '\n' && character != '\t') {
        return Err("a value must not contain control characters");
    }
    Ok(Some((name.to_owned(), value)))
}

fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn parse_value(value: &str) -> Result<String, &'static str> {
    if let Some(rest) = value.strip_prefix('\'') {
        let (inner, after) = rest.split_once('\'').ok_or("the quote is not closed")?;
        return end(after).map(|()| inner.to_owned());
    }
    if let Some(rest) = value.strip_prefix('"') {
        return double_quoted(rest);
    }
    if value.starts_with('#') {
        return Ok(String::new());
    }
    let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
    Ok(value.get(..end).unwrap_or(value).trim_end().to_owned())
}

fn double_quoted(rest: &str) -> Result<String, &'static str> {
    let mut inner = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return end(characters.as_str()).map(|()| inner),
            '\\' => inner.push(match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(escaped @ ('"' | '\\' | '$')) => escaped,
                _ => return Err("after a backslash comes one of n, t, \", \\ and $"),
            }),
            other => inner.push(other),
        }
    }
    Err("the quote is not closed")
}

fn end(after: &str) -> Result<(), &'static str> {
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') { Ok(()) } else { Err("after the closing quote comes nothing but a comment") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{changed, parse};

    const NAME: &str = "[A-Z_][A-Z0-9_]{0,6}";

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "((export )?[A-Za-z_0-9 ]{0,6}=?['\"]?[^\n]{0,12}['\"]?[ #]{0,2}\\PC{0,6}\r?\n){0,6}") {
            let _ = parse(&text);
            let _ = changed(&text, &[("A", Some("1")), ("B", None)]);
        }

        #[test]
        fn a_value_is_written_so_that_it_is_read_as_the_same(
            name in NAME, other in NAME, value in "(\\PC|['\"\\\\#$= ]){0,24}", quoted in "[a-z ]{0,8}"
        ) {
            let text = format!("# why\nexport {other} = '{quoted}' # it is so\n");
            let after = changed(&text, &[(&name, Some(&value))]);
            let read = parse(&after).unwrap();
            prop_assert!(read.contains(&(name.clone(), value)), "{:?}", after);
            prop_assert!(name == other || read.contains(&(other, quoted)), "{:?}", after);
            let without = changed(&after, &[(&name, None)]);
            prop_assert!(parse(&without).unwrap().iter().all(|(there, _)| *there != name), "{:?}", without);
        }
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        for (line, expected) in [
            ("A=1", Some(("A", "1"))),
            ("  export A_b1 = x y  # comment", Some(("A_b1", "x y"))),
            ("A=sk#not-a-comment", Some(("A", "sk#not-a-comment"))),
            ("A='lit \\n # eral' # c", Some(("A", "lit \\n # eral"))),
            ("A=\"a\\\"b\\\\c\\n\"", Some(("A", "a\"b\\c\n"))),
            ("A=", Some(("A", ""))),
            ("A=#", Some(("A", ""))),
            ("A=x=y", Some(("A", "x=y"))),
            ("# comment", None),
            ("   ", None),
        ] {
            let expected: Vec<(String, String)> = expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(parse(line), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn a_change_leaves_the_rest_as_it_is_and_is_read_back() {
        let text = "# keys\nA=1\n\nexport B='two' # why\nA=3\nC=4";
        let after = changed(text, &[("A", Some("x y")), ("C", None), ("D", Some("it's \"so\" \\n $")), ("E", None)]);
        assert_eq!(after, "# keys\n\nexport B='two' # why\nA='x y'\nD=\"it's \\\"so\\\" \\\\n $\"\n");
        let read = parse(&after).unwrap();
        assert_eq!(read.last().unwrap().1, "it's \"so\" \\n $");
        assert_eq!(changed("", &[("A", Some(""))]), "A=\n");
        assert_eq!(changed(text, &[]), format!("{text}\n"));
    }

    #[test]
    fn a_malformed_line_is_named_by_number_and_not_repeated() {
        for line in [
            "sk-secret",
            "1A=sk-secret",
            "A B=sk-secret",
            "=sk-secret",
            "A='sk-secret",
            "A=\"sk-secret",
            "A='x' sk-secret",
            "A=\"\\x\"",
            "A=a\u{1b}sk-secret",
        ] {
            let error = parse(&format!("GOOD=1\r\n\n{line}\n")).unwrap_err();
            assert_eq!(error.line, 3, "{line:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_last_of_two_counts() {
        assert_eq!(parse("A=1\nB=2\nA=3"), Ok(vec![("B".to_owned(), "2".to_owned()), ("A".to_owned(), "3".to_owned())]));
    }
}
