//! The first half of an aggregation by window, before an exchange: folds rows by slice and key and sends partial states.
//!
//! States go out when the watermark completes their slice, and all of them before a barrier, so that there is never anything
//! to snapshot. Which rows are late is for the second half to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::SchemaRef;
use brisk_core::operator::{Operator, Output};
use brisk_core::{ChangelogBatch, Result};

use crate::batches::{MAX_ROWS, record_batch, retractions};
use crate::slices::Slice;
use crate::window_aggregate::RowReader;
use crate::window_assigner::WallClock;
use crate::window_pane::{Pane, PaneLayout};

/// States are sent early beyond so many bytes.
const MAX_BYTES: usize = 64 << 20;

pub(crate) struct LocalWindowAggregate {
    reader: RowReader,
    layout: PaneLayout,
    clock: WallClock,
    schema: SchemaRef,
    panes: BTreeMap<Slice, Pane>,
}

impl LocalWindowAggregate {
    pub fn new(reader: RowReader, layout: PaneLayout, clock: WallClock, schema: SchemaRef) -> Self {
        Self { reader, layout, clock, schema, panes: BTreeMap::new() }
    }

    fn send(&self, slice: Slice, pane: &Pane, out: &mut Output) -> Result<()> {
        for groups in pane.all_groups().chunks(MAX_ROWS) {
            let mut columns = pane.keys(groups)?;
            let bound = |v: i64| Arc::new(Int64Array::from_value(v, groups.len())) as ArrayRef;
            columns.extend([bound(slice.1), bound(slice.0)]);
            columns.extend(pane.states(groups)?);
            out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, groups.len())?))?;
        }
        Ok(())
    }

    fn send_all(&mut self, out: &mut Output) -> Result<()> {
        while let Some((slice, pane)) = self.panes.pop_first() {
            self.send(slice, &pane, out)?;
            self.layout.recycle(pane)?;
        }
        Ok(())
    }
}

impl Operator for LocalWindowAggregate {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let slices = self.reader.slices(self.clock, &batch.rows, out.processing_time_ms())?;
        let used = self.reader.used(&batch.rows)?;
        let retract = if self.layout.retracts { retractions(&batch) } else { None };
        for (slice, rows) in slices {
            let pane = self.layout.pane_in(&mut self.panes, slice)?;
            self.reader.add(pane, &used, rows, retract.as_deref())?;
        }
        if self.state_bytes() > MAX_BYTES {
            self.send_all(out)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        while let Some(first) = self.panes.first_entry() {
            if !self.clock.fired(first.key().0, time) {
                break;
            }
            let (slice, pane) = first.remove_entry();
            self.send(slice, &pane, out)?;
            self.layout.recycle(pane)?;
        }
        out.watermark(time)
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        self.send_all(out)
    }

    /// Nobody waits for states before the watermark has come.
    fn release(&mut self, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.panes.values().map(Pane::bytes).sum()
    }
}
