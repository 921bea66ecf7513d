//! Every bound of the API in one place; `docs/api-design.md` has the same table for clients.

use std::ops::RangeInclusive;
use std::time::Duration;

use auth::RateLimits;
use core_types::Tenant;

/// How often a client may ask, unless set otherwise.
pub(crate) const RATES: RateLimits = RateLimits { api: 1_000, uploads: 100, window: Duration::from_mins(1) };

/// The most bytes of a JSON body, unless set otherwise: elizaOS's 2 MB.
pub(crate) const BODY_BYTES: usize = 2 * 1024 * 1024;
/// A body must have arrived within this time.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// A request's head must have arrived within this time.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// A websocket that is to take over from polls must have done so within this time.
pub(crate) const UPGRADE_TIME: Duration = Duration::from_secs(10);
/// How long a connection without a request is kept.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(15);
/// A connection whose peer takes nothing of what is sent for so long is given up.
pub(crate) const UNREAD_TIME: Duration = Duration::from_mins(1);
/// The most bytes of large answers that clients have not taken yet, all together.
pub(crate) const UNREAD_BYTES: usize = 256 * 1024 * 1024;
/// How many bytes the system takes for a connection that it cannot send yet.
#[cfg(target_os = "linux")]
pub(crate) const UNSENT_BYTES: u32 = 128 * 1024;
/// How many bytes of a connection are read at once in search of the end of a request's head. What comes behind that waits, and its sender
/// with it.
pub(crate) const AHEAD_BYTES: usize = 2 * 1024;
/// How long a connection is still read after an answer that ends it, so that the answer is not lost.
pub(crate) const PARTING_TIME: Duration = Duration::from_secs(1);
/// How many connections one worker holds, unless set otherwise.
pub(crate) const CONNECTIONS: usize = 10_000;
/// How many requests of one caller are worked on at once, and how many more may wait for that.
pub(crate) const CALLER_AT_ONCE: usize = 64;
pub(crate) const CALLER_WAITING: usize = 256;
/// A JSON body of more bytes is a large one: it is many times its size once it is parsed, and takes long to be stored.
pub(crate) const LARGE_BODY_BYTES: usize = 32 * 1024;
/// The most values of a JSON body: what is more costs far longer to be read than it takes to be sent.
pub(crate) const BODY_VALUES: usize = core_types::json::MAX_VALUES;
/// JSON of more bytes is read beside the workers, which others would wait for meanwhile. What is smaller has no more values than it may.
pub(crate) const READ_AT_ONCE_BYTES: usize = 2 * BODY_VALUES;
/// How many requests of one caller with a large body are worked on at once; its others wait.
pub(crate) const CALLER_LARGE_BODIES: usize = 4;
/// How often it is asked whether what a caller showed counts still, while a stream is open.
pub(crate) const CREDENTIAL_CHECK: Duration = Duration::from_secs(5);
/// How long a graceful stop waits for running requests, unless set otherwise.
pub(crate) const SHUTDOWN_TIME: Duration = Duration::from_secs(20);

/// The most bytes of written pages of messages that are kept, and of one of them.
pub(crate) const PAGES_BYTES: u64 = 4 * 1024 * 1024;
pub(crate) const KEPT_PAGE_BYTES: usize = 256 * 1024;

/// The page of a list where the caller names no limit.
pub(crate) const PAGE: u32 = 50;
/// The most entries of a page; a larger limit is clamped to it.
pub(crate) const MAX_PAGE: u32 = 1_000;
/// The most entries of a list that has no pages in elizaOS (agents, servers, channels, worlds, ...).
pub(crate) const LIST: u32 = 10_000;
/// The page of runs where the caller names no limit, and the most entries of one.
pub(crate) const RUN_PAGE: u32 = 20;
pub(crate) const MAX_RUN_PAGE: u32 = 100;
/// The page of a log where the caller names no limit.
pub(crate) const LOG_PAGE: u32 = 10;
/// The page of the server's log where the caller names no limit, and how far back it begins where it does not say.
pub(crate) const SERVER_LOG_PAGE: u32 = 100;
pub(crate) const SERVER_LOG_TIME: i64 = 60 * 60 * 1_000;
/// How many kinds of log lines a request may leave out.
pub(crate) const EXCLUDED_TYPES: usize = 50;

