//! Promises about posting, finding and listing messages.

use core_types::messaging::{
    Channel, EventBody, MessageChange, MessageDraft, MessagePage, MessageWindow, PAGE_BYTES, PostMessage, PostOutcome,
};
use core_types::{Json, MessageServerId};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Stores;
use super::scene::{Sure, at, channel, channel_id, draft, message_id, person, post_of, written};

/// All that the sender gave, and its place.
pub async fn a_message_is_given_back_as_it_was_posted(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    let given = MessageDraft {
        author_name: Some("Ada".to_owned()),
        raw: Some(Value::Null.into()),
        source_type: Some("client_chat".to_owned()),
        source_id: Some("ext-1".to_owned()),
        metadata: json!({"z": 1, "a": {"nul": "\u{0}"}}).into(),
        ..draft(1, channel, person(1), "héllo \"wörld\" 🦆")
    };
    let posted = written(stores.messages.post(post_of(given.clone(), at(5))).await.sure());
    let found = stores.messages.find(given.id).await.sure().sure();
    assert_eq!(*posted.message, found);
    assert_eq!((found.server_id, found.seq, found.created_at, found.updated_at), (MessageServerId::DEFAULT, 1, at(5), at(5)));
    assert_eq!((found.channel_id, found.author_id, found.author_name), (channel, person(1), given.author_name));
    assert_eq!((found.content, found.raw, found.metadata), (given.content, given.raw, given.metadata));
    assert_eq!((found.source_type, found.source_id, found.in_reply_to), (given.source_type, given.source_id, None));
    assert!(!posted.created_channel);
    assert_eq!(stores.messages.find(message_id(2)).await.sure(), None);
}

/// Also where the clock stands still or goes back.
pub async fn each_post_takes_the_next_place_and_a_later_time(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    let mut seen = Vec::new();
    for (number, now) in [(1, 10), (2, 10), (3, 10), (4, 5), (5, 20)] {
        let post = post_of(draft(number, channel, person(1), "hello"), at(now));
        let message = written(stores.messages.post(post).await.sure()).message;
        seen.push((message.seq, message.created_at));
    }
    assert_eq!(seen, [(1, at(10)), (2, at(11)), (3, at(12)), (4, at(13)), (5, at(20))]);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(5));
}

/// Places are taken one after the other, and each event is its message's.
pub async fn concurrent_posts_to_one_channel_leave_no_gap(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    let mut posts = JoinSet::new();
    for number in 0..40 {
        let stores = stores.clone();
        posts.spawn(async move { stores.say(number, channel, person(number)).await.message.seq });
    }
    let mut places = posts.join_all().await;
    places.sort_unstable();
    assert_eq!(places, (1..=40).collect::<Vec<_>>());
    let events = stores.messages.events(channel, 0, 100).await.sure();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    for event in events {
        let EventBody::Message(Some(message)) = event.body else { panic!("not a message: {event:?}") };
        assert_eq!((message.seq, message.created_at), (event.seq, event.created_at));
    }
}

/// Channels do not disturb each other.
pub async fn concurrent_posts_to_many_channels_all_arrive(stores: Stores) {
    let mut posts = JoinSet::new();
    for number in 0..8 {
        stores.open_channel(number, &[person(1)]).await;
    }
    for number in 0..120 {
        let stores = stores.clone();
        posts.spawn(async move { stores.say(number, channel_id(number % 8), person(1)).await });
    }
    posts.join_all().await;
    for number in 0..8 {
        let list = stores.messages.list(channel_id(number), None, 100).await.sure();
        assert_eq!(list.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=15).rev().collect::<Vec<_>>());
    }
}

/// With its participants, and only if there is none.
pub async fn a_missing_channel_is_created_with_the_message(stores: Stores) {
    let create = |number, name: &str| PostMessage {
        create_channel: Some((Channel { name: name.to_owned(), ..channel(1) }, vec![person(2), person(1)])),
        ..post_of(draft(number, channel_id(1), person(1), "hello"), at(0))
    };
    let first = written(stores.messages.post(create(1, "First")).await.sure());
    assert!(first.created_channel);
    let second = written(stores.messages.post(create(2, "Second")).await.sure());
    assert_eq!((second.created_channel, second.message.seq), (false, 2));
    assert_eq!(stores.channels.find(channel_id(1)).await.sure().sure().name, "First");
    assert_eq!(stores.channels.participants(channel_id(1)).await.sure(), [person(2), person(1)]);
}

/// Neither the message nor the channel.
pub async fn without_channel_or_server_nothing_is_stored(stores: Stores) {
    let lost = post_of(draft(1, channel_id(1), person(1), "hello"), at(0));
    assert_eq!(stores.messages.post(lost.clone()).await.sure(), PostOutcome::NoChannel);
    let elsewhere = Channel { server_id: MessageServerId::new(Uuid::from_u128(0x5001)), ..channel(1) };
    let create = PostMessage { create_channel: Some((elsewhere, vec![person(1)])), ..lost };
    assert_eq!(stores.messages.post(create).await.sure(), PostOutcome::NoServer);
    assert_eq!(stores.messages.find(message_id(1)).await.sure(), None);
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), None);
    assert_eq!(stores.messages.list(channel_id(1), None, 10).await.sure(), []);
    assert_eq!(stores.messages.last_seq(channel_id(1)).await.sure(), None);
}

