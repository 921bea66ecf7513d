//! The conversation: finding the keyword, taking the phrase apart, putting the answer together.

use std::collections::{HashMap, VecDeque};

use crate::pattern::decompose;
use crate::script::{Answer, Fragment, Rule, Script, Topic};
use crate::words::{Word, phrases};

/// Earlier messages than this many are forgotten.
const MOST_MESSAGES: usize = 50;
/// What is kept for later, at most.
const MOST_MEMORIES: usize = 8;
/// How often rules may hand over to others for one answer.
const MOST_DETOURS: usize = 8;

/// The answer to the last of these messages of one conversation, oldest first. The same script and messages always give
/// the same answer, which is never empty.
pub fn respond(script: &Script, messages: &[&str]) -> String {
    let start = messages.len().saturating_sub(MOST_MESSAGES);
    let mut conversation = Conversation { script, turns: HashMap::new(), memories: VecDeque::new() };
    let mut answer = None;
    for message in messages.iter().skip(start) {
        answer = Some(conversation.answer(message));
    }
    answer.unwrap_or_else(|| conversation.answer(""))
}

/// Whether a message wants an answer from somebody who is not addressed: it has a keyword of rank above 0, or asks.
pub fn calls_for_an_answer(script: &Script, message: &str) -> bool {
    message.contains(['?', '？', '؟'])
        || phrases(message)
            .into_iter()
            .any(|phrase| ranked_keywords(script, &prepare(script, phrase)).first().is_some_and(|topic| topic.rank > 0))
}

struct Conversation<'a> {
    script: &'a Script,
    /// How often each rule was used.
    turns: HashMap<usize, usize>,
    memories: VecDeque<String>,
}

/// What became of trying a rule or a topic.
enum Tried {
    Said(String),
    /// Another keyword of the message should be tried.
    Next,
}

impl Conversation<'_> {
    fn answer(&mut self, message: &str) -> String {
        let phrases: Vec<Vec<Word>> = phrases(message).into_iter().map(|phrase| prepare(self.script, phrase)).collect();
        if phrases.is_empty() {
            return self.fallback(&self.script.silence);
        }
        let best = phrases.iter().map(|phrase| (phrase, ranked_keywords(self.script, phrase)));
        // Of several with the same rank, the first.
        let best = best.rev().max_by_key(|(_, topics)| topics.first().map(|topic| topic.rank));
        if let Some((phrase, topics)) = best {
            for topic in topics {
                if let Tried::Said(answer) = self.try_topic(topic, phrase, MOST_DETOURS) {
                    self.remember(phrase, topic);
                    return answer;
                }
            }
        }
        self.memories.pop_front().unwrap_or_else(|| self.fallback(&self.script.none))
    }

    /// Keeps what the keyword that answered finds worth keeping.
    fn remember(&mut self, phrase: &[Word], topic: &Topic) {
        for rule in &topic.memories {
            if let Some(Tried::Said(memory)) = self.try_rule(rule, phrase, 0) {
                if self.memories.len() == MOST_MEMORIES {
                    self.memories.pop_front();
                }
                self.memories.push_back(memory);
                return;
            }
        }
    }

    fn try_topic(&mut self, topic: &Topic, phrase: &[Word], detours: usize) -> Tried {
        topic.rules.iter().find_map(|rule| self.try_rule(rule, phrase, detours)).unwrap_or(Tried::Next)
    }

    /// Takes the answer whose turn it is; `None` where the pattern does not match. An answer that would hand back a part
    /// without words gives up its turn.
    fn try_rule(&mut self, rule: &Rule, phrase: &[Word], detours: usize) -> Option<Tried> {
        let parts = decompose(&rule.pattern, phrase)?;
        let parts: Vec<&[Word]> = parts.into_iter().map(|part| phrase.get(part).unwrap_or_default()).collect();
        for _ in &rule.answers {
            match self.next_answer(rule)? {
                Answer::Next => return Some(Tried::Next),
                Answer::Go(keyword) => {
                    let topic = self.script.topic(keyword).filter(|_| detours > 0)?;
                    return Some(self.try_topic(topic, phrase, detours - 1));
                }
                Answer::Say(fragments) => {
                    if let Some(said) = self.say(fragments, &parts) {
                        return Some(Tried::Said(said));
                    }
                }
            }
        }
        None
    }

    fn fallback(&mut self, rule: &Rule) -> String {
        match self.next_answer(rule) {
            Some(Answer::Say(fragments)) => self.say(fragments, &[]).unwrap_or_default(),
            _ => String::new(),
        }
    }

    fn next_answer<'rule>(&mut self, rule: &'rule Rule) -> Option<&'rule Answer> {
        let turn = self.turns.entry(rule.number).or_default();
        let answer = rule.answers.iter().cycle().nth(*turn % rule.answers.len().max(1));
        *turn += 1;
        answer
    }

    fn say(&self, fragments: &[Fragment], parts: &[&[Word]]) -> Option<String> {
        let mut said = String::new();
        for fragment in fragments {
            match fragment {
                Fragment::Text(text) => said.push_str(text),
                Fragment::Part(part) => {
                    let mirrored = self.script.mirrors.replace(parts.get(*part).filter(|words| !words.is_empty())?);
                    said.push_str(&mirrored.iter().map(|word| word.shown.as_str()).collect::<Vec<_>>().join(" "));
                }
            }
        }
        Some(with_capital(&said))
    }
}

/// A phrase as patterns see it: swapped, and without a capital only because it begins a sentence.
fn prepare(script: &Script, mut phrase: Vec<Word>) -> Vec<Word> {
    if let Some(first) = phrase.first_mut().filter(|first| script.knows(&first.key)) {
        first.shown.clone_from(&first.key);
    }
    let mut swapped = script.swaps.replace(&phrase);
    for word in swapped.iter_mut().filter(|word| word.key == "i" || word.key.starts_with("i'")) {
        // "I" keeps its capital wherever it stands, and however it was typed.
        word.shown = with_capital(&word.shown);
    }
    swapped
}

/// The topics of a phrase's keywords, best first; of several with the same rank, in the order of the words.
fn ranked_keywords<'script>(script: &'script Script, phrase: &[Word]) -> Vec<&'script Topic> {
    let mut topics: Vec<&Topic> = phrase.iter().filter_map(|word| script.topic(&word.key)).collect();
    topics.sort_by_key(|topic| std::cmp::Reverse(topic.rank));
    topics
}

fn with_capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
