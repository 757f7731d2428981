//! OVER: aggregates of each row over the rows before it in its partition.
//!
//! Ordered by time, a row is emitted once, when the watermark has passed it (`time_order`). Ordered by anything else, a
//! row may come in between others and corrects them (`key_order`).

mod key_order;
mod time_order;
mod time_state;

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Error, Result, Schema};
use brisk_functions::AggregateCall;

use crate::sort_key::SortKey;
use crate::time_attribute::TimeAttribute;
use key_order::KeyOrder;
use time_order::TimeOrder;

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
    /// Forget partitions that have not changed for so long (in the order of time, with unbounded frames).
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
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        match &self.order {
            OverOrder::Time(time) => Ok(Box::new(TimeOrder::new(self, *time, context)?)),
            OverOrder::Keys(_) if self.calls.iter().any(|c| c.frame.preceding.is_some()) => {
                Err(Error::unsupported("an OVER frame that is bounded, in an order other than by time").with_remedy("begin the frame at UNBOUNDED PRECEDING"))
            }
            OverOrder::Keys(keys) => Ok(Box::new(KeyOrder::new(self, keys, context)?)),
        }
    }
}
