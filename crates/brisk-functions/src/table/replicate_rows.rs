//! Gives a row as often as a number says, without a column of its own: the end of INTERSECT ALL and EXCEPT ALL.
//!
//! The binder puts it into plans; it has no name that SQL could call.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, UInt32Array};
use brisk_core::{DataType, Error, Result, Schema};

use super::TableFunction;
use crate::scalar::Argument;

#[derive(Debug)]
pub struct ReplicateRows;

impl TableFunction for ReplicateRows {
    fn name(&self) -> &'static str {
        "$REPLICATE_ROWS"
    }

    fn bind(&self, args: &[Argument]) -> Result<Schema> {
        match args {
            [times] if times.sql_type.data_type == DataType::BigInt => Ok(Schema::new(Vec::new())),
            _ => Err(Error::internal("rows are replicated by a BIGINT")),
        }
    }

    fn evaluate(&self, args: &[ArrayRef], _returns: &Schema, rows: usize) -> Result<(UInt32Array, Vec<ArrayRef>)> {
        let times = args[0].as_primitive::<Int64Type>();
        let valid = (0..rows).filter(|&row| times.is_valid(row));
        let parents = valid.flat_map(|row| std::iter::repeat_n(row as u32, times.value(row).max(0) as usize));
        Ok((parents.collect::<Vec<_>>().into(), Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;

    use super::*;

    #[test]
    fn a_row_is_given_as_often_as_asked() {
        let times: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), None, Some(0), Some(-1), Some(1)]));
        let (parents, columns) = ReplicateRows.evaluate(&[times], &Schema::new(Vec::new()), 5).unwrap();
        assert_eq!(parents.values(), &[0, 0, 4]);
        assert!(columns.is_empty());
    }
}
