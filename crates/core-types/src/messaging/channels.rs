//! Channels and who takes part in them.

use async_trait::async_trait;

use crate::messaging::ChannelEvent;
use crate::page::{Listed, Page};
use crate::{Caller, ChannelId, EntityId, JsonObject, MessageServerId, Reach, ServiceResult, StoreResult, Tenant, Timestamp};

/// A channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// The message server that it belongs to.
    pub server_id: MessageServerId,
    /// Its name.
    pub name: String,
    /// `DM`, `GROUP`, ... (contract §2.6); any text is kept.
    pub kind: String,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Free-form; given back exactly.
    pub metadata: JsonObject,
    /// Whose it is; the owner's where absent.
    pub owner: Option<Tenant>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What became of the creation of a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelAdded {
    /// It is stored now.
    New(Channel),
    /// This was stored under the same id before, and is unchanged.
    Existing(Channel),
    /// Until lately there was a channel of this id, which was somebody else's. Nothing was written.
    WasAnothers,
    /// Its message server does not exist. Nothing was written.
    NoServer,
}

/// The most characters of a name, a kind, a source or an id at a source, whatever has it.
pub const NAME_CHARS: usize = 256;

/// The most bytes of the metadata of a channel, a message server, a world, a room or a group, as JSON: lists show all of it.
pub const METADATA_BYTES: usize = 16 * 1024;

/// What changes of a channel; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelChange {
    /// Another name, not empty.
    pub name: Option<String>,
    /// Metadata in place of what is there.
    pub metadata: Option<JsonObject>,
    /// All who take part from now on, by join order; duplicates collapse.
    pub participants: Option<Vec<EntityId>>,
}

/// A channel as another platform has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedChannel {
    /// Its id at that place, not empty.
    pub source_id: String,
    /// Its name there, not empty.
    pub name: String,
    /// The kind; `GROUP` where none was given.
    pub kind: String,
}

/// What became of joining or leaving a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Membership {
    /// It is as was asked now; this is what readers are told of deliveries that ended with it.
    Changed(Vec<ChannelEvent>),
    /// It was so before.
    AsBefore,
    /// The channel has [`MAX_PARTICIPANTS`](crate::messaging::MAX_PARTICIPANTS) already. Nothing was written.
    Full,
    /// There is no such channel, or none within reach any more.
    NoChannel,
}

/// Where channels and their participants are kept. Every method is one transaction, but that what is removed may go in several, its parts
/// first.
///
/// An agent that leaves a channel answers nothing more there: its open deliveries end as cancelled.
#[async_trait]
pub trait ChannelRepository: Send + Sync {
    /// Stores a channel with its participants; duplicates among them collapse.
    async fn add(&self, channel: Channel, participants: Vec<EntityId>) -> StoreResult<ChannelAdded>;

    /// The channel with this id.
    async fn find(&self, id: ChannelId) -> StoreResult<Option<Channel>>;

    /// The oldest channel of this owner, kind and name on a message server. Without an owner: one that no tenant made.
    async fn find_named(&self, owner: Option<&Tenant>, server: MessageServerId, kind: &str, name: &str) -> StoreResult<Option<Channel>>;

    /// The channels of a message server, oldest first, and no more than [`PAGE_BYTES`](super::PAGE_BYTES). Empty for an unknown server.
    async fn list(&self, reach: Option<&Reach>, server: MessageServerId, page: Page) -> StoreResult<Listed<Channel>>;

    /// Stores those of these channels that are not there, and gives the others their names of now; kinds and metadata stay, and
    /// so does a channel of another owner or server that has one of the ids. Returns what readers are told of changes; `None`
    /// for an unknown server, and nothing is written then.
    async fn sync(&self, server: MessageServerId, channels: Vec<Channel>, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>>;

    /// Changes a channel. Returns it as it is afterwards, with what readers are told: the ends of deliveries to agents
    /// that take part no more, then the change. `None` for an unknown id.
    async fn update(&self, id: ChannelId, change: ChannelChange, now: Timestamp) -> StoreResult<Option<(Channel, Vec<ChannelEvent>)>>;

    /// Who takes part in a channel, by join order. Empty for an unknown channel.
    async fn participants(&self, id: ChannelId) -> StoreResult<Vec<EntityId>>;

    /// Lets somebody take part in a channel, as the last to join, where whoever asks has this reach and the channel is within it at that
    /// moment.
    async fn join(&self, id: ChannelId, who: EntityId, reach: Option<&Reach>) -> StoreResult<Membership>;

    /// Lets somebody take part no more.
    async fn leave(&self, id: ChannelId, who: EntityId, now: Timestamp) -> StoreResult<Membership>;

    /// Deletes a channel with its messages, events and participants, and what agents remember of it; its open deliveries
    /// end as cancelled. Returns its last event; `None` for an unknown id.
    async fn remove(&self, id: ChannelId, now: Timestamp) -> StoreResult<Option<ChannelEvent>>;
}

/// A channel that a caller wants to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChannel {
    /// The id that it shall have; a new one where absent. What has it already is found.
    pub id: Option<ChannelId>,
    /// The message server.
    pub server_id: MessageServerId,
    /// The name, not empty.
    pub name: String,
    /// The kind; `GROUP` where none was given.
    pub kind: String,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// Who takes part.
    pub participants: Vec<EntityId>,
}

/// What a transport can ask about channels.
#[async_trait]
pub trait ChannelService: Send + Sync {
    /// The channels of a message server, oldest first. Empty for an unknown server.
    async fn list(&self, caller: &Caller, server: MessageServerId, page: Page) -> ServiceResult<Listed<Channel>>;

    /// Creates a channel.
    async fn create(&self, caller: &Caller, channel: NewChannel) -> ServiceResult<Channel>;

    /// Brings the channels of a message server to what they are on its platform: those that are new there are created, and
    /// those that have another name get it. What is not named stays. The id of such a channel follows from its server and
    /// its id there, so that the same again changes nothing.
    async fn sync(&self, caller: &Caller, server: MessageServerId, channels: Vec<SyncedChannel>) -> ServiceResult<()>;

    /// One channel.
    async fn get(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Channel>;

    /// The channel of two, created where there is none yet; on the default server where the given one does not exist.
    async fn direct(&self, caller: &Caller, server: MessageServerId, two: [EntityId; 2]) -> ServiceResult<Channel>;

    /// Changes a channel.
    async fn update(&self, caller: &Caller, id: ChannelId, change: ChannelChange) -> ServiceResult<Channel>;

    /// Who takes part in a channel, by join order. Empty for an unknown channel.
    async fn participants(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Vec<EntityId>>;

    /// Lets somebody take part; whoever does so already still does.
    async fn join(&self, caller: &Caller, id: ChannelId, who: EntityId) -> ServiceResult<()>;

    /// Lets somebody take part no more; `NotFound` for one who did not.
    async fn leave(&self, caller: &Caller, id: ChannelId, who: EntityId) -> ServiceResult<()>;

    /// Deletes a channel; an unknown one is gone already.
    async fn remove(&self, caller: &Caller, id: ChannelId) -> ServiceResult<()>;
}
