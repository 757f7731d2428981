//! A Top-N's foretaste inside a join: pairs that cannot be among the first of their key are dropped before they are made
//! into rows.
//!
//! Where a join's rows go straight into a Top-N that is partitioned by the join's key, most of them are turned away
//! there, after every column was copied for them. The join then ranks its pairs by the sort keys alone and lets only those
//! through that are among the first when their batch is over. What is remembered is a copy of the Top-N's sort keys; it is
//! in no snapshot, since without it more rows go through and the result is the same.

use std::collections::BTreeSet;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use brisk_core::{Result, Schema};

use crate::batches::unnamed_batch;
use crate::rank_key::{BytesKey, IntegerKey, RankKey, RankKeyKind, RankOrder, TwoIntegers};
use crate::ranked_rows::{RankedRows, Ties};
use crate::sort_key::SortKey;

/// What a Top-N behind a join asks: the first rows of every join key. The rows of both inputs must never be taken back.
#[derive(Debug, Clone)]
pub struct FirstOfKey {
    /// Over left ++ right; not empty.
    pub order: Vec<SortKey>,
    pub limit: usize,
}

/// Chooses among the pairs of a batch, whatever the type of the sort keys.
pub(crate) trait FirstPairs: Send {
    /// The columns of left ++ right that the order needs.
    fn columns(&self) -> &BTreeSet<usize>;

    /// Of which pairs rows are to be made. `keys` are the pairs' join keys as numbers, `columns` those of
    /// [`FirstPairs::columns`].
    fn choose(&mut self, keys: &[u32], columns: Vec<ArrayRef>) -> Result<BooleanBuffer>;

    fn bytes(&self) -> usize;
}

pub(crate) fn first_pairs(first: &FirstOfKey, left: &Schema, right: &Schema) -> Result<Box<dyn FirstPairs>> {
    let joined = Schema::new(left.columns.iter().chain(&right.columns).cloned().collect());
    let columns: BTreeSet<usize> = first.order.iter().map(|k| k.column).collect();
    let schema = joined.project(&columns.iter().copied().collect::<Vec<_>>());
    let place = |column: usize| columns.iter().position(|c| *c == column).unwrap_or_default();
    let order: Vec<SortKey> = first.order.iter().map(|k| SortKey { column: place(k.column), ..*k }).collect();
    let kind = RankKeyKind::of(&order, &schema);
    let order = RankOrder::new(&order, &schema)?;
    Ok(match kind {
        RankKeyKind::Arrival => Box::new(Chooser::<()>::new(columns, order, first.limit)),
        RankKeyKind::Integer => Box::new(Chooser::<IntegerKey>::new(columns, order, first.limit)),
        RankKeyKind::TwoIntegers => Box::new(Chooser::<TwoIntegers>::new(columns, order, first.limit)),
        RankKeyKind::Bytes => Box::new(Chooser::<BytesKey>::new(columns, order, first.limit)),
    })
}

struct Chooser<K> {
    columns: BTreeSet<usize>,
    order: RankOrder,
    /// By join key. Rows are named by their place in the batch at hand, from 1; [`PASSED`] is a row of an earlier one.
    ranked: RankedRows<K>,
}

const PASSED: u32 = 0;

impl<K: RankKey> Chooser<K> {
    fn new(columns: BTreeSet<usize>, order: RankOrder, limit: usize) -> Self {
        Self { columns, order, ranked: RankedRows::new(limit, Ties::EarlierFirst) }
    }
}

impl<K: RankKey> FirstPairs for Chooser<K> {
    fn columns(&self) -> &BTreeSet<usize> {
        &self.columns
    }

    fn choose(&mut self, keys: &[u32], columns: Vec<ArrayRef>) -> Result<BooleanBuffer> {
        let rows: RecordBatch = unnamed_batch(columns)?;
        let sort_keys = K::encode(&self.order, &rows)?;
        self.ranked.grow(keys.iter().max().map_or(0, |key| *key as usize + 1));
        let mut chosen = BooleanBufferBuilder::new(keys.len());
        chosen.append_n(keys.len(), false);
        let mut changed = Vec::new();
        for ((place, &key), sort_key) in (0u32..).zip(keys).zip(sort_keys) {
            if !self.ranked.admits(key, &sort_key) {
                continue;
            }
            let pushed_out = self.ranked.insert(key, sort_key, place + 1);
            if let Some(earlier) = pushed_out.filter(|row| *row != PASSED) {
                chosen.set_bit(earlier as usize - 1, false);
            }
            chosen.set_bit(place as usize, true);
            changed.push(key);
        }
        for key in changed {
            self.ranked.rows_mut(key).iter_mut().for_each(|r| r.row = PASSED);
        }
        Ok(chosen.finish())
    }

    fn bytes(&self) -> usize {
        self.ranked.bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use brisk_core::key_group::mix;

    use super::*;
    use crate::harness::schema;

    /// Whatever the batches: the first rows of the chosen pairs are the first rows of all.
    fn check(limit: usize, seed: u64) {
        let mut random = seed;
        let mut next = move |bound: u64| {
            random = mix(random, 0x0123_4567_89ab);
            random % bound
        };
        let row = schema("k BIGINT, n BIGINT");
        let first = FirstOfKey { order: vec![SortKey::descending(3)], limit };
        let mut chooser = first_pairs(&first, &row, &row).unwrap();
        assert_eq!(chooser.columns().iter().copied().collect::<Vec<_>>(), [3]);
        let (mut all, mut passed) = (vec![Vec::new(); 5], vec![Vec::new(); 5]);
        let mut arrival = 0u64;
        for _ in 0..50 {
            let keys: Vec<u32> = (0..next(30)).map(|_| next(5) as u32).collect();
            let values: Vec<i64> = keys.iter().map(|_| next(10) as i64).collect();
            let chosen = chooser.choose(&keys, vec![Arc::new(Int64Array::from(values.clone()))]).unwrap();
            for (i, (key, value)) in keys.iter().zip(values).enumerate() {
                arrival += 1;
                all[*key as usize].push((-value, arrival));
                if chosen.value(i) {
                    passed[*key as usize].push((-value, arrival));
                }
            }
        }
        assert!(passed.iter().map(Vec::len).sum::<usize>() < all.iter().map(Vec::len).sum::<usize>() / 2);
        for (mut all, mut passed) in all.into_iter().zip(passed) {
            all.sort_unstable();
            passed.sort_unstable();
            all.truncate(limit);
            passed.truncate(limit);
            assert_eq!(all, passed);
        }
    }

    #[test]
    fn the_first_rows_of_every_key_go_through() {
        for seed in 0..20 {
            check(1, seed);
            check(3, seed);
        }
    }
}
