//! Expressions over the rows of a match: DEFINE conditions and MEASURES.
//!
//! The leaves of an expression are taken out of many matches at once, a column a leaf; over these the expression is an
//! ordinary one.

use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMillisecondArray};
use arrow_buffer::BooleanBuffer;
use brisk_core::{Error, Result};
use brisk_functions::{AggregateCall, Expr};
use brisk_state::{NO_ROW, RowId, RowStore};

use super::{Leaf, MatchExpr, Pick};
use crate::aggregate_set::AggregateSet;
use crate::evaluate::Evaluator;
use crate::used_columns::{compact, unnamed};

/// A DEFINE condition.
pub(super) enum Condition {
    Always,
    /// Over the columns of the current row.
    Row(Expr),
    /// Over earlier rows as well.
    Match(MatchExpr),
}

/// A (partial) match that an expression looks at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub rows: &'a [RowId],
    /// The variable of each row.
    pub variables: &'a [u8],
    /// The row under test, as the last one of a variable.
    pub current: Option<(RowId, u8)>,
}

/// What evaluation needs besides the matches.
pub(super) struct MatchEvaluator {
    pub evaluator: Evaluator,
    /// The position of the rowtime column.
    pub rowtime: Option<usize>,
}

impl Condition {
    pub fn new(define: Option<&MatchExpr>, variable: usize) -> Self {
        let Some(define) = define else { return Condition::Always };
        let current_column = |leaf: &Leaf| match leaf {
            Leaf::Column { variable: v, column, pick: Pick::Last(0) } if v.is_none_or(|v| v == variable) => Some(*column),
            _ => None,
        };
        match define.leaves.iter().map(current_column).collect::<Option<Vec<usize>>>() {
            Some(columns) => Condition::Row(define.expr.map_columns(&mut |leaf| columns[leaf])),
            None => Condition::Match(define.clone()),
        }
    }
}

impl View<'_> {
    /// The rows of a variable, or of all, in order.
    fn rows_of(&self, variable: Option<usize>) -> impl DoubleEndedIterator<Item = RowId> + '_ {
        let own = self.rows.iter().copied().zip(self.variables.iter().copied());
        own.chain(self.current).filter(move |(_, v)| variable.is_none_or(|wanted| wanted == usize::from(*v))).map(|(row, _)| row)
    }

    fn pick(&self, variable: Option<usize>, pick: Pick) -> RowId {
        let found = match pick {
            Pick::First(n) => self.rows_of(variable).nth(n as usize),
            Pick::Last(n) => self.rows_of(variable).rev().nth(n as usize),
        };
        found.unwrap_or(NO_ROW)
    }
}

impl MatchEvaluator {
    /// The value of an expression in every match.
    pub fn values(&self, expr: &MatchExpr, views: &[View<'_>], store: &RowStore, now_ms: i64) -> Result<ArrayRef> {
        let leaves = self.leaves(expr, views, store, now_ms)?;
        self.evaluator.array(&expr.expr, &unnamed(leaves, views.len())?, now_ms)
    }

    /// Where a condition is true.
    pub fn mask(&self, expr: &MatchExpr, views: &[View<'_>], store: &RowStore, now_ms: i64) -> Result<BooleanBuffer> {
        let leaves = self.leaves(expr, views, store, now_ms)?;
        self.evaluator.mask(&expr.expr, &unnamed(leaves, views.len())?, now_ms)
    }

    fn leaves(&self, expr: &MatchExpr, views: &[View<'_>], store: &RowStore, now_ms: i64) -> Result<Vec<ArrayRef>> {
        expr.leaves.iter().map(|leaf| self.leaf(leaf, views, store, now_ms)).collect()
    }

    fn leaf(&self, leaf: &Leaf, views: &[View<'_>], store: &RowStore, now_ms: i64) -> Result<ArrayRef> {
        match leaf {
            Leaf::Column { variable, column, pick } => column_of(*column, views.iter().map(|v| v.pick(*variable, *pick)), store),
            Leaf::Aggregate { variable, call } => aggregate(call, *variable, views, store),
            Leaf::Rowtime => {
                let column = self.rowtime.ok_or_else(|| Error::internal("MATCH_ROWTIME without event time"))?;
                column_of(column, views.iter().map(|v| v.pick(None, Pick::Last(0))), store)
            }
            Leaf::Proctime => Ok(Arc::new(TimestampMillisecondArray::from(vec![now_ms; views.len()]).with_timezone("UTC"))),
        }
    }
}

fn column_of(column: usize, rows: impl Iterator<Item = RowId>, store: &RowStore) -> Result<ArrayRef> {
    let rows: Vec<RowId> = rows.collect();
    Ok(store.gather_columns(&rows, &[column])?.remove(0))
}

fn aggregate(call: &AggregateCall, variable: Option<usize>, views: &[View<'_>], store: &RowStore) -> Result<ArrayRef> {
    let (mut rows, mut groups) = (Vec::new(), Vec::new());
    for (group, view) in views.iter().enumerate() {
        let before = rows.len();
        rows.extend(view.rows_of(variable));
        groups.resize(groups.len() + rows.len() - before, group as u32);
    }
    let (calls, columns) = compact(std::slice::from_ref(call));
    let mut set = AggregateSet::new(&calls, false)?;
    set.reserve(views.len());
    set.update(&groups, &unnamed(store.gather_columns(&rows, &columns)?, rows.len())?, None)?;
    let all: Vec<u32> = (0..views.len() as u32).collect();
    Ok(set.values(&all)?.remove(0))
}
