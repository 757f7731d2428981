//! CROSS JOIN and LEFT JOIN with a table function of the row: UNNEST and its like.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::filter::{filter, filter_record_batch};
use arrow_select::take::take;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Result, Schema};
use brisk_functions::Expr;
use brisk_functions::table::TableFunction;

use crate::evaluate::Evaluator;

#[derive(Debug, Clone)]
pub struct UnnestSpec {
    pub function: Arc<dyn TableFunction>,
    /// Over the input's columns.
    pub args: Vec<Expr>,
    /// The columns that the function gives, as its `bind` said.
    pub returns: Schema,
    /// Adds an INT column that counts the function's rows of each input row from 1 (WITH ORDINALITY).
    pub ordinality: bool,
    /// A BOOLEAN over the input's columns, the function's and the ordinality: the join's condition.
    pub condition: Option<Expr>,
    /// Whether an input row without a row of the function appears, with nulls (LEFT JOIN).
    pub left: bool,
    /// Input's columns, function's columns, ordinality.
    pub output: Schema,
    pub time_zone: chrono_tz::Tz,
}

impl OperatorFactory for UnnestSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Unnest { spec: self.clone(), schema: self.output.to_arrow(), evaluator: Evaluator::new(self.time_zone) }))
    }
}

struct Unnest {
    spec: UnnestSpec,
    schema: SchemaRef,
    evaluator: Evaluator,
}

/// Output rows before the padding: the input row of each, and the columns behind it.
struct Expanded {
    parents: UInt32Array,
    columns: Vec<ArrayRef>,
}

impl Operator for Unnest {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let mut expanded = self.call(&batch.rows, out.processing_time_ms())?;
        if let Some(condition) = &self.spec.condition {
            expanded = self.filtered(condition, &batch.rows, expanded, out.processing_time_ms())?;
        }
        if self.spec.left {
            expanded = padded(expanded, batch.num_rows())?;
        }
        if expanded.parents.is_empty() {
            return Ok(());
        }
        let parents = taken(&batch.rows, &expanded.parents)?;
        let rows = self.rows(parents.columns().to_vec(), expanded.columns, parents.num_rows())?;
        out.batch(match &batch.kinds {
            Some(kinds) => ChangelogBatch::new(rows, expanded.parents.values().iter().map(|&i| kinds[i as usize]).collect()),
            None => ChangelogBatch::append(rows),
        })
    }
}

impl Unnest {
    fn call(&self, rows: &RecordBatch, now_ms: i64) -> Result<Expanded> {
        let args = self.spec.args.iter().map(|a| self.evaluator.array(a, rows, now_ms)).collect::<Result<Vec<_>>>()?;
        let (parents, mut columns) = self.spec.function.evaluate(&args, &self.spec.returns, rows.num_rows())?;
        if self.spec.ordinality {
            columns.push(ordinals(&parents));
        }
        Ok(Expanded { parents, columns })
    }

    fn filtered(&self, condition: &Expr, rows: &RecordBatch, expanded: Expanded, now_ms: i64) -> Result<Expanded> {
        let left = taken(rows, &expanded.parents)?;
        let joined = self.rows(left.columns().to_vec(), expanded.columns.clone(), expanded.parents.len())?;
        let mask = BooleanArray::new(self.evaluator.mask(condition, &joined, now_ms)?, None);
        let kept = filter_record_batch(&joined, &mask)?;
        let parents = filter(&expanded.parents, &mask)?;
        let columns = kept.columns()[rows.num_columns()..].to_vec();
        Ok(Expanded { parents: UInt32Array::from(parents.to_data()), columns })
    }

    fn rows(&self, mut left: Vec<ArrayRef>, right: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        left.extend(right);
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), left, &RecordBatchOptions::new().with_row_count(Some(rows)))?)
    }
}

