//! Promises about channels and who takes part in them.

use core_types::deliveries::DeliveryState;
use core_types::memory::{MESSAGES, MemoryFilter};
use core_types::messaging::{Channel, ChannelAdded, ChannelChange, EventBody, MAX_PARTICIPANTS, Membership, PostMessage, PostOutcome};
use core_types::{JsonObject, MessageServerId, Page};
use serde_json::json;

use super::Stores;
use super::scene::{
    ALL, DAY, Sure, at, channel, channel_id, draft, finish_with_reply, memory, object, only, person, post_of, server, tenant,
};

/// By age, and of the same age in the order in which they were added.
pub async fn channels_are_listed_oldest_first(stores: Stores) {
    stores.servers.add(server(1)).await.sure();
    for (number, age) in [(4, 20), (9, 10), (1, 10), (5, 30)] {
        let added = Channel { created_at: at(age), ..channel(number) };
        stores.channels.add(added, Vec::new()).await.sure();
    }
    let elsewhere = Channel { server_id: server(1).id, ..channel(7) };
    stores.channels.add(elsewhere, Vec::new()).await.sure();
    let names: Vec<_> =
        stores.channels.list(None, MessageServerId::DEFAULT, ALL).await.sure().items.into_iter().map(|channel| channel.name).collect();
    assert_eq!(names, ["Channel 9", "Channel 1", "Channel 4", "Channel 5"]);
    assert_eq!(only(stores.channels.list(None, server(1).id, ALL).await.sure().items).id, channel_id(7));
    assert_eq!(stores.channels.list(None, server(77).id, ALL).await.sure().items, []);
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

/// What is still under way for the one that is gone must not meet what another says under its id.
pub async fn the_id_of_a_channel_that_is_gone_is_nobody_elses_for_a_day(stores: Stores) {
    let of = |name: Option<&str>, moment| Channel { owner: name.map(tenant), created_at: moment, ..channel(1) };
    let id = channel_id(1);
    for (owner, others) in [(Some("a"), [None, Some("b")]), (None, [Some("a"), Some("b")])] {
        stores.channels.add(of(owner, at(0)), Vec::new()).await.sure();
        stores.channels.remove(id, at(10)).await.sure().sure();
        for other in others {
            assert_eq!(stores.channels.add(of(other, at(20)), vec![person(1)]).await.sure(), ChannelAdded::WasAnothers);
            let said = post_of(draft(1, id, person(1), "hello"), at(20));
            let post = PostMessage { create_channel: Some((of(other, at(20)), vec![person(1)])), ..said };
            assert_eq!(stores.messages.post(post).await.sure(), PostOutcome::ChannelWasAnothers);
            assert_eq!((stores.channels.find(id).await.sure(), stores.channels.participants(id).await.sure()), (None, Vec::new()));
        }
        assert_eq!(stores.channels.add(of(owner, at(20)), Vec::new()).await.sure(), ChannelAdded::New(of(owner, at(20))));
        stores.channels.remove(id, at(30)).await.sure().sure();
        for other in others {
            assert_eq!(stores.channels.add(of(other, at(DAY + 31)), Vec::new()).await.sure(), ChannelAdded::New(of(other, at(DAY + 31))));
            // So long ago that it is forgotten with the next one.
            stores.channels.remove(id, at(-2 * DAY)).await.sure().sure();
        }
    }
}

/// New ones are stored, renamed ones renamed and told of, and everything else of those that are there stays.
pub async fn synchronised_channels_are_those_of_their_platform(stores: Stores) {
    let old = Channel { kind: "FEED".to_owned(), metadata: object(json!({"k": "v"})), ..channel(1) };
    stores.channels.add(old.clone(), vec![person(1)]).await.sure();
    let bystander = stores.open_channel(2, &[]).await;
    let renamed = Channel { name: "Another name".to_owned(), ..channel(1) };
    let synced = vec![renamed.clone(), channel(3)];
    let told = stores.channels.sync(MessageServerId::DEFAULT, synced.clone(), at(50)).await.sure().sure();
    let event = only(told);
    assert_eq!((event.channel_id, event.seq), (channel_id(1), 1));
    assert!(matches!(&event.body, EventBody::ChannelUpdated(channel) if channel.name == "Another name"), "{event:?}");
    let found = stores.channels.find(channel_id(1)).await.sure().sure();
    assert_eq!(found, Channel { name: renamed.name, updated_at: at(50), ..old });
    assert_eq!(stores.channels.participants(channel_id(1)).await.sure(), [person(1)]);
    assert_eq!(stores.channels.find(channel_id(3)).await.sure(), Some(channel(3)));
    assert_eq!(stores.channels.find(bystander).await.sure(), Some(channel(2)));
    // The same again is nothing new.
    assert_eq!(stores.channels.sync(MessageServerId::DEFAULT, synced, at(60)).await.sure(), Some(Vec::new()));
    assert_eq!(stores.channels.find(channel_id(1)).await.sure().sure().updated_at, at(50));
}

/// Without their server nothing is stored.
pub async fn channels_of_no_server_are_not_synchronised(stores: Stores) {
    let lost = Channel { server_id: server(1).id, ..channel(1) };
    assert_eq!(stores.channels.sync(server(1).id, vec![lost], at(1)).await.sure(), None);
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), None);
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

    let last = stores.messages.last_seq(channel).await.sure().sure();
    let end = stores.channels.remove(channel, at(2)).await.sure().sure();
    assert_eq!((end.channel_id, end.seq, end.body), (channel, last + 1, EventBody::ChannelDeleted));
    assert_eq!(stores.channels.remove(channel, at(3)).await.sure(), None);

    assert_eq!(stores.channels.find(channel).await.sure(), None);
    assert_eq!(stores.channels.participants(channel).await.sure(), []);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!(stores.messages.find(claimed.message.id).await.sure(), None);
    assert_eq!(stores.messages.find(claimed.delivery.reply_id).await.sure(), None);
    assert_eq!(stores.messages.events(channel, 0, 10).await.sure(), []);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), None);
    assert_eq!(only(stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page::first(10)).await.sure().items).text(), "elsewhere");
    assert_eq!(only(stores.messages.list(kept, None, 10).await.sure()).id, elsewhere.message.id);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Replied, "an end is an end");
}

