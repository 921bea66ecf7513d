//! Turns of those who catch up: each reads for a while, and only so many at once, so that those who read slowly keep nobody waiting.

use std::collections::VecDeque;
use std::sync::Arc;

use core_types::Tenant;
use parking_lot::Mutex;
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::holdings::{Part, Stock};

/// The turns of all.
pub(crate) struct Turns {
    stock: Arc<Stock>,
    /// Those who wait, of each tenant in their order. The line that was served last is the last of them.
    lines: Mutex<VecDeque<Line>>,
}

struct Line {
    /// Whose it is; `None` for the owner's.
    tenant: Option<Tenant>,
    waiting: VecDeque<Sender<Turn>>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    part: Option<Part>,
}

impl Turns {
    /// So many at once, of which each tenant has its part.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { stock: Stock::new(most), lines: Mutex::default() })
    }

    /// Asks for a turn, which comes once there is one: tenants have them one after the other, however many of each wait. Whoever drops
    /// what it got waits no longer.
    pub(crate) fn ask(self: &Arc<Self>, tenant: Option<Tenant>) -> Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        let mut lines = self.lines.lock();
        if let Some(line) = lines.iter_mut().find(|line| line.tenant == tenant) {
            line.waiting.retain(|asked| !asked.is_closed());
            line.waiting.push_back(sender);
        } else {
            lines.push_back(Line { tenant, waiting: VecDeque::from([sender]) });
        }
        drop(lines);
        self.give();
        receiver
    }

    /// Whether anybody waits.
    pub(crate) fn are_waited_for(&self) -> bool {
        self.lines.lock().iter().flat_map(|line| &line.waiting).any(|asked| !asked.is_closed())
    }

    /// Gives all turns that there are to those who wait.
    fn give(self: &Arc<Self>) {
        while let Some((asked, turn)) = self.next() {
            // Where nobody waits there any more, the turn is dropped, and given to the next.
            let _ = asked.send(turn);
        }
    }

    /// Who has the next turn.
    fn next(self: &Arc<Self>) -> Option<(Sender<Turn>, Turn)> {
        let mut lines = self.lines.lock();
        for _ in 0..lines.len() {
            let Some(mut line) = lines.pop_front() else { break };
            while line.waiting.front().is_some_and(Sender::is_closed) {
                line.waiting.pop_front();
            }
            let part = if line.waiting.is_empty() { None } else { self.stock.take(line.tenant.clone(), 1).ok() };
            let asked = if part.is_some() { line.waiting.pop_front() } else { None };
            if !line.waiting.is_empty() {
                lines.push_back(line);
            }
            if let Some(asked) = asked {
                return Some((asked, Turn { turns: Arc::clone(self), part }));
            }
        }
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.part = None;
        self.turns.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this one's turn has come; if so, that.
    fn came(asked: &mut Receiver<Turn>) -> Option<Turn> {
        asked.try_recv().ok()
    }

    #[test]
    fn tenants_have_turns_one_after_the_other_however_many_of_each_wait() {
        let turns = Turns::new(8);
        let [one, other, third] = ["one", "other", "third"].map(Tenant::new);
        let mut held = Vec::new();
        for tenant in [&one, &other, &third] {
            held.extend((0..2).map(|_| came(&mut turns.ask(tenant.clone())).unwrap()));
        }
        assert!(!turns.are_waited_for());
        let mut crowd: Vec<_> = (0..9).map(|_| turns.ask(one.clone())).collect();
        let mut late = turns.ask(Tenant::new("late"));
        assert!(crowd.iter_mut().all(|asked| came(asked).is_none()) && came(&mut late).is_none() && turns.are_waited_for());
        // What is left is the owner's.
        assert!(came(&mut turns.ask(None)).is_some());
        drop(held.remove(0));
        held.push(came(&mut crowd[0]).unwrap());
        drop(held.remove(0));
        held.push(came(&mut late).unwrap());
        assert!(crowd[1..].iter_mut().all(|asked| came(asked).is_none()));
    }

    #[test]
    fn who_has_gone_is_passed_over_and_what_it_had_is_anothers() {
        let turns = Turns::new(1);
        let first = came(&mut turns.ask(None)).unwrap();
        let (second, third, mut fourth) = (turns.ask(None), turns.ask(None), turns.ask(None));
        drop(second);
        drop(first);
        // It was given a turn, and never looked.
        drop(third);
        let last = came(&mut fourth).unwrap();
        let gone = turns.ask(None);
        assert!(turns.are_waited_for());
        drop(gone);
        assert!(!turns.are_waited_for());
        drop(last);
        assert!(turns.lines.lock().is_empty());
        assert!(came(&mut turns.ask(None)).is_some());
    }
}
