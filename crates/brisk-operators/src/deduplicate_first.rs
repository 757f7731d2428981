//! Deduplication that keeps the first row of a key and never corrects: by arrival, and by event time.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use brisk_core::operator::{Operator, Output};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Watermark};
use brisk_state::{DirtyKeys, IdBitmap, KeyIndex, KeyedRows, LastTouch, NO_ROW, RowId, RowStore, TimerQueue};

use crate::batches::{MAX_ROWS, touched_column, unnamed_batch};
use crate::deduplicate::DeduplicateSpec;
use crate::time_attribute::rowtimes;
use crate::window_aggregate::restored_watermark;

/// Passes the first row of every key at once.
pub(crate) struct FirstByArrival {
    key: Vec<usize>,
    key_groups: u16,
    index: KeyIndex,
    seen: IdBitmap,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
}

impl FirstByArrival {
    pub fn new(spec: &DeduplicateSpec, key_groups: u16) -> Result<Self> {
        let (key, touch) = (spec.key.clone(), spec.ttl_ms.map(LastTouch::new));
        Ok(Self { key, key_groups, index: key_index(spec)?, seen: IdBitmap::default(), touch, dirty: DirtyKeys::default() })
    }
}

impl Operator for FirstByArrival {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let now_ms = out.processing_time_ms();
        let ids = key_ids(&mut self.index, &self.key, &batch)?;
        let mut first = Vec::new();
        for (row, &id) in ids.iter().enumerate() {
            let expired = self.touch.as_ref().is_some_and(|t| t.expired(id, now_ms));
            if self.seen.insert(id) || expired {
                first.push(row as u32);
                self.dirty.mark(id);
                self.touch.iter_mut().for_each(|t| t.touch(id, now_ms));
            }
        }
        match first.len() {
            0 => Ok(()),
            n if n == batch.num_rows() => out.batch(batch),
            _ => out.batch(batch.take(&UInt32Array::from(first))?),
        }
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        self.seen.remove_all(&expired);
        self.dirty.remove(&self.index, &expired)?;
        self.index.remove(&expired);
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let touch = &self.touch;
        let rows = |ids: &[u32]| Ok(KeyedRows::one_each(unnamed_batch(vec![touched_column(touch.as_ref(), ids)])?));
        self.dirty.write(writer, "seen", &self.index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, seen, touch, .. } = self;
        dirty.read(reader, "seen", index, |ids, rows| {
            seen.insert_all(ids);
            restore_touch(touch, ids, rows.column(0));
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.seen.bytes() + self.dirty.bytes() + self.touch.as_ref().map_or(0, LastTouch::bytes)
    }
}

/// Holds the earliest row of every key back until event time has passed it. A row before the watermark is late; a key
/// whose row is out takes no other.
pub(crate) struct FirstByTime {
    key: Vec<usize>,
    rowtime: usize,
    key_groups: u16,
    index: KeyIndex,
    store: RowStore,
    /// By id.
    states: Vec<KeyState>,
    timers: TimerQueue,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    watermark: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    New,
    /// While a batch is taken in: which of its chosen rows.
    Chosen(u32),
    Waiting {
        row: RowId,
        time: i64,
    },
    Emitted,
}

impl FirstByTime {
    pub fn new(spec: &DeduplicateSpec, rowtime: usize, key_groups: u16) -> Result<Self> {
        Ok(Self {
            key: spec.key.clone(),
            rowtime,
            key_groups,
            index: key_index(spec)?,
            store: RowStore::new(spec.input.to_arrow()),
            states: Vec::new(),
            timers: TimerQueue::default(),
            touch: spec.ttl_ms.map(LastTouch::new),
            dirty: DirtyKeys::default(),
            watermark: Watermark::MIN,
        })
    }

