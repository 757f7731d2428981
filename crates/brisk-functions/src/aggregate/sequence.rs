//! The values of a group in the order in which they came, from which single values can be taken back.
//!
//! Taking back removes the *earliest* of equal values, as Flink does. It leaves a hole, and holes are closed when they
//! are the greater part. The index from values to positions is kept only where rows may be taken back.

use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
pub(super) struct Sequence<V> {
    slots: VecDeque<Option<V>>,
    /// The number of the first slot; slots are numbered through.
    first: u64,
    live: usize,
    /// The slot numbers of each value, ascending; `None`: nothing is ever taken back.
    index: Option<BTreeMap<V, VecDeque<u64>>>,
}

/// Fewer slots than this are never compacted.
const MIN_COMPACTED: usize = 16;

impl<V: Ord + Clone> Sequence<V> {
    pub fn new(retract: bool) -> Self {
        Self { slots: VecDeque::new(), first: 0, live: 0, index: retract.then(BTreeMap::new) }
    }

    pub fn push(&mut self, value: V) {
        let slot = self.first + self.slots.len() as u64;
        if let Some(index) = &mut self.index {
            index.entry(value.clone()).or_default().push_back(slot);
        }
        self.slots.push_back(Some(value));
        self.live += 1;
    }

    /// Removes the earliest of the values that equal `value`; nothing happens where there is none.
    pub fn take_back(&mut self, value: &V) {
        let Some(slots) = self.index.as_mut().and_then(|i| i.get_mut(value)) else { return };
        let Some(slot) = slots.pop_front() else { return };
        if slots.is_empty() {
            self.index.as_mut().expect("just looked up").remove(value);
        }
        self.slots[(slot - self.first) as usize] = None;
        self.live -= 1;
        self.close_holes();
    }

    pub fn first(&self) -> Option<&V> {
        self.slots.front().and_then(Option::as_ref)
    }

    pub fn last(&self) -> Option<&V> {
        self.slots.back().and_then(Option::as_ref)
    }

    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().flatten()
    }

    pub fn len(&self) -> usize {
        self.live
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.index.is_some());
    }

    /// Bytes held, without what the values hold themselves.
    pub fn bytes(&self) -> usize {
        let indexed = if self.index.is_some() { size_of::<V>() + 32 } else { 0 };
        self.slots.capacity() * size_of::<Option<V>>() + self.live * indexed
    }

    /// Keeps the ends free of holes and the holes fewer than the values.
    fn close_holes(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
        while let Some(None) = self.slots.back() {
            self.slots.pop_back();
        }
        if self.slots.len() < MIN_COMPACTED || self.live * 2 > self.slots.len() {
            return;
        }
        let values: Vec<V> = std::mem::take(&mut self.slots).into_iter().flatten().collect();
        let mut compact = Self::new(true);
        values.into_iter().for_each(|v| compact.push(v));
        *self = compact;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(changes: &[i32], expected: &[i32]) {
        let mut sequence = Sequence::new(true);
        for &change in changes {
            if change > 0 { sequence.push(change) } else { sequence.take_back(&-change) }
        }
        assert_eq!(sequence.iter().copied().collect::<Vec<_>>(), expected);
        assert_eq!((sequence.first(), sequence.last(), sequence.len()), (expected.first(), expected.last(), expected.len()));
    }

    #[test]
    fn the_earliest_of_equal_values_goes_first() {
        check(&[1, 2, 1, 3], &[1, 2, 1, 3]);
        check(&[1, 2, 1, 3, -1], &[2, 1, 3]);
        check(&[1, 2, 3, -3, -9], &[1, 2]);
        check(&[1, -1], &[]);
    }

    #[test]
    fn holes_are_closed() {
        let mut changes: Vec<i32> = (1..100).collect();
        changes.extend((2..99).map(|v| -v));
        changes.push(7);
        check(&changes, &[1, 99, 7]);
    }
}
