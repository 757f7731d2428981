//! Top-N of append-only input: `end` rows a partition, and nothing else is ever stored.
//!
//! A batch is first played through the sort keys alone: every row that is among the first of its partition when it comes
//! takes a place there, named by its number in the batch ([`FRESH`]). Only what still has a place at the end of the
//! batch is copied into the store, each partition's rows side by side.
//!
//! Where a first row is replaced and nobody asks for the former one, the store has no more of it than the columns of the
//! order, from which a restored operator makes its sort keys anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use brisk_core::operator::{Operator, Output};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind};
use brisk_state::{DirtyKeys, KeyIndex, LastTouch, RowId, RowStore, TouchedIds};

use super::changes::{RankChanges, Teller};
use super::{TABLE, TopNSpec};
use crate::batches::rows_of_keys;
use crate::rank_key::{RankKey, RankOrder};
use crate::ranked_rows::{RankedRows, Ties};
use crate::sort_key::SortKey;

/// Marks the name of a row that is not stored yet: its number in the batch at hand.
const FRESH: u32 = 1 << 31;

pub(super) struct AppendOnly<K> {
    partition: Vec<usize>,
    /// The columns that are stored of a row, where not all are.
    kept: Option<Vec<usize>>,
    /// Over what is stored.
    order: RankOrder,
    teller: Teller,
    /// Whether the changes are simply the rows that come and those that they push out.
    tells_rows: bool,
    key_groups: u16,
    index: KeyIndex,
    store: RowStore,
    /// By id.
    ranked: RankedRows<K>,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    touched: TouchedIds,
}

/// What a batch does to the rows.
#[derive(Default)]
struct Work {
    /// The visible rows of touched partitions before the batch, end to end, and where those of each end.
    before: Vec<RowId>,
    ends: Vec<usize>,
    /// Or, where rows are told as a set: every row that came with the one that it pushed out.
    came: Vec<(u32, Option<u32>)>,
    /// Stored rows that left; freed when the changes are out.
    freed: Vec<RowId>,
}

impl<K: RankKey> AppendOnly<K> {
    pub fn new(spec: &TopNSpec, key_groups: u16) -> Result<Self> {
        let teller = Teller::new(spec);
        let columns: BTreeSet<usize> = spec.order.iter().map(|k| k.column).collect();
        let kept = spec.keeps_order_alone().then(|| columns.into_iter().collect::<Vec<_>>());
        let (stored, order) = match &kept {
            None => (spec.input.clone(), spec.order.clone()),
            Some(kept) => {
                let place = |column| kept.iter().position(|c| *c == column).unwrap_or_default();
                (spec.input.project(kept), spec.order.iter().map(|k| SortKey { column: place(k.column), ..*k }).collect())
            }
        };
        Ok(Self {
            partition: spec.partition.clone(),
            kept,
            order: RankOrder::new(&order, &stored)?,
            tells_rows: !spec.output_rank && teller.first == 0,
            key_groups,
            index: KeyIndex::new(spec.input.project(&spec.partition).columns.iter().map(|c| c.sql_type.to_arrow()).collect())?,
            store: RowStore::new(stored.to_arrow()),
            ranked: RankedRows::new(teller.end, Ties::EarlierFirst),
            touch: spec.ttl_ms.map(LastTouch::new),
            dirty: DirtyKeys::default(),
            touched: TouchedIds::default(),
            teller,
        })
    }

    /// Plays the batch through the sort keys.
    fn rank(&mut self, ids: &[u32], keys: Vec<K>, now_ms: i64) -> Work {
        let mut work = Work::default();
        if self.touch.is_some() {
            ids.iter().for_each(|id| self.expire(*id, now_ms, &mut work));
        }
        for ((row, &id), key) in (0u32..).zip(ids).zip(keys) {
            if !self.ranked.admits(id, &key) {
                continue;
            }
            self.note_touched(id, now_ms, &mut work);
            let pushed_out = self.ranked.insert(id, key, row | FRESH);
            work.freed.extend(pushed_out.filter(|row| row & FRESH == 0));
            if self.tells_rows {
                work.came.push((row, pushed_out));
            }
        }
        work
    }

    /// Keeps the ranks of a partition as they were before its first change in this batch.
    fn note_touched(&mut self, id: u32, now_ms: i64, work: &mut Work) {
        if let Some(touch) = &mut self.touch {
            touch.touch(id, now_ms);
        }
        if self.touched.touch(id) && !self.tells_rows {
            work.before.extend(self.teller.visible(self.ranked.rows(id).iter().map(|r| r.row)));
            work.ends.push(work.before.len());
        }
    }

    /// Empties a partition that has outlived its time.
    fn expire(&mut self, id: u32, now_ms: i64, work: &mut Work) {
        let Some(touch) = self.touch.as_mut().filter(|t| t.expired(id, now_ms)) else { return };
        touch.forget(id);
        work.freed.extend(self.ranked.rows(id).iter().map(|r| r.row));
        self.ranked.clear(id);
    }

