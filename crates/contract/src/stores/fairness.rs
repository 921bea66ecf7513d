//! Promises about what is claimed of whom: no more of an agent or a tenant than its share, and of each in its turn.

use core_types::deliveries::{Busy, ClaimRequest, Claimed, Held, Shares};
use core_types::messaging::{ALLOW_AGENT_TO_AGENT, Channel, PostMessage};
use core_types::{AgentId, ChannelId, DeliveryId, Reach};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{
    NO_BOUND, Sure, agent_id, at, channel, channel_id, claim_request, draft, finish_with_reply, held_by, object, only, person, post_of,
    reach, server, tenant, written,
};

/// What the agent holds already is part of it.
pub async fn a_claim_brings_no_more_of_one_agent_than_its_share(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    for number in 0..5 {
        let channel = stores.open_channel(number, &[one.into()]).await;
        stores.say(number, channel, person(1)).await;
    }
    let channel = stores.open_channel(9, &[two.into()]).await;
    stores.say(9, channel, person(1)).await;
    let mut held: Vec<Held> = Vec::new();
    let mut rounds = Vec::new();
    for per_agent in [0, 2, 2, 3, 9] {
        // A claim may bring fewer than there are, but never nothing where there is something.
        let mut round = 0;
        loop {
            let request = ClaimRequest { shares: Shares { per_agent, ..NO_BOUND }, held: held.clone(), ..claim_request(10, at(1)) };
            let claimed = stores.deliveries.claim(request).await.sure();
            if claimed.is_empty() {
                break;
            }
            round += claimed.len();
            held.extend(claimed.iter().map(|claimed| held_by(claimed.delivery.agent_id, claimed.delivery.id)));
        }
        rounds.push((round, held.iter().filter(|held| held.agent == one).count()));
    }
    assert_eq!(rounds, [(0, 0), (3, 2), (0, 2), (1, 3), (2, 5)]);
}

/// What is held for it already is part of it, by whichever agent. Others are passed over neither for it nor with it.
pub async fn a_claim_brings_no_more_of_one_tenant_than_its_share(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    for (number, owner) in [(1, Some("a")), (2, Some("a")), (3, Some("a")), (4, None), (5, None), (6, None), (7, Some("b"))] {
        said_by(&stores, agent, number, owner).await;
    }
    let held = vec![Held { delivery: DeliveryId::new(Uuid::from_u128(0xdead)), agent: agent_id(99), tenant: Some(tenant("a")) }];
    let shares = Shares { per_tenant: 2, ..NO_BOUND };
    let mut claimed = channels_claimed(&stores, ClaimRequest { shares, held, ..claim_request(3, at(9)) }).await;
    claimed.sort_unstable();
    assert_eq!(claimed, [1, 4, 5, 6, 7].map(channel_id));
    assert_eq!(stores.claim(9, at(9)).await.len(), 2, "the rest waits");
}

/// However much waits for one, the owner too, others come in turn with it, and nobody behind it.
pub async fn whoever_floods_an_agent_is_not_before_everybody_else(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    for number in 1..=9 {
        said_by(&stores, agent, number, Some("a")).await;
    }
    for (number, speaker) in [(10, None), (11, Some("b")), (12, Some("c")), (13, Some("b"))] {
        said_by(&stores, agent, number, speaker).await;
    }
    for (moment, first) in [(20, [1, 10, 11]), (21, [2, 12, 13]), (22, [3, 4, 5])] {
        let claimed = stores.claim(3, at(moment)).await;
        assert_eq!(claimed.iter().map(|one| one.message.channel_id).collect::<Vec<_>>(), first.map(channel_id));
    }
    // Nor where one may have no more at all.
    said_by(&stores, agent, 14, Some("b")).await;
    let request = beside_a_flood(agent_id(99), 23);
    assert_eq!(only(stores.deliveries.claim(request).await.sure()).message.channel_id, channel_id(14));
}

/// What many others wait for is not due yet, at whichever end of the names one begins.
pub async fn whoever_is_due_is_found_among_many_who_are_not(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    for number in 0..130 {
        said_by(&stores, agent, number, Some(&format!("t{number:03}"))).await;
    }
    assert_eq!(stores.claim(130, at(150)).await.len(), 130);
    for (number, moment) in [(200, 300), (201, 301)] {
        said_by(&stores, agent, number, Some("t065 and a half")).await;
        let claimed = stores.deliveries.claim(beside_a_flood(agent_id(99), moment)).await.sure();
        assert_eq!(only(claimed).message.channel_id, channel_id(number));
    }
}

/// What many others wait for is due, and nobody has time for it.
pub async fn of_many_tenants_each_has_its_turn_within_a_few_claims(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    let idle = stores.running_agent(2).await;
    stores.servers.link(server(1).id, idle).await.sure();
    for number in 0..130 {
        said_by(&stores, agent, number, Some(&format!("t{number:03}"))).await;
    }
    said_by(&stores, idle, 200, Some("t065 and a half")).await;
    let mut claimed = Vec::new();
    for moment in 300..303 {
        claimed.extend(stores.deliveries.claim(beside_a_flood(agent, moment)).await.sure());
    }
    assert_eq!(only(claimed).message.channel_id, channel_id(200));
}

