//! What waits to be sent to one client: bounded, so that a client that does not read costs a bounded amount and is cut off.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::limits;
use crate::sockets::parcel::{Account, Parcel};

/// The frames that wait for one client. Rooms and the session's own task put in, the client's transport takes out.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Somebody put something in, or closed it.
    filled: Notify,
    /// Somebody took something out, or closed it.
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    /// Since when nothing of them has been taken; `None` where there are none.
    untouched: Option<Instant>,
    end: Option<End>,
    /// As whose more than a little of them is counted, once the client has shown who it is.
    account: Option<Account>,
}

/// Why nothing more goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The session is over.
    Closed,
    /// The client did not read, and what waited for it was thrown away.
    Lagged,
}

impl Queue {
    fn is_full(&self) -> bool {
        self.parcels.len() >= limits::SOCKET_FRAMES || self.bytes >= limits::SOCKET_BYTES
    }

    /// How many bytes of memory all of it takes, about.
    fn weight(&self) -> usize {
        self.bytes + self.parcels.len() * limits::SOCKET_FRAME_BYTES
    }

    /// Whether this may wait, too. Little may for any client, without being counted; more may while there is not too much in all.
    fn has_room_for(&self, parcel: &Parcel) -> bool {
        let is_little = self.weight() + parcel.weight() <= limits::SOCKET_FREE_BYTES;
        !self.is_full() && (is_little || self.account.as_ref().is_some_and(|account| parcel.count(account)))
    }

    /// Forgets what waits: it is not taken.
    fn lag(&mut self) {
        *self = Self { end: Some(End::Lagged), ..Self::default() };
    }
}

impl Outbox {
    /// Whose client it is, from now on.
    pub(crate) fn known(&self, account: Account) {
        let mut queue = self.queue.lock();
        if queue.end.is_none() {
            queue.account = Some(account);
        }
    }

