//! Aggregation by session: rows of a key that follow each other within a gap.
//!
//! Every key has a list of open sessions; every session has a group number in the accumulators. A row opens a session
//! of its own, `[t, t + gap)`, which is joined with those that it touches. Most rows come in the latest session of their
//! key, which lies in an array by key. Rows are collected into one update of the accumulators; only when two sessions
//! that both hold rows are joined, what was collected is applied first.

mod open_sessions;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Schema, Watermark};
use brisk_functions::AggregateCall;
use brisk_state::{DirtyKeys, KeyIndex, KeyedRows, TimerQueue};
use chrono_tz::Tz;

use crate::aggregate_set::AggregateSet;
use crate::batches::{MAX_ROWS, record_batch, retractions, unnamed_batch};
use crate::slices::wall_times;
use crate::time_attribute::TimeAttribute;
use crate::window_aggregate::restored_watermark;
use crate::window_assigner::{WallClock, WindowProperty};
use crate::window_property::property_column;
use open_sessions::{OpenSessions, Session};

/// An aggregation by session window and key. The output, append-only: the key's columns, the aggregates, the window's
/// properties.
///
/// A session ends `gap_ms` after its last row; a row that touches two sessions joins them. A row is late only if the
/// session that it would belong to has ended by the watermark.
#[derive(Debug, Clone)]
pub struct SessionWindowAggregateSpec {
    pub gap_ms: i64,
    pub time: TimeAttribute,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// Positions of the key's columns (with the PARTITION BY columns of the SESSION function).
    pub key: Vec<usize>,
    pub calls: Vec<AggregateCall>,
    pub rows: Schema,
    pub input_retracts: bool,
    pub properties: Vec<WindowProperty>,
    /// Key, aggregates, properties.
    pub output: Schema,
}

impl OperatorFactory for SessionWindowAggregateSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let key_types = self.rows.project(&self.key).columns.iter().map(|c| c.sql_type.to_arrow()).collect();
        Ok(Box::new(SessionWindowAggregate {
            set: AggregateSet::new(&self.calls, self.input_retracts)?,
            index: KeyIndex::new(key_types)?,
            clock: WallClock::new(self.zone),
            schema: self.output.to_arrow(),
            spec: self.clone(),
            key_groups: context.key_groups,
            sessions: OpenSessions::default(),
            groups: Groups::default(),
            timers: TimerQueue::default(),
            timer_at: Vec::new(),
            dirty: DirtyKeys::default(),
            watermark: Watermark::MIN,
        }))
    }

    fn drops_late_rows(&self) -> bool {
        self.time != TimeAttribute::Processing
    }
}

struct SessionWindowAggregate {
    spec: SessionWindowAggregateSpec,
    clock: WallClock,
    schema: SchemaRef,
    key_groups: u16,
    index: KeyIndex,
    set: AggregateSet,
    sessions: OpenSessions,
    groups: Groups,
    /// For every key with sessions one timer, at or before the earliest end.
    timers: TimerQueue,
    /// By key id; `i64::MAX`: none.
    timer_at: Vec<i64>,
    dirty: DirtyKeys,
    /// Event time, or the processing time up to which sessions have fired.
    watermark: i64,
}

/// The group numbers in use, and the rows of each (1 where rows are never taken back).
#[derive(Default)]
struct Groups {
    counts: Vec<i64>,
    free: Vec<u32>,
}

/// Rows that wait for the next update of the accumulators.
#[derive(Default)]
struct Collected {
    rows: Vec<u32>,
    groups: Vec<u32>,
}

/// A session that has fired.
struct Fired {
    key: u32,
    session: Session,
}

