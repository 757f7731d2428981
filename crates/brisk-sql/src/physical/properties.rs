//! What the planner derives from a logical plan: whether it is corrected, by which key, and which columns are windows.
//!
//! The rules are Flink's: windows, interval and window joins, OVER and MATCH_RECOGNIZE only append; group aggregates,
//! running Top-N and outer joins correct what they said; everything else passes on what its input does.

use brisk_functions::Expr;

use super::join_shape::{self, JoinShape};
use super::rank_shape::{RankKind, rank_shape};
use crate::catalog::Table;
use crate::logical::*;
use crate::rules::expressions::{is_column, position_of_column};

/// The window that the rows of a plan belong to: where its bounds stand among the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowColumns {
    pub kind: WindowKind,
    pub start: Option<usize>,
    pub end: Option<usize>,
    pub time: Option<usize>,
}

impl WindowColumns {
    pub fn bounds(&self) -> Option<(usize, usize)> {
        Some((self.start?, self.end?))
    }

    fn map(self, f: impl Fn(usize) -> Option<usize>) -> Option<Self> {
        let mapped = Self { kind: self.kind, start: self.start.and_then(&f), end: self.end.and_then(&f), time: self.time.and_then(&f) };
        (mapped.start.is_some() || mapped.end.is_some() || mapped.time.is_some()).then_some(mapped)
    }
}

/// The windows of the plan's rows, if they have any.
pub fn window_of(plan: &Plan) -> Option<WindowColumns> {
    if let Some(rank) = rank_shape(plan) {
        return rank.window_of_output();
    }
    match &plan.node {
        Node::Window(n) => {
            let base = n.input.columns.len();
            Some(WindowColumns { kind: n.kind, start: Some(base), end: Some(base + 1), time: Some(base + 2) })
        }
        Node::Project { input, exprs } => window_of(input)?.map(|old| position_of_column(exprs, old)),
        Node::Filter { input, .. } => window_of(input),
        Node::Correlate(n) => window_of(&n.input),
        Node::Over(n) => window_of(&n.input),
        Node::Sort(n) => window_of(&n.input),
        Node::Aggregate(n) => windowed_aggregate(n).map(|w| w.of_output),
        Node::Join(n) => match join_shape::join_shape(n) {
            JoinShape::Window { left, .. } => Some(left),
            // The windows of one side go on only if nothing else is joined to them.
            JoinShape::Temporal { .. } => window_of(&n.left),
            _ => None,
        },
        _ => None,
    }
}

/// A GROUP BY on both bounds of a window.
#[derive(Debug, Clone)]
pub struct WindowedAggregate {
    pub of_input: WindowColumns,
    pub of_output: WindowColumns,
    /// Positions in the aggregate's `keys` that are not the window's.
    pub other_keys: Vec<usize>,
}

pub fn windowed_aggregate(aggregate: &Aggregate) -> Option<WindowedAggregate> {
    let of_input = window_of(&aggregate.input)?;
    let (start, end) = of_input.bounds()?;
    let key_at = |column: usize| aggregate.keys.iter().position(|&k| k == column);
    let (key_start, key_end) = (key_at(start)?, key_at(end)?);
    if let Some(sets) = &aggregate.sets {
        // Every grouping set must be of one window.
        if !sets.iter().all(|s| s.contains(&key_start) && s.contains(&key_end)) {
            return None;
        }
    }
    let is_window = |column: usize| column == start || column == end || Some(column) == of_input.time;
    let other_keys = (0..aggregate.keys.len()).filter(|&k| !is_window(aggregate.keys[k])).collect();
    let of_output = WindowColumns { kind: of_input.kind, start: Some(key_start), end: Some(key_end), time: of_input.time.and_then(key_at) };
    Some(WindowedAggregate { of_input, of_output, other_keys })
}

/// Which tables give corrected streams: known by their connectors and formats.
pub trait SourceModes {
    fn updates(&self, table: &Table) -> bool;
}

/// Whether rows of the plan are ever taken back or corrected.
pub fn updates(plan: &Plan, sources: &dyn SourceModes) -> bool {
    let of = |p: &Plan| updates(p, sources);
    if let Some(rank) = rank_shape(plan) {
        return match rank.kind {
            RankKind::Window(_) => false,
            RankKind::KeepFirst => of(rank.input),
            RankKind::KeepLast | RankKind::Running => true,
        };
    }
    match &plan.node {
        Node::Scan(table) => sources.updates(table),
        Node::Values { .. } | Node::MatchRecognize(_) => false,
        Node::Project { input, .. } | Node::Filter { input, .. } => of(input),
        Node::Window(n) => of(&n.input),
        Node::Correlate(n) => of(&n.input),
        Node::Aggregate(n) => windowed_aggregate(n).is_none() && (of(&n.input) || !n.calls.is_empty()),
        Node::Over(n) => of(&n.input),
        Node::Sort(n) => of(&n.input) || (n.limit.is_some() || n.offset > 0) && !n.keys.is_empty(),
        Node::Union { inputs } => inputs.iter().any(of),
        Node::SetOperation { .. } => true,
        Node::Join(n) => match join_shape::join_shape(n) {
            JoinShape::Interval { .. } | JoinShape::Window { .. } => false,
            JoinShape::Temporal { .. } => of(&n.left),
            JoinShape::Regular { .. } => match n.kind {
                JoinKind::Inner | JoinKind::Semi => of(&n.left) || of(&n.right),
                _ => true,
            },
        },
    }
}

/// Columns by which every row of the plan is unique at any time; the first such set that is known.
pub fn upsert_key(plan: &Plan) -> Option<Vec<usize>> {
    if let Some(rank) = rank_shape(plan) {
        return rank.upsert_key();
    }
    match &plan.node {
        Node::Scan(table) => (!table.primary_key.is_empty()).then(|| table.primary_key.clone()),
        Node::Project { input, exprs } => {
            let mapped = |key: Vec<usize>| key.into_iter().map(|old| position_of_column(exprs, old)).collect::<Option<Vec<_>>>();
            // Without its number a Top-N is still unique by what its input is.
            let without_number = || rank_shape(input).and_then(|rank| rank.upsert_key_without_number());
            upsert_key(input).and_then(mapped).or_else(|| without_number().and_then(mapped))
        }
        Node::Filter { input, .. } => upsert_key(input),
        Node::Aggregate(n) if n.sets.is_none() => Some((0..n.keys.len()).collect()),
        Node::Over(n) => upsert_key(&n.input),
        Node::Join(n) => match (n.kind, join_shape::join_shape(n)) {
            (JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti, _) | (_, JoinShape::Temporal { .. }) => upsert_key(&n.left),
            (_, JoinShape::Regular { keys }) => {
                let left = upsert_key(&n.left)?;
                let right = upsert_key(&n.right)?;
                let width = n.left.columns.len();
                let joined = |key: &[usize], side: fn(&join_shape::EquiKey) -> &Expr| key.iter().all(|k| keys.iter().any(|e| is_column(side(e), *k)));
                // N:1 joins keep the key of the many; else both keys together.
                if matches!(n.kind, JoinKind::Inner | JoinKind::Left) && joined(&right, |e| &e.right) {
                    return Some(left);
                }
                if matches!(n.kind, JoinKind::Inner | JoinKind::Right) && joined(&left, |e| &e.left) {
                    return Some(right.iter().map(|k| k + width).collect());
                }
                (n.kind == JoinKind::Inner).then(|| left.iter().copied().chain(right.iter().map(|k| k + width)).collect())
            }
            _ => None,
        },
        _ => None,
    }
}