/// Of another's time nothing is taken, whoever speaks to it most.
pub async fn a_claim_brings_no_more_of_an_agent_for_one_tenant_than_its_share(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    for (number, speaker) in [(1, Some("a")), (2, Some("a")), (3, Some("a")), (4, Some("b")), (5, None)] {
        said_by(&stores, agent, number, speaker).await;
    }
    let elsewhere = Held { delivery: DeliveryId::new(Uuid::from_u128(0xdead)), agent: agent_id(99), tenant: Some(tenant("a")) };
    let held = vec![elsewhere];
    let shares = Shares { per_agent_of_tenants: 1, ..NO_BOUND };
    let claimed = channels_claimed(&stores, ClaimRequest { shares, held, ..claim_request(2, at(9)) }).await;
    assert_eq!(claimed, [1, 4, 5].map(channel_id));
}

/// It is the one who began who keeps the agents busy.
pub async fn what_an_agent_says_is_heard_for_the_tenant_that_it_answers(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    let other = stores.running_agent(2).await;
    stores.servers.link(server(1).id, other).await.sure();
    let channel = Channel { server_id: server(1).id, metadata: object(json!({ALLOW_AGENT_TO_AGENT: true})), ..channel(1) };
    stores.channels.add(channel, vec![person(1), agent.into(), other.into()]).await.sure();
    let said = PostMessage { reach: Some(on_server("a")), ..post_of(draft(1, channel_id(1), person(1), "hello"), at(1)) };
    let posted = written(stores.messages.post(said).await.sure());
    assert!(posted.deliveries.iter().all(|delivery| delivery.tenant == Some(tenant("a"))));
    let claimed = stores.claim(9, at(2)).await;
    let first = claimed.iter().find(|one| one.delivery.agent_id == agent).sure();
    let finished = stores.deliveries.finish(finish_with_reply(first, "hello to you", at(3))).await.sure().sure();
    assert_eq!(finished.woken.iter().map(|delivery| delivery.tenant.clone()).collect::<Vec<_>>(), [Some(tenant("a"))]);
}

/// They have enough to do, whatever is due.
pub async fn the_next_due_moment_leaves_busy_agents_out(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    for (number, agent) in [(1, one), (2, two)] {
        let channel = stores.open_channel(number, &[agent.into()]).await;
        let age = i64::try_from(number).sure();
        written(stores.messages.post(post_of(draft(number, channel, person(1), "hello"), at(age))).await.sure());
    }
    for (agents, due) in [(vec![], Some(at(1))), (vec![one], Some(at(2))), (vec![two], Some(at(1))), (vec![one, two], None)] {
        assert_eq!(stores.deliveries.next_due(Busy { agents, ..Busy::default() }).await.sure(), due);
    }
}

/// What they say waits for their turn; what the owner says does not, nor what they say to others.
pub async fn the_next_due_moment_leaves_busy_tenants_out(stores: Stores) {
    let agent = agent_of_tenants(&stores).await;
    for (number, owner) in [(1, Some("a")), (2, Some("b")), (3, None)] {
        said_by(&stores, agent, number, owner).await;
    }
    for (tenants, due) in [(vec![], Some(at(1))), (vec!["a"], Some(at(2))), (vec!["a", "b"], Some(at(3))), (vec!["b"], Some(at(1)))] {
        let tenants = tenants.into_iter().map(tenant).collect();
        assert_eq!(stores.deliveries.next_due(Busy { tenants, ..Busy::default() }).await.sure(), due);
    }
    for (with, due) in [(agent, at(2)), (agent_id(99), at(1))] {
        let pairs = vec![(with, tenant("a"))];
        assert_eq!(stores.deliveries.next_due(Busy { pairs, ..Busy::default() }).await.sure(), Some(due));
    }
}

/// A claim where this agent and the tenant `a` have as much as they may.
fn beside_a_flood(agent: AgentId, moment: i64) -> ClaimRequest {
    let held = (0..2).map(|number| Held { delivery: DeliveryId::new(Uuid::from_u128(0xdead + number)), agent, tenant: Some(tenant("a")) });
    let shares = Shares { per_agent: 2, per_tenant: 2, ..NO_BOUND };
    ClaimRequest { shares, held: held.collect(), ..claim_request(3, at(moment)) }
}

/// Claims again and again, holding what was claimed, until there is nothing more; the channels of all that was.
async fn channels_claimed(stores: &Stores, mut request: ClaimRequest) -> Vec<ChannelId> {
    let mut claimed = Vec::new();
    loop {
        let round = stores.deliveries.claim(request.clone()).await.sure();
        if round.is_empty() {
            break;
        }
        for Claimed { delivery, channel, .. } in round {
            request.held.push(Held { delivery: delivery.id, agent: delivery.agent_id, tenant: delivery.tenant });
            claimed.push(channel.id);
        }
    }
    claimed.sort_unstable();
    claimed
}

/// A running agent that listens where tenants talk.
async fn agent_of_tenants(stores: &Stores) -> AgentId {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    stores.servers.link(server(1).id, agent).await.sure();
    agent
}

/// A channel of the owner's with the agent, in which this tenant says something at the moment of its number.
async fn said_by(stores: &Stores, agent: AgentId, number: u128, speaker: Option<&str>) {
    let channel = Channel { server_id: server(1).id, ..channel(number) };
    stores.channels.add(channel, vec![person(1), agent.into()]).await.sure();
    let age = i64::try_from(number).sure();
    let said = post_of(draft(number, channel_id(number), person(1), "hello"), at(age));
    written(stores.messages.post(PostMessage { reach: speaker.map(on_server), ..said }).await.sure());
}

/// What this tenant sees, to whom the first message server is shared.
fn on_server(name: &str) -> Reach {
    Reach { servers: vec![server(1).id], ..reach(name) }
}
