//! Hash partitioning: one pass that hashes, one that counts and scatters row numbers, one `take` a target.

use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter;
use brisk_core::key_group::{hash_columns, subtask_of};
use brisk_core::{ChangelogBatch, Result};

pub(crate) struct HashRouter {
    columns: Vec<usize>,
    key_groups: u64,
    /// The target that owns each key group.
    owners: Vec<u32>,
    /// Of each row of the batch at hand.
    targets: Vec<u32>,
    counts: Vec<u32>,
}

impl HashRouter {
    pub fn new(columns: Vec<usize>, key_groups: u16, parallelism: usize) -> Self {
        let owners = (0..key_groups).map(|g| subtask_of(g, key_groups, parallelism) as u32).collect();
        Self { columns, key_groups: u64::from(key_groups), owners, targets: Vec::new(), counts: vec![0; parallelism] }
    }

    /// The rows of each target that gets some, in their order.
    pub fn split(&mut self, batch: ChangelogBatch) -> Result<Vec<(usize, ChangelogBatch)>> {
        let keys: Vec<ArrayRef> = self.columns.iter().map(|c| batch.column(*c).clone()).collect();
        let hashes = hash_columns(&keys, batch.num_rows())?;
        self.scatter(batch, &hashes, 0u32..)
    }

    /// Of those rows only that are set in `kept`.
    pub fn split_kept(&mut self, batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<Vec<(usize, ChangelogBatch)>> {
        let mask = BooleanArray::new(kept.clone(), None);
        let keys: Vec<ArrayRef> = self.columns.iter().map(|c| filter(batch.column(*c), &mask)).collect::<Result<_, _>>()?;
        let hashes = hash_columns(&keys, kept.count_set_bits())?;
        self.scatter(batch, &hashes, kept.set_indices().map(|row| row as u32))
    }

    /// `rows` has the number of the row of each hash.
    fn scatter(&mut self, batch: ChangelogBatch, hashes: &[u64], rows: impl Iterator<Item = u32>) -> Result<Vec<(usize, ChangelogBatch)>> {
        self.assign(hashes);
        if hashes.len() == batch.num_rows()
            && let [target] = self.used().collect::<Vec<_>>()[..]
        {
            return Ok(vec![(target, batch)]);
        }
        let mut selections: Vec<Vec<u32>> = self.counts.iter().map(|c| Vec::with_capacity(*c as usize)).collect();
        for (row, target) in rows.zip(&self.targets) {
            selections[*target as usize].push(row);
        }
        let chosen = selections.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
        chosen.map(|(target, rows)| Ok((target, batch.take(&UInt32Array::from(rows))?))).collect()
    }

    /// The targets of the rows at hand.
    fn used(&self) -> impl Iterator<Item = usize> {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(target, _)| target)
    }

    fn assign(&mut self, hashes: &[u64]) {
        let Self { key_groups, owners, targets, counts, .. } = self;
        counts.fill(0);
        targets.clear();
        // The usual number of key groups is a power of two, where a mask spares the division.
        if key_groups.is_power_of_two() {
            let mask = *key_groups - 1;
            targets.extend(hashes.iter().map(|h| owners[(h & mask) as usize]));
        } else {
            targets.extend(hashes.iter().map(|h| owners[(h % *key_groups) as usize]));
        }
        targets.iter().for_each(|t| counts[*t as usize] += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, RecordBatch};
    use brisk_core::RowKind;
    use brisk_core::key_group::key_group_of;

    fn check(key_groups: u16, parallelism: usize, rows: usize) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|i| i % 37)));
        let kinds: Vec<RowKind> = (0..rows).map(|i| if i % 3 == 0 { RowKind::Delete } else { RowKind::Insert }).collect();
        let batch = ChangelogBatch::new(RecordBatch::try_from_iter([("k", column.clone())]).unwrap(), kinds.clone());
        let hashes = hash_columns(&[column], rows).unwrap();
        let mut router = HashRouter::new(vec![0], key_groups, parallelism);
        let expected = |chosen: &dyn Fn(usize) -> bool| {
            let mut expected: Vec<Vec<(i64, RowKind)>> = vec![Vec::new(); parallelism];
            for i in (0..rows).filter(|i| chosen(*i)) {
                expected[subtask_of(key_group_of(hashes[i], key_groups), key_groups, parallelism)].push((i as i64 % 37, kinds[i]));
            }
            expected
        };
        let split = router.split(batch.clone()).unwrap();
        assert_eq!(listed(&split, parallelism), expected(&|_| true), "{key_groups} key groups, parallelism {parallelism}");
        for chosen in [|i: usize| i % 5 == 2, |_| false, |_| true] {
            let kept = BooleanBuffer::collect_bool(rows, chosen);
            let split = router.split_kept(batch.clone(), &kept).unwrap();
            assert_eq!(listed(&split, parallelism), expected(&chosen), "{key_groups} key groups, parallelism {parallelism}, {} rows", kept.count_set_bits());
        }
    }

    fn listed(parts: &[(usize, ChangelogBatch)], parallelism: usize) -> Vec<Vec<(i64, RowKind)>> {
        let mut got = vec![Vec::new(); parallelism];
        for (target, part) in parts {
            let keys = part.column(0).as_primitive::<Int64Type>();
            got[*target].extend((0..part.num_rows()).map(|i| (keys.value(i), part.kind(i))));
        }
        got
    }

    #[test]
    fn every_chosen_row_goes_to_the_owner_of_its_key_group_in_order() {
        check(128, 3, 500);
        check(128, 1, 10);
        check(100, 7, 500);
        check(128, 4, 1);
    }
}
