//! Decomposition: matching the words of a phrase against a pattern.

use std::ops::Range;

use crate::words::Word;

/// The most `0`s in a pattern, which bound the work of matching.
pub(crate) const MOST_GAPS: usize = 4;

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Element {
    /// `0`: any number of words, as few as possible.
    Gap,
    /// `3`: exactly three words.
    Count(usize),
    /// One of these words.
    Word(Vec<String>),
}

/// The places in `words` of each element in turn, if the pattern matches all of them.
pub(crate) fn decompose(pattern: &[Element], words: &[Word<'_>]) -> Option<Vec<Range<usize>>> {
    let mut parts = Vec::with_capacity(pattern.len());
    matches_from(pattern, words, 0, &mut parts).then_some(parts)
}

fn matches_from(pattern: &[Element], words: &[Word<'_>], start: usize, parts: &mut Vec<Range<usize>>) -> bool {
    let Some((element, rest)) = pattern.split_first() else {
        return start == words.len();
    };
    let left = words.len() - start;
    let lengths = match element {
        Element::Gap => 0..=left,
        Element::Count(count) if *count <= left => *count..=*count,
        Element::Word(choices) if words.get(start).is_some_and(|word| choices.iter().any(|choice| *choice == word.key)) => 1..=1,
        Element::Count(_) | Element::Word(_) => return false,
    };
    for length in lengths {
        parts.push(start..start + length);
        if matches_from(rest, words, start + length, parts) {
            return true;
        }
        parts.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Element, decompose};
    use crate::words::Word;

    fn pattern(text: &str) -> Vec<Element> {
        text.split(' ')
            .map(|token| match token.parse() {
                Ok(0) => Element::Gap,
                Ok(count) => Element::Count(count),
                Err(_) => Element::Word(token.split('|').map(str::to_owned).collect()),
            })
            .collect()
    }

    #[test]
    fn a_phrase_is_taken_apart_as_the_pattern_says() {
        for (wanted, phrase, parts) in [
            ("0 i am 0", "well i am very sad", Some("well/i/am/very sad")),
            ("0 i am 0", "i am", Some("/i/am/")),
            ("0 i am 0", "i was sad", None),
            ("0 you 0 me", "you told me", Some("/you/told/me")),
            ("0 you 0 me", "you told me that you love me", Some("/you/told me that you love/me")),
            ("0 a 0 b 0", "a b a b", Some("/a//b/a b")),
            ("2 x 0", "one two x", Some("one two/x/")),
            ("2 x 0", "one x", None),
            ("0 my|your 1", "take my hand", Some("take/my/hand")),
            ("x", "x y", None),
            ("0", "", Some("")),
        ] {
            let words: Vec<Word<'_>> = phrase.split_whitespace().map(Word::new).collect();
            let found = decompose(&pattern(wanted), &words).map(|parts| {
                let texts = parts.into_iter().map(|part| words[part].iter().map(|word| &*word.shown).collect::<Vec<_>>().join(" "));
                texts.collect::<Vec<_>>().join("/")
            });
            assert_eq!(found.as_deref(), parts, "{wanted} on {phrase}");
        }
    }
}
