//! Groups of jobs: what one's failure means for the others, and what is handed over.

use std::sync::atomic::{AtomicUsize, Ordering};

use core_types::deliveries::{ClaimRequest, Claimed, Shares};
use diesel::RunQueryDsl;

use super::*;
use crate::sqlite::along::falls_due;
use crate::sqlite::columns::Id;

fn insert(conn: &mut Conn) -> Result<usize, QueryError> {
    diesel::sql_query("INSERT INTO kept DEFAULT VALUES").execute(conn)
}

/// A writer of a database with this schema.
fn writer_of(schema: &str) -> (tempfile::TempDir, Writer) {
    let directory = tempfile::tempdir().unwrap();
    let (path, options) = (directory.path().join("writer.db"), Options::default());
    let mut conn = connect::for_writing(&path, &options).unwrap();
    conn.batch_execute(schema).unwrap();
    (directory, Writer::start(conn, path, options, None).unwrap())
}

/// The writer, which is in the middle of a commit until it is released: what comes meanwhile is one group.
async fn held(writer: impl Into<Arc<Writer>>) -> (Arc<Writer>, std::sync::mpsc::Sender<()>) {
    let writer = writer.into();
    let (started, mut running) = mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel();
    let released = Arc::new(std::sync::Mutex::new(released));
    let holding = Arc::clone(&writer);
    tokio::spawn(async move {
        let hold = move |_: &mut Conn| -> Result<(), QueryError> {
            started.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
            Ok(())
        };
        holding.run(Durability::Written, hold).await
    });
    running.recv().await.unwrap();
    (writer, release)
}

#[tokio::test]
async fn a_defect_in_a_job_costs_its_group_and_not_the_writer() {
    let (_directory, writer) = writer_of("CREATE TABLE kept (id INTEGER PRIMARY KEY)");
    assert!(matches!(writer.run(Durability::Synced, insert).await, Ok(Ok(1))));
    let broken = |conn: &mut Conn| -> Result<usize, QueryError> {
        insert(conn)?;
        panic!("a defect")
    };
    assert!(writer.run(Durability::Synced, broken).await.is_err());
    assert!(matches!(writer.run(Durability::Synced, insert).await, Ok(Ok(1))), "the writer goes on");
    let empty = |conn: &mut Conn| diesel::sql_query("DELETE FROM kept").execute(conn);
    assert!(matches!(writer.run(Durability::Synced, empty).await, Ok(Ok(2))), "nothing of the defect is kept");
    writer.close().await;
}

#[tokio::test]
async fn a_job_that_fails_alone_leaves_nothing_and_tells_why() {
    let (_directory, writer) = writer_of("CREATE TABLE kept (id INTEGER PRIMARY KEY)");
    let failing = |conn: &mut Conn| {
        insert(conn)?;
        diesel::sql_query("INSERT INTO kept (id) SELECT id FROM kept").execute(conn)
    };
    let told = writer.run(Durability::Synced, failing).await.unwrap().unwrap_err();
    assert!(matches!(told, QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)), "{told}");
    // SQLite ends a transaction itself where it is out of space, for instance; the next job has a new connection.
    let ended = |conn: &mut Conn| -> Result<usize, QueryError> {
        insert(conn)?;
        conn.batch_execute("ROLLBACK")?;
        Err(QueryError::NotFound)
    };
    assert!(matches!(writer.run(Durability::Synced, ended).await, Ok(Err(QueryError::NotFound))));
    let empty = |conn: &mut Conn| diesel::sql_query("DELETE FROM kept").execute(conn);
    assert!(matches!(writer.run(Durability::Synced, empty).await, Ok(Ok(0))));
    writer.close().await;
}

/// Wants a claim that finds nothing, and keeps what it is told.
#[derive(Default)]
struct Told(std::sync::Mutex<Vec<bool>>);

impl DeliveryWorker for Told {
    fn wants(&self) -> Option<ClaimRequest> {
        let now = core_types::Timestamp::from_millis(0);
        Some(ClaimRequest {
            limit: 0,
            shares: Shares { per_agent: 0, per_tenant: 0, per_agent_of_tenants: 0 },
            held: Vec::new(),
            now,
            lease_until: now,
        })
    }

    fn take_over(self: Arc<Self>, claimed: Option<Vec<Claimed>>) {
        self.0.lock().unwrap().push(claimed.is_some());
    }
}

#[tokio::test]
async fn a_worker_is_handed_only_what_is_committed_and_told_where_it_is_not() {
    let tables = "CREATE TABLE kept (id INTEGER PRIMARY KEY); CREATE TABLE part (kept INTEGER NOT NULL REFERENCES kept (id))";
    let (_directory, writer) = writer_of(tables);
    let told = Arc::new(Told::default());
    let worker: Arc<dyn DeliveryWorker> = Arc::<Told>::clone(&told);
    writer.attend(Arc::downgrade(&worker));
    let due = |conn: &mut Conn| -> Result<usize, QueryError> {
        falls_due(Id(uuid::Uuid::nil()));
        insert(conn)
    };
    let orphan = |conn: &mut Conn| -> Result<usize, QueryError> {
        conn.batch_execute("PRAGMA defer_foreign_keys = ON")?;
        diesel::sql_query("INSERT INTO part (kept) VALUES (77)").execute(conn)?;
        falls_due(Id(uuid::Uuid::nil()));
        Ok(1)
    };
    assert!(matches!(writer.run(Durability::Synced, due).await, Ok(Ok(1))));
    assert!(writer.run(Durability::Synced, orphan).await.is_err());
    assert!(matches!(writer.run(Durability::Synced, insert).await, Ok(Ok(1))), "nothing falls due with it");
    assert_eq!(*told.0.lock().unwrap(), [true, false]);
    writer.close().await;
}

