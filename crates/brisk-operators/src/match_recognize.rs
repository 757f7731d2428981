//! MATCH_RECOGNIZE: patterns over the rows of a partition in the order of time.
//!
//! Rows wait for the watermark, are put in order and run through an automaton (`nfa`), a partition's rows one after
//! the other. A condition over the current row alone, the usual case, is evaluated for all due rows at once; one that
//! looks at earlier rows is evaluated for one row of every partition at a time, all partial matches together
//! (`expressions`). `partition` keeps the rows that partial matches need.

mod expressions;
mod nfa;
mod operator;
mod partition;

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use brisk_functions::{AggregateCall, Expr};

use crate::sort_key::SortKey;
use crate::time_attribute::TimeAttribute;
use operator::MatchRecognize;

#[derive(Debug, Clone)]
pub struct MatchRecognizeSpec {
    pub input: Schema,
    pub partition: Vec<usize>,
    pub time: TimeAttribute,
    /// The ORDER BY after the time attribute.
    pub then_by: Vec<SortKey>,
    /// The pattern variables' names; a variable is its position here.
    pub variables: Vec<String>,
    pub pattern: Pattern,
    /// For each variable its DEFINE condition; `None` is always true.
    pub defines: Vec<Option<MatchExpr>>,
    pub measures: Vec<MatchExpr>,
    pub skip: AfterMatch,
    /// A match must end less than so long after it began (WITHIN).
    pub within_ms: Option<i64>,
    /// The partition's columns, then the measures (ONE ROW PER MATCH).
    pub output: Schema,
    pub time_zone: chrono_tz::Tz,
}

/// A row pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    Variable(usize),
    Sequence(Vec<Pattern>),
    /// The first that matches is preferred.
    Alternation(Vec<Pattern>),
    Repeat {
        pattern: Box<Pattern>,
        min: u32,
        /// `None`: any number.
        max: Option<u32>,
        greedy: bool,
    },
    /// Every order of these.
    Permute(Vec<Pattern>),
    /// Matched but left out of the output; without effect for ONE ROW PER MATCH.
    Exclude(Box<Pattern>),
}

/// AFTER MATCH SKIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterMatch {
    PastLastRow,
    ToNextRow,
    ToFirst(usize),
    ToLast(usize),
}

/// An expression over several rows of a match: `leaves` are taken out of the match first and make one row, over whose
/// columns (one a leaf, in order) `expr` is evaluated.
#[derive(Debug, Clone)]
pub struct MatchExpr {
    pub leaves: Vec<Leaf>,
    pub expr: Expr,
}

/// A value out of a (partial) match. In DEFINE the row under test counts as the last row of its variable.
#[derive(Debug, Clone)]
pub enum Leaf {
    /// A column of one row; NULL when there is no such row.
    Column { variable: Option<usize>, column: usize, pick: Pick },
    /// An aggregate over the rows of `variable`; the call's positions are those of the input's columns.
    Aggregate { variable: Option<usize>, call: AggregateCall },
    /// The rowtime of the match's last row: MATCH_ROWTIME().
    Rowtime,
    /// The time of the evaluation as TIMESTAMP_LTZ(3): MATCH_PROCTIME().
    Proctime,
}

/// Which row of those mapped to a variable (all rows of the match for no variable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// FIRST(v.c, n): the n-th after the first.
    First(u32),
    /// LAST(v.c, n), and a plain `v.c` with 0: the n-th before the last.
    Last(u32),
}

