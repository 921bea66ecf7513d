//! What a SQLite file survives, and what is said where there is none.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use core_types::access::Wanted;
use core_types::media::{MediaFile, MediaPlace, MediaType};
use core_types::memory::{AloneWith, KNOWLEDGE, KeywordSearch, MESSAGES, Memory, MemoryFilter, RoomQuery};
use core_types::messaging::PostOutcome;
use core_types::{
    AgentId, ChannelId, EntityId, JsonObject, MediaId, MemoryId, MessageId, MessageServerId, Page, Reach, RoomId, StoreError, Tenant,
    Timestamp,
};
use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation};
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use doolittle_persistence::{OpenError, Options, Store, Target, open};
use futures_util::future::join_all;
use uuid::Uuid;

mod common;
#[path = "common/memories.rs"]
mod memories;
#[path = "common/orphans.rs"]
mod orphans;
#[path = "common/posts.rs"]
mod posts;
#[path = "common/unreadable.rs"]
mod unreadable;

use memories::{agent, memory};
use posts::plain_post;

async fn open_at(path: &Path, options: Options) -> Store {
    open(&Target::Sqlite(path.to_path_buf()), options, common::ids_from(1)).await.unwrap()
}

fn file() -> MediaFile {
    MediaFile {
        id: MediaId::from_bits(1),
        place: MediaPlace::Agent(AgentId::new(Uuid::from_u128(1))),
        media_type: MediaType::Text,
        original_name: String::new(),
        size: 1,
        sha256: [0; 32],
        created_at: Timestamp::from_millis(1),
    }
}

