//! The join of two changing tables: every change of either side corrects the result.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

use crate::join::{JoinCondition, JoinKind};

#[derive(Debug, Clone)]
pub struct RegularJoinSpec {
    pub kind: JoinKind,
    /// Without keys every pair of rows is tried: run it in one subtask.
    pub condition: JoinCondition,
    pub left: JoinInput,
    pub right: JoinInput,
    pub time_zone: chrono_tz::Tz,
}

/// What is known of one side.
#[derive(Debug, Clone)]
pub struct JoinInput {
    pub schema: Schema,
    /// Columns that identify a row, if any: a new row replaces the one with equal values (an upsert stream).
    pub unique_key: Option<Vec<usize>>,
    /// Forget rows that have not changed for so long (`table.exec.state.ttl`, STATE_TTL hint).
    pub state_ttl_ms: Option<i64>,
}

impl OperatorFactory for RegularJoinSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("RegularJoinSpec is not ready yet"))
    }
}
