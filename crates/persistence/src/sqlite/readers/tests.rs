//! How many reads go on at once.

use std::sync::mpsc;

use super::*;

fn readers_of(readers: u32) -> (tempfile::TempDir, Arc<Readers>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("readers.db");
    let options = Options { readers, patience: Duration::from_millis(500), ..Options::default() };
    drop(connect::for_writing(&path, &options).unwrap());
    let readers = Readers::open(&path, &options).unwrap();
    (directory, Arc::new(readers))
}

fn nothing(conn: &mut Conn) -> Result<(), diesel::result::Error> {
    conn.batch_execute("SELECT 1")
}

/// A read that goes on until it is released, or its releaser is gone.
async fn held(readers: &Arc<Readers>) -> mpsc::Sender<()> {
    let (started, running) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let readers = Arc::clone(readers);
    tokio::spawn(async move {
        let hold = move |conn: &mut Conn| {
            started.send(()).unwrap();
            let _ = released.recv();
            nothing(conn)
        };
        readers.run(hold).await
    });
    running.await.unwrap();
    release
}

#[tokio::test]
async fn reads_that_wait_for_none_have_one_connection() {
    let (_directory, readers) = readers_of(4);
    for _ in 0..20 {
        readers.run(nothing).await.unwrap().unwrap();
    }
    assert_eq!((readers.pool.state().connections, readers.spare.load(Ordering::Relaxed)), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_many_reads_wait_there_are_more_connections() {
    let (_directory, readers) = readers_of(2);
    let reading = (0..8).map(|_| {
        let readers = Arc::clone(&readers);
        tokio::spawn(async move {
            while readers.spare.load(Ordering::Relaxed) > 0 {
                readers.run(nothing).await.unwrap().unwrap();
            }
        })
    });
    for reading in reading.collect::<Vec<_>>() {
        reading.await.unwrap();
    }
    assert_eq!(readers.permits.available_permits(), 2);
}

#[tokio::test]
async fn a_long_read_holds_up_no_other_until_there_are_as_many_as_may_be() {
    let (_directory, readers) = readers_of(3);
    let first = held(&readers).await;
    readers.run(nothing).await.unwrap().unwrap();
    let _second = held(&readers).await;
    let _third = held(&readers).await;
    assert!(matches!(readers.run(nothing).await, Err(StoreError::Unavailable(_))), "there are three, and no more");
    assert_eq!(readers.pool.state().connections, 3);
    drop(first);
    readers.run(nothing).await.unwrap().unwrap();
}
