//! The first rows of many partitions in their order.
//!
//! Where only the first row of each is asked for it lies under the partition's id. Otherwise a partition is a run of entries
//! in one slab, each a sort key and what names the row; runs have room for 1, 2, 4 ... `limit` entries and move to a larger
//! one when they are full, so that a partition costs no allocation and no more room than twice its rows. Runs that are given
//! up are used again by partitions of the same size.

use std::cmp::Ordering;

use brisk_state::SideArray;

/// A row in the order. `row` is whatever the owner names rows by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranked<K> {
    pub key: K,
    pub row: u32,
}

/// Which of two rows that are equal in the order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ties {
    EarlierFirst,
    LaterFirst,
}

pub(crate) struct RankedRows<K> {
    /// The most rows of a partition.
    limit: usize,
    ties: Ties,
    rows: Rows<K>,
}

enum Rows<K> {
    /// By id of the partition; [`VACANT`] while it has no row.
    One(SideArray<Ranked<K>>),
    Runs(Runs<K>),
}

struct Runs<K> {
    limit: usize,
    /// By id of the partition.
    runs: Vec<Run>,
    slab: Vec<Ranked<K>>,
    /// By class: where runs begin that nobody uses.
    free: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Run {
    start: u32,
    length: u32,
    /// 0: no room at all; otherwise there is room for `2^(class-1)` entries, or for the limit if that is less.
    class: u8,
}

/// Names no row.
const VACANT: u32 = u32::MAX;

impl<K: Clone + Ord + Default> RankedRows<K> {
    pub fn new(limit: usize, ties: Ties) -> Self {
        let rows = match limit {
            1 => Rows::One(SideArray::new()),
            _ => Rows::Runs(Runs { limit, runs: Vec::new(), slab: Vec::new(), free: Vec::new() }),
        };
        Self { limit, ties, rows }
    }

    /// Makes place for partitions below `bound`.
    pub fn grow(&mut self, bound: usize) {
        match &mut self.rows {
            Rows::One(firsts) => firsts.grow(bound, Ranked { key: K::default(), row: VACANT }),
            Rows::Runs(Runs { runs, .. }) => runs.resize(bound.max(runs.len()), Run::default()),
        }
    }

    /// The rows of a partition in their order.
    #[inline]
    pub fn rows(&self, id: u32) -> &[Ranked<K>] {
        match &self.rows {
            Rows::One(firsts) => {
                let first = &firsts[id];
                std::slice::from_ref(first).get(usize::from(first.row == VACANT)..).unwrap_or_default()
            }
            Rows::Runs(runs) => runs.rows(id),
        }
    }

    pub fn rows_mut(&mut self, id: u32) -> &mut [Ranked<K>] {
        match &mut self.rows {
            Rows::One(firsts) => {
                let first = &mut firsts[id];
                let start = usize::from(first.row == VACANT);
                std::slice::from_mut(first).get_mut(start..).unwrap_or_default()
            }
            Rows::Runs(runs) => runs.rows_mut(id),
        }
    }

    /// Whether a row of this key would be among the first of its partition.
    #[inline]
    pub fn admits(&self, id: u32, key: &K) -> bool {
        let rows = self.rows(id);
        rows.len() < self.limit
            || rows.last().is_some_and(|last| match key.cmp(&last.key) {
                Ordering::Less => true,
                Ordering::Equal => self.ties == Ties::LaterFirst,
                Ordering::Greater => false,
            })
    }

    /// Adds a row that is admitted. Gives the one that is pushed out.
    pub fn insert(&mut self, id: u32, key: K, row: u32) -> Option<u32> {
        let runs = match &mut self.rows {
            Rows::One(firsts) => {
                let former = std::mem::replace(&mut firsts[id], Ranked { key, row });
                return (former.row != VACANT).then_some(former.row);
            }
            Rows::Runs(runs) => runs,
        };
        let rows = runs.rows(id);
        let place = match self.ties {
            Ties::EarlierFirst => rows.partition_point(|r| r.key <= key),
            Ties::LaterFirst => rows.partition_point(|r| r.key < key),
        };
        let full = rows.len() == self.limit;
        let pushed_out = if full { rows.last().map(|r| r.row) } else { None };
        if !full {
            runs.push(id, Ranked::default());
        }
        let rows = runs.rows_mut(id);
        rows[place..].rotate_right(1);
        rows[place] = Ranked { key, row };
        pushed_out
    }

    /// Adds a row that comes last: on restoring rows in their order.
    pub fn push(&mut self, id: u32, key: K, row: u32) {
        match &mut self.rows {
            Rows::One(firsts) => firsts[id] = Ranked { key, row },
            Rows::Runs(runs) => runs.push(id, Ranked { key, row }),
        }
    }

    /// Takes all rows of a partition out.
    pub fn clear(&mut self, id: u32) {
        match &mut self.rows {
            Rows::One(firsts) => firsts[id] = Ranked { key: K::default(), row: VACANT },
            Rows::Runs(runs) => {
                let run = std::mem::take(&mut runs.runs[id as usize]);
                runs.give_up(run);
            }
        }
    }

