//! Windowing table functions without aggregation: TUMBLE, HOP, CUMULATE and SESSION give every row the columns
//! `window_start`, `window_end` and `window_time` of each window that it belongs to.

//!
//! TUMBLE, HOP and CUMULATE expand a row when it comes; a row without a rowtime belongs to no window and is dropped, a
//! late one is not (whoever aggregates judges that). SESSION cannot know a row's window before the session ends: see
//! [`crate::session_window_table_function`].

use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Error, Result, Schema};
use chrono_tz::Tz;

use crate::session_window_table_function::SessionWindowTableFunction;
use crate::time_attribute::{TimeAttribute, nullable_times};
use crate::window_assigner::{WallClock, WindowKind};

#[derive(Debug, Clone)]
pub struct WindowTableFunctionSpec {
    pub input: Schema,
    pub function: WindowFunction,
    pub time: TimeAttribute,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// The input's columns, then window_start and window_end TIMESTAMP(3), and window_time of the time attribute's type
    /// (TIMESTAMP_LTZ(3) for processing time).
    pub output: Schema,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WindowFunction {
    /// TUMBLE, HOP, CUMULATE: every row is expanded at once.
    Sliced(WindowKind),
    /// SESSION: rows are held until their session ends. One series of sessions for each value of the partition columns.
    Session { gap_ms: i64, partition: Vec<usize> },
}

impl OperatorFactory for WindowTableFunctionSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        match &self.function {
            WindowFunction::Sliced(kind) => {
                Ok(Box::new(WindowTableFunction { kind: *kind, time: self.time, columns: WindowColumns::new(&self.output, WallClock::new(self.zone)) }))
            }
            WindowFunction::Session { gap_ms, partition } => Ok(Box::new(SessionWindowTableFunction::new(self, *gap_ms, partition, context)?)),
        }
    }

    fn drops_late_rows(&self) -> bool {
        matches!(self.function, WindowFunction::Session { .. }) && self.time != TimeAttribute::Processing
    }
}

struct WindowTableFunction {
    kind: WindowKind,
    time: TimeAttribute,
    columns: WindowColumns,
}

impl Operator for WindowTableFunction {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let mut windows = Windows::default();
        match self.time {
            TimeAttribute::Event { column } => self.expand_rowtimes(batch.column(column), &mut windows)?,
            TimeAttribute::Processing => {
                let wall = self.columns.clock.to_wall(out.processing_time_ms());
                (0..batch.num_rows()).for_each(|row| self.expand(row, wall, &mut windows));
            }
        }
        if windows.rows.is_empty() {
            return Ok(());
        }
        out.batch(self.columns.attach(&batch, windows)?)
    }
}

impl WindowTableFunction {
    fn expand_rowtimes(&self, rowtime: &ArrayRef, windows: &mut Windows) -> Result<()> {
        let (times, nulls) = nullable_times(rowtime)?;
        for (row, &time) in times.iter().enumerate() {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                self.expand(row, self.columns.clock.to_wall(time), windows);
            }
        }
        Ok(())
    }

    fn expand(&self, row: usize, wall: i64, windows: &mut Windows) {
        self.kind.windows_of(wall, |start, end| windows.push(row as u32, start, end));
    }
}

/// Which rows go out, and the window (wall-clock bounds) of each.
#[derive(Default)]
pub(crate) struct Windows {
    pub rows: Vec<u32>,
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
}

impl Windows {
    pub fn push(&mut self, row: u32, start: i64, end: i64) {
        self.rows.push(row);
        self.starts.push(start);
        self.ends.push(end);
    }

    fn is_every_row_once(&self, rows: usize) -> bool {
        self.rows.len() == rows && self.rows.iter().enumerate().all(|(i, &r)| i == r as usize)
    }
}

/// Puts the three window columns behind the columns of rows.
pub(crate) struct WindowColumns {
    schema: SchemaRef,
    pub clock: WallClock,
}

impl WindowColumns {
    /// `output` ends with the window columns.
    pub fn new(output: &Schema, clock: WallClock) -> Self {
        Self { schema: output.to_arrow(), clock }
    }