    /// Stores the fresh rows that have a place. Gives them by their number in the batch, with what they are named by now.
    fn keep(&mut self, rows: &RecordBatch) -> Result<Vec<(u32, RowId)>> {
        let mut kept = Vec::new();
        for &id in self.touched.ids() {
            kept.extend(self.ranked.rows(id).iter().filter(|r| r.row & FRESH != 0).map(|r| r.row & !FRESH));
        }
        let mut stored = Vec::with_capacity(kept.len());
        self.store.append_selected(rows, &kept, &mut stored)?;
        if self.store.id_bound() > FRESH as usize {
            return Err(Error::internal("a Top-N holds more rows than a subtask can name; raise the parallelism"));
        }
        let mut next = stored.iter();
        for &id in self.touched.ids() {
            let fresh = self.ranked.rows_mut(id).iter_mut().filter(|r| r.row & FRESH != 0);
            fresh.zip(&mut next).for_each(|(ranked, stored)| ranked.row = *stored);
        }
        Ok(kept.into_iter().zip(stored).collect())
    }

    /// Every row that came and stayed, and every stored row that one pushed out. A row that comes and goes within the
    /// batch is not told.
    fn row_changes(came: &[(u32, Option<u32>)], kept: &[(u32, RowId)], rows: usize) -> RankChanges {
        let mut changes = RankChanges::new();
        let mut stored = vec![None; rows];
        kept.iter().for_each(|(row, id)| stored[*row as usize] = Some(*id));
        for (row, pushed_out) in came {
            if let Some(old) = pushed_out.filter(|row| row & FRESH == 0) {
                changes.push(RowKind::Delete, (old, 0));
            }
            if let Some(id) = stored[*row as usize] {
                changes.push(RowKind::Insert, (id, 0));
            }
        }
        changes
    }

    /// The rows that are the first of their partitions when the batch is over, and whether there was one before.
    fn first_rows(came: &[(u32, Option<u32>)], kept: &[(u32, RowId)], rows: usize) -> (Vec<u32>, Vec<RowKind>) {
        let (mut stays, mut kinds) = (vec![false; rows], vec![RowKind::Insert; rows]);
        kept.iter().for_each(|(row, _)| stays[*row as usize] = true);
        for (row, pushed_out) in came {
            kinds[*row as usize] = match pushed_out {
                None => RowKind::Insert,
                Some(fresh) if fresh & FRESH != 0 => kinds[(fresh & !FRESH) as usize],
                Some(_) => RowKind::UpdateAfter,
            };
        }
        came.iter().filter(|(row, _)| stays[*row as usize]).map(|(row, _)| (*row, kinds[*row as usize])).unzip()
    }

    fn rank_changes(&self, ids: &[u32], work: &Work) -> RankChanges {
        let mut changes = RankChanges::new();
        let mut after = Vec::new();
        let mut start = 0;
        for (id, &end) in ids.iter().zip(&work.ends) {
            after.clear();
            after.extend(self.teller.visible(self.ranked.rows(*id).iter().map(|r| r.row)));
            self.teller.compare(&work.before[start..end], &after, &mut changes);
            start = end;
        }
        changes
    }
}

impl<K: RankKey> Operator for AppendOnly<K> {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::new();
        let key: Vec<ArrayRef> = self.partition.iter().map(|k| batch.column(*k).clone()).collect();
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        self.ranked.grow(self.index.id_bound());
        let rows = match &self.kept {
            None => batch.rows.clone(),
            Some(kept) => batch.rows.project(kept)?,
        };
        let keys = K::encode(&self.order, &rows)?;
        let work = self.rank(&ids, keys, out.processing_time_ms());
        let kept = self.keep(&rows)?;
        let ids = self.touched.take();
        if self.kept.is_some() {
            let (first, kinds) = Self::first_rows(&work.came, &kept, batch.num_rows());
            if !first.is_empty() {
                out.batch(ChangelogBatch::new(batch.take(&UInt32Array::from(first))?.rows, kinds))?;
            }
        } else {
            let changes = match self.tells_rows {
                true => Self::row_changes(&work.came, &kept, batch.num_rows()),
                false => self.rank_changes(&ids, &work),
            };
            self.teller.emit(&changes, &self.store, out)?;
        }
        self.dirty.mark_all(&ids);
        self.store.free(&work.freed)
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        for id in &expired {
            let rows: Vec<RowId> = self.ranked.rows(*id).iter().map(|r| r.row).collect();
            self.store.free(&rows)?;
            self.ranked.clear(*id);
        }
        self.dirty.remove(&self.index, &expired)?;
        self.index.remove(&expired);
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { dirty, index, ranked, store, touch, .. } = self;
        let rows = |ids: &[u32]| rows_of_keys(ids, store, touch.as_ref(), |id, out| out.extend(ranked.rows(id).iter().map(|r| r.row)));
        dirty.write(writer, TABLE, index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, ranked, store, touch, order, .. } = self;
        dirty.read(reader, TABLE, index, |ids, entries| {
            let touched = entries.column(0).as_primitive::<Int64Type>();
            let rows = RecordBatch::try_new(Arc::clone(store.schema()), entries.columns()[1..].to_vec())?;
            let keys = K::encode(order, &rows)?;
            let mut stored = Vec::new();
            store.append(&rows, &mut stored)?;
            ranked.grow(ids.iter().max().map_or(0, |id| *id as usize + 1));
            for (row, (id, key)) in ids.iter().zip(keys).enumerate() {
                ranked.push(*id, key, stored[row]);
                if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
                    touch.touch(*id, touched.value(row));
                }
            }
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        let touch = self.touch.as_ref().map_or(0, LastTouch::bytes);
        self.index.bytes() + self.store.bytes() + self.ranked.bytes() + self.dirty.bytes() + touch
    }
}