/// The most characters (Unicode scalar values) of a message's text.
pub(crate) const CONTENT_CHARS: usize = 100_000;
/// The most characters of a name, a kind, a source or an id at a source.
pub(crate) const NAME_CHARS: usize = core_types::messaging::NAME_CHARS;
/// The most characters of a channel's topic.
pub(crate) const TOPIC_CHARS: usize = 2_000;
/// The most channels that are synchronised at once.
pub(crate) const SYNCED_CHANNELS: usize = 1_000;
/// The most messages of another platform that are taken in at once.
pub(crate) const INGESTED: usize = 100;
/// The most lines that a client may add to the server's log at once, and the most characters of one.
pub(crate) const TOLD_LINES: usize = 100;
pub(crate) const TOLD_CHARS: usize = 2_000;
/// The most words of a search.
pub(crate) const SEARCH_WORDS: usize = 32;
/// The page of an agent's memories of a room where the caller names no limit.
pub(crate) const ROOM_MEMORIES: u32 = 20;
/// How many memories a search finds where the caller names no limit, and at most.
pub(crate) const FOUND_MEMORIES: u32 = 10;
pub(crate) const MAX_FOUND_MEMORIES: u32 = 100;
/// The most characters of a text that memories are searched for.
pub(crate) const QUERY_CHARS: usize = 8_192;
/// The most conditions on the metadata of memories, and the most characters of a key of theirs.
pub(crate) const METADATA_CONDITIONS: usize = 16;
pub(crate) const METADATA_KEY_CHARS: usize = 64;
/// The page of documents where the caller names no limit, and the most of one.
pub(crate) const DOCUMENTS: u32 = 20;
pub(crate) const MAX_DOCUMENTS: u32 = 100;
/// How many documents may be uploaded at once: each is in memory while it is read.
pub(crate) const DOCUMENT_UPLOADS: usize = 4;
/// How many of them one caller uploads at once; its others wait.
pub(crate) const CALLER_DOCUMENT_UPLOADS: usize = 1;
/// The most characters of a document's title.
pub(crate) const TITLE_CHARS: usize = 512;
/// The most characters of a message in a session, and of metadata as JSON, of a session or of a message in one.
pub(crate) const SESSION_CONTENT_CHARS: usize = 4_000;
pub(crate) const SESSION_METADATA_CHARS: usize = 10_240;
/// The most messages of a session in one page.
pub(crate) const MAX_SESSION_MESSAGES: u32 = 100;
/// The most characters of a question of a job, and of its metadata as JSON.
pub(crate) const JOB_CONTENT_CHARS: usize = 50_000;
pub(crate) const JOB_METADATA_CHARS: usize = 10_000;
/// How many milliseconds the answer of a job may be waited for, and how many where the caller does not say.
pub(crate) const JOB_MILLIS: RangeInclusive<u64> = 1_000..=300_000;
pub(crate) const JOB_MILLIS_USUAL: u64 = 30_000;
/// The most jobs in one page.
pub(crate) const MAX_JOB_PAGE: u32 = 100;
/// How many characters of what cannot be read an error shows.
pub(crate) const SHOWN_CHARS: usize = 64;
/// The most agents of a group.
pub(crate) const GROUP_AGENTS: usize = 1_000;
/// The page of attested log lines where the caller names no size.
pub(crate) const ATTESTED_LOGS: u32 = 10;
/// The most characters of a text that they must have in them.
pub(crate) const CONTAINED_CHARS: usize = 1_024;
/// The most characters of a nonce, and of report data: 64 bytes in hexadecimal digits.
pub(crate) const NONCE_CHARS: usize = 128;
/// The most characters of an `Idempotency-Key`.
pub(crate) const IDEMPOTENCY_KEY_CHARS: usize = 255;

/// The most bytes of an uploaded file, unless set otherwise: elizaOS's 50 MiB.
pub(crate) const UPLOAD_BYTES: u64 = 50 * 1024 * 1024;
/// What the form around a file may add to it.
pub(crate) const UPLOAD_OVERHEAD: u64 = 64 * 1024;
/// The most fields of a form beside its file, and the most bytes of one.
pub(crate) const UPLOAD_FIELDS: usize = 16;
pub(crate) const UPLOAD_FIELD_BYTES: usize = 1_024;
/// An upload must have arrived within this time, and may never be silent for longer than `BODY_TIME`.
pub(crate) const UPLOAD_TIME: Duration = Duration::from_mins(30);

/// The most characters of a text that is to be said.
pub(crate) const SPOKEN_CHARS: usize = core_types::speech::MAX_SPOKEN;

/// A stream that has nothing to say sends a comment this often, so that a reader that left is noticed.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a reader of events should wait before it connects again, in milliseconds.
pub(crate) const RETRY_MILLIS: u32 = 2_000;