/// The rows at `places`. Rows without columns, as where constants are unnested, are only counted.
fn taken(rows: &RecordBatch, places: &UInt32Array) -> Result<RecordBatch> {
    let columns = rows.columns().iter().map(|c| Ok(take(c, places, None)?)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    Ok(RecordBatch::try_new_with_options(rows.schema(), columns, &options)?)
}

/// Counts the rows of each parent from 1.
fn ordinals(parents: &UInt32Array) -> ArrayRef {
    let mut last = (u32::MAX, 0);
    let count = parents.values().iter().map(|&parent| {
        last = if parent == last.0 { (parent, last.1 + 1) } else { (parent, 1) };
        last.1
    });
    Arc::new(Int32Array::from_iter_values(count))
}

/// Adds a row of nulls for each input row that has none, in its place.
fn padded(expanded: Expanded, rows: usize) -> Result<Expanded> {
    let mut parents = Vec::with_capacity(expanded.parents.len());
    let mut source: Vec<Option<u32>> = Vec::with_capacity(expanded.parents.len());
    let mut next = 0;
    for row in 0..rows as u32 {
        let start = next;
        while next < expanded.parents.len() && expanded.parents.value(next) == row {
            parents.push(row);
            source.push(Some(next as u32));
            next += 1;
        }
        if next == start {
            parents.push(row);
            source.push(None);
        }
    }
    let source = UInt32Array::from(source);
    let pad = |column: &ArrayRef| match column.is_empty() {
        true => Ok(new_null_array(column.data_type(), source.len())),
        false => Ok(take(column, &source, None)?),
    };
    Ok(Expanded { columns: expanded.columns.iter().map(pad).collect::<Result<_>>()?, parents: parents.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::{UTC, bigint, call, column};
    use crate::harness::{check, schema};
    use brisk_functions::scalar::Argument;

    /// Gives the numbers from 1 to its argument.
    #[derive(Debug)]
    struct UpTo;

    impl TableFunction for UpTo {
        fn name(&self) -> &'static str {
            "UP_TO"
        }

        fn bind(&self, _args: &[Argument]) -> Result<Schema> {
            Ok(schema("i BIGINT"))
        }

        fn evaluate(&self, args: &[ArrayRef], _returns: &Schema, _rows: usize) -> Result<(UInt32Array, Vec<ArrayRef>)> {
            use arrow_array::cast::AsArray;
            let ends = args[0].as_primitive::<arrow_array::types::Int64Type>();
            let rows: Vec<(u32, i64)> = ends.values().iter().enumerate().flat_map(|(row, n)| (1..=*n).map(move |i| (row as u32, i))).collect();
            let numbers = arrow_array::Int64Array::from_iter_values(rows.iter().map(|r| r.1));
            Ok((UInt32Array::from_iter_values(rows.iter().map(|r| r.0)), vec![Arc::new(numbers)]))
        }
    }

    fn spec(left: bool, ordinality: bool, condition: Option<Expr>) -> UnnestSpec {
        let input = schema("n BIGINT");
        let output = if ordinality { schema("n BIGINT, i BIGINT, o INT") } else { schema("n BIGINT, i BIGINT") };
        let (function, args, returns) = (Arc::new(UpTo), vec![column(&input, 0)], schema("i BIGINT"));
        UnnestSpec { function, args, returns, ordinality, condition, left, output, time_zone: UTC }
    }

    #[test]
    fn rows_are_joined_with_what_the_function_gives() {
        let steps = "+I 2\n+I 0\n-U 0\n+U 1";
        check(&spec(false, false, None), &[&schema("n BIGINT")], steps, "+I 2 1\n+I 2 2\n+U 1 1");
        check(&spec(true, true, None), &[&schema("n BIGINT")], steps, "+I 2 1 1\n+I 2 2 2\n+I 0 NULL NULL\n-U 0 NULL NULL\n+U 1 1 1");
    }

    #[test]
    fn a_condition_leaves_rows_alone() {
        let second = call("=", vec![column(&schema("n BIGINT, i BIGINT"), 1), bigint(2)]);
        check(&spec(true, false, Some(second)), &[&schema("n BIGINT")], "+I 2\n+I 1", "+I 2 2\n+I 1 NULL");
    }
}
