//! Promises about what is known of files.

use core_types::media::{MediaAdded, MediaFile, MediaPlace, MediaType};
use core_types::messaging::IdempotencyKey;
use core_types::{ChannelId, MediaId};
use uuid::Uuid;

use super::Stores;
use super::scene::{Sure, agent, agent_id, at};

const NOBODY: ChannelId = ChannelId::new(Uuid::from_u128(0x9999));

fn file(number: u128, place: MediaPlace, created_at: i64) -> MediaFile {
    MediaFile {
        id: MediaId::from_bits(u128::MAX - number),
        place,
        media_type: MediaType::Png,
        original_name: "Bücher & \"Bilder\".png".to_owned(),
        size: 50 * 1024 * 1024,
        sha256: [u8::try_from(number).sure(); 32],
        created_at: at(created_at),
    }
}

/// Every kind of place and every type comes back; what was removed is not known.
pub async fn a_file_is_known_as_it_was_stored_until_it_is_removed(stores: Stores) {
    let places = [MediaPlace::Agent(agent_id(1)), MediaPlace::Channel(NOBODY), MediaPlace::Generated(agent_id(1))];
    let mut all = Vec::new();
    for (number, media_type) in (0..).zip(MediaType::ALL) {
        let place = *places.iter().cycle().nth(usize::try_from(number).sure()).sure();
        let file = MediaFile { media_type: *media_type, ..file(number, place, 5) };
        stores.media.add(file.clone()).await.sure();
        assert_eq!(stores.media.find(file.id).await.sure(), Some(file.clone()));
        all.push(file);
    }
    let [first, second, ..] = all.as_slice() else { panic!("there are several types") };
    assert!(stores.media.remove(first.id).await.sure());
    assert!(!stores.media.remove(first.id).await.sure());
    assert_eq!(stores.media.find(first.id).await.sure(), None);
    assert_eq!(stores.media.find(second.id).await.sure().as_ref(), Some(second));
    let asked = vec![first.id, second.id, MediaId::from_bits(77)];
    assert_eq!(stores.media.known(asked).await.sure(), [second.id]);
    assert_eq!(stores.media.known(Vec::new()).await.sure(), []);
}

/// A file whose id is taken is refused, and what is there stays.
pub async fn a_taken_file_id_is_refused(stores: Stores) {
    let first = file(1, MediaPlace::Channel(NOBODY), 5);
    stores.media.add(first.clone()).await.sure();
    assert!(stores.media.add(MediaFile { size: 1, ..first.clone() }).await.is_err());
    assert_eq!(stores.media.find(first.id).await.sure(), Some(first));
}

/// The same key names the first file, until that is forgotten; with another body it is refused.
pub async fn a_file_is_kept_once_under_its_key(stores: Stores) {
    let key = |body| IdempotencyKey { caller: "c".to_owned(), route: "r".to_owned(), key: "k".to_owned(), body_hash: [body; 32] };
    let [first, second, third] = [1, 2, 3].map(|number| file(number, MediaPlace::Channel(NOBODY), 5));
    assert_eq!(stores.media.add_once(first.clone(), key(1)).await.sure(), MediaAdded::New);
    assert_eq!(stores.media.add_once(second.clone(), key(1)).await.sure(), MediaAdded::Repeats(first.clone()));
    assert_eq!(stores.media.add_once(second.clone(), key(2)).await.sure(), MediaAdded::OtherBody);
    assert_eq!(stores.media.find(second.id).await.sure(), None);
    assert!(stores.media.remove(first.id).await.sure());
    assert_eq!(stores.media.add_once(third.clone(), key(1)).await.sure(), MediaAdded::New);
    assert_eq!(stores.media.add_once(second, key(1)).await.sure(), MediaAdded::Repeats(third));
}

/// Files whose agent or channel is not there are orphans once they are old, oldest first.
pub async fn files_without_their_agent_or_channel_are_orphans(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    let channel = stores.open_channel(1, &[]).await;
    for kept in [
        file(1, MediaPlace::Agent(agent_id(1)), 1),
        file(2, MediaPlace::Generated(agent_id(1)), 1),
        file(3, MediaPlace::Channel(channel), 1),
        // The owner's kind counts, not only its id.
        file(4, MediaPlace::Channel(NOBODY), 10),
    ] {
        stores.media.add(kept).await.sure();
    }
    let orphans = [
        file(5, MediaPlace::Channel(ChannelId::new(agent_id(1).uuid())), 2),
        file(6, MediaPlace::Agent(agent_id(9)), 3),
        file(7, MediaPlace::Generated(agent_id(9)), 4),
        file(8, MediaPlace::Channel(NOBODY), 9),
    ];
    for orphan in orphans.iter().rev() {
        stores.media.add(orphan.clone()).await.sure();
    }
    assert_eq!(stores.media.orphans(at(10), 100).await.sure(), orphans);
    assert_eq!(stores.media.orphans(at(10), 2).await.sure().as_slice(), orphans.get(..2).sure());
    assert_eq!(stores.media.orphans(at(2), 100).await.sure(), []);
}
