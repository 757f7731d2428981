//! OVER in the order of time.
//!
//! Rows wait until the watermark passes them. Those that are due are cut into *steps*: for RANGE the rows of one
//! partition and time, for ROWS each row. A step adds its rows to the frame and takes out those that leave it; all its
//! rows see the same result. The n-th steps of all partitions are one *round*, in which no two steps share an
//! accumulator, so that a round is one call of each aggregate:
//!
//! ```text
//!   due rows, by partition:   a: 1 2 2 5    b: 3 4
//!   rounds (RANGE):           {a1, b3}  {a2 a2, b4}  {a5}
//! ```
//!
//! Late are rows at or before the watermark; with a bounded frame, those at or before the last row of their partition
//! that was emitted, as in Flink.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Watermark};
use brisk_functions::AggregateCall;
use brisk_state::{DirtyKeys, KeyIndex, LastTouch, NO_ROW, RowId, TimerQueue};

use super::{Frame, FrameUnit, OverAggregateSpec, OverFunction};
use crate::aggregate_set::{AggregateSet, state_columns};
use crate::batches::record_batch;
use crate::row_table::{RowTable, grow};
use crate::time_attribute::{TimeAttribute, rowtimes};
use crate::used_columns::{compact, unnamed};

/// So many due rows are computed at a time, or as many as have one time.
const DUE_ROWS: usize = 16_384;

pub(super) struct TimeOrder {
    pub(super) spec: OverAggregateSpec,
    schema: SchemaRef,
    pub(super) time: TimeAttribute,
    /// Waiting rows, and emitted ones that are in a frame or in reach of LAG.
    pub(super) table: RowTable,
    /// By row: its time and partition.
    pub(super) times: Vec<i64>,
    pub(super) partition_of: Vec<u32>,
    pub(super) due: TimerQueue,
    pub(super) partitions: KeyIndex,
    pub(super) dirty: DirtyKeys,
    /// By partition.
    pub(super) states: Vec<PartitionState>,
    pub(super) frames: Vec<FrameCalls>,
    /// With bounded frames by time: when partitions may be forgotten.
    pub(super) cleanups: TimerQueue,
    pub(super) touched: Option<LastTouch>,
    pub(super) watermark: i64,
}

/// What is remembered of a partition, besides its accumulators.
#[derive(Debug, Clone, Default)]
pub(super) struct PartitionState {
    /// Emitted rows, and how many different times they had.
    pub rows: i64,
    pub times: i64,
    /// The time of the last one, and how many rows have it.
    pub last: i64,
    pub peers: i64,
    /// When the partition may be forgotten; 0: never.
    pub cleanup: i64,
    /// Emitted rows that are still needed, oldest first.
    pub history: VecDeque<RowId>,
    /// Rows that wait.
    pub waiting: u32,
}

/// The aggregates of one frame.
pub(super) struct FrameCalls {
    pub frame: Frame,
    pub calls: Vec<AggregateCall>,
    pub set: AggregateSet,
    /// The input columns that the calls use; their positions are among these.
    pub columns: Vec<usize>,
    /// How many columns the state of a group has.
    pub state_width: usize,
    /// Positions of the calls in the operator's output.
    places: Vec<usize>,
}

/// Rows that are computed together, by partition and then time.
pub(super) struct Due {
    pub rows: Vec<RowId>,
    pub partitions: Vec<u32>,
    pub times: Vec<i64>,
}

/// What a frame's accumulators go through, ordered by round.
#[derive(Default)]
struct Rounds {
    /// Per event: round, partition, row, whether it leaves the frame.
    events: Vec<(u32, u32, RowId, bool)>,
    /// Per step: round, partition. The steps are numbered.
    steps: Vec<(u32, u32)>,
    /// By due row: its step.
    step_of: Vec<u32>,
}

