//! Interval join: rows of two append-only streams whose times are at most so far apart.
//!
//! `right.time BETWEEN left.time + lower AND left.time + upper`, both bounds inclusive. A row is kept until the watermark
//! has passed the last time that the other side's partners can have; then, if it had none and its side is an outer one,
//! it goes out with nulls. A late row is joined with what is still there. Rows of a result may be that much older than
//! the watermark, so the watermark is held back by the greater bound.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, Schema, Watermark};
use brisk_state::{ABSENT, IdBitmap, RowId};

use crate::join::{JoinCondition, JoinKind, Side};
use crate::joiner::{Joiner, PAIRS_AT_ONCE, Pairs, kept_columns};
use crate::passed_time::{read_passed_time, write_passed_time};
use crate::row_table::{RowTable, grow, matchless};
use crate::time_attribute::rowtimes;

#[derive(Debug, Clone)]
pub struct IntervalJoinSpec {
    /// INNER, LEFT, RIGHT or FULL; SEMI and ANTI are refused.
    pub kind: JoinKind,
    pub condition: JoinCondition,
    pub time: IntervalTime,
    /// Bounds of `right.time - left.time`; `lower_ms > upper_ms` matches nothing.
    pub lower_ms: i64,
    pub upper_ms: i64,
    pub left: Schema,
    pub right: Schema,
    /// Which columns of left ++ right come out, and in which order.
    pub output: Vec<usize>,
    pub time_zone: chrono_tz::Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalTime {
    /// The rowtime columns of the left and the right row.
    Event { left: usize, right: usize },
    /// The time at which each row arrives.
    Processing,
}

impl OperatorFactory for IntervalJoinSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        if self.kind.is_semi_or_anti() {
            return Err(Error::internal("an interval join is INNER, LEFT, RIGHT or FULL"));
        }
        let (left, right) = kept_columns(self.left.len(), &self.output, self.condition.residual.as_ref());
        let cache = |name, schema, keys, kept: &[usize]| {
            let mut table = RowTable::growing(name, schema, keys, kept, context.key_groups)?;
            table.make_removable();
            Ok(Cache::new(table)) as Result<Cache>
        };
        let joiner = Joiner::new(self.kind, &self.left, &self.right, self.condition.residual.as_ref(), self.time_zone);
        Ok(Box::new(IntervalJoin {
            joiner: joiner.selecting(&self.output, [&left, &right]),
            left: cache("left", &self.left, &self.condition.left_keys, &left)?,
            right: cache("right", &self.right, &self.condition.right_keys, &right)?,
            watermark: Watermark::MIN,
            spec: self.clone(),
        }))
    }
}

struct IntervalJoin {
    spec: IntervalJoinSpec,
    joiner: Joiner,
    left: Cache,
    right: Cache,
    /// Event time, or processing time: rows of the past are not waited for.
    watermark: i64,
}

/// The rows of one side that may still find partners.
struct Cache {
    table: RowTable,
    /// By row: its time.
    times: Vec<i64>,
    /// Rows that had a partner.
    matched: IdBitmap,
    by_time: BinaryHeap<Reverse<(i64, RowId)>>,
}

impl Operator for IntervalJoin {
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let side = Side::of(input);
        let times = self.times(side, &batch.rows, out.processing_time_ms())?;
        let matched = self.join(side, &batch.rows, &times, out)?;
        self.keep_or_pad(side, &batch.rows, &times, &matched, out)
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if let IntervalTime::Processing = self.spec.time {
            return out.watermark(time);
        }
        self.expire(time, out)?;
        let held_back = self.spec.upper_ms.max(self.spec.lower_ms.saturating_neg()).max(0);
        match time {
            Watermark::MAX => out.watermark(time),
            _ => out.watermark(time.saturating_sub(held_back)),
        }
    }

    fn next_timer(&self) -> Option<i64> {
        if let IntervalTime::Event { .. } = self.spec.time {
            return None;
        }
        let first = |side| self.cache(side).by_time.peek().map(|Reverse((time, _))| self.last_partner(side, *time).saturating_add(1));
        [Side::Left, Side::Right].into_iter().filter_map(first).min()
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        self.expire(now_ms, out)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.watermark)?;
        self.left.snapshot(writer)?;
        self.right.snapshot(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = read_passed_time(reader)?;
        self.left.restore(reader)?;
        self.right.restore(reader)
    }

    fn state_bytes(&self) -> usize {
        self.left.bytes() + self.right.bytes()
    }
}

impl IntervalJoin {
    fn times(&mut self, side: Side, rows: &RecordBatch, now_ms: i64) -> Result<Vec<i64>> {
        match (self.spec.time, side) {
            (IntervalTime::Event { left, .. }, Side::Left) => Ok(rowtimes(rows.column(left))?.to_vec()),
            (IntervalTime::Event { right, .. }, Side::Right) => Ok(rowtimes(rows.column(right))?.to_vec()),
            (IntervalTime::Processing, _) => {
                self.watermark = self.watermark.max(now_ms);
                Ok(vec![now_ms; rows.num_rows()])
            }
        }
    }

