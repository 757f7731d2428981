//! One row a key, remembered and replaced: the state of keep-last deduplication and of changelog normalization.
//!
//! A batch is applied row by row to *slots*: a slot names nothing, a stored row, or a row of the batch. Afterwards the
//! rows of the batch that won are stored, and the difference between every slot before and after the batch is emitted (or
//! each change as it came).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use brisk_core::operator::Output;
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, RowKind, Schema};
use brisk_state::{DirtyKeys, KeyIndex, KeyedRows, LastTouch, RowId, RowStore, TouchedIds};

use crate::batches::{Changes, interleave_columns, record_batch, rows_differ, touched_column, unnamed_batch};

/// How changes are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    pub update_before: bool,
    /// Each change by itself, not the difference that a batch makes.
    pub every_change: bool,
    /// Also a row that replaces an equal one.
    pub unchanged: bool,
}

pub(crate) struct LatestRows {
    pub index: KeyIndex,
    pub store: RowStore,
    telling: Telling,
    key: Vec<usize>,
    key_groups: u16,
    /// By id.
    slots: Vec<Slot>,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    touched: TouchedIds,
}

/// The row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    None,
    Stored(RowId),
    /// A row of the batch at hand.
    Batch(u32),
}

/// What a row of the batch does to its key.
pub(crate) enum Change {
    Nothing,
    Replace,
    Delete,
}

impl LatestRows {
    pub fn new(input: &Schema, key: &[usize], telling: Telling, ttl_ms: Option<i64>, key_groups: u16) -> Result<Self> {
        Ok(Self {
            index: KeyIndex::new(input.project(key).columns.iter().map(|c| c.sql_type.to_arrow()).collect())?,
            store: RowStore::new(input.to_arrow()),
            telling,
            key: key.to_vec(),
            key_groups,
            slots: Vec::new(),
            touch: ttl_ms.map(LastTouch::new),
            dirty: DirtyKeys::default(),
            touched: TouchedIds::default(),
        })
    }

