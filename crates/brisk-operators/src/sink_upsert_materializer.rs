//! Puts the changes of a sink's primary key in order when the stream's own key is another one.
//!
//! Rows of different upsert keys may claim one primary key, and their changes may overtake one another on the way. The
//! sink is told of the last claimant; when it goes, of the one before.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, RowKind, Schema};
use brisk_state::{DirtyKeys, KeyIndex, LastTouch, RowId, RowStore, TouchedIds};

use crate::batches::{Changes, rows_of_keys};

/// Keeps, for every primary key of the sink, the rows that claim it, in the order of their arrival; the sink is told of
/// the last of them. The output is an upsert stream (`+I`, `+U`, `-D`).
#[derive(Debug, Clone)]
pub struct SinkUpsertMaterializerSpec {
    pub input: Schema,
    /// The sink's primary key.
    pub key: Vec<usize>,
    /// The upsert key of the input, if it has one: a row with the same one replaces in place.
    pub input_upsert_key: Option<Vec<usize>>,
    pub ttl_ms: Option<i64>,
}

/// `table.exec.sink.upsert-materialize`: whether such a sink is told of changes in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpsertMaterialize {
    /// Where the stream's key is not the sink's.
    #[default]
    Auto,
    /// Wherever the sink has a key and rows change.
    Force,
    None,
}

impl std::str::FromStr for UpsertMaterialize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "AUTO" => Ok(Self::Auto),
            "FORCE" => Ok(Self::Force),
            "NONE" => Ok(Self::None),
            _ => Err("it is AUTO, FORCE or NONE".to_string()),
        }
    }
}

impl OperatorFactory for SinkUpsertMaterializerSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let compared = self.input_upsert_key.clone().unwrap_or_else(|| (0..self.input.len()).collect());
        Ok(Box::new(SinkUpsertMaterializer {
            key: self.key.clone(),
            compared,
            replaces: self.input_upsert_key.is_some(),
            key_groups: context.key_groups,
            index: KeyIndex::new(self.input.project(&self.key).columns.iter().map(|c| c.sql_type.to_arrow()).collect())?,
            store: RowStore::new(self.input.to_arrow()),
            claims: Vec::new(),
            touch: self.ttl_ms.map(LastTouch::new),
            touched: TouchedIds::default(),
            dirty: DirtyKeys::default(),
        }))
    }
}

struct SinkUpsertMaterializer {
    key: Vec<usize>,
    /// The columns by which rows are told apart.
    compared: Vec<usize>,
    replaces: bool,
    key_groups: u16,
    index: KeyIndex,
    store: RowStore,
    /// By id of the primary key: the rows that claim it.
    claims: Vec<Vec<RowId>>,
    touch: Option<LastTouch>,
    touched: TouchedIds,
    dirty: DirtyKeys,
}

impl Operator for SinkUpsertMaterializer {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let key: Vec<ArrayRef> = self.key.iter().map(|k| batch.column(*k).clone()).collect();
        let (mut ids, mut stored) = (Vec::new(), Vec::new());
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        self.claims.resize_with(self.index.id_bound(), Vec::new);
        let added: Vec<u32> = (0..batch.num_rows()).filter(|row| batch.kind(*row).is_add()).map(|row| row as u32).collect();
        self.store.append_selected(&batch.rows, &added, &mut stored)?;
        let (mut stored, mut first, mut freed) = (stored.into_iter(), Vec::new(), Vec::new());
        for (row, &id) in ids.iter().enumerate() {
            self.expire(id, out.processing_time_ms(), &mut freed);
            if self.touched.touch(id) {
                first.push(self.claims[id as usize].last().copied());
            }
            let place = self.claims[id as usize].iter().position(|r| self.same(*r, &batch.rows, row));
            let claims = &mut self.claims[id as usize];
            match (batch.kind(row).is_add(), place) {
                (true, Some(place)) if self.replaces => {
                    freed.push(claims[place]);
                    claims[place] = stored.next().expect("every added row was stored");
                }
                (true, _) => claims.push(stored.next().expect("every added row was stored")),
                (false, Some(place)) => freed.push(claims.remove(place)),
                (false, None) => {}
            }
            self.touch.iter_mut().for_each(|t| t.touch(id, out.processing_time_ms()));
        }
        self.emit(&first, out)?;
        self.store.free(&freed)
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        for id in &expired {
            let rows = std::mem::take(&mut self.claims[*id as usize]);
            self.store.free(&rows)?;
        }
        self.dirty.remove(&self.index, &expired)?;
        self.index.remove(&expired);
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { dirty, index, store, claims, touch, .. } = self;
        let rows = |ids: &[u32]| rows_of_keys(ids, store, touch.as_ref(), |id, out| out.extend_from_slice(&claims[id as usize]));
        dirty.write(writer, TABLE, index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, store, claims, touch, .. } = self;
        dirty.read(reader, TABLE, index, |ids, entries| {
            let touched = entries.column(0).as_primitive::<Int64Type>();
            let rows = RecordBatch::try_new(Arc::clone(store.schema()), entries.columns()[1..].to_vec())?;
            let mut stored = Vec::new();
            store.append(&rows, &mut stored)?;
            for (row, id) in ids.iter().enumerate() {
                claims.resize_with(claims.len().max(*id as usize + 1), Vec::new);
                claims[*id as usize].push(stored[row]);
                if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
                    touch.touch(*id, touched.value(row));
                }
            }
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.store.bytes() + self.claims.iter().map(|c| 24 + c.capacity() * 4).sum::<usize>() + self.dirty.bytes()
    }
}

