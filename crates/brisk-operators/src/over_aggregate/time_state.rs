//! The state of OVER in the order of time, in snapshots.
//!
//! Table `rows` holds waiting and remembered rows. Table `partitions` holds a row for each partition: its counts and,
//! of frames without a beginning, the accumulators. Those of bounded frames are made again from the remembered rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array};
use arrow_schema::{DataType, Field};
use brisk_core::Result;
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_state::{IdBitmap, KeyedRows, RowId};

use super::time_order::{PartitionState, TimeOrder};
use crate::batches::unnamed_batch;
use crate::passed_time::{read_passed_time, write_passed_time};
use crate::row_table::grow;
use crate::used_columns::unnamed;

/// The counts of a partition: rows, times, last, peers, cleanup, and when it was touched.
const COUNTS: usize = 6;

impl TimeOrder {
    pub(super) fn write(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.watermark)?;
        let mut emitted = IdBitmap::default();
        for state in &self.states {
            state.history.iter().for_each(|&row| {
                emitted.insert(row);
            });
        }
        let Self { table, times, .. } = self;
        let fields = [Field::new("time", DataType::Int64, false), Field::new("emitted", DataType::Boolean, false)];
        table.snapshot(writer, &fields, |ids| {
            let times = ids.iter().map(|&id| times[id as usize]).collect::<Int64Array>();
            let emitted = ids.iter().map(|&id| Some(emitted.contains(id))).collect::<BooleanArray>();
            vec![Arc::new(times), Arc::new(emitted)]
        })?;
        let Self { dirty, partitions, states, frames, touched, .. } = self;
        frames.iter_mut().for_each(|f| f.set.reserve(partitions.id_bound()));
        let key_groups = self.table.key_groups();
        dirty.write(writer, "partitions", partitions, key_groups, |ids| {
            let touched_ms = |id: u32| touched.as_ref().map_or(0, |t| t.touched_ms(id));
            let count = |f: &dyn Fn(u32) -> i64| Arc::new(ids.iter().map(|&id| f(id)).collect::<Int64Array>()) as ArrayRef;
            let state = |id: u32| &states[id as usize];
            let mut columns = vec![
                count(&|id| state(id).rows),
                count(&|id| state(id).times),
                count(&|id| state(id).last),
                count(&|id| state(id).peers),
                count(&|id| state(id).cleanup),
                count(&touched_ms),
            ];
            for frame in frames.iter().filter(|f| f.frame.preceding.is_none()) {
                columns.extend(frame.set.state(ids)?);
            }
            Ok(KeyedRows::one_each(unnamed_batch(columns)?))
        })
    }

    pub(super) fn read(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = read_passed_time(reader)?;
        self.read_partitions(reader)?;
        let mut rows = Vec::new();
        self.table.restore(reader, |ids, extra| {
            let (times, emitted) = (extra[0].as_primitive::<Int64Type>(), extra[1].as_boolean());
            rows.extend(ids.iter().enumerate().map(|(i, &id)| (id, times.value(i), emitted.value(i))));
            Ok(())
        })?;
        grow(&mut self.times, self.table.store().id_bound(), 0);
        grow(&mut self.partition_of, self.table.store().id_bound(), 0);
        rows.sort_by_key(|r| r.1);
        let ids: Vec<RowId> = rows.iter().map(|r| r.0).collect();
        let columns = self.table.store().gather_columns(&ids, &self.spec.partition)?;
        let mut partitions = Vec::new();
        self.partitions.insert(&columns, ids.len(), &mut partitions)?;
        grow(&mut self.states, self.partitions.id_bound(), PartitionState::default());
        for ((id, time, emitted), partition) in rows.into_iter().zip(partitions) {
            self.times[id as usize] = time;
            self.partition_of[id as usize] = partition;
            let state = &mut self.states[partition as usize];
            if emitted {
                state.history.push_back(id);
            } else {
                state.waiting += 1;
                self.due.insert(time, id);
            }
        }
        self.refill_frames()
    }

    fn read_partitions(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        let Self { partitions, states, frames, touched, cleanups, .. } = self;
        dirty.read(reader, "partitions", partitions, |ids, rows| {
            let bound = ids.iter().max().map_or(0, |m| *m as usize + 1);
            grow(states, bound, PartitionState::default());
            let counts: Vec<&Int64Array> = rows.columns()[..COUNTS].iter().map(|c| c.as_primitive::<Int64Type>()).collect();
            for (i, &id) in ids.iter().enumerate() {
                let value = |c: usize| counts[c].value(i);
                states[id as usize] =
                    PartitionState { rows: value(0), times: value(1), last: value(2), peers: value(3), cleanup: value(4), ..PartitionState::default() };
                if value(4) != 0 {
                    cleanups.insert(value(4), id);
                }
                if let Some(touched) = touched {
                    touched.touch(id, value(5));
                }
            }
            let mut rest = &rows.columns()[COUNTS..];
            for frame in frames.iter_mut().filter(|f| f.frame.preceding.is_none()) {
                frame.set.reserve(bound);
                let (own, others) = rest.split_at(frame.state_width);
                frame.set.merge(ids, own)?;
                rest = others;
            }
            Ok(())
        })?;
        self.dirty = dirty;
        Ok(())
    }

    /// Adds the remembered rows to the bounded frames that they are in.
    fn refill_frames(&mut self) -> Result<()> {
        for f in 0..self.frames.len() {
            if self.frames[f].frame.preceding.is_none() {
                continue;
            }
            let (mut ids, mut groups) = (Vec::new(), Vec::new());
            for partition in self.partitions.ids() {
                let rows = self.frame_rows(partition, self.frames[f].frame);
                groups.extend(rows.iter().map(|_| partition));
                ids.extend(rows);
            }
            let frame = &mut self.frames[f];
            frame.set.reserve(self.partitions.id_bound());
            let rows = unnamed(self.table.store().gather_columns(&ids, &frame.columns)?, ids.len())?;
            frame.set.update(&groups, &rows, None)?;
        }
        Ok(())
    }
}
