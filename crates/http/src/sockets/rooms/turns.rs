//! Turns of those who catch up: each reads for a while, and only so many at once, so that those who read slowly keep nobody waiting.

use std::collections::VecDeque;
use std::sync::Arc;

use core_types::Tenant;
use parking_lot::Mutex;
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::holdings::{Part, Stock};

/// In a line of so many those who have gone are looked for.
const LONG_LINE: usize = 64;

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
    /// Once it is as long as this, those who have gone are taken out of it: twice what was left the last time, so that a line of many is
    /// not gone through for each who joins it.
    long: usize,
}

impl Line {
    fn join(&mut self, sender: Sender<Turn>) {
        if self.waiting.len() >= self.long {
            self.waiting.retain(|asked| !asked.is_closed());
            self.long = LONG_LINE.max(2 * self.waiting.len());
        }
        self.waiting.push_back(sender);
    }

    fn is_waited_in(&self) -> bool {
        self.waiting.iter().any(|asked| !asked.is_closed())
    }
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
            line.join(sender);
        } else {
            lines.push_back(Line { tenant, waiting: VecDeque::from([sender]), long: LONG_LINE });
        }
        drop(lines);
        self.give();
        receiver
    }

    /// Whether anybody waits who might have a turn of this tenant's: one of its own, or of another that has not as many as it may.
    pub(crate) fn are_waited_for(&self, tenant: Option<&Tenant>) -> bool {
        let may_have = |line: &Line| line.tenant.as_ref() == tenant || !self.stock.is_used_up(line.tenant.as_ref());
        self.lines.lock().iter().any(|line| may_have(line) && line.is_waited_in())
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
        let [one, other, third, late] = ["one", "other", "third", "late"].map(Tenant::new);
        let mut held = Vec::new();
        for tenant in [&one, &one, &other, &other, &third, &late] {
            held.push(came(&mut turns.ask(tenant.clone())).unwrap());
        }
        assert!(!turns.are_waited_for(None));
        let mut crowd: Vec<_> = (0..9).map(|_| turns.ask(one.clone())).collect();
        assert!(turns.are_waited_for(one.as_ref()), "by its own");
        assert!(!turns.are_waited_for(late.as_ref()), "one that has as many as it may does not wait for others' turns");
        let mut later = turns.ask(Tenant::new("later"));
        assert!(crowd.iter_mut().all(|asked| came(asked).is_none()) && came(&mut later).is_none());
        assert!(turns.are_waited_for(late.as_ref()));
        // What is left is the owner's.
        assert!(came(&mut turns.ask(None)).is_some());
        // The first two are those of the one with the crowd, which is not before the one who has none.
        drop(held.remove(0));
        held.push(came(&mut later).unwrap());
        drop(held.remove(0));
        held.push(came(&mut crowd[0]).unwrap());
        assert!(crowd[1..].iter_mut().all(|asked| came(asked).is_none()));
    }

    #[test]
    fn a_line_forgets_those_who_have_gone() {
        let turns = Turns::new(1);
        let turn = came(&mut turns.ask(None)).unwrap();
        for _ in 0..10 * LONG_LINE {
            drop(turns.ask(None));
        }
        assert!(turns.lines.lock()[0].waiting.len() <= LONG_LINE);
        let mut asked: Vec<_> = (0..3 * LONG_LINE).map(|_| turns.ask(None)).collect();
        drop(turn);
        for asked in &mut asked {
            drop(came(asked).unwrap());
        }
        assert!(turns.lines.lock().is_empty());
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
        assert!(turns.are_waited_for(None));
        drop(gone);
        assert!(!turns.are_waited_for(None));
        drop(last);
        assert!(turns.lines.lock().is_empty());
        assert!(came(&mut turns.ask(None)).is_some());
    }
}
