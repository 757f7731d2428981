//! GROUP BY without a window: one result a key, corrected as rows come.
//!
//! State: an index of keys, the accumulators by key id, and for every key the number of its rows. A result that was
//! emitted is not kept; it is computed again, before the first change of a key since the last emission.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use arrow_select::take::take_record_batch;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType, Watermark};
use brisk_functions::AggregateCall;
use brisk_state::{DirtyKeys, KeyIndex, KeyedRows, LastTouch, TouchedIds};

use crate::aggregate_set::{AggregateSet, state_columns};
use crate::batches::{MAX_ROWS, record_batch, retractions, touched_column, unnamed_batch};
use crate::group_changes::{Changed, GroupChanges};

/// Which half of an aggregation an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AggregatePhase {
    /// Rows in, results out.
    #[default]
    Single,
    /// Rows in, partial states out: before an exchange.
    Local,
    /// Partial states in (as `Local` gives them), results out.
    Global,
}

/// An aggregation by key. The output: the key's columns, then one column an aggregate.
///
/// Without key columns the one group of all rows emits nothing until the first row. A group whose rows have all been
/// retracted is deleted (`-D`). Within one batch the changes of a key are folded to one `-U`/`+U`. A hash exchange
/// before it is over `key`, in this order.
#[derive(Debug, Clone)]
pub struct GroupAggregateSpec {
    pub phase: AggregatePhase,
    /// Positions of the key's columns in the *rows* (in phase `Global` the key comes first in the input whatever they are).
    pub key: Vec<usize>,
    /// Over the columns of the rows, in every phase.
    pub calls: Vec<AggregateCall>,
    /// The columns of the rows, in every phase.
    pub rows: Schema,
    /// Whether the rows come with retractions.
    pub input_retracts: bool,
    /// Whether consumers want `-U` before `+U`.
    pub emit_update_before: bool,
    /// Key columns, then aggregates; in phase `Local`: [`GroupAggregateSpec::partial_schema`].
    pub output: Schema,
    /// `table.exec.state.ttl` in ms; `None` keeps groups for ever.
    pub ttl_ms: Option<i64>,
    /// Mini-batch: hold changes back until so many rows came, or until `flush`. `None`: emit after every batch.
    pub mini_batch_rows: Option<usize>,
}

impl GroupAggregateSpec {
    /// What phase `Local` emits and phase `Global` reads: the key's columns, the number of rows (BIGINT; 1 if there are
    /// no retractions), and the columns of every call's partial state.
    pub fn partial_schema(&self) -> Result<Schema> {
        let mut columns = self.rows.project(&self.key).columns;
        columns.push(Column::new("$rows", SqlType::not_null(DataType::BigInt)));
        columns.extend(state_columns(&self.calls, self.input_retracts)?);
        Ok(Schema::new(columns))
    }
}

impl OperatorFactory for GroupAggregateSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let local = self.phase == AggregatePhase::Local;
        let key_types = self.rows.project(&self.key).columns.iter().map(|c| c.sql_type.to_arrow()).collect();
        Ok(Box::new(GroupAggregate {
            phase: self.phase,
            key: match self.phase {
                AggregatePhase::Global => (0..self.key.len()).collect(),
                _ => self.key.clone(),
            },
            retracts: self.input_retracts,
            emit_update_before: self.emit_update_before,
            always_differ: !self.input_retracts && self.calls.iter().any(counts_rows),
            schema: if local { self.partial_schema()? } else { self.output.clone() }.to_arrow(),
            mini_batch_rows: self.mini_batch_rows.unwrap_or(0),
            key_groups: context.key_groups,
            index: KeyIndex::new(key_types)?,
            set: AggregateSet::new(&self.calls, self.input_retracts)?,
            counts: Vec::new(),
            touch: self.ttl_ms.filter(|_| !local).map(LastTouch::new),
            dirty: DirtyKeys::default(),
            pending: Pending::default(),
            ids: Vec::new(),
        }))
    }
}

