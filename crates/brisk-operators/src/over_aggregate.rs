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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{call, check, check_net_effect, schema};

    const ROW: &str = "k STRING, n BIGINT, ts TIMESTAMP(3)";

    fn sum() -> OverFunction {
        OverFunction::Aggregate(call("SUM", &[1], &schema(ROW)))
    }

    fn spec(order: OverOrder, calls: Vec<(OverFunction, FrameUnit, Option<i64>)>) -> OverAggregateSpec {
        let results: String = (0..calls.len()).map(|i| format!(", r{i} BIGINT")).collect();
        OverAggregateSpec {
            input: schema(ROW),
            partition: vec![0],
            order,
            calls: calls.into_iter().map(|(function, unit, preceding)| OverCall { function, frame: Frame { unit, preceding } }).collect(),
            output: schema(&format!("{ROW}{results}")),
            input_retracts: true,
            state_ttl_ms: None,
        }
    }

    const EVENT: OverOrder = OverOrder::Time(TimeAttribute::Event { column: 2 });

    const STEPS: &str = "+I a 1 00:00:02
        +I a 2 00:00:01
        +I b 5 00:00:02
        +I a 4 00:00:02
        watermark 00:00:02
        +I a 8 00:00:02
        +I a 16 00:00:03
        +I a 32 00:00:06
        watermark end";

    #[test]
    fn rows_of_one_time_see_one_another_in_a_range() {
        use FrameUnit::{Range, Rows};
        let lag = OverFunction::Lag { column: 1, offset: 1, default: None };
        let calls = vec![
            (sum(), Range, None),
            (sum(), Rows, None),
            (OverFunction::RowNumber, Rows, None),
            (OverFunction::Rank, Range, None),
            (OverFunction::DenseRank, Range, None),
            (lag, Range, None),
        ];
        let expected = "+I a 2 00:00:01 2 2 1 1 1 NULL
            +I a 1 00:00:02 7 3 2 2 2 1
            +I b 5 00:00:02 5 5 1 1 1 NULL
            +I a 4 00:00:02 7 7 3 2 2 1
            late +I a 8 00:00:02
            +I a 16 00:00:03 23 23 4 4 3 4
            +I a 32 00:00:06 55 55 5 5 4 16";
        check(&spec(EVENT, calls), &[&schema(ROW)], STEPS, expected);
    }

    #[test]
    fn bounded_frames_leave_rows_behind() {
        let calls = |unit, preceding| vec![(sum(), unit, Some(preceding))];
        let by_rows = "+I a 2 00:00:01 2
            +I a 1 00:00:02 3
            +I b 5 00:00:02 5
            +I a 4 00:00:02 5
            late +I a 8 00:00:02
            +I a 16 00:00:03 20
            +I a 32 00:00:06 48";
        check(&spec(EVENT, calls(FrameUnit::Rows, 1)), &[&schema(ROW)], STEPS, by_rows);
        let by_time = "+I a 2 00:00:01 2
            +I a 1 00:00:02 7
            +I b 5 00:00:02 5
            +I a 4 00:00:02 7
            late +I a 8 00:00:02
            +I a 16 00:00:03 21
            +I a 32 00:00:06 32";
        check(&spec(EVENT, calls(FrameUnit::Range, 1000)), &[&schema(ROW)], STEPS, by_time);
    }

    #[test]
    fn with_a_bounded_frame_a_row_is_late_by_its_partition() {
        let bounded = spec(EVENT, vec![(sum(), FrameUnit::Rows, Some(5))]);
        let steps = "+I a 1 00:00:05\nwatermark 00:00:06\n+I a 2 00:00:05\n+I a 4 00:00:06\n+I b 8 00:00:01\nwatermark end";
        let expected = "+I a 1 00:00:05 1\nlate +I a 2 00:00:05\n+I b 8 00:00:01 8\n+I a 4 00:00:06 5";
        check(&bounded, &[&schema(ROW)], steps, expected);
    }

    #[test]
    fn in_processing_time_rows_go_out_at_once() {
        let order = OverOrder::Time(TimeAttribute::Processing);
        let calls = vec![(sum(), FrameUnit::Range, None), (OverFunction::DenseRank, FrameUnit::Range, None)];
        let steps = "+I a 1 00:00:00\n+I a 2 00:00:00\n+I b 3 00:00:00\n+I a 4 00:00:00";
        let expected = "+I a 1 00:00:00 1 1\n+I a 2 00:00:00 3 2\n+I b 3 00:00:00 3 1\n+I a 4 00:00:00 7 3";
        check(&spec(order, calls), &[&schema(ROW)], steps, expected);
    }

    #[test]
    fn rows_that_come_in_between_correct_those_behind() {
        use FrameUnit::{Range, Rows};
        let order = OverOrder::Keys(vec![SortKey::ascending(1)]);
        let calls = vec![(sum(), Range, None), (sum(), Rows, None), (OverFunction::RowNumber, Rows, None), (OverFunction::Rank, Range, None)];
        let steps = "+I a 1 00:00:00\n+I a 3 00:00:00\n----\n+I a 2 00:00:00\n+I a 2 00:00:01\n----\n-U a 1 00:00:00\n+U a 2 00:00:02\n-D a 3 00:00:00\n+I b 9 00:00:00";
        let expected = "+I a 2 00:00:00 6 2 1 1\n+I a 2 00:00:01 6 4 2 1\n+I a 2 00:00:02 6 6 3 1\n+I b 9 00:00:00 9 9 1 1";
        check_net_effect(&spec(order, calls), &[&schema(ROW)], steps, expected);
    }

    #[test]
    fn without_an_order_all_rows_see_all() {
        let steps = "+I a 1 00:00:00\n+I a 3 00:00:00\n----\n-D a 1 00:00:00";
        check_net_effect(&spec(OverOrder::Keys(Vec::new()), vec![(sum(), FrameUnit::Range, None)]), &[&schema(ROW)], steps, "+I a 3 00:00:00 3");
    }
}
