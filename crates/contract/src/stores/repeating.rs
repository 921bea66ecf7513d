//! Promises about writes that are repeated.

use core_types::ChannelId;
use core_types::deliveries::DeliveryState;
use core_types::messaging::{IdempotencyKey, MessageDraft, PostMessage, PostOutcome};
use core_types::repeats::{Claimed, KeptAnswer};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Stores;
use super::scene::{Sure, at, draft, finish_as, message_id, only, person, post_of, repeated, written};

fn key(caller: &str, route: &str, key: &str, body: u8) -> IdempotencyKey {
    IdempotencyKey { caller: caller.to_owned(), route: route.to_owned(), key: key.to_owned(), body_hash: [body; 32] }
}

fn keyed(number: u128, channel: ChannelId, key: IdempotencyKey) -> PostMessage {
    PostMessage { idempotency: vec![key], ..post_of(draft(number, channel, person(1), "hello"), at(0)) }
}

/// With the deliveries as they stand, however long ago they ended; under another message id too.
pub async fn the_same_key_and_body_gets_the_first_answer(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[person(1), agent.into()]).await;
    let first = written(stores.messages.post(keyed(1, channel, key("c", "r", "k", 1))).await.sure());
    let again = repeated(stores.messages.post(keyed(1, channel, key("c", "r", "k", 1))).await.sure());
    assert_eq!(again, first);
    let claimed = only(stores.claim(1, at(0)).await);
    stores.deliveries.finish(finish_as(&claimed, DeliveryState::Ignored, at(1))).await.sure().sure();
    let after = repeated(stores.messages.post(keyed(2, channel, key("c", "r", "k", 1))).await.sure());
    assert_eq!(after.message, first.message);
    assert_eq!(only(after.deliveries).state, DeliveryState::Ignored);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure().len(), 1);
    assert_eq!(stores.claim(10, at(1)).await, [], "a repeat wakes nobody");
}

/// Nothing is written for it.
pub async fn the_same_key_with_another_body_is_a_conflict(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    written(stores.messages.post(keyed(1, channel, key("c", "r", "k", 1))).await.sure());
    assert_eq!(stores.messages.post(keyed(2, channel, key("c", "r", "k", 2))).await.sure(), PostOutcome::Conflict);
    assert_eq!(stores.messages.find(message_id(2)).await.sure(), None);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(1));
    repeated(stores.messages.post(keyed(1, channel, key("c", "r", "k", 1))).await.sure());
}

/// The caller's key and the id that the caller chose, say: whichever is known names the first post.
pub async fn each_of_several_keys_names_the_first_post(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    let with = |number, keys: Vec<IdempotencyKey>| {
        let stores = stores.clone();
        let post = PostMessage { idempotency: keys, ..post_of(draft(number, channel, person(1), "hello"), at(0)) };
        async move { stores.messages.post(post).await.sure() }
    };
    let first = written(with(1, vec![key("c", "r", "z", 1), key("c", "id", "a", 1)]).await);
    assert_eq!(repeated(with(2, vec![key("c", "r", "z", 1)]).await), first);
    assert_eq!(repeated(with(1, vec![key("c", "id", "a", 1)]).await), first);
    assert_eq!(repeated(with(1, vec![key("c", "r", "free", 1), key("c", "id", "a", 1)]).await), first);
    for keys in [
        vec![key("c", "r", "z", 2)],
        vec![key("c", "r", "free", 2), key("c", "id", "a", 2)],
        vec![key("c", "r", "z", 1), key("c", "id", "a", 2)],
        vec![key("c", "r", "z", 2), key("c", "id", "a", 1)],
    ] {
        assert_eq!(with(3, keys).await, PostOutcome::Conflict);
    }
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(1));
    written(with(4, vec![key("c", "r", "free", 3)]).await);
}

/// A key means something only to its caller and for its operation.
pub async fn keys_of_other_callers_and_routes_are_apart(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    for (number, key) in [(1, key("c", "r", "k", 1)), (2, key("d", "r", "k", 2)), (3, key("c", "s", "k", 3)), (4, key("c", "r", "l", 4))] {
        written(stores.messages.post(keyed(number, channel, key)).await.sure());
    }
}

/// Unless it is the repeat of a key; in another channel too. Its key stays free.
pub async fn a_taken_message_id_is_a_conflict(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let first = stores.say(1, channel, person(1)).await;
    let same = post_of(draft(1, channel, person(1), "message 1"), at(0));
    assert_eq!(stores.messages.post(same).await.sure(), PostOutcome::Conflict);
    assert_eq!(stores.messages.post(keyed(1, other, key("c", "r", "k", 1))).await.sure(), PostOutcome::Conflict);
    assert_eq!(stores.messages.find(message_id(1)).await.sure(), Some((*first.message).clone()));
    assert_eq!((stores.messages.last_seq(channel).await.sure(), stores.messages.last_seq(other).await.sure()), (Some(1), Some(0)));
    written(stores.messages.post(keyed(2, other, key("c", "r", "k", 2))).await.sure());
}

/// One is posted; all the others are its repeats.
pub async fn concurrent_posts_with_one_key_store_one_message(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[agent.into()]).await;
    let mut posts = JoinSet::new();
    for number in 0..12 {
        let stores = stores.clone();
        posts.spawn(async move { stores.messages.post(keyed(number, channel, key("c", "r", "k", 1))).await.sure() });
    }
    let (mut first, mut repeats) = (Vec::new(), Vec::new());
    for outcome in posts.join_all().await {
        match outcome {
            PostOutcome::Posted(posted) => first.push(posted),
            PostOutcome::Repeated(posted) => repeats.push(posted),
            other => panic!("{other:?}"),
        }
    }
    let first = only(first);
    assert_eq!(repeats.len(), 11);
    for repeat in repeats {
        assert_eq!(repeat, first);
    }
    assert_eq!(stores.messages.list(channel, None, 20).await.sure().len(), 1);
    assert_eq!(stores.claim(20, at(0)).await.len(), 1);
}

