//! The words of a text, by which memories are found. Both databases are given the same words, so that the same memories
//! are found with both, and neither ever parses what a person wrote.

use core_types::JsonObject;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;

/// Names this way of taking words out of a text. No number is compared with it: whoever takes words out in another way gives that another
/// number, and adds a migration that empties `memory_words` and has every memory wait in its queue (`words_version = 0`), as 0010 does on
/// SQLite. What was indexed in the way before would not be found by the new words otherwise.
pub(crate) const VERSION: i32 = 1;

/// So many words of a memory are indexed; PostgreSQL counts places no further.
const INDEXED: usize = 16_000;
/// So many words are searched for.
const ASKED: usize = 32;
/// A question is read up to here, in bytes: beyond that it is no question.
const QUESTION: usize = 8_192;
/// A longer word counts up to here, in characters.
const LONGEST: usize = 64;

/// Words that say nothing about a subject. They are searched for only where there are no others.
const COMMON: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does",
    "for", "from", "get", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just",
    "let", "may", "me", "my", "no", "not", "of", "on", "one", "or", "our", "out", "say", "she", "so", "some", "than", "that", "the",
    "their", "them", "then", "there", "they", "this", "to", "too", "us", "use", "was", "we", "were", "what", "when", "where", "which",
    "who", "why", "will", "with", "would", "yes", "you", "your",
];

/// Where a memory is found: the agent and the table as one word.
pub(crate) fn scope(agent: uuid::Uuid, table: &str) -> String {
    core_types::ids::create_unique_uuid(core_types::AgentId::new(agent), &format!("table:{table}")).simple().to_string()
}

/// The words by which a memory of this content is found, in their order, with repetitions. None where it has no text, or one without
/// letters and digits: then the index has no entry for it.
pub(crate) fn of_content(content: &JsonObject) -> Vec<String> {
    indexed(content.get("text").and_then(|text| text.as_str()).unwrap_or_default())
}

/// The words by which a text is found, in their order, with repetitions.
fn indexed(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each(text, |piece| {
        match piece {
            Piece::Word(word) => words.push(stem(word)),
            Piece::Run(run) => {
                words.extend(run.iter().map(char::to_string));
                words.extend(run.windows(2).map(String::from_iter));
            }
        }
        words.len() < INDEXED
    });
    words.truncate(INDEXED);
    words
}

/// The words that a question asks for, each once.
pub(crate) fn asked(question: &str) -> Vec<String> {
    let end = question.floor_char_boundary(QUESTION);
    let (mut telling, mut common) = (Vec::new(), Vec::new());
    let add = |words: &mut Vec<String>, word: String| {
        if words.len() < ASKED && !words.contains(&word) {
            words.push(word);
        }
    };
    each(question.get(..end).unwrap_or_default(), |piece| {
        match piece {
            Piece::Word(word) if COMMON.contains(&word.as_str()) => add(&mut common, stem(word)),
            Piece::Word(word) => add(&mut telling, stem(word)),
            Piece::Run([one]) => add(&mut telling, one.to_string()),
            Piece::Run(run) => run.windows(2).for_each(|two| add(&mut telling, String::from_iter(two))),
        }
        telling.len() < ASKED
    });
    if telling.is_empty() { common } else { telling }
}

/// A part of a text.
enum Piece<'a> {
    /// A word, without accents and in lower case.
    Word(String),
    /// Characters of a script that does not set words apart.
    Run(&'a [char]),
}

