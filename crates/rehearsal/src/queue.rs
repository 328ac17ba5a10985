//! What is to happen, in the order of virtual time. What is due at the same instant comes in an order that the seed draws.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use nightly_asl::Instant;

use crate::chance::Chance;

pub(crate) struct Queue<Event> {
    now: Instant,
    due: BinaryHeap<Due<Event>>,
    scheduled: u64,
    ties: Chance,
}

struct Due<Event> {
    at: Instant,
    tie: u64,
    sequence: u64,
    event: Event,
}

impl<Event> Queue<Event> {
    pub(crate) fn new(now: Instant, ties: Chance) -> Self {
        Self { now, due: BinaryHeap::new(), scheduled: 0, ties }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// What is due in the past is due now.
    pub(crate) fn at(&mut self, at: Instant, event: Event) {
        self.scheduled += 1;
        let tie = self.ties.bits();
        self.due.push(Due { at: at.max(self.now), tie, sequence: self.scheduled, event });
    }

    pub(crate) fn after_millis(&mut self, millis: i64, event: Event) {
        self.at(self.now.plus_millis(millis), event);
    }

    /// The next thing to happen; it is that late then.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let due = self.due.pop()?;
        self.now = due.at;
        Some(due.event)
    }
}

impl<Event> Due<Event> {
    fn rank(&self) -> (Instant, u64, u64) {
        (self.at, self.tie, self.sequence)
    }
}

impl<Event> Ord for Due<Event> {
    /// The earliest is the greatest, for the heap's sake.
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

impl<Event> PartialOrd for Due<Event> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Event> PartialEq for Due<Event> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<Event> Eq for Due<Event> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64) -> Vec<(i64, char)> {
        let mut queue = Queue::new(Instant(5), Chance::new(seed));
        for (at, event) in [(9, 'd'), (7, 'a'), (7, 'b'), (7, 'c'), (1, 'z')] {
            queue.at(Instant(at), event);
        }
        std::iter::from_fn(|| queue.next().map(|event| (queue.now().0, event))).collect()
    }

    #[test]
    fn time_orders_and_the_seed_breaks_ties() {
        let orders: std::collections::BTreeSet<_> = (0..100).map(order).collect();
        assert_eq!(orders.len(), 6, "three that are due at once come in every order");
        assert!(orders.iter().all(|order| order[0] == (5, 'z') && order[4] == (9, 'd')), "{orders:?}");
        assert_eq!(order(3), order(3));
    }
}
