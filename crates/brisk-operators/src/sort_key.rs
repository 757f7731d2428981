//! Sort keys, and the one-column form in which sorted operators compare rows: the key columns encoded by
//! [`arrow_row`], so that comparing two rows is comparing bytes.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::SortOptions;
use brisk_core::{Result, Schema};

/// One column of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    pub column: usize,
    pub ascending: bool,
    /// Flink's default: nulls first when ascending, last when descending.
    pub nulls_first: bool,
}

impl SortKey {
    /// Ascending, nulls first.
    pub fn ascending(column: usize) -> Self {
        Self { column, ascending: true, nulls_first: true }
    }

    /// Descending, nulls last.
    pub fn descending(column: usize) -> Self {
        Self { column, ascending: false, nulls_first: false }
    }

    pub fn options(&self) -> SortOptions {
        SortOptions { descending: !self.ascending, nulls_first: self.nulls_first }
    }
}

/// Encodes the key columns of rows into comparable bytes.
pub struct SortKeyEncoder {
    keys: Vec<SortKey>,
    converter: RowConverter,
}

impl SortKeyEncoder {
    /// An encoder of `keys` over rows of `schema`; `keys` must not be empty.
    pub fn new(keys: &[SortKey], schema: &Schema) -> Result<Self> {
        let fields = keys.iter().map(|k| SortField::new_with_options(schema.columns[k.column].sql_type.to_arrow(), k.options()));
        Ok(Self { keys: keys.to_vec(), converter: RowConverter::new(fields.collect())? })
    }

    pub fn encode(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self.keys.iter().map(|k| Arc::clone(batch.column(k.column))).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// The order of the rows of `batch`; equal rows keep theirs.
    pub fn sorted(&self, batch: &RecordBatch) -> Result<UInt32Array> {
        let rows = self.encode(batch)?;
        let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
        order.sort_by(|&a, &b| rows.row(a as usize).cmp(&rows.row(b as usize)));
        Ok(order.into())
    }
}
