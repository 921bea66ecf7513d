//! The script: what there is to say, and reading it. `script/eliza.txt` explains the format.

use std::collections::{HashMap, HashSet};

use derive_more::{Display, Error};

use crate::pattern::{Element, MOST_GAPS};
use crate::words::{Replacement, Replacements, Word};

/// A longer script is not read, in bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// A script cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
#[display("line {line} of the script: {message}")]
pub struct ScriptError {
    /// The line, counted from 1; 0 where it is about the whole.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Everything the model knows.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(crate) swaps: Replacements,
    pub(crate) mirrors: Replacements,
    classes: HashMap<String, Vec<String>>,
    keywords: HashMap<String, usize>,
    topics: Vec<Topic>,
    pub(crate) none: Rule,
    pub(crate) silence: Rule,
    /// Words that are not names, so that they lose the capital of a sentence's beginning.
    known: HashSet<String>,
    rules: usize,
}

/// The rules that some keywords share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topic {
    pub(crate) rank: u32,
    pub(crate) rules: Vec<Rule>,
    pub(crate) memories: Vec<Rule>,
}

/// A decomposition pattern with its answers, which take turns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    /// Counts the rules of a script; the key to whose turn it is.
    pub(crate) number: usize,
    pub(crate) pattern: Vec<Element>,
    pub(crate) answers: Vec<Answer>,
}

/// What a rule comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To say this.
    Say(Vec<Fragment>),
    /// To use the rules of another keyword.
    Go(String),
    /// To try the next keyword of the message.
    Next,
}

/// A piece of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// As it is.
    Text(String),
    /// A part of the pattern, counted from 0.
    Part(usize),
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`ScriptError`] names the line that is not in the format.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        if text.len() > MOST_BYTES {
            return Err(ScriptError { line: 0, message: format!("it is longer than {MOST_BYTES} bytes") });
        }
        let mut reader = Reader { script: Self::default(), open: Open::Nothing, gone_to: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                reader.read(index + 1, line).map_err(|message| ScriptError { line: index + 1, message })?;
            }
        }
        reader.finish()
    }

    /// How many words it answers to.
    pub fn keyword_count(&self) -> usize {
        self.keywords.len()
    }

    pub(crate) fn topic(&self, keyword: &str) -> Option<&Topic> {
        self.topics.get(*self.keywords.get(keyword)?)
    }

    pub(crate) fn knows(&self, word: &str) -> bool {
        self.known.contains(word)
    }
}

/// Where answers go at the moment.
enum Open {
    Nothing,
    None,
    Silence,
    Topic,
    Rule,
    Memory,
}

struct Reader {
    script: Script,
    open: Open,
    gone_to: Vec<(usize, String)>,
}

impl Reader {
    fn read(&mut self, number: usize, line: &str) -> Result<(), String> {
        let (directive, rest) = line.split_once(' ').map_or((line, ""), |(directive, rest)| (directive, rest.trim()));
        match directive {
            "swap" => self.script.swaps.add(replacement(rest)?),
            "mirror" => self.script.mirrors.add(replacement(rest)?),
            "class" => self.class(rest)?,
            "keyword" => self.keyword(rest)?,
            "when" => self.rule(rest, Open::Rule)?,
            "remember" => self.rule(rest, Open::Memory)?,
            "none" => self.open = Open::None,
            "silence" => self.open = Open::Silence,
            "say" => {
                let answer = self.say(rest)?;
                self.answer(answer)?;
            }
            "go" => {
                self.gone_to.push((number, rest.to_owned()));
                self.answer(Answer::Go(rest.to_owned()))?;
            }
            "next" => self.answer(Answer::Next)?,
            _ => return Err(format!("{directive:?} is no directive")),
        }
        Ok(())
    }

