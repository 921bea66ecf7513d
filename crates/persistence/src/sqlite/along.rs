//! Claims along with the transactions that make deliveries due, so that a message costs no commit to be claimed.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use core_types::deliveries::{Claimed, DeliveryWorker};
use core_types::error::chain;
use diesel::Connection;
use parking_lot::Mutex;

use super::columns::Id;
use super::{Conn, claims};

thread_local! {
    /// What fell due with the present transaction of this thread, the writer's.
    static FELL_DUE: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// Notes that this delivery is made by the present transaction and falls due with it.
pub(super) fn falls_due(delivery: Id) {
    FELL_DUE.with_borrow_mut(|fell_due| fell_due.push(delivery));
}

/// Forgets what a transaction noted that was undone.
pub(super) fn forget() {
    FELL_DUE.with_borrow_mut(Vec::clear);
}

/// For whom deliveries are claimed along.
#[derive(Default)]
pub(super) struct Attendance(Mutex<Option<Weak<dyn DeliveryWorker>>>);

impl Attendance {
    /// From now on for this one.
    pub(super) fn give(&self, worker: Weak<dyn DeliveryWorker>) {
        *self.0.lock() = Some(worker);
    }

    /// Claims at the end of a transaction, where a delivery fell due in it. A claim that fails costs the transaction nothing.
    pub(super) fn claim(&self, conn: &mut Conn) -> Option<Handover> {
        let made = FELL_DUE.take();
        if made.is_empty() {
            return None;
        }
        let worker = self.0.lock().as_ref().and_then(Weak::upgrade)?;
        let wanted = worker.wants();
        let mut handover = Handover { worker, claimed: None, is_committed: false };
        match wanted.map(|request| conn.transaction(|conn| claims::claim(conn, request))) {
            Some(Ok((mut claimed, orphans))) => {
                for claimed in &mut claimed {
                    claimed.is_new = made.contains(&claimed.delivery.id.into());
                }
                if !orphans.is_empty() {
                    log::warn!("{} deliveries wait for their leases to run out, because their messages are gone", orphans.len());
                }
                handover.claimed = Some(claimed);
            }
            Some(Err(fault)) => log::warn!("what fell due is claimed later: {}", chain(&fault)),
            None => {}
        }
        Some(handover)
    }
}

/// What was claimed along, on its way to the worker, who is told when this is dropped, whatever has become of the transaction.
pub(super) struct Handover {
    worker: Arc<dyn DeliveryWorker>,
    claimed: Option<Vec<Claimed>>,
    is_committed: bool,
}

impl Handover {
    /// Hands over what is committed now.
    pub(super) fn committed(mut self) {
        self.is_committed = true;
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        Arc::clone(&self.worker).take_over(self.claimed.take().filter(|_| self.is_committed));
    }
}