    /// Emits the pairs of new rows with kept ones; gives which new rows had any.
    fn join(&mut self, side: Side, rows: &RecordBatch, times: &[i64], out: &mut Output) -> Result<Vec<bool>> {
        let mut matched = vec![false; rows.num_rows()];
        let keys: Vec<ArrayRef> = self.spec.condition.keys(side).iter().map(|&c| Arc::clone(rows.column(c))).collect();
        let matchless = matchless(&keys, &self.spec.condition.null_safe);
        let ids = self.other(side).table.lookup(&keys, rows.num_rows())?;
        let mut pairs = Pairs::default();
        for (row, &key) in ids.iter().enumerate() {
            if key == ABSENT || matchless.as_ref().is_some_and(|m| m.is_null(row)) {
                continue;
            }
            let (first, last) = self.partners(side, times[row]);
            let cache = self.other(side);
            for stored in cache.table.list(key) {
                let time = cache.times[stored as usize];
                if first <= time && time <= last {
                    pairs.push(row as u32, stored);
                }
            }
            if pairs.len() >= PAIRS_AT_ONCE {
                self.emit(side, rows, &mut pairs, &mut matched, out)?;
            }
        }
        self.emit(side, rows, &mut pairs, &mut matched, out)?;
        Ok(matched)
    }

    fn emit(&mut self, side: Side, rows: &RecordBatch, pairs: &mut Pairs, matched: &mut [bool], out: &mut Output) -> Result<()> {
        let cache = match side {
            Side::Left => &mut self.right,
            Side::Right => &mut self.left,
        };
        self.joiner.filter(rows, side, cache.table.store(), pairs, out.processing_time_ms())?;
        if pairs.is_empty() {
            return Ok(());
        }
        out.batch(ChangelogBatch::append(self.joiner.rows(rows, side, cache.table.store(), pairs)?))?;
        for (&probe, &stored) in pairs.probe.iter().zip(&pairs.stored) {
            matched[probe as usize] = true;
            if cache.matched.insert(stored) {
                cache.table.touch(stored);
            }
        }
        pairs.clear();
        Ok(())
    }

    /// Keeps the rows for which partners may come; of the others those without a partner go out if their side is outer.
    fn keep_or_pad(&mut self, side: Side, rows: &RecordBatch, times: &[i64], matched: &[bool], out: &mut Output) -> Result<()> {
        let keys: Vec<ArrayRef> = self.spec.condition.keys(side).iter().map(|&c| Arc::clone(rows.column(c))).collect();
        let matchless = matchless(&keys, &self.spec.condition.null_safe);
        let can_match = |row: usize| matchless.as_ref().is_none_or(|m| m.is_valid(row));
        let is_kept = |row: usize| self.spec.lower_ms <= self.spec.upper_ms && self.watermark < self.last_partner(side, times[row]) && can_match(row);
        let (mut kept, mut padded) = (Vec::new(), Vec::new());
        for (row, matched) in matched.iter().enumerate() {
            if is_kept(row) {
                kept.push(row as u32);
            } else if !matched {
                padded.push(row as u32);
            }
        }
        self.cache_mut(side).insert(rows, &kept, times, matched)?;
        if !self.spec.kind.pads(side) || padded.is_empty() {
            return Ok(());
        }
        let rows = arrow_select::take::take_record_batch(rows, &UInt32Array::from(padded))?;
        out.batch(ChangelogBatch::append(self.joiner.padded(&rows, side)?))
    }

    /// Forgets the rows for which no partner can come any more.
    fn expire(&mut self, now: i64, out: &mut Output) -> Result<()> {
        self.watermark = now;
        for side in [Side::Left, Side::Right] {
            let pads = self.spec.kind.pads(side);
            let mut expired = Vec::new();
            while let Some(&Reverse((time, row))) = self.cache(side).by_time.peek() {
                if self.last_partner(side, time) >= now && now != Watermark::MAX {
                    break;
                }
                self.cache_mut(side).by_time.pop();
                expired.push(row);
            }
            let cache = self.cache(side);
            let alone: Vec<RowId> = if pads { expired.iter().copied().filter(|&r| !cache.matched.contains(r)).collect() } else { Vec::new() };
            for alone in alone.chunks(PAIRS_AT_ONCE) {
                out.batch(ChangelogBatch::append(self.joiner.padded_stored(cache.table.store(), alone, side)?))?;
            }
            self.cache_mut(side).remove(&expired)?;
        }
        Ok(())
    }

    /// The least and greatest time of a partner for a row of `side` at `time`.
    fn partners(&self, side: Side, time: i64) -> (i64, i64) {
        let (lower, upper) = (self.spec.lower_ms, self.spec.upper_ms);
        match side {
            Side::Left => (time.saturating_add(lower), time.saturating_add(upper)),
            Side::Right => (time.saturating_sub(upper), time.saturating_sub(lower)),
        }
    }

    fn last_partner(&self, side: Side, time: i64) -> i64 {
        self.partners(side, time).1
    }

