//! Aggregation by window: TUMBLE, HOP and CUMULATE over shared slices, or windows that the rows carry as columns.
//!
//! ```text
//!   rows -> slice (time cut at every window boundary) -> pane: keys and accumulators of that slice
//!   watermark -> windows that end, in order: TUMBLE      its one pane
//!                                            HOP         the panes of size/slide slices, merged for the occasion
//!                                                        (few of them: crate::hop_window_aggregate)
//!                                            CUMULATE    the panes so far, merged for good, step by step
//! ```
//!
//! A row is late when its last window has fired; one whose slice has fired but not its last window still counts for the
//! windows to come.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::{take, take_record_batch};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Column, DataType, Error, Result, Schema, SqlType, Watermark};
use brisk_functions::AggregateCall;
use brisk_state::DeletedPrefixes;
use chrono_tz::Tz;

use crate::aggregate_set::{moved, state_columns};
use crate::batches::{MAX_ROWS, record_batch, retractions};
use crate::group_aggregate::AggregatePhase;
use crate::hop_window_aggregate::{HopParts, HopWindowAggregate, MAX_SLICES};
use crate::local_window_aggregate::LocalWindowAggregate;
use crate::slices::{Slice, SliceRows, slices_of};
use crate::time_attribute::TimeAttribute;
use crate::window_assigner::{WallClock, WindowKind, WindowProperty};
use crate::window_pane::{Pane, PaneLayout};
use crate::window_property::property_column;

/// Where a row's windows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowInput {
    /// Computed from a time attribute.
    Assigned { kind: WindowKind, time: TimeAttribute },
    /// The row belongs to one window, and these columns (TIMESTAMP(3)) are its bounds: the rows were through a window
    /// table function, a window join, or an aggregation by a smaller window.
    Attached { start: usize, end: usize },
}

/// An aggregation by window and key. The output, append-only: the key's columns, the aggregates, the window's properties.
///
/// Windows fire in the order of their ends when the watermark reaches the end less 1 ms; all fire at the end of the
/// input. A row whose every window has fired goes to the late output. A hash exchange before it is over `key`, in this
/// order.
#[derive(Debug, Clone)]
pub struct WindowAggregateSpec {
    pub phase: AggregatePhase,
    pub window: WindowInput,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// Positions of the key's columns in the *rows*, without the window's (in phase `Global` the key comes first in the
    /// input whatever they are).
    pub key: Vec<usize>,
    /// Over the columns of the rows, in every phase.
    pub calls: Vec<AggregateCall>,
    /// The columns of the rows, in every phase.
    pub rows: Schema,
    pub input_retracts: bool,
    pub properties: Vec<WindowProperty>,
    /// Key, aggregates, properties; in phase `Local`: [`WindowAggregateSpec::partial_schema`].
    pub output: Schema,
}

impl WindowAggregateSpec {
    /// What phase `Local` emits and phase `Global` reads: the key's columns, `$slice_start` and `$slice_end` (BIGINT,
    /// wall-clock ms), the number of rows (BIGINT; 1 if there are no retractions), and the columns of every call's
    /// partial state.
    pub fn partial_schema(&self) -> Result<Schema> {
        let mut columns = self.rows.project(&self.key).columns;
        let bigint = |name: &str| Column::new(name, SqlType::not_null(DataType::BigInt));
        columns.extend(["$slice_start", "$slice_end", "$rows"].map(bigint));
        columns.extend(state_columns(&self.calls, self.input_retracts)?);
        Ok(Schema::new(columns))
    }

    fn layout(&self, calls: Vec<AggregateCall>) -> PaneLayout {
        let key_types = self.rows.project(&self.key).columns.iter().map(|c| c.sql_type.to_arrow()).collect();
        PaneLayout { key_types, calls, retracts: self.input_retracts, is_kept: self.phase != AggregatePhase::Local, spare: None }
    }
}

