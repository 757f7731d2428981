//! Top-N of input that is corrected: all rows are kept, so that another can take the place of one that is taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::Rows;
use brisk_core::key_group::hash_columns;
use brisk_core::operator::{Operator, Output};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result};
use brisk_state::{DirtyKeys, KeyIndex, LastTouch, RowId, RowStore, TouchedIds};

use super::changes::{RankChanges, Teller};
use super::{TABLE, TopNSpec, same_row};
use crate::batches::rows_of_keys;
use crate::sort_key::SortKeyEncoder;

pub(super) struct Retracting {
    partition: Vec<usize>,
    order: Option<SortKeyEncoder>,
    teller: Teller,
    key_groups: u16,
    index: KeyIndex,
    store: RowStore,
    /// By id.
    partitions: Vec<Partition>,
    arrivals: u64,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    touched: TouchedIds,
}

/// All rows in their order: by key, then by arrival.
#[derive(Default)]
struct Partition {
    rows: BTreeMap<(Box<[u8]>, u64), StoredRow>,
}

#[derive(Clone, Copy)]
struct StoredRow {
    row: RowId,
    /// Of the whole row, to find the one to take back.
    hash: u64,
}

/// What a batch does to the rows.
#[derive(Default)]
struct Work {
    /// The visible rows of touched partitions before the batch.
    before: Vec<Vec<RowId>>,
    /// Rows that left; freed when the changes are out.
    freed: Vec<RowId>,
}

/// The sort keys of a batch; empty bytes without an order.
struct BatchKeys(Option<Rows>);

