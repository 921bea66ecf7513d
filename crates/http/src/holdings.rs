//! What each tenant, or each of others who are told apart, holds of something of which there is only so much.

use std::collections::HashMap;
use std::hash::Hash;

use core_types::Tenant;

/// How much each holds. None holds more than a quarter of all, so that there is some for others; who is not told from others, as the
/// owner, who is no tenant, may hold what is left.
pub(crate) struct Holdings<K = Tenant> {
    share: usize,
    held: HashMap<K, usize>,
}

impl<K: Clone + Eq + Hash> Holdings<K> {
    /// Of so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { share: Tenant::part_of(most), held: HashMap::new() }
    }

    /// Counts one more as this holder's. Says whether it may hold that; where not, nothing is counted.
    #[must_use]
    pub(crate) fn take(&mut self, holder: Option<&K>) -> bool {
        let Some(holder) = holder else { return true };
        let held = self.held.get(holder).copied().unwrap_or_default();
        if held >= self.share {
            return false;
        }
        self.held.insert(holder.clone(), held + 1);
        true
    }

    /// Counts one of them no longer.
    pub(crate) fn give_back(&mut self, holder: Option<&K>) {
        let Some(holder) = holder else { return };
        if let Some(held) = self.held.get_mut(holder) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_no_more_than_a_quarter_and_who_holds_nothing_is_forgotten() {
        let mut holdings = Holdings::new(8);
        let (one, other) = (Tenant::new("one"), Tenant::new("other"));
        let taken: Vec<bool> = (0..3).map(|_| holdings.take(one.as_ref())).collect();
        assert_eq!(taken, [true, true, false]);
        assert!(holdings.take(other.as_ref()));
        assert!((0..9).all(|_| holdings.take(None)), "the owner has no share");
        holdings.give_back(one.as_ref());
        assert!(holdings.take(one.as_ref()));
        assert!(!holdings.take(one.as_ref()));
        for tenant in [&one, &one, &other, &None] {
            holdings.give_back(tenant.as_ref());
        }
        assert!(holdings.held.is_empty());
    }

    #[test]
    fn everybody_has_a_share_of_few() {
        let mut holdings = Holdings::new(2);
        let (one, other) = (Tenant::new("one"), Tenant::new("other"));
        assert!(holdings.take(one.as_ref()) && !holdings.take(one.as_ref()));
        assert!(holdings.take(other.as_ref()));
    }
}
