//! Pages of messages as they were written last. Clients ask for the newest page of their channel again and again, and in
//! between nothing has happened there: then the version of the channel is all that is read.

use actix_web::web::Bytes;
use core_types::messaging::ChannelVersion;
use core_types::{ChannelId, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::limits;

/// Which page: so many messages of a channel older than a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PageOf {
    pub(crate) channel: ChannelId,
    pub(crate) before: Option<Timestamp>,
    pub(crate) limit: u32,
}

/// A page as it is answered.
#[derive(Clone)]
pub(crate) struct Page {
    /// The version of the channel that it shows.
    pub(crate) version: ChannelVersion,
    /// The body of the answer.
    pub(crate) body: Bytes,
}

/// The pages that are kept: together at most [`limits::PAGES_BYTES`]. Whoever may read a channel reads the same page; who
/// may is asked before each answer.
pub(crate) struct Pages(Cache<PageOf, Page, Size>);

impl Pages {
    /// None yet.
    pub(crate) fn new() -> Self {
        // So few are kept in one part; several would share the bytes, and the largest pages fit into none of them.
        Self(Cache::with_weighter(32, limits::PAGES_BYTES, Size))
    }

    /// The page as it was written last.
    pub(crate) fn get(&self, place: &PageOf) -> Option<Page> {
        self.0.get(place)
    }

    /// Keeps a page instead of that before it. One that would push too many others out is not kept.
    pub(crate) fn keep(&self, place: PageOf, page: Page) {
        if page.body.len() <= limits::KEPT_PAGE_BYTES {
            self.0.insert(place, page);
        } else {
            self.0.remove(&place);
        }
    }
}

/// Bytes.
#[derive(Clone)]
struct Size;

impl Size {
    /// What an entry costs besides its body.
    const OF_ENTRY: u64 = 256;
}

impl Weighter<PageOf, Page> for Size {
    fn weight(&self, _: &PageOf, page: &Page) -> u64 {
        Self::OF_ENTRY + u64::try_from(page.body.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: i64) -> PageOf {
        let channel = "00000000-0000-0000-0000-0000000000c1".parse().unwrap();
        PageOf { channel, before: Some(Timestamp::from_millis(number)), limit: 50 }
    }

    fn page(seq: i64, bytes: usize) -> Page {
        let version = ChannelVersion { seq, last_message_at: Timestamp::from_millis(0), created_at: Timestamp::from_millis(0) };
        Page { version, body: vec![b' '; bytes].into() }
    }

    #[test]
    fn the_last_page_is_kept_within_bounds() {
        let pages = Pages::new();
        for seq in 1..3 {
            pages.keep(place(0), page(seq, 10));
            assert_eq!(pages.get(&place(0)).map(|kept| kept.version.seq), Some(seq));
        }
        assert!(pages.get(&PageOf { limit: 49, ..place(0) }).is_none());
        pages.keep(place(0), page(3, limits::KEPT_PAGE_BYTES + 1));
        assert!(pages.get(&place(0)).is_none(), "a page before the last is of no use");
        for number in 0..100 {
            pages.keep(place(number), page(1, limits::KEPT_PAGE_BYTES));
        }
        assert!(pages.0.weight() <= limits::PAGES_BYTES);
        assert!(pages.get(&place(99)).is_some());
    }
}
