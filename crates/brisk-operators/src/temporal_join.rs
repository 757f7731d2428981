//! Temporal join: every left row with the version of the right table that was valid at its time
//! (`JOIN t FOR SYSTEM_TIME AS OF left.rowtime`).
//!
//! In event time left rows wait for the watermark: then no version that they could see is missing. Of the versions that
//! the watermark has passed only the newest of each key is needed any more. A version is a change of the right table; a
//! second one at the same time takes the first one's place, and one that deletes leaves its key without a match. Left
//! rows keep their kind. No row is late here: a late left row waits for the next watermark.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Int8Array, Int64Array};
use arrow_schema::{DataType, Field};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use brisk_state::{ABSENT, NO_ROW, RowId, TimerQueue};

use crate::join::{JoinCondition, JoinKind, Side};
use crate::joiner::{Joiner, PAIRS_AT_ONCE, Pairs};
use crate::row_kind::{kind_code, kind_of_code};
use crate::row_table::{RowTable, grow, matchless};
use crate::time_attribute::rowtimes;

#[derive(Debug, Clone)]
pub struct TemporalJoinSpec {
    /// INNER or LEFT.
    pub kind: JoinKind,
    /// The right keys are the versioned table's primary key.
    pub condition: JoinCondition,
    pub time: TemporalTime,
    pub left: Schema,
    /// The right input is a changelog by the primary key: `+I` and `+U` start a version, `-D` ends one.
    pub right: Schema,
    pub time_zone: chrono_tz::Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalTime {
    /// The rowtime columns of the left row and of the right row (the start of the version).
    Event { left: usize, right: usize },
    /// The newest version at the moment when the left row arrives.
    Processing,
}

impl OperatorFactory for TemporalJoinSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        if !matches!(self.kind, JoinKind::Inner | JoinKind::Left) {
            return Err(Error::internal("a temporal join is INNER or LEFT"));
        }
        let table = |name, schema, keys: &[usize]| RowTable::new(name, schema, keys, context.key_groups);
        Ok(Box::new(TemporalJoin {
            joiner: Joiner::new(self.kind, &self.left, &self.right, self.condition.residual.as_ref(), self.time_zone),
            left: Waiting { table: table("left", &self.left, &self.condition.left_keys)?, kinds: Vec::new(), times: Vec::new(), due: TimerQueue::default() },
            right: Versions {
                table: table("right", &self.right, &self.condition.right_keys)?,
                of_key: Vec::new(),
                is_add: Vec::new(),
                times: Vec::new(),
                passed: TimerQueue::default(),
            },
            spec: self.clone(),
        }))
    }
}

struct TemporalJoin {
    spec: TemporalJoinSpec,
    joiner: Joiner,
    left: Waiting,
    right: Versions,
}

/// Left rows until the watermark reaches them.
struct Waiting {
    table: RowTable,
    /// By row.
    kinds: Vec<RowKind>,
    times: Vec<i64>,
    due: TimerQueue,
}

/// The versions of the right table.
struct Versions {
    table: RowTable,
    /// By key: its versions in the order of time.
    of_key: Vec<Vec<(i64, RowId)>>,
    /// By row: whether the version has a row, and is not a deletion.
    is_add: Vec<bool>,
    /// By row: since when it is valid.
    times: Vec<i64>,
    /// Keys by the times of their versions: when the watermark passes one, older ones go.
    passed: TimerQueue,
}

impl Operator for TemporalJoin {
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        match (Side::of(input), self.spec.time) {
            (Side::Left, TemporalTime::Event { left, .. }) => self.left.insert(&batch, &rowtimes(batch.column(left))?),
            (Side::Right, TemporalTime::Event { right, .. }) => self.right.insert(&batch, &rowtimes(batch.column(right))?),
            (Side::Right, TemporalTime::Processing) => {
                // All versions lie at one time: each takes the place of the one before.
                self.right.insert(&batch, &vec![0; batch.num_rows()])
            }
            (Side::Left, TemporalTime::Processing) => self.join(&batch, &vec![0; batch.num_rows()], out),
        }
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if let TemporalTime::Event { .. } = self.spec.time {
            let mut due = Vec::new();
            while let Some((_, rows)) = self.left.due.pop_due(time) {
                due.extend(rows);
            }
            for rows in due.chunks(PAIRS_AT_ONCE) {
                let (batch, times) = self.left.rows(rows)?;
                self.join(&batch, &times, out)?;
            }
            self.left.table.remove(&due)?;
            self.right.drop_passed(time)?;
        }
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.left.snapshot(writer)?;
        self.right.snapshot(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.left.restore(reader)?;
        self.right.restore(reader)
    }

    fn state_bytes(&self) -> usize {
        self.left.table.bytes() + self.left.due.bytes() + self.left.times.capacity() * 9 + self.right.bytes()
    }
}