/// Another process that writes.
fn stranger(path: &Path) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    conn
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_store_was_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    for round in 0..3 {
        let store = open_at(&path, Options::default()).await;
        let messages = store.messages();
        assert_eq!(messages.last_seq(ChannelId::new(Uuid::from_u128(1))).await.unwrap().unwrap_or(0), round * 50);
        let first = u128::try_from(round * 50).unwrap();
        let posts = join_all((first..first + 50).map(|number| messages.post(plain_post(number)))).await;
        assert!(posts.iter().all(|posted| matches!(posted, Ok(PostOutcome::Posted(_)))), "{posts:?}");
    }
    let store = open_at(&path, Options::default()).await;
    let list = store.messages().list(ChannelId::new(Uuid::from_u128(1)), None, 1000).await.unwrap();
    assert_eq!(list.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=150).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn closing_commits_what_is_queued_and_leaves_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    assert_eq!(store.describe(), format!("SQLite at {}", path.display()));
    let messages = store.messages();
    let (posts, ()) = tokio::join!(join_all((0..100).map(|number| messages.post(plain_post(number)))), store.close());
    let stored = posts.iter().filter(|posted| matches!(posted, Ok(PostOutcome::Posted(_)))).count();
    assert!(posts.iter().all(|posted| matches!(posted, Ok(PostOutcome::Posted(_)) | Err(StoreError::Unavailable(_)))), "{posts:?}");
    assert!(matches!(messages.post(plain_post(999)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(messages.find(MessageId::new(Uuid::nil())).await, Err(StoreError::Unavailable(_))));
    let log = std::fs::metadata(directory.path().join("test.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "the write-ahead log is emptied");
    store.close().await;
    drop((store, messages));
    let store = open_at(&path, Options::default()).await;
    assert_eq!(store.messages().list(ChannelId::new(Uuid::from_u128(1)), None, 1000).await.unwrap().len(), stored);
}

#[tokio::test]
async fn a_job_that_fails_hurts_nobody_in_its_group() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    store.agents().add(agent(1), Vec::new()).await.unwrap();
    store.media().add(file()).await.unwrap();
    let memories = store.memories();
    // The writer waits for the stranger, so that all jobs are in one group when it goes on.
    let mut stranger = stranger(&path);
    stranger.batch_execute("BEGIN IMMEDIATE").unwrap();
    let jobs = join_all((0..90).map(|number| {
        let (memories, media) = (store.memories(), store.media());
        async move {
            // A file with this id is there.
            if number % 3 == 0 {
                media.add(file()).await.map(|()| 0)
            } else {
                memories.add(vec![memory(1000 + number, 1), memory(number, 1)]).await
            }
        }
    }));
    let unlock = async {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(move || stranger.batch_execute("COMMIT").unwrap()).await.unwrap();
    };
    let (done, ()) = tokio::join!(jobs, unlock);
    for (number, answer) in done.iter().enumerate() {
        if number % 3 == 0 {
            assert!(matches!(answer, Err(StoreError::Defect(_))), "{number}: {answer:?}");
        } else {
            assert!(matches!(answer, Ok(2)), "{number}: {answer:?}");
        }
    }
    assert_eq!(
        memories.list(AgentId::new(Uuid::from_u128(1)), MemoryFilter::table(MESSAGES), Page::first(1000)).await.unwrap().items.len(),
        120
    );
}

#[tokio::test]
async fn a_full_queue_refuses_within_bounds_and_readers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let options = Options { write_queue: 4, patience: Duration::from_millis(100), ..Options::default() };
    let store = open_at(&path, options).await;
    store.messages().post(plain_post(0)).await.unwrap();
    let mut stranger = stranger(&path);
    stranger.batch_execute("BEGIN IMMEDIATE").unwrap();
    let messages = store.messages();
    let writing = join_all((1..=600).map(|number| messages.post(plain_post(number))));
    let mut writing = std::pin::pin!(writing);
    let channel = ChannelId::new(Uuid::from_u128(1));
    // Nobody answers a write while the stranger holds the lock, but everybody in excess is refused.
    assert!(tokio::time::timeout(Duration::from_millis(400), &mut writing).await.is_err());
    assert_eq!(messages.list(channel, None, 10).await.unwrap().len(), 1);
    stranger.batch_execute("COMMIT").unwrap();
    let answers = writing.await;
    let stored = answers.iter().filter(|answer| matches!(answer, Ok(PostOutcome::Posted(_)))).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Unavailable(_)))).count();
    assert_eq!(stored + refused, 600);
    assert!(stored >= 4 && refused >= 300, "{stored} stored, {refused} refused");
    assert_eq!(messages.list(channel, None, 1000).await.unwrap().len(), stored + 1);
}

#[tokio::test]
async fn a_commit_that_fails_fails_its_group_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let options = Options { busy_timeout: Duration::from_millis(50), ..Options::default() };
    let store = open_at(&path, options).await;
    let messages = store.messages();
    let mut stranger = stranger(&path);
    stranger.batch_execute("BEGIN IMMEDIATE").unwrap();
    let answers = join_all((1..=3).map(|number| messages.post(plain_post(number)))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{answers:?}");
    stranger.batch_execute("COMMIT").unwrap();
    let answers = join_all((1..=3).map(|number| messages.post(plain_post(number)))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(PostOutcome::Posted(_)))), "{answers:?}");
}

#[tokio::test]
async fn what_is_no_database_is_told_apart_from_what_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let garbage = directory.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, however long it may be; ".repeat(100)).unwrap();
    let refused = |path: &Path| {
        let target = Target::Sqlite(path.to_path_buf());
        async move { open(&target, Options::default(), common::ids_from(1)).await.err().unwrap() }
    };
    let error = refused(&garbage).await;
    assert!(matches!(&error, OpenError::Corrupt { path, .. } if *path == garbage), "{error:?}");
    assert!(error.to_string().contains("garbage.db"), "{error}");
    for nowhere in [directory.path().join("missing").join("test.db"), garbage.join("test.db"), directory.path().to_path_buf()] {
        let error = refused(&nowhere).await;
        assert!(matches!(&error, OpenError::Unwritable { path, .. } if *path == nowhere), "{error:?}");
    }
}

