//! Turns an upsert stream (or one with duplicate changes) into a full changelog by remembering the last row of every key.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, RowKind, Schema};

use crate::latest_rows::{Change, LatestRows, Slot, Telling};

/// Remembers the last row of every key. `+I`/`+U` of a known key becomes `-U`/`+U` (nothing if the row is the same and
/// there is no TTL), of an unknown one `+I`; `-D` deletes the remembered row; `-U` is ignored.
#[derive(Debug, Clone)]
pub struct ChangelogNormalizeSpec {
    pub input: Schema,
    /// The primary key.
    pub key: Vec<usize>,
    pub emit_update_before: bool,
    /// True where a consumer wants every version of a row (a temporal join); else the changes of a key within a batch
    /// are folded.
    pub every_change: bool,
    pub ttl_ms: Option<i64>,
}

impl OperatorFactory for ChangelogNormalizeSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let telling = Telling { update_before: self.emit_update_before, every_change: self.every_change, unchanged: self.ttl_ms.is_some() };
        Ok(Box::new(ChangelogNormalize { rows: LatestRows::new(&self.input, &self.key, telling, self.ttl_ms, context.key_groups)? }))
    }
}

struct ChangelogNormalize {
    rows: LatestRows,
}

impl Operator for ChangelogNormalize {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        self.rows.apply(&batch, out, |row, _, before| match (batch.kind(row), before) {
            (RowKind::Insert | RowKind::UpdateAfter, _) => Change::Replace,
            (RowKind::Delete, Slot::Stored(_) | Slot::Batch(_)) => Change::Delete,
            (RowKind::Delete, Slot::None) | (RowKind::UpdateBefore, _) => Change::Nothing,
        })
    }

    fn next_timer(&self) -> Option<i64> {
        self.rows.next_timer()
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        self.rows.sweep(now_ms)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.rows.snapshot(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.rows.restore(reader, |_, _| Ok(()))
    }

    fn state_bytes(&self) -> usize {
        self.rows.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    #[test]
    fn changes_are_completed() {
        let spec = ChangelogNormalizeSpec { input: schema("id INT, name STRING"), key: vec![0], emit_update_before: true, every_change: false, ttl_ms: None };
        let steps = "+I 1 pen
            +U 2 ink
            ----
            +U 1 pen
            ----
            -U 1 pen
            +U 1 nib
            -D 3 cup
            ----
            +I 4 mug
            -D 4 mug
            -D 2 NULL
            ----
            +I 2 ink";
        let expected = "+I 1 pen
            +I 2 ink
            -U 1 pen
            +U 1 nib
            -D 2 ink
            +I 2 ink";
        check(&spec, &[&spec.input], steps, expected);
        check(
            &ChangelogNormalizeSpec { every_change: true, ..spec.clone() },
            &[&spec.input],
            steps,
            "+I 1 pen
            +I 2 ink
            -U 1 pen
            +U 1 nib
            +I 4 mug
            -D 4 mug
            -D 2 ink
            +I 2 ink",
        );
    }
}
