//! What the model is given: the character, what bears on the message, then as much of the recent conversation as fits.

use core_types::EntityId;
use core_types::character::{Character, OneOrMany};
use core_types::memory::{Memory, Remembered, RoomContext, RoomState, Trust};
use core_types::models::{ModelSize, Purpose, Role, TextRequest, ToolSpec, Turn};
use serde_json::{Value, json};

use super::attached::{self, Attached, AttachedText};
use super::{Mind, recall, request, template};
use crate::record::{author_name, room_kind, short};
use crate::run::RunError;

/// Facts that are given at most.
const RECALLED: usize = 8;
/// What is recalled takes at most this part of the context.
const RECALLED_PART: usize = 4;
/// Sample conversations that are given at most.
const EXAMPLES: usize = 5;
/// Turns that a decision is made on.
const DECISION_TURNS: usize = 8;
/// Tokens of a decision; some models think aloud first.
const DECISION_TOKENS: u32 = 256;
/// What an image costs, in tokens, from above for most services.
const IMAGE_TOKENS: usize = 1_600;
/// What the text around each turn costs, in tokens.
const TURN_TOKENS: usize = 8;

/// Tokens, estimated from above for most languages: a third of the bytes. No tokeniser is right for every provider.
fn tokens(text: &str) -> usize {
    text.len() / 3 + 1
}

/// The request for a reply.
pub(super) fn reply(mind: &Mind<'_>, room: &RoomContext, attached: Attached, tools: Vec<ToolSpec>) -> Result<TextRequest, RunError> {
    let mut request = request(mind, ModelSize::Large, Purpose::Reply);
    if mind.ready.provider.capabilities().tools {
        request.tools = tools;
    }
    let mut budget = Budget::for_request(mind, &request);
    let present = present_turn(mind, room, attached, &mut budget);
    let recalled = recalled(mind, room, &budget);
    let recalled: Vec<&str> = recalled.iter().map(String::as_str).collect();
    request.system = match custom(mind, &["messageHandlerTemplate", "replyTemplate"]) {
        Some((name, text)) => budget.must(&template::render(name, text, variables(mind, room, &recalled, &request.tools))?),
        None => system(mind, room, &recalled, &mut budget),
    };
    request.turns = recent_turns(mind, room, &mut budget, usize::MAX);
    request.turns.push(present);
    Ok(request)
}

/// The request for a decision.
pub(super) fn decision(mind: &Mind<'_>, room: &RoomContext) -> Result<TextRequest, RunError> {
    let mut request = request(mind, ModelSize::Small, Purpose::Decide);
    request.max_output_tokens = DECISION_TOKENS;
    let mut budget = Budget::for_request(mind, &request);
    let mentioned = Attached { attachments: attached::mentioned(mind), ..Attached::default() };
    let present = present_turn(mind, room, mentioned, &mut budget);
    request.system = match custom(mind, &["shouldRespondTemplate"]) {
        Some((name, text)) => budget.must(&template::render(name, text, variables(mind, room, &[], &[]))?),
        None => budget.must(&decision_system(&mind.ready.agent.character)),
    };
    if mind.ready.provider.capabilities().tools {
        request.tools = decision_tools(&mind.ready.agent.character.name);
    }
    request.turns = recent_turns(mind, room, &mut budget, DECISION_TURNS);
    request.turns.push(present);
    Ok(request)
}

/// What is left of the model's context.
struct Budget {
    left: usize,
}

impl Budget {
    fn for_request(mind: &Mind<'_>, request: &TextRequest) -> Self {
        let context = mind.ready.provider.capabilities().context_tokens.min(mind.limits.context_tokens);
        let tools: usize = request.tools.iter().map(|tool| tokens(&tool.description) + tokens(&tool.parameters.to_string())).sum();
        // Half the context is kept for the question whatever a small model's output limit is.
        let output = request.max_output_tokens.min(context / 2);
        Self { left: usize::try_from(context - output).unwrap_or(usize::MAX).saturating_sub(tools) }
    }

