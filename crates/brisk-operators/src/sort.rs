//! ORDER BY: of a stream by its time attribute first, and of a bounded input as a whole.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::sort_key::SortKey;
use crate::time_attribute::TimeAttribute;

/// ORDER BY a time attribute ascending, then by other columns. Rows go out as time passes them.
#[derive(Debug, Clone)]
pub struct TemporalSortSpec {
    pub schema: Schema,
    pub time: TimeAttribute,
    pub then_by: Vec<SortKey>,
}

/// ORDER BY any columns with OFFSET and FETCH over a bounded append-only input: rows go out at its end.
#[derive(Debug, Clone)]
pub struct BoundedSortSpec {
    pub schema: Schema,
    /// May be empty: a plain LIMIT.
    pub keys: Vec<SortKey>,
    pub offset: u64,
    pub fetch: Option<u64>,
}

impl OperatorFactory for TemporalSortSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("TemporalSortSpec is not ready yet"))
    }
}

impl OperatorFactory for BoundedSortSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("BoundedSortSpec is not ready yet"))
    }
}
