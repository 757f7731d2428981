//! Interval join: rows of two append-only streams whose times are at most so far apart.
//!
//! `right.time BETWEEN left.time + lower AND left.time + upper`, both bounds inclusive.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::join::{JoinCondition, JoinKind};

#[derive(Debug, Clone)]
pub struct IntervalJoinSpec {
    /// INNER, LEFT, RIGHT or FULL; SEMI and ANTI are refused.
    pub kind: JoinKind,
    pub condition: JoinCondition,
    pub time: IntervalTime,
    /// Bounds of `right.time - left.time`; `lower_ms > upper_ms` matches nothing.
    pub lower_ms: i64,
    pub upper_ms: i64,
    pub left: Schema,
    pub right: Schema,
    pub time_zone: chrono_tz::Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalTime {
    /// The rowtime columns of the left and the right row.
    Event { left: usize, right: usize },
    /// The time at which each row arrives.
    Processing,
}

impl OperatorFactory for IntervalJoinSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("IntervalJoinSpec is not ready yet"))
    }
}