/// Pending and claimed ones alike end; others' do not, and the channel can be made again.
pub async fn removing_a_channel_cancels_its_open_deliveries(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let waiting = only(stores.say(2, channel, person(1)).await.deliveries);
    let kept = stores.open_channel(2, &[agent.into()]).await;
    let others = only(stores.say(3, kept, person(1)).await.deliveries);

    stores.channels.remove(channel, at(2)).await.sure().sure();

    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Cancelled);
    assert_eq!(stores.deliveries.find(waiting.id).await.sure().sure().state, DeliveryState::Cancelled);
    assert_eq!(only(stores.claim(10, at(9)).await).delivery.id, others.id);
    stores.open_channel(1, &[agent.into()]).await;
    let again = stores.say(4, channel, person(1)).await;
    assert_eq!(again.message.seq, 1);
    assert_eq!(only(stores.claim(10, at(9)).await).message.id, again.message.id);
}

/// A page may begin anywhere; the whole list is counted all the same.
pub async fn a_page_of_channels_knows_the_length_of_the_list(stores: Stores) {
    for number in 1..=5 {
        stores.open_channel(number, &[]).await;
    }
    for (page, shown) in [
        (Page { offset: 0, limit: 2 }, &[1, 2][..]),
        (Page { offset: 3, limit: 2 }, &[4, 5]),
        (Page { offset: 4, limit: 2 }, &[5]),
        (Page { offset: 9, limit: 2 }, &[]),
        (Page { offset: 0, limit: 0 }, &[]),
    ] {
        let listed = stores.channels.list(None, MessageServerId::DEFAULT, page).await.sure();
        let ids: Vec<_> = listed.items.iter().map(|channel| channel.id).collect();
        assert_eq!(ids, shown.iter().map(|number| channel_id(*number)).collect::<Vec<_>>(), "{page:?}");
        assert_eq!(listed.total, 5, "{page:?}");
    }
}

/// By server, kind and name; of several the oldest.
pub async fn a_channel_is_found_by_its_name(stores: Stores) {
    stores.servers.add(server(1)).await.sure();
    let named = |number, kind: &str| Channel { name: "two".to_owned(), kind: kind.to_owned(), ..channel(number) };
    for other in [named(1, "GROUP"), named(2, "DM"), named(3, "DM"), Channel { server_id: server(1).id, ..named(4, "DM") }] {
        stores.channels.add(other, Vec::new()).await.sure();
    }
    let found = |server, name: &'static str| {
        let channels = stores.channels.clone();
        async move { channels.find_named(None, server, "DM", name).await.sure().map(|channel| channel.id) }
    };
    assert_eq!(found(MessageServerId::DEFAULT, "two").await, Some(channel_id(2)));
    assert_eq!(found(server(1).id, "two").await, Some(channel_id(4)));
    assert_eq!(found(MessageServerId::DEFAULT, "Two").await, None);
}