impl BatchKeys {
    fn row(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

impl Retracting {
    pub fn new(spec: &TopNSpec, key_groups: u16) -> Result<Self> {
        Ok(Self {
            partition: spec.partition.clone(),
            order: if spec.order.is_empty() { None } else { Some(SortKeyEncoder::new(&spec.order, &spec.input)?) },
            teller: Teller::new(spec),
            key_groups,
            index: KeyIndex::new(spec.input.project(&spec.partition).columns.iter().map(|c| c.sql_type.to_arrow()).collect())?,
            store: RowStore::new(spec.input.to_arrow()),
            partitions: Vec::new(),
            arrivals: 0,
            touch: spec.ttl_ms.map(LastTouch::new),
            dirty: DirtyKeys::default(),
            touched: TouchedIds::default(),
        })
    }

    fn change(&mut self, batch: &ChangelogBatch, ids: &[u32], keys: &BatchKeys, now_ms: i64) -> Result<Work> {
        let mut work = Work::default();
        let hashes = hash_columns(batch.rows.columns(), batch.num_rows())?;
        let added: Vec<u32> = (0..batch.num_rows()).filter(|row| batch.kind(*row).is_add()).map(|row| row as u32).collect();
        let mut stored = Vec::new();
        self.store.append_selected(&batch.rows, &added, &mut stored)?;
        let mut stored = stored.into_iter();
        for (row, &id) in ids.iter().enumerate() {
            self.expire(id, now_ms, &mut work);
            self.note_touched(id, now_ms, &mut work);
            let partition = &mut self.partitions[id as usize];
            if batch.kind(row).is_add() {
                let stored = StoredRow { row: stored.next().expect("every added row was stored"), hash: hashes[row] };
                partition.rows.insert((keys.row(row).into(), self.arrivals), stored);
                self.arrivals += 1;
            } else {
                work.freed.extend(partition.take_out(keys.row(row), hashes[row], &self.store, &batch.rows, row));
            }
        }
        Ok(work)
    }

    /// Empties a partition that has outlived its time.
    fn expire(&mut self, id: u32, now_ms: i64, work: &mut Work) {
        let Some(touch) = self.touch.as_mut().filter(|t| t.expired(id, now_ms)) else { return };
        touch.forget(id);
        work.freed.extend(std::mem::take(&mut self.partitions[id as usize]).rows.values().map(|r| r.row));
    }

    /// Keeps the ranks of a partition as they were before its first change in this batch.
    fn note_touched(&mut self, id: u32, now_ms: i64, work: &mut Work) {
        if let Some(touch) = &mut self.touch {
            touch.touch(id, now_ms);
        }
        if self.touched.touch(id) {
            work.before.push(self.visible(id));
        }
    }

    /// The rows of the ranks that are put out.
    fn visible(&self, id: u32) -> Vec<RowId> {
        self.teller.visible(self.partitions[id as usize].rows.values().map(|r| r.row)).collect()
    }

    fn emit(&mut self, work: Work, out: &mut Output) -> Result<()> {
        let ids = self.touched.take();
        let mut changes = RankChanges::new();
        for (id, before) in ids.iter().zip(&work.before) {
            self.teller.compare(before, &self.visible(*id), &mut changes);
        }
        self.teller.emit(&changes, &self.store, out)?;
        self.store.free(&work.freed)?;
        self.dirty.mark_all(&ids);
        let empty: Vec<u32> = ids.into_iter().filter(|id| self.partitions[*id as usize].rows.is_empty()).collect();
        self.remove(&empty)
    }

    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        for id in ids {
            self.partitions[*id as usize] = Partition::default();
            if let Some(touch) = &mut self.touch {
                touch.forget(*id);
            }
        }
        self.dirty.remove(&self.index, ids)?;
        self.index.remove(ids);
        Ok(())
    }
}

impl Operator for Retracting {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::new();
        let key: Vec<ArrayRef> = self.partition.iter().map(|k| batch.column(*k).clone()).collect();
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        self.partitions.resize_with(self.index.id_bound(), Partition::default);
        let keys = BatchKeys(self.order.as_ref().map(|o| o.encode(&batch.rows)).transpose()?);
        let work = self.change(&batch, &ids, &keys, out.processing_time_ms())?;
        self.emit(work, out)
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        let mut rows = Vec::new();
        for id in &expired {
            rows.extend(self.partitions[*id as usize].rows.values().map(|r| r.row));
        }
        self.store.free(&rows)?;
        self.remove(&expired)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { dirty, index, partitions, store, touch, .. } = self;
        let rows = |ids: &[u32]| rows_of_keys(ids, store, touch.as_ref(), |id, out| out.extend(partitions[id as usize].rows.values().map(|r| r.row)));
        dirty.write(writer, TABLE, index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, partitions, store, touch, order, arrivals, .. } = self;
        dirty.read(reader, TABLE, index, |ids, entries| {
            let touched = entries.column(0).as_primitive::<Int64Type>();
            let rows = RecordBatch::try_new(Arc::clone(store.schema()), entries.columns()[1..].to_vec())?;
            let keys = BatchKeys(order.as_ref().map(|o| o.encode(&rows)).transpose()?);
            let hashes = hash_columns(rows.columns(), rows.num_rows())?;
            let mut stored = Vec::new();
            store.append(&rows, &mut stored)?;
            for (row, id) in ids.iter().enumerate() {
                let place = *id as usize;
                partitions.resize_with(partitions.len().max(place + 1), Partition::default);
                partitions[place].rows.insert((keys.row(row).into(), *arrivals), StoredRow { row: stored[row], hash: hashes[row] });
                *arrivals += 1;
                if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
                    touch.touch(*id, touched.value(row));
                }
            }
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        // A node of the tree is about as large as its entries; keys of numbers are some ten bytes.
        let entries = self.store.len() * (size_of::<((Box<[u8]>, u64), StoredRow)>() + 16);
        self.index.bytes() + self.store.bytes() + entries + self.dirty.bytes()
    }
}

impl Partition {
    /// Takes out the first row that equals row `place` of `rows`; nothing if there is none (it has expired).
    fn take_out(&mut self, key: &[u8], hash: u64, store: &RowStore, rows: &RecordBatch, place: usize) -> Option<RowId> {
        let same = |stored: &StoredRow| stored.hash == hash && same_row(store, stored.row, rows, place);
        let (place, row) = self.rows.range((key.into(), 0)..=(key.into(), u64::MAX)).find(|(_, r)| same(r))?;
        let (place, row) = (place.clone(), row.row);
        self.rows.remove(&place);
        Some(row)
    }
}
