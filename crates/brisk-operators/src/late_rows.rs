//! Rows that an operator dropped because they came too late, for the table that keeps them: each with its kind and the
//! watermark that it missed.
//!
//! Stands right behind the operator, in its subtask, and so has seen every watermark that the operator has. What the rows
//! correct is not known here: a late row is an event of its own, and the output only appends.

use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::SchemaRef;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType, Watermark};
use brisk_functions::{Expr, Program};

use crate::evaluate::Evaluator;
use crate::passed_time::{read_passed_time, write_passed_time};

#[derive(Debug, Clone)]
pub struct LateRowsSpec {
    /// Of the rows that come: the input of the operator before.
    pub input: Schema,
    /// One expression for each output column, over [`LateRowsSpec::seen`].
    pub projections: Vec<Expr>,
    pub output: Schema,
    pub time_zone: chrono_tz::Tz,
}

impl LateRowsSpec {
    /// The columns of `input`, then the kind (`+I`, ..), then the watermark as a wall clock and as an instant; NULL before
    /// the first.
    pub fn seen(input: &Schema) -> Schema {
        let mut columns = input.columns.clone();
        columns.push(Column::new("$kind", SqlType::not_null(DataType::STRING)));
        columns.push(Column::new("$wall", SqlType::nullable(DataType::Timestamp(3))));
        columns.push(Column::new("$instant", SqlType::nullable(DataType::TimestampLtz(3))));
        Schema::new(columns)
    }
}

impl OperatorFactory for LateRowsSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(LateRows {
            program: Program::new(None, &self.projections),
            seen: Self::seen(&self.input).to_arrow(),
            schema: self.output.to_arrow(),
            evaluator: Evaluator::new(self.time_zone),
            watermark: Watermark::MIN,
        }))
    }
}

struct LateRows {
    program: Program,
    seen: SchemaRef,
    schema: SchemaRef,
    evaluator: Evaluator,
    watermark: i64,
}

impl Operator for LateRows {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let rows = self.with_circumstances(&batch)?;
        let result = self.evaluator.run(&self.program, &rows, out.processing_time_ms())?;
        let options = RecordBatchOptions::new().with_row_count(Some(result.rows));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), result.columns, &options)?;
        out.batch(ChangelogBatch::append(rows))
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.watermark = time;
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.watermark)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = read_passed_time(reader)?;
        Ok(())
    }
}

impl LateRows {
    /// The rows as [`LateRowsSpec::seen`] has them.
    fn with_circumstances(&self, batch: &ChangelogBatch) -> Result<RecordBatch> {
        let count = batch.num_rows();
        let kinds: StringArray = (0..count).map(|row| Some(batch.kind(row).symbol())).collect();
        let passed = Some(self.watermark).filter(|w| *w != Watermark::MIN);
        let times = || -> PrimitiveArray<TimestampMillisecondType> { std::iter::repeat_n(passed, count).collect() };
        let mut columns: Vec<ArrayRef> = batch.rows.columns().to_vec();
        let (wall, instant) = (self.seen.field(columns.len() + 1), self.seen.field(columns.len() + 2));
        let typed = |field: &arrow_schema::Field| -> ArrayRef { Arc::new(times().with_data_type(field.data_type().clone())) };
        let (wall, instant) = (typed(wall), typed(instant));
        columns.extend([Arc::new(kinds) as ArrayRef, wall, instant]);
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.seen), columns, &RecordBatchOptions::new().with_row_count(Some(count)))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::{UTC, column};
    use crate::harness::{check, schema};

    #[test]
    fn a_late_row_carries_its_kind_and_the_watermark_it_missed() {
        let input = schema("item STRING, ts TIMESTAMP(3)");
        let seen = LateRowsSpec::seen(&input);
        let spec = LateRowsSpec {
            projections: [0, 2, 3].iter().map(|&c| column(&seen, c)).collect(),
            input: input.clone(),
            output: schema("item STRING, kind STRING, missed TIMESTAMP(3)"),
            time_zone: UTC,
        };
        let steps = "+I pen 00:00:01\nwatermark 00:00:05\n+I ink 00:00:02\n-U ink 00:00:03";
        check(&spec, &[&input], steps, "+I pen +I NULL\n+I ink +I 00:00:05\n+I ink -U 00:00:05");
    }
}
