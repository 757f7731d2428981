//! Sets of values of one group, as several calls see them: `COUNT(DISTINCT x)` and `COUNT(DISTINCT x) FILTER (WHERE ..)`
//! read one set, in which every value says which of the calls have it. A call is a *view* of the set, a bit in [`Views`].
//!
//! With a count for each value and view where rows may be taken back, or where the order in which the values appeared
//! matters; otherwise of the values and their views only.

use std::borrow::Borrow;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::domain::Domain;
use super::rows::about_bytes;

/// Some of the calls that share a set, a bit each.
pub type Views = u32;

/// How many calls can share a set.
pub(super) const MAX_VIEWS: usize = Views::BITS as usize;

/// In which views a change made a value appear, and in which it made it vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    pub appeared: Views,
    pub vanished: Views,
}

/// The set of one group. What a snapshot keeps of a value beside itself are its *notes*, a fixed number of BIGINTs.
pub(super) trait Members<D: Domain>: Default + Send {
    /// How many notes a value has where so many views share the set.
    fn notes(views: usize) -> usize;

    /// Adds `delta` to the count of `value` in each of `views`, of which `all` share the set.
    fn change(&mut self, hasher: &FixedState, value: &D::Borrowed, views: Views, all: usize, delta: i64) -> Change;

    /// Looks for a value that will soon be changed, so that its place in memory is on its way.
    fn touch(&self, _hasher: &FixedState, _value: &D::Borrowed) {}

    /// Adds a value with its notes, as `write` gave them.
    fn merge(&mut self, hasher: &FixedState, value: &D::Borrowed, notes: &[i64], all: usize) -> Change;

    /// The values, in the order of appearance if that is known, and after one another their notes.
    fn write<'a>(&'a self, values: &mut Vec<Option<&'a D::Borrowed>>, notes: &mut Vec<i64>);

    fn clear(&mut self);

    fn bytes(&self) -> usize;
}

/// Which views have a value: nothing to say where there is only one.
pub(super) trait Mark: Copy + Send {
    const NOTES: usize;

    fn new(views: Views) -> Self;

    /// Adds views; gives those that are new.
    fn add(&mut self, views: Views) -> Views;

    fn note(self, notes: &mut Vec<i64>);
}

impl Mark for () {
    const NOTES: usize = 0;

    fn new(_: Views) -> Self {}

    fn add(&mut self, _: Views) -> Views {
        0
    }

    fn note(self, _: &mut Vec<i64>) {}
}

impl Mark for Views {
    const NOTES: usize = 1;

    fn new(views: Views) -> Self {
        views
    }

    #[inline(always)]
    fn add(&mut self, views: Views) -> Views {
        let new = views & !*self;
        *self |= views;
        new
    }

    fn note(self, notes: &mut Vec<i64>) {
        notes.push(i64::from(self));
    }
}

/// Values that stay.
pub(super) struct Plain<D: Domain, K: Mark>(HashTable<(D::Owned, K)>);

impl<D: Domain, K: Mark> Default for Plain<D, K> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<D: Domain, K: Mark> Members<D> for Plain<D, K> {
    fn notes(_: usize) -> usize {
        K::NOTES
    }

    #[inline]
    fn change(&mut self, hasher: &FixedState, value: &D::Borrowed, views: Views, _: usize, _: i64) -> Change {
        let hash = hasher.hash_one(value);
        let appeared = match self.0.entry(hash, |kept| kept.0.borrow() == value, |kept| hasher.hash_one(kept.0.borrow())) {
            Entry::Occupied(mut kept) => kept.get_mut().1.add(views),
            Entry::Vacant(place) => {
                place.insert((value.to_owned(), K::new(views)));
                views
            }
        };
        Change { appeared, vanished: 0 }
    }

    #[inline]
    fn touch(&self, hasher: &FixedState, value: &D::Borrowed) {
        std::hint::black_box(self.0.find(hasher.hash_one(value), |kept| kept.0.borrow() == value).is_some());
    }

    fn merge(&mut self, hasher: &FixedState, value: &D::Borrowed, notes: &[i64], all: usize) -> Change {
        let views = notes.first().map_or(1, |views| *views as Views);
        self.change(hasher, value, views, all, 1)
    }

    fn write<'a>(&'a self, values: &mut Vec<Option<&'a D::Borrowed>>, notes: &mut Vec<i64>) {
        for (value, mark) in &self.0 {
            values.push(Some(value.borrow()));
            mark.note(notes);
        }
    }

    fn clear(&mut self) {
        self.0 = HashTable::new();
    }

    fn bytes(&self) -> usize {
        self.0.allocation_size() + if D::ON_HEAP { about_bytes(self.0.iter(), self.0.len(), |v| D::heap_bytes(&v.0)) } else { 0 }
    }
}

