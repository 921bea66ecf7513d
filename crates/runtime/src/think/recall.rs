//! What of an agent's knowledge bears on a message: by the words they share, rare words counting more.

use std::collections::{HashMap, HashSet};

/// Words that say nothing about a subject.
const COMMON: [&str; 44] = [
    "the", "and", "for", "are", "but", "not", "you", "all", "any", "can", "had", "her", "was", "one", "our", "out", "has", "him", "his",
    "how", "its", "may", "who", "did", "yes", "get", "let", "say", "she", "too", "use", "that", "with", "have", "this", "will", "your",
    "from", "they", "what", "when", "about", "which", "there",
];

/// The texts that share words with the question, best first, at most `limit`.
pub(super) fn relevant<'t>(question: &str, texts: &[&'t str], limit: usize) -> Vec<&'t str> {
    let asked = words(question);
    if asked.is_empty() || texts.is_empty() {
        return Vec::new();
    }
    let contents: Vec<HashSet<String>> = texts.iter().map(|text| words(text)).collect();
    let mut frequency: HashMap<&str, usize> = HashMap::new();
    for word in contents.iter().flatten() {
        *frequency.entry(word.as_str()).or_default() += 1;
    }
    let mut scored: Vec<(f64, &'t str)> = texts
        .iter()
        .zip(&contents)
        .map(|(text, content)| (score(&asked, content, &frequency, texts.len()), *text))
        .filter(|(score, _)| *score > 0.0)
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().take(limit).map(|(_, text)| text).collect()
}

/// The inverse document frequencies of the shared words.
fn score(asked: &HashSet<String>, content: &HashSet<String>, frequency: &HashMap<&str, usize>, total: usize) -> f64 {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    asked
        .intersection(content)
        .map(|word| {
            let known = count(frequency.get(word.as_str()).copied().unwrap_or(1));
            (1.0 + count(total) / known).ln()
        })
        .sum()
}

fn words(text: &str) -> HashSet<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() > 2 && !COMMON.contains(&word.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::relevant;

    #[test]
    fn rare_shared_words_come_first_and_common_ones_do_not_count() {
        let texts =
            ["The cat sat on the mat.", "Cats purr when they are happy.", "A mat is a small carpet; the cat likes it.", "Dogs bark."];
        assert_eq!(relevant("Does the carpet please the cat?", &texts, 2), [texts[2], texts[0]]);
        assert_eq!(relevant("what about you and the", &texts, 2), [""; 0]);
        assert_eq!(relevant("", &texts, 2), [""; 0]);
    }
}
