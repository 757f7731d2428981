//! Ids ordered by the time at which they want attention.

use std::collections::BTreeMap;

/// A queue of `(time, id)`. An id may wait for several times; ids of one time come out in the order they went in.
#[derive(Debug, Clone, Default)]
pub struct TimerQueue {
    by_time: BTreeMap<i64, Vec<u32>>,
}

impl TimerQueue {
    pub fn insert(&mut self, time: i64, id: u32) {
        self.by_time.entry(time).or_default().push(id);
    }

    /// Takes one timer back; false if there was none.
    pub fn remove(&mut self, time: i64, id: u32) -> bool {
        let Some(ids) = self.by_time.get_mut(&time) else { return false };
        let Some(place) = ids.iter().position(|i| *i == id) else { return false };
        ids.remove(place);
        if ids.is_empty() {
            self.by_time.remove(&time);
        }
        true
    }

    /// The earliest time.
    pub fn first(&self) -> Option<i64> {
        self.by_time.first_key_value().map(|(time, _)| *time)
    }

    /// Takes out the ids of the earliest time that is at or before `now`.
    pub fn pop_due(&mut self, now: i64) -> Option<(i64, Vec<u32>)> {
        let first = self.by_time.first_entry()?;
        (*first.key() <= now).then(|| first.remove_entry())
    }

    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub fn clear(&mut self) {
        self.by_time.clear();
    }

    pub fn bytes(&self) -> usize {
        self.by_time.values().map(|ids| 48 + ids.capacity() * 4).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_time() {
        let mut timers = TimerQueue::default();
        for (time, id) in [(20, 1), (10, 2), (20, 3), (30, 4)] {
            timers.insert(time, id);
        }
        assert!(timers.remove(20, 1) && !timers.remove(20, 1));
        assert_eq!(timers.first(), Some(10));
        assert_eq!(timers.pop_due(20), Some((10, vec![2])));
        assert_eq!(timers.pop_due(20), Some((20, vec![3])));
        assert_eq!(timers.pop_due(20), None);
    }
}