    /// Applies a batch. `decide` says for every row, by its number, the id of its key and the key's row, what it does.
    pub fn apply(&mut self, batch: &ChangelogBatch, out: &mut Output, mut decide: impl FnMut(usize, u32, Slot) -> Change) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let key: Vec<ArrayRef> = self.key.iter().map(|k| batch.column(*k).clone()).collect();
        let mut ids = Vec::new();
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        self.slots.resize(self.index.id_bound(), Slot::None);
        let (mut first, mut told, mut freed) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &id) in ids.iter().enumerate() {
            self.expire(id, out.processing_time_ms(), &mut freed);
            let before = self.slots[id as usize];
            if self.touched.touch(id) {
                first.push(before);
            }
            let after = match decide(row, id, before) {
                Change::Nothing => continue,
                Change::Replace => Slot::Batch(row as u32),
                Change::Delete => Slot::None,
            };
            if let Some(touch) = &mut self.touch {
                touch.touch(id, out.processing_time_ms());
            }
            self.slots[id as usize] = after;
            if self.telling.every_change {
                told.push((before, after));
            }
        }
        let ids = self.touched.take();
        if self.telling.every_change {
            self.tell(&told, batch, out)?;
            self.store_winners(&ids, batch)?;
        } else {
            let won = self.store_winners(&ids, batch)?;
            self.tell_difference(&ids, &first, won, out)?;
        }
        self.finish(&ids, &first, freed)
    }

    pub fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    /// Forgets what has outlived its time.
    pub fn sweep(&mut self, now_ms: i64) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        let rows: Vec<RowId> = expired.iter().filter_map(|id| self.slots[*id as usize].stored()).collect();
        self.store.free(&rows)?;
        expired.iter().for_each(|id| self.slots[*id as usize] = Slot::None);
        self.dirty.remove(&self.index, &expired)?;
        self.index.remove(&expired);
        Ok(())
    }

    pub fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { dirty, index, slots, store, touch, .. } = self;
        let rows = |ids: &[u32]| {
            let kept: Vec<RowId> = ids.iter().filter_map(|id| slots[*id as usize].stored()).collect();
            let mut columns: Vec<ArrayRef> = vec![touched_column(touch.as_ref(), ids)];
            columns.extend(store.gather(&kept)?.columns().iter().cloned());
            Ok(KeyedRows::one_each(unnamed_batch(columns)?))
        };
        dirty.write(writer, TABLE, index, self.key_groups, rows)
    }

    /// Reads the rows back; `each` is given the ids and rows of every batch of entries.
    pub fn restore(&mut self, reader: &mut dyn SnapshotReader, mut each: impl FnMut(&[u32], &RecordBatch) -> Result<()>) -> Result<()> {
        let Self { dirty, index, slots, store, touch, .. } = self;
        dirty.read(reader, TABLE, index, |ids, entries| {
            let touched = entries.column(0).as_primitive::<Int64Type>();
            let rows = RecordBatch::try_new(Arc::clone(store.schema()), entries.columns()[1..].to_vec())?;
            let mut stored = Vec::new();
            store.append(&rows, &mut stored)?;
            for (row, id) in ids.iter().enumerate() {
                slots.resize(slots.len().max(*id as usize + 1), Slot::None);
                slots[*id as usize] = Slot::Stored(stored[row]);
                if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
                    touch.touch(*id, touched.value(row));
                }
            }
            each(ids, &rows)
        })
    }

    pub fn bytes(&self) -> usize {
        self.index.bytes() + self.store.bytes() + self.slots.capacity() * size_of::<Slot>() + self.dirty.bytes()
    }

    fn expire(&mut self, id: u32, now_ms: i64, freed: &mut Vec<RowId>) {
        let Some(touch) = self.touch.as_mut().filter(|t| t.expired(id, now_ms)) else { return };
        touch.forget(id);
        freed.extend(self.slots[id as usize].stored());
        self.slots[id as usize] = Slot::None;
    }

    /// Emits what the batch made of the slots that it touched. `won` are the rows that it left, in the order of `ids`.
    fn tell_difference(&self, ids: &[u32], first: &[Slot], won: RecordBatch, out: &mut Output) -> Result<()> {
        let told = ids.iter().zip(first).map(|(id, before)| (before.stored(), self.slots[*id as usize].stored()));
        let told: Vec<(Option<RowId>, Option<RowId>)> = told.filter(|(before, after)| before != after).collect();
        let differ = self.stored_differ(&told)?;
        let mut changes: Changes<RowId> = Changes::new();
        let mut only_won = true;
        for (change, differs) in told.into_iter().zip(differ) {
            match change {
                (None, Some(new)) => changes.push(RowKind::Insert, new),
                (Some(old), None) => {
                    only_won = false;
                    changes.push(RowKind::Delete, old);
                }
                (Some(old), Some(new)) if differs => {
                    if self.telling.update_before {
                        only_won = false;
                        changes.push(RowKind::UpdateBefore, old);
                    }
                    changes.push(RowKind::UpdateAfter, new);
                }
                _ => {}
            }
        }
        if only_won && changes.rows.len() == won.num_rows() {
            // All that won is told, and nothing else: it goes out as it lies in the store.
            return out.batch(ChangelogBatch::new(won, changes.kinds));
        }
        for (rows, kinds) in changes.chunks() {
            out.batch(ChangelogBatch::new(self.store.gather(rows)?, kinds.to_vec()))?;
        }
        Ok(())
    }

    /// For every change whether its rows differ, where that is asked.
    fn stored_differ(&self, told: &[(Option<RowId>, Option<RowId>)]) -> Result<Vec<bool>> {
        if self.telling.unchanged {
            return Ok(vec![true; told.len()]);
        }
        let pairs = told.iter().enumerate().filter_map(|(i, (before, after))| Some((i, ((*before)?, (*after)?))));
        let (places, (old, new)): (Vec<usize>, (Vec<RowId>, Vec<RowId>)) = pairs.unzip();
        let mut differ = vec![false; told.len()];
        let changed = rows_differ(self.store.gather(&old)?.columns(), self.store.gather(&new)?.columns(), places.len())?;
        places.into_iter().zip(changed).for_each(|(place, changed)| differ[place] = changed);
        Ok(differ)
    }

    /// Emits slots before and after each change.
    fn tell(&self, told: &[(Slot, Slot)], batch: &ChangelogBatch, out: &mut Output) -> Result<()> {
        let (sources, told) = Sources::new(&self.store, batch, told)?;
        let differ = self.differ(&told, &sources)?;
        let mut changes: Changes<(usize, usize)> = Changes::new();
        for (i, change) in told.into_iter().enumerate() {
            match change {
                (None, Some(new)) => changes.push(RowKind::Insert, new),
                (Some(old), None) => changes.push(RowKind::Delete, old),
                (Some(old), Some(new)) if differ[i] => {
                    if self.telling.update_before {
                        changes.push(RowKind::UpdateBefore, old);
                    }
                    changes.push(RowKind::UpdateAfter, new);
                }
                _ => {}
            }
        }
        for (rows, kinds) in changes.chunks() {
            let columns = interleave_columns(&[sources.stored.columns(), batch.rows.columns()], rows)?;
            out.batch(ChangelogBatch::new(record_batch(&sources.schema, columns, rows.len())?, kinds.to_vec()))?;
        }
        Ok(())
    }

    /// For every change from row to row whether it is to be told.
    fn differ(&self, told: &[Told], sources: &Sources) -> Result<Vec<bool>> {
        if self.telling.unchanged {
            return Ok(vec![true; told.len()]);
        }
        let mut differ = vec![false; told.len()];
        let (mut pairs, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (i, change) in told.iter().enumerate() {
            if let (Some(before), Some(after)) = change {
                pairs.push(i);
                old.push(*before);
                new.push(*after);
            }
        }
        if pairs.is_empty() {
            return Ok(differ);
        }
        let columns: [&[ArrayRef]; 2] = [sources.stored.columns(), sources.batch.columns()];
        let (old, new) = (interleave_columns(&columns, &old)?, interleave_columns(&columns, &new)?);
        let changed = rows_differ(&old, &new, pairs.len())?;
        pairs.into_iter().zip(changed).for_each(|(pair, changed)| differ[pair] = changed);
        Ok(differ)
    }

    /// Stores the rows of the batch that won; gives them, in the order of `ids`.
    fn store_winners(&mut self, ids: &[u32], batch: &ChangelogBatch) -> Result<RecordBatch> {
        let winners: Vec<(u32, u32)> = ids.iter().filter_map(|id| Some((*id, self.slots[*id as usize].in_batch()?))).collect();
        let rows = taken(&batch.rows, winners.iter().map(|w| w.1).collect())?;
        let won = record_batch(self.store.schema(), rows, winners.len())?;
        let mut stored = Vec::new();
        self.store.append(&won, &mut stored)?;
        for ((id, _), row) in winners.iter().zip(stored) {
            self.slots[*id as usize] = Slot::Stored(row);
        }
        Ok(won)
    }

    /// Frees the rows that were replaced, and the keys that have none any more.
    fn finish(&mut self, ids: &[u32], first: &[Slot], mut freed: Vec<RowId>) -> Result<()> {
        for (id, before) in ids.iter().zip(first) {
            if self.slots[*id as usize] != *before {
                freed.extend(before.stored());
                self.dirty.mark(*id);
            }
        }
        self.store.free(&freed)?;
        let gone: Vec<u32> = ids.iter().copied().filter(|id| self.slots[*id as usize] == Slot::None).collect();
        gone.iter().for_each(|id| self.touch.iter_mut().for_each(|t| t.forget(*id)));
        self.dirty.remove(&self.index, &gone)?;
        self.index.remove(&gone);
        Ok(())
    }
}

