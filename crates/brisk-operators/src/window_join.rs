//! Window join: rows of two windowed streams that are in the same window. A window is joined when the watermark passes
//! its end; a row of a window that was joined is late.
//!
//! Every window has a table of its own for each side, which is dropped whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Schema, Watermark};
use brisk_state::{DeletedPrefixes, IdBitmap, RowId, RowStore};

use crate::join::{JoinCondition, JoinKind, Side};
use crate::joiner::{Joiner, PAIRS_AT_ONCE, Pairs};
use crate::passed_time::{read_passed_time, write_passed_time};
use crate::row_table::{RowTable, matchless};
use crate::time_attribute::times_ms;
use crate::window_assigner::WallClock;

#[derive(Debug, Clone)]
pub struct WindowJoinSpec {
    pub kind: JoinKind,
    /// Keys besides the window itself.
    pub condition: JoinCondition,
    pub left: WindowedInput,
    pub right: WindowedInput,
    /// The session's zone where the windows were made from TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<chrono_tz::Tz>,
    /// Whether the windows are of processing time: they end by the clock and not by the watermark.
    pub processing_time: bool,
    pub time_zone: chrono_tz::Tz,
}

/// One side, with the positions of its window columns, which are TIMESTAMP(3).
#[derive(Debug, Clone)]
pub struct WindowedInput {
    pub schema: Schema,
    pub window_start: usize,
    pub window_end: usize,
}

impl OperatorFactory for WindowJoinSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(WindowJoin {
            joiner: Joiner::new(self.kind, &self.left.schema, &self.right.schema, self.condition.residual.as_ref(), self.time_zone),
            clock: WallClock::new(self.zone),
            windows: BTreeMap::new(),
            deleted: [DeletedPrefixes::default(), DeletedPrefixes::default()],
            now: Watermark::MIN,
            key_groups: context.key_groups,
            spec: self.clone(),
        }))
    }

    fn drops_late_rows(&self) -> bool {
        !self.processing_time
    }
}

struct WindowJoin {
    spec: WindowJoinSpec,
    joiner: Joiner,
    clock: WallClock,
    /// Open windows by (end, start), each with its left and right rows.
    windows: BTreeMap<(i64, i64), [RowTable; 2]>,
    deleted: [DeletedPrefixes; 2],
    /// The watermark, or the clock where windows are of processing time.
    now: i64,
    key_groups: u16,
}

const TABLES: [&str; 2] = ["left", "right"];

impl Operator for WindowJoin {
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let side = Side::of(input);
        if self.spec.processing_time {
            self.now = self.now.max(out.processing_time_ms());
        }
        let (selected, late) = self.by_window(side, &batch.rows)?;
        if !late.is_empty() {
            out.late_of(input, batch.take(&late.into())?)?;
        }
        let keys: Vec<ArrayRef> = self.spec.condition.keys(side).iter().map(|&c| Arc::clone(batch.column(c))).collect();
        let matchless = matchless(&keys, &self.spec.condition.null_safe);
        for (window, mut rows) in selected {
            if let Some(keys) = &matchless {
                // No partner will come for these: an outer row goes out now, the others never do.
                let (alone, others) = rows.into_iter().partition(|&r| keys.is_null(r as usize));
                rows = others;
                self.emit_alone(side, take_record_batch(&batch.rows, &UInt32Array::from(alone))?, out)?;
            }
            let tables = self.window(window)?;
            tables[side as usize].insert(&batch.rows, &rows)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if !self.spec.processing_time {
            self.fire(time, out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        let first = self.windows.first_key_value()?;
        self.spec.processing_time.then(|| self.clock.fire_time(first.0.0 - 1))
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        self.fire(now_ms, out)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.now)?;
        for (deleted, table) in self.deleted.iter_mut().zip(TABLES) {
            deleted.write(writer, table)?;
        }
        for (window, tables) in &mut self.windows {
            let prefix = prefix(*window);
            tables.iter_mut().try_for_each(|t| t.snapshot_prefixed(writer, &prefix))?;
        }
        Ok(())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        for side in [Side::Left, Side::Right] {
            for entries in reader.entries(TABLES[side as usize]) {
                let (_, rows) = entries?;
                for (window, selected) in self.by_window(side, &rows)?.0 {
                    self.window(window)?[side as usize].insert_kept(&rows, &selected)?;
                }
            }
        }
        self.now = read_passed_time(reader)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.windows.values().flatten().map(RowTable::bytes).sum::<usize>() + self.deleted.iter().map(DeletedPrefixes::bytes).sum::<usize>()
    }
}

impl WindowJoin {
    /// The rows of each open window, and the late ones.
    #[allow(clippy::type_complexity)]
    fn by_window(&self, side: Side, rows: &RecordBatch) -> Result<(BTreeMap<(i64, i64), Vec<u32>>, Vec<u32>)> {
        let input = match side {
            Side::Left => &self.spec.left,
            Side::Right => &self.spec.right,
        };
        let (starts, ends) = (times_ms(rows.column(input.window_start))?, times_ms(rows.column(input.window_end))?);
        let (mut selected, mut late) = (BTreeMap::<_, Vec<u32>>::new(), Vec::new());
        for (row, window) in ends.iter().copied().zip(starts.iter().copied()).enumerate() {
            match self.now != Watermark::MIN && self.clock.fired(window.0, self.now) {
                true => late.push(row as u32),
                false => selected.entry(window).or_default().push(row as u32),
            }
        }
        Ok((selected, late))
    }

