//! Columns that a sink's table declares NOT NULL, before they are written: a NULL in one of them fails the job, or its row
//! is dropped.
//!
//! A changelog is taken row by row, as Flink does it: of an update that brings a NULL the new half alone is dropped.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::NullBuffer;
use arrow_schema::SchemaRef;
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Error, Result, Schema};

#[derive(Debug, Clone)]
pub struct NotNullSpec {
    /// The table, for messages.
    pub table: String,
    /// Positions of the columns.
    pub columns: Vec<usize>,
    pub enforcer: NotNullEnforcer,
    /// The input, with these columns NOT NULL.
    pub output: Schema,
}

/// `table.exec.sink.not-null-enforcer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotNullEnforcer {
    #[default]
    Error,
    Drop,
}

impl std::str::FromStr for NotNullEnforcer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "ERROR" => Ok(Self::Error),
            "DROP" => Ok(Self::Drop),
            _ => Err("it is ERROR or DROP".to_string()),
        }
    }
}

impl OperatorFactory for NotNullSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(NotNull { schema: self.output.to_arrow(), spec: self.clone() }))
    }
}

struct NotNull {
    spec: NotNullSpec,
    schema: SchemaRef,
}

impl Operator for NotNull {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let has_null = |c: &&usize| batch.column(**c).null_count() > 0;
        let kept = match (self.spec.columns.iter().find(has_null), self.spec.enforcer) {
            (None, _) => batch,
            (Some(&column), NotNullEnforcer::Error) => return Err(self.null_in(column)),
            (Some(_), NotNullEnforcer::Drop) => self.without_nulls(&batch)?,
        };
        if kept.is_empty() {
            return Ok(());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), kept.rows.columns().to_vec(), &options)?;
        out.batch(kept.with_rows(rows))
    }
}

impl NotNull {
    fn without_nulls(&self, batch: &ChangelogBatch) -> Result<ChangelogBatch> {
        let nulls = self.spec.columns.iter().map(|&c| batch.column(c).logical_nulls());
        let valid = nulls.fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls.as_ref()));
        match valid {
            Some(valid) => batch.filter(&BooleanArray::new(valid.into_inner(), None)),
            None => Ok(batch.clone()),
        }
    }

    fn null_in(&self, column: usize) -> Error {
        let NotNullSpec { table, output, .. } = &self.spec;
        let error = Error::compute(format!("column `{}` of table `{table}` is NOT NULL, but a NULL is written into it", output.columns[column].name));
        error.with_remedy("filter such rows out, or SET 'table.exec.sink.not-null-enforcer' = 'DROP' to drop them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    #[test]
    fn rows_with_a_null_are_dropped() {
        let input = schema("item STRING, price BIGINT, note STRING");
        let output = schema("item STRING NOT NULL, price BIGINT NOT NULL, note STRING");
        let spec = NotNullSpec { table: "t".to_string(), columns: vec![0, 1], enforcer: NotNullEnforcer::Drop, output };
        let steps = "+I pen 3 NULL\n+I NULL 4 x\n-U pen 3 NULL\n+U pen NULL y\n+I NULL NULL z\n+I ink 5 w";
        check(&spec, &[&input], steps, "+I pen 3 NULL\n-U pen 3 NULL\n+I ink 5 w");
    }
}
