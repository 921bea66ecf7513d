//! The conversation: finding the keyword, taking the phrase apart, putting the answer together.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::pattern::decompose;
use crate::script::{Answer, Fragment, Rule, Script, Topic};
use crate::words::{Word, phrases, readable};

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
    let (last, earlier) = messages.get(start..).and_then(<[&str]>::split_last).unwrap_or((&"", &[]));
    for message in earlier {
        conversation.hear(&phrases_of(script, &readable(message)));
    }
    conversation.answer(&phrases_of(script, &readable(last)))
}

/// Whether a message wants an answer from somebody who is not addressed: it has a keyword of rank above 0, or asks.
pub fn calls_for_an_answer(script: &Script, message: &str) -> bool {
    message.contains(['?', '？', '؟'])
        || phrases_of(script, &readable(message))
            .iter()
            .any(|phrase| ranked_keywords(script, phrase).first().is_some_and(|topic| topic.rank > 0))
}

struct Conversation<'a> {
    script: &'a Script,
    /// How often each rule was used.
    turns: HashMap<usize, usize>,
    memories: VecDeque<String>,
}

/// A phrase as patterns see it.
type Phrase<'a> = Vec<Word<'a>>;

/// What became of trying a rule or a topic.
enum Tried<'a> {
    Say(Saying<'a>),
    /// Another keyword of the message should be tried.
    Next,
}

/// What is to be said, with parts of a phrase. It is put together only where somebody is to hear it.
struct Saying<'a> {
    fragments: &'a [Fragment],
    parts: Vec<Range<usize>>,
}

/// What is said, and to which phrase.
enum Reply<'a> {
    Of(Saying<'a>, usize),
    Memory(String),
}

impl<'a> Conversation<'a> {
    /// Takes note of a message that was answered earlier.
    fn hear(&mut self, phrases: &[Phrase<'_>]) {
        self.reply(phrases);
    }

    fn answer(&mut self, phrases: &[Phrase<'_>]) -> String {
        match self.reply(phrases) {
            Some(Reply::Of(saying, phrase)) => self.say(&saying, phrases.get(phrase).map_or(&[], Vec::as_slice)),
            Some(Reply::Memory(memory)) => memory,
            None => String::new(),
        }
    }

    fn reply(&mut self, phrases: &[Phrase<'_>]) -> Option<Reply<'a>> {
        if phrases.is_empty() {
            return self.fallback(&self.script.silence);
        }
        let best = phrases.iter().enumerate().map(|(number, phrase)| (number, phrase, ranked_keywords(self.script, phrase)));
        // Of several with the same rank, the first.
        let best = best.rev().max_by_key(|(_, _, topics)| topics.first().map(|topic| topic.rank));
        if let Some((number, phrase, topics)) = best {
            for topic in topics {
                if let Tried::Say(saying) = self.try_topic(topic, phrase, MOST_DETOURS) {
                    self.remember(phrase, topic);
                    return Some(Reply::Of(saying, number));
                }
            }
        }
        let memory = self.memories.pop_front().map(Reply::Memory);
        memory.or_else(|| self.fallback(&self.script.none))
    }

    /// Keeps what the keyword that answered finds worth keeping.
    fn remember(&mut self, phrase: &[Word<'_>], topic: &'a Topic) {
        for rule in &topic.memories {
            if let Some(Tried::Say(saying)) = self.try_rule(rule, phrase, 0) {
                let memory = self.say(&saying, phrase);
                if self.memories.len() == MOST_MEMORIES {
                    self.memories.pop_front();
                }
                self.memories.push_back(memory);
                return;
            }
        }
    }

    fn try_topic(&mut self, topic: &'a Topic, phrase: &[Word<'_>], detours: usize) -> Tried<'a> {
        topic.rules.iter().find_map(|rule| self.try_rule(rule, phrase, detours)).unwrap_or(Tried::Next)
    }

    /// Takes the answer whose turn it is; `None` where the pattern does not match. An answer that would hand back a part
    /// without words gives up its turn.
    fn try_rule(&mut self, rule: &'a Rule, phrase: &[Word<'_>], detours: usize) -> Option<Tried<'a>> {
        let parts = decompose(&rule.pattern, phrase)?;
        for _ in &rule.answers {
            match self.next_answer(rule)? {
                Answer::Next => return Some(Tried::Next),
                Answer::Go(keyword) => {
                    let topic = self.script.topic(keyword).filter(|_| detours > 0)?;
                    return Some(self.try_topic(topic, phrase, detours - 1));
                }
                Answer::Say(fragments) => {
                    if has_all(fragments, &parts) {
                        return Some(Tried::Say(Saying { fragments, parts }));
                    }
                }
            }
        }
        None
    }

    fn fallback(&mut self, rule: &'a Rule) -> Option<Reply<'a>> {
        match self.next_answer(rule) {
            Some(Answer::Say(fragments)) if has_all(fragments, &[]) => Some(Reply::Of(Saying { fragments, parts: Vec::new() }, 0)),
            _ => None,
        }
    }

    fn next_answer(&mut self, rule: &'a Rule) -> Option<&'a Answer> {
        let turn = self.turns.entry(rule.number).or_default();
        let answer = rule.answers.iter().cycle().nth(*turn % rule.answers.len().max(1));
        *turn += 1;
        answer
    }

    fn say(&self, saying: &Saying<'_>, phrase: &[Word<'_>]) -> String {
        let mut said = String::new();
        for fragment in saying.fragments {
            match fragment {
                Fragment::Text(text) => said.push_str(text),
                Fragment::Part(part) => {
                    let words = saying.parts.get(*part).and_then(|part| phrase.get(part.clone())).unwrap_or_default();
                    let mirrored = self.script.mirrors.replace(words);
                    said.push_str(&mirrored.iter().map(|word| &*word.shown).collect::<Vec<_>>().join(" "));
                }
            }
        }
        with_capital(&said)
    }
}

/// Whether all parts that are to be handed back have words.
fn has_all(fragments: &[Fragment], parts: &[Range<usize>]) -> bool {
    let has = |part: &usize| parts.get(*part).is_some_and(|part| !part.is_empty());
    fragments.iter().all(|fragment| match fragment {
        Fragment::Text(_) => true,
        Fragment::Part(part) => has(part),
    })
}

/// The phrases of a message as patterns see them.
fn phrases_of<'a>(script: &'a Script, message: &'a str) -> Vec<Phrase<'a>> {
    phrases(message).into_iter().map(|phrase| prepare(script, phrase)).collect()
}

/// A phrase as patterns see it: swapped, and without a capital only because it begins a sentence.
fn prepare<'a>(script: &'a Script, mut phrase: Phrase<'a>) -> Phrase<'a> {
    if let Some(first) = phrase.first_mut().filter(|first| script.knows(&first.key)) {
        first.shown = first.key.clone();
    }
    let mut swapped = script.swaps.replace(&phrase);
    for word in swapped.iter_mut().filter(|word| word.key == "i" || word.key.starts_with("i'")) {
        // "I" keeps its capital wherever it stands, and however it was typed.
        word.shown = Cow::Owned(with_capital(&word.shown));
    }
    swapped
}

/// The topics of a phrase's keywords, best first; of several with the same rank, in the order of the words.
fn ranked_keywords<'script>(script: &'script Script, phrase: &[Word<'_>]) -> Vec<&'script Topic> {
    let mut topics: Vec<&Topic> = phrase.iter().filter_map(|word| script.topic(&word.key)).collect();
    topics.sort_by_key(|topic| std::cmp::Reverse(topic.rank));
    topics
}

fn with_capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