impl TemporalJoin {
    /// Emits left rows with the versions of their times.
    fn join(&mut self, batch: &ChangelogBatch, times: &[i64], out: &mut Output) -> Result<()> {
        let keys: Vec<ArrayRef> = self.spec.condition.left_keys.iter().map(|&c| Arc::clone(batch.column(c))).collect();
        let matchless = matchless(&keys, &self.spec.condition.null_safe);
        let ids = self.right.table.lookup(&keys, batch.num_rows())?;
        let mut pairs = Pairs::default();
        for (row, &key) in ids.iter().enumerate() {
            if matchless.as_ref().is_none_or(|m| m.is_valid(row))
                && let Some(version) = self.right.at(key, times[row])
            {
                pairs.push(row as u32, version);
            }
        }
        self.joiner.filter(&batch.rows, Side::Left, self.right.table.store(), &mut pairs, out.processing_time_ms())?;
        if self.spec.kind == JoinKind::Left {
            pairs = with_missing(&pairs, batch.num_rows());
        }
        if pairs.is_empty() {
            return Ok(());
        }
        let kinds = pairs.probe.iter().map(|&row| batch.kind(row as usize)).collect();
        let rows = self.joiner.rows(&batch.rows, Side::Left, self.right.table.store(), &pairs)?;
        out.batch(ChangelogBatch::new(rows, kinds))
    }
}

/// Adds a pair with nulls for every probe row that has none; one has one partner at most.
fn with_missing(pairs: &Pairs, rows: usize) -> Pairs {
    let mut all = Pairs { probe: (0..rows as u32).collect(), stored: vec![NO_ROW; rows] };
    pairs.probe.iter().zip(&pairs.stored).for_each(|(&row, &version)| all.stored[row as usize] = version);
    all
}

impl Waiting {
    fn insert(&mut self, batch: &ChangelogBatch, times: &[i64]) -> Result<()> {
        let all: Vec<u32> = (0..batch.num_rows() as u32).collect();
        let ids = self.table.insert(&batch.rows, &all)?;
        for (row, &id) in ids.iter().enumerate() {
            self.note(id, times[row], batch.kind(row));
        }
        Ok(())
    }

    fn note(&mut self, id: RowId, time: i64, kind: RowKind) {
        let bound = self.table.store().id_bound();
        grow(&mut self.times, bound, 0);
        grow(&mut self.kinds, bound, RowKind::Insert);
        self.times[id as usize] = time;
        self.kinds[id as usize] = kind;
        self.due.insert(time, id);
    }

    fn rows(&self, ids: &[RowId]) -> Result<(ChangelogBatch, Vec<i64>)> {
        let kinds = ids.iter().map(|&id| self.kinds[id as usize]).collect();
        let times = ids.iter().map(|&id| self.times[id as usize]).collect();
        Ok((ChangelogBatch::new(self.table.store().gather(ids)?, kinds), times))
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { table, kinds, times, .. } = self;
        let fields = [Field::new("kind", DataType::Int8, false), Field::new("time", DataType::Int64, false)];
        table.snapshot(writer, &fields, |ids| {
            let kinds = ids.iter().map(|&id| kind_code(kinds[id as usize])).collect::<Int8Array>();
            let times = ids.iter().map(|&id| times[id as usize]).collect::<Int64Array>();
            vec![Arc::new(kinds), Arc::new(times)]
        })
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let mut notes = Vec::new();
        self.table.restore(reader, |ids, extra| {
            let (kinds, times) = (extra[0].as_primitive::<Int8Type>(), extra[1].as_primitive::<Int64Type>());
            for (i, &id) in ids.iter().enumerate() {
                notes.push((id, times.value(i), kind_of_code(kinds.value(i))?));
            }
            Ok(())
        })?;
        notes.into_iter().for_each(|(id, time, kind)| self.note(id, time, kind));
        Ok(())
    }
}

impl Versions {
    /// A `-U` says nothing: it bears the time of the version that it ends, and the `+U` behind it says when.
    fn insert(&mut self, batch: &ChangelogBatch, times: &[i64]) -> Result<()> {
        let telling: Vec<u32> = (0..batch.num_rows() as u32).filter(|&row| batch.kind(row as usize) != RowKind::UpdateBefore).collect();
        let ids = self.table.insert(&batch.rows, &telling)?;
        let mut replaced = Vec::new();
        for (&row, &id) in telling.iter().zip(&ids) {
            replaced.extend(self.note(id, times[row as usize], batch.kind(row as usize).is_add()));
        }
        self.table.remove(&replaced)
    }

    /// Puts a version in its place; gives the one that it replaces.
    fn note(&mut self, id: RowId, time: i64, is_add: bool) -> Option<RowId> {
        let key = self.table.key(id);
        grow(&mut self.is_add, self.table.store().id_bound(), false);
        grow(&mut self.of_key, self.table.keys().id_bound(), Vec::new());
        grow(&mut self.times, self.table.store().id_bound(), 0);
        self.is_add[id as usize] = is_add;
        self.times[id as usize] = time;
        let versions = &mut self.of_key[key as usize];
        match versions.binary_search_by_key(&time, |v| v.0) {
            Ok(place) => Some(std::mem::replace(&mut versions[place].1, id)),
            Err(place) => {
                versions.insert(place, (time, id));
                self.passed.insert(time, key);
                None
            }
        }
    }