    /// Adds a frame; drops everything and ends where there is no room.
    pub(crate) fn push(&self, parcel: impl Into<Parcel>) {
        let parcel = parcel.into();
        let mut queue = self.queue.lock();
        if queue.end.is_some() {
            return;
        }
        if queue.has_room_for(&parcel) {
            queue.untouched.get_or_insert_with(Instant::now);
            queue.bytes += parcel.len();
            queue.parcels.push_back(parcel);
        } else {
            queue.lag();
            self.drained.notify_waiters();
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Lets nothing more in; what waits may still be taken.
    pub(crate) fn close(&self) {
        self.queue.lock().end.get_or_insert(End::Closed);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Takes up to so many bytes of frames, at least one, in order; waits while there are none. Empty at the end.
    pub(crate) async fn take(&self, most_bytes: usize) -> Vec<Parcel> {
        loop {
            // Enabled before looking, so that nothing falls between the two.
            let filled = self.filled.notified();
            if let Some(parcels) = self.take_now(most_bytes) {
                return parcels;
            }
            filled.await;
        }
    }

    /// The same without waiting; `None` where there is nothing yet.
    pub(crate) fn take_now(&self, most_bytes: usize) -> Option<Vec<Parcel>> {
        let mut queue = self.queue.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(parcel) = queue.parcels.front() {
            if !taken.is_empty() && bytes + parcel.len() > most_bytes {
                break;
            }
            bytes += parcel.len();
            taken.extend(queue.parcels.pop_front());
        }
        queue.bytes -= bytes;
        if !taken.is_empty() {
            queue.untouched = (!queue.parcels.is_empty()).then(Instant::now);
        }
        let ended = queue.end.is_some();
        drop(queue);
        if taken.is_empty() {
            return ended.then(Vec::new);
        }
        self.drained.notify_waiters();
        Some(taken)
    }

    /// Waits until what waits takes no more than so many bytes, or until it is over: whoever has much to send does not push a client over the bound.
    /// A client that takes nothing of what waits for as long as `patience` is cut off, also where this was asked for again meanwhile.
    pub(crate) async fn room(&self, most: usize, patience: Duration) {
        loop {
            let drained = self.drained.notified();
            let untouched = {
                let queue = self.queue.lock();
                if queue.weight() <= most || queue.end.is_some() {
                    return;
                }
                queue.untouched.unwrap_or_else(Instant::now)
            };
            if timeout_at(untouched + patience, drained).await.is_err() {
                self.cut_off(untouched);
            }
        }
    }

    /// Notes that the client takes a part of what was taken out for it: that of large frames leaves piece by piece.
    pub(crate) fn touch(&self) {
        if let Some(untouched) = &mut self.queue.lock().untouched {
            *untouched = Instant::now();
        }
    }

    /// Ends as one whose client does not read, unless something was taken since then.
    fn cut_off(&self, untouched: Instant) {
        self.lag_if(|queue| queue.untouched == Some(untouched));
    }

    /// Ends as one whose client cannot be told what it is to hear.
    pub(crate) fn lag(&self) {
        self.lag_if(|_| true);
    }

    fn lag_if(&self, is_so: impl FnOnce(&Queue) -> bool) {
        let mut queue = self.queue.lock();
        if queue.end.is_some() || !is_so(&queue) {
            return;
        }
        queue.lag();
        drop(queue);
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
        self.queue.lock().end
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use core_types::{Caller, Credential, Permission, Reach, Tenant};
    use realtime::Frame;

    use super::*;
    use crate::holdings::Stock;

    fn frame(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    fn frames(parcels: &[Parcel]) -> Vec<Frame> {
        parcels.iter().map(|parcel| parcel.frame().clone()).collect()
    }

    /// What waits for a client of this caller, counted among this.
    fn outbox_of(caller: &Caller, stock: &Arc<Stock>) -> Outbox {
        let outbox = Outbox::default();
        outbox.known(Account::new(stock, caller));
        outbox
    }

    /// What waits for a client of the owner.
    fn owners() -> Outbox {
        outbox_of(&Caller::owner(), &Stock::new(limits::OUTGOING_BYTES))
    }

    fn tenant(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
    }

    #[tokio::test]
    async fn frames_come_out_in_order_and_within_the_bytes_asked_for() {
        let outbox = Outbox::default();
        for text in ["aaaa", "bb", "c"] {
            outbox.push(frame(text));
        }
        assert_eq!(frames(&outbox.take(2).await), [frame("aaaa")]);
        assert_eq!(frames(&outbox.take(3).await), [frame("bb"), frame("c")]);
        assert!(outbox.take_now(3).is_none());
        outbox.push(frame("d"));
        outbox.close();
        outbox.push(frame("e"));
        assert_eq!(frames(&outbox.take(9).await), [frame("d")]);
        assert!(outbox.take(9).await.is_empty());
        assert_eq!(outbox.ended().await, End::Closed);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off_and_its_frames_are_forgotten() {
        let outbox = owners();
        for _ in 0..limits::SOCKET_FRAMES {
            outbox.push(frame("a"));
        }
        assert_eq!(outbox.end(), None);
        outbox.push(frame("one too many"));
        assert_eq!(outbox.ended().await, End::Lagged);
        assert!(outbox.take(9).await.is_empty());
    }

    #[tokio::test]
    async fn many_bytes_are_too_much_as_many_frames_are() {
        let outbox = owners();
        outbox.push(frame(&"a".repeat(limits::SOCKET_BYTES)));
        assert_eq!(outbox.end(), None);
        outbox.push(frame("a"));
        assert_eq!(outbox.end(), Some(End::Lagged));
    }

    /// As much as waits for any client.
    fn free() -> Frame {
        frame(&"a".repeat(limits::SOCKET_FREE_BYTES - limits::SOCKET_FRAME_BYTES))
    }

    #[tokio::test]
    async fn what_is_more_than_a_little_is_counted_until_it_is_taken() {
        let stock = Stock::new(4 * (1_000 + limits::SOCKET_FRAME_BYTES));
        let (one, another) = (outbox_of(&tenant("one"), &stock), outbox_of(&tenant("one"), &stock));
        let large = || Parcel::from(frame(&"b".repeat(1_000)));
        for outbox in [&one, &another] {
            outbox.push(free());
            assert!(!stock.is_used_up(Tenant::new("one").as_ref()));
        }
        one.push(large());
        assert!(stock.is_used_up(Tenant::new("one").as_ref()));
        let others = outbox_of(&tenant("other"), &stock);
        others.push(free());
        others.push(large());
        assert_eq!((one.end(), others.end()), (None, None));
        another.push(large());
        assert_eq!(another.end(), Some(End::Lagged), "the tenant has its share");
        let taken = one.take(usize::MAX).await;
        assert_eq!(taken.len(), 2);
        assert!(stock.is_used_up(Tenant::new("one").as_ref()), "it is being sent");
        drop(taken);
        one.push(free());
        one.push(large());
        assert_eq!(one.end(), None);
        // Whoever is cut off keeps nothing.
        one.lag();
        assert!(!stock.is_used_up(Tenant::new("one").as_ref()));
    }

    #[tokio::test]
    async fn what_is_for_many_is_counted_once() {
        let stock = Stock::new(4 * (1_000 + limits::SOCKET_FRAME_BYTES));
        let outboxes: Vec<_> = (0..10).map(|_| outbox_of(&tenant("one"), &stock)).collect();
        let large = Parcel::from(frame(&"b".repeat(1_000)));
        for outbox in &outboxes {
            outbox.push(free());
            outbox.push(large.clone());
        }
        drop(large);
        assert!(outboxes.iter().all(|outbox| outbox.end().is_none()));
        for outbox in outboxes {
            assert!(stock.is_used_up(Tenant::new("one").as_ref()));
            drop(outbox.take(usize::MAX).await);
        }
        assert!(!stock.is_used_up(Tenant::new("one").as_ref()));
    }

    #[tokio::test]
    async fn of_who_has_shown_no_key_little_waits() {
        let outbox = Outbox::default();
        outbox.push(free());
        assert_eq!(outbox.end(), None);
        outbox.push(frame("a"));
        assert_eq!(outbox.end(), Some(End::Lagged));
        let outbox = Outbox::default();
        for _ in 0..=limits::SOCKET_FREE_BYTES / limits::SOCKET_FRAME_BYTES {
            outbox.push(frame(""));
        }
        assert_eq!(outbox.end(), Some(End::Lagged), "frames count as well");
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn who_has_much_to_send_waits_for_room() {
        let outbox = owners();
        for _ in 0..3 {
            outbox.push(frame("aaaa"));
        }
        let one = 4 + limits::SOCKET_FRAME_BYTES;
        outbox.room(3 * one, PATIENCE).await;
        let mut room = Box::pin(outbox.room(one, PATIENCE));
        assert!(futures_util::poll!(&mut room).is_pending());
        outbox.take(4).await;
        assert!(futures_util::poll!(&mut room).is_pending());
        outbox.take(4).await;
        room.await;
        outbox.push(frame(""));
        assert!(futures_util::poll!(Box::pin(outbox.room(one, PATIENCE))).is_pending(), "frames count as well");
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
        assert!(outbox.take(1).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_large_frame_by_and_by_is_not_cut_off() {
        let outbox = owners();
        outbox.push(frame("aaaa"));
        let mut room = Box::pin(outbox.room(1, PATIENCE));
        for _ in 0..5 {
            assert!(tokio::time::timeout(PATIENCE / 2, &mut room).await.is_err());
            outbox.touch();
        }
        assert_eq!(outbox.end(), None);
        room.await;
        assert_eq!(outbox.end(), Some(End::Lagged));
    }
}