    fn window(&mut self, window: (i64, i64)) -> Result<&mut [RowTable; 2]> {
        if !self.windows.contains_key(&window) {
            let table = |side: Side, schema| RowTable::new(TABLES[side as usize], schema, self.spec.condition.keys(side), self.key_groups);
            let tables = [table(Side::Left, &self.spec.left.schema)?, table(Side::Right, &self.spec.right.schema)?];
            self.windows.insert(window, tables);
        }
        Ok(self.windows.get_mut(&window).expect("it was put there above"))
    }

    /// Joins the windows that have ended, in the order of their ends.
    fn fire(&mut self, now: i64, out: &mut Output) -> Result<()> {
        self.now = now;
        while let Some(first) = self.windows.first_entry() {
            let window = *first.key();
            if !self.clock.fired(window.0, now) {
                break;
            }
            let [left, right] = first.remove();
            self.join(&left, &right, out)?;
            let prefix = prefix(window);
            left.drop_into(&prefix, &mut self.deleted[0]);
            right.drop_into(&prefix, &mut self.deleted[1]);
        }
        Ok(())
    }

    fn join(&self, left: &RowTable, right: &RowTable, out: &mut Output) -> Result<()> {
        let (mut left_matched, mut right_matched) = (IdBitmap::default(), IdBitmap::default());
        let keys = left.keys().ids();
        let partners = right.lookup(&left.keys().keys(&keys)?, keys.len())?;
        let mut pairs = Pairs::default();
        for (&key, &partner) in keys.iter().zip(&partners) {
            for row in left.list(key) {
                right.list(partner).for_each(|p| pairs.push(row, p));
                if pairs.len() >= PAIRS_AT_ONCE {
                    self.emit(left.store(), right.store(), &mut pairs, [&mut left_matched, &mut right_matched], out)?;
                }
            }
        }
        self.emit(left.store(), right.store(), &mut pairs, [&mut left_matched, &mut right_matched], out)?;
        match self.spec.kind {
            JoinKind::Semi => self.emit_rows(left, |row| left_matched.contains(row), out),
            JoinKind::Anti => self.emit_rows(left, |row| !left_matched.contains(row), out),
            _ => {
                for (side, table, matched) in [(Side::Left, left, left_matched), (Side::Right, right, right_matched)] {
                    if self.spec.kind.pads(side) {
                        let alone: Vec<RowId> = rows_of(table).filter(|&row| !matched.contains(row)).collect();
                        self.emit_alone(side, table.store().gather(&alone)?, out)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn emit(&self, left: &RowStore, right: &RowStore, pairs: &mut Pairs, matched: [&mut IdBitmap; 2], out: &mut Output) -> Result<()> {
        self.joiner.filter_stored(left, right, pairs, out.processing_time_ms())?;
        matched[0].insert_all(&pairs.probe);
        matched[1].insert_all(&pairs.stored);
        if !self.spec.kind.is_semi_or_anti() && !pairs.is_empty() {
            out.batch(ChangelogBatch::append(self.joiner.rows_stored(left, right, pairs)?))?;
        }
        pairs.clear();
        Ok(())
    }

    fn emit_rows(&self, left: &RowTable, chosen: impl Fn(RowId) -> bool, out: &mut Output) -> Result<()> {
        let rows: Vec<RowId> = rows_of(left).filter(|&row| chosen(row)).collect();
        out.batch(ChangelogBatch::append(left.store().gather(&rows)?))
    }

    /// Rows without a partner, as the kind of join shows them.
    fn emit_alone(&self, side: Side, rows: RecordBatch, out: &mut Output) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        match self.spec.kind {
            JoinKind::Anti if side == Side::Left => out.batch(ChangelogBatch::append(rows)),
            kind if kind.pads(side) => out.batch(ChangelogBatch::append(self.joiner.padded(&rows, side)?)),
            _ => Ok(()),
        }
    }
}

fn rows_of(table: &RowTable) -> impl Iterator<Item = RowId> + '_ {
    table.store().ids()
}

/// A window's bounds before the keys of its rows in a snapshot.
fn prefix((end, start): (i64, i64)) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&end.to_be_bytes());
    bytes[8..].copy_from_slice(&start.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::{UTC, call, column};
    use crate::harness::{check_net_effect, schema};

    const ROW: &str = "k BIGINT, n BIGINT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)";

    fn check(kind: JoinKind, expected: &str) {
        let row = schema(ROW);
        let both = schema(&format!("{ROW}, {ROW}"));
        let residual = Some(call("<", vec![column(&both, 1), column(&both, 5)]));
        let input = WindowedInput { schema: row.clone(), window_start: 2, window_end: 3 };
        let spec = WindowJoinSpec {
            kind,
            condition: JoinCondition { left_keys: vec![0], right_keys: vec![0], null_safe: vec![false], residual },
            left: input.clone(),
            right: input,
            zone: None,
            processing_time: false,
            time_zone: UTC,
        };
        let steps = "+I 1 1 00:00:00 00:00:05
            +I 1 2 00:00:05 00:00:10
            +I 2 3 00:00:00 00:00:05
            +I NULL 4 00:00:00 00:00:05
            1: +I 1 2 00:00:00 00:00:05
            1: +I 1 3 00:00:00 00:00:05
            1: +I 1 1 00:00:05 00:00:10
            watermark 00:00:04.999
            1: +I 2 9 00:00:00 00:00:05
            1: +I 1 9 00:00:10 00:00:15
            watermark end";
        let late = "late +I 2 9 00:00:00 00:00:05";
        check_net_effect(&spec, &[&row, &row], steps, &format!("{expected}\n{late}"));
    }

    #[test]
    fn rows_of_one_window_are_joined() {
        let joined = "+I 1 1 00:00:00 00:00:05 1 2 00:00:00 00:00:05
            +I 1 1 00:00:00 00:00:05 1 3 00:00:00 00:00:05";
        let left_alone = "+I NULL 4 00:00:00 00:00:05 NULL NULL NULL NULL
            +I 2 3 00:00:00 00:00:05 NULL NULL NULL NULL
            +I 1 2 00:00:05 00:00:10 NULL NULL NULL NULL";
        let right_alone = "+I NULL NULL NULL NULL 1 1 00:00:05 00:00:10
            +I NULL NULL NULL NULL 1 9 00:00:10 00:00:15";
        check(JoinKind::Inner, joined);
        check(JoinKind::Left, &format!("{joined}\n{left_alone}"));
        check(JoinKind::Right, &format!("{joined}\n{right_alone}"));
        check(JoinKind::Full, &format!("{joined}\n{left_alone}\n{right_alone}"));
        check(JoinKind::Semi, "+I 1 1 00:00:00 00:00:05");
        check(JoinKind::Anti, "+I NULL 4 00:00:00 00:00:05\n+I 2 3 00:00:00 00:00:05\n+I 1 2 00:00:05 00:00:10");
    }
}
