//! LIMIT and OFFSET over an append-only stream: the rows in the order of their arrival.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

/// Passes `limit` rows after the first `offset`. Run with parallelism 1. For a stream with retractions use
/// [`crate::top_n::TopNSpec`] without an order.
#[derive(Debug, Clone)]
pub struct LimitSpec {
    pub input: Schema,
    pub offset: u64,
    /// `None`: only OFFSET.
    pub limit: Option<u64>,
}

impl OperatorFactory for LimitSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("LimitSpec is not ready yet"))
    }
}