impl OperatorFactory for MatchRecognizeSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(MatchRecognize::new(self, context)?))
    }

    fn drops_late_rows(&self) -> bool {
        self.time != TimeAttribute::Processing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr_for_tests::{UTC, bigint, call as expr_call, column};
    use crate::harness::{call, check, schema};

    const ROW: &str = "k STRING, n BIGINT, ts TIMESTAMP(3)";

    fn leaf(variable: usize, pick: Pick) -> Leaf {
        Leaf::Column { variable: Some(variable), column: 1, pick }
    }

    /// `function` of two leaves.
    fn compare(function: &str, leaves: [Leaf; 2]) -> MatchExpr {
        let both = schema("a BIGINT, b BIGINT");
        MatchExpr { leaves: leaves.to_vec(), expr: expr_call(function, vec![column(&both, 0), column(&both, 1)]) }
    }

    fn single(leaf: Leaf) -> MatchExpr {
        MatchExpr { leaves: vec![leaf], expr: column(&schema("a BIGINT"), 0) }
    }

    fn spec(pattern: Pattern, defines: Vec<Option<MatchExpr>>) -> MatchRecognizeSpec {
        let input = schema(ROW);
        MatchRecognizeSpec {
            partition: vec![0],
            time: TimeAttribute::Event { column: 2 },
            then_by: vec![],
            variables: ["A", "B", "C"][..defines.len()].iter().map(|v| v.to_string()).collect(),
            pattern,
            defines,
            measures: vec![
                single(leaf(0, Pick::First(0))),
                single(leaf(1, Pick::Last(0))),
                single(Leaf::Aggregate { variable: None, call: call("SUM", &[1], &input) }),
            ],
            skip: AfterMatch::PastLastRow,
            within_ms: None,
            output: schema("k STRING, first BIGINT, last BIGINT, total BIGINT"),
            input,
            time_zone: UTC,
        }
    }

    fn plus(variable: usize) -> Pattern {
        Pattern::Repeat { pattern: Box::new(Pattern::Variable(variable)), min: 1, max: None, greedy: true }
    }

    fn small_then_big() -> MatchRecognizeSpec {
        let row = schema("n BIGINT");
        let over = |name: &str, value| MatchExpr {
            leaves: vec![Leaf::Column { variable: None, column: 1, pick: Pick::Last(0) }],
            expr: expr_call(name, vec![column(&row, 0), bigint(value)]),
        };
        spec(Pattern::Sequence(vec![plus(0), Pattern::Variable(1)]), vec![Some(over("<", 10)), Some(over(">", 100))])
    }

    #[test]
    fn conditions_on_the_row_alone() {
        let steps = "+I a 1 00:00:01
            +I b 7 00:00:01
            +I a 3 00:00:03
            +I a 2 00:00:02
            watermark 00:00:02
            +I a 500 00:00:04
            +I a 9 00:00:01
            +I b 50 00:00:02
            +I b 300 00:00:03
            watermark end";
        check(&small_then_big(), &[&schema(ROW)], steps, "late +I a 9 00:00:01\nlate +I b 50 00:00:02\n+I b 7 300 307\n+I a 1 500 506");
    }

    #[test]
    fn a_match_must_end_in_time() {
        let spec = MatchRecognizeSpec { within_ms: Some(3000), ..small_then_big() };
        let steps = "+I a 1 00:00:01\n+I a 2 00:00:02\n+I a 500 00:00:04\nwatermark 00:00:09\n+I a 3 00:00:10\n+I a 600 00:00:12\nwatermark end";
        check(&spec, &[&schema(ROW)], steps, "+I a 2 500 502\n+I a 3 600 603");
    }

    #[test]
    fn conditions_on_earlier_rows() {
        // A falls, B rises again.
        let rises = compare(">", [leaf(1, Pick::Last(0)), leaf(0, Pick::Last(0))]);
        let pattern =
            Pattern::Sequence(vec![Pattern::Repeat { pattern: Box::new(Pattern::Variable(0)), min: 2, max: None, greedy: true }, Pattern::Variable(1)]);
        let steps = "+I a 9 00:00:01
            +I a 7 00:00:02
            +I b 4 00:00:02
            +I a 5 00:00:03
            watermark 00:00:02
            +I a 8 00:00:04
            +I b 3 00:00:03
            +I a 8 00:00:05
            +I b 2 00:00:04
            +I b 6 00:00:05
            watermark end";
        check(&spec(pattern, vec![first_or("<"), Some(rises)]), &[&schema(ROW)], steps, "+I a 9 8 29\n+I b 4 6 15");
    }

    /// `A` follows no `A`, or `function` holds for it and the `A` before.
    fn first_or(function: &str) -> Option<MatchExpr> {
        let moves = compare(function, [leaf(0, Pick::Last(0)), leaf(0, Pick::Last(1))]);
        let is_first = expr_call("IS NULL", vec![column(&schema("a BIGINT, b BIGINT"), 1)]);
        Some(MatchExpr { leaves: moves.leaves, expr: Expr::Or(vec![moves.expr, is_first]) })
    }

    #[test]
    fn a_match_may_begin_in_another() {
        let falls = compare("<", [leaf(1, Pick::Last(0)), leaf(0, Pick::Last(0))]);
        let spec = MatchRecognizeSpec {
            time: TimeAttribute::Processing,
            measures: vec![single(leaf(0, Pick::First(0))), single(leaf(0, Pick::Last(0)))],
            output: schema("k STRING, first BIGINT, last BIGINT"),
            skip: AfterMatch::ToNextRow,
            ..spec(Pattern::Sequence(vec![plus(0), Pattern::Variable(1)]), vec![first_or(">"), Some(falls)])
        };
        let steps: String = [100, 102, 104, 106, 105, 107, 101, 100, 110, 111, 99].iter().map(|n| format!("+I a {n} 00:00:00\n")).collect();
        let found = |pairs: &[[i64; 2]]| pairs.iter().map(|[first, last]| format!("+I a {first} {last}\n")).collect::<String>();
        let all = [[100, 106], [102, 106], [104, 106], [106, 106], [105, 107], [107, 107], [101, 101], [100, 111], [110, 111], [111, 111]];
        check(&spec, &[&schema(ROW)], &steps, &found(&all));
        let apart = MatchRecognizeSpec { skip: AfterMatch::PastLastRow, ..spec };
        check(&apart, &[&schema(ROW)], &steps, &found(&[[100, 106], [107, 107], [100, 111]]));
    }

    #[test]
    fn rows_of_one_time_are_ordered_by_other_columns() {
        let rises = compare(">", [leaf(1, Pick::Last(0)), leaf(0, Pick::Last(0))]);
        let twice = Pattern::Repeat { pattern: Box::new(Pattern::Variable(0)), min: 2, max: None, greedy: true };
        let spec = MatchRecognizeSpec {
            then_by: vec![SortKey::descending(1)],
            ..spec(Pattern::Sequence(vec![twice, Pattern::Variable(1)]), vec![first_or("<"), Some(rises)])
        };
        let steps = "+I a 8 00:00:01\n+I a 9 00:00:01\n+I a 7 00:00:01\n+I a 10 00:00:02\nwatermark end";
        check(&spec, &[&schema(ROW)], steps, "+I a 9 10 34");
    }

    #[test]
    fn in_processing_time_rows_are_matched_as_they_come() {
        let spec = MatchRecognizeSpec { time: TimeAttribute::Processing, ..small_then_big() };
        check(&spec, &[&schema(ROW)], "+I a 1 00:00:09\n+I a 2 00:00:01\n+I a 500 00:00:01", "+I a 1 500 503");
    }
}
