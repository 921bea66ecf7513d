//! The promises of a store of files.

use std::sync::Arc;

use bytes::Bytes;
use core_types::media::{MediaName, MediaReader, MediaStore, MediaType};
use core_types::{MediaId, Timestamp};

/// Larger than any buffer on the way, and no multiple of one.
const LARGE: usize = 11 * 1024 * 1024 + 12_345;

fn name(number: u128) -> MediaName {
    // Spread like random ids, and in the order of the numbers.
    MediaName::new(MediaId::from_bits(number << 120 | number), MediaType::Png)
}

/// Bytes of which each place has its own.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from((place ^ place >> 8 ^ place >> 16) & 0xff).unwrap_or_default()).collect()
}

async fn put(store: &dyn MediaStore, name: MediaName, bytes: &[u8], piece: usize) {
    let mut writer = held(store.create(name).await, "begun");
    for piece in bytes.chunks(piece) {
        held(writer.write(Bytes::copy_from_slice(piece)).await, "written");
    }
    held(writer.finish().await, "finished");
}

async fn rest(mut reader: Box<dyn MediaReader>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = held(reader.next().await, "read") {
        assert!(!piece.is_empty(), "a piece is not empty");
        bytes.extend_from_slice(&piece);
    }
    bytes
}

async fn part(store: &dyn MediaStore, name: MediaName, from: usize, to: usize) -> Option<Vec<u8>> {
    let opened = held(store.open(name, from as u64..to as u64).await, "opened");
    match opened {
        Some(reader) => Some(rest(reader).await),
        None => None,
    }
}

async fn names(store: &dyn MediaStore, after: Option<MediaName>, limit: usize) -> Vec<MediaName> {
    held(store.list(after, limit).await, "listed").into_iter().map(|stored| stored.name).collect()
}

#[track_caller]
fn held<T, E: std::fmt::Debug>(answer: Result<T, E>, what: &str) -> T {
    answer.unwrap_or_else(|error| panic!("it could not be {what}: {error:?}"))
}

/// However a file is cut into pieces, it is read back as it was.
pub async fn a_file_is_read_back_as_it_was_written(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    for (number, length, piece) in [(1, 1, 1), (2, 70, 7), (3, 65_536, 65_536), (4, LARGE, 64_000)] {
        let bytes = bytes(length);
        put(store, name(number), &bytes, piece).await;
        let stored = held(store.metadata(name(number)).await, "looked up").map(|stored| (stored.name, stored.size));
        assert_eq!(stored, Some((name(number), length as u64)));
        assert!(part(store, name(number), 0, length).await.is_some_and(|read| read == bytes), "{length} bytes in pieces of {piece}");
    }
}

/// A range is exactly that part.
pub async fn a_range_is_exactly_that_part(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    let bytes = bytes(LARGE);
    put(store, name(1), &bytes, 1_000_000).await;
    for (from, to) in [(0, 1), (0, 10), (LARGE - 1, LARGE), (5_000_000, 6_000_001), (1, LARGE), (7, 7)] {
        let read = part(store, name(1), from, to).await;
        assert!(read.as_deref() == bytes.get(from..to), "bytes {from} to {to}");
    }
}

/// Nobody sees a file before it is finished.
pub async fn a_file_is_not_seen_before_it_is_finished(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    let mut writer = held(store.create(name(1)).await, "begun");
    held(writer.write(Bytes::from(bytes(LARGE))).await, "written");
    assert_eq!(held(store.metadata(name(1)).await, "looked up"), None);
    assert_eq!(part(store, name(1), 0, 1).await, None);
    assert_eq!(names(store, None, 10).await, []);
    held(writer.finish().await, "finished");
    assert_eq!(names(store, None, 10).await, [name(1)]);
}

/// A file that is given up leaves nothing.
pub async fn a_file_that_is_given_up_leaves_nothing(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    for (number, length) in [(1, 70), (2, LARGE)] {
        let mut writer = held(store.create(name(number)).await, "begun");
        held(writer.write(Bytes::from(bytes(length))).await, "written");
        drop(writer);
        assert_eq!(held(store.metadata(name(number)).await, "looked up"), None);
        assert_eq!(names(store, None, 10).await, []);
    }
    put(store, name(3), &bytes(70), 70).await;
    assert_eq!(names(store, None, 10).await, [name(3)]);
}

