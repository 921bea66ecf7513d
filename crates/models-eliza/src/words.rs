//! From a text to phrases of words, and replacing words by others.

use std::borrow::Cow;
use std::collections::HashMap;

/// Longer texts are read up to here, in characters.
const MOST_CHARS: usize = 2000;
/// Longer phrases are read up to here, in words.
const MOST_WORDS: usize = 40;
/// Longer texts are read up to here, in phrases.
const MOST_PHRASES: usize = 64;

/// A word as it was written, and as it is compared: mostly a piece of the message or of the script, since each answer goes through all of
/// the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) shown: Cow<'a, str>,
    pub(crate) key: Cow<'a, str>,
}

impl<'a> Word<'a> {
    pub(crate) fn new(shown: &'a str) -> Self {
        let is_lower = shown.is_ascii() && !shown.bytes().any(|byte| byte.is_ascii_uppercase());
        let key = if is_lower { Cow::Borrowed(shown) } else { Cow::Owned(shown.to_lowercase()) };
        Self { shown: Cow::Borrowed(shown), key }
    }

    fn lower(self) -> Self {
        Self { shown: self.key.clone(), key: self.key }
    }

    fn borrowed(&'a self) -> Self {
        Self { shown: Cow::Borrowed(&self.shown), key: Cow::Borrowed(&self.key) }
    }

    pub(crate) fn into_owned(self) -> Word<'static> {
        Word { shown: Cow::Owned(self.shown.into_owned()), key: Cow::Owned(self.key.into_owned()) }
    }
}

/// Some words to put in the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement {
    pub(crate) from: Vec<String>,
    /// Only where nothing follows.
    pub(crate) at_end: bool,
    pub(crate) to: Vec<Word<'static>>,
}

/// Replacements, by the word that they begin with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replacements(HashMap<String, Vec<Replacement>>);

impl Replacements {
    /// One more, which counts where none before it fits. It is of at least one word.
    pub(crate) fn add(&mut self, replacement: Replacement) {
        if let Some(first) = replacement.from.first() {
            self.0.entry(first.clone()).or_default().push(replacement);
        }
    }

    /// The words that are replaced.
    pub(crate) fn words(&self) -> impl Iterator<Item = &String> {
        self.0.values().flatten().flat_map(|replacement| &replacement.from)
    }

    /// Replaces from left to right; at each place the first replacement that fits. What was put in is not looked at again.
    pub(crate) fn replace<'a>(&'a self, words: &[Word<'a>]) -> Vec<Word<'a>> {
        let mut result = Vec::with_capacity(words.len());
        let mut rest = words;
        while let Some((first, others)) = rest.split_first() {
            let mut possible = self.0.get(&*first.key).into_iter().flatten();
            if let Some((replacement, left)) = possible.find_map(|replacement| Some((replacement, after(rest, replacement)?))) {
                result.extend(replacement.to.iter().map(Word::borrowed));
                rest = left;
            } else {
                result.push(first.clone());
                rest = others;
            }
        }
        result
    }
}

/// What is left behind the words that a replacement takes away, if it fits.
fn after<'a, 'b>(words: &'a [Word<'b>], replacement: &Replacement) -> Option<&'a [Word<'b>]> {
    let (taken, left) = words.split_at_checked(replacement.from.len())?;
    let fits = taken.iter().zip(&replacement.from).all(|(word, from)| word.key == *from);
    (fits && (left.is_empty() || !replacement.at_end)).then_some(left)
}

/// The part of a message that is read, without what are no words.
pub(crate) fn readable(message: &str) -> String {
    let text: String = message.chars().take(MOST_CHARS).map(plain).collect();
    if text.contains("://") {
        // Addresses are no words.
        return text.split_inclusive(char::is_whitespace).filter(|token| !token.contains("://")).collect();
    }
    text
}