/// The counts of a value, one a view.
pub(super) trait Counts: Send {
    fn zeroes(views: usize) -> Self;
    fn each(&self) -> &[i64];
    fn each_mut(&mut self) -> &mut [i64];
}

/// Those of a set with one view, beside the value.
impl Counts for i64 {
    fn zeroes(_: usize) -> Self {
        0
    }

    fn each(&self) -> &[i64] {
        std::slice::from_ref(self)
    }

    fn each_mut(&mut self) -> &mut [i64] {
        std::slice::from_mut(self)
    }
}

impl Counts for Box<[i64]> {
    fn zeroes(views: usize) -> Self {
        vec![0; views].into_boxed_slice()
    }

    fn each(&self) -> &[i64] {
        self
    }

    fn each_mut(&mut self) -> &mut [i64] {
        self
    }
}

/// Values with counts. A count may be below zero for a while, when a row is taken back before it is added.
pub(super) struct Counted<D: Domain, C: Counts> {
    table: HashTable<CountedValue<D::Owned, C>>,
    next: u64,
}

struct CountedValue<V, C> {
    value: V,
    counts: C,
    /// When the value appeared.
    order: u64,
}

impl<D: Domain, C: Counts> Default for Counted<D, C> {
    fn default() -> Self {
        Self { table: HashTable::new(), next: 0 }
    }
}

impl<D: Domain, C: Counts> Counted<D, C> {
    /// The values with their counts in the order of appearance.
    pub fn entries(&self) -> impl Iterator<Item = (&D::Owned, &C)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_unstable_by_key(|e| e.order);
        entries.into_iter().map(|e| (&e.value, &e.counts))
    }

    fn add(&mut self, hasher: &FixedState, value: &D::Borrowed, views: Views, all: usize, delta: impl Fn(usize) -> i64) -> Change {
        let hash = hasher.hash_one(value);
        match self.table.entry(hash, |kept| kept.value.borrow() == value, |kept| hasher.hash_one(kept.value.borrow())) {
            Entry::Occupied(mut kept) => {
                let counts = kept.get_mut().counts.each_mut();
                let change = add_to(counts, views, delta);
                if counts.iter().all(|c| *c == 0) {
                    kept.remove();
                }
                change
            }
            Entry::Vacant(place) => {
                let mut counts = C::zeroes(all);
                let change = add_to(counts.each_mut(), views, delta);
                if counts.each().iter().any(|c| *c != 0) {
                    place.insert(CountedValue { value: value.to_owned(), counts, order: self.next });
                    self.next += 1;
                }
                change
            }
        }
    }
}

fn add_to(counts: &mut [i64], mut views: Views, delta: impl Fn(usize) -> i64) -> Change {
    let mut change = Change::default();
    while views != 0 {
        let view = views.trailing_zeros() as usize;
        let bit = views & views.wrapping_neg();
        views ^= bit;
        let before = counts[view];
        counts[view] += delta(view);
        match (before > 0, counts[view] > 0) {
            (false, true) => change.appeared |= bit,
            (true, false) => change.vanished |= bit,
            _ => {}
        }
    }
    change
}

/// The bits of all views.
pub(super) fn all_views(count: usize) -> Views {
    Views::MAX >> (MAX_VIEWS - count)
}

impl<D: Domain, C: Counts> Members<D> for Counted<D, C> {
    fn notes(views: usize) -> usize {
        views
    }

    #[inline]
    fn change(&mut self, hasher: &FixedState, value: &D::Borrowed, views: Views, all: usize, delta: i64) -> Change {
        self.add(hasher, value, views, all, |_| delta)
    }

    fn merge(&mut self, hasher: &FixedState, value: &D::Borrowed, notes: &[i64], all: usize) -> Change {
        self.add(hasher, value, all_views(all), all, |view| notes[view])
    }

    fn write<'a>(&'a self, values: &mut Vec<Option<&'a D::Borrowed>>, notes: &mut Vec<i64>) {
        for (value, counts) in self.entries() {
            values.push(Some(value.borrow()));
            notes.extend_from_slice(counts.each());
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn bytes(&self) -> usize {
        let heap = |e: &CountedValue<D::Owned, C>| D::heap_bytes(&e.value) + if e.counts.each().len() > 1 { size_of_val(e.counts.each()) } else { 0 };
        self.table.allocation_size() + about_bytes(self.table.iter(), self.table.len(), heap)
    }
}
