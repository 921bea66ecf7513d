//! Memories on the wire.

use core_types::memory::{
    EmbeddingProgress, FoundMemories, FoundMemory, MESSAGES, Memory, MemoryChange, MemoryFilter, MemorySearch, Reason, Source,
    SpaceProgress,
};
use core_types::{AgentId, ChannelId, EntityId, JsonObject, MemoryId, MessageId, RoomId, RunId, Timestamp, WorldId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult};
use crate::extract::{Fields, Query};
use crate::limits;
use crate::wire::messages::Iso;
use crate::wire::posts::Moment;

/// Memories of an agent, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MemoryList<'a> {
    memories: Vec<MemoryWire<'a>>,
}

impl<'a> MemoryList<'a> {
    /// These memories.
    pub(crate) fn of(memories: &'a [Memory]) -> Self {
        Self { memories: memories.iter().map(MemoryWire::from).collect() }
    }
}

/// Memories of an agent in the form of released servers, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlainMemoryList<'a> {
    memories: Vec<PlainMemory<'a>>,
}

impl<'a> PlainMemoryList<'a> {
    /// These memories.
    pub(crate) fn of(memories: &'a [Memory]) -> Self {
        Self { memories: memories.iter().map(PlainMemory::from).collect() }
    }
}

/// What both forms of a memory have.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryFields<'a> {
    #[schema(value_type = Uuid)]
    id: MemoryId,
    /// Its table.
    #[serde(rename = "type")]
    #[schema(example = "messages")]
    table: &'a str,
    /// `text`, `source`, `actions`, ...
    #[schema(value_type = Object)]
    content: &'a JsonObject,
    /// Whom it is from or about.
    #[schema(value_type = Uuid)]
    entity_id: EntityId,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(value_type = Uuid)]
    room_id: RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    world_id: Option<WorldId>,
    /// Whether nothing alike was known.
    unique: bool,
    #[schema(value_type = Object)]
    metadata: &'a JsonObject,
}

impl<'a> From<&'a Memory> for MemoryFields<'a> {
    fn from(memory: &'a Memory) -> Self {
        Self {
            id: memory.id,
            table: &memory.table,
            content: &memory.content,
            entity_id: memory.entity_id,
            agent_id: memory.agent_id,
            room_id: memory.room_id,
            world_id: memory.world_id,
            unique: memory.unique,
            metadata: &memory.metadata,
        }
    }
}

/// Something that an agent remembers.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Memory)]
pub(crate) struct MemoryWire<'a> {
    #[serde(flatten)]
    fields: MemoryFields<'a>,
    created_at: Iso,
}

impl<'a> From<&'a Memory> for MemoryWire<'a> {
    fn from(memory: &'a Memory) -> Self {
        Self { fields: memory.into(), created_at: Iso(memory.created_at) }
    }
}

/// Something that an agent remembers, in the form of released servers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlainMemory<'a> {
    #[serde(flatten)]
    fields: MemoryFields<'a>,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    created_at: Timestamp,
}

impl<'a> From<&'a Memory> for PlainMemory<'a> {
    fn from(memory: &'a Memory) -> Self {
        Self { fields: memory.into(), created_at: memory.created_at }
    }
}

/// What a search of memories found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FoundMemories)]
pub(crate) struct FoundWire<'a> {
    /// Best first.
    memories: Vec<FoundMemoryWire<'a>>,
    /// What was looked at: `hybrid`, or `keyword` where there is no embedding model, or none that answers.
    #[schema(example = "keyword")]
    search: &'static str,
}

impl<'a> From<&'a FoundMemories> for FoundWire<'a> {
    fn from(found: &'a FoundMemories) -> Self {
        let search = if found.by_meaning { "hybrid" } else { "keyword" };
        Self { memories: found.memories.iter().map(FoundMemoryWire::from).collect(), search }
    }
}

/// A memory that was found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FoundMemory)]
struct FoundMemoryWire<'a> {
    #[serde(flatten)]
    memory: MemoryWire<'a>,
    /// How well it fits: the cosine where the vectors found it, else its keyword score as a part of the best one.
    #[schema(example = 0.9)]
    similarity: f64,
    /// Its place as a number, by reciprocal rank fusion: 1 for the first of every ranking.
    #[schema(example = 1.0)]
    score: f64,
    /// Which rankings have it: `keyword`, `vector` or both.
    #[schema(example = json!(["keyword"]))]
    found_by: Vec<&'static str>,
}

