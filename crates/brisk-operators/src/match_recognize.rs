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
}
