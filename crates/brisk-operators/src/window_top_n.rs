//! The first rows of every window and partition, once the window is complete; also deduplication within windows.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use chrono_tz::Tz;

use crate::sort_key::SortKey;

/// Keeps rows `start..=end` by ROW_NUMBER of every window and partition; input and output are append-only.
///
/// Window deduplication is `start: 1, end: 1` ordered by the time attribute, descending to keep the last row
/// (`later_wins_ties: true`, as Flink's keep-last takes the later of equal times).
#[derive(Debug, Clone)]
pub struct WindowTopNSpec {
    pub input: Schema,
    /// Positions of the window's bounds, TIMESTAMP(3).
    pub window_start: usize,
    pub window_end: usize,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// Without the window's columns.
    pub partition: Vec<usize>,
    pub order: Vec<SortKey>,
    pub start: u64,
    pub end: u64,
    pub later_wins_ties: bool,
    pub output_rank: bool,
    /// Input columns, then the rank (BIGINT) if asked.
    pub output: Schema,
}

impl OperatorFactory for WindowTopNSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("WindowTopNSpec is not ready yet"))
    }
}
