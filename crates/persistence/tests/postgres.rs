//! PostgreSQL keeps the promises of the repositories, and of its own connections.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::time::Duration;

use async_trait::async_trait;
use contract::stores::{Opened, Stores};
use core_types::memory::{KeywordSearch, MESSAGES, Memory, MemoryFilter};
use core_types::messaging::PostOutcome;
use core_types::{AgentId, ChannelId, JsonObject, MediaId, StoreError};
use doolittle_persistence::{Kind, OpenError, Options, Store, Target, open};
use futures_util::future::join_all;
use uuid::Uuid;

#[path = "common/bundle.rs"]
mod bundle;
mod common;
#[path = "common/memories.rs"]
mod memories;
#[path = "common/orphans.rs"]
mod orphans;
#[path = "common/posts.rs"]
mod posts;
#[path = "common/server.rs"]
mod server;
#[path = "common/unreadable.rs"]
mod unreadable;

use memories::{agent, memory};
use posts::plain_post;

struct Temporary {
    store: Store,
    database: server::Database,
}

#[async_trait]
impl Opened for Temporary {
    fn stores(&self) -> Stores {
        bundle::stores_of(&self.store)
    }

    async fn end(self) {
        self.store.close().await;
        self.database.drop().await;
    }
}

async fn opened() -> Option<Temporary> {
    let database = server::database().await?;
    let store = open(&database.target(), options(), common::ids_from(1)).await.unwrap();
    assert_eq!(store.kind(), Kind::Postgres);
    Some(Temporary { store, database })
}

fn options() -> Options {
    Options { connections: 8, ..Options::default() }
}

contract::store_contract!(opened);

