//! Grouping sets: one copy of every row for each set, with nulls where the set leaves a column out and the set's number.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Result, Schema};
use brisk_functions::{Expr, Program};

use crate::evaluate::Evaluator;

#[derive(Debug, Clone)]
pub struct ExpandSpec {
    /// For each copy of the row one expression for each output column: a column, a typed NULL, the set's number.
    pub projections: Vec<Vec<Expr>>,
    pub output: Schema,
    pub time_zone: chrono_tz::Tz,
}

impl OperatorFactory for ExpandSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let programs = self.projections.iter().map(|p| Program::new(None, p)).collect();
        Ok(Box::new(Expand { programs, schema: self.output.to_arrow(), evaluator: Evaluator::new(self.time_zone) }))
    }
}

struct Expand {
    programs: Vec<Program>,
    schema: SchemaRef,
    evaluator: Evaluator,
}

impl Operator for Expand {
    /// A set's copies stay together: rows of different sets never meet in one group.
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let now_ms = out.processing_time_ms();
        for program in &self.programs {
            let result = self.evaluator.run(program, &batch.rows, now_ms)?;
            let options = RecordBatchOptions::new().with_row_count(Some(result.rows));
            let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), result.columns, &options)?;
            out.batch(batch.with_rows(rows))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;
    use brisk_core::DataType;

    use super::*;
    use crate::expr_for_tests::{UTC, bigint, column, literal};
    use crate::harness::{check, schema};

    #[test]
    fn every_set_gets_a_copy() {
        let input = schema("city STRING, n BIGINT");
        let all = literal(Arc::new(StringArray::from(vec![None::<&str>])), DataType::STRING);
        let spec = ExpandSpec {
            projections: vec![vec![column(&input, 0), column(&input, 1), bigint(0)], vec![all, column(&input, 1), bigint(1)]],
            output: schema("city STRING, n BIGINT, expand_id BIGINT"),
            time_zone: UTC,
        };
        check(&spec, &[&input], "+I a 1\n-D a 1\n+I b 2", "+I a 1 0\n-D a 1 0\n+I b 2 0\n+I NULL 1 1\n-D NULL 1 1\n+I NULL 2 1");
    }
}