    /// Forgets all partitions; keeps the room that many rows took.
    pub fn reset(&mut self) {
        match &mut self.rows {
            Rows::One(firsts) => firsts.clear(),
            Rows::Runs(Runs { runs, slab, free, .. }) => {
                runs.clear();
                slab.clear();
                free.iter_mut().for_each(Vec::clear);
            }
        }
    }

    pub fn bytes(&self) -> usize {
        match &self.rows {
            Rows::One(firsts) => firsts.bytes(),
            Rows::Runs(Runs { runs, slab, free, .. }) => {
                slab.capacity() * size_of::<Ranked<K>>() + runs.capacity() * size_of::<Run>() + free.iter().map(|f| f.capacity() * 4).sum::<usize>()
            }
        }
    }
}

impl<K: Clone + Default> Runs<K> {
    #[inline]
    fn rows(&self, id: u32) -> &[Ranked<K>] {
        let run = self.runs[id as usize];
        &self.slab[run.start as usize..][..run.length as usize]
    }

    fn rows_mut(&mut self, id: u32) -> &mut [Ranked<K>] {
        let run = self.runs[id as usize];
        &mut self.slab[run.start as usize..][..run.length as usize]
    }

    fn push(&mut self, id: u32, ranked: Ranked<K>) {
        let run = self.runs[id as usize];
        if run.length as usize == self.room(run.class) {
            self.enlarge(id);
        }
        let run = &mut self.runs[id as usize];
        self.slab[(run.start + run.length) as usize] = ranked;
        run.length += 1;
    }

    fn room(&self, class: u8) -> usize {
        match class {
            0 => 0,
            _ => 1usize.checked_shl(u32::from(class) - 1).map_or(self.limit, |room| room.min(self.limit)),
        }
    }

    /// Moves a partition to a run of the next class.
    fn enlarge(&mut self, id: u32) {
        let old = self.runs[id as usize];
        let class = old.class + 1;
        let start = match self.free.get_mut(usize::from(class)).and_then(Vec::pop) {
            Some(start) => start,
            None => {
                let start = self.slab.len();
                self.slab.resize(start + self.room(class), Ranked::default());
                start as u32
            }
        };
        for i in 0..old.length {
            self.slab.swap((old.start + i) as usize, (start + i) as usize);
        }
        self.runs[id as usize] = Run { start, length: old.length, class };
        self.give_up(old);
    }

    fn give_up(&mut self, run: Run) {
        if run.class == 0 {
            return;
        }
        let class = usize::from(run.class);
        if self.free.len() <= class {
            self.free.resize(class + 1, Vec::new());
        }
        self.free[class].push(run.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with a list a partition that is sorted anew after every row.
    fn check(limit: usize, ties: Ties) {
        let mut random = limit as u64;
        let mut next = move |bound: u64| {
            random = brisk_core::key_group::mix(random, 0x5bd1_e995_1234);
            random % bound
        };
        let mut ranked = RankedRows::<u64>::new(limit, ties);
        ranked.grow(20);
        let mut model: Vec<Vec<(u64, u32)>> = vec![Vec::new(); 20];
        for row in 0..3000 {
            let (id, key) = (next(20) as u32, next(30));
            let expected = &mut model[id as usize];
            if next(200) == 0 {
                ranked.clear(id);
                expected.clear();
            }
            match ties {
                Ties::EarlierFirst => expected.push((key, row)),
                Ties::LaterFirst => expected.insert(0, (key, row)),
            }
            expected.sort_by_key(|r| r.0);
            let pushed_out = if expected.len() > limit { expected.pop().map(|r| r.1) } else { None };
            match ranked.admits(id, &key) {
                true => assert_eq!(ranked.insert(id, key, row), pushed_out),
                false => assert_eq!(pushed_out, Some(row)),
            }
            let rows: Vec<(u64, u32)> = ranked.rows(id).iter().map(|r| (r.key, r.row)).collect();
            assert_eq!(rows, model[id as usize]);
        }
    }

    #[test]
    fn the_first_rows_are_those_of_a_sorted_list() {
        for limit in [0, 1, 2, 3, 10, 100, usize::MAX] {
            check(limit, Ties::EarlierFirst);
            check(limit, Ties::LaterFirst);
        }
    }

    #[test]
    fn runs_are_used_again() {
        let mut ranked = RankedRows::<u64>::new(4, Ties::EarlierFirst);
        ranked.grow(1000);
        for id in 0..1000 {
            (0..4).for_each(|row| assert_eq!(ranked.insert(id, 1, row), None));
            ranked.clear(id);
        }
        let Rows::Runs(runs) = &ranked.rows else { panic!("more than one row is asked for") };
        assert!(runs.slab.len() <= 7, "{}", runs.slab.len());
    }
}