    pub fn attach(&self, batch: &ChangelogBatch, windows: Windows) -> Result<ChangelogBatch> {
        let kept = match windows.is_every_row_once(batch.num_rows()) {
            true => batch.clone(),
            false => batch.take(&UInt32Array::from(windows.rows))?,
        };
        let window_time = self.window_time(&windows.ends)?;
        let mut columns = kept.rows.columns().to_vec();
        columns.push(timestamps(windows.starts));
        columns.push(timestamps(windows.ends));
        columns.push(window_time);
        Ok(kept.with_rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    /// The last millisecond of each window, as an instant where the time attribute is one.
    fn window_time(&self, ends: &[i64]) -> Result<ArrayRef> {
        match self.schema.fields().last().map(|f| f.data_type()) {
            Some(DataType::Timestamp(TimeUnit::Millisecond, None)) => Ok(timestamps(ends.iter().map(|end| end - 1).collect())),
            Some(DataType::Timestamp(TimeUnit::Millisecond, Some(zone))) => {
                let instants: Vec<i64> = ends.iter().map(|end| self.clock.to_epoch(end - 1)).collect();
                Ok(Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(instants).with_timezone(Arc::clone(zone))))
            }
            other => Err(Error::internal(format!("window_time has the Arrow type {other:?}"))),
        }
    }
}

fn timestamps(values: Vec<i64>) -> ArrayRef {
    Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    const ROW: &str = "n BIGINT, ts TIMESTAMP(3)";

    fn spec(function: WindowFunction, ltz: bool) -> WindowTableFunctionSpec {
        let row = if ltz { "n BIGINT, ts TIMESTAMP_LTZ(3)" } else { ROW };
        let time = if ltz { "TIMESTAMP_LTZ(3)" } else { "TIMESTAMP(3)" };
        WindowTableFunctionSpec {
            input: schema(row),
            function,
            time: TimeAttribute::Event { column: 1 },
            zone: ltz.then_some(Tz::Asia__Shanghai),
            output: schema(&format!("{row}, window_start TIMESTAMP(3), window_end TIMESTAMP(3), window_time {time}")),
        }
    }

    #[test]
    fn rows_are_copied_into_their_windows() {
        let hop = WindowKind::Hop { slide_ms: 5000, size_ms: 10_000, offset_ms: 0 };
        check(
            &spec(WindowFunction::Sliced(hop), false),
            &[&schema(ROW)],
            "+I 1 00:00:12\n+I 2 NULL",
            "+I 1 00:00:12 00:00:10 00:00:20 00:00:19.999\n+I 1 00:00:12 00:00:05 00:00:15 00:00:14.999",
        );
    }

    #[test]
    fn days_begin_at_local_midnight() {
        let day = WindowKind::Tumble { size_ms: 86_400_000, offset_ms: 0 };
        check(
            &spec(WindowFunction::Sliced(day), true),
            &[&schema("n BIGINT, ts TIMESTAMP_LTZ(3)")],
            "+I 1 2021-03-01T16:00:00",
            "+I 1 2021-03-01T16:00:00 2021-03-02T00:00:00 2021-03-03T00:00:00 2021-03-02T15:59:59.999",
        );
    }

    #[test]
    fn sessions_go_out_when_they_end() {
        let session = WindowFunction::Session { gap_ms: 5000, partition: vec![0] };
        check(
            &spec(session, false),
            &[&schema(ROW)],
            "+I 1 00:00:01\n+I 1 00:00:10\n+I 2 00:00:04\n+I 1 00:00:06\nwatermark 00:00:09\n+I 2 00:00:03\n+I 1 00:00:15\nwatermark end",
            "+I 2 00:00:04 00:00:04 00:00:09 00:00:08.999
             late +I 2 00:00:03
             +I 1 00:00:01 00:00:01 00:00:20 00:00:19.999
             +I 1 00:00:10 00:00:01 00:00:20 00:00:19.999
             +I 1 00:00:06 00:00:01 00:00:20 00:00:19.999
             +I 1 00:00:15 00:00:01 00:00:20 00:00:19.999",
        );
    }
}
