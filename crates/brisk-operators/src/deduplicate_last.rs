//! Deduplication that keeps the last row of a key by event time, where nobody asks which row it was before: a key and the
//! time of its row are all that is remembered.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, UInt32Array};
use brisk_core::operator::{Operator, Output};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, RowKind, Watermark};
use brisk_state::{DirtyKeys, KeyIndex, KeyedRows, LastTouch, TouchedIds};

use crate::batches::{touched_column, unnamed_batch};
use crate::deduplicate::DeduplicateSpec;
use crate::deduplicate_first::{key_ids, key_index, restore_touch};
use crate::time_attribute::rowtimes;

pub(crate) struct LastByTime {
    key: Vec<usize>,
    rowtime: usize,
    every_change: bool,
    key_groups: u16,
    index: KeyIndex,
    /// By id: the time of the key's row.
    times: Vec<i64>,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    touched: TouchedIds,
    /// Scratch, by id: the place of a touched key in the list of those.
    places: Vec<u32>,
}

const TABLE: &str = "times";

/// No row of the key has come.
const NONE: i64 = Watermark::MIN;

impl LastByTime {
    pub fn new(spec: &DeduplicateSpec, rowtime: usize, key_groups: u16) -> Result<Self> {
        Ok(Self {
            key: spec.key.clone(),
            rowtime,
            every_change: spec.every_change,
            key_groups,
            index: key_index(spec)?,
            times: Vec::new(),
            touch: spec.ttl_ms.map(LastTouch::new),
            dirty: DirtyKeys::default(),
            touched: TouchedIds::default(),
            places: Vec::new(),
        })
    }

    /// The rows that become the last of their keys, in order, and their kinds: all of them, or those that still are when
    /// the batch is over.
    fn winners(&mut self, ids: &[u32], times: &[i64], now_ms: i64) -> (Vec<u32>, Vec<RowKind>) {
        let (mut rows, mut kinds) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for (row, &id) in ids.iter().enumerate() {
            let known = &mut self.times[id as usize];
            if self.touch.as_ref().is_some_and(|t| t.expired(id, now_ms)) {
                *known = NONE;
            }
            if times[row] < *known {
                continue;
            }
            let kind = if *known == NONE { RowKind::Insert } else { RowKind::UpdateAfter };
            *known = times[row];
            if let Some(touch) = &mut self.touch {
                touch.touch(id, now_ms);
            }
            if self.touched.touch(id) || self.every_change {
                self.places[id as usize] = rows.len() as u32;
                rows.push(row as u32);
                kinds.push(kind);
            } else {
                rows[self.places[id as usize] as usize] = row as u32;
            }
        }
        (rows, kinds)
    }
}

impl Operator for LastByTime {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let ids = key_ids(&mut self.index, &self.key, &batch)?;
        self.times.resize(self.index.id_bound().max(self.times.len()), NONE);
        self.places.resize(self.times.len(), 0);
        let times = rowtimes(batch.column(self.rowtime))?;
        let (rows, kinds) = self.winners(&ids, &times, out.processing_time_ms());
        self.dirty.mark_all(&self.touched.take());
        if rows.is_empty() {
            return Ok(());
        }
        let rows = if rows.iter().copied().eq(0..batch.num_rows() as u32) { batch.rows } else { batch.take(&UInt32Array::from(rows))?.rows };
        out.batch(ChangelogBatch::new(rows, kinds))
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        expired.iter().for_each(|id| self.times[*id as usize] = NONE);
        self.dirty.remove(&self.index, &expired)?;
        self.index.remove(&expired);
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let (times, touch) = (&self.times, &self.touch);
        let rows = |ids: &[u32]| {
            let time = Int64Array::from_iter_values(ids.iter().map(|id| times[*id as usize]));
            Ok(KeyedRows::one_each(unnamed_batch(vec![touched_column(touch.as_ref(), ids), Arc::new(time)])?))
        };
        self.dirty.write(writer, TABLE, &self.index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, times, places, touch, .. } = self;
        dirty.read(reader, TABLE, index, |ids, rows| {
            let bound = ids.iter().max().map_or(0, |id| *id as usize + 1);
            times.resize(bound.max(times.len()), NONE);
            places.resize(times.len(), 0);
            let restored = rows.column(1).as_primitive::<Int64Type>();
            for (row, id) in ids.iter().enumerate() {
                times[*id as usize] = restored.value(row);
            }
            restore_touch(touch, ids, rows.column(0));
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        let times = self.times.capacity() * 8 + self.places.capacity() * 4;
        self.index.bytes() + times + self.dirty.bytes() + self.touch.as_ref().map_or(0, LastTouch::bytes)
    }
}