impl TimeOrder {
    pub fn new(spec: &OverAggregateSpec, time: TimeAttribute, context: &SubtaskContext) -> Result<Self> {
        let types = spec.partition.iter().map(|&c| spec.input.columns[c].sql_type.to_arrow()).collect();
        Ok(Self {
            schema: spec.output.to_arrow(),
            time,
            table: RowTable::new("rows", &spec.input, &spec.partition, context.key_groups)?,
            times: Vec::new(),
            partition_of: Vec::new(),
            due: TimerQueue::default(),
            partitions: KeyIndex::new(types)?,
            dirty: DirtyKeys::default(),
            states: Vec::new(),
            frames: FrameCalls::of(spec, time)?,
            cleanups: TimerQueue::default(),
            touched: spec.state_ttl_ms.filter(|_| spec.calls.iter().all(|c| c.frame.preceding.is_none())).map(LastTouch::new),
            watermark: Watermark::MIN,
            spec: spec.clone(),
        })
    }

    /// Takes rows in; gives the places of the late ones.
    fn receive(&mut self, batch: &ChangelogBatch, times: &[i64], now_ms: i64) -> Result<Vec<u32>> {
        let columns: Vec<ArrayRef> = self.spec.partition.iter().map(|&c| Arc::clone(batch.column(c))).collect();
        let mut partitions = Vec::new();
        self.partitions.insert(&columns, batch.num_rows(), &mut partitions)?;
        grow(&mut self.states, self.partitions.id_bound(), PartitionState::default());
        let is_late = |row: &u32| self.is_late(partitions[*row as usize], times[*row as usize]);
        let (late, kept): (Vec<u32>, Vec<u32>) = (0..batch.num_rows() as u32).partition(is_late);
        let ids = self.table.insert(&batch.rows, &kept)?;
        grow(&mut self.times, self.table.store().id_bound(), 0);
        grow(&mut self.partition_of, self.table.store().id_bound(), 0);
        for (&row, &id) in kept.iter().zip(&ids) {
            let (partition, time) = (partitions[row as usize], times[row as usize]);
            self.times[id as usize] = time;
            self.partition_of[id as usize] = partition;
            self.due.insert(time, id);
            self.states[partition as usize].waiting += 1;
            self.put_off_cleanup(partition, time);
            if let Some(touched) = &mut self.touched {
                touched.touch(partition, now_ms);
            }
        }
        let unused: Vec<u32> = late.iter().map(|&row| partitions[row as usize]).filter(|&p| self.is_unused(p)).collect();
        self.forget(unused)?;
        Ok(late)
    }

    fn is_late(&self, partition: u32, time: i64) -> bool {
        match (self.time, self.is_bounded()) {
            (TimeAttribute::Processing, _) => false,
            (_, false) => time <= self.watermark,
            // A partition that has emitted nothing begins at the epoch.
            (_, true) => time <= self.states[partition as usize].last.max(0),
        }
    }

    fn is_bounded(&self) -> bool {
        self.frames.iter().any(|f| f.frame.preceding.is_some())
    }

    fn is_unused(&self, partition: u32) -> bool {
        let state = &self.states[partition as usize];
        state.waiting == 0 && state.rows == 0
    }

    /// Computes and emits the rows at or before `now`.
    fn emit_due(&mut self, now: i64, out: &mut Output) -> Result<()> {
        let mut rows = Vec::new();
        while let Some((_, ids)) = self.due.pop_due(now) {
            rows.extend(ids);
            if rows.len() >= DUE_ROWS {
                self.emit(std::mem::take(&mut rows), out)?;
            }
        }
        self.emit(rows, out)
    }