    fn cache(&self, side: Side) -> &Cache {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    fn cache_mut(&mut self, side: Side) -> &mut Cache {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    fn other(&self, side: Side) -> &Cache {
        match side {
            Side::Left => &self.right,
            Side::Right => &self.left,
        }
    }
}

impl Cache {
    fn new(table: RowTable) -> Self {
        Self { table, times: Vec::new(), matched: IdBitmap::default(), by_time: BinaryHeap::new() }
    }

    fn insert(&mut self, rows: &RecordBatch, selected: &[u32], times: &[i64], matched: &[bool]) -> Result<()> {
        let ids = self.table.insert(rows, selected)?;
        for (&id, &row) in ids.iter().zip(selected) {
            self.note(id, times[row as usize], matched[row as usize]);
        }
        Ok(())
    }

    fn note(&mut self, id: RowId, time: i64, matched: bool) {
        grow(&mut self.times, self.table.store().id_bound(), 0);
        self.times[id as usize] = time;
        self.by_time.push(Reverse((time, id)));
        if matched {
            self.matched.insert(id);
        }
    }

    fn remove(&mut self, ids: &[RowId]) -> Result<()> {
        self.matched.remove_all(ids);
        self.table.remove(ids)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { table, times, matched, .. } = self;
        let fields = [Field::new("time", DataType::Int64, false), Field::new("matched", DataType::Boolean, false)];
        table.snapshot(writer, &fields, |ids| {
            let times = ids.iter().map(|&id| times[id as usize]).collect::<Int64Array>();
            let matched = ids.iter().map(|&id| Some(matched.contains(id))).collect::<BooleanArray>();
            vec![Arc::new(times), Arc::new(matched)]
        })
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let mut notes = Vec::new();
        self.table.restore(reader, |ids, extra| {
            let (times, matched) = (extra[0].as_primitive::<Int64Type>(), extra[1].as_boolean());
            notes.extend(ids.iter().enumerate().map(|(i, &id)| (id, times.value(i), matched.value(i))));
            Ok(())
        })?;
        notes.into_iter().for_each(|(id, time, matched)| self.note(id, time, matched));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.table.bytes() + self.times.capacity() * 8 + self.matched.bytes() + self.by_time.capacity() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::{UTC, call, column};
    use crate::harness::{check, check_net_effect, schema};

    const ROW: &str = "k BIGINT, n BIGINT, ts TIMESTAMP(3)";

    fn spec(kind: JoinKind, residual: bool) -> IntervalJoinSpec {
        let row = schema(ROW);
        let both = schema(&format!("{ROW}, {ROW}"));
        let residual = residual.then(|| call("<", vec![column(&both, 1), column(&both, 4)]));
        IntervalJoinSpec {
            kind,
            condition: JoinCondition { left_keys: vec![0], right_keys: vec![0], null_safe: vec![false], residual },
            time: IntervalTime::Event { left: 2, right: 2 },
            lower_ms: -1000,
            upper_ms: 2000,
            left: row.clone(),
            right: row,
            output: (0..6).collect(),
            time_zone: UTC,
        }
    }

    const STEPS: &str = "+I 1 10 00:00:05
        +I NULL 11 00:00:05
        1: +I 1 20 00:00:04
        1: +I 1 21 00:00:07
        1: +I 1 22 00:00:08
        1: +I 2 23 00:00:05
        +I 2 12 00:00:06
        +I 3 13 00:00:06
        watermark 00:00:09
        +I 1 14 00:00:06
        watermark end";

    #[test]
    fn rows_within_the_bounds_are_joined() {
        let row = schema(ROW);
        let expected = "+I 1 10 00:00:05 1 20 00:00:04
            +I 1 10 00:00:05 1 21 00:00:07
            +I 2 12 00:00:06 2 23 00:00:05
            +I 1 14 00:00:06 1 22 00:00:08";
        check(&spec(JoinKind::Inner, true), &[&row, &row], STEPS, expected);
    }

    #[test]
    fn rows_without_a_partner_wait_until_none_can_come() {
        let row = schema(ROW);
        let expected = "+I NULL 11 00:00:05 NULL NULL NULL
            +I 1 10 00:00:05 1 20 00:00:04
            +I 1 10 00:00:05 1 21 00:00:07
            +I 2 12 00:00:06 2 23 00:00:05
            +I 3 13 00:00:06 NULL NULL NULL
            +I 1 14 00:00:06 1 22 00:00:08";
        check_net_effect(&spec(JoinKind::Full, true), &[&row, &row], STEPS, expected);
    }

    #[test]
    fn bounds_that_cross_match_nothing() {
        let row = schema(ROW);
        let spec = IntervalJoinSpec { lower_ms: 2000, upper_ms: 1000, ..spec(JoinKind::Left, false) };
        check(&spec, &[&row, &row], "1: +I 1 20 00:00:05\n+I 1 10 00:00:05", "+I 1 10 00:00:05 NULL NULL NULL");
    }
}
