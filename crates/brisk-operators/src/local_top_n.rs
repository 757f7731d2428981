//! The first half of a Top-N, before an exchange: of every batch only those rows go on that are among the first of their
//! partition there.
//!
//! A row that has `limit` rows of its own batch before it can be none of the first `limit` of all, and what comes and goes
//! within a batch is told by no Top-N, so the second half gives the same results. Nothing is kept from one batch to the next.
//!
//! Where nearly all rows go on, the work is in vain, and most batches are passed as they are; some are looked at again, since
//! the data may change (adaptive partial aggregation, as in Trino).

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Result, Schema};
use brisk_state::KeyIndex;

use crate::rank_key::{BytesKey, IntegerKey, RankKey, RankKeyKind, RankOrder, TwoIntegers};
use crate::ranked_rows::{RankedRows, Ties};
use crate::sort_key::SortKey;

/// Passes the first rows of each partition of a batch, in the order in which they came. The input must be append-only; it may
/// feed a [`crate::top_n::TopNSpec`] or a [`crate::deduplicate::DeduplicateSpec`].
#[derive(Debug, Clone)]
pub struct LocalTopNSpec {
    pub input: Schema,
    pub partition: Vec<usize>,
    /// Empty: the order of arrival.
    pub order: Vec<SortKey>,
    /// How many rows of a partition, at least 1.
    pub limit: usize,
    /// Of rows that are equal in the order the later ones are first: deduplication that keeps the last.
    pub later_wins_ties: bool,
}

/// More of ten rows than this go on: not worth it.
const WORTH_IT: usize = 8;
/// So many batches are then passed as they are.
const REST: u32 = 15;

struct LocalTopN<K> {
    partition: Vec<usize>,
    order: RankOrder,
    index: KeyIndex,
    limit: usize,
    ties: Ties,
    /// Rows are named by their number in the batch at hand.
    ranked: RankedRows<K>,
    /// Where only one row of a partition counts: the first so far, by id of the partition.
    best: Vec<u32>,
    /// Batches to pass before the next is looked at.
    rest: u32,
    /// Scratch.
    ids: Vec<u32>,
}

impl OperatorFactory for LocalTopNSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(match RankKeyKind::of(&self.order, &self.input) {
            RankKeyKind::Arrival => Box::new(LocalTopN::<()>::new(self)?),
            RankKeyKind::Integer => Box::new(LocalTopN::<IntegerKey>::new(self)?),
            RankKeyKind::TwoIntegers => Box::new(LocalTopN::<TwoIntegers>::new(self)?),
            RankKeyKind::Bytes => Box::new(LocalTopN::<BytesKey>::new(self)?),
        })
    }
}

impl<K: RankKey> LocalTopN<K> {
    fn new(spec: &LocalTopNSpec) -> Result<Self> {
        let ties = if spec.later_wins_ties { Ties::LaterFirst } else { Ties::EarlierFirst };
        Ok(Self {
            partition: spec.partition.clone(),
            order: RankOrder::new(&spec.order, &spec.input)?,
            index: KeyIndex::new(spec.input.project(&spec.partition).columns.iter().map(|c| c.sql_type.to_arrow()).collect())?,
            limit: spec.limit,
            ties,
            ranked: RankedRows::new(spec.limit, ties),
            best: Vec::new(),
            rest: 0,
            ids: Vec::new(),
        })
    }

    /// The rows that are among the first of their partitions.
    fn first_rows(&mut self, batch: &ChangelogBatch) -> Result<BooleanBuffer> {
        let key: Vec<ArrayRef> = self.partition.iter().map(|k| batch.column(*k).clone()).collect();
        self.index.insert(&key, batch.num_rows(), &mut self.ids)?;
        let keys = K::encode(&self.order, &batch.rows)?;
        let first = if self.limit == 1 { self.first_of_each(&keys) } else { self.first_of_many(keys) };
        self.index.clear();
        Ok(first.into())
    }