impl<'a> From<&'a FoundMemory> for FoundMemoryWire<'a> {
    fn from(found: &'a FoundMemory) -> Self {
        let rankings = [("keyword", found.by_words), ("vector", found.by_meaning)];
        Self {
            memory: MemoryWire::from(&found.memory),
            similarity: found.similarity,
            score: found.score,
            found_by: rankings.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect(),
        }
    }
}

/// How far the making of vectors for an agent's memories has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Embeddings)]
pub(crate) struct EmbeddingsWire<'a> {
    /// The model that makes them; `null` where none is wanted.
    #[schema(example = "static/en")]
    model: Option<&'a str>,
    /// All memories of the agent. Some have no text, and get no vector.
    total: u64,
    /// Those with a vector of this model.
    embedded: u64,
    /// Those that are still to get one. They are found by their words, and by the vector that another model left.
    pending: u64,
    /// The vectors that there are, by model.
    spaces: Vec<SpaceWire<'a>>,
    /// Whether all vectors that there were when the server started are loaded.
    loaded: bool,
    /// Vectors that were made a second in the last minute, for all agents.
    rate: f64,
    /// At most so many are made a second; `null` for no bound.
    rate_limit: Option<u32>,
    /// Why the last attempt to make some failed; `null` where it did not.
    problem: Option<&'a str>,
}

impl<'a> From<&'a EmbeddingProgress> for EmbeddingsWire<'a> {
    fn from(progress: &'a EmbeddingProgress) -> Self {
        Self {
            model: progress.model.as_deref(),
            total: progress.total,
            embedded: progress.embedded,
            pending: progress.pending,
            spaces: progress.spaces.iter().map(SpaceWire::from).collect(),
            loaded: progress.loaded,
            rate: (progress.rate * 10.0).round() / 10.0,
            rate_limit: progress.rate_limit,
            problem: progress.problem.as_deref(),
        }
    }
}

/// The vectors of one model.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EmbeddingSpace)]
struct SpaceWire<'a> {
    #[schema(example = "static/en")]
    model: &'a str,
    /// How many numbers a vector has.
    dimension: usize,
    /// The version of the model; empty where it has none.
    version: &'a str,
    /// How many memories of the agent have one.
    memories: u64,
    /// Whether new ones are of this model.
    current: bool,
    /// Whether the model is there to search among them.
    searchable: bool,
}

impl<'a> From<&'a SpaceProgress> for SpaceWire<'a> {
    fn from(progress: &'a SpaceProgress) -> Self {
        let SpaceProgress { space, memories, current, searchable } = progress;
        Self {
            model: &space.model,
            dimension: space.dimension,
            version: &space.version,
            memories: *memories,
            current: *current,
            searchable: *searchable,
        }
    }
}

/// Where a memory comes from. What is not known, or was not kept when it was made, is `null`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemoryOrigin)]
pub(crate) struct ReasonWire<'a> {
    #[schema(value_type = Uuid)]
    memory_id: MemoryId,
    /// The message that it was made of; of a reply, the one that was answered.
    #[schema(value_type = Option<Uuid>)]
    message_id: Option<MessageId>,
    /// Who wrote that message.
    #[schema(value_type = Option<Uuid>)]
    author_id: Option<EntityId>,
    #[schema(value_type = Option<Uuid>)]
    channel_id: Option<ChannelId>,
    /// The run that kept it.
    #[schema(value_type = Option<Uuid>)]
    run_id: Option<RunId>,
    /// Whose word it is: `participant`, `agent` or `owner`.
    #[schema(example = "participant")]
    trust: Option<String>,
    /// The document that it is a fragment of.
    #[schema(value_type = Option<Uuid>)]
    document_id: Option<MemoryId>,
    /// The message as it is now; `null` where it is deleted.
    message: Option<ReasonMessage<'a>>,
}

/// The message that a memory was made of.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReasonMessage<'a> {
    #[schema(example = "Good day!")]
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ann")]
    author_display_name: Option<&'a str>,
    created_at: Iso,
}