impl Operator for SessionWindowAggregate {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let times = match self.spec.time {
            TimeAttribute::Event { column } => wall_times(self.clock, batch.column(column))?,
            TimeAttribute::Processing => vec![self.clock.to_wall(out.processing_time_ms()); batch.num_rows()].into(),
        };
        let key: Vec<ArrayRef> = self.spec.key.iter().map(|k| batch.column(*k).clone()).collect();
        let mut ids = Vec::new();
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        self.sessions.reserve(self.index.id_bound());
        self.timer_at.resize(self.index.id_bound(), i64::MAX);
        let retract = if self.spec.input_retracts { retractions(&batch) } else { None };
        let (gap, counts) = (self.spec.gap_ms, self.spec.input_retracts);
        let (mut collected, mut late) = (Collected::default(), Vec::new());
        for (row, (&id, &time)) in ids.iter().zip(times.iter()).enumerate() {
            let group = match self.sessions.extend_latest(id, time, gap) {
                Some(group) => Some(group),
                None => self.session_of(id, time, &mut collected, &batch.rows, retract.as_deref())?,
            };
            match group {
                Some(group) => {
                    if counts {
                        let taken = retract.as_ref().is_some_and(|r| r[row]);
                        self.groups.counts[group as usize] += if taken { -1 } else { 1 };
                    }
                    collected.rows.push(row as u32);
                    collected.groups.push(group);
                    self.dirty.mark(id);
                }
                None => late.push(row as u32),
            }
        }
        self.apply(&mut collected, &batch.rows, retract.as_deref())?;
        if late.is_empty() {
            return Ok(());
        }
        self.drop_idle(&ids)?;
        out.late(batch.take(&UInt32Array::from(late))?)
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if self.spec.time != TimeAttribute::Processing || time == Watermark::MAX {
            self.watermark = time;
            self.fire(out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        let first = self.timers.first().filter(|_| self.spec.time == TimeAttribute::Processing)?;
        Some(self.clock.fire_time(first - 1).saturating_add(1))
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        if self.spec.time == TimeAttribute::Processing {
            self.watermark = now_ms - 1;
            self.fire(out)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        writer.put_operator_state("watermark", self.watermark.to_le_bytes().to_vec())?;
        let Self { dirty, index, sessions, set, groups, .. } = self;
        let rows = |ids: &[u32]| {
            let mut owners = Vec::new();
            let mut all: Vec<Session> = Vec::new();
            for (i, id) in ids.iter().enumerate() {
                let before = all.len();
                all.extend(sessions.of(*id));
                owners.extend(std::iter::repeat_n(i as u32, all.len() - before));
            }
            let column = |f: &dyn Fn(&Session) -> i64| Arc::new(all.iter().map(f).collect::<Int64Array>()) as ArrayRef;
            let mut columns = vec![column(&|s| s.start), column(&|s| s.end), column(&|s| groups.counts[s.group as usize])];
            columns.extend(set.state(&all.iter().map(|s| s.group).collect::<Vec<_>>())?);
            Ok(KeyedRows { rows: unnamed_batch(columns)?, owners: Some(owners) })
        };
        dirty.write(writer, TABLE, index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = restored_watermark(reader)?;
        let Self { dirty, index, sessions, set, groups, timers, timer_at, .. } = self;
        dirty.read(reader, TABLE, index, |ids, rows| {
            let column = |c: usize| rows.column(c).as_primitive::<Int64Type>().values();
            let mut numbers = Vec::with_capacity(ids.len());
            for (row, id) in ids.iter().enumerate() {
                let key = *id as usize;
                sessions.reserve(key + 1);
                timer_at.resize(timer_at.len().max(key + 1), i64::MAX);
                let group = groups.take(column(2)[row]);
                let session = Session { start: column(0)[row], end: column(1)[row], group };
                sessions.push(*id, session);
                if session.end < timer_at[key] {
                    timers.remove(timer_at[key], *id);
                    timer_at[key] = session.end;
                    timers.insert(session.end, *id);
                }
                numbers.push(group);
            }
            set.reserve(groups.counts.len());
            set.merge(&numbers, &rows.columns()[3..])
        })
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.set.bytes() + self.sessions.bytes() + self.groups.counts.capacity() * 8 + self.timers.bytes() + self.dirty.bytes()
    }
}

const TABLE: &str = "sessions";

impl Groups {
    fn take(&mut self, count: i64) -> u32 {
        let group = self.free.pop().unwrap_or(self.counts.len() as u32);
        match self.counts.get_mut(group as usize) {
            Some(c) => *c = count,
            None => self.counts.push(count),
        }
        group
    }
}

impl SessionWindowAggregate {
    /// The group of the session that a row of key `id` at `time` belongs to, joining sessions; `None` if it is late.
    fn session_of(&mut self, id: u32, time: i64, collected: &mut Collected, rows: &RecordBatch, retract: Option<&[bool]>) -> Result<Option<u32>> {
        let (mut start, mut end) = (time, time + self.spec.gap_ms);
        let mut own = self.sessions.take(id);
        // Sessions do not touch one another, so those that the row touches are neighbours.
        let first = own.partition_point(|s| s.end < start);
        let touched = own[first..].iter().take_while(|s| s.start <= end).count();
        if touched == 0 {
            if self.spec.time != TimeAttribute::Processing && self.clock.fired(end, self.watermark) {
                self.sessions.put(id, own);
                return Ok(None);
            }
            let group = self.groups.take(if self.spec.input_retracts { 0 } else { 1 });
            self.set.reserve(self.groups.counts.len());
            own.insert(first, Session { start, end, group });
            self.sessions.put(id, own);
            self.schedule(id, end);
            return Ok(Some(group));
        }
        start = start.min(own[first].start);
        end = end.max(own[first + touched - 1].end);
        let group = own[first].group;
        if touched > 1 {
            self.apply(collected, rows, retract)?;
            let others: Vec<u32> = own[first + 1..first + touched].iter().map(|s| s.group).collect();
            self.set.merge(&vec![group; others.len()], &self.set.state(&others)?)?;
            self.groups.counts[group as usize] += others.iter().map(|g| self.groups.counts[*g as usize]).sum::<i64>();
            self.release(&others);
            own.drain(first + 1..first + touched);
        }
        own[first] = Session { start, end, group };
        self.sessions.put(id, own);
        Ok(Some(group))
    }

    fn apply(&mut self, collected: &mut Collected, rows: &RecordBatch, retract: Option<&[bool]>) -> Result<()> {
        let Collected { rows: places, groups } = std::mem::take(collected);
        if places.is_empty() {
            return Ok(());
        }
        if places.len() == rows.num_rows() {
            return self.set.update(&groups, rows, retract);
        }
        let retract: Option<Vec<bool>> = retract.map(|r| places.iter().map(|i| r[*i as usize]).collect());
        let some = take_record_batch(rows, &UInt32Array::from(places))?;
        self.set.update(&groups, &some, retract.as_deref())
    }

    fn schedule(&mut self, id: u32, end: i64) {
        let at = &mut self.timer_at[id as usize];
        if end < *at {
            if *at != i64::MAX {
                self.timers.remove(*at, id);
            }
            *at = end;
            self.timers.insert(end, id);
        }
    }

    fn release(&mut self, groups: &[u32]) {
        self.set.clear(groups);
        self.groups.free.extend_from_slice(groups);
    }

    /// Forgets keys without sessions (their rows were late).
    fn drop_idle(&mut self, ids: &[u32]) -> Result<()> {
        let idle = |id: &u32| self.sessions.is_empty(*id) && self.index.contains_id(*id);
        let mut idle: Vec<u32> = ids.iter().copied().filter(idle).collect();
        if idle.is_empty() {
            return Ok(());
        }
        idle.sort_unstable();
        idle.dedup();
        self.dirty.remove(&self.index, &idle)?;
        self.index.remove(&idle);
        Ok(())
    }

    fn fire(&mut self, out: &mut Output) -> Result<()> {
        let mut fired = Vec::new();
        let mut keys = Vec::new();
        while let Some(time) = self.timers.first().filter(|t| self.clock.fired(*t, self.watermark)) {
            let Some((_, ids)) = self.timers.pop_due(time) else { break };
            for id in ids {
                self.fire_key(id, &mut fired);
                keys.push(id);
            }
        }
        fired.sort_by_key(|f: &Fired| f.session.end);
        for chunk in fired.chunks(MAX_ROWS) {
            self.emit(chunk, out)?;
        }
        self.release(&fired.iter().map(|f| f.session.group).collect::<Vec<_>>());
        self.drop_idle(&keys)
    }

    fn fire_key(&mut self, id: u32, fired: &mut Vec<Fired>) {
        let (clock, watermark) = (self.clock, self.watermark);
        let mut own = self.sessions.take(id);
        let due = own.iter().take_while(|s| clock.fired(s.end, watermark)).count();
        fired.extend(own.drain(..due).map(|session| Fired { key: id, session }));
        self.timer_at[id as usize] = i64::MAX;
        if due > 0 {
            self.dirty.mark(id);
        }
        if let Some(next) = own.first() {
            self.schedule(id, next.end);
        }
        self.sessions.put(id, own);
    }

    fn emit(&self, fired: &[Fired], out: &mut Output) -> Result<()> {
        let kept: Vec<&Fired> = fired.iter().filter(|f| self.groups.counts[f.session.group as usize] > 0).collect();
        let mut columns = self.index.keys(&kept.iter().map(|f| f.key).collect::<Vec<_>>())?;
        columns.extend(self.set.values(&kept.iter().map(|f| f.session.group).collect::<Vec<_>>())?);
        for property in &self.spec.properties {
            let bounds = kept.iter().map(|f| (f.session.start, f.session.end));
            columns.push(property_column(*property, bounds, self.schema.field(columns.len()), self.clock)?);
        }
        out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, kept.len())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{call, check, check_net_effect, schema};

    const ROWS: &str = "item STRING, price INT, ts TIMESTAMP(3)";

    fn spec(retracts: bool) -> SessionWindowAggregateSpec {
        let rows = schema(ROWS);
        SessionWindowAggregateSpec {
            gap_ms: 5_000,
            time: TimeAttribute::Event { column: 2 },
            zone: None,
            key: vec![0],
            calls: vec![call("SUM", &[1], &rows), call("COUNT", &[], &rows)],
            rows,
            input_retracts: retracts,
            properties: vec![WindowProperty::Start, WindowProperty::End],
            output: schema("item STRING, s INT, c BIGINT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)"),
        }
    }

    #[test]
    fn sessions_are_joined() {
        let steps = "+I pen 1 00:00:01
            +I pen 2 00:00:08
            +I ink 4 00:00:02
            +I pen 8 00:00:05
            +I pen 16 00:00:20
            watermark 00:00:10
            +I pen 32 00:00:09
            watermark end";
        // The row at 00:00:05 joins the two sessions; that at 00:00:09 comes before the watermark, but not too late.
        let expected = "+I ink 4 1 00:00:02 00:00:07
            +I pen 43 4 00:00:01 00:00:14
            +I pen 16 1 00:00:20 00:00:25";
        check(&spec(false), &[&schema(ROWS)], steps, expected);
    }

    #[test]
    fn sessions_that_touch_are_one() {
        let steps = "+I pen 1 00:00:00
            +I pen 2 00:00:05
            +I pen 4 00:00:10.001
            watermark end";
        check(&spec(false), &[&schema(ROWS)], steps, "+I pen 3 2 00:00:00 00:00:10\n+I pen 4 1 00:00:10.001 00:00:15.001");
    }

    #[test]
    fn late_rows_have_no_session_left() {
        let steps = "+I pen 1 00:00:01
            +I pen 2 00:00:30
            watermark 00:00:06
            +I pen 4 00:00:01
            +I pen 8 00:00:02
            watermark end";
        let expected = "+I pen 1 1 00:00:01 00:00:06
            late +I pen 4 00:00:01
            +I pen 8 1 00:00:02 00:00:07
            +I pen 2 1 00:00:30 00:00:35";
        check_net_effect(&spec(false), &[&schema(ROWS)], steps, expected);
    }

    #[test]
    fn rows_are_taken_back() {
        let steps = "+I pen 1 00:00:01
            +I pen 2 00:00:02
            +I ink 4 00:00:02
            ----
            -D pen 2 00:00:02
            -D ink 4 00:00:02
            watermark end";
        check(&spec(true), &[&schema(ROWS)], steps, "+I pen 1 1 00:00:01 00:00:07");
    }
}