    fn add(&mut self, batch: &ChangelogBatch, times: &[i64], now_ms: i64) -> Result<()> {
        let ids = key_ids(&mut self.index, &self.key, batch)?;
        self.states.resize(self.index.id_bound(), KeyState::New);
        let mut freed = Vec::new();
        // The row of the batch that may be first, by place in the list of touched keys. It is stored below.
        let mut best: Vec<u32> = Vec::new();
        for (row, &id) in ids.iter().enumerate() {
            let state = &mut self.states[id as usize];
            if *state == KeyState::Emitted && self.touch.as_ref().is_some_and(|t| t.expired(id, now_ms)) {
                *state = KeyState::New;
            }
            let earlier = match *state {
                KeyState::Emitted => false,
                KeyState::Chosen(place) => times[row] < times[best[place as usize] as usize],
                KeyState::Waiting { time, .. } => times[row] < time,
                KeyState::New => true,
            };
            match *state {
                _ if !earlier => {}
                KeyState::Chosen(place) => best[place as usize] = row as u32,
                KeyState::Waiting { row: old, time } => {
                    freed.push(old);
                    self.timers.remove(time, id);
                    *state = KeyState::Chosen(best.len() as u32);
                    best.push(row as u32);
                }
                _ => {
                    *state = KeyState::Chosen(best.len() as u32);
                    best.push(row as u32);
                }
            }
        }
        let mut stored = Vec::new();
        self.store.append_selected(&batch.rows, &best, &mut stored)?;
        for (row, stored) in best.into_iter().zip(stored) {
            let (id, time) = (ids[row as usize], times[row as usize]);
            self.states[id as usize] = KeyState::Waiting { row: stored, time };
            self.timers.insert(time, id);
            self.dirty.mark(id);
        }
        self.store.free(&freed)
    }
}

impl Operator for FirstByTime {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let times = rowtimes(batch.column(self.rowtime))?;
        let now_ms = out.processing_time_ms();
        if times.iter().all(|t| *t >= self.watermark) {
            return self.add(&batch, &times, now_ms);
        }
        let (in_time, late): (Vec<u32>, Vec<u32>) = (0..batch.num_rows() as u32).partition(|row| times[*row as usize] >= self.watermark);
        out.late(batch.take(&UInt32Array::from(late))?)?;
        let batch = batch.take(&UInt32Array::from(in_time))?;
        let times = rowtimes(batch.column(self.rowtime))?;
        self.add(&batch, &times, now_ms)
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.watermark = time;
        let mut rows = Vec::new();
        while let Some((_, ids)) = self.timers.pop_due(time) {
            for id in ids {
                if let KeyState::Waiting { row, .. } = self.states[id as usize] {
                    rows.push(row);
                }
                self.states[id as usize] = KeyState::Emitted;
                self.dirty.mark(id);
                self.touch.iter_mut().for_each(|t| t.touch(id, out.processing_time_ms()));
            }
        }
        for rows in rows.chunks(MAX_ROWS) {
            out.batch(ChangelogBatch::append(self.store.gather(rows)?))?;
        }
        self.store.free(&rows)?;
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        // Only keys whose row is out are ever touched, but a new row of an expired key may wait.
        let gone: Vec<u32> = expired.into_iter().filter(|id| self.states[*id as usize] == KeyState::Emitted).collect();
        gone.iter().for_each(|id| self.states[*id as usize] = KeyState::New);
        self.dirty.remove(&self.index, &gone)?;
        self.index.remove(&gone);
        Ok(())
    }

    /// An entry is when the key's row went out (null: it waits), and the row that waits (nulls: it is out).
    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        writer.put_operator_state("watermark", self.watermark.to_le_bytes().to_vec())?;
        let Self { dirty, index, states, store, touch, .. } = self;
        let rows = |ids: &[u32]| {
            let waiting = |id: &u32| matches!(states[*id as usize], KeyState::Waiting { .. });
            let kept = ids.iter().map(|id| if let KeyState::Waiting { row, .. } = states[*id as usize] { row } else { NO_ROW });
            let kept: Vec<RowId> = kept.collect();
            let mut columns: Vec<ArrayRef> =
                vec![Arc::new(ids.iter().map(|id| Some(waiting(id))).collect::<BooleanArray>()), touched_column(touch.as_ref(), ids)];
            columns.extend(store.gather(&kept)?.columns().iter().cloned());
            Ok(KeyedRows::one_each(unnamed_batch(columns)?))
        };
        dirty.write(writer, "first", index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = restored_watermark(reader)?;
        let Self { dirty, index, states, store, timers, touch, rowtime, .. } = self;
        dirty.read(reader, "first", index, |ids, entries| {
            let bound = ids.iter().max().map_or(0, |id| *id as usize + 1);
            states.resize(states.len().max(bound), KeyState::New);
            let waiting = entries.column(0).as_boolean();
            let places: Vec<u32> = (0..ids.len() as u32).filter(|row| waiting.value(*row as usize)).collect();
            let rows = RecordBatch::try_new(Arc::clone(store.schema()), entries.columns()[2..].to_vec())?;
            let times = crate::time_attribute::times_ms(rows.column(*rowtime))?;
            let mut stored = Vec::new();
            store.append_selected(&rows, &places, &mut stored)?;
            ids.iter().for_each(|id| states[*id as usize] = KeyState::Emitted);
            for (place, row) in places.iter().zip(stored) {
                let (id, time) = (ids[*place as usize], times[*place as usize]);
                states[id as usize] = KeyState::Waiting { row, time };
                timers.insert(time, id);
            }
            restore_touch(touch, ids, entries.column(1));
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.store.bytes() + self.states.capacity() * size_of::<KeyState>() + self.timers.bytes() + self.dirty.bytes()
    }
}

pub(crate) fn key_index(spec: &DeduplicateSpec) -> Result<KeyIndex> {
    KeyIndex::new(spec.input.project(&spec.key).columns.iter().map(|c| c.sql_type.to_arrow()).collect())
}

pub(crate) fn key_ids(index: &mut KeyIndex, key: &[usize], batch: &ChangelogBatch) -> Result<Vec<u32>> {
    let key: Vec<ArrayRef> = key.iter().map(|k| batch.column(*k).clone()).collect();
    let mut ids = Vec::new();
    index.insert(&key, batch.num_rows(), &mut ids)?;
    Ok(ids)
}

pub(crate) fn restore_touch(touch: &mut Option<LastTouch>, ids: &[u32], touched: &ArrayRef) {
    let touched = touched.as_primitive::<Int64Type>();
    for (row, id) in ids.iter().enumerate() {
        if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
            touch.touch(*id, touched.value(row));
        }
    }
}
