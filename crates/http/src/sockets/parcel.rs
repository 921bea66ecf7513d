//! What is on its way to clients: one for all for whom it waits, and counted once, however many those are.

use std::fmt;
use std::sync::{Arc, OnceLock};

use core_types::{Caller, Tenant};
use realtime::Frame;

use crate::holdings::{Part, Stock};
use crate::limits;

/// A frame on its way.
#[derive(Clone)]
pub(crate) struct Parcel(Arc<Sealed>);

struct Sealed {
    frame: Frame,
    /// What it takes of all that may wait, once it is counted: until nobody has it any more.
    part: OnceLock<Part>,
}

/// Among what that is counted that waits for a client, and as whose.
pub(crate) struct Account {
    stock: Arc<Stock>,
    tenant: Option<Tenant>,
}

impl Account {
    /// This caller's.
    pub(crate) fn new(stock: &Arc<Stock>, caller: &Caller) -> Self {
        Self { stock: Arc::clone(stock), tenant: caller.makes_for() }
    }
}

impl From<Frame> for Parcel {
    fn from(frame: Frame) -> Self {
        Self(Arc::new(Sealed { frame, part: OnceLock::new() }))
    }
}

impl fmt::Debug for Parcel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.frame(), formatter)
    }
}

impl Parcel {
    pub(crate) fn frame(&self) -> &Frame {
        &self.0.frame
    }

    /// How many bytes there are to be sent.
    pub(crate) fn len(&self) -> usize {
        self.0.frame.len()
    }

    /// How many bytes of memory it takes, about.
    pub(crate) fn weight(&self) -> usize {
        self.len() + limits::SOCKET_FRAME_BYTES
    }

    /// Counts it, if it is not counted yet. Says whether it is now.
    #[must_use]
    pub(crate) fn count(&self, account: &Account) -> bool {
        if self.0.part.get().is_some() {
            return true;
        }
        let part = account.stock.take(account.tenant.clone(), self.weight());
        // Where it was counted for another client meanwhile, this part is given back.
        part.map(|part| self.0.part.set(part)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_many_is_counted_once_and_until_the_last_has_it_no_more() {
        let parcel = Parcel::from(Frame::Text("x".repeat(1_000).into()));
        let stock = Stock::new(parcel.weight() + 1);
        let account = Account::new(&stock, &Caller::owner());
        let others = [parcel.clone(), parcel.clone()];
        assert!(others.iter().all(|parcel| parcel.count(&account)) && parcel.count(&account));
        assert!(!Parcel::from(Frame::Text("next".into())).count(&account));
        drop(others);
        assert!(stock.take(None, 2).is_err());
        drop(parcel);
        assert!(stock.take(None, 2).is_ok());
    }
}
