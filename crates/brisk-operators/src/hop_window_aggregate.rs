//! HOP over few slices: the panes share one index of keys.
//!
//! A key has one id in all panes, by which every pane addresses its accumulators directly. A row costs one look-up, and
//! merging the panes of a window costs none. The price is room: every pane has a place for every key of the whole
//! window, which is why windows of many slices go another way ([`crate::window_aggregate`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::SchemaRef;
use brisk_core::operator::{Operator, Output};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Watermark};
use brisk_state::{DeletedPrefixes, DirtyKeys, KeyIndex, KeyedRows, TouchedIds};

use crate::aggregate_set::AggregateSet;
use crate::batches::{MAX_ROWS, record_batch, retractions, unnamed_batch};
use crate::slices::Slice;
use crate::window_aggregate::{RowReader, WindowBounds, prefix, read_slices, restored_watermark, some_rows};
use crate::window_assigner::{WallClock, WindowKind, WindowProperty};
use crate::window_pane::PaneLayout;
use crate::window_property::property_column;

/// Windows of more slices do not share an index.
pub(crate) const MAX_SLICES: i64 = 32;

pub(crate) struct HopWindowAggregate {
    /// A `WindowKind::Hop`.
    kind: WindowKind,
    layout: PaneLayout,
    reader: RowReader,
    /// Whether the input is partial states.
    global: bool,
    processing_time: bool,
    clock: WallClock,
    properties: Vec<WindowProperty>,
    schema: SchemaRef,
    key_groups: u16,
    index: KeyIndex,
    /// By key id: the number of panes that hold the key.
    holders: Vec<u32>,
    /// By the end of the slice.
    panes: BTreeMap<i64, Pane>,
    /// Event time, or the processing time up to which windows have fired.
    watermark: i64,
    deleted: DeletedPrefixes,
}

/// How the operator is told apart from its kind.
pub(crate) struct HopParts {
    pub kind: WindowKind,
    pub layout: PaneLayout,
    pub reader: RowReader,
    pub global: bool,
    pub processing_time: bool,
    pub clock: WallClock,
    pub properties: Vec<WindowProperty>,
    pub schema: SchemaRef,
    pub key_groups: u16,
}

struct Pane {
    set: AggregateSet,
    /// By key id; left empty where rows are never taken back.
    counts: Vec<i64>,
    /// The keys of this pane.
    present: TouchedIds,
    dirty: DirtyKeys,
}

impl HopWindowAggregate {
    pub fn new(parts: HopParts) -> Result<Self> {
        let HopParts { kind, layout, reader, global, processing_time, clock, properties, schema, key_groups } = parts;
        let index = KeyIndex::new(layout.key_types.clone())?;
        let (holders, panes, watermark, deleted) = (Vec::new(), BTreeMap::new(), Watermark::MIN, DeletedPrefixes::default());
        Ok(Self { kind, layout, reader, global, processing_time, clock, properties, schema, key_groups, index, holders, panes, watermark, deleted })
    }

    fn is_late(&self, slice: Slice) -> bool {
        !self.processing_time && self.clock.fired(self.kind.last_window_end(slice.0), self.watermark)
    }