    fn emit(&mut self, rows: Vec<RowId>, out: &mut Output) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = self.table.store().gather(&rows)?;
        let (due, order) = self.by_partition(rows);
        let results = self.results(&due)?;
        // Back from the order of partitions to that of time.
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &row)| place[row as usize] = at as u32);
        let place = UInt32Array::from(place);
        let mut columns = batch.columns().to_vec();
        for result in results {
            columns.push(take(&result, &place, None)?);
        }
        let emitted = record_batch(&self.schema, columns, batch.num_rows())?;
        self.advance(&due)?;
        out.batch(ChangelogBatch::append(emitted))
    }

    /// The rows by partition, each in the order of time; and where each was before.
    fn by_partition(&self, rows: Vec<RowId>) -> (Due, Vec<u32>) {
        let partitions: Vec<u32> = rows.iter().map(|&row| self.partition_of[row as usize]).collect();
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|&row| partitions[row as usize]);
        let due = Due {
            partitions: order.iter().map(|&row| partitions[row as usize]).collect(),
            rows: order.iter().map(|&row| rows[row as usize]).collect(),
            times: order.iter().map(|&row| self.times[rows[row as usize] as usize]).collect(),
        };
        (due, order)
    }

    /// The result columns of due rows.
    fn results(&mut self, due: &Due) -> Result<Vec<ArrayRef>> {
        let mut columns = BTreeMap::new();
        for f in 0..self.frames.len() {
            let rounds = self.rounds(due, self.frames[f].frame);
            let frame = &mut self.frames[f];
            frame.set.reserve(self.partitions.id_bound());
            let values = frame.run(rounds, &self.table)?;
            columns.extend(frame.places.iter().copied().zip(values));
        }
        for (place, call) in self.spec.calls.iter().enumerate() {
            let column = match &call.function {
                OverFunction::Aggregate(_) => continue,
                OverFunction::Lag { column, offset, default } => self.lag(due, *column, *offset, *default)?,
                rank => Arc::new(self.ranks(due, rank)) as ArrayRef,
            };
            columns.insert(place, column);
        }
        Ok(columns.into_values().collect())
    }

    /// In processing time rows have no peers, but for a frame that is bounded by time.
    fn unit(&self, frame: Frame) -> FrameUnit {
        match (self.time, frame.preceding) {
            (TimeAttribute::Processing, None) => FrameUnit::Rows,
            _ => frame.unit,
        }
    }

    /// The steps of due rows, and which rows enter and leave the frame in each.
    fn rounds(&self, due: &Due, frame: Frame) -> Rounds {
        let mut rounds = Rounds::default();
        let unit = self.unit(frame);
        for (start, end) in due.partition_ranges() {
            let partition = due.partitions[start];
            let mut inside = match frame.preceding {
                Some(_) => self.frame_rows(partition, frame),
                None => VecDeque::new(),
            };
            let mut at = start;
            let mut round = 0;
            while at < end {
                let next = if unit == FrameUnit::Range { due.peers_end(at, end) } else { at + 1 };
                for row in at..next {
                    rounds.events.push((round, partition, due.rows[row], false));
                    rounds.step_of.push(rounds.steps.len() as u32);
                    if frame.preceding.is_some() {
                        inside.push_back(due.rows[row]);
                    }
                }
                while let Some(&oldest) = inside.front()
                    && frame.has_left(&inside, self.times[oldest as usize], due.times[at])
                {
                    inside.pop_front();
                    rounds.events.push((round, partition, oldest, true));
                }
                rounds.steps.push((round, partition));
                (at, round) = (next, round + 1);
            }
        }
        rounds
    }

    /// The emitted rows that are in the frame of the partition's last row.
    pub(super) fn frame_rows(&self, partition: u32, frame: Frame) -> VecDeque<RowId> {
        let state = &self.states[partition as usize];
        let mut rows = state.history.clone();
        while let Some(&oldest) = rows.front()
            && frame.has_left(&rows, self.times[oldest as usize], state.last)
        {
            rows.pop_front();
        }
        rows
    }

    fn ranks(&self, due: &Due, function: &OverFunction) -> Int64Array {
        let has_peers = matches!(self.time, TimeAttribute::Event { .. });
        let mut ranks = Vec::with_capacity(due.rows.len());
        for (start, end) in due.partition_ranges() {
            let mut state = self.states[due.partitions[start] as usize].clone_counts();
            for at in start..end {
                state.count(due.times[at], has_peers);
                ranks.push(match function {
                    OverFunction::RowNumber => state.rows,
                    OverFunction::Rank => state.rows - state.peers + 1,
                    _ => state.times,
                });
            }
        }
        ranks.into()
    }

    /// The value of the row `offset` before the last row that has the time of each, as Flink has it.
    fn lag(&self, due: &Due, column: usize, offset: u32, default: Option<usize>) -> Result<ArrayRef> {
        let has_peers = matches!(self.time, TimeAttribute::Event { .. });
        let offset = offset as usize;
        let mut sources = Vec::with_capacity(due.rows.len());
        for (start, end) in due.partition_ranges() {
            let history = &self.states[due.partitions[start] as usize].history;
            for at in start..end {
                let last = if has_peers { due.peers_end(at, end) - 1 } else { at };
                let place = (history.len() + last - start).checked_sub(offset);
                sources.push(place.map_or(NO_ROW, |p| if p < history.len() { history[p] } else { due.rows[start + p - history.len()] }));
            }
        }
        let values = self.table.store().gather_columns(&sources, &[column])?.remove(0);
        let Some(default) = default else { return Ok(values) };
        let defaults = self.table.store().gather_columns(&due.rows, &[default])?.remove(0);
        let places: Vec<(usize, usize)> = sources.iter().enumerate().map(|(at, &row)| (usize::from(row == NO_ROW), at)).collect();
        Ok(interleave(&[values.as_ref(), defaults.as_ref()], &places)?)
    }

    /// Counts emitted rows, and drops what no later row can see.
    fn advance(&mut self, due: &Due) -> Result<()> {
        let has_peers = matches!(self.time, TimeAttribute::Event { .. });
        let reach = self.lag_reach();
        let needs_history = reach > 0 || self.is_bounded();
        let mut gone = Vec::new();
        for (start, end) in due.partition_ranges() {
            let partition = due.partitions[start];
            self.dirty.mark(partition);
            let state = &mut self.states[partition as usize];
            state.waiting -= (end - start) as u32;
            due.times[start..end].iter().for_each(|&time| state.count(time, has_peers));
            match needs_history {
                true => state.history.extend(&due.rows[start..end]),
                false => gone.extend_from_slice(&due.rows[start..end]),
            }
            while let Some(&oldest) = state.history.front() {
                let is_kept = |f: &FrameCalls| f.frame.preceding.is_some() && !f.frame.has_left(&state.history, self.times[oldest as usize], state.last);
                if state.history.len() <= reach || self.frames.iter().any(is_kept) {
                    break;
                }
                gone.extend(state.history.pop_front());
            }
            if needs_history {
                self.table.touch(due.rows[end - 1]);
            }
        }
        self.table.remove(&gone)
    }

    /// How many rows back LAG looks.
    fn lag_reach(&self) -> usize {
        let offset = |c: &super::OverCall| if let OverFunction::Lag { offset, .. } = c.function { offset as usize } else { 0 };
        self.spec.calls.iter().map(offset).max().unwrap_or(0)
    }

    /// Flink forgets a partition one and a half times the frame after its last row.
    fn put_off_cleanup(&mut self, partition: u32, time: i64) {
        let frame = |f: &FrameCalls| (f.frame.unit == FrameUnit::Range).then_some(f.frame.preceding).flatten();
        let (Some(preceding), true) = (self.frames.iter().filter_map(frame).max(), self.forgets()) else { return };
        let state = &mut self.states[partition as usize];
        if state.cleanup == 0 || state.cleanup < time.saturating_add(preceding).saturating_add(1) {
            state.cleanup = time.saturating_add(preceding.saturating_add(preceding / 2)).saturating_add(1);
            self.cleanups.insert(state.cleanup, partition);
        }
    }

    /// Whether every frame is bounded by time and nothing else counts rows.
    fn forgets(&self) -> bool {
        self.spec.calls.iter().all(|c| c.frame.unit == FrameUnit::Range && c.frame.preceding.is_some() && matches!(c.function, OverFunction::Aggregate(_)))
    }

    fn clean_up(&mut self, now: i64) -> Result<()> {
        let mut gone = Vec::new();
        while let Some((time, partitions)) = self.cleanups.pop_due(now) {
            gone.extend(partitions.into_iter().filter(|&p| self.partitions.contains_id(p) && self.states[p as usize].cleanup == time));
        }
        gone.retain(|&p| self.states[p as usize].waiting == 0);
        self.forget(gone)
    }

    /// Drops partitions that have no waiting rows.
    pub(super) fn forget(&mut self, mut partitions: Vec<u32>) -> Result<()> {
        partitions.sort_unstable();
        partitions.dedup();
        if partitions.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::new();
        for &partition in &partitions {
            rows.extend(std::mem::take(&mut self.states[partition as usize]).history);
            if let Some(touched) = &mut self.touched {
                touched.forget(partition);
            }
        }
        self.table.remove(&rows)?;
        for frame in &mut self.frames {
            frame.set.reserve(self.partitions.id_bound());
            frame.set.clear(&partitions);
        }
        self.dirty.remove(&self.partitions, &partitions)?;
        self.partitions.remove(&partitions);
        Ok(())
    }
}