#[tokio::test]
async fn a_job_that_fails_in_a_group_leaves_nothing_and_the_others_are_run_once_more() {
    let (_directory, writer) = writer_of("CREATE TABLE kept (id INTEGER PRIMARY KEY)");
    let (writer, release) = held(writer).await;
    let failing = |conn: &mut Conn| -> Result<usize, QueryError> {
        insert(conn)?;
        Err(QueryError::NotFound)
    };
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let counted = move |conn: &mut Conn| {
        counted.fetch_add(1, Ordering::Relaxed);
        insert(conn)
    };
    let (first, second, third, ()) = tokio::join!(
        writer.run(Durability::Synced, counted.clone()),
        writer.run(Durability::Synced, failing),
        writer.run(Durability::Synced, insert),
        async { release.send(()).unwrap() }
    );
    assert!(matches!((first, &second, third), (Ok(Ok(1)), Ok(Err(QueryError::NotFound)), Ok(Ok(1)))), "{second:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    let (writer, release) = held(writer).await;
    let (first, second, ()) =
        tokio::join!(writer.run(Durability::Synced, counted), writer.run(Durability::Synced, failing), async { release.send(()).unwrap() });
    assert!(matches!((first, &second), (Ok(Ok(1)), Ok(Err(QueryError::NotFound)))), "{second:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 3, "with savepoints at once, as a job failed a short while ago");
    let empty = |conn: &mut Conn| diesel::sql_query("DELETE FROM kept").execute(conn);
    assert!(matches!(writer.run(Durability::Synced, empty).await, Ok(Ok(3))), "nothing of what failed is kept, and the rest once");
    writer.close().await;
}

#[tokio::test]
async fn where_sqlite_ended_the_transaction_nothing_of_the_group_is_kept() {
    let (_directory, writer) = writer_of("CREATE TABLE kept (id INTEGER PRIMARY KEY)");
    let (writer, release) = held(writer).await;
    let ended = |conn: &mut Conn| -> Result<usize, QueryError> {
        conn.batch_execute("ROLLBACK")?;
        Err(QueryError::NotFound)
    };
    let (first, second, third, ()) = tokio::join!(
        writer.run(Durability::Synced, insert),
        writer.run(Durability::Synced, ended),
        writer.run(Durability::Synced, insert),
        async { release.send(()).unwrap() }
    );
    assert!(first.is_err() && second.is_err() && third.is_err(), "{first:?} {second:?} {third:?}");
    let empty = |conn: &mut Conn| diesel::sql_query("DELETE FROM kept").execute(conn);
    assert!(matches!(writer.run(Durability::Synced, empty).await, Ok(Ok(0))));
    writer.close().await;
}

#[tokio::test]
async fn a_commit_is_synced_unless_nothing_in_it_asks_for_that() {
    #[derive(diesel::QueryableByName)]
    struct Level {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        synchronous: i32,
    }
    let level = |conn: &mut Conn| diesel::sql_query("PRAGMA synchronous").get_result::<Level>(conn).map(|level| level.synchronous);
    let (_directory, writer) = writer_of("");
    for (durability, expected) in [(Durability::Written, 1), (Durability::Synced, 2), (Durability::Written, 1)] {
        assert_eq!(writer.run(durability, level).await.unwrap().unwrap(), expected);
    }
    let (writer, release) = held(writer).await;
    let (one, other, ()) =
        tokio::join!(writer.run(Durability::Written, level), writer.run(Durability::Synced, level), async { release.send(()).unwrap() });
    assert_eq!((one.unwrap().unwrap(), other.unwrap().unwrap()), (2, 2));
    writer.close().await;
}

#[tokio::test]
async fn where_the_commit_fails_an_answer_that_wrote_nothing_is_not_given_either() {
    let tables = "CREATE TABLE kept (id INTEGER PRIMARY KEY); CREATE TABLE part (kept INTEGER NOT NULL REFERENCES kept (id))";
    let (_directory, writer) = writer_of(tables);
    let (writer, release) = held(writer).await;
    let orphan = |conn: &mut Conn| -> Result<usize, QueryError> {
        conn.batch_execute("PRAGMA defer_foreign_keys = ON")?;
        insert(conn)?;
        diesel::sql_query("INSERT INTO part (kept) VALUES (77)").execute(conn)
    };
    let seen = |conn: &mut Conn| -> Result<(), QueryError> {
        // There is a row, and so there is nothing to do; but the row is not going to stay.
        let rows = diesel::sql_query("UPDATE kept SET id = id").execute(conn)?;
        assert_eq!(rows, 1);
        Err(QueryError::RollbackTransaction)
    };
    let (orphan, seen, ()) =
        tokio::join!(writer.run(Durability::Synced, orphan), writer.run(Durability::Synced, seen), async { release.send(()).unwrap() });
    assert!(orphan.is_err(), "{orphan:?}");
    assert!(seen.is_err(), "{seen:?}");
    assert!(matches!(writer.run(Durability::Synced, insert).await, Ok(Ok(1))), "the writer goes on");
    let empty = |conn: &mut Conn| diesel::sql_query("DELETE FROM kept").execute(conn);
    assert!(matches!(writer.run(Durability::Synced, empty).await, Ok(Ok(1))), "nothing of the group is kept");
    writer.close().await;
}
