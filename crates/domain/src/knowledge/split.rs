//! Splitting a text into fragments: pieces that are small enough to be given to a model, and that make sense alone.

/// A fragment is at most this long, in bytes, and mostly not much shorter.
const LONGEST: usize = 1_200;
/// A heading begins a fragment only behind so much, in bytes, so that a document of headings is no heap of crumbs.
const SHORTEST: usize = 200;

/// The fragments of a text, in order, without surrounding space and never empty. Paragraphs stay whole where they fit;
/// longer ones are cut behind sentences, else between words, else anywhere. With `headings`, one begins a fragment.
pub(super) fn split(text: &str, headings: bool) -> Vec<String> {
    let mut fragments = Vec::new();
    let mut current = String::new();
    for paragraph in paragraphs(text) {
        let is_heading = headings && paragraph.starts_with('#');
        let full = current.len() + 2 + paragraph.len() > LONGEST;
        if !current.is_empty() && (full || is_heading && current.len() >= SHORTEST) {
            fragments.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push_str("\n\n");
        }
        let mut rest = paragraph;
        while rest.len() > LONGEST {
            let (piece, after) = rest.split_at(cut(rest));
            let piece = piece.trim();
            if !piece.is_empty() {
                fragments.push(format!("{current}{piece}").trim().to_owned());
                current.clear();
            }
            rest = after.trim_start();
        }
        current.push_str(rest);
    }
    if !current.trim().is_empty() {
        fragments.push(current);
    }
    fragments
}

/// What empty lines set apart, without surrounding space.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        let mut from = 0;
        while let Some(line) = rest.get(from..).and_then(|rest| rest.find('\n')).map(|at| from + at) {
            let next = rest.get(line + 1..).unwrap_or_default();
            if next.lines().next().is_some_and(|line| line.trim().is_empty()) {
                end = line;
                break;
            }
            from = line + 1;
        }
        let (paragraph, after) = rest.split_at(end);
        rest = after;
        Some(paragraph.trim_end())
    })
}

/// Where to cut a text that is too long: at most at `LONGEST`, at least behind its half.
fn cut(text: &str) -> usize {
    let end = text.floor_char_boundary(LONGEST);
    let head = text.get(..end).unwrap_or_default();
    let late = |at: &usize| *at >= LONGEST / 2;
    let marks = ['.', '!', '?', '\u{3002}', '\u{ff01}', '\u{ff1f}', '\n'];
    let behind = |at: usize| at + head.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    // In scripts with spaces a mark ends a sentence only before one: not within a number or a name.
    let ends = |at: usize| {
        let after = head.get(behind(at)..).and_then(|rest| rest.chars().next());
        !head.get(at..).unwrap_or_default().starts_with(['.', '!', '?']) || after.is_some_and(char::is_whitespace)
    };
    let sentence = head.rmatch_indices(marks).map(|(at, _)| at).take_while(late).find(|at| ends(*at)).map(behind);
    let word = || head.rfind(char::is_whitespace).filter(late);
    sentence.or_else(word).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_stay_together_as_far_as_they_fit() {
        assert_eq!(split("", false), [""; 0]);
        assert_eq!(split(" \n\n \t\n", false), [""; 0]);
        assert_eq!(split("one\n\n\n two \nlines\n  \nthree", false), ["one\n\ntwo \nlines\n\nthree"]);
        let long = "word ".repeat(150);
        let two = format!("{long}\n\n{long}");
        assert_eq!(split(&two, false), [long.trim(), long.trim()]);
    }

    #[test]
    fn a_long_paragraph_is_cut_behind_a_sentence_else_between_words_else_anywhere() {
        let sentences = format!("{}. {}", "a".repeat(900), "b".repeat(900));
        assert_eq!(split(&sentences, false), [format!("{}.", "a".repeat(900)), "b".repeat(900)]);
        let words = format!("{} {}", "a".repeat(900), "b.1".repeat(300));
        assert_eq!(split(&words, false), ["a".repeat(900), "b.1".repeat(300)]);
        let solid = "\u{1f986}".repeat(700);
        assert_eq!(split(&solid, false).concat(), solid);
        let japanese = format!("{}\u{3002}{}", "\u{5b57}".repeat(300), "\u{5b57}".repeat(300));
        assert!(split(&japanese, false)[0].ends_with('\u{3002}'));
    }

    #[test]
    fn a_heading_begins_a_fragment_behind_enough() {
        let body = "text ".repeat(60);
        let markdown = format!("# A\n\n{body}\n\n## B\n\nshort\n\n## C\n\nshort");
        let fragments = split(&markdown, true);
        assert_eq!(fragments.len(), 2, "{fragments:?}");
        assert!(fragments[1].starts_with("## B"), "{fragments:?}");
        assert_eq!(split(&markdown, false).len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_fragment_is_too_long(text in "([a-zA-Z.é字🦆]{0,40}[ \n]{1,3}){0,200}", headings: bool) {
            let fragments = split(&text, headings);
            let bare = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&fragments.concat()), bare(&text));
            prop_assert!(fragments.iter().all(|fragment| fragment.len() <= LONGEST + 2 && !fragment.trim().is_empty()));
        }
    }
}