impl Operator for TimeOrder {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let now_ms = out.processing_time_ms();
        match self.time {
            TimeAttribute::Event { column } => {
                let times = rowtimes(batch.column(column))?;
                let late = self.receive(&batch, &times, now_ms)?;
                if late.is_empty() { Ok(()) } else { out.late(batch.take(&late.into())?) }
            }
            TimeAttribute::Processing => {
                self.receive(&batch, &vec![now_ms; batch.num_rows()], now_ms)?;
                self.emit_due(now_ms, out)
            }
        }
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.watermark = time;
        if let TimeAttribute::Event { .. } = self.time {
            self.emit_due(time, out)?;
            self.clean_up(time)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        let cleanup = self.cleanups.first().filter(|_| self.time == TimeAttribute::Processing);
        let sweep = self.touched.as_ref().and_then(LastTouch::next_sweep);
        [cleanup, sweep].into_iter().flatten().min()
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        if let Some(touched) = &mut self.touched {
            let mut expired = touched.sweep(now_ms);
            expired.retain(|&p| self.partitions.contains_id(p) && self.states[p as usize].waiting == 0);
            self.forget(expired)?;
        }
        if self.time == TimeAttribute::Processing {
            self.clean_up(now_ms)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.write(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.read(reader)
    }

    fn state_bytes(&self) -> usize {
        let history: usize = self.states.iter().map(|s| size_of::<PartitionState>() + s.history.capacity() * 4).sum();
        let sets: usize = self.frames.iter().map(|f| f.set.bytes()).sum();
        self.table.bytes() + self.times.capacity() * 8 + self.due.bytes() + self.partitions.bytes() + self.dirty.bytes() + history + sets
    }
}

impl Frame {
    /// Whether the oldest of `rows`, at `time`, is outside the frame of the newest, at `now`.
    fn has_left(&self, rows: &VecDeque<RowId>, time: i64, now: i64) -> bool {
        match (self.unit, self.preceding) {
            (_, None) => false,
            (FrameUnit::Rows, Some(n)) => rows.len() as i64 > n.saturating_add(1),
            (FrameUnit::Range, Some(ms)) => time < now.saturating_sub(ms),
        }
    }
}

impl PartitionState {
    fn clone_counts(&self) -> Self {
        Self { rows: self.rows, times: self.times, last: self.last, peers: self.peers, ..Self::default() }
    }

    /// One more emitted row.
    fn count(&mut self, time: i64, has_peers: bool) {
        if has_peers && self.rows > 0 && time == self.last {
            self.peers += 1;
        } else {
            self.peers = 1;
            self.times += 1;
        }
        self.rows += 1;
        self.last = time;
    }
}

impl Due {
    /// The rows of each partition.
    fn partition_ranges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut start = 0;
        std::iter::from_fn(move || {
            let partition = *self.partitions.get(start)?;
            let length = self.partitions[start..].iter().take_while(|p| **p == partition).count();
            start += length;
            Some((start - length, start))
        })
    }

    /// The end of the rows that have the time of row `at`.
    fn peers_end(&self, at: usize, end: usize) -> usize {
        at + self.times[at..end].iter().take_while(|t| **t == self.times[at]).count()
    }
}

impl FrameCalls {
    fn of(spec: &OverAggregateSpec, time: TimeAttribute) -> Result<Vec<Self>> {
        let mut by_frame: Vec<(Frame, Vec<usize>)> = Vec::new();
        for (place, call) in spec.calls.iter().enumerate() {
            let OverFunction::Aggregate(_) = &call.function else { continue };
            let mut frame = call.frame;
            if time == TimeAttribute::Processing && frame.preceding.is_none() {
                frame.unit = FrameUnit::Rows;
            }
            match by_frame.iter_mut().find(|(f, _)| *f == frame) {
                Some((_, places)) => places.push(place),
                None => by_frame.push((frame, vec![place])),
            }
        }
        by_frame.into_iter().map(|(frame, places)| Self::new(spec, frame, places)).collect()
    }

