//! A directory keeps the promises of a store of files, and some of its own.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use core_types::media::{MediaName, MediaStore, MediaStoreError, MediaStoreResult, MediaType};
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
        Err(error) => Some(error),
        Ok(()) => writer.finish().await.err(),
    };
    assert!(matches!(failed, Some(MediaStoreError::Unavailable(_))), "{failed:?}");
    assert!(matches!(store.metadata(NAME).await, Err(MediaStoreError::Unavailable(_))));
}

/// A file that is never there.
const MISSING: MediaName = MediaName::new(MediaId::from_bits(0xab << 120 | 1), MediaType::Png);

async fn write_to(store: &MediaFiles, name: MediaName) -> MediaStoreResult<()> {
    let mut writer = store.create(name).await?;
    writer.write(Bytes::from_static(b"x")).await?;
    writer.finish().await
}

#[tokio::test]
async fn a_store_that_is_not_where_it_was_is_unavailable_until_it_is_back_and_lacks_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let (root, away) = (directory.path().join("media"), directory.path().join("away"));
    let store = open(&root).await;
    put(&store, b"x").await;
    for (number, in_its_place) in [(2, "nothing"), (3, "an empty directory"), (4, "a file")] {
        std::fs::rename(&root, &away).unwrap();
        match in_its_place {
            "an empty directory" => std::fs::create_dir(&root).unwrap(),
            "a file" => std::fs::write(&root, b"mine").unwrap(),
            _ => {}
        }
        // In a directory that is there already, and in one that is not.
        for prefix in [0xab, number] {
            let name = MediaName::new(MediaId::from_bits(prefix << 120 | number), MediaType::Png);
            assert_unavailable(&write_to(&store, name).await, in_its_place);
        }
        for name in [NAME, MISSING] {
            assert_unavailable(&store.open(name, 0..1).await.map(|opened| opened.is_some()), in_its_place);
            assert_unavailable(&store.metadata(name).await, in_its_place);
            assert_unavailable(&store.remove(name).await, in_its_place);
        }
        assert_unavailable(&store.list(None, 10).await, in_its_place);
        assert_unavailable(&store.sweep(Timestamp::MAX).await, in_its_place);
        // Nothing was begun in its place.
        match in_its_place {
            "an empty directory" => std::fs::remove_dir(&root).unwrap(),
            "a file" => std::fs::remove_file(&root).unwrap(),
            _ => assert!(!root.exists()),
        }
        std::fs::rename(&away, &root).unwrap();
        let name = MediaName::new(MediaId::from_bits(number << 120), MediaType::Png);
        write_to(&store, name).await.unwrap();
        let listed: Vec<_> = store.list(None, 10).await.unwrap().iter().map(|stored| stored.name).collect();
        assert_eq!((listed.first(), listed.last()), (Some(&MediaName::new(MediaId::from_bits(2 << 120), MediaType::Png)), Some(&NAME)));
        assert!(store.open(NAME, 0..1).await.unwrap().is_some() && store.metadata(name).await.unwrap().is_some());
        assert!(store.open(MISSING, 0..1).await.unwrap().is_none());
        assert!(store.metadata(MISSING).await.unwrap().is_none() && !store.remove(MISSING).await.unwrap());
    }
}

#[track_caller]
fn assert_unavailable<T: Debug>(answer: &MediaStoreResult<T>, in_its_place: &str) {
    assert!(matches!(answer, Err(MediaStoreError::Unavailable(_))), "{in_its_place} is in its place: {answer:?}");
}
