//! Message servers, and what goes with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use core_types::messaging::{
    Channel, ChannelAdded, ChannelChange, ChannelEvent, ChannelRepository, ChannelService, EventBody, Membership, MessagingService,
    NewChannel, NewServer, ServerService, StreamItem,
};
use core_types::{
    Caller, ChannelId, EntityId, JsonObject, Listed, MessageServerId, Page, Reach, ServiceError, StoreError, StoreResult, Tenant, Thing,
    Timestamp,
};
use doolittle_domain::{Access, LongReads, Servers};
use testkit::clock::SeqIds;
use testkit::house::{House, PATIENCE, Plan, person};
use testkit::scripted_provider::ScriptedProvider;
use tokio::time::timeout;

/// The channels of a store, one of which cannot be removed for a while.
struct Torn {
    store: Arc<dyn ChannelRepository>,
    broken: ChannelId,
    is_mended: AtomicBool,
}

#[async_trait]
impl ChannelRepository for Torn {
    async fn add(&self, channel: Channel, participants: Vec<EntityId>) -> StoreResult<ChannelAdded> {
        self.store.add(channel, participants).await
    }

    async fn find(&self, id: ChannelId) -> StoreResult<Option<Channel>> {
        self.store.find(id).await
    }

    async fn find_named(&self, owner: Option<&Tenant>, server: MessageServerId, kind: &str, name: &str) -> StoreResult<Option<Channel>> {
        self.store.find_named(owner, server, kind, name).await
    }

    async fn list(&self, reach: Option<&Reach>, server: MessageServerId, page: Page) -> StoreResult<Listed<Channel>> {
        self.store.list(reach, server, page).await
    }

    async fn sync(&self, server: MessageServerId, channels: Vec<Channel>, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>> {
        self.store.sync(server, channels, now).await
    }

    async fn update(&self, id: ChannelId, change: ChannelChange, now: Timestamp) -> StoreResult<Option<(Channel, Vec<ChannelEvent>)>> {
        self.store.update(id, change, now).await
    }

    async fn participants(&self, id: ChannelId) -> StoreResult<Vec<EntityId>> {
        self.store.participants(id).await
    }

    async fn join(&self, id: ChannelId, who: EntityId, reach: Option<&Reach>) -> StoreResult<Membership> {
        self.store.join(id, who, reach).await
    }

    async fn leave(&self, id: ChannelId, who: EntityId, now: Timestamp) -> StoreResult<Membership> {
        self.store.leave(id, who, now).await
    }

    async fn remove(&self, id: ChannelId, now: Timestamp) -> StoreResult<Option<ChannelEvent>> {
        if id == self.broken && !self.is_mended.load(Ordering::SeqCst) {
            return Err(StoreError::Defect("torn".into()));
        }
        self.store.remove(id, now).await
    }
}

#[tokio::test]
async fn a_removal_that_fails_in_the_middle_has_told_of_the_channels_that_are_gone() {
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
    let (owner, server) = (Caller::owner(), MessageServerId::new(SeqIds::nth(0x9000)));
    let channel = |number: u64| ChannelId::new(SeqIds::nth(0x9100 + number));
    let torn = Arc::new(Torn { store: house.store.channels(), broken: channel(1), is_mended: AtomicBool::new(false) });
    let servers = Servers {
        servers: house.store.servers(),
        channels: torn.clone(),
        access: Access::new(house.store.access()),
        bus: Arc::clone(&house.bus),
        clock: house.clock.clone(),
        ids: Arc::new(SeqIds::default()),
        reads: LongReads::default(),
    };
    let (name, source_type) = ("Guild".to_owned(), "test".to_owned());
    let new = NewServer { id: Some(server), name, source_type, source_id: None, metadata: JsonObject::new() };
    servers.create(&owner, new).await.unwrap();
    let mut followers = Vec::new();
    for number in 0..3 {
        let new = NewChannel {
            id: Some(channel(number)),
            server_id: server,
            name: format!("the {number}."),
            kind: "GROUP".to_owned(),
            source_type: None,
            source_id: None,
            topic: None,
            metadata: JsonObject::new(),
            participants: vec![person(1)],
        };
        house.channels.create(&owner, new).await.unwrap();
        followers.push(house.messaging.subscribe(&owner, channel(number), None).await.unwrap());
    }
    let mut followers = followers.into_iter();
    let mut is_told_the_end = async || {
        let mut events = followers.next().unwrap();
        let told = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        matches!(told, Some(StreamItem::Event(event)) if event.body == EventBody::ChannelDeleted)
    };

    let failed = servers.remove(&owner, server).await;
    assert!(matches!(failed, Err(ServiceError::Internal(_))), "{failed:?}");
    assert!(is_told_the_end().await, "the first is gone");
    assert!(house.channels.get(&owner, channel(1)).await.is_ok() && house.channels.get(&owner, channel(2)).await.is_ok());

    torn.is_mended.store(true, Ordering::SeqCst);
    servers.remove(&owner, server).await.unwrap();
    assert!(is_told_the_end().await && is_told_the_end().await, "the others are gone");
    assert!(matches!(servers.get(&owner, server).await, Err(ServiceError::NotFound(Thing::Server))));
    assert!(matches!(servers.remove(&owner, server).await, Err(ServiceError::NotFound(Thing::Server))));
}
