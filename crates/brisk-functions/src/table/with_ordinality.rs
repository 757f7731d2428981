//! `UNNEST(..) WITH ORDINALITY`: the function's columns, then the number of the row among those of its input row, from 1.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, UInt32Array};
use brisk_core::{Column, DataType, Result, Schema, SqlType};

use super::TableFunction;
use super::unnest::Unnest;
use crate::scalar::Argument;

#[derive(Debug)]
pub struct UnnestWithOrdinality;

impl TableFunction for UnnestWithOrdinality {
    fn name(&self) -> &'static str {
        "UNNEST WITH ORDINALITY"
    }

    fn bind(&self, args: &[Argument]) -> Result<Schema> {
        let mut schema = Unnest.bind(args)?;
        schema.columns.push(Column::new("ORDINALITY", SqlType::not_null(DataType::Int)));
        Ok(schema)
    }

    fn evaluate(&self, args: &[ArrayRef], returns: &Schema, rows: usize) -> Result<(UInt32Array, Vec<ArrayRef>)> {
        let inner = Schema::new(returns.columns[..returns.len().saturating_sub(1)].to_vec());
        let (parents, mut columns) = Unnest.evaluate(args, &inner, rows)?;
        let mut number = 0;
        let mut last = None;
        let ordinality = parents.values().iter().map(|parent| {
            number = if last == Some(*parent) { number + 1 } else { 1 };
            last = Some(*parent);
            number
        });
        columns.push(Arc::new(Int32Array::from_iter_values(ordinality)));
        Ok((parents, columns))
    }
}
