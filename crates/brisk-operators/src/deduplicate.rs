//! One row a key: the first or the last, by event time or by arrival.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::time_attribute::TimeAttribute;

/// ROW_NUMBER() OVER (PARTITION BY key ORDER BY time) = 1 over append-only input. The output has the input's columns.
///
/// - First by arrival: append-only, later rows of the key are dropped.
/// - First by event time: append-only too, since the first row is emitted when the watermark has passed it; or, with
///   `eager`, at once, and corrected when an earlier row comes.
/// - Last: `+I`, then `-U`/`+U`; a row as late as the kept one replaces it.
#[derive(Debug, Clone)]
pub struct DeduplicateSpec {
    pub input: Schema,
    pub key: Vec<usize>,
    /// Event time, or the order of arrival (processing time).
    pub time: TimeAttribute,
    pub keep_last: bool,
    /// Only for the first by event time.
    pub eager: bool,
    pub emit_update_before: bool,
    pub ttl_ms: Option<i64>,
}

impl OperatorFactory for DeduplicateSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("DeduplicateSpec is not ready yet"))
    }
}
