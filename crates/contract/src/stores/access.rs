//! Promises about tenants: what is within whose reach.

use core_types::access::Wanted;
use core_types::agents::Agent;
use core_types::keys::{ApiKey, KeyAdded};
use core_types::messaging::{Channel, Membership, MessageSearch, MessageServer, PostMessage, PostOutcome};
use core_types::{AgentId, EntityId, KeyId, MessageServerId, Permission, Reach};
use uuid::Uuid;

use super::Stores;
use super::scene::{ALL, Sure, agent, agent_id, at, channel, channel_id, draft, person, plane, post_of, reach, server, tenant, written};

fn sharing(name: &str) -> Reach {
    Reach { servers: vec![server(1).id], ..reach(name) }
}

fn one_person(number: u128) -> Reach {
    Reach { person: Some(person(number)), ..sharing("somebody") }
}

/// Of the owner, of `a` and of `b` one agent, one message server and one channel each, with these numbers.
async fn three_owners(stores: &Stores) {
    for (number, owner) in [(1, None), (2, Some(tenant("a"))), (3, Some(tenant("b")))] {
        let id = agent_id(number);
        let added = Agent { owner: owner.clone(), ..agent(number) };
        stores.agents.add(added, Vec::new()).await.sure();
        stores.agents.start(id, plane(id, channel_id(0xfff + number), &[]), at(0)).await.sure().sure();
        stores.servers.add(MessageServer { owner: owner.clone(), ..server(number) }).await.sure();
        let added = Channel { owner, server_id: server(number).id, ..channel(number) };
        stores.channels.add(added, vec![person(number), id.into()]).await.sure();
    }
}

/// What nobody owns is no tenant's, and another's is not there.
pub async fn a_tenant_reaches_its_own_and_nothing_else(stores: Stores) {
    three_owners(&stores).await;
    for (name, own) in [("a", 2), ("b", 3), ("c", 9)] {
        for number in 1..=3 {
            let (agent, server, channel) = (agent_id(number), server(number).id, channel_id(number));
            let all = [
                Wanted::Agent(agent),
                Wanted::OwnAgent(agent),
                Wanted::Server(server),
                Wanted::OwnServer(server),
                Wanted::Channel(channel),
                Wanted::OwnChannel(channel),
            ];
            for wanted in all {
                let within = stores.access.within(&reach(name), wanted).await.sure();
                assert_eq!(within, number == own, "{name}: {wanted:?}");
            }
        }
        let default = MessageServerId::DEFAULT;
        assert!(stores.access.within(&reach(name), Wanted::Server(default)).await.sure());
        assert!(!stores.access.within(&reach(name), Wanted::OwnServer(default)).await.sure());
    }
    let found = stores.channels.find(channel_id(2)).await.sure().sure();
    assert_eq!(found.owner, Some(tenant("a")));
}

/// Lists are as long as what is within reach.
pub async fn lists_show_what_is_within_reach(stores: Stores) {
    three_owners(&stores).await;
    for number in 1..=3 {
        written(stores.messages.post(post_of(draft(number, channel_id(number), person(number), "said"), at(1))).await.sure());
    }
    let a = reach("a");
    let agents: Vec<AgentId> = stores.agents.list(Some(&a)).await.sure().into_iter().map(|agent| agent.id).collect();
    assert_eq!(agents, [agent_id(2)]);
    assert_eq!(stores.agents.list(None).await.sure().len(), 3);
    assert_eq!(stores.agents.first_running(Some(&a)).await.sure(), Some(agent_id(2)));
    let servers = stores.servers.list(Some(&a), ALL).await.sure();
    let mut ids: Vec<_> = servers.items.iter().map(|server| server.id).collect();
    ids.sort_unstable();
    assert_eq!((ids, servers.total), (vec![MessageServerId::DEFAULT, server(2).id], 2));
    assert_eq!(stores.channels.list(Some(&a), server(2).id, ALL).await.sure().total, 1);
    assert_eq!(stores.channels.list(Some(&a), server(3).id, ALL).await.sure().total, 0);
    assert_eq!(stores.servers.agents(Some(&a), MessageServerId::DEFAULT, ALL).await.sure().items, [agent_id(2)]);
    assert_eq!(stores.worlds.of_running(Some(&a), ALL).await.sure().total, 1);
    assert_eq!(stores.worlds.of_running(None, ALL).await.sure().total, 3);
    let search = MessageSearch { words: vec!["said".to_owned()], limit: 10, ..MessageSearch::default() };
    let found = stores.messages.search(Some(&a), search.clone()).await.sure().messages;
    assert_eq!(found.into_iter().map(|message| message.channel_id).collect::<Vec<_>>(), [channel_id(2)]);
    assert_eq!(stores.messages.search(None, search).await.sure().messages.len(), 3);
}

