//! What each tenant holds of something of which there is only so much.

use std::collections::HashMap;

use core_types::Tenant;

use crate::limits;

/// How much each tenant holds. None holds more than a quarter of all, so that there is some for others; the owner, who is no tenant,
/// may hold what is left.
pub(crate) struct Shares {
    share: usize,
    held: HashMap<Tenant, usize>,
}

impl Shares {
    /// Shares of so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { share: most.div_ceil(limits::TENANT_SHARE), held: HashMap::new() }
    }

    /// Counts one more as this tenant's. Says whether it may hold that; where not, nothing is counted.
    #[must_use]
    pub(crate) fn take(&mut self, tenant: Option<&Tenant>) -> bool {
        let Some(tenant) = tenant else { return true };
        let held = self.held.get(tenant).copied().unwrap_or_default();
        if held >= self.share {
            return false;
        }
        self.held.insert(tenant.clone(), held + 1);
        true
    }

    /// Counts one of them no longer.
    pub(crate) fn give_back(&mut self, tenant: Option<&Tenant>) {
        let Some(tenant) = tenant else { return };
        if let Some(held) = self.held.get_mut(tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_no_more_than_a_quarter_and_who_holds_nothing_is_forgotten() {
        let mut shares = Shares::new(8);
        let (one, other) = (Tenant::new("one"), Tenant::new("other"));
        let taken: Vec<bool> = (0..3).map(|_| shares.take(one.as_ref())).collect();
        assert_eq!(taken, [true, true, false]);
        assert!(shares.take(other.as_ref()));
        assert!((0..9).all(|_| shares.take(None)), "the owner has no share");
        shares.give_back(one.as_ref());
        assert!(shares.take(one.as_ref()));
        assert!(!shares.take(one.as_ref()));
        for tenant in [&one, &one, &other, &None] {
            shares.give_back(tenant.as_ref());
        }
        assert!(shares.held.is_empty());
    }

    #[test]
    fn everybody_has_a_share_of_few() {
        let mut shares = Shares::new(2);
        let (one, other) = (Tenant::new("one"), Tenant::new("other"));
        assert!(shares.take(one.as_ref()) && !shares.take(one.as_ref()));
        assert!(shares.take(other.as_ref()));
    }
}