struct GroupAggregate {
    phase: AggregatePhase,
    /// In the input.
    key: Vec<usize>,
    retracts: bool,
    emit_update_before: bool,
    /// Whether the result of a group that was touched is always another one.
    always_differ: bool,
    schema: SchemaRef,
    mini_batch_rows: usize,
    key_groups: u16,
    index: KeyIndex,
    set: AggregateSet,
    /// Rows of every group; without retractions 1 for a group that exists. By id, as all below.
    counts: Vec<i64>,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    pending: Pending,
    /// Scratch: the id of every row.
    ids: Vec<u32>,
}

/// The groups that changed since the last emission, with what was emitted of them.
#[derive(Default)]
struct Pending {
    touched: TouchedIds,
    /// For every touched group its row in `before`, if that is needed; `NONE` if the group did not exist.
    places: Vec<u32>,
    before: Vec<Vec<ArrayRef>>,
    before_rows: u32,
    input_rows: usize,
}

const NONE: u32 = u32::MAX;

impl Operator for GroupAggregate {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let key: Vec<ArrayRef> = self.key.iter().map(|k| batch.column(*k).clone()).collect();
        let mut ids = std::mem::take(&mut self.ids);
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        self.set.reserve(self.index.id_bound());
        self.counts.resize(self.index.id_bound().max(self.counts.len()), 0);
        self.note_touched(&ids, out.processing_time_ms())?;
        match self.phase {
            AggregatePhase::Global => self.merge(&ids, &batch.rows)?,
            _ => self.update(&ids, &batch)?,
        }
        self.ids = ids;
        self.pending.input_rows += batch.num_rows();
        if self.pending.input_rows >= self.mini_batch_rows {
            self.emit(out)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if time == Watermark::MAX {
            self.emit(out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        self.emit(out)?;
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        self.remove(&expired)
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        self.emit(out)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        debug_assert!(self.pending.touched.is_empty(), "changes are flushed before a barrier");
        let (set, counts, touch) = (&self.set, &self.counts, &self.touch);
        let rows = |ids: &[u32]| {
            let count = Int64Array::from_iter_values(ids.iter().map(|id| counts[*id as usize]));
            let mut columns: Vec<ArrayRef> = vec![Arc::new(count), touched_column(touch.as_ref(), ids)];
            columns.extend(set.state(ids)?);
            Ok(KeyedRows::one_each(unnamed_batch(columns)?))
        };
        self.dirty.write(writer, TABLE, &self.index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, set, counts, touch, .. } = self;
        // At once, not step by step: memory is dear when it is touched for the first time.
        let expected = reader.count(TABLE);
        set.reserve(expected);
        counts.reserve(expected);
        dirty.read(reader, TABLE, index, |ids, rows| {
            let bound = ids.iter().max().map_or(0, |id| *id as usize + 1);
            set.reserve(bound);
            counts.resize(bound.max(counts.len()), 0);
            let (count, touched) = (rows.column(0).as_primitive::<Int64Type>(), rows.column(1).as_primitive::<Int64Type>());
            for (row, id) in ids.iter().enumerate() {
                counts[*id as usize] = count.value(row);
                if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
                    touch.touch(*id, touched.value(row));
                }
            }
            set.merge(ids, &rows.columns()[2..])
        })
    }

    fn state_bytes(&self) -> usize {
        let touch = self.touch.as_ref().map_or(0, LastTouch::bytes);
        self.index.bytes() + self.set.bytes() + self.counts.capacity() * 8 + self.dirty.bytes() + touch
    }
}

const TABLE: &str = "groups";

/// Whether the call is COUNT(*): every row changes it.
fn counts_rows(call: &AggregateCall) -> bool {
    call.function.name() == "COUNT" && call.args.is_empty() && call.filter.is_none() && !call.distinct
}

impl GroupAggregate {
    /// Whether what was emitted of a group must be known to emit its change.
    fn needs_before(&self) -> bool {
        self.emit_update_before || !self.always_differ
    }