impl OperatorFactory for WindowAggregateSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        if let WindowInput::Assigned { kind, .. } = &self.window {
            check_lengths(kind)?;
        }
        let reader = RowReader::new(self);
        let clock = WallClock::new(self.zone);
        let processing_time = matches!(self.window, WindowInput::Assigned { time: TimeAttribute::Processing, .. });
        if self.phase == AggregatePhase::Local {
            if processing_time {
                return Err(Error::internal("windows over processing time are aggregated in one phase"));
            }
            let schema = self.partial_schema()?.to_arrow();
            let layout = self.layout(reader.calls.clone());
            return Ok(Box::new(LocalWindowAggregate::new(reader, layout, clock, schema)));
        }
        let layout = self.layout(reader.calls.clone());
        let global = self.phase == AggregatePhase::Global;
        let (properties, schema, key_groups) = (self.properties.clone(), self.output.to_arrow(), context.key_groups);
        if let WindowInput::Assigned { kind: kind @ WindowKind::Hop { .. }, .. } = self.window
            && kind.size_ms() / kind.slice_ms() <= MAX_SLICES
        {
            let parts = HopParts { kind, layout, reader, global, processing_time, clock, properties, schema, key_groups };
            return Ok(Box::new(HopWindowAggregate::new(parts)?));
        }
        Ok(Box::new(WindowAggregate {
            layout,
            global,
            reader,
            clock,
            processing_time,
            properties,
            schema,
            key_groups,
            panes: BTreeMap::new(),
            accumulated: BTreeMap::new(),
            ends: BTreeSet::new(),
            watermark: Watermark::MIN,
            deleted: Deleted::default(),
        }))
    }

    fn drops_late_rows(&self) -> bool {
        self.phase != AggregatePhase::Local && !matches!(self.window, WindowInput::Assigned { time: TimeAttribute::Processing, .. })
    }
}

fn check_lengths(kind: &WindowKind) -> Result<()> {
    let (slice, size) = (kind.slice_ms(), kind.size_ms());
    match slice > 0 && size > 0 && size % slice == 0 {
        true => Ok(()),
        false => Err(Error::invalid(format!("a window of {size} ms cannot be cut into pieces of {slice} ms"))
            .with_remedy("make the size a multiple of the slide or step")),
    }
}

/// Takes from a batch what the panes need.
pub(crate) struct RowReader {
    window: WindowInput,
    /// The columns that are used, which `key` and `calls` then count in.
    columns: Vec<usize>,
    key: Vec<usize>,
    pub calls: Vec<AggregateCall>,
}

impl RowReader {
    fn new(spec: &WindowAggregateSpec) -> Self {
        let used = spec.calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter)).chain(spec.key.iter().copied());
        let columns: Vec<usize> = used.collect::<BTreeSet<_>>().into_iter().collect();
        let place = |column: usize| columns.binary_search(&column).expect("every used column is listed");
        let key = spec.key.iter().map(|k| place(*k)).collect();
        Self { window: spec.window, key, calls: moved(&spec.calls, place), columns }
    }

    pub fn slices(&self, clock: WallClock, rows: &RecordBatch, now_ms: i64) -> Result<Vec<SliceRows>> {
        slices_of(self.window, clock, rows, now_ms)
    }

    pub fn used(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        Ok(rows.project(&self.columns)?)
    }

    /// The key, the used columns and the retractions of some rows of a batch (with only the used columns).
    #[allow(clippy::type_complexity)]
    pub fn part<'a>(
        &self,
        used: &RecordBatch,
        rows: Option<Vec<u32>>,
        retract: Option<&'a [bool]>,
    ) -> Result<(Vec<ArrayRef>, RecordBatch, Option<Cow<'a, [bool]>>)> {
        let key = |rows: &RecordBatch| self.key.iter().map(|k| rows.column(*k).clone()).collect::<Vec<_>>();
        let Some(rows) = rows else { return Ok((key(used), used.clone(), retract.map(Cow::Borrowed))) };
        let retract = retract.map(|r| rows.iter().map(|i| r[*i as usize]).collect());
        let some = take_record_batch(used, &UInt32Array::from(rows))?;
        Ok((key(&some), some, retract))
    }

    /// Adds some rows of a batch (with only the used columns) to a pane.
    pub fn add(&self, pane: &mut Pane, used: &RecordBatch, rows: Option<Vec<u32>>, retract: Option<&[bool]>) -> Result<()> {
        let (key, used, retract) = self.part(used, rows, retract)?;
        pane.add_rows(&key, &used, retract.as_deref())
    }
}

struct WindowAggregate {
    layout: PaneLayout,
    global: bool,
    reader: RowReader,
    clock: WallClock,
    processing_time: bool,
    properties: Vec<WindowProperty>,
    schema: SchemaRef,
    key_groups: u16,
    panes: BTreeMap<Slice, Pane>,
    /// CUMULATE: what the fired slices of the windows that begin at this time hold.
    accumulated: BTreeMap<i64, Pane>,
    /// The ends of the windows to fire next.
    ends: BTreeSet<i64>,
    /// Event time, or the processing time up to which windows have fired.
    watermark: i64,
    deleted: Deleted,
}

