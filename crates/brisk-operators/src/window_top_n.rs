//! The first rows of every window and partition, once the window is complete; also deduplication within windows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, Schema, Watermark};
use brisk_state::{DeletedPrefixes, DirtyKeys, KeyIndex, KeyedRows, RowId, RowStore};
use chrono_tz::Tz;

use crate::batches::{MAX_ROWS, record_batch};
use crate::rank_key::{BytesKey, RankKey, RankOrder};
use crate::ranked_rows::{RankedRows, Ties};
use crate::slices::{Slice, slices_of};
use crate::sort_key::SortKey;
use crate::window_aggregate::{WindowInput, prefix, read_slices, restored_watermark};
use crate::window_assigner::WallClock;

/// Keeps rows `start..=end` by ROW_NUMBER of every window and partition; input and output are append-only.
///
/// Window deduplication is `start: 1, end: 1` ordered by the time attribute, descending to keep the last row
/// (`later_wins_ties: true`, as Flink's keep-last takes the later of equal times).
#[derive(Debug, Clone)]
pub struct WindowTopNSpec {
    pub input: Schema,
    /// Positions of the window's bounds, TIMESTAMP(3).
    pub window_start: usize,
    pub window_end: usize,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// Without the window's columns.
    pub partition: Vec<usize>,
    pub order: Vec<SortKey>,
    pub start: u64,
    pub end: u64,
    pub later_wins_ties: bool,
    pub output_rank: bool,
    /// Input columns, then the rank (BIGINT) if asked.
    pub output: Schema,
}

impl OperatorFactory for WindowTopNSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        if self.start == 0 || self.order.is_empty() {
            return Err(Error::internal("a window Top-N needs an order, and ranks begin at 1"));
        }
        Ok(Box::new(WindowTopN {
            first: usize::try_from(self.start - 1).unwrap_or(usize::MAX),
            end: usize::try_from(self.end).unwrap_or(usize::MAX),
            ties: if self.later_wins_ties { Ties::LaterFirst } else { Ties::EarlierFirst },
            order: RankOrder::of_bytes(&self.order, &self.input)?,
            clock: WallClock::new(self.zone),
            partition_types: self.input.project(&self.partition).columns.iter().map(|c| c.sql_type.to_arrow()).collect(),
            input_schema: self.input.to_arrow(),
            schema: self.output.to_arrow(),
            key_groups: context.key_groups,
            windows: BTreeMap::new(),
            watermark: Watermark::MIN,
            deleted: DeletedPrefixes::default(),
            spec: self.clone(),
        }))
    }

    fn drops_late_rows(&self) -> bool {
        true
    }
}

struct WindowTopN {
    spec: WindowTopNSpec,
    first: usize,
    end: usize,
    ties: Ties,
    order: RankOrder,
    clock: WallClock,
    partition_types: Vec<DataType>,
    input_schema: SchemaRef,
    schema: SchemaRef,
    key_groups: u16,
    windows: BTreeMap<Slice, Window>,
    watermark: i64,
    deleted: DeletedPrefixes,
}

/// The candidates of one window.
struct Window {
    index: KeyIndex,
    store: RowStore,
    /// By id of the partition.
    ranked: RankedRows<BytesKey>,
    dirty: DirtyKeys,
}

impl Operator for WindowTopN {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let input = WindowInput::Attached { start: self.spec.window_start, end: self.spec.window_end };
        for (slice, rows) in slices_of(input, self.clock, &batch.rows, out.processing_time_ms())? {
            let part = match rows {
                Some(rows) => batch.take(&UInt32Array::from(rows))?,
                None => batch.clone(),
            };
            match self.clock.fired(slice.0, self.watermark) {
                true => out.late(part)?,
                false => self.add(slice, &part.rows)?,
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.watermark = time;
        while let Some(first) = self.windows.first_entry() {
            if !self.clock.fired(first.key().0, time) {
                break;
            }
            let (slice, mut window) = first.remove_entry();
            self.emit(&window, out)?;
            std::mem::take(&mut window.dirty).drop_all(&prefix(slice), &mut self.deleted);
        }
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        writer.put_operator_state("watermark", self.watermark.to_le_bytes().to_vec())?;
        self.deleted.write(writer, TABLE)?;
        for (slice, window) in &mut self.windows {
            let Window { index, store, ranked, dirty } = window;
            let rows = |ids: &[u32]| {
                let (mut owners, mut rows) = (Vec::new(), Vec::new());
                for (i, id) in ids.iter().enumerate() {
                    rows.extend(ranked.rows(*id).iter().map(|r| r.row));
                    owners.resize(rows.len(), i as u32);
                }
                Ok(KeyedRows { rows: store.gather(&rows)?, owners: Some(owners) })
            };
            dirty.write_prefixed(writer, TABLE, index, &prefix(*slice), self.key_groups, rows)?;
        }
        Ok(())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = restored_watermark(reader)?;
        for (slice, rows, keys) in read_slices(reader, TABLE)? {
            let rows = RecordBatch::try_new(Arc::clone(&self.input_schema), rows.columns().to_vec())?;
            let sort_keys = BytesKey::encode(&self.order, &rows)?;
            let window = self.window(slice)?;
            let (mut ids, mut stored) = (Vec::new(), Vec::new());
            window.index.insert_encoded(keys.iter().map(Vec::as_slice), &mut ids)?;
            window.ranked.grow(window.index.id_bound());
            window.store.append(&rows, &mut stored)?;
            window.dirty.mark_kept(&ids);
            for ((id, key), row) in ids.iter().zip(sort_keys).zip(stored) {
                window.ranked.push(*id, key, row);
            }
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let window = |w: &Window| w.index.bytes() + w.store.bytes() + w.ranked.bytes();
        self.windows.values().map(window).sum()
    }
}

const TABLE: &str = "rows";

impl WindowTopN {
    fn window(&mut self, slice: Slice) -> Result<&mut Window> {
        use std::collections::btree_map::Entry;
        Ok(match self.windows.entry(slice) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Window {
                index: KeyIndex::new(self.partition_types.clone())?,
                store: RowStore::new(Arc::clone(&self.input_schema)),
                ranked: RankedRows::new(self.end, self.ties),
                dirty: DirtyKeys::default(),
            }),
        })
    }