/// The phrases of a text: what lies between punctuation marks, and before and after "but". A message that shouts is read
/// as if it did not.
pub(crate) fn phrases(text: &str) -> Vec<Vec<Word<'_>>> {
    let shouted = text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase) && text.trim().chars().count() > 1;
    let mut phrases = Vec::new();
    for part in text.split(ends_phrase) {
        let words = part.split_whitespace().flat_map(|token| token.split(separates));
        let words = words.map(|word| word.trim_matches(['\'', '-'])).filter(|word| !word.is_empty()).map(Word::new);
        let mut phrase = Vec::new();
        for word in words {
            if word.key == "but" {
                phrases.push(std::mem::take(&mut phrase));
            } else {
                phrase.push(if shouted { word.lower() } else { word });
            }
        }
        phrases.push(phrase);
    }
    phrases.retain(|phrase| !phrase.is_empty());
    phrases.truncate(MOST_PHRASES);
    for phrase in &mut phrases {
        phrase.truncate(MOST_WORDS);
    }
    phrases
}

/// One apostrophe for all, and blanks for what cannot be seen or turns writing around.
fn plain(char: char) -> char {
    match char {
        '’' | '‘' | '`' | '´' | 'ʼ' => '\'',
        '\n' => '\n',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => ' ',
        char if char.is_control() => ' ',
        char => char,
    }
}

fn ends_phrase(char: char) -> bool {
    matches!(char, '.' | ',' | ';' | '!' | '?' | '(' | ')' | '\n' | '…' | '—' | '–' | '。' | '、' | '，' | '！' | '？' | '؟' | '؛' | '،')
}

/// Ends a word. Everything outside ASCII belongs to words, whatever the language.
const fn separates(char: char) -> bool {
    char.is_ascii() && !char.is_ascii_alphanumeric() && !matches!(char, '\'' | '-')
}

#[cfg(test)]
mod tests {
    use super::{Replacement, Replacements, Word, phrases, readable};

    fn shown(text: &str) -> Vec<String> {
        let phrases = |text| -> Vec<String> {
            phrases(text).iter().map(|phrase| phrase.iter().map(|word| &*word.shown).collect::<Vec<_>>().join(" ")).collect()
        };
        phrases(&readable(text))
    }

    #[test]
    fn texts_fall_into_phrases_of_words() {
        for (text, expected) in [
            ("", vec![]),
            (" \n\t...!?", vec![]),
            ("Hello, world! It’s me", vec!["Hello", "world", "It's me"]),
            ("I tried but I failed", vec!["I tried", "I failed"]),
            ("I AM SO ANGRY", vec!["i am so angry"]),
            ("I", vec!["I"]),
            ("mother-in-law 'quoted' \"both\"", vec!["mother-in-law quoted both"]),
            ("see https://example.com/x?y=1 now", vec!["see now"]),
            ("東京は、好き。", vec!["東京は", "好き"]),
            ("naïve café 🦀", vec!["naïve café 🦀"]),
            ("a\u{202e}b\u{0}c", vec!["a b c"]),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_have_bounds() {
        assert_eq!(phrases(&readable(&"word ".repeat(100_000))).iter().map(Vec::len).collect::<Vec<_>>(), [super::MOST_WORDS]);
        assert_eq!(phrases(&readable(&"a. ".repeat(100_000))).len(), super::MOST_PHRASES);
        let long = readable(&"x".repeat(100_000));
        assert_eq!(phrases(&long).iter().flatten().map(|word| word.shown.len()).sum::<usize>(), super::MOST_CHARS);
    }

    #[test]
    fn replacing_prefers_what_is_listed_first_and_does_not_repeat_itself() {
        let replacement = |from: &[&str], at_end, to: &[&str]| Replacement {
            from: from.iter().map(|word| (*word).to_owned()).collect(),
            at_end,
            to: to.iter().map(|word| Word::new(word).into_owned()).collect(),
        };
        let mut mirrors = Replacements::default();
        for mirror in [
            replacement(&["you", "are"], false, &["I", "am"]),
            replacement(&["you"], true, &["me"]),
            replacement(&["you"], false, &["I"]),
            replacement(&["i"], false, &["you"]),
        ] {
            mirrors.add(mirror);
        }
        for (text, expected) in [("i think you are kind", "you think I am kind"), ("you see you", "I see me"), ("i", "you")] {
            let words: Vec<Word> = text.split(' ').map(Word::new).collect();
            let replaced: Vec<_> = mirrors.replace(&words).into_iter().map(|word| word.shown).collect();
            assert_eq!(replaced.join(" "), expected);
        }
    }
}
