//! ORDER BY: of a stream by its time attribute first, and of a bounded input as a whole. Both run in one subtask.

use arrow_array::RecordBatch;
use arrow_select::take::take_record_batch;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Schema, Watermark};
use brisk_state::{RowId, TimerQueue};

use crate::passed_time::{read_passed_time, write_passed_time};
use crate::row_table::{RowTable, grow};
use crate::sort_key::{SortKey, SortKeyEncoder};
use crate::time_attribute::{TimeAttribute, rowtimes};

/// Rows emitted at a time.
const BATCH_ROWS: usize = 8192;

/// ORDER BY a time attribute ascending, then by other columns. Rows go out as time passes them. A row at or before the
/// newest time that went out is late. In processing time the rows of one batch came at one time.
#[derive(Debug, Clone)]
pub struct TemporalSortSpec {
    pub schema: Schema,
    pub time: TimeAttribute,
    pub then_by: Vec<SortKey>,
}

/// ORDER BY any columns with OFFSET and FETCH over a bounded append-only input: rows go out at its end.
#[derive(Debug, Clone)]
pub struct BoundedSortSpec {
    pub schema: Schema,
    /// May be empty: a plain LIMIT.
    pub keys: Vec<SortKey>,
    pub offset: u64,
    pub fetch: Option<u64>,
}

impl OperatorFactory for TemporalSortSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(TemporalSort {
            table: RowTable::new("rows", &self.schema, &[], context.key_groups)?,
            times: Vec::new(),
            due: TimerQueue::default(),
            then_by: encoder(&self.then_by, &self.schema)?,
            time: self.time,
            passed: Watermark::MIN,
        }))
    }

    fn drops_late_rows(&self) -> bool {
        self.time != TimeAttribute::Processing
    }
}

impl OperatorFactory for BoundedSortSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let table = RowTable::new("rows", &self.schema, &[], context.key_groups)?;
        Ok(Box::new(BoundedSort { table, order: encoder(&self.keys, &self.schema)?, spec: self.clone() }))
    }
}

fn encoder(keys: &[SortKey], schema: &Schema) -> Result<Option<SortKeyEncoder>> {
    (!keys.is_empty()).then(|| SortKeyEncoder::new(keys, schema)).transpose()
}

struct TemporalSort {
    table: RowTable,
    /// By row.
    times: Vec<i64>,
    due: TimerQueue,
    then_by: Option<SortKeyEncoder>,
    time: TimeAttribute,
    /// The newest time that went out.
    passed: i64,
}

impl Operator for TemporalSort {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let TimeAttribute::Event { column } = self.time else { return out.batch(self.sorted(batch)?) };
        let times = rowtimes(batch.column(column))?;
        let is_late = |row: &u32| times[*row as usize] <= self.passed;
        let (late, kept): (Vec<u32>, Vec<u32>) = (0..batch.num_rows() as u32).partition(is_late);
        if !late.is_empty() {
            out.late(batch.take(&late.into())?)?;
        }
        let ids = self.table.insert(&batch.rows, &kept)?;
        ids.into_iter().zip(kept).for_each(|(id, row)| self.note(id, times[row as usize]));
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        while let Some((passed, rows)) = self.due.pop_due(time) {
            self.passed = passed;
            let batch = ChangelogBatch::append(self.table.store().gather(&rows)?);
            out.batch(self.sorted(batch)?)?;
            self.table.remove(&rows)?;
        }
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.passed)?;
        self.table.snapshot(writer, &[], |_| Vec::new())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.passed = read_passed_time(reader)?;
        let mut ids = Vec::new();
        self.table.restore(reader, |new, _| {
            ids.extend_from_slice(new);
            Ok(())
        })?;
        let TimeAttribute::Event { column } = self.time else { return Ok(()) };
        let times = self.table.store().gather_columns(&ids, &[column])?;
        if let [times] = times.as_slice() {
            let times = rowtimes(times)?;
            ids.into_iter().zip(times.iter()).for_each(|(id, &time)| self.note(id, time));
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.table.bytes() + self.times.capacity() * 8 + self.due.bytes()
    }
}