/// Where the post asks for it; the same id of another kind of source or in another channel is something else.
pub async fn a_source_names_a_message_once_per_channel(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let from = |number, channel, kind: &str, id: Option<&str>| {
        let named = MessageDraft {
            source_type: Some(kind.to_owned()),
            source_id: id.map(str::to_owned),
            ..draft(number, channel, person(1), "hello")
        };
        PostMessage { once_per_source: true, ..post_of(named, at(0)) }
    };
    let first = written(stores.messages.post(from(1, channel, "chat", Some("7"))).await.sure());
    assert_eq!(repeated(stores.messages.post(from(2, channel, "chat", Some("7"))).await.sure()), first);
    assert_eq!(stores.messages.find(message_id(2)).await.sure(), None);
    written(stores.messages.post(from(3, channel, "mail", Some("7"))).await.sure());
    written(stores.messages.post(from(4, other, "chat", Some("7"))).await.sure());
    written(stores.messages.post(from(5, channel, "chat", None)).await.sure());
    written(stores.messages.post(from(6, channel, "chat", None)).await.sure());
    let unnamed = PostMessage { once_per_source: false, ..from(7, channel, "chat", Some("7")) };
    written(stores.messages.post(unnamed).await.sure());
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(5), "a repeat takes no place");
}

/// Old ones go, up to the limit; young ones stay. So is the key of a message that was deleted.
pub async fn forgotten_keys_are_free_again(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let age = i64::try_from(number).sure() * 10;
        let post = PostMessage { now: at(age), ..keyed(number, channel, key("c", "r", name, 1)) };
        written(stores.messages.post(post).await.sure());
    }
    assert_eq!(stores.messages.prune_idempotency(at(30), 1).await.sure(), 1);
    assert_eq!(stores.messages.prune_idempotency(at(30), 10).await.sure(), 1);
    assert_eq!(stores.messages.prune_idempotency(at(30), 10).await.sure(), 0);
    written(stores.messages.post(keyed(4, channel, key("c", "r", "a", 2))).await.sure());
    assert_eq!(stores.messages.post(keyed(5, channel, key("c", "r", "c", 2))).await.sure(), PostOutcome::Conflict);

    stores.channels.remove(channel, at(40)).await.sure().sure();
    let channel = stores.open_channel(1, &[]).await;
    written(stores.messages.post(keyed(6, channel, key("c", "r", "c", 1))).await.sure());
    let again = repeated(stores.messages.post(keyed(7, channel, key("c", "r", "c", 1))).await.sure());
    assert_eq!(again.message.id, message_id(6));
}

/// Whatever id a later attempt brings, and for the answer afterwards; the first answer stays. Old keys are forgotten with their answers.
pub async fn a_key_stands_for_one_id_until_it_is_answered(stores: Stores) {
    let (first, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let claim = |name, id, body| stores.repeats.claim(key("c", "r", name, body), id, None, at(0));
    assert_eq!(claim("k", first, 1).await.sure(), Claimed::Open(first));
    assert_eq!(claim("k", other, 1).await.sure(), Claimed::Open(first));
    assert_eq!(claim("k", other, 2).await.sure(), Claimed::OtherBody);
    let answer = |body: &str| KeptAnswer { status: 201, body: body.to_owned() };
    stores.repeats.answer(key("c", "r", "k", 1), answer("{\"one\": 1}")).await.sure();
    stores.repeats.answer(key("c", "r", "k", 1), answer("{}")).await.sure();
    assert_eq!(claim("k", other, 1).await.sure(), Claimed::Answered(answer("{\"one\": 1}")));
    assert_eq!(claim("k", other, 2).await.sure(), Claimed::OtherBody);
    assert_eq!(claim("another", other, 2).await.sure(), Claimed::Open(other));
    assert_eq!(stores.messages.prune_idempotency(at(1), 10).await.sure(), 2);
    assert_eq!(claim("k", other, 2).await.sure(), Claimed::Open(other));
}

/// What was refused leaves its key free for anything; what was answered keeps it.
pub async fn a_key_is_released_until_it_is_answered(stores: Stores) {
    let (first, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let claim = |id, body| stores.repeats.claim(key("c", "r", "k", body), id, None, at(0));
    assert_eq!(claim(first, 1).await.sure(), Claimed::Open(first));
    stores.repeats.release(key("c", "r", "k", 1)).await.sure();
    assert_eq!(claim(other, 2).await.sure(), Claimed::Open(other));
    let answer = KeptAnswer { status: 200, body: "{}".to_owned() };
    stores.repeats.answer(key("c", "r", "k", 2), answer.clone()).await.sure();
    stores.repeats.release(key("c", "r", "k", 2)).await.sure();
    assert_eq!(claim(first, 2).await.sure(), Claimed::Answered(answer));
}

/// The others get the same.
pub async fn of_claims_at_once_one_names_the_id(stores: Stores) {
    let mut claims = JoinSet::new();
    for number in 1..=16 {
        let stores = stores.clone();
        claims.spawn(async move { stores.repeats.claim(key("c", "r", "k", 1), Uuid::from_u128(number), None, at(0)).await.sure() });
    }
    let claimed = claims.join_all().await;
    let [first, others @ ..] = claimed.as_slice() else { panic!("there are several") };
    assert!(matches!(first, Claimed::Open(_)) && others.iter().all(|other| other == first), "{claimed:?}");
}
