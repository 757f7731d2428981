//! Temporal join: every left row with the version of the right table that was valid at its time
//! (`JOIN t FOR SYSTEM_TIME AS OF left.rowtime`).

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::join::{JoinCondition, JoinKind};

#[derive(Debug, Clone)]
pub struct TemporalJoinSpec {
    /// INNER or LEFT.
    pub kind: JoinKind,
    /// The right keys are the versioned table's primary key.
    pub condition: JoinCondition,
    pub time: TemporalTime,
    pub left: Schema,
    /// The right input is a changelog by the primary key: `+I` and `+U` start a version, `-D` (and `-U`) end one.
    pub right: Schema,
    pub time_zone: chrono_tz::Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalTime {
    /// The rowtime columns of the left row and of the right row (the start of the version).
    Event { left: usize, right: usize },
    /// The newest version at the moment when the left row arrives.
    Processing,
}

impl OperatorFactory for TemporalJoinSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("TemporalJoinSpec is not ready yet"))
    }
}