    /// Finds the ids of keys and the pane; notes what the pane holds now.
    fn pane(&mut self, slice: Slice, key: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<&mut Pane> {
        self.index.insert(key, rows, ids)?;
        let bound = self.index.id_bound();
        self.holders.resize(bound.max(self.holders.len()), 0);
        if !self.panes.contains_key(&slice.0) {
            self.panes.insert(slice.0, Pane::new(&self.layout)?);
        }
        let pane = self.panes.get_mut(&slice.0).expect("it was made if it was missing");
        pane.set.reserve(bound);
        if self.layout.retracts {
            pane.counts.resize(bound.max(pane.counts.len()), 0);
        }
        for &id in ids.iter() {
            if pane.present.touch(id) {
                self.holders[id as usize] += 1;
            }
        }
        pane.dirty.mark_all(ids);
        Ok(pane)
    }

    fn add_rows(&mut self, slice: Slice, used: &RecordBatch, rows: Option<Vec<u32>>, retract: Option<&[bool]>, ids: &mut Vec<u32>) -> Result<()> {
        let (key, used, retract) = self.reader.part(used, rows, retract)?;
        let pane = self.pane(slice, &key, used.num_rows(), ids)?;
        match (pane.counts.is_empty(), &retract) {
            (true, _) => {}
            (false, None) => ids.iter().for_each(|id| pane.counts[*id as usize] += 1),
            (false, Some(retract)) => ids.iter().zip(retract.iter()).for_each(|(id, r)| pane.counts[*id as usize] += if *r { -1 } else { 1 }),
        }
        pane.set.update(ids, &used, retract.as_deref())
    }

    fn fire(&mut self, time: i64, out: &mut Output) -> Result<()> {
        let mut next = self.next_end();
        self.watermark = time;
        while let Some(end) = next.filter(|end| self.clock.fired(*end, time)) {
            self.fire_window(end, out)?;
            // The oldest slice of the window has no further one.
            let oldest = self.kind.window_start(end) + self.kind.slice_ms();
            while let Some((&slice_end, _)) = self.panes.first_key_value().filter(|p| *p.0 <= oldest) {
                self.drop_pane(slice_end)?;
            }
            next = self.panes.first_key_value().map(|(first, _)| (*first).max(end + self.kind.slice_ms()));
        }
        Ok(())
    }

    /// The end of the first window that holds rows and has not fired.
    fn next_end(&self) -> Option<i64> {
        let mut end = *self.panes.first_key_value()?.0;
        while self.clock.fired(end, self.watermark) {
            end += self.kind.slice_ms();
        }
        Some(end)
    }

    fn fire_window(&self, end: i64, out: &mut Output) -> Result<()> {
        let start = self.kind.window_start(end);
        let panes: Vec<&Pane> = self.panes.range(start + 1..=end).map(|(_, pane)| pane).collect();
        match panes.as_slice() {
            [] => Ok(()),
            [one] => self.emit(one, start, end, out),
            many => {
                let mut merged = Pane::new(&self.layout)?;
                merged.set.reserve(self.index.id_bound());
                if self.layout.retracts {
                    merged.counts.resize(self.index.id_bound(), 0);
                }
                for pane in many {
                    let ids = pane.present.ids();
                    merged.set.merge(ids, &pane.set.state(ids)?)?;
                    for &id in ids {
                        merged.present.touch(id);
                    }
                    if self.layout.retracts {
                        ids.iter().for_each(|id| merged.counts[*id as usize] += pane.counts[*id as usize]);
                    }
                }
                self.emit(&merged, start, end, out)
            }
        }
    }

    fn emit(&self, pane: &Pane, start: i64, end: i64, out: &mut Output) -> Result<()> {
        let mut groups = pane.present.ids().to_vec();
        if self.layout.retracts {
            groups.retain(|id| pane.counts[*id as usize] > 0);
        }
        for groups in groups.chunks(MAX_ROWS) {
            let mut columns = self.index.keys(groups)?;
            columns.extend(pane.set.values(groups)?);
            for property in &self.properties {
                let bounds = std::iter::repeat_n((start, end), groups.len());
                columns.push(property_column(*property, bounds, self.schema.field(columns.len()), self.clock)?);
            }
            out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, groups.len())?))?;
        }
        Ok(())
    }

    fn drop_pane(&mut self, slice_end: i64) -> Result<()> {
        let Some(mut pane) = self.panes.remove(&slice_end) else { return Ok(()) };
        let slice = (slice_end, slice_end - self.kind.slice_ms());
        pane.dirty.drop_all(&prefix(slice), &mut self.deleted);
        let ids = pane.present.take();
        ids.iter().for_each(|id| self.holders[*id as usize] -= 1);
        let gone: Vec<u32> = ids.into_iter().filter(|id| self.holders[*id as usize] == 0).collect();
        self.index.remove(&gone);
        Ok(())
    }
}

