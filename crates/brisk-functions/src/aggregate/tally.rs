//! Sets of values of one group: with a count for each value where rows may be taken back, or where the order in which
//! the values appeared matters; otherwise of the bare values.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use std::borrow::Borrow;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::domain::Domain;

/// What a change of a value's count did to the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Appeared,
    Vanished,
    Same,
}

pub(super) trait Members<D: Domain>: Default + Send {
    /// Whether the counts are kept, and have to travel with the values.
    const COUNTED: bool;

    /// Adds `delta` to the count of `value`.
    fn change(&mut self, hasher: &FixedState, value: &D::Borrowed, delta: i64) -> Change;

    /// How many values are in the set.
    fn len(&self) -> usize;

    /// The values with their counts (1 where they are not kept), in the order of appearance if that is known.
    fn entries(&self) -> Vec<(&D::Owned, i64)>;

    fn clear(&mut self);

    fn bytes(&self) -> usize;
}

/// Values only.
pub(super) struct Plain<D: Domain>(HashTable<D::Owned>);

impl<D: Domain> Default for Plain<D> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<D: Domain> Members<D> for Plain<D> {
    const COUNTED: bool = false;

    #[inline]
    fn change(&mut self, hasher: &FixedState, value: &D::Borrowed, _delta: i64) -> Change {
        let hash = hasher.hash_one(value);
        match self.0.entry(hash, |kept| kept.borrow() == value, |kept| hasher.hash_one(kept.borrow())) {
            Entry::Occupied(_) => Change::Same,
            Entry::Vacant(place) => {
                place.insert(value.to_owned());
                Change::Appeared
            }
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn entries(&self) -> Vec<(&D::Owned, i64)> {
        self.0.iter().map(|v| (v, 1)).collect()
    }

    fn clear(&mut self) {
        self.0 = HashTable::new();
    }

    fn bytes(&self) -> usize {
        self.0.allocation_size() + self.0.iter().map(|v| D::heap_bytes(v)).sum::<usize>()
    }
}

/// Values with counts. A count may be below zero for a while, when a row is taken back before it is added.
pub(super) struct Counted<D: Domain> {
    table: HashTable<CountedValue<D::Owned>>,
    /// Values with a positive count.
    live: usize,
    next: u64,
}

struct CountedValue<V> {
    value: V,
    count: i64,
    /// When the value appeared.
    order: u64,
}

impl<D: Domain> Default for Counted<D> {
    fn default() -> Self {
        Self { table: HashTable::new(), live: 0, next: 0 }
    }
}

impl<D: Domain> Members<D> for Counted<D> {
    const COUNTED: bool = true;

    #[inline]
    fn change(&mut self, hasher: &FixedState, value: &D::Borrowed, delta: i64) -> Change {
        let hash = hasher.hash_one(value);
        let (before, after) = match self.table.entry(hash, |kept| kept.value.borrow() == value, |kept| hasher.hash_one(kept.value.borrow())) {
            Entry::Occupied(mut kept) => {
                let before = kept.get().count;
                let after = before + delta;
                kept.get_mut().count = after;
                if after == 0 {
                    kept.remove();
                }
                (before, after)
            }
            Entry::Vacant(place) => {
                if delta != 0 {
                    place.insert(CountedValue { value: value.to_owned(), count: delta, order: self.next });
                    self.next += 1;
                }
                (0, delta)
            }
        };
        match (before > 0, after > 0) {
            (false, true) => {
                self.live += 1;
                Change::Appeared
            }
            (true, false) => {
                self.live -= 1;
                Change::Vanished
            }
            _ => Change::Same,
        }
    }

    fn len(&self) -> usize {
        self.live
    }

    fn entries(&self) -> Vec<(&D::Owned, i64)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_unstable_by_key(|e| e.order);
        entries.into_iter().map(|e| (&e.value, e.count)).collect()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn bytes(&self) -> usize {
        self.table.allocation_size() + self.table.iter().map(|e| D::heap_bytes(&e.value)).sum::<usize>()
    }
}