    /// Lists the groups that change for the first time since the last emission, and keeps what was emitted of them.
    fn note_touched(&mut self, ids: &[u32], now_ms: i64) -> Result<()> {
        let (mut known, mut expired) = (Vec::new(), Vec::new());
        for &id in ids {
            if !self.pending.touched.touch(id) {
                continue;
            }
            if let Some(touch) = &mut self.touch {
                if touch.expired(id, now_ms) {
                    self.counts[id as usize] = 0;
                    expired.push(id);
                }
                touch.touch(id, now_ms);
            }
            let exists = self.counts[id as usize] > 0;
            self.pending.places.push(if exists { self.pending.before_rows } else { NONE });
            if exists && self.needs_before() {
                self.pending.before_rows += 1;
                known.push(id);
            }
        }
        self.set.clear(&expired);
        if !known.is_empty() && !self.set.is_empty() {
            self.pending.before.push(self.set.values(&known)?);
        }
        Ok(())
    }

    fn update(&mut self, ids: &[u32], batch: &ChangelogBatch) -> Result<()> {
        let retract = if self.retracts { retractions(batch) } else { None };
        let Some(retract) = retract else {
            self.count_added(ids);
            return self.set.update(ids, &batch.rows, None);
        };
        let kept = self.count_changed(ids, &retract);
        if kept.len() == ids.len() {
            return self.set.update(ids, &batch.rows, Some(&retract));
        }
        let rows = take_record_batch(&batch.rows, &UInt32Array::from(kept.clone()))?;
        let ids: Vec<u32> = kept.iter().map(|i| ids[*i as usize]).collect();
        let retract: Vec<bool> = kept.iter().map(|i| retract[*i as usize]).collect();
        self.set.update(&ids, &rows, Some(&retract))
    }

    fn count_added(&mut self, ids: &[u32]) {
        if self.retracts {
            ids.iter().for_each(|id| self.counts[*id as usize] += 1);
        } else {
            self.pending.touched.ids().iter().for_each(|id| self.counts[*id as usize] = 1);
        }
    }

    /// Counts rows in and out. Gives the rows that count: one that is taken back from a group that does not exist
    /// (its state has expired, say) does not. A local aggregation cannot know.
    fn count_changed(&mut self, ids: &[u32], retract: &[bool]) -> Vec<u32> {
        let local = self.phase == AggregatePhase::Local;
        let mut kept = Vec::with_capacity(ids.len());
        for (row, (id, retract)) in ids.iter().zip(retract).enumerate() {
            let count = &mut self.counts[*id as usize];
            if *retract && *count <= 0 && !local {
                continue;
            }
            *count += if *retract { -1 } else { 1 };
            kept.push(row as u32);
        }
        kept
    }

    /// Adds partial states.
    fn merge(&mut self, ids: &[u32], rows: &RecordBatch) -> Result<()> {
        if self.retracts {
            let counts = rows.column(self.key.len()).as_primitive::<Int64Type>().values();
            ids.iter().zip(counts.iter()).for_each(|(id, n)| self.counts[*id as usize] += n);
        } else {
            self.count_added(ids);
        }
        self.set.merge(ids, &rows.columns()[self.key.len() + 1..])
    }

    fn emit(&mut self, out: &mut Output) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let Pending { mut touched, places, before, before_rows, .. } = pending;
        let ids = touched.take();
        self.pending.touched = touched;
        if self.phase == AggregatePhase::Local {
            return self.emit_partial(&ids, out);
        }
        let before = joined(before)?;
        for (ids, places) in ids.chunks(MAX_ROWS / 2).zip(places.chunks(MAX_ROWS / 2)) {
            if let Some(changes) = self.changes(ids, places, &before, before_rows)? {
                out.batch(changes)?;
            }
        }
        self.dirty.mark_all(&ids);
        if self.retracts {
            let gone: Vec<u32> = ids.into_iter().filter(|id| self.counts[*id as usize] == 0).collect();
            self.remove(&gone)?;
        }
        Ok(())
    }