    fn first_of_each(&mut self, keys: &[K]) -> Vec<bool> {
        const NONE: u32 = u32::MAX;
        let later_wins = self.ties == Ties::LaterFirst;
        self.best.clear();
        self.best.resize(self.index.id_bound(), NONE);
        for (row, (id, key)) in (0u32..).zip(self.ids.iter().zip(keys)) {
            let best = &mut self.best[*id as usize];
            if *best == NONE || *key < keys[*best as usize] || (later_wins && *key == keys[*best as usize]) {
                *best = row;
            }
        }
        let mut first = vec![false; keys.len()];
        self.best.iter().filter(|best| **best != NONE).for_each(|best| first[*best as usize] = true);
        first
    }

    fn first_of_many(&mut self, keys: Vec<K>) -> Vec<bool> {
        let mut first = vec![false; keys.len()];
        self.ranked.grow(self.index.id_bound());
        for (row, (&id, key)) in (0u32..).zip(self.ids.iter().zip(keys)) {
            if !self.ranked.admits(id, &key) {
                continue;
            }
            first[row as usize] = true;
            if let Some(pushed_out) = self.ranked.insert(id, key, row) {
                first[pushed_out as usize] = false;
            }
        }
        self.ranked.reset();
        first
    }
}

impl<K: RankKey> Operator for LocalTopN<K> {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.num_rows() <= 1 {
            return out.batch(batch);
        }
        if self.rest > 0 {
            self.rest -= 1;
            return out.batch(batch);
        }
        let first = self.first_rows(&batch)?;
        if first.count_set_bits() * 10 > batch.num_rows() * WORTH_IT {
            self.rest = REST;
        }
        out.filter(batch, &first)
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.ranked.bytes() + self.best.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{run_as_written, schema};

    fn spec(limit: usize, order: Vec<SortKey>, later_wins_ties: bool) -> LocalTopNSpec {
        LocalTopNSpec { input: schema("shop STRING, item STRING, price INT"), partition: vec![0], order, limit, later_wins_ties }
    }

    #[track_caller]
    fn check(spec: &LocalTopNSpec, steps: &str, expected: &[&str]) {
        assert_eq!(run_as_written(spec, &[&spec.input], steps), expected);
    }

    const ROWS: &str = "+I a pen 3
        +I b cup 1
        +I a ink 5
        +I a mug NULL
        +I b jar 1
        +I a nib 5
        +I a box 4";

    #[test]
    fn the_first_of_each_partition_go_on_in_the_order_in_which_they_came() {
        let dearest = vec![SortKey::descending(2)];
        check(&spec(1, dearest.clone(), false), ROWS, &["+I b cup 1", "+I a ink 5"]);
        check(&spec(1, dearest.clone(), true), ROWS, &["+I b jar 1", "+I a nib 5"]);
        check(&spec(2, dearest.clone(), false), ROWS, &["+I b cup 1", "+I a ink 5", "+I b jar 1", "+I a nib 5"]);
        check(&spec(1, vec![], false), ROWS, &["+I a pen 3", "+I b cup 1"]);
        check(&spec(1, vec![], true), ROWS, &["+I b jar 1", "+I a box 4"]);
        check(&spec(1, vec![SortKey::ascending(1)], false), ROWS, &["+I b cup 1", "+I a box 4"]);
        check(&spec(1, vec![SortKey::descending(2), SortKey::ascending(1)], false), ROWS, &["+I b cup 1", "+I a ink 5"]);
        let all = LocalTopNSpec { partition: vec![], ..spec(2, dearest, false) };
        check(&all, ROWS, &["+I a ink 5", "+I a nib 5"]);
    }

    #[test]
    fn batches_do_not_know_of_each_other() {
        let steps = "+I a pen 3
            +I a cup 2
            +I a ink 1
            ----
            +I a pen 2
            +I a cup 1
            +I a ink 1
            ----
            +I a box 0";
        check(&spec(1, vec![SortKey::descending(2)], false), steps, &["+I a pen 3", "+I a pen 2", "+I a box 0"]);
    }

    #[test]
    fn where_nearly_all_go_on_most_batches_are_passed() {
        let (apart, alike) = ("+I a pen 1\n+I b cup 2\n----\n", "+I c ink 1\n+I c box 1\n----\n");
        let steps = format!("{apart}{}", alike.repeat(REST as usize + 2));
        let lines = run_as_written(&spec(1, vec![SortKey::descending(2)], false), &[&schema("shop STRING, item STRING, price INT")], &steps);
        assert_eq!(lines.len(), 2 + 2 * REST as usize + 2);
    }
}