    fn add(&mut self, slice: Slice, rows: &RecordBatch) -> Result<()> {
        let keys = BytesKey::encode(&self.order, rows)?;
        let partition: Vec<ArrayRef> = self.spec.partition.iter().map(|k| rows.column(*k).clone()).collect();
        let window = self.window(slice)?;
        let mut ids = Vec::new();
        window.index.insert(&partition, rows.num_rows(), &mut ids)?;
        window.ranked.grow(window.index.id_bound());
        let admitted = |row: &u32| window.ranked.admits(ids[*row as usize], &keys[*row as usize]);
        let candidates: Vec<u32> = (0..rows.num_rows() as u32).filter(admitted).collect();
        let (mut stored, mut freed) = (Vec::new(), Vec::new());
        window.store.append_selected(rows, &candidates, &mut stored)?;
        for (row, stored) in candidates.into_iter().zip(stored) {
            let (id, key) = (ids[row as usize], &keys[row as usize]);
            // An earlier row of this batch may have raised the bar.
            if window.ranked.admits(id, key) {
                freed.extend(window.ranked.insert(id, key.clone(), stored));
                window.dirty.mark(id);
            } else {
                freed.push(stored);
            }
        }
        window.store.free(&freed)
    }

    fn emit(&self, window: &Window, out: &mut Output) -> Result<()> {
        let ranked = |id: u32| window.ranked.rows(id).iter().enumerate().skip(self.first).map(|(i, r)| (r.row, i as i64 + 1));
        let rows: Vec<(RowId, i64)> = (0..window.index.id_bound() as u32).flat_map(ranked).collect();
        for rows in rows.chunks(MAX_ROWS) {
            let stored = window.store.gather(&rows.iter().map(|r| r.0).collect::<Vec<_>>())?;
            let mut columns = stored.columns().to_vec();
            if self.spec.output_rank {
                columns.push(Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()));
            }
            out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, rows.len())?))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    const INPUT: &str = "item STRING, price INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)";

    fn spec(later_wins_ties: bool, end: u64) -> WindowTopNSpec {
        WindowTopNSpec {
            input: schema(INPUT),
            window_start: 2,
            window_end: 3,
            zone: None,
            partition: vec![0],
            order: vec![SortKey::descending(1)],
            start: 1,
            end,
            later_wins_ties,
            output_rank: true,
            output: schema("item STRING, price INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), r BIGINT"),
        }
    }

    #[test]
    fn complete_windows_give_their_first_rows() {
        let steps = "+I pen 1 00:00:00 00:00:10
            +I pen 5 00:00:00 00:00:10
            +I ink 2 00:00:10 00:00:20
            +I pen 3 00:00:00 00:00:10
            ----
            +I ink 3 00:00:00 00:00:10
            watermark 00:00:09.999
            +I ink 9 00:00:00 00:00:10
            watermark end";
        let expected = "+I pen 5 00:00:00 00:00:10 1
            +I pen 3 00:00:00 00:00:10 2
            +I ink 3 00:00:00 00:00:10 1
            late +I ink 9 00:00:00 00:00:10
            +I ink 2 00:00:10 00:00:20 1";
        check(&spec(false, 2), &[&schema(INPUT)], steps, expected);
    }

    #[test]
    fn the_last_of_equal_rows_may_win() {
        let spec = WindowTopNSpec { order: vec![SortKey::descending(2)], ..spec(true, 1) };
        let steps = "+I pen 1 00:00:00 00:00:10
            +I pen 5 00:00:00 00:00:10
            ----
            +I pen 3 00:00:00 00:00:10
            watermark end";
        check(&spec, &[&schema(INPUT)], steps, "+I pen 3 00:00:00 00:00:10 1");
    }
}
