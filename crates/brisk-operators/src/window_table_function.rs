//! Windowing table functions without aggregation: TUMBLE, HOP, CUMULATE and SESSION give every row the columns
//! `window_start`, `window_end` and `window_time` of each window that it belongs to.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use chrono_tz::Tz;

use crate::time_attribute::TimeAttribute;
use crate::window_assigner::WindowKind;

#[derive(Debug, Clone)]
pub struct WindowTableFunctionSpec {
    pub input: Schema,
    pub function: WindowFunction,
    pub time: TimeAttribute,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// The input's columns, then window_start and window_end TIMESTAMP(3), and window_time of the time attribute's type
    /// (TIMESTAMP_LTZ(3) for processing time).
    pub output: Schema,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WindowFunction {
    /// TUMBLE, HOP, CUMULATE: every row is expanded at once.
    Sliced(WindowKind),
    /// SESSION: rows are held until their session ends. One series of sessions for each value of the partition columns.
    Session { gap_ms: i64, partition: Vec<usize> },
}

impl OperatorFactory for WindowTableFunctionSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("WindowTableFunctionSpec is not ready yet"))
    }
}
