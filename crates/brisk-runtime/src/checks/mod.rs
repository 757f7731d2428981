//! Checks around every operator: what it emits has its schema, keeps to its changelog mode, and its watermarks never fall.
//!
//! They cost a few comparisons a batch and are on in debug builds. [`Checks::Heavy`] also remembers every row that is
//! present in an operator's output, and refuses the deletion of one that is not: for tests only.

mod presence;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
use brisk_core::batch::ChangelogMode;
use brisk_core::graph::Node;
use brisk_core::operator::{Collector, Operator, Output};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Watermark};

use presence::Presence;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    Off,
    /// Schema, changelog mode, watermarks.
    Light,
    /// Also that only present rows are deleted. Rows before a restore are not known, so it then checks nothing more.
    Heavy,
}

impl Default for Checks {
    fn default() -> Self {
        if cfg!(debug_assertions) { Checks::Light } else { Checks::Off }
    }
}

/// Surrounds the operator of a node by the checks.
pub(crate) fn wrap(operator: Box<dyn Operator>, node: &Node, checks: Checks) -> Box<dyn Operator> {
    if checks == Checks::Off {
        return operator;
    }
    let heavy = checks == Checks::Heavy && node.changelog == ChangelogMode::Retract;
    let rules = Rules {
        name: node.name.clone(),
        types: node.schema.columns.iter().map(|c| c.sql_type.to_arrow()).collect(),
        mode: node.changelog,
        watermark: Watermark::MIN,
        presence: heavy.then(Presence::default),
    };
    Box::new(Checked { operator, rules })
}

struct Checked {
    operator: Box<dyn Operator>,
    rules: Rules,
}

struct Rules {
    name: String,
    types: Vec<arrow_schema::DataType>,
    mode: ChangelogMode,
    watermark: i64,
    presence: Option<Presence>,
}

/// Looks at what passes on its way to the real output.
struct Watched<'a, 'b> {
    rules: &'a mut Rules,
    out: &'a mut Output<'b>,
}

impl Checked {
    fn call(&mut self, out: &mut Output, hook: impl FnOnce(&mut dyn Operator, &mut Output) -> Result<()>) -> Result<()> {
        let now_ms = out.processing_time_ms();
        let mut watched = Watched { rules: &mut self.rules, out };
        hook(self.operator.as_mut(), &mut Output::new(&mut watched, now_ms))
    }
}

impl Operator for Checked {
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        self.call(out, |operator, out| operator.on_batch(input, batch, out))
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.call(out, |operator, out| operator.on_watermark(time, out))
    }

    fn next_timer(&self) -> Option<i64> {
        self.operator.next_timer()
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        self.call(out, |operator, out| operator.on_timer(now_ms, out))
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        self.call(out, |operator, out| operator.flush(out))
    }

    fn release(&mut self, out: &mut Output) -> Result<()> {
        self.call(out, |operator, out| operator.release(out))
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.operator.snapshot(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.rules.presence = None;
        self.operator.restore(reader)
    }

    fn state_bytes(&self) -> usize {
        self.operator.state_bytes()
    }
}

impl Collector for Watched<'_, '_> {
    fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        self.rules.check_batch(&batch)?;
        self.out.batch(batch)
    }

    fn filter(&mut self, batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<()> {
        self.rules.check_batch(&batch.filter(&BooleanArray::new(kept.clone(), None))?)?;
        self.out.filter(batch, kept)
    }

    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        let Watermark::Time(time) = watermark else { return Err(self.rules.broken("says that it is idle, which only sources and inputs can be")) };
        self.rules.check_watermark(time)?;
        self.out.watermark(time)
    }

    fn late(&mut self, input: usize, batch: ChangelogBatch) -> Result<()> {
        self.out.late_of(input, batch)
    }
}

impl Rules {
    fn check_batch(&mut self, batch: &ChangelogBatch) -> Result<()> {
        let columns = batch.rows.columns();
        if columns.len() != self.types.len() {
            return Err(self.broken(&format!("emits {} columns instead of {}", columns.len(), self.types.len())));
        }
        if let Some(i) = (0..columns.len()).find(|&i| !columns[i].data_type().equals_datatype(&self.types[i])) {
            return Err(self.broken(&format!("emits {} in column {i} instead of {}", columns[i].data_type(), self.types[i])));
        }
        let wrong = |kind: &RowKind| match self.mode {
            ChangelogMode::Append => *kind != RowKind::Insert,
            ChangelogMode::Upsert => *kind == RowKind::UpdateBefore,
            ChangelogMode::Retract => false,
        };
        if let Some(kind) = batch.kinds.as_ref().and_then(|k| k.iter().find(|k| wrong(k))) {
            return Err(self.broken(&format!("emits {kind} on a stream of {}", self.mode)));
        }
        match self.presence.as_mut().map(|p| p.apply(batch)).transpose()?.flatten() {
            Some(row) => Err(self.broken(&format!("deletes a row that is not there: {row}"))),
            None => Ok(()),
        }
    }

    fn check_watermark(&mut self, time: i64) -> Result<()> {
        if time < self.watermark {
            return Err(self.broken(&format!("lets its watermark fall from {} to {time}", self.watermark)));
        }
        self.watermark = time;
        Ok(())
    }

    fn broken(&self, what: &str) -> Error {
        Error::internal(format!("operator {} {what}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use brisk_core::operator::VecCollector;

    /// Emits what it is given.
    struct Echo;

    impl Operator for Echo {
        fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
            out.batch(batch)
        }
    }

    /// One batch of the rows; the message of the refusal, empty without one.
    fn check(mode: ChangelogMode, checks: Checks, rows: &[(RowKind, i64)], expected: &str) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)));
        let batch = ChangelogBatch::new(RecordBatch::try_from_iter([("v", column)]).unwrap(), rows.iter().map(|r| r.0).collect());
        let message = run(mode, checks, batch).err().map_or(String::new(), |e| e.message);
        assert_eq!(message, expected, "{rows:?}");
    }

    fn run(mode: ChangelogMode, checks: Checks, batch: ChangelogBatch) -> Result<()> {
        let mut node = crate::job_tests::node("Echo", mode);
        node.schema = crate::job_tests::schema(&["v"]);
        let mut list = VecCollector::default();
        wrap(Box::new(Echo), &node, checks).on_batch(0, batch, &mut Output::new(&mut list, 0))
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
        check(ChangelogMode::Append, Checks::Light, &[(Insert, 1)], "");
        check(ChangelogMode::Append, Checks::Light, &[(Insert, 1), (Delete, 1)], "operator Echo emits -D on a stream of [I]");
        check(ChangelogMode::Upsert, Checks::Light, &[(UpdateBefore, 1)], "operator Echo emits -U on a stream of [I,UA,D]");
        check(ChangelogMode::Retract, Checks::Light, &[(Delete, 1)], "");
        check(ChangelogMode::Retract, Checks::Heavy, &[(Insert, 1), (UpdateBefore, 1), (UpdateAfter, 2), (Delete, 2)], "");
        check(ChangelogMode::Retract, Checks::Heavy, &[(Insert, 1), (Delete, 2)], "operator Echo deletes a row that is not there: {v: 2}");
    }

    #[test]
    fn another_type_is_refused() {
        let column: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let batch = ChangelogBatch::append(RecordBatch::try_from_iter([("v", column)]).unwrap());
        let error = run(ChangelogMode::Append, Checks::Light, batch).unwrap_err();
        assert_eq!(error.message, "operator Echo emits Utf8 in column 0 instead of Int64");
    }
}
