//! What is acknowledged where a directory cannot be synced: nothing that the power may still take.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use core_types::MediaId;
use core_types::media::{MediaName, MediaStore as _, MediaStoreError, MediaStoreResult, MediaType};

use super::{DEVICE, MediaFiles, sync_directory};

/// The directories that cannot be synced.
static BROKEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// Those that were synced, as often as they were.
static SYNCED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn sync(directory: &Path) -> io::Result<()> {
    if BROKEN.lock().unwrap().contains(directory) {
        return Err(io::Error::from_raw_os_error(DEVICE));
    }
    sync_directory(directory)?;
    SYNCED.lock().unwrap().push(directory.to_owned());
    Ok(())
}

fn breaks(directory: &Path) {
    BROKEN.lock().unwrap().insert(directory.to_owned());
}

fn is_mended(directory: &Path) {
    BROKEN.lock().unwrap().remove(directory);
}

fn syncs(directory: &Path) -> usize {
    SYNCED.lock().unwrap().iter().filter(|synced| *synced == directory).count()
}

async fn open(root: &Path) -> MediaFiles {
    MediaFiles::open_with(root.to_owned(), sync).await.unwrap()
}

/// A name in the directory of this prefix.
fn name(prefix: u128, number: u128) -> MediaName {
    MediaName::new(MediaId::from_bits(prefix << 120 | number), MediaType::Png)
}

async fn put(store: &MediaFiles, name: MediaName) -> MediaStoreResult<()> {
    let mut writer = store.create(name).await?;
    writer.write(Bytes::from_static(b"x")).await?;
    writer.finish().await
}

#[track_caller]
fn assert_refused(answer: &MediaStoreResult<()>) {
    assert!(matches!(answer, Err(MediaStoreError::ReadOnly(_))), "{answer:?}");
}

#[tokio::test]
async fn nothing_is_acknowledged_in_a_new_directory_before_its_name_is_synced() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = open(root).await;
    breaks(root);
    assert_refused(&put(&store, name(0xab, 1)).await);
    assert_refused(&put(&store, name(0xab, 1)).await);
    let (one, other) = tokio::join!(put(&store, name(0xab, 2)), put(&store, name(0xab, 3)));
    assert_refused(&one);
    assert_refused(&other);
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    is_mended(root);
    put(&store, name(0xab, 1)).await.unwrap();
    put(&store, name(0xab, 2)).await.unwrap();
    assert_eq!((syncs(root), syncs(&root.join("ab"))), (1, 2));
    breaks(root);
    put(&store, name(0xab, 3)).await.unwrap();
    assert_refused(&put(&store, name(0xcd, 1)).await);
    assert!(!root.join("cd").exists(), "it is made anew by the next, since the system forgets what a failed sync should have written");
    is_mended(root);
}

#[tokio::test]
async fn directories_of_an_earlier_process_are_settled_by_one_sync() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for prefix in ["ab", "cd"] {
        std::fs::create_dir(root.join(prefix)).unwrap();
        std::fs::write(root.join(prefix).join("a file"), b"x").unwrap();
    }
    let store = open(root).await;
    breaks(root);
    assert_refused(&put(&store, name(0xab, 1)).await);
    is_mended(root);
    put(&store, name(0xcd, 1)).await.unwrap();
    put(&store, name(0xab, 1)).await.unwrap();
    assert_eq!(syncs(root), 1);
    put(&store, name(0xef, 1)).await.unwrap();
    assert_eq!(syncs(root), 2);
}

#[tokio::test]
async fn a_directory_that_was_removed_is_made_and_synced_anew() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = open(root).await;
    put(&store, name(0xab, 1)).await.unwrap();
    std::fs::remove_dir_all(root.join("ab")).unwrap();
    breaks(root);
    assert_refused(&put(&store, name(0xab, 2)).await);
    is_mended(root);
    put(&store, name(0xab, 2)).await.unwrap();
    assert_eq!(syncs(root), 2);
}

#[tokio::test]
async fn the_names_of_what_the_store_lies_in_are_synced_where_it_was_made() {
    let directory = tempfile::tempdir().unwrap();
    let outer = directory.path().join("outer");
    let store = open(&outer.join("media")).await;
    breaks(&outer);
    assert_refused(&put(&store, name(0xab, 1)).await);
    assert_refused(&put(&store, name(0xab, 1)).await);
    is_mended(&outer);
    put(&store, name(0xab, 1)).await.unwrap();
    put(&store, name(0xcd, 1)).await.unwrap();
    assert_eq!((syncs(&outer), syncs(directory.path())), (1, 1));
    // Where it was there already, whoever made it has seen to that.
    let again = open(&outer.join("media")).await;
    put(&again, name(0xef, 1)).await.unwrap();
    assert_eq!((syncs(&outer), syncs(directory.path())), (1, 1));
}