    /// Takes a text whole if it fits.
    fn fits(&mut self, text: &str) -> bool {
        let cost = tokens(text);
        let fits = cost <= self.left;
        if fits {
            self.left -= cost;
        }
        fits
    }

    /// Takes a text, cut to three quarters of what is left where it must be.
    fn must(&mut self, text: &str) -> String {
        let most = self.left.saturating_mul(9) / 4;
        let end = text.char_indices().map(|(index, letter)| index + letter.len_utf8()).take_while(|end| *end <= most).last();
        let text = if text.len() <= most { text } else { text.get(..end.unwrap_or(0)).unwrap_or_default() };
        self.left = self.left.saturating_sub(tokens(text));
        text.to_owned()
    }
}

fn custom<'m>(mind: &'m Mind<'_>, names: &[&'static str]) -> Option<(&'static str, &'m str)> {
    let templates = &mind.ready.agent.character.templates;
    names.iter().find_map(|name| templates.get(*name).and_then(Value::as_str).map(|text| (*name, text)))
}

/// Our own instructions: sections in the order of their worth; what does not fit is left out.
fn system(mind: &Mind<'_>, room: &RoomContext, recalled: &[&str], budget: &mut Budget) -> String {
    let character = &mind.ready.agent.character;
    let mut parts = vec![budget.must(&identity(character)), budget.must(&situation(mind, room))];
    let optional = [
        section("What you know that may bear on this:", recalled),
        section("How you write:", &style(character)),
        section("Your background:", &texts(character.lore.as_ref().map(OneOrMany::texts).unwrap_or_default())),
        line("You like to talk about", &character.topics),
        line("Others describe you as", &character.adjectives),
        examples(character),
    ];
    parts.extend(optional.into_iter().filter(|part| !part.is_empty() && budget.fits(part)));
    parts.join("\n\n")
}