#[tokio::test]
async fn a_delivery_whose_message_is_gone_is_cancelled_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    orphans::are_cancelled(&store, || async { stranger(&path).batch_execute(orphans::DELETE).unwrap() }).await;
}

#[tokio::test]
async fn a_memory_whose_content_cannot_be_read_holds_up_no_other_and_is_not_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    unreadable::holds_up_no_other(&store, || async { stranger(&path).batch_execute(unreadable::DAMAGE).unwrap() }).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    store.messages().post(plain_post(1)).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert!(files >= 2, "the write-ahead log is there too");
    assert!(store.still_owner().await.unwrap());
}

#[tokio::test]
async fn memories_from_before_there_was_an_index_of_words_are_taken_into_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    store.agents().add(agent(1), Vec::new()).await.unwrap();
    let memories = store.memories();
    // As an older version stored them.
    let insert = "INSERT INTO memories (id, agent_id, table_name, room_id, entity_id, content, metadata, is_unique, created_at) \
         SELECT randomblob(16), id, 'messages', id, id, '{\"text\":\"an old kangaroo\"}', '{}', 1, 1 FROM agents";
    let mut stranger = stranger(&path);
    for _ in 0..3 {
        stranger.batch_execute(insert).unwrap();
    }
    let owner = AgentId::new(Uuid::from_u128(1));
    let found = || {
        let search = KeywordSearch::new("kangaroos", 10);
        let memories = store.memories();
        async move { memories.search(owner, MemoryFilter::table(MESSAGES), search).await.unwrap().len() }
    };
    // One that goes before it is taken in is no trouble.
    let first = memories.list(owner, MemoryFilter::table(MESSAGES), Page::first(1)).await.unwrap().items[0].id;
    assert_eq!(memories.remove_all(owner, MemoryFilter::id(first)).await.unwrap(), 1);
    assert_eq!(memories.index_words(1).await.unwrap(), 1);
    // A search takes in what is left.
    assert_eq!((found().await, memories.index_words(10).await.unwrap()), (2, 0));
    assert_eq!(memories.remove_all(owner, MemoryFilter::default()).await.unwrap(), 2);
    assert_eq!(found().await, 0);
}

/// Every statement that was sent to SQLite in this process, without its values.
static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

#[expect(clippy::unnecessary_wraps, reason = "Diesel asks for an option")]
fn listening() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let statement = query.to_string();
            STATEMENTS.lock().unwrap().insert(statement.split(" -- binds").next().unwrap_or_default().to_owned());
        }
    }))
}

/// How SQLite carries a statement out, whatever its values.
fn plan(conn: &mut SqliteConnection, statement: &str) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(conn).unwrap();
    steps.into_iter().map(|step| step.detail).collect()
}