/// Whoever shares a message server sees the channels there and the agents that listen there, but what these remember is not its own.
pub async fn a_shared_server_is_seen_as_a_whole(stores: Stores) {
    three_owners(&stores).await;
    stores.servers.link(server(1).id, agent_id(1)).await.sure();
    let sharing = sharing("a");
    for (wanted, within) in [
        (Wanted::Server(server(1).id), true),
        (Wanted::OwnServer(server(1).id), false),
        (Wanted::Channel(channel_id(1)), true),
        (Wanted::OwnChannel(channel_id(1)), true),
        (Wanted::Agent(agent_id(1)), true),
        (Wanted::OwnAgent(agent_id(1)), false),
        (Wanted::Channel(channel_id(3)), false),
        (Wanted::Agent(agent_id(3)), false),
    ] {
        assert_eq!(stores.access.within(&sharing, wanted).await.sure(), within, "{wanted:?}");
    }
    for (number, place) in [(1, Some(server(1).id)), (2, Some(MessageServerId::DEFAULT)), (3, None)] {
        assert_eq!(stores.access.meeting_place(&sharing, agent_id(number)).await.sure(), place);
    }
    // Where none is named, its own answers, else one of the owner's, and no other tenant's.
    stores.servers.link(server(1).id, agent_id(3)).await.sure();
    for (stopped, first) in [(9, Some(agent_id(2))), (2, Some(agent_id(1))), (1, None)] {
        stores.agents.stop(agent_id(stopped), at(2)).await.sure();
        assert_eq!(stores.agents.first_running(Some(&sharing)).await.sure(), first);
    }
    assert_eq!(stores.agents.first_running(None).await.sure(), None);
}

/// What two say to each other is not, however its kind is spelled; nor is anything on the default server, which is everybody's.
pub async fn what_two_say_is_not_shared(stores: Stores) {
    three_owners(&stores).await;
    for (number, kind) in [(11, "DM"), (12, "dm"), (13, "Voice_Dm"), (14, "self"), (15, "aPi")] {
        let direct = Channel { server_id: server(1).id, kind: kind.to_owned(), ..channel(number) };
        stores.channels.add(direct, vec![person(8)]).await.sure();
        assert!(!stores.access.within(&sharing("a"), Wanted::Channel(channel_id(number))).await.sure(), "{kind}");
    }
    stores.channels.add(Channel { owner: Some(tenant("b")), ..channel(16) }, vec![person(8)]).await.sure();
    let everybody = Reach { servers: vec![MessageServerId::DEFAULT], ..reach("a") };
    for wanted in [Wanted::Channel(channel_id(16)), Wanted::Agent(agent_id(1)), Wanted::Agent(agent_id(3))] {
        assert!(!stores.access.within(&everybody, wanted).await.sure(), "{wanted:?}");
    }
}

/// Nobody goes on talking with agents on a message server that it does not share any more.
pub async fn what_was_made_on_a_shared_server_goes_with_the_share(stores: Stores) {
    three_owners(&stores).await;
    let made = Channel { server_id: server(1).id, owner: Some(tenant("a")), ..channel(7) };
    stores.channels.add(made, vec![person(2)]).await.sure();
    let alone = Reach { person: Some(person(2)), ..reach("a") };
    for (reach, within) in [(sharing("a"), true), (reach("a"), false), (alone, false)] {
        for wanted in [Wanted::Channel(channel_id(7)), Wanted::OwnChannel(channel_id(7))] {
            assert_eq!(stores.access.within(&reach, wanted).await.sure(), within, "{wanted:?}");
        }
    }
    let post = PostMessage { reach: Some(reach("a")), ..post_of(draft(1, channel_id(7), person(2), "hello"), at(1)) };
    assert_eq!(stores.messages.post(post).await.sure(), PostOutcome::NoChannel);
}

/// Whoever is one person sees of a shared server the channels in which that person takes part, and rules none of them.
pub async fn one_person_sees_the_channels_it_takes_part_in(stores: Stores) {
    three_owners(&stores).await;
    let other = Channel { server_id: server(1).id, ..channel(7) };
    stores.channels.add(other, vec![person(8)]).await.sure();
    for (wanted, within) in [
        (Wanted::Channel(channel_id(1)), true),
        (Wanted::OwnChannel(channel_id(1)), false),
        (Wanted::Channel(channel_id(7)), false),
        (Wanted::Channel(channel_id(2)), false),
        (Wanted::Server(server(1).id), true),
    ] {
        assert_eq!(stores.access.within(&one_person(1), wanted).await.sure(), within, "{wanted:?}");
    }
}