/// A missing file is no failure.
pub async fn a_missing_file_is_no_failure(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    assert_eq!(part(store, name(1), 0, 1).await, None);
    assert_eq!(held(store.metadata(name(1)).await, "looked up"), None);
    assert!(!held(store.remove(name(1)).await, "removed"));
    assert_eq!(names(store, None, 10).await, []);
}

/// A removed file is gone, and no other with it.
pub async fn a_removed_file_is_gone(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    for number in 1..=3 {
        put(store, name(number), &bytes(70), 70).await;
    }
    assert!(held(store.remove(name(2)).await, "removed"));
    assert!(!held(store.remove(name(2)).await, "removed"));
    assert_eq!(part(store, name(2), 0, 70).await, None);
    assert_eq!(names(store, None, 10).await, [name(1), name(3)]);
    assert_eq!(part(store, name(3), 0, 70).await, Some(bytes(70)));
}

/// Files are listed by their names, page by page without overlap, with their sizes.
pub async fn files_are_listed_by_name_and_page_without_overlap(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    for number in [9, 3, 7, 1, 5] {
        put(store, name(number), &bytes(usize::try_from(number).unwrap_or_default()), 70).await;
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = held(store.list(after, 2).await, "listed");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.name);
        seen.extend(page.iter().map(|stored| (stored.name, stored.size)));
    }
    assert_eq!(seen, [1, 3, 5, 7, 9].map(|number| (name(number), u64::try_from(number).unwrap_or_default())));
    assert_eq!(names(store, Some(name(4)), 10).await, [name(5), name(7), name(9)]);
}

/// Files that are written at once do not mix.
pub async fn files_that_are_written_at_once_do_not_mix(store: Arc<dyn MediaStore>) {
    let content = |number: u128| vec![u8::try_from(number).unwrap_or_default(); 300_000];
    let writers = (1..=8).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(store.as_ref(), name(number), &content(number), 10_000).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        held(writer.await, "written");
    }
    for number in 1..=8 {
        assert!(part(store.as_ref(), name(number), 0, 300_000).await == Some(content(number)), "file {number}");
    }
}

/// Sweeping up leaves what was finished, and what is being written when that began after the given moment.
pub async fn sweeping_leaves_what_is_finished_or_new(store: Arc<dyn MediaStore>) {
    let store = store.as_ref();
    put(store, name(1), &bytes(70), 70).await;
    let mut writer = held(store.create(name(2)).await, "begun");
    held(writer.write(Bytes::from(bytes(LARGE))).await, "written");
    held(store.sweep(Timestamp::from_millis(1_000)).await, "swept");
    held(writer.finish().await, "finished");
    held(store.sweep(Timestamp::MAX).await, "swept");
    assert_eq!(names(store, None, 10).await, [name(1), name(2)]);
    assert_eq!(part(store, name(2), 0, LARGE).await.map(|read| read.len()), Some(LARGE));
}

/// Makes a test of every promise, each with an empty store of its own. `$make` is an async function without arguments that
/// gives `Option<(Arc<dyn MediaStore>, guard)>`; the guard lives as long as the test. Without a store nothing is held; whoever
/// has none says so.
#[macro_export]
macro_rules! media_contract {
    ($make:ident) => {
        $crate::media_contract!(@ $make;
            a_file_is_read_back_as_it_was_written,
            a_range_is_exactly_that_part,
            a_file_is_not_seen_before_it_is_finished,
            a_file_that_is_given_up_leaves_nothing,
            a_missing_file_is_no_failure,
            a_removed_file_is_gone,
            files_are_listed_by_name_and_page_without_overlap,
            files_that_are_written_at_once_do_not_mix,
            sweeping_leaves_what_is_finished_or_new
        );
    };
    (@ $make:ident; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let Some((store, _guard)) = $make().await else { return };
                $crate::media::$promise(store).await;
            }
        )+
    };
}
