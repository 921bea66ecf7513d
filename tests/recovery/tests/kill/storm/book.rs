//! What somebody who writes knows of what is there.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// Things by their names, as the server has acknowledged them; and as they will be when it acknowledges what is under way.
#[derive(Debug)]
pub struct Book<V>(Mutex<Pages<V>>);

#[derive(Debug, Clone)]
struct Pages<V> {
    settled: BTreeMap<String, V>,
    after: Option<BTreeMap<String, V>>,
}

impl<V> Default for Book<V> {
    fn default() -> Self {
        Self(Mutex::new(Pages { settled: BTreeMap::new(), after: None }))
    }
}

impl<V: Clone + PartialEq + Debug> Book<V> {
    fn pages<T>(&self, look: impl FnOnce(&mut Pages<V>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is there for certain.
    pub fn settled(&self) -> BTreeMap<String, V> {
        self.pages(|pages| pages.settled.clone())
    }

    /// Something is going to be asked for, which does this.
    pub fn begin(&self, change: impl FnOnce(&mut BTreeMap<String, V>)) {
        self.pages(|pages| {
            let mut after = pages.settled.clone();
            change(&mut after);
            pages.after = Some(after);
        });
    }

    /// It is acknowledged.
    pub fn settle(&self) {
        self.pages(|pages| {
            pages.settled = pages.after.take().expect("something is under way");
        });
    }

    /// Holds what is there against the book: all that was acknowledged, and what is under way as a whole or not at all.
    pub fn compare(&self, whose: &str, found: &BTreeMap<String, V>) {
        if let Some(difference) = self.difference(found) {
            panic!("{whose}: {difference}");
        }
    }

    /// What of this is not as it must be.
    pub fn difference(&self, found: &BTreeMap<String, V>) -> Option<String> {
        self.pages(|pages| {
            if *found == pages.settled || pages.after.as_ref() == Some(found) {
                return None;
            }
            let differs = |book: &BTreeMap<String, V>| {
                let lost: Vec<_> = book.iter().filter(|(name, value)| found.get(*name) != Some(value)).collect();
                let extra: Vec<_> = found.iter().filter(|(name, value)| book.get(*name) != Some(value)).collect();
                format!("in the book and not there: {lost:?}; there and not in the book: {extra:?}")
            };
            let after = pages.after.as_ref().map_or_else(|| "nothing is under way".to_owned(), differs);
            Some(format!("acknowledged: {}; with what is under way: {after}", differs(&pages.settled)))
        })
    }
}