impl TemporalSort {
    fn note(&mut self, row: RowId, time: i64) {
        grow(&mut self.times, self.table.store().id_bound(), 0);
        self.times[row as usize] = time;
        self.due.insert(time, row);
    }

    /// Rows of one time, in the order of the other columns.
    fn sorted(&self, batch: ChangelogBatch) -> Result<ChangelogBatch> {
        match &self.then_by {
            Some(order) if batch.num_rows() > 1 => batch.take(&order.sorted(&batch.rows)?),
            _ => Ok(batch),
        }
    }
}

struct BoundedSort {
    spec: BoundedSortSpec,
    table: RowTable,
    order: Option<SortKeyEncoder>,
}

impl Operator for BoundedSort {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, _out: &mut Output) -> Result<()> {
        let all: Vec<u32> = (0..batch.num_rows() as u32).collect();
        self.table.insert(&batch.rows, &all)?;
        self.prune()
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if time == Watermark::MAX {
            self.emit(out)?;
        }
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.table.snapshot(writer, &[], |_| Vec::new())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.table.restore(reader, |_, _| Ok(()))
    }

    fn state_bytes(&self) -> usize {
        self.table.bytes()
    }
}

impl BoundedSort {
    fn last(&self) -> usize {
        self.spec.fetch.map_or(usize::MAX, |fetch| self.spec.offset.saturating_add(fetch) as usize)
    }

    fn rows(&self) -> Vec<RowId> {
        self.table.keys().ids().into_iter().flat_map(|key| self.table.list(key).collect::<Vec<_>>()).collect()
    }

    /// The rows in order.
    fn sorted(&self) -> Result<(Vec<RowId>, RecordBatch)> {
        let ids = self.rows();
        let rows = self.table.store().gather(&ids)?;
        let Some(order) = &self.order else { return Ok((ids, rows)) };
        let order = order.sorted(&rows)?;
        let ids = order.values().iter().map(|&i| ids[i as usize]).collect();
        Ok((ids, take_record_batch(&rows, &order)?))
    }

    /// Drops rows behind the last that is asked for, once there are many.
    fn prune(&mut self) -> Result<()> {
        let last = self.last();
        if self.table.store().len() < last.saturating_mul(2).saturating_add(BATCH_ROWS) {
            return Ok(());
        }
        let (ids, _) = self.sorted()?;
        let mut surplus = ids[last.min(ids.len())..].to_vec();
        surplus.sort_unstable();
        self.table.remove(&surplus)
    }

    fn emit(&mut self, out: &mut Output) -> Result<()> {
        let (ids, rows) = self.sorted()?;
        let end = self.last().min(rows.num_rows());
        let mut start = (self.spec.offset as usize).min(end);
        while start < end {
            let length = BATCH_ROWS.min(end - start);
            out.batch(ChangelogBatch::append(rows.slice(start, length)))?;
            start += length;
        }
        self.table.remove(&ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    #[test]
    fn rows_go_out_in_the_order_of_time() {
        let row = schema("n BIGINT, ts TIMESTAMP(3)");
        let spec = TemporalSortSpec { schema: row.clone(), time: TimeAttribute::Event { column: 1 }, then_by: vec![SortKey::descending(0)] };
        let steps = "+I 1 00:00:03\n+I 2 00:00:01\n+I 3 00:00:01\nwatermark 00:00:02\n+I 4 00:00:01\n+I 5 00:00:02\nwatermark end";
        check(&spec, &[&row], steps, "+I 3 00:00:01\n+I 2 00:00:01\nlate +I 4 00:00:01\n+I 5 00:00:02\n+I 1 00:00:03");
    }

    #[test]
    fn a_bounded_input_is_sorted_as_a_whole() {
        let row = schema("n BIGINT, s STRING");
        let sort = |fetch| BoundedSortSpec { schema: row.clone(), keys: vec![SortKey::ascending(0)], offset: 1, fetch };
        let steps = "+I 3 a\n+I 1 b\n----\n+I 2 c\n+I 2 d\nwatermark end";
        check(&sort(None), &[&row], steps, "+I 2 c\n+I 2 d\n+I 3 a");
        check(&sort(Some(1)), &[&row], steps, "+I 2 c");
    }
}
