//! Promises about message servers and the agents that listen on them.

use core_types::agents::Added;
use core_types::deliveries::DeliveryState;
use core_types::messaging::{Channel, ChannelEvent, EventBody, Linked, MessageServer, ServerChange};
use core_types::{MessageServerId, Page};
use serde_json::json;

use super::Stores;
use super::scene::{ALL, Sure, agent_id, at, channel, channel_id, object, only, person, server};

/// It needs no set-up.
pub async fn the_default_server_is_there_from_the_start(stores: Stores) {
    let default = only(stores.servers.list(None, ALL).await.sure().items);
    assert_eq!((default.id, default.name.as_str()), (MessageServerId::DEFAULT, "Default Server"));
    assert_eq!((default.source_type.as_str(), default.metadata.len()), ("eliza_default", 0));
    assert_eq!(stores.servers.find(MessageServerId::DEFAULT).await.sure(), Some(default));
}

/// The first one stays.
pub async fn a_taken_server_id_is_left_as_it_is(stores: Stores) {
    assert_eq!(stores.servers.add(server(1)).await.sure(), Added::New(server(1)));
    let other = MessageServer { name: "Other".to_owned(), ..server(1) };
    assert_eq!(stores.servers.add(other).await.sure(), Added::Existing(server(1)));
    assert_eq!(stores.servers.find(server(1).id).await.sure(), Some(server(1)));
    assert_eq!(stores.servers.find(server(2).id).await.sure(), None);
}

/// By age, and of the same age in the order in which they were added.
pub async fn servers_are_listed_oldest_first(stores: Stores) {
    let default = only(stores.servers.list(None, ALL).await.sure().items);
    for number in [9, 1, 5] {
        let later = MessageServer { created_at: default.created_at.plus_millis(1), ..server(number) };
        stores.servers.add(later).await.sure();
    }
    let names: Vec<_> = stores.servers.list(None, ALL).await.sure().items.into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["Default Server", "Server 9", "Server 1", "Server 5"]);
    let part = stores.servers.list(None, Page { offset: 1, limit: 2 }).await.sure();
    assert_eq!((part.items.len(), part.total), (2, 4));
}

/// What is not given stays.
pub async fn a_change_of_a_server_replaces_what_it_names(stores: Stores) {
    stores.servers.add(server(1)).await.sure();
    let renamed = ServerChange { name: Some("Other".to_owned()), metadata: None };
    let expected = MessageServer { name: "Other".to_owned(), updated_at: at(9), ..server(1) };
    assert_eq!(stores.servers.update(server(1).id, renamed, at(9)).await.sure(), Some(expected.clone()));
    let described = ServerChange { name: None, metadata: Some(object(json!({"description": "d"}))) };
    let expected = MessageServer { metadata: object(json!({"description": "d"})), updated_at: at(10), ..expected };
    assert_eq!(stores.servers.update(server(1).id, described, at(10)).await.sure(), Some(expected.clone()));
    assert_eq!(stores.servers.find(server(1).id).await.sure(), Some(expected));
    assert_eq!(stores.servers.update(server(2).id, ServerChange::default(), at(9)).await.sure(), None);
}

/// Its channels end like channels that are removed one by one; others are not touched.
pub async fn removing_a_server_removes_its_channels(stores: Stores) {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    assert_eq!(stores.servers.link(server(1).id, agent).await.sure(), Linked::Yes);
    for number in [1, 2] {
        let of_server = Channel { server_id: server(1).id, ..channel(number) };
        stores.channels.add(of_server, vec![agent.into()]).await.sure();
    }
    let asked = only(stores.say(1, channel_id(1), person(1)).await.deliveries);
    let kept = stores.open_channel(3, &[agent.into()]).await;

    let ends = stores.servers.remove(server(1).id, at(5)).await.sure().sure();

    let end = |number, seq| ChannelEvent { channel_id: channel_id(number), seq, body: EventBody::ChannelDeleted, created_at: at(5) };
    assert_eq!(ends, [end(1, 2), end(2, 1)]);
    assert_eq!(stores.servers.find(server(1).id).await.sure(), None);
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), None);
    assert_eq!(stores.deliveries.find(asked.id).await.sure().sure().state, DeliveryState::Cancelled);
    assert_eq!(stores.servers.of_agent(None, agent, ALL).await.sure().items, [MessageServerId::DEFAULT]);
    assert!(stores.channels.find(kept).await.sure().is_some());
    assert_eq!(stores.servers.remove(server(1).id, at(6)).await.sure(), None);
}

/// In the order in which they were, once each, seen from both sides.
pub async fn agents_and_servers_are_tied_and_untied(stores: Stores) {
    stores.servers.add(server(1)).await.sure();
    let (first, second) = (stores.running_agent(1).await, stores.running_agent(2).await);
    for agent in [second, first, second] {
        assert_eq!(stores.servers.link(server(1).id, agent).await.sure(), Linked::Yes);
    }
    assert_eq!(stores.servers.agents(None, server(1).id, ALL).await.sure().items, [second, first]);
    assert_eq!(stores.servers.of_agent(None, first, ALL).await.sure().items, [MessageServerId::DEFAULT, server(1).id]);
    let part = stores.servers.agents(None, server(1).id, Page::first(1)).await.sure();
    assert_eq!((part.items, part.total), (vec![second], 2));
    stores.servers.unlink(server(1).id, second).await.sure();
    stores.servers.unlink(server(1).id, second).await.sure();
    assert_eq!(stores.servers.agents(None, server(1).id, ALL).await.sure().items, [first]);
    assert_eq!(stores.servers.link(server(2).id, first).await.sure(), Linked::NoServer);
    assert_eq!(stores.servers.link(server(1).id, agent_id(9)).await.sure(), Linked::NoAgent);
    assert_eq!(stores.servers.of_agent(None, agent_id(9), ALL).await.sure().items, []);
    assert_eq!(stores.servers.agents(None, server(2).id, ALL).await.sure().items, []);
    stores.agents.remove(first, at(1)).await.sure().sure();
    assert_eq!(stores.servers.agents(None, server(1).id, ALL).await.sure().items, []);
}

/// But for the default server, on which every agent listens, tied or not.
pub async fn an_agent_hears_only_servers_that_it_is_tied_to(stores: Stores) {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    stores.channels.add(Channel { server_id: server(1).id, ..channel(1) }, vec![agent.into()]).await.sure();
    let default = stores.open_channel(2, &[agent.into()]).await;
    assert_eq!(stores.say(1, channel_id(1), person(1)).await.deliveries, []);
    stores.servers.link(server(1).id, agent).await.sure();
    assert_eq!(only(stores.say(2, channel_id(1), person(1)).await.deliveries).agent_id, agent);
    stores.servers.unlink(MessageServerId::DEFAULT, agent).await.sure();
    assert_eq!(only(stores.say(3, default, person(1)).await.deliveries).agent_id, agent);
}