/// One that the channel has is a reference, which lasts as long as what it refers to.
pub async fn an_unknown_answered_message_is_kept_as_metadata(stores: Stores) {
    let (here, there) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    stores.say(1, here, person(1)).await;
    stores.say(5, there, person(1)).await;
    let answer = |number, answered| MessageDraft { in_reply_to: Some(message_id(answered)), ..draft(number, here, person(1), "yes") };
    let known = written(stores.messages.post(post_of(answer(2, 1), at(0))).await.sure()).message;
    assert_eq!((known.in_reply_to, &known.metadata), (Some(message_id(1)), &Json::default()));
    for (number, answered) in [(3, 77), (6, 5)] {
        let unknown = written(stores.messages.post(post_of(answer(number, answered), at(0))).await.sure()).message;
        assert_eq!((unknown.in_reply_to, &unknown.metadata), (None, &json!({"inReplyTo": message_id(answered).to_string()}).into()));
        assert_eq!(stores.messages.find(unknown.id).await.sure(), Some((*unknown).clone()));
    }
    let mut own = answer(4, 77);
    own.metadata = json!({"inReplyTo": "mine"}).into();
    let own = written(stores.messages.post(post_of(own, at(0))).await.sure()).message;
    assert_eq!(own.metadata, json!({"inReplyTo": "mine"}).into());

    stores.messages.remove(stores.place(message_id(1)).await, at(1)).await.sure();
    assert_eq!(stores.messages.find(known.id).await.sure().sure().in_reply_to, None);
}

/// Strictly older than the moment given.
pub async fn messages_are_listed_newest_first_and_page_without_overlap(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    stores.open_channel(2, &[]).await;
    stores.say(100, channel_id(2), person(1)).await;
    for number in 1..=7 {
        stores.say(number, channel, person(1)).await;
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = stores.messages.list(channel, before, 3).await.sure();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        before = Some(last.created_at);
        seen.extend(page.iter().map(|message| message.seq));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(stores.messages.list(channel, None, 0).await.sure(), []);
    assert_eq!(stores.messages.list(channel_id(3), None, 3).await.sure(), []);
}

/// By bytes of text, of the source's form and of metadata alike, none of which need be ASCII; one message is a page whatever its
/// size.
pub async fn a_page_of_large_messages_is_shorter_and_whoever_goes_on_gets_all(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    let (third, whole) = ("é".repeat(PAGE_BYTES / 6), "x".repeat(PAGE_BYTES + 1));
    for number in 1..=9 {
        let mut draft = draft(number, channel, person(1), "small");
        match number {
            3 | 4 => draft.content.clone_from(&third),
            5 => draft.raw = Some(json!({"text": third}).into()),
            6 => draft.metadata = json!({"note": third}).into(),
            8 => draft.content.clone_from(&whole),
            _ => {}
        }
        written(stores.messages.post(post_of(draft, at(0))).await.sure());
    }
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = stores.messages.list(channel, before, 100).await.sure();
        let Some(last) = page.last() else { break };
        before = Some(last.created_at);
        pages.push(page.iter().map(|message| message.seq).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![9], vec![8], vec![7, 6, 5], vec![4, 3, 2, 1]]);
    assert_eq!(stores.messages.list(channel, None, 1).await.sure().len(), 1);
}

/// Whatever changes a page makes a new version; what happens in other channels does not.
pub async fn a_page_is_known_until_its_channel_changes(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let read = async |known| match stores.messages.page(channel, None, 10, known).await.sure() {
        MessagePage::Known => None,
        MessagePage::Read(version, messages) => Some((version.sure(), messages.len())),
    };
    let (mut version, count) = read(None).await.sure();
    assert_eq!(count, 0);
    let mut changed = async |count| {
        let (new, now) = read(Some(version)).await.sure();
        assert_eq!(now, count);
        assert_ne!(new, version);
        version = new;
        stores.say(50 + u128::try_from(new.seq).sure(), other, person(1)).await;
        assert_eq!(read(Some(version)).await, None);
    };
    stores.say(1, channel, person(1)).await;
    changed(1).await;
    stores.say(2, channel, person(1)).await;
    changed(2).await;
    let text = MessageChange { content: Some("changed".to_owned()), ..MessageChange::default() };
    stores.messages.update(stores.place(message_id(1)).await, text, at(1)).await.sure().sure();
    changed(2).await;
    stores.messages.remove(stores.place(message_id(1)).await, at(2)).await.sure();
    changed(1).await;
    stores.messages.clear(channel, at(3)).await.sure();
    changed(0).await;
    // As many events as there were, in another channel of the same id.
    stores.channels.remove(channel, at(4)).await.sure().sure();
    let again = Channel { created_at: at(5), ..super::scene::channel(1) };
    stores.channels.add(again, Vec::new()).await.sure();
    changed(0).await;
    assert_eq!(stores.messages.page(channel_id(9), None, 10, None).await.sure(), MessagePage::Read(None, Vec::new()));
}

/// Newest first; of those after a moment the oldest.
pub async fn a_window_of_messages_is_bounded_on_both_sides(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    for number in 1..=6 {
        let post = post_of(draft(number, channel, person(1), "hello"), at(i64::try_from(number).sure() * 10));
        written(stores.messages.post(post).await.sure());
    }
    for (after, before, limit, numbers) in [
        (None, None, 3, vec![6, 5, 4]),
        (None, Some(50), 3, vec![4, 3, 2]),
        (Some(20), None, 3, vec![5, 4, 3]),
        (Some(50), None, 3, vec![6]),
        (Some(10), Some(50), 2, vec![4, 3]),
        (Some(60), None, 3, vec![]),
        (Some(30), Some(40), 3, vec![]),
    ] {
        let window = MessageWindow { after: after.map(at), before: before.map(at), limit };
        let found = stores.messages.window(channel, window).await.sure();
        let ids: Vec<_> = numbers.into_iter().map(message_id).collect();
        assert_eq!(found.iter().map(|message| message.id).collect::<Vec<_>>(), ids, "{window:?}");
    }
    assert_eq!(stores.messages.window(channel_id(9), MessageWindow { limit: 5, ..MessageWindow::default() }).await.sure(), []);
}
