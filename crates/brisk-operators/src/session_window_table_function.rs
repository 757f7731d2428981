//! SESSION as a table function: rows are held until the watermark passes the end of their session, and go out with it.
//!
//! Rows of a partition belong to one session as long as no gap between neighbours is greater than the session's. A row
//! whose session would have ended by now is late.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field};
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Watermark};
use brisk_state::{RowId, TimerQueue};

use crate::passed_time::{read_passed_time, write_passed_time};
use crate::row_table::{RowTable, grow};
use crate::time_attribute::{TimeAttribute, nullable_times};
use crate::window_assigner::WallClock;
use crate::window_table_function::{WindowColumns, WindowTableFunctionSpec, Windows};

pub(crate) struct SessionWindowTableFunction {
    time: TimeAttribute,
    gap_ms: i64,
    columns: WindowColumns,
    table: RowTable,
    /// By row: its wall-clock time.
    times: Vec<i64>,
    /// By partition: its open sessions in the order of time, none overlapping.
    sessions: Vec<Vec<Session>>,
    /// Partitions by the ends that their sessions have had.
    ends: TimerQueue,
    now: i64,
}

#[derive(Debug, Clone)]
struct Session {
    start: i64,
    end: i64,
    rows: Vec<RowId>,
}

impl SessionWindowTableFunction {
    pub fn new(spec: &WindowTableFunctionSpec, gap_ms: i64, partition: &[usize], context: &SubtaskContext) -> Result<Self> {
        Ok(Self {
            time: spec.time,
            gap_ms,
            columns: WindowColumns::new(&spec.output, WallClock::new(spec.zone)),
            table: RowTable::new("rows", &spec.input, partition, context.key_groups)?,
            times: Vec::new(),
            sessions: Vec::new(),
            ends: TimerQueue::default(),
            now: Watermark::MIN,
        })
    }

    /// The wall-clock times of rows, and which have one.
    fn wall_times(&self, batch: &ChangelogBatch, now_ms: i64) -> Result<Vec<Option<i64>>> {
        let clock = self.columns.clock;
        let TimeAttribute::Event { column } = self.time else { return Ok(vec![Some(clock.to_wall(now_ms)); batch.num_rows()]) };
        let (times, nulls) = nullable_times(batch.column(column))?;
        Ok(times.iter().enumerate().map(|(row, &t)| nulls.as_ref().is_none_or(|n| n.is_valid(row)).then(|| clock.to_wall(t))).collect())
    }

    /// Whether a row at `wall` of a partition falls into a session that has ended.
    fn is_late(&self, partition: u32, wall: i64) -> bool {
        if self.now == Watermark::MIN || !self.columns.clock.fired(wall.saturating_add(self.gap_ms), self.now) {
            return false;
        }
        let open = self.sessions.get(partition as usize).into_iter().flatten();
        !open.into_iter().any(|s| s.touches(wall, wall.saturating_add(self.gap_ms)))
    }

    fn note(&mut self, row: RowId, wall: i64) {
        grow(&mut self.times, self.table.store().id_bound(), 0);
        self.times[row as usize] = wall;
        let partition = self.table.key(row);
        grow(&mut self.sessions, self.table.keys().id_bound(), Vec::new());
        let sessions = &mut self.sessions[partition as usize];
        let end = Session::add(sessions, Session { start: wall, end: wall.saturating_add(self.gap_ms), rows: vec![row] });
        self.ends.insert(end, partition);
    }

    fn fire(&mut self, now: i64, out: &mut Output) -> Result<()> {
        self.now = now;
        let bound = self.columns.clock.fired_below(now);
        let (mut rows, mut windows, mut waiting) = (Vec::new(), Windows::default(), Vec::new());
        while let Some((end, partitions)) = self.ends.pop_due(bound) {
            if !self.columns.clock.fired(end, now) {
                waiting.push((end, partitions));
                continue;
            }
            for partition in partitions {
                let sessions = &mut self.sessions[partition as usize];
                while sessions.first().is_some_and(|s| s.end <= end) {
                    let session = sessions.remove(0);
                    for row in session.rows {
                        windows.push(rows.len() as u32, session.start, session.end);
                        rows.push(row);
                    }
                }
            }
        }
        for (end, partitions) in waiting {
            partitions.into_iter().for_each(|p| self.ends.insert(end, p));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let batch = ChangelogBatch::append(self.table.store().gather(&rows)?);
        self.table.remove(&rows)?;
        out.batch(self.columns.attach(&batch, windows)?)
    }
}

impl Session {
    fn touches(&self, start: i64, end: i64) -> bool {
        self.start <= end && start <= self.end
    }

    /// Adds a session to those of a partition, merging what touches it; gives the end of the session it is part of.
    fn add(sessions: &mut Vec<Session>, mut new: Session) -> i64 {
        let first = sessions.partition_point(|s| s.end < new.start);
        let last = first + sessions[first..].partition_point(|s| s.start <= new.end);
        let mut rows = Vec::new();
        for old in sessions.drain(first..last) {
            new.start = new.start.min(old.start);
            new.end = new.end.max(old.end);
            if rows.is_empty() { rows = old.rows } else { rows.extend(old.rows) }
        }
        rows.append(&mut new.rows);
        let end = new.end;
        sessions.insert(first, Session { rows, ..new });
        end
    }
}

impl Operator for SessionWindowTableFunction {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if self.time == TimeAttribute::Processing {
            self.now = self.now.max(out.processing_time_ms());
        }
        let times = self.wall_times(&batch, out.processing_time_ms())?;
        let keys = self.table.key_of(&batch.rows);
        let partitions = self.table.lookup(&keys, batch.num_rows())?;
        let (mut kept, mut walls, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for (row, time) in times.into_iter().enumerate() {
            let Some(wall) = time else { continue };
            if self.is_late(partitions[row], wall) {
                late.push(row as u32);
            } else {
                kept.push(row as u32);
                walls.push(wall);
            }
        }
        if !late.is_empty() {
            out.late(batch.take(&late.into())?)?;
        }
        let ids = self.table.insert(&batch.rows, &kept)?;
        ids.into_iter().zip(walls).for_each(|(row, wall)| self.note(row, wall));
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if self.time != TimeAttribute::Processing {
            self.fire(time, out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        match self.time {
            TimeAttribute::Processing => self.ends.first().map(|end| self.columns.clock.fire_time(end - 1)),
            TimeAttribute::Event { .. } => None,
        }
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        self.fire(now_ms, out)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.now)?;
        let Self { table, times, .. } = self;
        table.snapshot(writer, &[Field::new("wall", DataType::Int64, false)], |ids| {
            vec![Arc::new(ids.iter().map(|&id| times[id as usize]).collect::<Int64Array>()) as ArrayRef]
        })
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.now = read_passed_time(reader)?;
        let mut notes = Vec::new();
        self.table.restore(reader, |ids, extra| {
            let walls = extra[0].as_primitive::<Int64Type>();
            notes.extend(ids.iter().copied().zip(walls.values().iter().copied()));
            Ok(())
        })?;
        notes.into_iter().for_each(|(row, wall)| self.note(row, wall));
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let sessions: usize = self.sessions.iter().flatten().map(|s| 40 + s.rows.capacity() * 4).sum();
        self.table.bytes() + self.times.capacity() * 8 + sessions + self.ends.bytes()
    }
}
