//! Filter and projection in one step: the rows where a condition is true, through expressions.
//!
//! Kinds pass unchanged. Where a filter takes only one half of an update, a `+U` without its `-U` (or the other way
//! round) goes on: the consumer treats `+U` as an addition and `-U` as a removal, so every half stands for itself.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Schema, Watermark};
use brisk_functions::{Expr, Program};

use crate::evaluate::Evaluator;
use crate::passed_time::{read_passed_time, write_passed_time};

#[derive(Debug, Clone)]
pub struct CalcSpec {
    /// A BOOLEAN over the input's columns; rows where it is not true are dropped.
    pub filter: Option<Expr>,
    /// One expression over the input's columns for each output column; a plain column costs nothing.
    pub projections: Vec<Expr>,
    pub output: Schema,
    pub time_zone: chrono_tz::Tz,
}

impl OperatorFactory for CalcSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let program = Program::new(self.filter.as_ref(), &self.projections);
        Ok(Box::new(Calc {
            only_picks: program.only_picks(),
            program,
            schema: self.output.to_arrow(),
            evaluator: Evaluator::new(self.time_zone),
            uses_watermark: self.filter.iter().chain(&self.projections).any(uses_watermark),
        }))
    }
}

struct Calc {
    program: Program,
    /// Columns are passed as they are, and what is filtered is copied by who takes it.
    only_picks: bool,
    schema: SchemaRef,
    evaluator: Evaluator,
    /// Whether CURRENT_WATERMARK is asked for: then the watermark is the one thing to remember.
    uses_watermark: bool,
}

impl Calc {
    fn rows(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl Operator for Calc {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let now_ms = out.processing_time_ms();
        if self.only_picks {
            let picked = self.evaluator.select(&self.program, &batch.rows, now_ms)?;
            let rows = ChangelogBatch { rows: self.rows(picked.columns, picked.rows)?, kinds: batch.kinds };
            return match picked.kept {
                Some(kept) => out.filter(rows, &kept),
                None => out.batch(rows),
            };
        }
        let result = self.evaluator.run(&self.program, &batch.rows, now_ms)?;
        if result.rows == 0 {
            return Ok(());
        }
        let rows = self.rows(result.columns, result.rows)?;
        out.batch(match (batch.kinds, result.kept) {
            (None, _) => ChangelogBatch::append(rows),
            (Some(kinds), None) => ChangelogBatch { rows, kinds: Some(kinds) },
            (Some(kinds), Some(kept)) => ChangelogBatch::new(rows, kept.set_indices().map(|row| kinds[row]).collect()),
        })
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.evaluator.set_watermark(time);
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        match self.evaluator.watermark_ms().filter(|_| self.uses_watermark) {
            Some(time) => write_passed_time(writer, time),
            None => Ok(()),
        }
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        if self.uses_watermark {
            let time = read_passed_time(reader)?;
            if time != Watermark::MIN {
                self.evaluator.set_watermark(time);
            }
        }
        Ok(())
    }
}

fn uses_watermark(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |e| found |= matches!(e, Expr::Call { function, .. } if function.name() == "CURRENT_WATERMARK"));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::{UTC, bigint, call, column};
    use crate::harness::{check, schema};

    #[test]
    fn rows_are_filtered_and_computed() {
        let input = schema("item STRING, price BIGINT");
        let price = column(&input, 1);
        let spec = CalcSpec {
            filter: Some(call(">", vec![price.clone(), bigint(3)])),
            projections: vec![call("+", vec![price, bigint(1)]), column(&input, 0)],
            output: schema("next BIGINT, item STRING"),
            time_zone: UTC,
        };
        check(&spec, &[&input], "+I pen 3\n+I ink 5\n-U ink 5\n+U ink 2\n+I cap NULL\n+I pad 9", "+I 6 ink\n-U 6 ink\n+I 10 pad");
    }
}
