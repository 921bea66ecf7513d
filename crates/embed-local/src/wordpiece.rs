//! Cutting texts into the pieces that a BERT model knows (Devlin et al., 2018): cleaned, without accents and in lower case
//! where the model wants that, apart at spaces and punctuation, and then always the longest piece that there is. What looks like
//! one of the model's own marks, such as `[SEP]`, is text like any other.

use std::collections::HashMap;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// A longer word is unknown, in characters.
const LONGEST: usize = 100;

/// The pieces of a model.
#[derive(Debug)]
pub struct Vocabulary {
    pieces: HashMap<String, u32>,
    lower_case: bool,
    strip_accents: bool,
    unknown: u32,
}

impl Vocabulary {
    /// Pieces in the order of their numbers; `None` where `[UNK]` is not among them.
    pub fn new<'p>(pieces: impl Iterator<Item = &'p str>, lower_case: bool, strip_accents: bool) -> Option<Self> {
        Self::numbered((0..).zip(pieces).map(|(number, piece)| (piece.to_owned(), number)).collect(), lower_case, strip_accents)
    }

    /// The same of pieces with their numbers.
    pub fn numbered(pieces: HashMap<String, u32>, lower_case: bool, strip_accents: bool) -> Option<Self> {
        let unknown = *pieces.get("[UNK]")?;
        Some(Self { pieces, lower_case, strip_accents, unknown })
    }

    /// The number of a piece.
    pub fn number(&self, piece: &str) -> Option<u32> {
        self.pieces.get(piece).copied()
    }

    /// The pieces of a text, at most so many.
    pub fn cut(&self, text: &str, most: usize) -> Vec<u32> {
        let mut cut = Vec::new();
        let mut word = String::new();
        let categories = CodePointMapData::<GeneralCategory>::new();
        for letter in self.letters(text) {
            let punctuation = letter.is_ascii_punctuation() || GeneralCategoryGroup::Punctuation.contains(categories.get(letter));
            if !punctuation && !letter.is_whitespace() {
                word.push(letter);
                continue;
            }
            self.pieces_of(&word, &mut cut);
            word.clear();
            if punctuation {
                self.pieces_of(letter.encode_utf8(&mut [0; 4]), &mut cut);
            }
            if cut.len() >= most {
                break;
            }
        }
        self.pieces_of(&word, &mut cut);
        cut.truncate(most);
        cut
    }

    /// The letters of a text as the model knows them.
    fn letters(&self, text: &str) -> Vec<char> {
        let categories = CodePointMapData::<GeneralCategory>::new();
        let mut letters = Vec::with_capacity(text.len());
        for letter in text.chars() {
            let is_space = letter.is_whitespace();
            if is_space {
                letters.push(' ');
            } else if letter == '\u{fffd}' || GeneralCategoryGroup::Other.contains(categories.get(letter)) {
                // Control characters, and what is no character at all.
            } else if is_ideograph(letter) {
                letters.extend([' ', letter, ' ']);
            } else {
                letters.push(letter);
            }
        }
        if self.strip_accents {
            let apart = DecomposingNormalizerBorrowed::new_nfd().normalize_iter(letters.into_iter());
            letters = apart.filter(|letter| categories.get(*letter) != GeneralCategory::NonspacingMark).collect();
        }
        if self.lower_case {
            letters = letters.into_iter().flat_map(char::to_lowercase).collect();
        }
        letters
    }

    fn pieces_of(&self, word: &str, cut: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        if word.chars().count() > LONGEST {
            cut.push(self.unknown);
            return;
        }
        let before = cut.len();
        let (mut rest, mut piece) = (word, String::new());
        while !rest.is_empty() {
            let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8()).rev();
            let longest = ends.filter_map(|end| rest.split_at_checked(end)).find_map(|(candidate, after)| {
                piece.clear();
                if rest.len() < word.len() {
                    piece.push_str("##");
                }
                piece.push_str(candidate);
                Some((self.number(&piece)?, after))
            });
            let Some((number, after)) = longest else {
                // One part that is not known makes the whole word unknown.
                cut.truncate(before);
                cut.push(self.unknown);
                return;
            };
            cut.push(number);
            rest = after;
        }
    }
}

/// Whether a letter is a word of its own.
const fn is_ideograph(letter: char) -> bool {
    matches!(
        letter as u32,
        0x4e00..=0x9fff
            | 0x3400..=0x4dbf
            | 0x2_0000..=0x2_a6df
            | 0x2_a700..=0x2_b73f
            | 0x2_b740..=0x2_b81f
            | 0x2_b920..=0x2_ceaf
            | 0xf900..=0xfaff
            | 0x2_f800..=0x2_fa1f
    )
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(["[UNK]", "[SEP]", "[", "]", "sep", "un", "##know", "##n", "a"].into_iter(), true, true).unwrap()
    }

    #[test]
    fn the_longest_piece_comes_first_and_an_unknown_part_makes_the_word_unknown() {
        assert_eq!(vocabulary().cut("Unknow a unknot unn", 10), [5, 6, 8, 0, 5, 7]);
    }

    #[test]
    fn marks_of_the_model_are_text() {
        assert_eq!(vocabulary().cut("[SEP]", 10), [2, 4, 3]);
    }

    #[test]
    fn a_long_text_is_cut_off() {
        assert_eq!(vocabulary().cut(&"a ".repeat(1_000), 5), [8; 5]);
    }
}
