//! Finds `ROW_NUMBER() ... <= n`: a condition on the row number of an OVER makes a Top-N or a deduplication, which need
//! not number all rows.

use brisk_functions::Expr;

use super::properties::{WindowColumns, upsert_key, window_of};
use crate::logical::{LogicalFunction, Node, Over, Plan, TimeAttribute};
use crate::rules::expressions::{as_call, conjunction, conjuncts, integer_literal, is_column};

/// Rows `start..=end` of every partition. The output of the plan is the input's columns, then the row number.
pub struct Rank<'a> {
    pub input: &'a Plan,
    pub over: &'a Over,
    pub start: u64,
    pub end: u64,
    pub kind: RankKind,
    /// What else the filter asks, over the output.
    pub rest: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RankKind {
    /// Of every window: the partition holds the window's bounds.
    Window(WindowColumns),
    /// The first row by time.
    KeepFirst,
    /// The last row by time.
    KeepLast,
    Running,
}

/// The rank that a filter over an OVER makes, if it does.
pub fn rank_shape(plan: &Plan) -> Option<Rank<'_>> {
    let Node::Filter { input, predicate } = &plan.node else { return None };
    let Node::Over(over) = &input.node else { return None };
    let [call] = over.calls.as_slice() else { return None };
    if !matches!(&call.call.function, LogicalFunction::Ranking { name } if name == "ROW_NUMBER") {
        return None;
    }
    let number = over.input.columns.len();
    let (mut start, mut end, mut rest) = (1u64, None::<u64>, Vec::new());
    for condition in conjuncts(predicate.clone()) {
        match bounds(&condition, number) {
            Some((low, high)) => {
                start = start.max(low);
                if let Some(high) = high {
                    end = Some(end.map_or(high, |e| e.min(high)));
                }
            }
            None => rest.push(condition),
        }
    }
    // Without an upper bound all rows would have to be kept and numbered: that is an OVER.
    let end = end?;
    let rest = (!rest.is_empty()).then(|| conjunction(rest));
    Some(Rank { input: &over.input, over, start, end, kind: kind_of(over, start, end), rest })
}

fn kind_of(over: &Over, start: u64, end: u64) -> RankKind {
    if let Some(window) = window_of(&over.input)
        && let Some((window_start, window_end)) = window.bounds()
        && over.partition.contains(&window_start)
        && over.partition.contains(&window_end)
    {
        return RankKind::Window(window);
    }
    if (start, end) == (1, 1)
        && let [key] = over.order.as_slice()
        && over.input.columns[key.column].time != TimeAttribute::None
    {
        return if key.descending { RankKind::KeepLast } else { RankKind::KeepFirst };
    }
    RankKind::Running
}

impl Rank<'_> {
    /// The row number's position in the output.
    pub fn number(&self) -> usize {
        self.input.columns.len()
    }

    pub fn window_of_output(&self) -> Option<WindowColumns> {
        window_of(self.input)
    }

    pub fn upsert_key(&self) -> Option<Vec<usize>> {
        match self.kind {
            RankKind::KeepFirst | RankKind::KeepLast => Some(self.over.partition.clone()),
            _ if self.end == 1 => Some(self.over.partition.clone()),
            _ => Some(self.over.partition.iter().copied().chain([self.number()]).collect()),
        }
    }

    /// The key of the output when the row number is left out.
    pub fn upsert_key_without_number(&self) -> Option<Vec<usize>> {
        if self.end == 1 { Some(self.over.partition.clone()) } else { upsert_key(self.input) }
    }
}

/// The row numbers that a condition leaves: `rn <= 5`, `5 >= rn`, `rn = 1`, `rn < 6`.
fn bounds(condition: &Expr, number: usize) -> Option<(u64, Option<u64>)> {
    let (name, args) = as_call(condition)?;
    let [a, b] = args else { return None };
    let (name, value) = match (is_number(a, number), is_number(b, number)) {
        (true, false) => (name, integer_literal(b)?),
        (false, true) => (mirrored(name), integer_literal(a)?),
        _ => return None,
    };
    let at_least_one = |v: i64| u64::try_from(v.max(1)).unwrap_or(1);
    let up_to = |v: i64| u64::try_from(v.max(0)).unwrap_or(0);
    Some(match name {
        "=" => (at_least_one(value), Some(up_to(value))),
        "<=" => (1, Some(up_to(value))),
        "<" => (1, Some(up_to(value.saturating_sub(1)))),
        ">=" => (at_least_one(value), None),
        ">" => (at_least_one(value.saturating_add(1)), None),
        _ => return None,
    })
}

fn is_number(expr: &Expr, number: usize) -> bool {
    match expr {
        Expr::Cast { input, .. } => is_number(input, number),
        e => is_column(e, number),
    }
}

fn mirrored(name: &'static str) -> &'static str {
    match name {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}