const TABLE: &str = "panes";

impl Pane {
    fn new(layout: &PaneLayout) -> Result<Self> {
        let set = AggregateSet::new(&layout.calls, layout.retracts)?;
        Ok(Self { set, counts: Vec::new(), present: TouchedIds::default(), dirty: DirtyKeys::default() })
    }

    fn merge(&mut self, ids: &[u32], states: &[ArrayRef]) -> Result<()> {
        if !self.counts.is_empty() {
            let counts = states[0].as_primitive::<Int64Type>().values();
            ids.iter().zip(counts.iter()).for_each(|(id, n)| self.counts[*id as usize] += n);
        }
        self.set.merge(ids, &states[1..])
    }
}

impl Operator for HopWindowAggregate {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let mut ids = Vec::new();
        if self.global {
            let width = self.layout.key_types.len();
            for (slice, rows) in WindowBounds::read(&batch.rows, width).slices() {
                let part = some_rows(&batch, rows)?;
                if self.is_late(slice) {
                    out.late(part)?;
                    continue;
                }
                let (key, states) = part.rows.columns().split_at(width);
                self.pane(slice, key, part.num_rows(), &mut ids)?.merge(&ids, &states[2..])?;
            }
            return Ok(());
        }
        let slices = self.reader.slices(self.clock, &batch.rows, out.processing_time_ms())?;
        let used = self.reader.used(&batch.rows)?;
        let retract = if self.layout.retracts { retractions(&batch) } else { None };
        for (slice, rows) in slices {
            match self.is_late(slice) {
                true => out.late(some_rows(&batch, rows)?)?,
                false => self.add_rows(slice, &used, rows, retract.as_deref(), &mut ids)?,
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if !self.processing_time || time == Watermark::MAX {
            self.fire(time, out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        let next = self.next_end().filter(|_| self.processing_time)?;
        Some(self.clock.fire_time(next - 1).saturating_add(1))
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        if self.processing_time {
            self.fire(now_ms - 1, out)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        writer.put_operator_state("watermark", self.watermark.to_le_bytes().to_vec())?;
        self.deleted.write(writer, TABLE)?;
        for (slice_end, pane) in &mut self.panes {
            let Pane { set, counts, present, dirty } = pane;
            let states = |ids: &[u32]| {
                let count = |id: &u32| counts.get(*id as usize).copied().unwrap_or(1);
                let mut columns: Vec<ArrayRef> = vec![Arc::new(ids.iter().map(count).collect::<Int64Array>())];
                columns.extend(set.state(ids)?);
                Ok(KeyedRows::one_each(unnamed_batch(columns)?))
            };
            let prefix = prefix((*slice_end, slice_end - self.kind.slice_ms()));
            dirty.write_some(writer, TABLE, (&self.index, |all| all.insert_all(present.ids())), &prefix, self.key_groups, states)?;
        }
        Ok(())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = restored_watermark(reader)?;
        let codec = brisk_state::row_codec::RowCodec::new(self.layout.key_types.clone())?;
        let mut ids = Vec::new();
        for (slice, rows, keys) in read_slices(reader, TABLE)? {
            let key = codec.decode(keys.iter().map(Vec::as_slice))?;
            let pane = self.pane(slice, &key, keys.len(), &mut ids)?;
            pane.merge(&ids, rows.columns())?;
            pane.dirty = DirtyKeys::default();
            pane.dirty.mark_kept(pane.present.ids());
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let pane = |p: &Pane| p.set.bytes() + p.counts.capacity() * 8 + p.present.bytes() + p.dirty.bytes();
        self.index.bytes() + self.holders.capacity() * 4 + self.panes.values().map(pane).sum::<usize>()
    }
}