impl<'a> From<&'a Reason> for ReasonWire<'a> {
    fn from(reason: &'a Reason) -> Self {
        let origin = reason.memory.origin;
        Self {
            memory_id: reason.memory.id,
            message_id: origin.message,
            author_id: origin.author,
            channel_id: origin.channel,
            run_id: origin.run,
            trust: origin.trust.map(|trust| trust.to_string()),
            document_id: reason.memory.document_id,
            message: reason.message.as_ref().map(|message| ReasonMessage {
                content: &message.content,
                author_display_name: message.author_name.as_deref(),
                created_at: Iso(message.created_at),
            }),
        }
    }
}

/// A memory that was changed or deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Touched {
    #[schema(value_type = Uuid)]
    pub(crate) id: MemoryId,
    /// For people.
    #[schema(example = "Memory deleted successfully")]
    pub(crate) message: &'static str,
}

/// Memories that were deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cleared {
    /// How many.
    pub(crate) deleted: u64,
    /// For people.
    #[schema(example = "Memories deleted successfully")]
    pub(crate) message: &'static str,
}

/// The table that a request names.
pub(crate) fn table(query: &Query) -> ApiResult<String> {
    let named = query.first("table").or_else(|| query.first("tableName")).unwrap_or(MESSAGES);
    table_name(named.to_owned())
}

fn table_name(name: String) -> ApiResult<String> {
    let fits = name.chars().count() <= limits::NAME_CHARS;
    if fits { Ok(name) } else { Err(ApiError::bad_request(format!("table must be a name of at most {} characters", limits::NAME_CHARS))) }
}

/// Which memories a query means. `channelId` is that of a channel, which the agent knows as a room.
pub(crate) fn filter(query: &Query, agent: AgentId) -> ApiResult<MemoryFilter> {
    let channel: Option<ChannelId> = query.id("channelId", "channel")?;
    let room: Option<RoomId> = query.id("roomId", "room")?;
    let kind = query.first("type").map(|kind| ("type".to_owned(), Value::from(kind)));
    Ok(MemoryFilter {
        tables: vec![table(query)?],
        rooms: rooms(agent, channel, room),
        entity: query.id("entityId", "entity")?,
        world: query.id("worldId", "world")?,
        from: query.moment("from")?,
        to: query.moment("to")?,
        metadata: kind.into_iter().collect(),
        ..MemoryFilter::default()
    })
}

/// A room by either of its names; the one that is given counts over the one that follows from a channel.
fn rooms(agent: AgentId, channel: Option<ChannelId>, room: Option<RoomId>) -> Vec<RoomId> {
    room.or_else(|| channel.map(|channel| agent.room_of(channel))).into_iter().collect()
}

/// The room that a path means: by its own id, or by that of its channel.
pub(crate) fn either_room(agent: AgentId, id: RoomId) -> Vec<RoomId> {
    vec![agent.room_of(ChannelId::new(id.uuid())), id]
}

/// The origin that a query names as `message:<id>`, `author:<id>` or `run:<id>`.
pub(crate) fn source(query: &Query) -> ApiResult<Option<Source>> {
    let Some(named) = query.first("source") else { return Ok(None) };
    let bad = || ApiError::bad_request("source must be message:<id>, author:<id> or run:<id>");
    let (kind, id) = named.split_once(':').ok_or_else(bad)?;
    let source = match kind {
        "message" => id.parse().map(Source::Message),
        "author" => id.parse().map(Source::Author),
        "run" => id.parse().map(Source::Run),
        _ => return Err(bad()),
    };
    source.map(Some).map_err(|_| bad())
}