/// Entries of former snapshots that are gone, by table.
#[derive(Default)]
struct Deleted {
    panes: DeletedPrefixes,
    accumulated: DeletedPrefixes,
}

impl Operator for WindowAggregate {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if self.global {
            return self.add_partials(&batch, out);
        }
        let slices = self.reader.slices(self.clock, &batch.rows, out.processing_time_ms())?;
        let used = self.reader.used(&batch.rows)?;
        let retract = if self.layout.retracts { retractions(&batch) } else { None };
        for (slice, rows) in slices {
            match self.pane_for(slice)? {
                Some(pane) => {
                    let pane = Self::at(&mut self.panes, &mut self.accumulated, pane);
                    self.reader.add(pane, &used, rows, retract.as_deref())?;
                }
                None => out.late(some_rows(&batch, rows)?)?,
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if !self.processing_time || time == Watermark::MAX {
            self.watermark = time;
            self.fire(out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        let first = self.ends.first().filter(|_| self.processing_time)?;
        Some(self.clock.fire_time(first - 1).saturating_add(1))
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        if self.processing_time {
            self.watermark = now_ms - 1;
            self.fire(out)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        writer.put_operator_state(WATERMARK, self.watermark.to_le_bytes().to_vec())?;
        self.deleted.panes.write(writer, PANES)?;
        self.deleted.accumulated.write(writer, ACCUMULATED)?;
        for (slice, pane) in &mut self.panes {
            pane.snapshot(writer, PANES, &prefix(*slice), self.key_groups)?;
        }
        for (start, pane) in &mut self.accumulated {
            pane.snapshot(writer, ACCUMULATED, &prefix((*start, *start)), self.key_groups)?;
        }
        Ok(())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = restored_watermark(reader)?;
        for (slice, rows, keys) in read_slices(reader, PANES)? {
            self.ends.extend(self.first_end(slice.0));
            let pane = self.layout.pane_in(&mut self.panes, slice)?;
            pane.restore(keys.iter().map(Vec::as_slice), rows.columns())?;
        }
        for ((start, _), rows, keys) in read_slices(reader, ACCUMULATED)? {
            if let WindowInput::Assigned { kind, .. } = self.reader.window {
                self.ends.extend(self.first_end(start + kind.slice_ms()));
            }
            let pane = self.layout.pane_in(&mut self.accumulated, start)?;
            pane.restore(keys.iter().map(Vec::as_slice), rows.columns())?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.panes.values().chain(self.accumulated.values()).map(Pane::bytes).sum()
    }
}

const PANES: &str = "panes";
const ACCUMULATED: &str = "accumulated";
const WATERMARK: &str = "watermark";

/// Which pane a row goes to.
enum PanePlace {
    Slice(Slice),
    /// The slice has fired, but windows that begin at this time have not.
    Accumulated(i64),
}

impl WindowAggregate {
    fn at<'a>(panes: &'a mut BTreeMap<Slice, Pane>, accumulated: &'a mut BTreeMap<i64, Pane>, place: PanePlace) -> &'a mut Pane {
        let pane = match place {
            PanePlace::Slice(slice) => panes.get_mut(&slice),
            PanePlace::Accumulated(start) => accumulated.get_mut(&start),
        };
        pane.expect("the pane was made when the row found its place")
    }

    /// Finds or makes the pane of a slice; `None` if all its windows have fired.
    fn pane_for(&mut self, slice: Slice) -> Result<Option<PanePlace>> {
        let end = slice.0;
        let fired = !self.processing_time && self.clock.fired(end, self.watermark);
        if !fired {
            self.layout.pane_in(&mut self.panes, slice)?;
            self.ends.insert(end);
            return Ok(Some(PanePlace::Slice(slice)));
        }
        let WindowInput::Assigned { kind, .. } = self.reader.window else { return Ok(None) };
        if self.clock.fired(kind.last_window_end(end), self.watermark) {
            return Ok(None);
        }
        self.ends.extend(self.first_end(end));
        if let WindowKind::Cumulate { .. } = kind {
            let start = kind.window_start(end);
            self.layout.pane_in(&mut self.accumulated, start)?;
            return Ok(Some(PanePlace::Accumulated(start)));
        }
        self.layout.pane_in(&mut self.panes, slice)?;
        Ok(Some(PanePlace::Slice(slice)))
    }

    /// The end of the first window of a slice that has not fired.
    fn first_end(&self, slice_end: i64) -> Option<i64> {
        let WindowInput::Assigned { kind, .. } = self.reader.window else { return Some(slice_end) };
        let last = kind.last_window_end(slice_end);
        let mut end = slice_end;
        while end <= last {
            if !self.clock.fired(end, self.watermark) {
                return Some(end);
            }
            end += kind.slice_ms();
        }
        None
    }

    fn add_partials(&mut self, batch: &ChangelogBatch, out: &mut Output) -> Result<()> {
        let width = self.layout.key_types.len();
        let bounds = WindowBounds::read(&batch.rows, width);
        for (slice, rows) in bounds.slices() {
            let part = some_rows(batch, rows)?;
            match self.pane_for(slice)? {
                Some(place) => {
                    let (key, states) = part.rows.columns().split_at(width);
                    Self::at(&mut self.panes, &mut self.accumulated, place).add_states(key, &states[2..])?;
                }
                None => out.late(part)?,
            }
        }
        Ok(())
    }

    fn fire(&mut self, out: &mut Output) -> Result<()> {
        while let Some(&end) = self.ends.first() {
            if !self.clock.fired(end, self.watermark) {
                break;
            }
            self.ends.pop_first();
            match self.reader.window {
                WindowInput::Assigned { kind: kind @ WindowKind::Hop { .. }, .. } => self.fire_hop(kind, end, out)?,
                WindowInput::Assigned { kind: kind @ WindowKind::Cumulate { .. }, .. } => self.fire_cumulate(kind, end, out)?,
                _ => self.fire_panes(end, out)?,
            }
        }
        Ok(())
    }

    /// Windows that are one pane each.
    fn fire_panes(&mut self, end: i64, out: &mut Output) -> Result<()> {
        let slices: Vec<Slice> = self.panes.range((end, i64::MIN)..=(end, i64::MAX)).map(|p| *p.0).collect();
        for slice in slices {
            let pane = self.drop_pane(slice);
            self.emit(&pane, slice.1, end, out)?;
            self.layout.recycle(pane)?;
        }
        Ok(())
    }

    fn fire_hop(&mut self, kind: WindowKind, end: i64, out: &mut Output) -> Result<()> {
        let start = kind.window_start(end);
        let within: Vec<Slice> = self.panes.range((start + 1, i64::MIN)..=(end, i64::MAX)).map(|p| *p.0).collect();
        match within.as_slice() {
            [] => {}
            [one] => self.emit(&self.panes[one], start, end, out)?,
            many => {
                let mut merged = self.layout.pane()?;
                for slice in many {
                    merged.absorb(&self.panes[slice])?;
                }
                self.emit(&merged, start, end, out)?;
            }
        }
        // The oldest slice has no further window.
        let oldest: Vec<Slice> = self.panes.range(..=(start + kind.slice_ms(), i64::MAX)).map(|p| *p.0).collect();
        for slice in oldest {
            self.drop_pane(slice);
        }
        if let Some((first, _)) = self.panes.first_key_value() {
            self.ends.insert(first.0.max(end + kind.slice_ms()));
        }
        Ok(())
    }

    fn fire_cumulate(&mut self, kind: WindowKind, end: i64, out: &mut Output) -> Result<()> {
        let start = kind.window_start(end);
        let slice = (end, end - kind.slice_ms());
        if self.panes.contains_key(&slice) {
            let mut pane = self.drop_pane(slice);
            match self.accumulated.get_mut(&start) {
                Some(accumulated) => accumulated.absorb(&pane)?,
                None => {
                    pane.mark_all_dirty();
                    self.accumulated.insert(start, pane);
                }
            }
        }
        let Some(pane) = self.accumulated.get(&start) else { return Ok(()) };
        self.emit(pane, start, end, out)?;
        if end < start + kind.size_ms() {
            self.ends.insert(end + kind.slice_ms());
        } else if let Some(mut pane) = self.accumulated.remove(&start) {
            pane.forget(&prefix((start, start)), &mut self.deleted.accumulated);
        }
        Ok(())
    }

    /// Takes a pane out; a snapshot must name its entries as gone.
    fn drop_pane(&mut self, slice: Slice) -> Pane {
        let mut pane = self.panes.remove(&slice).expect("the pane is listed");
        pane.forget(&prefix(slice), &mut self.deleted.panes);
        pane
    }

    fn emit(&self, pane: &Pane, start: i64, end: i64, out: &mut Output) -> Result<()> {
        for groups in pane.groups().chunks(MAX_ROWS) {
            let mut columns = pane.results(groups)?;
            for property in &self.properties {
                let bounds = std::iter::repeat_n((start, end), groups.len());
                columns.push(property_column(*property, bounds, self.schema.field(columns.len()), self.clock)?);
            }
            out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, groups.len())?))?;
        }
        Ok(())
    }
}

/// The slices that partial states carry as columns.
pub(crate) struct WindowBounds {
    starts: ArrayRef,
    ends: ArrayRef,
}

impl WindowBounds {
    pub fn read(rows: &RecordBatch, key_width: usize) -> Self {
        Self { starts: rows.column(key_width).clone(), ends: rows.column(key_width + 1).clone() }
    }

    pub fn slices(&self) -> Vec<SliceRows> {
        use arrow_array::cast::AsArray;
        use arrow_array::types::Int64Type;
        let (starts, ends) = (self.starts.as_primitive::<Int64Type>().values(), self.ends.as_primitive::<Int64Type>().values());
        let mut places: BTreeMap<Slice, Vec<u32>> = BTreeMap::new();
        for row in 0..ends.len() {
            places.entry((ends[row], starts[row])).or_default().push(row as u32);
        }
        places.into_iter().map(|(slice, rows)| (slice, (rows.len() < ends.len()).then_some(rows))).collect()
    }
}

pub(crate) fn some_rows(batch: &ChangelogBatch, rows: Option<Vec<u32>>) -> Result<ChangelogBatch> {
    match rows {
        Some(rows) => batch.take(&UInt32Array::from(rows)),
        None => Ok(batch.clone()),
    }
}

/// Before the key of an entry: the slice, so that panes are apart.
pub(crate) fn prefix(slice: Slice) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&slice.0.to_le_bytes());
    bytes[8..].copy_from_slice(&slice.1.to_le_bytes());
    bytes
}