#[tokio::test]
async fn remembering_and_recalling_goes_through_no_table_as_a_whole() {
    set_default_instrumentation(listening).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    let (owner, memories) = (AgentId::new(Uuid::from_u128(1)), store.memories());
    store.agents().add(agent(1), Vec::new()).await.unwrap();
    let text = JsonObject::from_iter([("text".to_owned(), "a kangaroo".into())]);
    let knowledge = Memory { table: KNOWLEDGE.to_owned(), content: text.clone(), ..memory(2, 1) };
    assert_eq!(memories.add(vec![Memory { content: text, ..memory(1, 1) }, knowledge]).await.unwrap(), 2);
    let about = || "kangaroos".to_owned();
    let room = RoomQuery {
        alone_with: Some(AloneWith { person: EntityId::new(Uuid::from_u128(1)), channel: ChannelId::new(Uuid::from_u128(1)) }),
        knowledge: 6,
        about: about(),
        ..RoomQuery::conversation(RoomId::new(Uuid::from_u128(1)), 32, 50)
    };
    assert_eq!(memories.room_context(owner, room).await.unwrap().knowledge.len(), 1);
    let search = KeywordSearch::new(about(), 10);
    assert_eq!(memories.search(owner, MemoryFilter::table(MESSAGES), search).await.unwrap().len(), 1);
    let ids = vec![MemoryId::new(Uuid::from_u128(1))];
    assert_eq!(memories.find_all(owner, MemoryFilter::table(MESSAGES), ids).await.unwrap().len(), 1);
    assert_eq!(memories.list(owner, MemoryFilter::table(MESSAGES), Page::first(1)).await.unwrap().items.len(), 1);
    assert_eq!(store.vectors().wanting(1, Vec::new()).await.unwrap().len(), 1);
    memories.index_words(10).await.unwrap();
    assert_eq!(memories.remove_all(owner, MemoryFilter::table(MESSAGES)).await.unwrap(), 1);

    let statements = STATEMENTS.lock().unwrap().clone();
    let of_memories: Vec<&String> =
        statements.iter().filter(|one| !one.contains("EXPLAIN") && one.contains("`memories`") && one.contains("WHERE")).collect();
    for expected in ["words_version = 0", "NOT memories.embedded", " MATCH ", "table_name = 'facts'", "DELETE FROM `memories`"] {
        assert!(of_memories.iter().any(|one| one.contains(expected)), "{expected}: {of_memories:#?}");
    }
    let mut conn = stranger(&path);
    for statement in of_memories {
        let plan = plan(&mut conn, statement);
        // These hold only what is still to be done.
        let is_whole = |step: &String| step.starts_with("SCAN memories") && !step.contains("INDEX memories_without_");
        assert!(!plan.iter().any(is_whole), "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn no_list_of_agents_and_no_check_goes_through_their_characters() {
    set_default_instrumentation(listening).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let store = open_at(&path, Options::default()).await;
    let (one, agents) = (AgentId::new(Uuid::from_u128(1)), store.agents());
    agents.add(agent(1), Vec::new()).await.unwrap();
    let servers = vec![MessageServerId::new(Uuid::from_u128(9))];
    let reach = Reach { tenant: Tenant::new("somebody").unwrap(), servers, person: None };
    for reach in [None, Some(&reach)] {
        assert_eq!(agents.list(reach).await.unwrap().len(), usize::from(reach.is_none()));
        assert_eq!(agents.first_running(reach).await.unwrap(), None);
    }
    assert_eq!((agents.count().await.unwrap().total, agents.exists(one).await.unwrap()), (1, true));
    assert!(!store.access().within(&reach, Wanted::Agent(one)).await.unwrap());
    let mut said = posts::post(1, 1, Vec::new(), "hello");
    said.draft.author_id = EntityId::new(Uuid::from_u128(77));
    store.messages().post(said).await.unwrap();

    let statements = STATEMENTS.lock().unwrap().clone();
    let mut conn = stranger(&path);
    let mut of = |part: &str, least: usize| {
        let with: Vec<&String> = statements.iter().filter(|one| !one.contains("EXPLAIN") && one.contains(part)).collect();
        assert!(with.len() >= least, "{part}: {with:#?}");
        with.into_iter().map(|one| (one.clone(), plan(&mut conn, one))).collect::<Vec<_>>()
    };
    for (part, least) in [("coalesce(agents.owner", 8), ("GROUP BY `agents`.`running`", 1), ("EXISTS (SELECT `agents`.`id` FROM", 2)] {
        for (statement, plan) in of(part, least) {
            for step in plan.iter().filter(|step| step.contains(" agents ")) {
                // Of agents on a shared message server names and bios are in the row, in front of the character.
                let is_spared = step.contains("COVERING INDEX") || step.contains("INDEX agents_by_id (id=? AND running=?)");
                assert!(is_spared, "{statement}\n{step}");
            }
        }
    }
    for (statement, plan) in of("`channel_participants` INNER JOIN `agents`", 1) {
        // Those who take part in a channel are few, the agents of an owner may be many.
        assert!(plan.first().unwrap().starts_with("SEARCH channel_participants"), "{statement}\n{plan:#?}");
    }
}
