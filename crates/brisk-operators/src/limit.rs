//! LIMIT and OFFSET over an append-only stream: the rows in the order of their arrival.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, Schema};

/// Passes `limit` rows after the first `offset`. Run with parallelism 1. For a stream with retractions use
/// [`crate::top_n::TopNSpec`] without an order.
#[derive(Debug, Clone)]
pub struct LimitSpec {
    pub input: Schema,
    pub offset: u64,
    /// `None`: only OFFSET.
    pub limit: Option<u64>,
}

impl OperatorFactory for LimitSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let end = self.limit.map_or(u64::MAX, |limit| self.offset.saturating_add(limit));
        Ok(Box::new(Limit { start: self.offset, end, seen: 0 }))
    }
}

struct Limit {
    start: u64,
    end: u64,
    /// Rows that have arrived.
    seen: u64,
}

impl Operator for Limit {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let rows = batch.num_rows() as u64;
        let from = self.start.saturating_sub(self.seen).min(rows);
        let to = self.end.saturating_sub(self.seen).min(rows);
        self.seen += rows;
        match to > from {
            true => out.batch(batch.slice(from as usize, (to - from) as usize)),
            false => Ok(()),
        }
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        writer.put_operator_state("seen", self.seen.to_le_bytes().to_vec())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        for bytes in reader.operator_state("seen")? {
            self.seen += u64::from_le_bytes(bytes.try_into().map_err(|_| Error::corrupt("the count of a LIMIT is damaged"))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    #[test]
    fn rows_are_counted_over_batches() {
        let input = schema("n INT");
        let steps = "+I 1
            +I 2
            +I 3
            ----
            +I 4
            +I 5";
        check(&LimitSpec { input: input.clone(), offset: 1, limit: Some(3) }, &[&input], steps, "+I 2\n+I 3\n+I 4");
        check(&LimitSpec { input: input.clone(), offset: 4, limit: None }, &[&input], steps, "+I 5");
        check(&LimitSpec { input: input.clone(), offset: 0, limit: Some(0) }, &[&input], steps, "");
    }
}
