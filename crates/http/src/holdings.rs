//! What each tenant, or each of others who are told apart, holds of something of which there is only so much.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use core_types::Tenant;
use parking_lot::Mutex;

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
        self.take_some(holder, 1)
    }

    /// Counts one of them no longer.
    pub(crate) fn give_back(&mut self, holder: Option<&K>) {
        self.give_some_back(holder, 1);
    }

    /// Counts one more as this holder's, also where it should not hold that.
    pub(crate) fn take_beyond(&mut self, holder: Option<&K>) {
        self.add(holder, 1);
    }

    fn take_some(&mut self, holder: Option<&K>, amount: usize) -> bool {
        let fits = holder.is_none_or(|holder| self.of(holder).saturating_add(amount) <= self.share);
        if fits {
            self.add(holder, amount);
        }
        fits
    }

    fn of(&self, holder: &K) -> usize {
        self.held.get(holder).copied().unwrap_or_default()
    }

    fn has_its_share(&self, holder: Option<&K>) -> bool {
        holder.is_some_and(|holder| self.of(holder) >= self.share)
    }

    fn add(&mut self, holder: Option<&K>, amount: usize) {
        if let Some(holder) = holder {
            *self.held.entry(holder.clone()).or_default() += amount;
        }
    }

    fn give_some_back(&mut self, holder: Option<&K>, amount: usize) {
        let Some(holder) = holder else { return };
        if let Some(held) = self.held.get_mut(holder) {
            *held -= amount;
            if *held == 0 {
                self.held.remove(holder);
            }
        }
    }
}

/// Something of which there is only so much, and which is given out in parts.
pub(crate) struct Stock {
    most: usize,
    given: Mutex<Given>,
}

struct Given {
    all: usize,
    holdings: Holdings,
}

/// A part of a stock, which is given back when this is dropped.
pub(crate) struct Part {
    stock: Arc<Stock>,
    tenant: Option<Tenant>,
    amount: usize,
}

/// Why there is no part for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// There is not so much left.
    Everybodys,
    /// The tenant holds its share.
    Tenants,
}

impl Stock {
    /// Of so much.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, given: Mutex::new(Given { all: 0, holdings: Holdings::new(most) }) })
    }

    /// A part, if there is one now. The last quarter is the owner's, who is no tenant and may have what is left of the others.
    ///
    /// Of what is for tenants none takes more than it leaves, so that there is some for one that comes after those that take all they can
    /// (Choudhury and Hahne, *Dynamic queue length thresholds*, 1998).
    pub(crate) fn take(self: &Arc<Self>, tenant: Option<Tenant>, amount: usize) -> Result<Part, Lack> {
        let most = if tenant.is_some() { self.for_tenants() } else { self.most };
        let mut given = self.given.lock();
        let left = most.saturating_sub(given.all);
        let held = tenant.as_ref().map_or(0, |tenant| given.holdings.of(tenant));
        if held.saturating_add(amount) > left {
            return Err(if given.holdings.has_its_share(tenant.as_ref()) { Lack::Tenants } else { Lack::Everybodys });
        }
        if !given.holdings.take_some(tenant.as_ref(), amount) {
            return Err(Lack::Tenants);
        }
        given.all += amount;
        drop(given);
        Ok(Part { stock: Arc::clone(self), tenant, amount })
    }

    /// How much all tenants may hold together; of one thing alone they may have it.
    fn for_tenants(&self) -> usize {
        let part = Tenant::part_of(self.most);
        (self.most - part).max(part)
    }

    /// Whether a tenant holds its share.
    pub(crate) fn is_used_up(&self, tenant: Option<&Tenant>) -> bool {
        tenant.is_some() && self.given.lock().holdings.has_its_share(tenant)
    }

    /// A part for what is there already, also where there should not be so much.
    pub(crate) fn take_beyond(self: &Arc<Self>, tenant: Option<Tenant>, amount: usize) -> Part {
        let mut given = self.given.lock();
        given.all = given.all.saturating_add(amount);
        given.holdings.add(tenant.as_ref(), amount);
        drop(given);
        Part { stock: Arc::clone(self), tenant, amount }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut given = self.stock.given.lock();
        given.all -= self.amount;
        given.holdings.give_some_back(self.tenant.as_ref(), self.amount);
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
    fn a_tenant_has_a_quarter_of_a_stock_and_the_owner_the_last_one_and_what_is_left() {
        let stock = Stock::new(80);
        let take = |tenant: &str, amount: usize| stock.take(Tenant::new(tenant), amount);
        let mut held = vec![take("one", 15).ok().unwrap(), take("one", 5).ok().unwrap()];
        assert_eq!(take("one", 1).err(), Some(Lack::Tenants));
        assert_eq!(take("other", 21).err(), Some(Lack::Tenants));
        held.push(take("other", 20).ok().unwrap());
        let owners = stock.take(None, 40).ok().unwrap();
        assert_eq!(stock.take(None, 1).err(), Some(Lack::Everybodys));
        assert_eq!(take("third", 1).err(), Some(Lack::Everybodys), "the owner has what is left");
        drop(owners);
        assert_eq!(take("one", 1).err(), Some(Lack::Tenants));
        held.clear();
        assert!(take("one", 20).is_ok());
        assert!(!stock.is_used_up(Tenant::new("one").as_ref()));
        let beyond = stock.take_beyond(Tenant::new("one"), 30);
        assert!(stock.is_used_up(Tenant::new("one").as_ref()) && !stock.is_used_up(None));
        let all = stock.take_beyond(None, 60);
        assert_eq!(stock.take(None, 1).err(), Some(Lack::Everybodys));
        drop((beyond, all));
        assert!(Stock::new(1).take(Tenant::new("one"), 1).is_ok());
        let given = stock.given.lock();
        assert!(given.all == 0 && given.holdings.held.is_empty(), "nobody is remembered who holds nothing");
    }

    #[test]
    fn where_tenants_take_all_they_can_there_is_some_for_the_next_and_for_the_owner() {
        let stock = Stock::new(800);
        let names: Vec<_> = (0..6).map(|number| Tenant::new(&number.to_string()).unwrap()).collect();
        let mut parts = Vec::new();
        for (before, name) in names.iter().enumerate() {
            let first = stock.take(Some(name.clone()), 10).ok();
            assert!(first.is_some(), "the tenant that comes after {before} others");
            parts.extend(first);
            // In turn, until none of those that have come is given any more.
            while parts.len() < 1_000 {
                let given: Vec<_> = names[..=before].iter().filter_map(|name| stock.take(Some(name.clone()), 10).ok()).collect();
                if given.is_empty() {
                    break;
                }
                parts.extend(given);
            }
        }
        assert!(stock.take(None, 200).is_ok(), "the last quarter is the owner's");
    }

    #[test]
    fn everybody_has_a_share_of_few() {
        let mut holdings = Holdings::new(2);
        let (one, other) = (Tenant::new("one"), Tenant::new("other"));
        assert!(holdings.take(one.as_ref()) && !holdings.take(one.as_ref()));
        assert!(holdings.take(other.as_ref()));
    }
}
