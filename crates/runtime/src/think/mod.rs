//! From a claimed delivery to what the agent says and does about it. Writes nothing: that happens at the end of the run.

use core_types::actions::{ActionContext, Effect};
use core_types::deliveries::Claimed;
use core_types::memory::{AloneWith, RoomContext, RoomQuery};
use core_types::models::{ModelSize, Purpose, Role, TextRequest, TextResponse, TextSink, ToolCall, Turn};
use core_types::{JsonObject, MemoryId};
use serde_json::{Value, json};

use crate::active::ActiveRun;
use crate::agent::ReadyAgent;
use crate::ports::{Limits, Ports};
use crate::record::{ModelCall, Recorder};
use crate::run::RunError;

pub(crate) mod actions;
mod attached;
mod compose;
mod decide;
mod knowledge;
mod recall;
mod response;
mod show;
pub(crate) mod template;

use actions::ActionRegistry;
use response::ResponseReader;

/// Memories of the conversation that are read before an answer (contract §6.4: the conversation length).
const RECENT: u32 = 32;
/// Facts that are read before an answer.
const FACTS: u32 = 50;
/// Fragments of documents that are read before an answer.
const KNOWLEDGE: u32 = 6;
/// How often the model is asked again after actions told it something.
const MAX_STEPS: usize = 6;
/// Calls that are carried out in one step; a model that asks for more is confused.
const MAX_CALLS: usize = 16;

/// What an agent says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// The text, not blank.
    pub(crate) text: String,
    /// What it thought, where the model told.
    pub(crate) thought: Option<String>,
    /// The names of its actions, `REPLY` first.
    pub(crate) actions: Vec<String>,
}

impl Said {
    /// The content of the reply: `text`, `actions`, perhaps `thought`.
    pub(crate) fn content(&self) -> JsonObject {
        let mut content = JsonObject::new();
        content.insert("text".to_owned(), self.text.clone().into());
        if let Some(thought) = &self.thought {
            content.insert("thought".to_owned(), thought.clone().into());
        }
        content.insert("actions".to_owned(), json!(self.actions));
        content
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Thought {
    /// The reply; none where the agent stays silent.
    pub(crate) reply: Option<Said>,
    /// What happens with it.
    pub(crate) effects: Vec<Effect>,
}

/// An agent's mind, at one delivery.
pub(crate) struct Mind<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) actions: &'a ActionRegistry,
    pub(crate) limits: Limits,
    pub(crate) ready: &'a ReadyAgent,
    pub(crate) claimed: &'a Claimed,
}

/// What has been said and done so far in a run.
#[derive(Default)]
struct Progress {
    text: String,
    thought: Option<String>,
    actions: Vec<String>,
    effects: Vec<Effect>,
    /// Calls named in a `<response>`, in all steps: some providers want every call's id to be its own.
    named: usize,
}