/// What is not given stays; metadata and participants are replaced as a whole; readers are told last.
pub async fn a_change_of_a_channel_replaces_what_it_names(stores: Stores) {
    let given = Channel { metadata: object(json!({"a": 1})), topic: Some("t".to_owned()), ..channel(1) };
    stores.channels.add(given.clone(), vec![person(1), person(2)]).await.sure();
    let renamed = ChannelChange { name: Some("Other".to_owned()), ..ChannelChange::default() };
    let (changed, told) = stores.channels.update(channel_id(1), renamed, at(5)).await.sure().sure();
    assert_eq!(changed, Channel { name: "Other".to_owned(), updated_at: at(5), ..given.clone() });
    let told = only(told);
    assert_eq!((told.seq, &told.body), (1, &EventBody::ChannelUpdated(changed.clone().into())));
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), Some(changed));
    assert_eq!(stores.channels.participants(channel_id(1)).await.sure(), [person(1), person(2)]);

    let rest = ChannelChange {
        metadata: Some(object(json!({"z": 1}))),
        participants: Some(vec![person(3), person(2), person(3)]),
        ..ChannelChange::default()
    };
    let (changed, _) = stores.channels.update(channel_id(1), rest, at(6)).await.sure().sure();
    assert_eq!((changed.name.as_str(), changed.metadata), ("Other", object(json!({"z": 1}))));
    assert_eq!(stores.channels.participants(channel_id(1)).await.sure(), [person(3), person(2)]);
    assert_eq!(stores.channels.update(channel_id(2), ChannelChange::default(), at(7)).await.sure(), None);
    let (touched, _) = stores.channels.update(channel_id(1), ChannelChange::default(), at(8)).await.sure().sure();
    assert_eq!(touched.updated_at, at(8));
    // A reader that comes later sees each change, and the channel as it is now.
    let events = stores.messages.events(channel_id(1), 0, 10).await.sure();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.body == EventBody::ChannelUpdated(touched.clone().into())), "{events:?}");
}

/// The last to join comes last; joining twice is joining once.
pub async fn whoever_joins_takes_part_until_leaving(stores: Stores) {
    let channel = stores.open_channel(1, &[person(1), person(2)]).await;
    assert_eq!(stores.channels.join(channel, person(3), None).await.sure(), Membership::Changed(Vec::new()));
    assert_eq!(stores.channels.join(channel, person(3), None).await.sure(), Membership::AsBefore);
    assert_eq!(stores.channels.leave(channel, person(1), at(1)).await.sure(), Membership::Changed(Vec::new()));
    assert_eq!(stores.channels.leave(channel, person(1), at(1)).await.sure(), Membership::AsBefore);
    assert_eq!(stores.channels.join(channel, person(1), None).await.sure(), Membership::Changed(Vec::new()));
    assert_eq!(stores.channels.participants(channel).await.sure(), [person(2), person(3), person(1)]);
    assert_eq!(stores.channels.join(channel_id(9), person(1), None).await.sure(), Membership::NoChannel);
    assert_eq!(stores.channels.leave(channel_id(9), person(1), at(1)).await.sure(), Membership::NoChannel);
}

/// One more than the most is refused.
pub async fn a_channel_has_room_for_so_many(stores: Stores) {
    let most: Vec<_> = (0..MAX_PARTICIPANTS as u128).map(person).collect();
    let channel = stores.open_channel(1, &most).await;
    assert_eq!(stores.channels.join(channel, person(5_000), None).await.sure(), Membership::Full);
    assert_eq!(stores.channels.join(channel, person(0), None).await.sure(), Membership::AsBefore);
    assert_eq!(stores.channels.participants(channel).await.sure(), most);
}

/// By leaving as by being left out of a new list; what it was asked before is cancelled, and readers are told.
pub async fn an_agent_that_takes_part_no_more_answers_no_more(stores: Stores) {
    for number in [1, 2] {
        let agent = stores.running_agent(number).await;
        let channel = stores.open_channel(number, &[person(1), agent.into()]).await;
        let asked = only(stores.say(number, channel, person(1)).await.deliveries);
        let told = if number == 1 {
            let Membership::Changed(told) = stores.channels.leave(channel, agent.into(), at(1)).await.sure() else { panic!("not left") };
            told
        } else {
            let without = ChannelChange { participants: Some(vec![person(1)]), ..ChannelChange::default() };
            stores.channels.update(channel, without, at(1)).await.sure().sure().1
        };
        let EventBody::Complete(Some(end)) = &told.first().sure().body else { panic!("{told:?}") };
        assert_eq!((end.delivery_id, end.state), (asked.id, DeliveryState::Cancelled));
        assert_eq!(stores.deliveries.find(asked.id).await.sure().sure().state, DeliveryState::Cancelled);
        assert_eq!(stores.say(number + 10, channel, person(1)).await.deliveries, []);
        stores.channels.join(channel, agent.into(), None).await.sure();
        let again = only(stores.say(number + 20, channel, person(1)).await.deliveries);
        assert_eq!(only(stores.claim(10, at(9)).await).delivery.id, again.id);
    }
}