    fn new(spec: &OverAggregateSpec, frame: Frame, places: Vec<usize>) -> Result<Self> {
        let call = |place: &usize| match &spec.calls[*place].function {
            OverFunction::Aggregate(call) => Some(call.clone()),
            _ => None,
        };
        let calls: Vec<AggregateCall> = places.iter().filter_map(call).collect();
        let (calls, columns) = compact(&calls);
        let retract = frame.preceding.is_some();
        let state_width = state_columns(&calls, retract)?.len();
        Ok(Self { frame, set: AggregateSet::new(&calls, retract)?, calls, columns, state_width, places })
    }

    /// Goes through the rounds; gives one column a call, a value a due row.
    fn run(&mut self, rounds: Rounds, table: &RowTable) -> Result<Vec<ArrayRef>> {
        let Rounds { mut events, steps, step_of } = rounds;
        // Within a step what leaves the frame goes first.
        events.sort_by_key(|e| (e.0, e.1, !e.3));
        let ids: Vec<RowId> = events.iter().map(|e| e.2).collect();
        let rows = unnamed(table.store().gather_columns(&ids, &self.columns)?, ids.len())?;
        let groups: Vec<u32> = events.iter().map(|e| e.1).collect();
        let leaves: Vec<bool> = events.iter().map(|e| e.3).collect();
        let mut by_round: Vec<u32> = (0..steps.len() as u32).collect();
        by_round.sort_by_key(|&s| steps[s as usize].0);
        let mut results: Vec<Vec<ArrayRef>> = self.calls.iter().map(|_| Vec::new()).collect();
        let (mut event, mut step) = (0, 0);
        while step < by_round.len() {
            let round = steps[by_round[step] as usize].0;
            let last_event = event + events[event..].iter().take_while(|e| e.0 == round).count();
            let last_step = step + by_round[step..].iter().take_while(|&&s| steps[s as usize].0 == round).count();
            let retract = Some(&leaves[event..last_event]).filter(|l| l.contains(&true));
            self.set.update(&groups[event..last_event], &rows.slice(event, last_event - event), retract)?;
            let partitions: Vec<u32> = by_round[step..last_step].iter().map(|&s| steps[s as usize].1).collect();
            for (column, values) in results.iter_mut().zip(self.set.values(&partitions)?) {
                column.push(values);
            }
            (event, step) = (last_event, last_step);
        }
        let mut place = vec![0; by_round.len()];
        by_round.iter().enumerate().for_each(|(at, &s)| place[s as usize] = at as u32);
        let of_row: UInt32Array = step_of.iter().map(|&s| place[s as usize]).collect::<Vec<u32>>().into();
        let column = |parts: &Vec<ArrayRef>| {
            let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
            Ok(take(&concat(&parts)?, &of_row, None)?)
        };
        results.iter().map(column).collect()
    }
}