fn identity(character: &Character) -> String {
    let name = &character.name;
    let system = character.system.as_deref().unwrap_or_default();
    let bio = character.bio.texts().join("\n");
    [format!("You are {name}."), system.to_owned(), bio].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn situation(mind: &Mind<'_>, room: &RoomContext) -> String {
    let name = &mind.ready.agent.character.name;
    let sender = sender(mind, room);
    let place = if room_kind(mind.claimed).eq_ignore_ascii_case("DM") {
        format!("You are talking with {sender}.")
    } else {
        format!("You are in the group conversation {:?}; the last message is from {sender}.", mind.claimed.channel.name)
    };
    let state = match room.state {
        RoomState::None => "",
        RoomState::Followed => " You follow this conversation.",
        RoomState::Muted => " You are muted here, but you have been named.",
    };
    let now = mind.ports.clock.now().iso();
    format!(
        "{place}{state} It is {now}.\nAnswer as {name}, in character and in the language of the last message. Write only what {name} says, \
         without a name in front. Call a tool only if the message asks for what it does."
    )
}

fn decision_system(character: &Character) -> String {
    let name = &character.name;
    let topics = line("Topics:", &character.topics);
    format!(
        "{name} takes part in a group conversation. {}\n{topics}\nDecide whether {name} should answer the last message: RESPOND if it is \
         meant for {name}, asks something {name} knows about, or goes on with a conversation with {name}; IGNORE if it is meant for others \
         or needs no answer; STOP if somebody asks {name} to be quiet. Call exactly one of these tools, or write just that word.",
        character.bio.summary()
    )
}

fn decision_tools(name: &str) -> Vec<ToolSpec> {
    let tool = |tool: &str, description: String| ToolSpec {
        name: tool.to_owned(),
        description,
        parameters: json!({"type": "object", "properties": {}}),
    };
    vec![
        tool("RESPOND", format!("{name} answers the last message.")),
        tool("IGNORE", format!("{name} does not answer the last message.")),
        tool("STOP", format!("{name} was asked to be quiet.")),
    ]
}

fn style(character: &Character) -> Vec<&str> {
    character.style.all.iter().chain(&character.style.chat).map(String::as_str).collect()
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn section(title: &str, lines: &[&str]) -> String {
    if lines.is_empty() { String::new() } else { format!("{title}\n- {}", lines.join("\n- ")) }
}

fn line(title: &str, words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!("{title} {}.", words.join(", ")) }
}

fn examples(character: &Character) -> String {
    let conversations: Vec<String> = character
        .message_examples
        .iter()
        .take(EXAMPLES)
        .map(|lines| {
            let said = |line: &core_types::character::MessageExample| {
                format!("{}: {}", line.name, line.content.get("text").and_then(Value::as_str).unwrap_or_default())
            };
            lines.iter().map(said).collect::<Vec<_>>().join("\n")
        })
        .collect();
    if conversations.is_empty() { String::new() } else { format!("Sample conversations:\n{}", conversations.join("\n\n")) }
}

/// Facts of the room that share words with the message, and the fragments of documents that do, with where they are from;
/// as many of the best as fit into a part of the context.
fn recalled(mind: &Mind<'_>, room: &RoomContext, budget: &Budget) -> Vec<String> {
    let facts: Vec<String> = room.facts.iter().filter(|fact| !fact.text().is_empty()).map(|fact| told(mind, fact)).collect();
    let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
    let facts = recall::relevant(&mind.claimed.message.content, &facts, RECALLED).into_iter().map(str::to_owned);
    let mut left = budget.left / RECALLED_PART;
    let fits = |text: &String| {
        let cost = tokens(text);
        let fits = cost <= left;
        left = left.saturating_sub(cost);
        fits
    };
    facts.chain(room.knowledge.iter().map(fragment)).take_while(fits).collect()
}

/// A fact, with who says so where that is neither the agent, nor whoever runs it, nor whom it talks to: what one person
/// says is no fact for another.
fn told(mind: &Mind<'_>, fact: &Memory) -> String {
    let hearsay = fact.origin.trust.is_none_or(|trust| trust == Trust::Participant) && fact.entity_id != mind.claimed.message.author_id;
    if !hearsay || fact.entity_id == mind.claimed.delivery.agent_id.into() {
        return fact.text().to_owned();
    }
    let by = fact.metadata.get("saidBy").and_then(Value::as_str).unwrap_or("somebody");
    format!("{} (so {by} says)", fact.text())
}

/// A fragment of a document with its title and its place there, counted from 1.
fn fragment(memory: &Memory) -> String {
    let title = memory.metadata.get("title").and_then(Value::as_str);
    let position = memory.metadata.get("position").and_then(Value::as_u64);
    match (title, position) {
        (Some(title), Some(position)) => format!("{} (from {title:?}, part {})", memory.text(), position + 1),
        _ => memory.text().to_owned(),
    }
}

/// The message with what came with it. An image that does not fit is mentioned; a text is cut.
fn present_turn(mind: &Mind<'_>, room: &RoomContext, attached: Attached, budget: &mut Budget) -> Turn {
    let mut turn = Turn::text(Role::User, sender(mind, room), budget.must(&mind.claimed.message.content));
    for mut attachment in attached.attachments {
        match budget.left.checked_sub(IMAGE_TOKENS).filter(|_| attachment.content.is_some()) {
            Some(left) => budget.left = left,
            None => attachment.content = None,
        }
        turn.attachments.push(attachment);
    }
    for AttachedText { title, text } in attached.texts {
        let title = named(&title);
        // No more than half of what is left, so that the next text and the conversation have room too.
        let text = Budget { left: budget.left / 2 }.must(&text);
        budget.left = budget.left.saturating_sub(tokens(&text) + TURN_TOKENS);
        turn.text.extend(["\n\n[attached text: ", title, "]\n", &text, "\n[end of ", title, "]"]);
    }
    for (title, why) in attached.unread {
        let note = format!("\n\n[attached and not read: {}; {why}]", named(&title));
        if budget.fits(&note) {
            turn.text.push_str(&note);
        }
    }
    turn
}

/// How an attachment is called before the model.
fn named(title: &str) -> &str {
    if title.is_empty() { "without a name" } else { title }
}

/// The newest memories that fit, oldest first.
fn recent_turns(mind: &Mind<'_>, room: &RoomContext, budget: &mut Budget, most: usize) -> Vec<Turn> {
    let present = mind.claimed.delivery.agent_id.memory_of(mind.claimed.message.id);
    let mut turns: Vec<Turn> = room
        .recent
        .iter()
        .rev()
        .filter(|memory| memory.id != present && !memory.text.is_empty())
        .take(most)
        .take_while(|memory| budget.left > TURN_TOKENS && budget.fits(&memory.text))
        .map(|memory| turn_of(mind, room, memory))
        .collect();
    turns.reverse();
    turns
}

fn turn_of(mind: &Mind<'_>, room: &RoomContext, memory: &Remembered) -> Turn {
    let own = memory.entity_id == mind.claimed.delivery.agent_id.into();
    let role = if own { Role::Assistant } else { Role::User };
    let known = room.entities.iter().find(|entity| entity.id == memory.entity_id).and_then(|entity| entity.names.first());
    let author = match known {
        _ if own => mind.ready.agent.character.name.clone(),
        Some(name) => called(mind, room, memory.entity_id, name),
        None => "User".to_owned(),
    };
    Turn::text(role, author, memory.text.as_str())
}

/// How whoever wrote the message is called.
fn sender(mind: &Mind<'_>, room: &RoomContext) -> String {
    called(mind, room, mind.claimed.message.author_id, &author_name(mind.claimed))
}

/// A name, and a part of the id where somebody else here has the same, or the agent: nobody passes for another by a name, which all choose
/// for themselves.
fn called(mind: &Mind<'_>, room: &RoomContext, who: EntityId, name: &str) -> String {
    let lower = |name: &str| name.trim().to_lowercase();
    let (agent, author) = (EntityId::from(mind.claimed.delivery.agent_id), mind.claimed.message.author_id);
    let known = room.entities.iter().filter_map(|entity| Some((entity.id, lower(entity.names.first()?))));
    let present = [(agent, lower(&mind.ready.agent.character.name)), (author, lower(&author_name(mind.claimed)))];
    let plain = lower(name);
    if known.chain(present).any(|(id, other)| id != who && other == plain) {
        format!("{name} ({})", short(&who.to_string()))
    } else {
        name.to_owned()
    }
}

/// What templates can name (contract §6.4).
fn variables(mind: &Mind<'_>, room: &RoomContext, recalled: &[&str], tools: &[ToolSpec]) -> Value {
    let character = &mind.ready.agent.character;
    let recent: Vec<String> = room
        .recent
        .iter()
        .map(|memory| turn_of(mind, room, memory))
        .chain([Turn::text(Role::User, sender(mind, room), mind.claimed.message.content.clone())])
        .map(|turn| format!("{}: {}", turn.author, turn.text))
        .collect();
    let recent = recent.join("\n");
    let knowledge = section("# Knowledge", recalled);
    let directions = section(&format!("# Message Directions for {}", character.name), &style(character));
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let actions: Vec<String> = tools.iter().map(|tool| format!("{}: {}", tool.name, tool.description)).collect();
    let actions = actions.join("\n");
    let now = mind.ports.clock.now().iso();
    let providers = [
        format!("# About {}\n{}", character.name, identity(character)),
        directions.clone(),
        knowledge.clone(),
        format!("# Available Actions\n{actions}"),
        format!("# Conversation Messages\n{recent}"),
        format!("The current date and time is {now}."),
    ];
    json!({
        "agentName": character.name, "system": character.system, "bio": character.bio.texts().join("\n"),
        "lore": character.lore.as_ref().map(|lore| lore.texts().join("\n")),
        "topics": character.topics.join(", "), "topic": character.topics.first(),
        "adjectives": character.adjectives.join(", "), "adjective": character.adjectives.first(),
        "messageDirections": directions, "characterMessageExamples": examples(character), "knowledge": knowledge,
        "recentMessages": recent, "actionNames": names.join(", "), "actions": actions, "providers": providers.join("\n\n"),
        "senderName": sender(mind, room), "roomName": mind.claimed.channel.name, "text": mind.claimed.message.content, "time": now,
    })
}