    /// Sends the partial states on and begins anew.
    fn emit_partial(&mut self, ids: &[u32], out: &mut Output) -> Result<()> {
        for ids in ids.chunks(MAX_ROWS) {
            let mut columns = self.index.keys(ids)?;
            columns.push(Arc::new(ids.iter().map(|id| self.counts[*id as usize]).collect::<Int64Array>()));
            columns.extend(self.set.state(ids)?);
            out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, ids.len())?))?;
        }
        self.set.clear(ids);
        self.counts.clear();
        self.index.clear();
        Ok(())
    }

    /// The changelog of some groups. `places` say where in `before` the emitted result of each is.
    fn changes(&self, ids: &[u32], places: &[u32], before: &[ArrayRef], before_rows: u32) -> Result<Option<ChangelogBatch>> {
        let alive: Vec<u32> = ids.iter().copied().filter(|id| self.counts[*id as usize] > 0).collect();
        let after = self.set.values(&alive)?;
        let mut next = 0u32..;
        let changed = ids.iter().zip(places).map(|(&group, &place)| Changed {
            group,
            before: (place != NONE).then_some(place),
            after: if self.counts[group as usize] > 0 { next.next() } else { None },
        });
        let changed: Vec<Changed> = changed.collect();
        // With a time-to-live a result is emitted in any case, so that states downstream do not expire.
        let changes = GroupChanges::of(&changed, before, &after, before_rows, self.emit_update_before, self.touch.is_some() || !self.needs_before())?;
        if changes.kinds.is_empty() {
            return Ok(None);
        }
        let mut columns = self.index.keys(&changes.groups)?;
        columns.extend(changes.columns(before, after, before_rows)?);
        Ok(Some(ChangelogBatch::new(record_batch(&self.schema, columns, changes.kinds.len())?, changes.kinds)))
    }

    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.set.clear(ids);
        self.dirty.remove(&self.index, ids)?;
        self.index.remove(ids);
        for &id in ids {
            self.counts[id as usize] = 0;
            if let Some(touch) = &mut self.touch {
                touch.forget(id);
            }
        }
        Ok(())
    }
}