    /// The version of a key that is valid at `time`.
    fn at(&self, key: u32, time: i64) -> Option<RowId> {
        if key == ABSENT {
            return None;
        }
        let versions = &self.of_key[key as usize];
        let newer = versions.partition_point(|v| v.0 <= time);
        let version = versions[..newer].last()?.1;
        self.is_add[version as usize].then_some(version)
    }

    /// Drops the versions that no row after `watermark` can see: all that it passed but the newest of each key, and that
    /// one as well if it is a deletion.
    fn drop_passed(&mut self, watermark: i64) -> Result<()> {
        let mut gone = Vec::new();
        while let Some((_, keys)) = self.passed.pop_due(watermark) {
            for key in keys {
                let versions = &mut self.of_key[key as usize];
                let passed = versions.partition_point(|v| v.0 <= watermark);
                let newest_is_row = passed > 0 && self.is_add[versions[passed - 1].1 as usize];
                gone.extend(versions.drain(..passed - usize::from(newest_is_row)).map(|v| v.1));
            }
        }
        self.table.remove(&gone)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { table, times, is_add, .. } = self;
        let fields = [Field::new("add", DataType::Boolean, false), Field::new("time", DataType::Int64, false)];
        table.snapshot(writer, &fields, |ids| {
            let is_add = ids.iter().map(|&id| Some(is_add[id as usize])).collect::<BooleanArray>();
            let times = ids.iter().map(|&id| times[id as usize]).collect::<Int64Array>();
            vec![Arc::new(is_add), Arc::new(times)]
        })
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let mut notes = Vec::new();
        self.table.restore(reader, |ids, extra| {
            let (is_add, times) = (extra[0].as_boolean(), extra[1].as_primitive::<Int64Type>());
            notes.extend(ids.iter().enumerate().map(|(i, &id)| (id, times.value(i), is_add.value(i))));
            Ok(())
        })?;
        for (id, time, is_add) in notes {
            self.note(id, time, is_add);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let versions: usize = self.of_key.iter().map(|v| 24 + v.capacity() * 16).sum();
        self.table.bytes() + versions + self.is_add.capacity() * 9 + self.passed.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::UTC;
    use crate::harness::{check, schema};

    const ORDER: &str = "currency STRING, amount BIGINT, ts TIMESTAMP(3)";
    const RATE: &str = "currency STRING, rate BIGINT, ts TIMESTAMP(3)";

    fn spec(kind: JoinKind, time: TemporalTime) -> TemporalJoinSpec {
        let condition = JoinCondition { left_keys: vec![0], right_keys: vec![0], null_safe: vec![false], residual: None };
        TemporalJoinSpec { kind, condition, time, left: schema(ORDER), right: schema(RATE), time_zone: UTC }
    }

    const STEPS: &str = "1: +I euro 114 00:00:01
        1: +I yen 1 00:00:01
        +I euro 2 00:00:03
        -U euro 2 00:00:03
        +I yen 5 00:00:00
        1: -U euro 114 00:00:05
        1: +U euro 116 00:00:05
        1: -D yen 1 00:00:06
        +I euro 3 00:00:05
        watermark 00:00:05
        +I yen 7 00:00:06
        +I euro 4 00:00:09
        +I NULL 1 00:00:09
        watermark 00:00:10
        +I euro 5 00:00:11
        watermark end";

    #[test]
    fn rows_see_the_version_of_their_time() {
        let expected = "+I yen 5 00:00:00 NULL NULL NULL
            +I euro 2 00:00:03 euro 114 00:00:01
            -U euro 2 00:00:03 euro 114 00:00:01
            +I euro 3 00:00:05 euro 116 00:00:05
            +I yen 7 00:00:06 NULL NULL NULL
            +I euro 4 00:00:09 euro 116 00:00:05
            +I NULL 1 00:00:09 NULL NULL NULL
            +I euro 5 00:00:11 euro 116 00:00:05";
        let event = TemporalTime::Event { left: 2, right: 2 };
        check(&spec(JoinKind::Left, event), &[&schema(ORDER), &schema(RATE)], STEPS, expected);
        let inner: Vec<&str> = expected.lines().filter(|l| !l.contains("NULL")).collect();
        check(&spec(JoinKind::Inner, event), &[&schema(ORDER), &schema(RATE)], STEPS, &inner.join("\n"));
    }

    #[test]
    fn in_processing_time_the_newest_version_counts() {
        let steps = "+I euro 1 00:00:00\n1: +I euro 114 00:00:09\n1: +U euro 115 00:00:01\n+I euro 2 00:00:00\n1: -D euro 115 00:00:01\n+I euro 3 00:00:00";
        check(&spec(JoinKind::Inner, TemporalTime::Processing), &[&schema(ORDER), &schema(RATE)], steps, "+I euro 2 00:00:00 euro 115 00:00:01");
    }
}
