//! Text for a terminal. What a server or a model sends is shown, never obeyed: control characters become visible signs,
//! so that no escape sequence reaches the terminal.

/// The text with every control character but newline and tab made visible, and carriage returns left out.
pub fn plain(text: &str) -> String {
    text.chars().filter(|character| *character != '\r').map(|character| shown(character, false)).collect()
}

/// The same on one line: newlines and tabs become spaces.
pub fn line(text: &str) -> String {
    text.chars().filter(|character| *character != '\r').map(|character| shown(character, true)).collect()
}

fn shown(character: char, one_line: bool) -> char {
    match character {
        '\n' | '\t' if one_line => ' ',
        '\n' | '\t' => character,
        // Unicode has pictures of the 32 control characters of ASCII, in their order.
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        // The second set of control characters, and those that turn the direction of what follows.
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

/// Rows under a heading, in columns two spaces apart. The last column is not padded.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = std::iter::once(heading.iter().map(|cell| (*cell).to_owned()).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| line(cell)).collect()))
        .collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in &cells {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(padded.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// The text cut to `most` characters, with an ellipsis where something was left out.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::{line, plain, shorten, table};

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let every: String = (0_u32..0xa0).chain(0x2000..0x2070).filter_map(char::from_u32).collect();
        assert!(plain(&every).chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
        assert!(line(&every).chars().all(|c| !c.is_control()));
        for turning in ['\u{200e}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            assert!(!plain(&every).contains(turning), "{turning:?}");
        }
    }

    #[test]
    fn an_escape_sequence_is_shown_not_obeyed() {
        for (sent, seen) in [
            ("\u{1b}[31mred\u{1b}[0m", "\u{241b}[31mred\u{241b}[0m"),
            ("\u{1b}]0;title\u{7}", "\u{241b}]0;title\u{2407}"),
            ("\u{9b}2J", "\u{fffd}2J"),
            ("over\rwrite", "overwrite"),
            ("two\r\nlines", "two\nlines"),
            ("grüße 日本 🔑", "grüße 日本 🔑"),
        ] {
            assert_eq!(plain(sent), seen, "{sent:?}");
        }
    }

    #[test]
    fn a_table_lines_its_columns_up() {
        let rows = [vec!["Eliza".to_owned(), "active".to_owned()], vec!["Jo\nhn".to_owned(), "\u{1b}".to_owned()]];
        assert_eq!(table(&["NAME", "STATUS"], &rows), "NAME   STATUS\nEliza  active\nJo hn  \u{241b}\n");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("grüße", 5), "grüße");
        assert_eq!(shorten("grüße!", 5), "grüß…");
    }
}
