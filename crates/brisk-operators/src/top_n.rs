//! The first rows of every partition in an order, corrected as rows come: ROW_NUMBER() ... <= n, ORDER BY ... LIMIT.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::sort_key::SortKey;

/// Keeps rows `start..=end` by ROW_NUMBER of every partition. The output: the input's columns, then the rank (BIGINT)
/// if asked. Rows that are equal in the order keep the order of their arrival.
#[derive(Debug, Clone)]
pub struct TopNSpec {
    pub input: Schema,
    /// Empty: one partition of all rows (ORDER BY ... LIMIT n OFFSET m).
    pub partition: Vec<usize>,
    /// Empty: the order of arrival (LIMIT over a stream with retractions).
    pub order: Vec<SortKey>,
    /// The first rank, from 1.
    pub start: u64,
    /// The last rank.
    pub end: u64,
    pub output_rank: bool,
    /// False keeps `end` rows a partition; true keeps all.
    pub input_retracts: bool,
    /// Whether consumers want `-U` before `+U` (with the rank; without it there are only `+I` and `-D`).
    pub emit_update_before: bool,
    /// Input columns, then the rank if asked.
    pub output: Schema,
    pub ttl_ms: Option<i64>,
}

impl OperatorFactory for TopNSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("TopNSpec is not ready yet"))
    }
}