const TABLE: &str = "rows";

impl Slot {
    pub fn stored(self) -> Option<RowId> {
        if let Slot::Stored(row) = self { Some(row) } else { None }
    }

    fn in_batch(self) -> Option<u32> {
        if let Slot::Batch(row) = self { Some(row) } else { None }
    }
}

/// The rows at `indices`.
fn taken(rows: &RecordBatch, indices: Vec<u32>) -> Result<Vec<ArrayRef>> {
    if indices.iter().copied().eq(0..rows.num_rows() as u32) {
        return Ok(rows.columns().to_vec());
    }
    let indices = UInt32Array::from(indices);
    rows.columns().iter().map(|c| Ok(take(c, &indices, None)?)).collect()
}

/// Stored rows, gathered, beside the batch.
struct Sources<'a> {
    schema: SchemaRef,
    stored: RecordBatch,
    batch: &'a RecordBatch,
}

/// A change as places in the sources.
type Told = (Option<(usize, usize)>, Option<(usize, usize)>);

impl<'a> Sources<'a> {
    /// A stored row only ever stands before a change, and in one change only: it is replaced by rows of the batch.
    fn new(store: &RowStore, batch: &'a ChangelogBatch, told: &[(Slot, Slot)]) -> Result<(Self, Vec<Told>)> {
        let mut stored = Vec::new();
        let mut place = |slot: Slot| match slot {
            Slot::None => None,
            Slot::Stored(row) => {
                stored.push(row);
                Some((0, stored.len() - 1))
            }
            Slot::Batch(row) => Some((1, row as usize)),
        };
        let places = told.iter().map(|(before, after)| if before == after { (None, None) } else { (place(*before), place(*after)) }).collect();
        Ok((Self { schema: Arc::clone(store.schema()), stored: store.gather(&stored)?, batch: &batch.rows }, places))
    }
}
