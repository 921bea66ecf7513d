//! Worlds.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::{Added, AgentRepository};
use core_types::ids::create_unique_uuid;
use core_types::json::fits;
use core_types::messaging::METADATA_BYTES;
use core_types::worlds::{NewWorld, World, WorldChange, WorldRepository, WorldService};
use core_types::{AgentId, Caller, Clock, InvalidCode, Listed, Page, Permission, ServiceError, ServiceResult, Thing, WorldId};

use crate::one_at_a_time::OneAtATime;
use crate::permission::{Access, require};
use crate::places::LongReads;
use crate::whole::whole;

/// How often another id is tried where one is taken.
const ID_TRIES: i64 = 200;

/// Creates, shows and changes agents' worlds.
pub struct Worlds {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where worlds are kept.
    pub worlds: Arc<dyn WorldRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The places that lists take.
    pub reads: LongReads,
    /// Whose turn it is to change a world of an agent.
    pub turns: OneAtATime<(AgentId, WorldId)>,
}

#[async_trait]
impl WorldService for Worlds {
    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<World>> {
        require(caller, Permission::AgentsRead)?;
        self.known(caller, agent).await?;
        let _place = self.reads.place(caller).await?;
        Ok(self.worlds.list(agent, page).await?)
    }

    async fn of_running(&self, caller: &Caller, page: Page) -> ServiceResult<Listed<World>> {
        require(caller, Permission::AgentsRead)?;
        let _place = self.reads.place(caller).await?;
        Ok(self.worlds.of_running(caller.reach(), page).await?)
    }

    async fn get(&self, caller: &Caller, agent: AgentId, id: WorldId) -> ServiceResult<World> {
        require(caller, Permission::AgentsRead)?;
        self.known(caller, agent).await?;
        self.worlds.find(agent, id).await?.ok_or(ServiceError::NotFound(Thing::World))
    }

    async fn create(&self, caller: &Caller, agent: AgentId, new: NewWorld) -> ServiceResult<World> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnAgent(agent)).await?;
        let created_at = self.clock.now();
        let NewWorld { id, name, server_id, metadata } = new;
        let world = |id| World { id, agent_id: agent, name: name.clone(), server_id, metadata: metadata.clone(), created_at };
        if let Some(id) = id {
            let added = self.worlds.add(world(id)).await?;
            return added.map(Added::into_inner).ok_or(ServiceError::NotFound(Thing::Agent));
        }
        // The id follows from the moment, as with elizaOS; of two worlds of one moment the second is of the next.
        for later in 0..ID_TRIES {
            let base = format!("world-{}", created_at.plus_millis(later).millis());
            match self.worlds.add(world(WorldId::new(create_unique_uuid(agent, &base)))).await? {
                Some(Added::New(world)) => return Ok(world),
                Some(Added::Existing(_)) => {}
                None => return Err(ServiceError::NotFound(Thing::Agent)),
            }
        }
        Err(ServiceError::conflict("Too many worlds are made at once; try again"))
    }

    async fn update(&self, caller: &Caller, agent: AgentId, id: WorldId, change: WorldChange) -> ServiceResult<World> {
        require(caller, Permission::AgentsWrite)?;
        self.known(caller, agent).await?;
        change_in_turn(&self.turns, Arc::clone(&self.worlds), agent, id, change).await
    }
}

impl Worlds {
    async fn known(&self, caller: &Caller, agent: AgentId) -> ServiceResult<()> {
        self.access.to(caller, Wanted::OwnAgent(agent)).await?;
        if self.agents.exists(agent).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Agent)) }
    }
}

/// Changes a world. The size of the next change is looked at when the one before is stored, so that no two pass the bound together; a
/// caller that leaves ends no turn before that.
async fn change_in_turn(
    turns: &OneAtATime<(AgentId, WorldId)>,
    worlds: Arc<dyn WorldRepository>,
    agent: AgentId,
    id: WorldId,
    change: WorldChange,
) -> ServiceResult<World> {
    let turn = turns.turn((agent, id)).await;
    whole(async move {
        let _turn = turn;
        if let Some(more) = &change.metadata {
            let mut metadata = worlds.find(agent, id).await?.ok_or(ServiceError::NotFound(Thing::World))?.metadata;
            // What was larger before there was a bound can still be changed.
            let was_within = fits(&metadata, METADATA_BYTES);
            metadata.extend(more.clone());
            if was_within && !fits(&metadata, METADATA_BYTES) {
                let message = format!("The settings of the world would have more than {METADATA_BYTES} bytes as JSON");
                return Err(ServiceError::invalid(InvalidCode::Request, message));
            }
        }
        worlds.update(agent, id, change).await?.ok_or(ServiceError::NotFound(Thing::World))
    })
    .await
}

#[cfg(test)]
mod tests {
    use core_types::{JsonObject, Reach, StoreResult, Timestamp};
    use parking_lot::Mutex;
    use serde_json::json;
    use tokio::task::yield_now;

    use super::*;

    /// One world, which takes a while to be changed.
    struct Slow(Mutex<World>);

    #[async_trait]
    impl WorldRepository for Slow {
        async fn add(&self, _: World) -> StoreResult<Option<Added<World>>> {
            Ok(None)
        }

        async fn find(&self, _: AgentId, _: WorldId) -> StoreResult<Option<World>> {
            Ok(Some(self.0.lock().clone()))
        }

        async fn list(&self, _: AgentId, _: Page) -> StoreResult<Listed<World>> {
            Ok(Listed { items: Vec::new(), total: 0 })
        }

        async fn of_running(&self, _: Option<&Reach>, _: Page) -> StoreResult<Listed<World>> {
            Ok(Listed { items: Vec::new(), total: 0 })
        }

        async fn update(&self, _: AgentId, _: WorldId, change: WorldChange) -> StoreResult<Option<World>> {
            for _ in 0..100 {
                yield_now().await;
            }
            let mut world = self.0.lock();
            world.metadata.extend(change.metadata.unwrap_or_default());
            Ok(Some(world.clone()))
        }
    }

    #[tokio::test]
    async fn two_changes_at_once_do_not_pass_the_bound_together() {
        let (agent, id) = (AgentId::of_name("A"), WorldId::new(create_unique_uuid(AgentId::of_name("A"), "world")));
        let created_at = Timestamp::from_millis(1);
        let world = World { id, agent_id: agent, name: "W".to_owned(), server_id: None, metadata: JsonObject::new(), created_at };
        let slow = Arc::new(Slow(Mutex::new(world)));
        let turns = OneAtATime::default();
        let change = |key: &str| {
            let metadata = JsonObject::from_iter([(key.to_owned(), json!("x".repeat(METADATA_BYTES * 2 / 3)))]);
            change_in_turn(&turns, slow.clone(), agent, id, WorldChange { name: None, metadata: Some(metadata) })
        };
        let (one, other) = tokio::join!(change("one"), change("other"));
        assert!(one.is_ok());
        assert!(matches!(other, Err(ServiceError::Invalid { .. })), "{other:?}");
        assert!(fits(&slow.0.lock().metadata, METADATA_BYTES));
    }
}
