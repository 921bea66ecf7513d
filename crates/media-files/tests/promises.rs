//! A directory keeps the promises of a store of files, and some of its own.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use core_types::media::{MediaName, MediaStore, MediaStoreError, MediaType};
use core_types::{MediaId, Timestamp};
use doolittle_media_files::MediaFiles;
use tempfile::TempDir;

async fn make() -> Option<(Arc<dyn MediaStore>, TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    let store = MediaFiles::open(directory.path().join("media")).await.unwrap();
    Some((Arc::new(store), directory))
}

contract::media_contract!(make);

const NAME: MediaName = MediaName::new(MediaId::from_bits(0xab << 120), MediaType::Png);

async fn open(root: &Path) -> MediaFiles {
    MediaFiles::open(root.to_owned()).await.unwrap()
}

async fn put(store: &MediaFiles, bytes: &'static [u8]) {
    let mut writer = store.create(NAME).await.unwrap();
    writer.write(Bytes::from_static(bytes)).await.unwrap();
    writer.finish().await.unwrap();
}

#[tokio::test]
async fn files_lie_below_the_root_under_their_names_for_their_owner_only() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root.path().join("media")).await;
    put(&store, b"x").await;
    let path = root.path().join("media/ab").join(NAME.to_string());
    assert_eq!(std::fs::read(&path).unwrap(), b"x");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&root.path().join("media"))), (0o600, 0o700, 0o700));
    }
}

#[tokio::test]
async fn what_a_crash_leaves_unfinished_is_swept_up_once_it_is_old() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    let left = root.path().join("unfinished").join(NAME.to_string());
    std::fs::write(&left, b"half").unwrap();
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    assert_eq!(store.sweep(Timestamp::from_millis(1_000)).await.unwrap(), 0);
    assert!(left.exists());
    assert_eq!(store.sweep(Timestamp::MAX).await.unwrap(), 1);
    assert!(!left.exists());
}

#[tokio::test]
async fn what_a_stranger_puts_among_the_files_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    put(&store, b"x").await;
    for name in ["ab/notes.txt", "ab/0.png", "readme"] {
        std::fs::write(root.path().join(name), b"mine").unwrap();
    }
    let listed = store.list(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|stored| (stored.name, stored.size)).collect::<Vec<_>>(), [(NAME, 1)]);
    assert!(listed[0].written_at > Timestamp::from_millis(1_700_000_000_000), "{listed:?}");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_a_failure_and_no_end() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    put(&store, b"twelve bytes").await;
    std::fs::write(root.path().join("ab").join(NAME.to_string()), b"six by").unwrap();
    let mut reader = store.open(NAME, 0..12).await.unwrap().unwrap();
    assert!(matches!(reader.next().await, Err(MediaStoreError::Defect(_))));
}

#[tokio::test]
async fn a_store_that_cannot_be_written_says_so() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    std::fs::remove_dir(root.path().join("unfinished")).unwrap();
    let mut writer = store.create(NAME).await.unwrap();
    let mut outcome = Ok(());
    // The thread notices by itself, and the queue takes a few pieces until then.
    for _ in 0..100 {
        outcome = writer.write(Bytes::from_static(b"x")).await;
        if outcome.is_err() {
            break;
        }
    }
    let failed = match outcome {
        Err(_) => true,
        Ok(()) => writer.finish().await.is_err(),
    };
    assert!(failed);
    assert_eq!(store.metadata(NAME).await.unwrap(), None);
}
