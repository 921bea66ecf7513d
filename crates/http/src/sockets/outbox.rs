//! What waits to be sent to one client: bounded, so that a client that does not read costs a bounded amount and is cut off.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use realtime::Frame;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::limits;

/// The frames that wait for one client. Rooms and the session's own task put in, the client's transport takes out.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Somebody put something in, or closed it.
    filled: Notify,
    /// Somebody took something out, or closed it.
    drained: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Since when nothing of them has been taken; `None` where there are none.
    untouched: Option<Instant>,
    end: Option<End>,
}

/// Why nothing more goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The session is over.
    Closed,
    /// The client did not read, and what waited for it was thrown away.
    Lagged,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.frames.len() >= limits::SOCKET_FRAMES || self.bytes >= limits::SOCKET_BYTES
    }

    /// Forgets what waits: it is not taken.
    fn lag(&mut self) {
        *self = Self { end: Some(End::Lagged), ..Self::default() };
    }
}

impl Outbox {
    /// Adds a frame; drops everything and ends where there is no room.
    pub(crate) fn push(&self, frame: Frame) {
        let mut waiting = self.waiting.lock();
        if waiting.end.is_some() {
            return;
        }
        if waiting.is_full() {
            waiting.lag();
            self.drained.notify_waiters();
        } else {
            waiting.untouched.get_or_insert_with(Instant::now);
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Lets nothing more in; what waits may still be taken.
    pub(crate) fn close(&self) {
        self.waiting.lock().end.get_or_insert(End::Closed);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Takes up to so many bytes of frames, at least one, in order; waits while there are none. Empty at the end.
    pub(crate) async fn take(&self, most_bytes: usize) -> Vec<Frame> {
        loop {
            // Enabled before looking, so that nothing falls between the two.
            let filled = self.filled.notified();
            if let Some(frames) = self.take_now(most_bytes) {
                return frames;
            }
            filled.await;
        }
    }

    /// The same without waiting; `None` where there is nothing yet.
    pub(crate) fn take_now(&self, most_bytes: usize) -> Option<Vec<Frame>> {
        let mut waiting = self.waiting.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(frame) = waiting.frames.front() {
            if !taken.is_empty() && bytes + frame.len() > most_bytes {
                break;
            }
            bytes += frame.len();
            taken.extend(waiting.frames.pop_front());
        }
        waiting.bytes -= bytes;
        if !taken.is_empty() {
            waiting.untouched = (!waiting.frames.is_empty()).then(Instant::now);
        }
        let ended = waiting.end.is_some();
        drop(waiting);
        if taken.is_empty() {
            return ended.then(Vec::new);
        }
        self.drained.notify_waiters();
        Some(taken)
    }

    /// Waits until no more than so many bytes wait, or until it is over: whoever has much to send does not push a client over the bound.
    /// A client that takes nothing of what waits for as long as `patience` is cut off, also where this was asked for again meanwhile.
    pub(crate) async fn room(&self, most_bytes: usize, patience: Duration) {
        loop {
            let drained = self.drained.notified();
            let untouched = {
                let waiting = self.waiting.lock();
                let roomy = waiting.frames.len() * 2 < limits::SOCKET_FRAMES && waiting.bytes <= most_bytes;
                if roomy || waiting.end.is_some() {
                    return;
                }
                waiting.untouched.unwrap_or_else(Instant::now)
            };
            if timeout_at(untouched + patience, drained).await.is_err() {
                return self.cut_off(untouched);
            }
        }
    }

    /// Ends as one whose client does not read, unless something was taken since then.
    fn cut_off(&self, untouched: Instant) {
        self.lag_if(|waiting| waiting.untouched == Some(untouched));
    }

    /// Ends as one whose client cannot be told what it is to hear.
    pub(crate) fn lag(&self) {
        self.lag_if(|_| true);
    }

    fn lag_if(&self, is_so: impl FnOnce(&Waiting) -> bool) {
        let mut waiting = self.waiting.lock();
        if waiting.end.is_some() || !is_so(&waiting) {
            return;
        }
        waiting.lag();
        drop(waiting);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits until nothing more goes in, and says why.
    pub(crate) async fn ended(&self) -> End {
        loop {
            let drained = self.drained.notified();
            if let Some(end) = self.end() {
                return end;
            }
            drained.await;
        }
    }

    /// Why nothing more goes in, if so.
    pub(crate) fn end(&self) -> Option<End> {
        self.waiting.lock().end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    #[tokio::test]
    async fn frames_come_out_in_order_and_within_the_bytes_asked_for() {
        let outbox = Outbox::default();
        for text in ["aaaa", "bb", "c"] {
            outbox.push(frame(text));
        }
        assert_eq!(outbox.take(2).await, [frame("aaaa")]);
        assert_eq!(outbox.take(3).await, [frame("bb"), frame("c")]);
        assert_eq!(outbox.take_now(3), None);
        outbox.push(frame("d"));
        outbox.close();
        outbox.push(frame("e"));
        assert_eq!(outbox.take(9).await, [frame("d")]);
        assert_eq!(outbox.take(9).await, []);
        assert_eq!(outbox.ended().await, End::Closed);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off_and_its_frames_are_forgotten() {
        let outbox = Outbox::default();
        for _ in 0..limits::SOCKET_FRAMES {
            outbox.push(frame("a"));
        }
        assert_eq!(outbox.end(), None);
        outbox.push(frame("one too many"));
        assert_eq!(outbox.ended().await, End::Lagged);
        assert_eq!(outbox.take(9).await, []);
    }

    #[tokio::test]
    async fn many_bytes_are_too_much_as_many_frames_are() {
        let outbox = Outbox::default();
        outbox.push(frame(&"a".repeat(limits::SOCKET_BYTES)));
        assert_eq!(outbox.end(), None);
        outbox.push(frame("a"));
        assert_eq!(outbox.end(), Some(End::Lagged));
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn who_has_much_to_send_waits_for_room() {
        let outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(frame("aaaa"));
        }
        outbox.room(12, PATIENCE).await;
        let mut room = Box::pin(outbox.room(4, PATIENCE));
        assert!(futures_util::poll!(&mut room).is_pending());
        outbox.take(4).await;
        assert!(futures_util::poll!(&mut room).is_pending());
        outbox.take(4).await;
        room.await;
        for _ in 0..limits::SOCKET_FRAMES / 2 {
            outbox.push(frame(""));
        }
        assert!(futures_util::poll!(Box::pin(outbox.room(4, PATIENCE))).is_pending(), "frames count as well");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_much_is_cut_off_however_often_it_is_asked() {
        let outbox = Outbox::default();
        outbox.push(frame("aaaa"));
        outbox.push(frame("aaaa"));
        let asked = async || tokio::time::timeout(PATIENCE * 2 / 3, outbox.room(2, PATIENCE)).await;
        assert!(asked().await.is_err());
        assert_eq!(outbox.take(1).await.len(), 1);
        assert!(asked().await.is_err(), "something was taken meanwhile");
        assert_eq!(outbox.end(), None);
        assert!(asked().await.is_ok());
        assert_eq!(outbox.end(), Some(End::Lagged));
        assert_eq!(outbox.take(1).await, []);
    }
}
