//! What is within a tenant's reach. The rules are said once, here; what nobody owns is the owner's and fits no tenant.

use async_trait::async_trait;
use core_types::access::{AccessRepository, Wanted};
use core_types::{AgentId, EntityId, MessageServerId, Reach, StoreResult, Thing};
use diesel::dsl::exists;
use diesel::prelude::*;

use super::columns::Id;
use super::schema::{agents, channel_participants, channels, jobs, message_servers, messages, server_agents, sessions};
use super::{Conn, Db, RunQueryDsl};
use crate::error::Fault;

diesel::define_sql_function! {
    /// A text in capitals.
    fn upper(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// A reach as queries take it.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// Whose things are seen.
    pub(super) tenant: String,
    /// The message servers that are shared.
    pub(super) servers: Vec<Id>,
    /// Those, and the default one, which is everybody's.
    pub(super) open: Vec<Id>,
    /// Those of the shared ones of which every channel is seen.
    pub(super) whole: Vec<Id>,
    /// Whose channels are seen: one person's, or nobody's.
    pub(super) people: Vec<Id>,
}

impl From<&Reach> for Sight {
    fn from(reach: &Reach) -> Self {
        // The default server is everybody's, and what is said there is not: it cannot be shared.
        let shared = |server: &&MessageServerId| **server != MessageServerId::DEFAULT;
        let ids = |servers: &[MessageServerId]| -> Vec<Id> { servers.iter().filter(shared).map(|server| Id::from(*server)).collect() };
        let servers = ids(&reach.servers);
        let open = servers.iter().copied().chain([Id::from(MessageServerId::DEFAULT)]).collect();
        Self {
            tenant: reach.tenant.to_string(),
            servers,
            open,
            whole: ids(reach.shared()),
            people: reach.person.map(|person: EntityId| Id::from(person)).into_iter().collect(),
        }
    }
}

// SQLite looks up each part of a condition in its own index only where every part has one, which a list of values that is empty has not;
// else it reads all rows, and an owner lies behind metadata of any length. So lists that may be empty are inside of subqueries.

/// The message servers that a tenant sees, as a condition.
macro_rules! servers_within {
    ($sight:expr) => {
        super::schema::message_servers::owner
            .eq($sight.tenant.clone())
            .assume_not_null()
            .or(super::schema::message_servers::id.eq_any($sight.open.clone()))
    };
}

/// The channels that a tenant made, as a condition. With its share of a message server ends what it said to the agents there.
macro_rules! channels_made {
    ($sight:expr) => {
        channels::owner.eq($sight.tenant.clone()).assume_not_null().and(
            // The one server of the channel is looked up, however many there are.
            channels::server_id.eq_any($sight.open.clone()).or(diesel::dsl::exists(
                super::schema::message_servers::table
                    .filter(super::schema::message_servers::id.eq(channels::server_id))
                    .filter(super::schema::message_servers::owner.eq($sight.tenant.clone())),
            )),
        )
    };
}

/// Those, and the channels of message servers that it shares as a whole, as a condition. What two say to each other, as in sessions
/// and jobs, is not shared.
macro_rules! channels_ruled {
    ($sight:expr) => {
        super::access::channels_made!($sight).or(channels::server_id
            .eq_any(
                super::schema::message_servers::table
                    .filter(super::schema::message_servers::id.eq_any($sight.whole.clone()))
                    .select(super::schema::message_servers::id),
            )
            .and(super::access::upper(channels::kind).ne_all(core_types::messaging::DIRECT_KINDS)))
    };
}

/// Where the one person takes part whose channels a tenant sees. A subject that has the name of an agent is not that agent.
macro_rules! parts_taken {
    ($sight:expr) => {
        channel_participants::table.filter(channel_participants::entity_id.eq_any($sight.people.clone())).filter(diesel::dsl::not(
            diesel::dsl::exists(super::schema::agents::table.filter(super::schema::agents::id.eq_any($sight.people.clone()))),
        ))
    };
}

/// The channels that a tenant sees, as a condition, with where its one person takes part. That person takes part in what others made;
/// what the tenant made itself goes with its share.
macro_rules! channels_seen {
    ($sight:expr, $parts:expr) => {
        super::access::channels_ruled!($sight).or(channels::owner
            .is_null()
            .or(channels::owner.assume_not_null().ne($sight.tenant.clone()))
            .and(channels::id.eq_any($parts.select(channel_participants::channel_id))))
    };
}

/// The channels that a tenant sees, as a condition.
macro_rules! channels_within {
    ($sight:expr) => {
        super::access::channels_seen!($sight, super::access::parts_taken!($sight))
    };
}

pub(super) use {channels_made, channels_ruled, channels_seen, channels_within, parts_taken, servers_within};

work! {
    pub(super) fn sees_channel(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<bool> {
        // Of what may be many channels of one person, this one is asked for.
        let seen = channels_seen!(sight, parts_taken!(sight).filter(channel_participants::channel_id.eq(id)));
        run!(diesel::select(exists(channels::table.find(id).filter(seen))).get_result(conn))
    }
}

work! {
    pub(super) fn sees_server(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<bool> {
        let server = message_servers::table.find(id);
        if sight.open.contains(&id) {
            return run!(diesel::select(exists(server)).get_result(conn));
        }
        run!(diesel::select(exists(server.filter(message_servers::owner.eq(sight.tenant.clone())))).get_result(conn))
    }
}

work! {
    /// A channel that the tenant made, or that is on a message server which it shares as a whole.
    fn rules_channel(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<bool> {
        run!(diesel::select(exists(channels::table.find(id).filter(channels_ruled!(sight)))).get_result(conn))
    }
}

work! {
    fn made_channel(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<bool> {
        run!(diesel::select(exists(channels::table.find(id).filter(channels_made!(sight)))).get_result(conn))
    }
}

work! {
    /// What the tenant made under this id, a channel or a session, where that went with its share of the message server. What is gone
    /// altogether is not lost.
    pub(super) fn lost(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<Option<Thing>> {
        let session: Option<Id> = run!(sessions::table.find(id).select(sessions::channel_id).first(conn)).optional()?;
        let (channel, thing) = session.map_or((id, Thing::Channel), |channel| (channel, Thing::Session));
        let own = channels::table.find(channel).filter(channels::owner.eq(sight.tenant.clone()));
        let is_there: bool = run!(diesel::select(exists(own)).get_result(conn))?;
        Ok((is_there && !run!(made_channel(conn, sight, channel))?).then_some(thing))
    }
}

work! {
    /// Asks an index alone: in the row an owner lies behind a character of any length.
    fn made_agent(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<bool> {
        let own = agents::table.filter(agents::owner.eq(sight.tenant.clone())).filter(agents::id.eq(id)).select(agents::id);
        run!(diesel::select(exists(own)).get_result(conn))
    }
}

work! {
    /// An agent that listens on a message server which the tenant shares.
    fn shares_agent(conn: &mut Conn, sight: &Sight, id: Id) -> QueryResult<bool> {
        let listening = server_agents::table
            .filter(server_agents::server_id.eq_any(sight.servers.clone()))
            .filter(server_agents::agent_id.eq(id))
            .select(server_agents::agent_id);
        run!(diesel::select(exists(listening)).get_result(conn))
    }
}

work! {
    fn within(conn: &mut Conn, sight: Sight, wanted: Wanted) -> Result<bool, Fault> {
        let tenant = sight.tenant.clone();
        Ok(match wanted {
            Wanted::Agent(id) => run!(made_agent(conn, &sight, id.into()))? || run!(shares_agent(conn, &sight, id.into()))?,
            Wanted::OwnAgent(id) => run!(made_agent(conn, &sight, id.into()))?,
            Wanted::Server(id) => run!(sees_server(conn, &sight, id.into()))?,
            Wanted::OwnServer(id) => {
                let own = message_servers::table.find(Id::from(id)).filter(message_servers::owner.eq(tenant));
                run!(diesel::select(exists(own)).get_result(conn))?
            }
            Wanted::Channel(id) => run!(sees_channel(conn, &sight, id.into()))?,
            Wanted::OwnChannel(id) => run!(rules_channel(conn, &sight, id.into()))?,
            Wanted::Session(id) => {
                let channel: Option<Id> =
                    run!(sessions::table.find(Id::from(id)).select(sessions::channel_id).first(conn)).optional()?;
                match channel {
                    Some(channel) => run!(made_channel(conn, &sight, channel))?,
                    None => false,
                }
            }
            Wanted::Job(id) => {
                let of_job = jobs::table.find(Id::from(id)).inner_join(messages::table.on(messages::id.eq(jobs::message_id)));
                let channel: Option<Id> = run!(of_job.select(messages::channel_id).first(conn)).optional()?;
                match channel {
                    Some(channel) => run!(made_channel(conn, &sight, channel))?,
                    None => false,
                }
            }
        })
    }
}

work! {
    fn meeting_place(conn: &mut Conn, sight: Sight, agent: Id) -> Result<Option<MessageServerId>, Fault> {
        if run!(made_agent(conn, &sight, agent))? {
            return Ok(Some(MessageServerId::DEFAULT));
        }
        let shared = server_agents::table
            .filter(server_agents::agent_id.eq(agent))
            .filter(server_agents::server_id.eq_any(sight.servers))
            .order(server_agents::ordinal)
            .select(server_agents::server_id);
        let first: Option<Id> = run!(shared.first(conn)).optional()?;
        Ok(first.map(Id::to))
    }
}

#[async_trait]
impl AccessRepository for Db {
    async fn within(&self, reach: &Reach, wanted: Wanted) -> StoreResult<bool> {
        let sight = Sight::from(reach);
        Ok(in_snapshot!(self, |conn| within(conn, sight, wanted))?)
    }

    async fn meeting_place(&self, reach: &Reach, agent: AgentId) -> StoreResult<Option<MessageServerId>> {
        let sight = Sight::from(reach);
        Ok(in_snapshot!(self, |conn| meeting_place(conn, sight, agent.into()))?)
    }
}