/// One table of several with the same columns.
fn joined(parts: Vec<Vec<ArrayRef>>) -> Result<Vec<ArrayRef>> {
    if parts.len() < 2 {
        return Ok(parts.into_iter().next().unwrap_or_default());
    }
    let column = |c: usize| Ok(concat(&parts.iter().map(|p| p[c].as_ref()).collect::<Vec<_>>())?);
    (0..parts[0].len()).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{batch, call, check, check_net_effect, schema};

    fn spec(functions: &[(&str, &[usize])], key: &[usize], output: &str, retracts: bool) -> GroupAggregateSpec {
        let rows = schema("item STRING, price INT");
        GroupAggregateSpec {
            phase: AggregatePhase::Single,
            key: key.to_vec(),
            calls: functions.iter().map(|(f, args)| call(f, args, &rows)).collect(),
            rows,
            input_retracts: retracts,
            emit_update_before: true,
            output: schema(output),
            ttl_ms: None,
            mini_batch_rows: None,
        }
    }

    const SUM_COUNT: &[(&str, &[usize])] = &[("SUM", &[1]), ("COUNT", &[])];
    const OUTPUT: &str = "item STRING, s INT, c BIGINT";

    #[test]
    fn results_are_corrected() {
        let spec = spec(SUM_COUNT, &[0], OUTPUT, false);
        let steps = "+I pen 3
            ----
            +I pen 4
            ----
            +I NULL 1
            +I ink 5
            +I pen NULL
            +I ink 6
            watermark end";
        let expected = "+I pen 3 1
            -U pen 3 1
            +U pen 7 2
            +I NULL 1 1
            +I ink 11 2
            -U pen 7 2
            +U pen 7 3";
        check(&spec, &[&spec.rows], steps, expected);
        let upsert = GroupAggregateSpec { emit_update_before: false, ..spec };
        let context = "+I pen 3
            ----
            +I pen 4";
        assert_upsert(&upsert, context, &["+I pen 3 1", "+U pen 7 2"]);
    }

    /// An upsert changelog has no net effect that can be checked without its key.
    fn assert_upsert(spec: &GroupAggregateSpec, steps: &str, expected: &[&str]) {
        assert_eq!(crate::harness::run_as_written(spec, &[&spec.rows], steps), expected);
    }

    #[test]
    fn groups_without_rows_are_deleted() {
        let spec = spec(&[("SUM", &[1]), ("MAX", &[1])], &[0], "item STRING, s INT, m INT", true);
        let steps = "+I pen 3
            +I ink 9
            ----
            -U pen 3
            +U pen 5
            ----
            +I ink 10
            -D ink 10
            ----
            -D pen 5
            ----
            -D pen 5
            +I cup 1
            -D cup 1
            ----
            +I pen 1
            -D ink 9
            +I ink 2";
        let expected = "+I pen 3 3
            +I ink 9 9
            -U pen 3 3
            +U pen 5 5
            -D pen 5 5
            +I pen 1 1
            -U ink 9 9
            +U ink 2 2";
        check(&spec, &[&spec.rows], steps, expected);
    }

    #[test]
    fn without_a_key_there_is_one_group() {
        let spec = spec(SUM_COUNT, &[], "s INT, c BIGINT", true);
        check(&spec, &[&spec.rows], "watermark end", "");
        let steps = "+I pen 3
            ----
            +I ink 4
            ----
            -D ink 4
            -D pen 3
            ----
            +I ink 1";
        check(&spec, &[&spec.rows], steps, "+I 3 1\n-U 3 1\n+U 7 2\n-D 7 2\n+I 1 1");
    }

    #[test]
    fn distinct_rows_are_a_group_by_without_aggregates() {
        let spec = spec(&[], &[0, 1], "item STRING, price INT", true);
        let steps = "+I pen 3
            +I pen 3
            ----
            -D pen 3
            ----
            +I ink NULL
            -D pen 3";
        check(&spec, &[&spec.rows], steps, "+I pen 3\n-D pen 3\n+I ink NULL".replace("-D pen 3\n+I ink NULL", "+I ink NULL\n-D pen 3").as_str());
    }

    #[test]
    fn groups_expire() {
        let spec = GroupAggregateSpec { ttl_ms: Some(60_000), ..spec(SUM_COUNT, &[0], OUTPUT, false) };
        let steps = "+I pen 3
            time 00:00:30
            +I pen 0
            time 00:01:20
            +I pen 1
            time 00:02:20
            +I pen 7
            time 00:10:00
            +I ink 1";
        // The group is seen no more a minute after its last write, and its result is not taken back.
        let expected = "+I pen 3 1
            -U pen 3 1
            +U pen 3 2
            -U pen 3 2
            +U pen 4 3
            +I pen 7 1
            +I ink 1 1";
        check(&spec, &[&spec.rows], steps, expected);
    }

    /// Two calls of COUNT(DISTINCT), one of SUM(DISTINCT) and one of COUNT, some behind `price < 5`.
    fn shared_spec(retracts: bool, ttl_ms: Option<i64>) -> GroupAggregateSpec {
        let rows = schema("item STRING, price INT, cheap BOOLEAN");
        let made = |function: &str, distinct, filter| AggregateCall { distinct, filter, ..call(function, &[1], &rows) };
        GroupAggregateSpec {
            phase: AggregatePhase::Single,
            key: vec![0],
            calls: vec![made("COUNT", true, None), made("COUNT", true, Some(2)), made("SUM", true, Some(2)), made("COUNT", false, Some(2))],
            input_retracts: retracts,
            emit_update_before: true,
            output: schema("item STRING, c BIGINT, cc BIGINT, s INT, n BIGINT"),
            ttl_ms,
            mini_batch_rows: None,
            rows,
        }
    }

    #[test]
    fn distinct_calls_behind_filters_share_a_set() {
        let spec = shared_spec(true, None);
        let steps = "+I pen 3 true
            +I pen 9 false
            +I pen 3 true
            +I ink NULL true
            ----
            -D pen 3 true
            +I pen 4 true
            ----
            -D pen 9 false
            -D pen 3 true
            +I ink 9 NULL
            ----
            -D pen 4 true
            +I pen 4 false";
        let expected = "+I pen 2 1 3 2
            +I ink 0 0 NULL 0
            -U pen 2 1 3 2
            +U pen 3 2 7 2
            -U pen 3 2 7 2
            +U pen 1 1 4 1
            -U ink 0 0 NULL 0
            +U ink 1 0 NULL 0
            -U pen 1 1 4 1
            +U pen 1 0 NULL 0";
        check(&spec, &[&spec.rows], steps, expected);
    }

    #[test]
    fn shared_sets_expire() {
        let spec = shared_spec(false, Some(60_000));
        let steps = "+I pen 3 true
            +I ink 3 false
            time 00:00:30
            +I pen 3 false
            +I pen 4 false
            time 00:01:20
            +I ink 3 true
            +I pen 5 true";
        let expected = "+I pen 1 1 3 1
            +I ink 1 0 NULL 0
            -U pen 1 1 3 1
            +U pen 2 1 3 1
            +I ink 1 1 3 1
            -U pen 2 1 3 1
            +U pen 3 2 8 2";
        check(&spec, &[&spec.rows], steps, expected);
    }

    #[test]
    fn two_phases_share_sets() {
        let single = shared_spec(false, None);
        let local = GroupAggregateSpec { phase: AggregatePhase::Local, mini_batch_rows: Some(3), ..single.clone() };
        let global = GroupAggregateSpec { phase: AggregatePhase::Global, ..single.clone() };
        let first = ["+I pen 3 true", "+I pen 3 false", "+I pen 9 false"];
        let second = ["+I pen 3 true", "+I ink 7 true", "+I pen 9 false", "+I pen 4 true"];
        let rows = [batch(&single.rows, first.into_iter()), batch(&single.rows, second.into_iter())];
        let found = passed_through(&global, passed_through(&local, rows.to_vec()));
        let found: Vec<String> = found.iter().flat_map(crate::harness::print).collect();
        assert_eq!(found, ["+I pen 2 1 3 1", "-U pen 2 1 3 1", "+U pen 3 2 7 3", "+I ink 1 1 7 1"]);
    }

    /// What an operator makes of some batches.
    fn passed_through(spec: &GroupAggregateSpec, batches: Vec<ChangelogBatch>) -> Vec<ChangelogBatch> {
        let mut operator = spec.create(&crate::harness::context()).unwrap();
        let mut collector = brisk_core::operator::VecCollector::default();
        for batch in batches {
            operator.on_batch(0, batch, &mut Output::new(&mut collector, 0)).unwrap();
        }
        operator.flush(&mut Output::new(&mut collector, 0)).unwrap();
        collector.batches
    }

    #[test]
    fn a_mini_batch_is_folded() {
        let spec = GroupAggregateSpec { mini_batch_rows: Some(3), ..spec(SUM_COUNT, &[0], OUTPUT, true) };
        let steps = "+I pen 3
            ----
            +I ink 4
            ----
            -D pen 3
            ----
            +I ink 1
            ----
            +I pen 1
            watermark end";
        check(&spec, &[&spec.rows], steps, "+I ink 4 1\n-U ink 4 1\n+U ink 5 2\n+I pen 1 1");
    }

    #[test]
    fn two_phases_give_what_one_gives() {
        let single = spec(&[("SUM", &[1]), ("COUNT", &[1]), ("AVG", &[1])], &[0], "item STRING, s INT, c BIGINT, a INT", true);
        let local = GroupAggregateSpec { phase: AggregatePhase::Local, mini_batch_rows: Some(4), ..single.clone() };
        let global = GroupAggregateSpec { phase: AggregatePhase::Global, ..single.clone() };
        let steps = "+I pen 3
            +I ink 4
            +I pen 5
            -D ink 4
            ----
            -D pen 3
            +I cup 9
            watermark end";
        let partial = crate::harness::run_as_written(&local, &[&local.rows], steps);
        let partial_schema = local.partial_schema().unwrap();
        let partial = partial.join("\n");
        check_net_effect(&global, &[&partial_schema], &partial, "+I pen 5 1 5\n+I cup 9 1 9");
        check_net_effect(&single, &[&single.rows], steps, "+I pen 5 1 5\n+I cup 9 1 9");
    }
}