/// How many sockets may be open at once, and how many of them may have shown no key yet, where there are connections enough.
const SOCKETS: usize = 10_000;
const UNKNOWN_SOCKETS: usize = 1_000;
/// How many frames, and how many bytes of them, may wait for one client before it is cut off.
pub(crate) const SOCKET_FRAMES: usize = 2_048;
pub(crate) const SOCKET_BYTES: usize = 4 * 1024 * 1024;
/// What a frame that waits takes beside its bytes, about.
pub(crate) const SOCKET_FRAME_BYTES: usize = 128;
/// How much of that may wait for any client. What is more is counted, and of those who have shown no key there is no more.
pub(crate) const SOCKET_FREE_BYTES: usize = 64 * 1024;
/// The most bytes of what is counted, all together. What is for many is counted once.
pub(crate) const OUTGOING_BYTES: usize = 256 * 1024 * 1024;
/// How many packets of one client may wait until they are looked at, and how many bytes of them; its transport is not read before. One
/// that is larger waits alone.
pub(crate) const SOCKET_INPUTS: usize = 16;
pub(crate) const SOCKET_INPUT_BYTES: usize = SMALL_MESSAGE_BYTES;
/// How many channels one socket may hear at once.
pub(crate) const SOCKET_CHANNELS: usize = 1_000;
/// The most bytes of one message of a websocket, and of one payload of a poll.
pub(crate) const SOCKET_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// The same before the client has shown a key. What is larger of those who have is counted until it is looked at.
pub(crate) const SMALL_MESSAGE_BYTES: usize = 64 * 1024;
/// The most bytes of what is counted, all together.
pub(crate) const INCOMING_BYTES: usize = 64 * 1024 * 1024;
/// A connection is given more to send to a client while no more than so many bytes have not left for the system yet.
pub(crate) const LEAVING_BYTES: usize = 64 * 1024;
/// Whoever is told what it missed is told the next while what waits for it takes no more than so many bytes: so hardly any of it is counted.
pub(crate) const CATCH_UP_BYTES: usize = SOCKET_FREE_BYTES - 16 * 1024;
/// Whoever takes nothing of that for so long is cut off.
pub(crate) const CATCH_UP_TIME: Duration = Duration::from_secs(30);
/// How many may be told what they missed at once, how long each before it is another's turn, and after how long those who wait are cut off.
pub(crate) const CATCH_UPS: usize = 256;
pub(crate) const CATCH_UP_TURN: Duration = Duration::from_secs(1);
pub(crate) const CATCH_UP_WAIT: Duration = Duration::from_mins(1);
/// The most packets of one payload that a client posts.
pub(crate) const SOCKET_PACKETS: usize = 256;
/// The most bytes of one payload that a poll is answered with, as the greeting says.
pub(crate) const POLL_BYTES: usize = 1_000_000;
/// How many channels are heard by sockets at once.
pub(crate) const ROOMS: usize = 20_000;
/// How many replies in the making a room remembers.
pub(crate) const ROOM_REPLIES: usize = 256;
/// How long a room waits until it reads on after the database could not be read.
pub(crate) const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// How many of so many connections may be taken before an address has no more than its share.
pub(crate) const fn unshared_connections(connections: usize) -> usize {
    connections / 2
}

/// How many of so many connections may be taken before those who show no key keep theirs no longer than for an answer.
pub(crate) const fn kept_connections(connections: usize) -> usize {
    connections - connections / 4
}

/// How many event streams may be open at once, of which each keeps one of so many connections. What these and sockets leave, an eighth, is
/// for everything else.
pub(crate) const fn streams(connections: usize) -> usize {
    connections.div_ceil(4)
}

/// How many sockets may be open at once, where there are so many connections.
pub(crate) fn sockets(connections: usize) -> usize {
    SOCKETS.min(connections.div_ceil(8) * 5)
}

/// How many of so many sockets may have shown no key yet.
pub(crate) fn unknown_sockets(sockets: usize) -> usize {
    UNKNOWN_SOCKETS.min(Tenant::part_of(sockets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_connections_are_for_neither_streams_nor_sockets() {
        for (connections, expected) in [(1_020, (255, 640, 160)), (9_872, (2_468, 6_170, 1_000)), (20_000, (5_000, 10_000, 1_000))] {
            let (streams, sockets) = (streams(connections), sockets(connections));
            assert_eq!((streams, sockets, unknown_sockets(sockets)), expected);
            assert!(connections - streams - sockets >= connections / 9);
        }
        assert!(streams(1) > 0 && sockets(1) > 0 && unknown_sockets(sockets(1)) > 0);
    }
}
