//! OVER: aggregates of each row over the rows before it in its partition.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use brisk_functions::AggregateCall;

use crate::sort_key::SortKey;
use crate::time_attribute::TimeAttribute;

#[derive(Debug, Clone)]
pub struct OverAggregateSpec {
    pub input: Schema,
    pub partition: Vec<usize>,
    pub order: OverOrder,
    pub calls: Vec<OverCall>,
    /// The input's columns, then one column a call.
    pub output: Schema,
    /// Whether the input takes rows back; only with [`OverOrder::Keys`].
    pub input_retracts: bool,
    /// Forget partitions that have not changed for so long.
    pub state_ttl_ms: Option<i64>,
}

/// What orders the rows of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverOrder {
    /// ORDER BY a time attribute, ascending.
    Time(TimeAttribute),
    /// ORDER BY anything else: rows come in between others and correct them. The output is a changelog.
    Keys(Vec<SortKey>),
}

#[derive(Debug, Clone)]
pub struct OverCall {
    pub function: OverFunction,
    pub frame: Frame,
}

#[derive(Debug, Clone)]
pub enum OverFunction {
    Aggregate(AggregateCall),
    RowNumber,
    Rank,
    DenseRank,
    /// The value of `column` `offset` rows before; `default` is a column of the input for when there is none.
    Lag {
        column: usize,
        offset: u32,
        default: Option<usize>,
    },
}

/// The frame `BETWEEN preceding AND CURRENT ROW`; Flink knows no other end on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    pub unit: FrameUnit,
    /// Rows, or milliseconds for RANGE; `None` is UNBOUNDED.
    pub preceding: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameUnit {
    Rows,
    Range,
}

impl OperatorFactory for OverAggregateSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("OverAggregateSpec is not ready yet"))
    }
}
