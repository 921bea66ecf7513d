//! Promises about message servers and channels.

use core_types::agents::Added;
use core_types::deliveries::DeliveryState;
use core_types::memory::MESSAGES;
use core_types::messaging::{Channel, ChannelAdded, MessageServer};
use core_types::{JsonObject, MessageServerId};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{Sure, at, channel, channel_id, finish_with_reply, memory, object, only, person};

fn server(number: u128) -> MessageServer {
    MessageServer {
        id: MessageServerId::new(Uuid::from_u128(0x5000 + number)),
        name: format!("Server {number}"),
        source_type: "test".to_owned(),
        source_id: Some("42".to_owned()),
        metadata: object(json!({"b": 1, "a": [true]})),
        created_at: at(5),
        updated_at: at(6),
    }
}

/// It needs no set-up.
pub async fn the_default_server_is_there_from_the_start(stores: Stores) {
    let default = only(stores.servers.list().await.sure());
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
pub async fn servers_and_channels_are_listed_oldest_first(stores: Stores) {
    let default = only(stores.servers.list().await.sure());
    for number in [9, 1, 5] {
        let later = MessageServer { created_at: default.created_at.plus_millis(1), ..server(number) };
        stores.servers.add(later).await.sure();
    }
    let names: Vec<_> = stores.servers.list().await.sure().into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["Default Server", "Server 9", "Server 1", "Server 5"]);

    for (number, age) in [(4, 20), (9, 10), (1, 10), (5, 30)] {
        let added = Channel { created_at: at(age), ..channel(number) };
        stores.channels.add(added, Vec::new()).await.sure();
    }
    let elsewhere = Channel { server_id: server(1).id, ..channel(7) };
    stores.channels.add(elsewhere, Vec::new()).await.sure();
    let names: Vec<_> = stores.channels.list(MessageServerId::DEFAULT).await.sure().into_iter().map(|channel| channel.name).collect();
    assert_eq!(names, ["Channel 9", "Channel 1", "Channel 4", "Channel 5"]);
    assert_eq!(only(stores.channels.list(server(1).id).await.sure()).id, channel_id(7));
    assert_eq!(stores.channels.list(server(77).id).await.sure(), []);
}

/// Free-form metadata above all.
pub async fn a_channel_is_given_back_exactly(stores: Stores) {
    let given = Channel {
        kind: "no such KIND".to_owned(),
        source_type: Some("client".to_owned()),
        source_id: Some("s/1".to_owned()),
        topic: Some(String::new()),
        metadata: object(json!({"z": null, "a": [1, 2.0, -3, 1e300], "nul": "a\u{0}b", "o": {"é": "\"\\", "": {}}, "big": i64::MIN})),
        created_at: at(7),
        updated_at: at(8),
        ..channel(1)
    };
    assert_eq!(stores.channels.add(given.clone(), Vec::new()).await.sure(), ChannelAdded::New(given.clone()));
    let found = stores.channels.find(channel_id(1)).await.sure().sure();
    assert_eq!(found, given);
    let keys: Vec<_> = found.metadata.keys().collect();
    assert_eq!(keys, ["z", "a", "nul", "o", "big"], "the order of keys is kept");
    assert_eq!(stores.channels.find(channel_id(2)).await.sure(), None);
}

/// Whoever joined first comes first, once.
pub async fn participants_keep_their_order_and_collapse(stores: Stores) {
    let joined = [person(3), person(1), person(3), person(2), person(1)];
    let channel = stores.open_channel(1, &joined).await;
    assert_eq!(stores.channels.participants(channel).await.sure(), [person(3), person(1), person(2)]);
    assert_eq!(stores.channels.participants(channel_id(2)).await.sure(), []);
}

/// A channel without its server is not stored.
pub async fn a_channel_needs_its_server(stores: Stores) {
    let lost = Channel { server_id: server(1).id, ..channel(1) };
    assert_eq!(stores.channels.add(lost.clone(), vec![person(1)]).await.sure(), ChannelAdded::NoServer);
    assert_eq!(stores.channels.find(lost.id).await.sure(), None);
    assert_eq!(stores.channels.participants(lost.id).await.sure(), []);
}

/// The first one stays, with its participants.
pub async fn a_taken_channel_id_is_left_as_it_is(stores: Stores) {
    stores.open_channel(1, &[person(1)]).await;
    let other = Channel { name: "Other".to_owned(), server_id: server(1).id, metadata: JsonObject::new(), ..channel(1) };
    assert_eq!(stores.channels.add(other, vec![person(2)]).await.sure(), ChannelAdded::Existing(channel(1)));
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), Some(channel(1)));
    assert_eq!(stores.channels.participants(channel_id(1)).await.sure(), [person(1)]);
}

/// Deleting is forgetting: messages, events, participants, and what agents remember.
pub async fn removing_a_channel_forgets_what_was_said_there(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let kept = stores.open_channel(2, &[person(1)]).await;
    let elsewhere = stores.say(2, kept, person(1)).await;
    let mut finish = finish_with_reply(&claimed, "a reply", at(1));
    finish.memories = vec![memory(1, agent, channel, person(1), "hello")];
    stores.deliveries.finish(finish).await.sure().sure();
    stores.memories.add(vec![memory(2, agent, kept, person(1), "elsewhere")]).await.sure();

    assert!(stores.channels.remove(channel, at(2)).await.sure());
    assert!(!stores.channels.remove(channel, at(3)).await.sure());

    assert_eq!(stores.channels.find(channel).await.sure(), None);
    assert_eq!(stores.channels.participants(channel).await.sure(), []);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!(stores.messages.find(claimed.message.id).await.sure(), None);
    assert_eq!(stores.messages.find(claimed.delivery.reply_id).await.sure(), None);
    assert_eq!(stores.messages.events(channel, 0, 10).await.sure(), []);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), None);
    assert_eq!(only(stores.memories.list(agent, MESSAGES, None, 10).await.sure()).text(), "elsewhere");
    assert_eq!(only(stores.messages.list(kept, None, 10).await.sure()).id, elsewhere.message.id);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Replied, "an end is an end");
}

/// Pending and claimed ones alike end; others' do not, and the channel can be made again.
pub async fn removing_a_channel_cancels_its_open_deliveries(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let waiting = only(stores.say(2, channel, person(1)).await.deliveries);
    let kept = stores.open_channel(2, &[agent.into()]).await;
    let others = only(stores.say(3, kept, person(1)).await.deliveries);

    assert!(stores.channels.remove(channel, at(2)).await.sure());

    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Cancelled);
    assert_eq!(stores.deliveries.find(waiting.id).await.sure().sure().state, DeliveryState::Cancelled);
    assert_eq!(only(stores.claim(10, at(9)).await).delivery.id, others.id);
    stores.open_channel(1, &[agent.into()]).await;
    let again = stores.say(4, channel, person(1)).await;
    assert_eq!(again.message.seq, 1);
    assert_eq!(only(stores.claim(10, at(9)).await).message.id, again.message.id);
}
