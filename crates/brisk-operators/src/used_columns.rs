//! The columns that aggregates use, without the others.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::Schema;
use brisk_core::Result;
use brisk_functions::AggregateCall;

use crate::aggregate_set::moved;
use crate::batches::{record_batch, unnamed_batch};

/// The calls over the columns that they use alone, and these.
pub(crate) fn compact(calls: &[AggregateCall]) -> (Vec<AggregateCall>, Vec<usize>) {
    let mut columns: Vec<usize> = calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter)).collect();
    columns.sort_unstable();
    columns.dedup();
    let calls = moved(calls, |c| columns.binary_search(&c).expect("every used column is listed"));
    (calls, columns)
}

/// Columns as a batch; there may be none.
pub(crate) fn unnamed(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    match columns.is_empty() {
        true => record_batch(&Arc::new(Schema::empty()), columns, rows),
        false => unnamed_batch(columns),
    }
}
