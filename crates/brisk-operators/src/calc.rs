//! Filter and projection in one step: the rows where a condition is true, through expressions.
//!
//! Kinds pass unchanged. Where a filter takes only one half of an update, a `+U` without its `-U` (or the other way
//! round) goes on: the consumer treats `+U` as an addition and `-U` as a removal, so every half stands for itself.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Result, Schema};
use brisk_functions::Expr;

use crate::evaluate::Evaluator;

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
        Ok(Box::new(Calc {
            filter: self.filter.clone(),
            projections: self.projections.clone(),
            schema: self.output.to_arrow(),
            evaluator: Evaluator::new(self.time_zone),
        }))
    }
}

struct Calc {
    filter: Option<Expr>,
    projections: Vec<Expr>,
    schema: SchemaRef,
    evaluator: Evaluator,
}

impl Operator for Calc {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let now_ms = out.processing_time_ms();
        let kept = match &self.filter {
            Some(condition) => self.filtered(condition, batch, now_ms)?,
            None => batch,
        };
        if kept.is_empty() {
            return Ok(());
        }
        let rows = project(&self.evaluator, &self.projections, &kept.rows, Arc::clone(&self.schema), now_ms)?;
        out.batch(kept.with_rows(rows))
    }
}

impl Calc {
    fn filtered(&self, condition: &Expr, batch: ChangelogBatch, now_ms: i64) -> Result<ChangelogBatch> {
        let mask = self.evaluator.mask(condition, &batch.rows, now_ms)?;
        match mask.count_set_bits() {
            0 => Ok(batch.slice(0, 0)),
            n if n == batch.num_rows() => Ok(batch),
            _ => batch.filter(&BooleanArray::new(mask, None)),
        }
    }
}

/// The values of `projections` over `rows`, under `schema`.
pub fn project(evaluator: &Evaluator, projections: &[Expr], rows: &RecordBatch, schema: SchemaRef, now_ms: i64) -> Result<RecordBatch> {
    let columns = projections.iter().map(|e| evaluator.array(e, rows, now_ms)).collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
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