    fn class(&mut self, rest: &str) -> Result<(), String> {
        let (name, words) = rest.split_once(':').ok_or("a class is NAME: WORDS")?;
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        self.script.known.extend(words.iter().cloned());
        match self.script.classes.insert(name.trim().to_owned(), words) {
            None => Ok(()),
            Some(_) => Err(format!("there are two classes {name:?}")),
        }
    }

    fn keyword(&mut self, rest: &str) -> Result<(), String> {
        let (rank, words) = rest.split_once(':').ok_or("a keyword is RANK: WORDS")?;
        let rank = rank.trim().parse().map_err(|_| "a rank is a whole number")?;
        for word in words.split_whitespace() {
            self.script.known.insert(word.to_owned());
            if self.script.keywords.insert(word.to_owned(), self.script.topics.len()).is_some() {
                return Err(format!("the keyword {word:?} has two places"));
            }
        }
        self.script.topics.push(Topic { rank, ..Topic::default() });
        self.open = Open::Topic;
        Ok(())
    }

    fn rule(&mut self, pattern: &str, open: Open) -> Result<(), String> {
        let pattern = pattern.split_whitespace().map(|token| self.element(token)).collect::<Result<Vec<_>, String>>()?;
        if pattern.iter().filter(|element| **element == Element::Gap).count() > MOST_GAPS {
            return Err(format!("a pattern has at most {MOST_GAPS} times 0"));
        }
        self.script.rules += 1;
        let rule = Rule { number: self.script.rules, pattern, answers: Vec::new() };
        let topic = self.script.topics.last_mut().ok_or("a pattern belongs to a keyword")?;
        if matches!(open, Open::Memory) {
            topic.memories.push(rule);
        } else {
            topic.rules.push(rule);
        }
        self.open = open;
        Ok(())
    }

    fn element(&mut self, token: &str) -> Result<Element, String> {
        match token.parse() {
            Ok(0) => return Ok(Element::Gap),
            Ok(count) => return Ok(Element::Count(count)),
            Err(_) => {}
        }
        let mut choices = Vec::new();
        for choice in token.split('|') {
            let Some(class) = choice.strip_prefix('/') else {
                choices.push(choice.to_owned());
                continue;
            };
            let words = self.script.classes.get(class).ok_or_else(|| format!("there is no class {class:?}"))?;
            choices.extend(words.iter().cloned());
        }
        self.script.known.extend(choices.iter().cloned());
        Ok(Element::Word(choices))
    }

    fn say(&mut self, text: &str) -> Result<Answer, String> {
        let parts = self.current().map_or(0, |rule| rule.pattern.len());
        let fragments = fragments(text);
        let missing = fragments.iter().any(|fragment| matches!(fragment, Fragment::Part(part) if *part >= parts));
        if missing { Err("the pattern has no such part".to_owned()) } else { Ok(Answer::Say(fragments)) }
    }

    fn answer(&mut self, answer: Answer) -> Result<(), String> {
        self.current().ok_or("an answer belongs to a pattern")?.answers.push(answer);
        Ok(())
    }

    fn current(&mut self) -> Option<&mut Rule> {
        match self.open {
            Open::None => Some(&mut self.script.none),
            Open::Silence => Some(&mut self.script.silence),
            Open::Rule => self.script.topics.last_mut()?.rules.last_mut(),
            Open::Memory => self.script.topics.last_mut()?.memories.last_mut(),
            Open::Nothing | Open::Topic => None,
        }
    }

    fn finish(mut self) -> Result<Script, ScriptError> {
        if let Some((line, word)) = self.gone_to.iter().find(|(_, word)| !self.script.keywords.contains_key(word)) {
            return Err(ScriptError { line: *line, message: format!("there is no keyword {word:?}") });
        }
        let says = |rule: &Rule| !rule.answers.is_empty() && rule.answers.iter().all(|answer| matches!(answer, Answer::Say(_)));
        let all = || self.script.topics.iter().flat_map(|topic| topic.rules.iter().chain(&topic.memories));
        if !says(&self.script.none) || !says(&self.script.silence) || all().any(|rule| rule.answers.is_empty()) {
            return Err(ScriptError { line: 0, message: "every pattern, `none` and `silence` need something to say".to_owned() });
        }
        self.script.silence.number = self.script.rules + 1;
        let replaced: Vec<String> = self.script.swaps.words().chain(self.script.mirrors.words()).cloned().collect();
        self.script.known.extend(replaced);
        Ok(self.script)
    }
}