const TABLE: &str = "claims";

impl SinkUpsertMaterializer {
    fn same(&self, stored: RowId, rows: &RecordBatch, row: usize) -> bool {
        let (block, at) = self.store.row(stored);
        self.compared.iter().all(|c| block.column(*c).slice(at, 1) == rows.column(*c).slice(row, 1))
    }

    fn expire(&mut self, id: u32, now_ms: i64, freed: &mut Vec<RowId>) {
        let Some(touch) = self.touch.as_mut().filter(|t| t.expired(id, now_ms)) else { return };
        touch.forget(id);
        freed.append(&mut self.claims[id as usize]);
    }

    /// Tells of the last claimant of every touched key, if it is another than before the batch.
    fn emit(&mut self, first: &[Option<RowId>], out: &mut Output) -> Result<()> {
        let ids = self.touched.take();
        let mut changes: Changes<RowId> = Changes::new();
        for (id, before) in ids.iter().zip(first) {
            match (*before, self.claims[*id as usize].last().copied()) {
                (None, Some(new)) => changes.push(RowKind::Insert, new),
                (Some(old), Some(new)) if old != new => changes.push(RowKind::UpdateAfter, new),
                (Some(old), None) => changes.push(RowKind::Delete, old),
                _ => {}
            }
        }
        for (rows, kinds) in changes.chunks() {
            out.batch(ChangelogBatch::new(self.store.gather(rows)?, kinds.to_vec()))?;
        }
        self.dirty.mark_all(&ids);
        let gone: Vec<u32> = ids.into_iter().filter(|id| self.claims[*id as usize].is_empty()).collect();
        gone.iter().for_each(|id| self.touch.iter_mut().for_each(|t| t.forget(*id)));
        self.dirty.remove(&self.index, &gone)?;
        self.index.remove(&gone);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{run_as_written, schema};

    fn check(upsert_key: Option<Vec<usize>>, steps: &str, expected: &[&str]) {
        let spec = SinkUpsertMaterializerSpec { input: schema("id INT, order_id INT, name STRING"), key: vec![0], input_upsert_key: upsert_key, ttl_ms: None };
        assert_eq!(run_as_written(&spec, &[&spec.input], steps), expected);
    }

    #[test]
    fn the_claimant_before_comes_back() {
        let steps = "+I 1 10 pen
            ----
            +I 1 20 ink
            ----
            -D 1 20 ink
            ----
            +I 1 30 cup
            -D 1 10 pen
            ----
            -D 1 30 cup";
        let expected = ["+I 1 10 pen", "+U 1 20 ink", "+U 1 10 pen", "+U 1 30 cup", "-D 1 30 cup"];
        check(None, steps, &expected);
        check(Some(vec![1]), steps, &expected);
    }

    #[test]
    fn a_row_of_the_same_upsert_key_replaces_in_place() {
        let steps = "+I 1 10 pen
            +I 1 20 ink
            ----
            +U 1 10 nib
            ----
            -D 1 20 x";
        check(Some(vec![1]), steps, &["+I 1 20 ink", "+U 1 10 nib"]);
    }
}