/// Hands out the parts of a text in order, until it is told that this is enough.
fn each(text: &str, mut enough: impl FnMut(Piece<'_>) -> bool) {
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let (mut word, mut length, mut run) = (String::new(), 0, Vec::new());
    // Accents come apart from their letters, and other forms of a letter become the usual one.
    let letters = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    for letter in letters.filter(|letter| classes.get_u8(*letter) == 0).flat_map(char::to_lowercase).chain([' ']) {
        let (in_run, in_word) = (is_unspaced(letter), letter.is_alphanumeric());
        if !in_run && !run.is_empty() {
            if !enough(Piece::Run(&run)) {
                return;
            }
            run.clear();
        }
        if (in_run || !in_word) && !word.is_empty() {
            if !enough(Piece::Word(std::mem::take(&mut word))) {
                return;
            }
            length = 0;
        }
        if in_run {
            run.push(letter);
        } else if in_word {
            length += 1;
            if length <= LONGEST {
                word.push(letter);
            }
        }
    }
}

/// Whether a letter is of a script that is written without spaces, or where words end in many ways: Han, kana, Hangul
/// (which comes apart into its letters), Thai, Lao, Khmer, Burmese.
fn is_unspaced(letter: char) -> bool {
    let of = |range: std::ops::RangeInclusive<u32>| range.contains(&u32::from(letter));
    letter.is_alphanumeric()
        && (of(0x3040..=0x30ff)
            || of(0x31f0..=0x31ff)
            || of(0x3400..=0x4dbf)
            || of(0x4e00..=0x9fff)
            || of(0xf900..=0xfaff)
            || of(0x2_0000..=0x3_ffff)
            || of(0x1100..=0x11ff)
            || of(0x0e00..=0x0eff)
            || of(0x1000..=0x109f)
            || of(0x1780..=0x17ff))
}

/// Takes the plural off an English word, and little harm is done to others (Harman, "How effective is suffixing?", 1991;
/// and `es` behind a hissing sound).
fn stem(mut word: String) -> String {
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    if word.len() < 4 || !word.is_ascii() || !word.ends_with('s') {
        return word;
    }
    if ends(&["ies"]) && !ends(&["eies", "aies"]) {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if ends(&["xes", "ches", "shes", "sses", "zzes"]) {
        word.truncate(word.len() - 2);
    } else if ends(&["es"]) && !ends(&["aes", "ees", "oes"]) || !ends(&["es", "us", "ss"]) {
        word.pop();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        indexed(text).join(" ")
    }

    #[test]
    fn case_accents_forms_and_plurals_do_not_count() {
        assert_eq!(found("The Café's ＣＡＴＳ, ponies & classes."), "the cafe s cat pony class");
        assert_eq!(found("cafe\u{301} İstanbul straße ﬁn"), "cafe istanbul straße fin");
        assert_eq!(found("bus gas us es this glass"), "bus gas us es thi glass");
        assert_eq!(asked("Ponies? PONY!"), ["pony"]);
        assert_eq!(found("foxes houses witches class"), "fox house witch class");
    }

    #[test]
    fn text_without_spaces_is_found_by_each_letter_and_each_two() {
        assert_eq!(found("日本語 ok"), "日 本 語 日本 本語 ok");
        assert_eq!(asked("本語"), ["本語"]);
        assert_eq!(asked("語"), ["語"]);
        assert_eq!(found("x猫y"), "x 猫 y");
        // The letters of each syllable.
        assert_eq!(asked("학교").len(), 4);
    }

    #[test]
    fn common_words_count_only_alone_and_a_question_is_bounded() {
        assert_eq!(asked("what is the weather"), ["weather"]);
        assert_eq!(asked("To be or not to be"), ["to", "be", "or", "not"]);
        assert_eq!(asked(" \u{0} \" ' * () AND-OR: ^~ \u{1f986}"), ["and", "or"]);
        assert_eq!(asked("\"*"), [""; 0]);
        let many = (0..9_999).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
        assert_eq!(asked(&many).len(), ASKED);
        assert_eq!(asked(&"é".repeat(QUESTION)), ["e".repeat(LONGEST)]);
        assert_eq!(indexed(&"字".repeat(100_000)).len(), INDEXED);
    }

    #[test]
    fn content_may_have_no_words() {
        for (content, words) in [
            (r#"{"text":"One owl"}"#, vec!["one", "owl"]),
            (r#"{"text":"\ud83d\udc4d"}"#, vec![]),
            (r#"{"text":"..."}"#, vec![]),
            (r#"{"text":""}"#, vec![]),
            (r#"{"text":5}"#, vec![]),
            (r#"{"thought":"owl"}"#, vec![]),
        ] {
            assert_eq!(of_content(&serde_json::from_str(content).unwrap()), words, "{content}");
        }
    }

    #[test]
    fn agents_and_tables_have_scopes_of_their_own() {
        let [one, two] = [1, 2].map(uuid::Uuid::from_u128);
        assert_ne!(scope(one, "facts"), scope(two, "facts"));
        assert_ne!(scope(one, "facts"), scope(one, "messages"));
        // A table that is called like the agent is none of its other tables.
        assert_ne!(scope(one, &one.to_string()), scope(one, "messages"));
        assert!(scope(one, "any 'thing\"").bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