fn replacement(rest: &str) -> Result<Replacement, String> {
    let (from, to) = rest.split_once("->").ok_or("a replacement is WORDS -> WORDS")?;
    let mut from: Vec<String> = from.split_whitespace().map(str::to_owned).collect();
    let at_end = from.pop_if(|last| last == "$").is_some();
    if from.is_empty() {
        return Err("a replacement needs something to replace".to_owned());
    }
    Ok(Replacement { from, at_end, to: to.split_whitespace().map(|word| Word::new(word).into_owned()).collect() })
}

/// Splits what is to be said at its numbers, which count parts from 1.
fn fragments(text: &str) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|char: char| char.is_ascii_digit()) {
        let (before, from_digit) = rest.split_at(start);
        let end = from_digit.find(|char: char| !char.is_ascii_digit()).unwrap_or(from_digit.len());
        let (digits, after) = from_digit.split_at(end);
        fragments.push(Fragment::Text(before.to_owned()));
        // Part 0 and numbers without bounds become a part that no pattern has.
        fragments.push(Fragment::Part(digits.parse::<usize>().ok().and_then(|part| part.checked_sub(1)).unwrap_or(usize::MAX)));
        rest = after;
    }
    fragments.push(Fragment::Text(rest.to_owned()));
    fragments
}

#[cfg(test)]
mod tests {
    use super::Script;

    const LEAST: &str = "none\nsay Hm.\nsilence\nsay Yes?\n";

    #[test]
    fn the_own_script_can_be_read_and_knows_many_words() {
        let script = Script::parse(include_str!("../script/eliza.txt")).expect("readable");
        assert!(script.keyword_count() >= 40, "{}", script.keyword_count());
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        assert!(Script::parse(LEAST).is_ok());
        for (mistake, line, message) in [
            ("dance", 5, "\"dance\" is no directive"),
            ("swap a b", 5, "a replacement is WORDS -> WORDS"),
            ("mirror $ -> x", 5, "a replacement needs something to replace"),
            ("keyword x", 5, "a keyword is RANK: WORDS"),
            ("keyword high: x", 5, "a rank is a whole number"),
            ("keyword 1: x x", 5, "the keyword \"x\" has two places"),
            ("when 0", 5, "a pattern belongs to a keyword"),
            ("keyword 1: x\nsay early", 6, "an answer belongs to a pattern"),
            ("keyword 1: x\nwhen 0 /y 0", 6, "there is no class \"y\""),
            ("keyword 1: x\nwhen 0 0 0 0 0", 6, "a pattern has at most 4 times 0"),
            ("keyword 1: x\nwhen 0\nsay What about 2?", 7, "the pattern has no such part"),
            ("keyword 1: x\nwhen 0\nsay What about 0?", 7, "the pattern has no such part"),
            ("keyword 1: x\nwhen 0\ngo away", 7, "there is no keyword \"away\""),
            ("keyword 1: x\nwhen 0", 0, "every pattern, `none` and `silence` need something to say"),
        ] {
            let error = Script::parse(&format!("{LEAST}{mistake}")).expect_err(mistake);
            assert_eq!((error.line, error.message.as_str()), (line, message), "{mistake}");
        }
        assert_eq!(Script::parse("").expect_err("nothing to say").line, 0);
        assert_eq!(Script::parse(&"# long\n".repeat(1_000_000)).expect_err("too long").line, 0);
    }
}
