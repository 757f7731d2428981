//! Aggregation by session: rows of a key that follow each other within a gap.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use brisk_functions::AggregateCall;
use chrono_tz::Tz;

use crate::time_attribute::TimeAttribute;
use crate::window_assigner::WindowProperty;

/// An aggregation by session window and key. The output, append-only: the key's columns, the aggregates, the window's
/// properties.
///
/// A session ends `gap_ms` after its last row; a row that touches two sessions joins them. A row is late only if the
/// session that it would belong to has ended by the watermark.
#[derive(Debug, Clone)]
pub struct SessionWindowAggregateSpec {
    pub gap_ms: i64,
    pub time: TimeAttribute,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// Positions of the key's columns (with the PARTITION BY columns of the SESSION function).
    pub key: Vec<usize>,
    pub calls: Vec<AggregateCall>,
    pub rows: Schema,
    pub input_retracts: bool,
    pub properties: Vec<WindowProperty>,
    /// Key, aggregates, properties.
    pub output: Schema,
}

impl OperatorFactory for SessionWindowAggregateSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("SessionWindowAggregateSpec is not ready yet"))
    }
}
