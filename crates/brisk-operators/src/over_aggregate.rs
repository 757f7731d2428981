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
    /// The value of `column` `offset` rows before the last of those that are equal in the order, whatever the frame;
    /// `default` is a column of the input for when there is none.
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

    fn drops_late_rows(&self) -> bool {
        matches!(self.order, OverOrder::Time(TimeAttribute::Event { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{call, check, check_net_effect, run_as_written, schema};

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

    /// Rows at random times, with a watermark after every few; no row is late.
    fn random_rows(count: u64) -> (String, Vec<(u64, i64, i64)>) {
        let mut state = 7;
        let mut next = |bound: u64| {
            state = brisk_core::key_group::mix(state, 0x1f83_d9ab_fb41);
            state % bound
        };
        let (mut steps, mut rows) = (String::new(), Vec::new());
        let mut passed = 0;
        for i in 0..count {
            let (key, n, time) = (next(3), next(100) as i64, passed + 1 + next(20) as i64);
            rows.push((key, n, time));
            steps += &format!("+I {key} {n} 00:{:02}:{:02}.{:03}\n", time / 60_000, time / 1000 % 60, time % 1000);
            if i % 50 == 49 && next(8) > 0 && i < count / 2 {
                passed += 10;
                steps += &format!("watermark 00:{:02}:{:02}.{:03}\n", passed / 60_000, passed / 1000 % 60, passed % 1000);
            }
        }
        (steps + "watermark end", rows)
    }

    /// Every frame over every row, the slow way; rows in the order of time, then as they came.
    fn sums(rows: &[(u64, i64, i64)], unit: FrameUnit, preceding: Option<i64>) -> Vec<(u64, i64, i64, i64)> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&i| rows[i].2);
        let mut partitions: std::collections::BTreeMap<u64, Vec<usize>> = Default::default();
        order.iter().for_each(|&i| partitions.entry(rows[i].0).or_default().push(i));
        let mut results = vec![0; rows.len()];
        for partition in partitions.values() {
            for (at, &row) in partition.iter().enumerate() {
                let time = rows[row].2;
                let inside = |(place, other): (usize, &usize)| match (unit, preceding) {
                    (FrameUnit::Rows, Some(n)) => place <= at && place as i64 >= at as i64 - n,
                    (FrameUnit::Rows, None) => place <= at,
                    (FrameUnit::Range, Some(ms)) => rows[*other].2 <= time && rows[*other].2 >= time - ms,
                    (FrameUnit::Range, None) => rows[*other].2 <= time,
                };
                results[row] = partition.iter().enumerate().filter(|p| inside((p.0, p.1))).map(|(_, &other)| rows[other].1).sum();
            }
        }
        order.into_iter().map(|i| (rows[i].0, rows[i].1, rows[i].2, results[i])).collect()
    }

    #[test]
    fn frames_are_those_of_a_slow_recomputation() {
        use FrameUnit::{Range, Rows};
        for (unit, preceding, count) in [(Range, None, 600), (Rows, None, 600), (Range, Some(15), 600), (Rows, Some(7), 600), (Range, Some(15), 1)] {
            let (steps, rows) = random_rows(count);
            let expected: Vec<String> =
                sums(&rows, unit, preceding).into_iter().map(|(k, n, t, sum)| format!("+I {k} {n} {} {sum}", crate::harness::time_text(t))).collect();
            assert_eq!(run_as_written(&spec(EVENT, vec![(sum(), unit, preceding)]), &[&schema(ROW)], &steps), expected, "{unit:?} {preceding:?}");
        }
    }

    #[test]
    fn corrected_frames_are_those_of_a_slow_recomputation() {
        let (_, mut rows) = random_rows(120);
        let mut seen = std::collections::BTreeSet::new();
        rows.retain(|row| seen.insert(*row));
        let order = OverOrder::Keys(vec![SortKey::ascending(2)]);
        for unit in [FrameUnit::Range, FrameUnit::Rows] {
            let (mut steps, mut kept) = (String::new(), Vec::new());
            for (i, row) in rows.iter().enumerate() {
                let line = |r: &(u64, i64, i64)| format!("{} {} {}", r.0, r.1, crate::harness::time_text(r.2));
                steps += &format!("+I {}\n", line(row));
                kept.push(*row);
                if i % 3 == 2 {
                    let gone = kept.swap_remove(i * 7 % kept.len());
                    steps += &format!("-D {}\n", line(&gone));
                }
                if i % 10 == 9 {
                    steps += "----\n";
                }
            }
            // Rows of one key and time stay in the order of their arrival.
            kept.sort_by_key(|r| rows.iter().position(|x| x == r));
            let expected: Vec<String> =
                sums(&kept, unit, None).into_iter().map(|(k, n, t, sum)| format!("+I {k} {n} {} {sum}", crate::harness::time_text(t))).collect();
            check_net_effect(&spec(order.clone(), vec![(sum(), unit, None)]), &[&schema(ROW)], &steps, &expected.join("\n"));
        }
    }

    #[test]
    fn many_rows_that_are_due_at_once_are_computed_in_pieces() {
        let (_, rows) = random_rows(20_000);
        let steps: String = rows.iter().map(|(k, n, t)| format!("+I {k} {n} 00:00:0{}.{:03}\n", t / 1000, t % 1000)).collect();
        let counts = vec![(OverFunction::RowNumber, FrameUnit::Rows, None), (sum(), FrameUnit::Range, None)];
        let printed = run_as_written(&spec(EVENT, counts), &[&schema(ROW)], &(steps + "watermark end"));
        for key in 0..3 {
            let of_key: Vec<&str> = printed.iter().filter(|l| l.starts_with(&format!("+I {key} "))).filter_map(|l| l.split(' ').nth(4)).collect();
            assert!(of_key.iter().enumerate().all(|(i, n)| n.parse() == Ok(i + 1)), "row numbers of {key}");
            let total: i64 = rows.iter().filter(|r| r.0 == key).map(|r| r.1).sum();
            let last = printed.iter().rfind(|l| l.starts_with(&format!("+I {key} "))).unwrap();
            assert!(last.ends_with(&format!(" {total}")), "{last}");
        }
    }

    #[test]
    fn without_an_order_all_rows_see_all() {
        let steps = "+I a 1 00:00:00\n+I a 3 00:00:00\n----\n-D a 1 00:00:00";
        check_net_effect(&spec(OverOrder::Keys(Vec::new()), vec![(sum(), FrameUnit::Range, None)]), &[&schema(ROW)], steps, "+I a 3 00:00:00 3");
    }
}