/// Somebody else on the same database.
async fn stranger(database: &server::Database) -> tokio_postgres::Client {
    let Target::Postgres(url) = database.target() else { panic!("not PostgreSQL") };
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn a_delivery_whose_message_is_gone_is_cancelled_and_holds_up_nobody() {
    let Some(opened) = opened().await else { return };
    let stranger = stranger(&opened.database).await;
    orphans::are_cancelled(&opened.store, || async { stranger.batch_execute(orphans::DELETE).await.unwrap() }).await;
    opened.end().await;
}

#[tokio::test]
async fn a_memory_whose_content_cannot_be_read_holds_up_no_other_and_is_not_quoted() {
    let Some(opened) = opened().await else { return };
    let stranger = stranger(&opened.database).await;
    unreadable::holds_up_no_other(&opened.store, || async { stranger.batch_execute(unreadable::DAMAGE).await.unwrap() }).await;
    opened.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_nobody_waits_for_any_more_holds_up_nobody() {
    let Some(opened) = opened().await else { return };
    let (messages, channel) = (opened.store.messages(), ChannelId::new(Uuid::from_u128(1)));
    // All connections are there, so that the next post gets another one than the post that was left off.
    let warm = join_all((1_000..1_008).map(|number| messages.post(plain_post(number)))).await;
    assert!(warm.iter().all(|posted| matches!(posted, Ok(PostOutcome::Posted(_)))), "{warm:?}");
    let mut given_up = 0;
    for number in 0..200 {
        // The clock only varies the place where the post is left off; every place must do.
        let patience = Duration::from_micros(u64::try_from(number % 40).unwrap() * 50);
        given_up += u32::from(tokio::time::timeout(patience, messages.post(plain_post(number))).await.is_err());
        let prompt = tokio::time::timeout(Duration::from_secs(10), messages.post(plain_post(2_000 + number))).await;
        assert!(matches!(prompt, Ok(Ok(PostOutcome::Posted(_)))), "{number}: {prompt:?}");
    }
    assert!(given_up > 0, "no post was left off");
    let seqs: Vec<_> = messages.events(channel, 0, 1_000).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    opened.end().await;
}

/// One process at a time has the database, but not one connection: what is made findable may be changed at that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_that_is_changed_while_it_is_made_findable_is_found_by_what_it_says_then() {
    let Some(opened) = opened().await else { return };
    let (stranger, memories) = (stranger(&opened.database).await, opened.store.memories());
    opened.store.agents().add(agent(1), Vec::new()).await.unwrap();
    let text = |text: &str| JsonObject::from_iter([("text".to_owned(), text.into())]);
    assert_eq!(memories.add(vec![Memory { content: text("a kangaroo"), ..memory(1, 1) }]).await.unwrap(), 1);
    stranger.batch_execute("UPDATE memories SET words_version = 0").await.unwrap();
    stranger.batch_execute("BEGIN; UPDATE memories SET content = '{\"text\": \"a wombat\"}'").await.unwrap();
    let indexing = tokio::spawn({
        let memories = opened.store.memories();
        async move { memories.index_words(10).await }
    });
    let waiting = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()";
    while stranger.query(waiting, &[]).await.unwrap().is_empty() {
        assert!(!indexing.is_finished(), "it does not wait for who changes the memory");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stranger.batch_execute("COMMIT").await.unwrap();
    assert_eq!(indexing.await.unwrap().unwrap(), 1);
    for (word, found) in [("wombat", 1), ("kangaroo", 0)] {
        let search = KeywordSearch::new(word, 10);
        let owner = AgentId::new(Uuid::from_u128(1));
        assert_eq!(memories.search(owner, MemoryFilter::table(MESSAGES), search).await.unwrap().len(), found, "{word}");
    }
    opened.end().await;
}

/// The number of the lock: "doolittl" in ASCII.
const KEY: i64 = 0x646f_6f6c_6974_746c;

const HOLDERS: &str = "FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database \
                       WHERE locktype = 'advisory' AND granted AND datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_lock_whose_connection_died_is_taken_again_unless_another_has_it() {
    let Some(opened) = opened().await else { return };
    let stranger = stranger(&opened.database).await;
    assert!(opened.store.still_owner().await.unwrap());
    take_over(&stranger).await;
    assert!(!opened.store.still_owner().await.unwrap(), "the stranger has it");
    assert!(!opened.store.still_owner().await.unwrap(), "and keeps it");
    stranger.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    assert!(opened.store.still_owner().await.unwrap(), "it is free and taken again");
    let second = open(&opened.database.target(), options(), common::ids_from(1)).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    opened.store.close().await;
    assert!(matches!(opened.store.still_owner().await, Err(StoreError::Unavailable(_))));
    opened.end().await;
}

/// Ends the session that holds the lock, and takes it, as another server: it is free once the session has ended.
async fn take_over(stranger: &tokio_postgres::Client) {
    let ended = stranger.query(&format!("SELECT pg_terminate_backend(pid) {HOLDERS}"), &[]).await.unwrap();
    assert_eq!(ended.len(), 1, "one session holds the lock");
    stranger.batch_execute(&format!("SELECT pg_advisory_lock({KEY})")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_from_the_moment_that_the_lock_is_lost_until_it_is_held_again() {
    let Some(opened) = opened().await else { return };
    let (stranger, in_the_way) = (stranger(&opened.database).await, stranger(&opened.database).await);
    let (messages, channel) = (opened.store.messages(), ChannelId::new(Uuid::from_u128(1)));
    assert!(matches!(messages.post(plain_post(1)).await, Ok(PostOutcome::Posted(_))));
    // One is under way while another server takes over, and ends afterwards.
    in_the_way.batch_execute("BEGIN; LOCK TABLE messages IN EXCLUSIVE MODE").await.unwrap();
    let late = tokio::spawn({
        let messages = opened.store.messages();
        async move { messages.post(plain_post(2)).await }
    });
    let waiting = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()";
    while stranger.query(waiting, &[]).await.unwrap().is_empty() {
        assert!(!late.is_finished(), "it does not wait");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    take_over(&stranger).await;
    // Nobody asks the store anything: the news arrives by itself.
    let refused = tokio::time::timeout(Duration::from_secs(1), async {
        while !matches!(opened.store.media().remove(MediaId::from_bits(1)).await, Err(StoreError::Unavailable(_))) {
            tokio::task::yield_now().await;
        }
    });
    refused.await.unwrap();
    in_the_way.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(late.await.unwrap(), Err(StoreError::Unavailable(_))));
    assert!(matches!(messages.post(plain_post(3)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(messages.last_seq(channel).await.unwrap(), Some(1), "what was under way is undone, and reading goes on");
    assert!(!opened.store.still_owner().await.unwrap(), "the stranger has it");
    assert!(matches!(messages.post(plain_post(3)).await, Err(StoreError::Unavailable(_))));
    stranger.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    assert!(opened.store.still_owner().await.unwrap(), "it is free and taken again");
    assert!(matches!(messages.post(plain_post(3)).await, Ok(PostOutcome::Posted(_))));
    opened.end().await;
}

/// Each session keeps to what it was told when it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_goes_on_once_the_database_is_no_longer_read_only_though_no_session_is_cut() {
    let Some(opened) = opened().await else { return };
    let (stranger, messages) = (stranger(&opened.database).await, opened.store.messages());
    let name: String = stranger.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    assert!(matches!(messages.post(plain_post(1)).await, Ok(PostOutcome::Posted(_))));
    stranger.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
    // As a restart would, but for the session that has the lock.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')";
    assert!(!stranger.query(cut, &[]).await.unwrap().is_empty());
    let refused = tokio::time::timeout(Duration::from_secs(10), async {
        while !matches!(messages.post(plain_post(2)).await, Err(StoreError::ReadOnly(_))) {
            tokio::task::yield_now().await;
        }
    });
    refused.await.unwrap();
    // All connections are there, and none of them writes.
    let refused = join_all((10..18).map(|number| messages.post(plain_post(number)))).await;
    assert!(refused.iter().all(|posted| matches!(posted, Err(StoreError::ReadOnly(_)))), "{refused:?}");
    assert_eq!(messages.last_seq(ChannelId::new(Uuid::from_u128(1))).await.unwrap(), Some(1), "reading goes on");
    stranger.batch_execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await.unwrap();
    let written = tokio::time::timeout(Duration::from_secs(10), async {
        while !matches!(messages.post(plain_post(3)).await, Ok(PostOutcome::Posted(_))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    written.await.unwrap();
    let written = join_all((20..28).map(|number| messages.post(plain_post(number)))).await;
    assert!(written.iter().all(|posted| matches!(posted, Ok(PostOutcome::Posted(_)))), "{written:?}");
    opened.end().await;
}

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_has_closed() {
    let Some(first) = opened().await else { return };
    let second = open(&first.database.target(), options(), common::ids_from(1)).await;
    let Err(OpenError::InUse { place }) = second else { panic!("not refused") };
    assert!(place.starts_with("PostgreSQL at "), "{place}");
    first.store.close().await;
    assert!(matches!(first.store.agents().list(None).await, Err(StoreError::Unavailable(_))));
    let third = open(&first.database.target(), options(), common::ids_from(1)).await.unwrap();
    third.close().await;
    first.end().await;
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_is_told_without_the_password() {
    for (url, unreachable) in [
        ("postgres://user:hunter2@127.0.0.1:1/db?sslmode=disable", true),
        ("postgres://user:hunter2@127.0.0.1:1/db", true),
        ("postgres://user:hunter2@127.0.0.1:port/db", false),
        ("postgres://user:hunter2@127.0.0.1/db?sslmode=hunter2", false),
        ("mysql://user:hunter2@127.0.0.1/db", false),
        ("postgres:///db", false),
    ] {
        let target = Target::Postgres(url.to_owned());
        let Err(error) = open(&target, options(), common::ids_from(1)).await else { panic!("{url} opened") };
        assert_eq!(matches!(error, OpenError::Unreachable { .. }), unreachable, "{error:?}");
        assert_eq!(matches!(error, OpenError::BadUrl { .. }), !unreachable, "{error:?}");
        assert!(!format!("{error} {error:?} {target} {target:?}").contains("hunter2"), "{error:?} {target:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_verified_is_refused_where_encryption_is_required() {
    let Some(database) = server::database().await else { return };
    let Target::Postgres(url) = database.target() else { panic!("not PostgreSQL") };
    for mode in ["require", "verify-ca", "verify-full"] {
        let target = Target::Postgres(format!("{url}?sslmode={mode}"));
        let opened = open(&target, options(), common::ids_from(1)).await.map(|_| "opened");
        assert!(matches!(opened, Err(OpenError::Unreachable { .. })), "{mode}: {opened:?}");
    }
    for mode in ["disable", "prefer"] {
        let target = Target::Postgres(format!("{url}?sslmode={mode}"));
        let store = open(&target, options(), common::ids_from(1)).await.unwrap();
        assert!(store.describe().ends_with("(not encrypted)"), "{}", store.describe());
        store.close().await;
    }
    database.drop().await;
}

#[tokio::test]
async fn a_peer_that_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/none?sslmode=disable", silent.local_addr().unwrap());
    let target = Target::Postgres(url);
    let opened = tokio::time::timeout(Duration::from_secs(30), open(&target, Options::default(), common::ids_from(1)));
    assert!(matches!(opened.await.unwrap(), Err(OpenError::Unreachable { .. })));
}