/// Also where it asked before, and was let to ask.
pub async fn one_person_who_was_sent_away_does_not_come_back_by_itself(stores: Stores) {
    three_owners(&stores).await;
    let (channel, sent_away) = (channel_id(1), one_person(1));
    assert_eq!(stores.channels.join(channel, person(1), Some(&sent_away)).await.sure(), Membership::AsBefore);
    stores.channels.leave(channel, person(1), at(1)).await.sure();
    assert_eq!(stores.channels.join(channel, person(1), Some(&sent_away)).await.sure(), Membership::NoChannel);
    assert!(!stores.channels.participants(channel).await.sure().contains(&person(1)));
    assert_eq!(stores.channels.join(channel, person(1), None).await.sure(), Membership::Changed(Vec::new()));
}

/// A post out of reach finds no channel, and writes nothing.
pub async fn a_post_finds_only_channels_within_reach(stores: Stores) {
    three_owners(&stores).await;
    let post = |number: u128, to: u128, name: &str| PostMessage {
        reach: Some(reach(name)),
        ..post_of(draft(number, channel_id(to), person(1), "hello"), at(1))
    };
    for to in [1, 3] {
        assert_eq!(stores.messages.post(post(to, to, "a")).await.sure(), PostOutcome::NoChannel, "channel {to}");
        assert_eq!(stores.messages.last_seq(channel_id(to)).await.sure(), Some(0));
    }
    written(stores.messages.post(post(2, 2, "a")).await.sure());
    // Nor does one come into being on a message server that is not seen, or over one that is another's.
    let created = |number: u128, server: MessageServerId| {
        let created = Channel { server_id: server, owner: Some(tenant("a")), ..channel(number) };
        PostMessage { create_channel: Some((created, vec![person(1)])), ..post(10 + number, number, "a") }
    };
    assert_eq!(stores.messages.post(created(21, server(3).id)).await.sure(), PostOutcome::NoServer);
    assert_eq!(stores.messages.post(created(3, MessageServerId::DEFAULT)).await.sure(), PostOutcome::NoChannel);
    assert!(written(stores.messages.post(created(22, MessageServerId::DEFAULT)).await.sure()).created_channel);
}

/// On the default message server every agent listens, but only to the channels of whoever it belongs to, and to the owner's.
pub async fn agents_hear_no_channel_of_another_tenant(stores: Stores) {
    three_owners(&stores).await;
    let everybody: Vec<EntityId> = (1..=3).map(|number| agent_id(number).into()).collect();
    for (number, owner, heard) in
        [(31, None, vec![1, 2, 3]), (32, Some(tenant("a")), vec![2]), (33, Some(tenant("b")), vec![3]), (34, Some(tenant("c")), vec![])]
    {
        stores.channels.add(Channel { owner, ..channel(number) }, everybody.clone()).await.sure();
        let deliveries = stores.say(number, channel_id(number), person(1)).await.deliveries;
        let mut agents: Vec<AgentId> = deliveries.into_iter().map(|delivery| delivery.agent_id).collect();
        agents.sort_unstable();
        let mut expected: Vec<AgentId> = heard.into_iter().map(agent_id).collect();
        expected.sort_unstable();
        assert_eq!(agents, expected, "channel {number}");
    }
}

fn key(number: u128) -> ApiKey {
    ApiKey {
        id: KeyId::new(Uuid::from_u128(number)),
        name: format!("Key {number}"),
        tenant: tenant("shop"),
        permissions: vec![Permission::MessagesWrite, Permission::AgentsRead],
        servers: vec![MessageServerId::DEFAULT],
        hash: [u8::try_from(number).unwrap_or(0); 32],
        created_at: at(5),
        expires_at: Some(at(9)),
        last_used_at: None,
    }
}

/// A key is given back as it was made until it is revoked, and its last use only grows.
pub async fn a_key_is_kept_until_it_is_revoked(stores: Stores) {
    assert_eq!(stores.keys.add(key(1)).await.sure(), KeyAdded::Yes);
    assert_eq!(stores.keys.add(ApiKey { expires_at: None, ..key(2) }).await.sure(), KeyAdded::Yes);
    assert_eq!(stores.keys.list().await.sure(), [key(1), ApiKey { expires_at: None, ..key(2) }]);
    for (used, last) in [(7, 7), (6, 7), (8, 8)] {
        stores.keys.used(vec![(key(2).id, at(used)), (key(9).id, at(used))]).await.sure();
        assert_eq!(stores.keys.list().await.sure().pop().sure().last_used_at, Some(at(last)));
    }
    assert!(stores.keys.remove(key(1).id).await.sure());
    assert!(!stores.keys.remove(key(1).id).await.sure());
    assert_eq!(stores.keys.list().await.sure().len(), 1);
}

/// A key that shares what does not exist is not stored.
pub async fn a_key_needs_the_servers_that_it_shares(stores: Stores) {
    let unknown = server(77).id;
    let added = stores.keys.add(ApiKey { servers: vec![MessageServerId::DEFAULT, unknown], ..key(1) }).await.sure();
    assert_eq!(added, KeyAdded::NoServer(unknown));
    assert_eq!(stores.keys.list().await.sure(), []);
}
