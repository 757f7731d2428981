//! What a Top-N tells after a batch: the difference between the ranks of a partition before and after it.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_schema::SchemaRef;
use brisk_core::operator::Output;
use brisk_core::{ChangelogBatch, Result, RowKind};
use brisk_state::{RowId, RowStore};

use super::TopNSpec;
use crate::batches::{Changes, record_batch};

/// Changes of stored rows at ranks. The rank means nothing where it is not put out.
pub(super) type RankChanges = Changes<(RowId, i64)>;

/// How the changes of a spec are told.
pub(super) struct Teller {
    /// Ranks kept out at the beginning, and the last rank.
    pub first: usize,
    pub end: usize,
    output_rank: bool,
    update_before: bool,
    schema: SchemaRef,
}

impl Teller {
    pub fn new(spec: &TopNSpec) -> Self {
        Self {
            first: usize::try_from(spec.start - 1).unwrap_or(usize::MAX),
            end: usize::try_from(spec.end).unwrap_or(usize::MAX),
            output_rank: spec.output_rank,
            update_before: spec.emit_update_before,
            schema: spec.output.to_arrow(),
        }
    }

    /// The rows, in their order, whose ranks are put out.
    pub fn visible<T>(&self, rows: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        rows.skip(self.first).take(self.end - self.first.min(self.end))
    }

    /// The changes from the visible rows before to those after.
    pub fn compare(&self, before: &[RowId], after: &[RowId], changes: &mut RankChanges) {
        match self.output_rank {
            true => self.rank_changes(before, after, changes),
            false => set_changes(before, after, changes),
        }
    }

    fn rank_changes(&self, before: &[RowId], after: &[RowId], changes: &mut RankChanges) {
        for place in 0..before.len().max(after.len()) {
            let rank = (self.first + place + 1) as i64;
            match (before.get(place), after.get(place)) {
                (Some(old), Some(new)) if old != new => {
                    if self.update_before {
                        changes.push(RowKind::UpdateBefore, (*old, rank));
                    }
                    changes.push(RowKind::UpdateAfter, (*new, rank));
                }
                (None, Some(new)) => changes.push(RowKind::Insert, (*new, rank)),
                (Some(old), None) => changes.push(RowKind::Delete, (*old, rank)),
                _ => {}
            }
        }
    }

    pub fn emit(&self, changes: &RankChanges, store: &RowStore, out: &mut Output) -> Result<()> {
        for (rows, kinds) in changes.chunks() {
            let stored = store.gather(&rows.iter().map(|r| r.0).collect::<Vec<_>>())?;
            let mut columns = stored.columns().to_vec();
            if self.output_rank {
                columns.push(Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()));
            }
            out.batch(ChangelogBatch::new(record_batch(&self.schema, columns, rows.len())?, kinds.to_vec()))?;
        }
        Ok(())
    }
}

fn set_changes(before: &[RowId], after: &[RowId], changes: &mut RankChanges) {
    if before.len() + after.len() <= 32 {
        before.iter().filter(|r| !after.contains(r)).for_each(|r| changes.push(RowKind::Delete, (*r, 0)));
        after.iter().filter(|r| !before.contains(r)).for_each(|r| changes.push(RowKind::Insert, (*r, 0)));
        return;
    }
    let (old, new): (HashSet<RowId>, HashSet<RowId>) = (before.iter().copied().collect(), after.iter().copied().collect());
    before.iter().filter(|r| !new.contains(r)).for_each(|r| changes.push(RowKind::Delete, (*r, 0)));
    after.iter().filter(|r| !old.contains(r)).for_each(|r| changes.push(RowKind::Insert, (*r, 0)));
}
