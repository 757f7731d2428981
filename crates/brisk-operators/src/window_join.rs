//! Window join: rows of two windowed streams that are in the same window. A window is joined when the watermark passes
//! its end.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::join::{JoinCondition, JoinKind};

#[derive(Debug, Clone)]
pub struct WindowJoinSpec {
    pub kind: JoinKind,
    /// Keys besides the window itself.
    pub condition: JoinCondition,
    pub left: WindowedInput,
    pub right: WindowedInput,
    /// The session's zone where the windows were made from TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<chrono_tz::Tz>,
    /// Whether the windows are of processing time: they end by the clock and not by the watermark.
    pub processing_time: bool,
    pub time_zone: chrono_tz::Tz,
}

/// One side, with the positions of its window columns, which are TIMESTAMP(3).
#[derive(Debug, Clone)]
pub struct WindowedInput {
    pub schema: Schema,
    pub window_start: usize,
    pub window_end: usize,
}

impl OperatorFactory for WindowJoinSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("WindowJoinSpec is not ready yet"))
    }
}