/// A search of memories.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemorySearch)]
#[expect(dead_code, reason = "the schema of what `search` reads")]
pub(crate) struct SearchBody {
    #[schema(min_length = 1, max_length = 8192, example = "help with coding")]
    query: String,
    /// `messages` where absent.
    #[schema(max_length = 256, example = "messages")]
    table: Option<String>,
    /// How many memories; 10 where absent.
    #[schema(maximum = 100, example = 10)]
    limit: Option<u32>,
    /// Only what is at least as similar, -1 to 1.
    #[schema(minimum = -1, maximum = 1)]
    threshold: Option<f64>,
    #[schema(value_type = Option<Uuid>)]
    room_id: Option<()>,
    #[schema(value_type = Option<Uuid>)]
    channel_id: Option<()>,
    #[schema(value_type = Option<Uuid>)]
    entity_id: Option<()>,
    #[schema(value_type = Option<Uuid>)]
    world_id: Option<()>,
    /// Only memories from then on.
    #[schema(value_type = Option<Moment>)]
    from: Option<()>,
    /// Only memories up to then.
    #[schema(value_type = Option<Moment>)]
    to: Option<()>,
    /// The `type` of the metadata, such as `message`, `document` or `fragment`.
    #[serde(rename = "type")]
    #[schema(max_length = 256)]
    kind: Option<String>,
    /// Texts, numbers or booleans that the metadata has, at most 16.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// Reads a search. Apart from a missing query, what makes no sense is 422, as on all routes of the reference page alone.
pub(crate) fn search(body: JsonObject, agent: AgentId) -> ApiResult<MemorySearch> {
    let mut fields = Fields::new(body);
    let text = fields.required_text(&["query", "text"], limits::QUERY_CHARS)?;
    if text.trim().is_empty() {
        return Err(ApiError::bad_request("query must not be blank"));
    }
    conditions(&mut fields, agent, text).map_err(ApiError::unprocessable)
}

fn conditions(fields: &mut Fields, agent: AgentId, text: String) -> ApiResult<MemorySearch> {
    let table = fields.text(&["table", "tableName"], limits::NAME_CHARS)?.unwrap_or_else(|| MESSAGES.to_owned());
    let limit = fields.count(&["limit", "count"])?.unwrap_or(limits::FOUND_MEMORIES).min(limits::MAX_FOUND_MEMORIES);
    let threshold = fields.value(&["threshold", "match_threshold"]).map(|value| threshold(&value)).transpose()?;
    let (room, channel) = (fields.id(&["roomId"])?, fields.id(&["channelId"])?);
    let kind = fields.text(&["type"], limits::NAME_CHARS)?.map(|kind| ("type".to_owned(), Value::from(kind)));
    let metadata = fields.object(&["metadata"])?.unwrap_or_default();
    if metadata.len() > limits::METADATA_CONDITIONS {
        return Err(ApiError::bad_request(format!("metadata has more than {} entries", limits::METADATA_CONDITIONS)));
    }
    let metadata = metadata.into_iter().map(condition).collect::<ApiResult<Vec<_>>>()?;
    let filter = MemoryFilter {
        tables: vec![table],
        rooms: rooms(agent, channel, room),
        entity: fields.id(&["entityId"])?,
        world: fields.id(&["worldId"])?,
        from: fields.moment(&["from", "start"])?,
        to: fields.moment(&["to", "end"])?,
        metadata: kind.into_iter().chain(metadata).collect(),
        ..MemoryFilter::default()
    };
    Ok(MemorySearch { text, filter, limit, threshold })
}

fn threshold(value: &Value) -> ApiResult<f64> {
    let number = value.as_f64().filter(|number| (-1.0..=1.0).contains(number));
    number.ok_or_else(|| ApiError::bad_request("threshold must be a number from -1 to 1"))
}

/// A condition on the metadata. Keys go into a query of the database, so that they are names and nothing else.
fn condition((key, value): (String, Value)) -> ApiResult<(String, Value)> {
    let named = key.len() <= limits::METADATA_KEY_CHARS
        && key.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && key.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    let plain = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    if named && plain {
        Ok((key, value))
    } else {
        Err(ApiError::bad_request(format!(
            "metadata must have names of letters, digits and _ of at most {} characters, with a text, a number or a boolean each",
            limits::METADATA_KEY_CHARS
        )))
    }
}

/// A change of a memory.
#[derive(ToSchema)]
#[schema(as = MemoryChange)]
#[expect(dead_code, reason = "the schema of what `change` reads")]
pub(crate) struct ChangeBody {
    /// In place of what there is; `text` must be a string.
    #[schema(value_type = Option<Object>)]
    content: Option<()>,
    /// In place of what there is.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// Reads a change of a memory.
pub(crate) fn change(body: JsonObject) -> ApiResult<MemoryChange> {
    let mut fields = Fields::new(body);
    let change = MemoryChange { content: fields.object(&["content"])?, metadata: fields.object(&["metadata"])? };
    let text = change.content.as_ref().and_then(|content| content.get("text"));
    if text.is_some_and(|text| !text.is_string()) {
        return Err(ApiError::bad_request("content.text must be a string"));
    }
    Ok(change)
}
