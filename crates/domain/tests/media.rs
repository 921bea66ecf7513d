//! Files: what is taken, what is given out, and what is collected.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use core_types::media::{MediaFile, MediaName, MediaPlace, MediaService, MediaType, UploadHead};
use core_types::messaging::ChannelService;
use core_types::{AgentId, Caller, ChannelId, InvalidCode, MediaId, ServiceError, Thing, Timestamp};
use doolittle_domain::{Collected, MediaLimits};
use serde_json::json;
use testkit::clock::SeqIds;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const HTML: &[u8] = b"<!DOCTYPE html><html><script>alert(1)</script></html>";
const NOBODY: MediaPlace = MediaPlace::Channel(ChannelId::new(SeqIds::nth(0x9999)));

/// Two days, in milliseconds.
const DAYS: i64 = 2 * 24 * 60 * 60 * 1_000;

async fn house() -> House {
    house_with(MediaLimits::default()).await
}

async fn house_with(media: MediaLimits) -> House {
    House::open(Plan { media, ..Plan::with(Arc::new(ScriptedProvider::saying("pong"))) }).await
}

fn agent() -> MediaPlace {
    MediaPlace::Agent(AgentId::of_name("Eliza"))
}

async fn content(house: &House, file: &MediaFile) -> Vec<u8> {
    let mut reader = house.media.read(file, 0..file.size).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// How many files the store has, finished or not.
async fn stored(house: &House) -> usize {
    let unfinished = std::fs::read_dir(house.directory().join("media/unfinished")).unwrap().count();
    house.files.list(None, 1_000).await.unwrap().len() + unfinished
}

#[tokio::test]
async fn a_file_is_named_by_what_it_is_and_kept_as_it_came() {
    let house = house().await;
    let text = "Grüße! ".repeat(10_000);
    for (declared, name, bytes, media_type, extension) in [
        (Some("image/png"), "pixel.png", PNG, MediaType::Png, "png"),
        (Some("image/jpeg"), "photo.html", PNG, MediaType::Png, "png"),
        (None, "", PNG, MediaType::Png, "png"),
        (Some("text/plain; charset=utf-8"), "x.html", HTML, MediaType::Text, "txt"),
        (Some("text/plain"), "letter.txt", text.as_bytes(), MediaType::Text, "txt"),
    ] {
        let file = house.upload(agent(), declared, name, bytes).await.unwrap();
        assert_eq!((file.media_type, file.original_name.as_str(), file.size), (media_type, name, bytes.len() as u64));
        assert!(file.url().ends_with(&format!(".{extension}")), "{}", file.url());
        assert_eq!(house.media.find(agent(), file.name()).await.unwrap(), file);
        assert!(content(&house, &file).await == bytes, "{name}");
    }
}

#[tokio::test]
async fn a_file_is_found_in_its_own_place_under_its_own_name_only() {
    let house = house().await;
    let file = house.upload(agent(), Some("image/png"), "pixel.png", PNG).await.unwrap();
    let elsewhere = [MediaPlace::Agent(AgentId::of_name("Other")), MediaPlace::Generated(AgentId::of_name("Eliza")), NOBODY];
    let other_name = MediaName::new(file.id, MediaType::Jpeg);
    for (place, name) in elsewhere.map(|place| (place, file.name())).into_iter().chain([(agent(), other_name)]) {
        let found = house.media.find(place, name).await;
        assert!(matches!(found, Err(ServiceError::NotFound(Thing::File))), "{place:?} {name}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_not_taken_leaves_nothing() {
    let house = house_with(MediaLimits { file_bytes: 5_000, ..MediaLimits::default() }).await;
    let long_html = [HTML, &vec![b' '; 4_900]].concat();
    let (fits, too_long) = (vec![b'x'; 5_000], vec![b'x'; 5_001]);
    let late_binary = [&vec![b'x'; 4_500][..], b"\0"].concat();
    for (declared, bytes) in [
        (Some("text/html"), HTML),
        (Some("image/svg+xml"), b"<svg/>"),
        (Some("application/x-msdownload"), b"MZ"),
        (Some("image/png"), HTML),
        (Some("image/png"), &long_html),
        (Some("text/plain"), PNG),
        (Some("text/plain"), &late_binary),
        (Some("text/plain"), "Grü".as_bytes().strip_suffix(b"\xbc").unwrap()),
        (None, b"\x7fELF\x02\x01\x01\0"),
    ] {
        let refused = house.upload(agent(), declared, "x", bytes).await;
        assert!(matches!(refused, Err(ServiceError::Unsupported { .. })), "{declared:?}: {refused:?}");
    }
    let empty = house.upload(agent(), Some("image/png"), "x", b"").await;
    assert!(matches!(empty, Err(ServiceError::Invalid { code: InvalidCode::Upload, .. })), "{empty:?}");
    let refused = house.upload(agent(), Some("text/plain"), "x", &too_long).await;
    assert!(matches!(refused, Err(ServiceError::TooLarge { limit: 5_000 })), "{refused:?}");
    house.upload(agent(), Some("text/plain"), "x", &fits).await.unwrap();
    // Whoever writes in another thread clears up there.
    for _ in 0..200 {
        if stored(&house).await == 1 {
            return;
        }
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
    panic!("{} files are left", stored(&house).await);
}

#[tokio::test]
async fn a_channel_must_exist_and_takes_no_paths_for_names() {
    let house = house().await;
    let channel = MediaPlace::Channel(house.channel("GROUP", &[person(1)], json!({})).await);
    house.upload(channel, Some("image/png"), "pixel.png", PNG).await.unwrap();
    let nowhere = house.upload(NOBODY, Some("image/png"), "pixel.png", PNG).await;
    assert!(matches!(nowhere, Err(ServiceError::NotFound(Thing::Channel))), "{nowhere:?}");
    for name in ["../evil.png", "..evil.png", "a/b.png"] {
        let refused = house.upload(channel, Some("image/png"), name, PNG).await;
        assert!(matches!(refused, Err(ServiceError::Invalid { code: InvalidCode::Upload, .. })), "{name}: {refused:?}");
        assert_eq!(house.upload(agent(), Some("image/png"), name, PNG).await.unwrap().original_name, name.rsplit('/').next().unwrap());
    }
}

#[tokio::test]
async fn only_so_many_files_are_taken_at_once() {
    let house = house_with(MediaLimits { uploads: 1, ..MediaLimits::default() }).await;
    let owner = Caller::owner();
    let first = house.media.begin(&owner, UploadHead::default()).await.unwrap();
    let second = house.media.begin(&owner, UploadHead::default()).await;
    assert!(matches!(second.err(), Some(ServiceError::Overloaded { .. })));
    drop(first);
    house.media.begin(&owner, UploadHead::default()).await.unwrap();
}

#[tokio::test]
async fn files_of_nobody_are_collected_after_a_day() {
    let house = house().await;
    let eliza = house.agent_named("Eliza").await;
    let (kept_channel, gone_channel) = (house.channel("GROUP", &[], json!({})).await, house.channel("GROUP", &[], json!({})).await);
    let places = [
        MediaPlace::Agent(eliza),
        MediaPlace::Channel(kept_channel),
        MediaPlace::Channel(gone_channel),
        MediaPlace::Agent(AgentId::of_name("Never made")),
    ];
    let mut files = Vec::new();
    for place in places {
        files.push(house.upload(place, Some("image/png"), "pixel.png", PNG).await.unwrap());
    }
    house.channels.remove(&Caller::owner(), gone_channel).await.unwrap();
    assert_eq!(house.collector().orphans().await.unwrap(), Collected::default());
    house.clock.advance(DAYS);
    assert_eq!(house.collector().orphans().await.unwrap(), Collected { orphans: 2, ..Collected::default() });
    let left: Vec<_> = house.files.list(None, 10).await.unwrap().into_iter().map(|stored| stored.name).collect();
    let mut expected = [files[0].name(), files[1].name()];
    expected.sort_unstable();
    assert_eq!(left, expected);
    for gone in &files[2..] {
        assert!(matches!(house.media.find(gone.place, gone.name()).await, Err(ServiceError::NotFound(Thing::File))));
    }
}

#[tokio::test]
async fn what_the_store_has_and_nobody_knows_is_collected_after_a_day() {
    let house = house().await;
    let file = house.upload(agent(), Some("image/png"), "pixel.png", PNG).await.unwrap();
    let stray = MediaName::new(MediaId::from_bits(u128::MAX), MediaType::Pdf);
    let mut writer = house.files.create(stray).await.unwrap();
    writer.write(PNG.into()).await.unwrap();
    writer.finish().await.unwrap();
    let unfinished = house.directory().join("media/unfinished/left-by-a-crash");
    std::fs::write(&unfinished, b"half").unwrap();
    // The house lives in 2023, and its disk today.
    assert_eq!(house.collector().strays().await.unwrap(), Collected::default());
    house.clock.advance(Timestamp::MAX.millis() / 2);
    assert_eq!(house.collector().strays().await.unwrap(), Collected { unknown: 1, unfinished: 1, orphans: 0 });
    assert_eq!(house.files.list(None, 10).await.unwrap().iter().map(|stored| stored.name).collect::<Vec<_>>(), [file.name()]);
    assert!(!unfinished.exists());
}