/// The least watermark of the former subtasks.
pub(crate) fn restored_watermark(reader: &mut dyn SnapshotReader) -> Result<i64> {
    let damaged = || Error::corrupt("a window operator's watermark is damaged");
    let states = reader.operator_state(WATERMARK)?;
    let times = states.into_iter().map(|b| Ok(i64::from_le_bytes(b.try_into().map_err(|_| damaged())?))).collect::<Result<Vec<i64>>>()?;
    Ok(times.into_iter().min().unwrap_or(Watermark::MIN))
}

/// The entries of one slice: rows, and their keys without the prefix.
type SliceEntries = (Slice, RecordBatch, Vec<Vec<u8>>);

/// The entries of a table whose keys begin with [`prefix`], by slice.
pub(crate) fn read_slices(reader: &mut dyn SnapshotReader, table: &str) -> Result<Vec<SliceEntries>> {
    let mut entries = Vec::new();
    for batch in reader.entries(table) {
        let (keys, rows) = batch?;
        let mut places: BTreeMap<Slice, Vec<u32>> = BTreeMap::new();
        for row in 0..keys.len() {
            let (head, _) = keys.value(row).split_first_chunk::<16>().ok_or_else(|| Error::corrupt("a window's key in a snapshot is too short"))?;
            let part = |from: usize| i64::from_le_bytes(head[from..from + 8].try_into().expect("eight bytes"));
            places.entry((part(0), part(8))).or_default().push(row as u32);
        }
        for (slice, places) in places {
            let own = places.iter().map(|row| keys.value(*row as usize)[16..].to_vec()).collect();
            let places = UInt32Array::from(places);
            let columns = rows.columns().iter().map(|c| Ok(take(c, &places, None)?)).collect::<Result<Vec<ArrayRef>>>()?;
            entries.push((slice, RecordBatch::try_new(rows.schema(), columns)?, own));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{call, check, check_net_effect, run_as_written, schema};

    const ROWS: &str = "item STRING, price INT, ts TIMESTAMP(3)";
    const OUTPUT: &str = "item STRING, s INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)";

    fn spec(kind: WindowKind) -> WindowAggregateSpec {
        let rows = schema(ROWS);
        WindowAggregateSpec {
            phase: AggregatePhase::Single,
            window: WindowInput::Assigned { kind, time: TimeAttribute::Event { column: 2 } },
            zone: None,
            key: vec![0],
            calls: vec![call("SUM", &[1], &rows)],
            rows,
            input_retracts: false,
            properties: vec![WindowProperty::Start, WindowProperty::End],
            output: schema(OUTPUT),
        }
    }

    const TUMBLE: WindowKind = WindowKind::Tumble { size_ms: 10_000, offset_ms: 0 };
    const HOP: WindowKind = WindowKind::Hop { slide_ms: 5_000, size_ms: 10_000, offset_ms: 0 };
    const CUMULATE: WindowKind = WindowKind::Cumulate { step_ms: 5_000, size_ms: 15_000, offset_ms: 0 };

    const STEPS: &str = "+I pen 1 00:00:01
        +I ink 2 00:00:02
        +I pen 4 00:00:07
        watermark 00:00:04.998
        watermark 00:00:04.999
        +I pen 8 00:00:03
        watermark 00:00:09.999
        +I pen 16 00:00:09
        +I ink 32 00:00:12
        +I pen 64 00:00:29
        watermark 00:00:20
        +I pen 128 00:00:19.999
        +I pen 256 00:00:20
        watermark end";

    #[test]
    fn tumbling_windows_fire_once() {
        let expected = "+I pen 13 00:00:00 00:00:10
            +I ink 2 00:00:00 00:00:10
            late +I pen 16 00:00:09
            +I ink 32 00:00:10 00:00:20
            late +I pen 128 00:00:19.999
            +I pen 320 00:00:20 00:00:30";
        check(&spec(TUMBLE), &[&schema(ROWS)], STEPS, expected);
    }

    #[test]
    fn hopping_windows_share_their_slices() {
        let expected = "+I pen 1 1969-12-31T23:59:55 00:00:05
            +I ink 2 1969-12-31T23:59:55 00:00:05
            +I pen 13 00:00:00 00:00:10
            +I ink 2 00:00:00 00:00:10
            +I pen 20 00:00:05 00:00:15
            +I ink 32 00:00:05 00:00:15
            +I ink 32 00:00:10 00:00:20
            +I pen 384 00:00:15 00:00:25
            +I pen 320 00:00:20 00:00:30
            +I pen 64 00:00:25 00:00:35";
        check_net_effect(&spec(HOP), &[&schema(ROWS)], STEPS, expected);
    }

    #[test]
    fn hopping_windows_may_have_many_slices() {
        let many = spec(WindowKind::Hop { slide_ms: 100, size_ms: 10_000, offset_ms: 0 });
        let steps = "+I pen 1 00:00:01
            +I pen 2 00:00:01.100
            watermark 00:00:05
            +I pen 4 00:00:00.950
            watermark end";
        let changes = run_as_written(&many, &[&many.rows], steps);
        // 101 windows hold a row; the third row comes for those that end after 00:00:05.
        assert_eq!(changes.len(), 101);
        assert_eq!(changes[0], "+I pen 1 1969-12-31T23:59:51.100 00:00:01.100");
        assert_eq!(changes[39], "+I pen 3 1969-12-31T23:59:55 00:00:05");
        assert_eq!(changes[40], "+I pen 7 1969-12-31T23:59:55.100 00:00:05.100");
        check_net_effect(&many, &[&many.rows], steps, &changes.join("\n"));
    }

    #[test]
    fn cumulating_windows_grow() {
        let expected = "+I pen 1 00:00:00 00:00:05
            +I ink 2 00:00:00 00:00:05
            +I pen 13 00:00:00 00:00:10
            +I ink 2 00:00:00 00:00:10
            +I pen 29 00:00:00 00:00:15
            +I ink 34 00:00:00 00:00:15
            +I pen 128 00:00:15 00:00:20
            +I pen 384 00:00:15 00:00:25
            +I pen 448 00:00:15 00:00:30";
        // The row of 00:00:19.999 comes after its first window has fired: that one misses it.
        let expected = expected.replace("+I pen 128 00:00:15 00:00:20\n", "");
        check_net_effect(&spec(CUMULATE), &[&schema(ROWS)], STEPS, &expected);
    }

    #[test]
    fn two_phases_give_what_one_gives() {
        for kind in [TUMBLE, HOP, CUMULATE] {
            let single = spec(kind);
            let local = WindowAggregateSpec { phase: AggregatePhase::Local, ..single.clone() };
            let global = WindowAggregateSpec { phase: AggregatePhase::Global, ..single.clone() };
            let rows = "+I pen 1 00:00:01
                +I pen 2 00:00:02
                +I ink 4 00:00:07
                +I pen 8 00:00:27
                watermark end";
            let expected = run_as_written(&single, &[&single.rows], rows).join("\n");
            let partial = run_as_written(&local, &[&local.rows], rows).join("\n") + "\nwatermark end";
            check_net_effect(&global, &[&local.partial_schema().unwrap()], &partial, &expected);
        }
    }

    #[test]
    fn windows_may_be_columns() {
        let rows = schema("item STRING, price INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)");
        let spec = WindowAggregateSpec {
            window: WindowInput::Attached { start: 2, end: 3 },
            calls: vec![call("MAX", &[1], &rows)],
            rows: rows.clone(),
            input_retracts: true,
            ..spec(TUMBLE)
        };
        let steps = "+I pen 1 00:00:00 00:00:10
            +I pen 2 00:00:05 00:00:10
            +I pen 3 00:00:00 00:00:10
            +I ink 3 00:00:00 00:00:10
            +I cup 9 00:00:10 00:00:20
            ----
            -D pen 3 00:00:00 00:00:10
            -D ink 3 00:00:00 00:00:10
            watermark 00:00:10
            +I pen 5 00:00:00 00:00:10
            watermark end";
        let expected = "+I pen 1 00:00:00 00:00:10
            +I pen 2 00:00:05 00:00:10
            late +I pen 5 00:00:00 00:00:10
            +I cup 9 00:00:10 00:00:20";
        check(&spec, &[&rows], steps, expected);
    }

    #[test]
    fn days_begin_at_midnight_of_the_zone() {
        let rows = schema("item STRING, price INT, ts TIMESTAMP_LTZ(3)");
        let spec = WindowAggregateSpec {
            zone: Some(Tz::Asia__Shanghai),
            rows: rows.clone(),
            properties: vec![WindowProperty::Start, WindowProperty::Time],
            output: schema("item STRING, s INT, window_start TIMESTAMP(3), window_time TIMESTAMP_LTZ(3)"),
            ..spec(WindowKind::Tumble { size_ms: 86_400_000, offset_ms: 0 })
        };
        let steps = "+I pen 1 15:59:59
            +I pen 2 16:00:00
            watermark 15:59:59.999
            watermark end";
        check(&spec, &[&rows], steps, "+I pen 1 00:00:00 15:59:59.999\n+I pen 2 1970-01-02T00:00:00 1970-01-02T15:59:59.999");
    }

    #[test]
    fn processing_time_windows_fire_by_the_clock() {
        let spec = WindowAggregateSpec { window: WindowInput::Assigned { kind: TUMBLE, time: TimeAttribute::Processing }, ..spec(TUMBLE) };
        let steps = "time 00:00:03
            +I pen 1 00:00:00
            watermark 10:00:00
            time 00:00:09.999
            +I pen 2 00:00:00
            time 00:00:10
            +I ink 3 00:00:00
            time 00:00:30";
        check(&spec, &[&schema(ROWS)], steps, "+I pen 3 00:00:00 00:00:10\n+I ink 3 00:00:10 00:00:20");
    }

    #[test]
    fn windows_without_a_key_are_not_made_up() {
        let spec = WindowAggregateSpec { key: vec![], output: schema("s INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)"), ..spec(TUMBLE) };
        let steps = "+I pen 1 00:00:01
            +I pen 2 00:00:31
            watermark end";
        check(&spec, &[&schema(ROWS)], steps, "+I 1 00:00:00 00:00:10\n+I 2 00:00:30 00:00:40");
    }

    #[test]
    fn a_size_is_a_multiple_of_its_slide() {
        let odd = spec(WindowKind::Hop { slide_ms: 4_000, size_ms: 10_000, offset_ms: 0 });
        assert!(check_lengths(&WindowKind::Hop { slide_ms: 4_000, size_ms: 10_000, offset_ms: 0 }).is_err());
        assert!(matches!(odd.window, WindowInput::Assigned { .. }));
    }
}