impl Mind<'_> {
    /// Perceives, decides, composes, asks the model and acts.
    pub(crate) async fn think(&self, active: &ActiveRun, recorder: &mut Recorder) -> Result<Thought, RunError> {
        let agent = self.claimed.delivery.agent_id;
        let about = &self.claimed.message.content;
        let query = RoomQuery {
            room: recorder.room_id(),
            recent: RECENT,
            facts: FACTS,
            // By what the channel is, whatever the message says of it: what somebody told elsewhere is for their ears only.
            alone_with: self
                .claimed
                .channel
                .kind
                .eq_ignore_ascii_case("DM")
                .then_some(AloneWith { person: self.claimed.message.author_id, channel: self.claimed.channel.id }),
            // Both rankings are read deeper than is used, so that what both have comes first.
            knowledge: if self.ports.vectors.is_some() { knowledge::DEPTH } else { KNOWLEDGE },
            about: about.clone(),
        };
        let (room, near) = tokio::join!(self.ports.memories.room_context(agent, query), knowledge::near(self.ports, agent, about));
        let mut room = room?;
        room.knowledge = knowledge::fused(self.ports, agent, room.knowledge, near, KNOWLEDGE).await?;
        if !self.should_respond(&room, recorder).await? {
            return Ok(Thought::default());
        }
        self.respond(&room, active, recorder).await
    }

    async fn should_respond(&self, room: &RoomContext, recorder: &mut Recorder) -> Result<bool, RunError> {
        if let Some(decided) = decide::by_rule(self.ready, self.claimed, room) {
            return Ok(decided);
        }
        let request = compose::decision(self, room)?;
        let answer = self.ask(request, &core_types::models::NoSink, recorder).await?;
        Ok(decide::by_answer(&answer))
    }

    async fn respond(&self, room: &RoomContext, active: &ActiveRun, recorder: &mut Recorder) -> Result<Thought, RunError> {
        let context = self.action_context(room, recorder);
        let attached = attached::read(self).await;
        let mut request = compose::reply(self, room, attached, self.actions.offered(context))?;
        let mut progress = Progress::default();
        let (shower, forward) = show::channel(self, active);
        let talk = async {
            // Owned here, so that the forwarding ends with the talk.
            let shower = shower;
            for _ in 0..MAX_STEPS {
                progress.new_paragraph(&shower);
                let reader = ResponseReader::new(&shower);
                let answer = self.ask(request.clone(), &reader, recorder).await?;
                let heard = progress.hear(reader.finish(&answer.text), &answer.calls);
                let told = self.act(&heard, room, &mut progress, &shower, recorder).await;
                if told.is_empty() {
                    break;
                }
                let mut turn = Turn::text(Role::Assistant, self.ready.agent.character.name.clone(), answer.text);
                turn.calls = heard;
                request.turns.push(turn);
                request.turns.extend(told);
            }
            Ok::<(), RunError>(())
        };
        let (talked, ()) = tokio::join!(talk, forward);
        talked?;
        self.conclude(progress)
    }

    fn action_context<'c>(&'c self, room: &'c RoomContext, recorder: &Recorder) -> ActionContext<'c> {
        ActionContext {
            run_id: recorder.run_id(),
            agent_id: self.claimed.delivery.agent_id,
            agent_name: &self.ready.agent.character.name,
            message: &self.claimed.message,
            channel: &self.claimed.channel,
            room,
        }
    }

    /// Asks the agent's model and records the call, whatever its outcome.
    async fn ask(&self, request: TextRequest, sink: &dyn TextSink, recorder: &mut Recorder) -> Result<TextResponse, RunError> {
        let provider = self.ready.provider.as_ref();
        let size = request.size;
        let began = self.ports.clock.now();
        let answer = provider.generate(request, sink).await;
        let now = self.ports.clock.now();
        let call = ModelCall { size, provider, answer: answer.as_ref(), millis: now.millis() - began.millis() };
        recorder.model_call(&call, now);
        Ok(answer?)
    }

    /// Carries out calls in order; returns what the model should know of them.
    async fn act(
        &self,
        calls: &[ToolCall],
        room: &RoomContext,
        progress: &mut Progress,
        shower: &dyn TextSink,
        recorder: &mut Recorder,
    ) -> Vec<Turn> {
        let mut told = Vec::new();
        let mut go_on = false;
        for call in calls {
            let context = self.action_context(room, recorder);
            let outcome = match self.actions.find(&call.name) {
                Some(action) => action.run(context, call.arguments.clone()).await.map_err(|error| error.message),
                None => Err(format!("there is no action {:?}", call.name)),
            };
            recorder.action(&call.name, outcome.as_ref().err().map(String::as_str), self.ports.clock.now());
            let result = match outcome {
                Ok(outcome) => {
                    progress.done(&call.name, outcome.effects);
                    if let Some(says) = outcome.says {
                        progress.say(&says, shower);
                    }
                    go_on |= outcome.tells_model.is_some();
                    outcome.tells_model.unwrap_or_else(|| "done".to_owned())
                }
                Err(message) => {
                    go_on = true;
                    format!("failed: {message}")
                }
            };
            let mut turn = Turn::text(Role::Tool, call.name.clone(), result);
            turn.call_id = Some(call.id.clone());
            told.push(turn);
        }
        if go_on { told } else { Vec::new() }
    }

    fn conclude(&self, progress: Progress) -> Result<Thought, RunError> {
        let Progress { text, thought, mut actions, effects, .. } = progress;
        // No database keeps U+0000 in a text, and no reader misses it.
        let text = text.trim().replace('\0', "");
        let thought = thought.map(|thought| thought.replace('\0', ""));
        if text.is_empty() {
            if actions.is_empty() {
                return Err(RunError::Model(core_types::models::ModelError::Unreadable {
                    provider: self.ready.provider.name().to_owned(),
                    message: "it holds neither text nor a tool call".to_owned(),
                }));
            }
            return Ok(Thought { reply: None, effects });
        }
        // Text beats silence (contract §6.4 step 4).
        actions.retain(|action| action != "REPLY" && action != "IGNORE" && action != "NONE");
        actions.insert(0, "REPLY".to_owned());
        Ok(Thought { reply: Some(Said { text, thought, actions }), effects })
    }
}

impl Progress {
    /// Takes in an answer; returns the calls to carry out, those of a `<response>` among them.
    fn hear(&mut self, read: response::Response, calls: &[ToolCall]) -> Vec<ToolCall> {
        self.text.push_str(&read.text);
        self.thought = read.thought.or(self.thought.take());
        let named = read.actions.into_iter().filter(|name| name != "REPLY").map(|name| {
            self.named += 1;
            ToolCall { id: format!("response-{}", self.named), name, arguments: Value::Object(JsonObject::new()) }
        });
        calls.iter().cloned().chain(named).take(MAX_CALLS).collect()
    }

    fn done(&mut self, action: &str, effects: Vec<Effect>) {
        self.actions.push(action.to_uppercase());
        self.effects.extend(effects);
    }

    /// Sets what follows apart from what was said before.
    fn new_paragraph(&mut self, shower: &dyn TextSink) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push_str("\n\n");
            shower.push("\n\n");
        }
    }

    /// Adds to the reply, and shows it, so that the pieces stay a prefix of the whole.
    fn say(&mut self, text: &str, shower: &dyn TextSink) {
        self.new_paragraph(shower);
        shower.push(text);
        self.text.push_str(text);
    }
}

/// Whether the message answers something that the agent said.
fn answers_the_agent(claimed: &Claimed, room: &RoomContext) -> bool {
    let agent = claimed.delivery.agent_id;
    claimed.message.in_reply_to.is_some_and(|answered| {
        let said = MemoryId::new(answered.uuid());
        room.recent.iter().any(|memory| memory.id == said && memory.entity_id == agent.into())
    })
}

/// The request for an answer of a kind, before its texts.
fn request(mind: &Mind<'_>, size: ModelSize, purpose: Purpose) -> TextRequest {
    TextRequest {
        size,
        purpose,
        system: String::new(),
        turns: Vec::new(),
        tools: Vec::new(),
        max_output_tokens: mind.limits.output_tokens,
        temperature: mind.ready.settings.text("temperature").and_then(|text| text.parse().ok()),
    }
}
