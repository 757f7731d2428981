//! Moves conditions towards the sources: through projections and windows, into both sides of joins, and those that
//! compare the two sides of an inner join into its condition (`FROM a, b WHERE a.x = b.x`).
//!
//! What must stay true: a condition is never moved below an operator that would give other rows without it (the null-
//! filled side of an outer join, an OVER or a Top-N, whose frames and ranks count all rows), nor past a projection that
//! would evaluate a non-deterministic expression twice.

use brisk_core::Result;
use brisk_functions::Expr;

use super::expressions::{conjunction, conjuncts};
use crate::logical::{Correlate, Join, JoinKind, Node, Plan, Window};

pub fn push_filter(plan: Plan) -> Result<Plan> {
    push(plan, Vec::new())
}

/// `plan` with `conditions` (over its output) applied as low as possible.
fn push(plan: Plan, mut conditions: Vec<Expr>) -> Result<Plan> {
    let Plan { node, columns } = plan;
    match node {
        Node::Filter { input, predicate } => {
            // The inner condition comes first: it may guard the outer one.
            let mut all = conjuncts(predicate);
            all.append(&mut conditions);
            push(*input, all)
        }
        Node::Project { input, exprs } => {
            let (below, above): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|c| c.columns().iter().all(|&i| exprs[i].is_deterministic()));
            let below = below.iter().map(|c| c.substitute(&exprs)).collect();
            let input = push(*input, below)?;
            Ok(filtered(Plan::new(Node::Project { input: Box::new(input), exprs }, columns), above))
        }
        Node::Window(window) => {
            let width = window.input.columns.len();
            // A session depends on which rows there are, so only conditions on its partition may go below it.
            let partition = window.partition.clone();
            let session = matches!(window.kind, crate::logical::WindowKind::Session { .. });
            let (below, above) = conditions.into_iter().partition(|c| c.columns().iter().all(|i| if session { partition.contains(i) } else { *i < width }));
            let input = Box::new(push(*window.input, below)?);
            Ok(filtered(Plan::new(Node::Window(Window { input, ..window }), columns), above))
        }
        Node::Correlate(correlate) => {
            let width = correlate.input.columns.len();
            let (below, above) = conditions.into_iter().partition(|c| c.columns().iter().all(|&i| i < width));
            let input = Box::new(push(*correlate.input, below)?);
            Ok(filtered(Plan::new(Node::Correlate(Correlate { input, ..correlate }), columns), above))
        }
        Node::Union { inputs } => {
            let inputs = inputs.into_iter().map(|input| push(input, conditions.clone())).collect::<Result<_>>()?;
            Ok(Plan::new(Node::Union { inputs }, columns))
        }
        Node::Aggregate(mut aggregate) => {
            // On group keys only, and not with grouping sets, where a key may be NULL without being so below.
            let keys = aggregate.keys.clone();
            let movable = |c: &Expr| aggregate.sets.is_none() && !c.columns().is_empty() && c.columns().iter().all(|&i| i < keys.len());
            let (below, above): (Vec<_>, Vec<_>) = conditions.into_iter().partition(movable);
            let below = below.iter().map(|c| c.map_columns(&mut |i| keys[i])).collect();
            aggregate.input = Box::new(push(*aggregate.input, below)?);
            Ok(filtered(Plan::new(Node::Aggregate(aggregate), columns), above))
        }
        Node::Join(join) => push_into_join(join, columns, conditions),
        other => {
            let node = map_inputs(other, &mut |input| push(input, Vec::new()))?;
            Ok(filtered(Plan::new(node, columns), conditions))
        }
    }
}

fn push_into_join(join: Join, columns: Vec<crate::logical::PlanColumn>, conditions: Vec<Expr>) -> Result<Plan> {
    let width = join.left.columns.len();
    let left_only = |c: &Expr| c.columns().iter().all(|&i| i < width);
    let right_only = |c: &Expr| !c.columns().is_empty() && c.columns().iter().all(|&i| i >= width);
    let temporal = join.as_of.is_some();
    let (mut left, mut right, mut on, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for c in conditions {
        let is_left = left_only(&c) && matches!(join.kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti);
        let is_right = right_only(&c) && matches!(join.kind, JoinKind::Inner | JoinKind::Right) && !temporal;
        match () {
            // A condition without columns (a constant) stays where it is.
            () if c.columns().is_empty() => above.push(c),
            () if is_left => left.push(c),
            () if is_right => right.push(c.map_columns(&mut |i| i - width)),
            () if join.kind == JoinKind::Inner && !temporal && c.is_deterministic() => on.push(c),
            () => above.push(c),
        }
    }
    for c in conjuncts(join.condition) {
        let constant = c.columns().is_empty();
        // In ON, a side's own condition may go below only where that side's rows are not kept without a partner.
        let is_left = !constant && left_only(&c) && matches!(join.kind, JoinKind::Inner | JoinKind::Right | JoinKind::Semi);
        let is_right = right_only(&c) && matches!(join.kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti) && !temporal;
        match () {
            () if is_left => left.push(c),
            () if is_right => right.push(c.map_columns(&mut |i| i - width)),
            () => on.push(c),
        }
    }
    let join = Join { left: Box::new(push(*join.left, left)?), right: Box::new(push(*join.right, right)?), condition: conjunction(on), ..join };
    Ok(filtered(Plan::new(Node::Join(join), columns), above))
}

fn filtered(plan: Plan, conditions: Vec<Expr>) -> Plan {
    if conditions.is_empty() {
        return plan;
    }
    let columns = plan.columns.clone();
    Plan::new(Node::Filter { input: Box::new(plan), predicate: conjunction(conditions) }, columns)
}

/// The node with every input replaced by `f` of it.
pub fn map_inputs(node: Node, f: &mut dyn FnMut(Plan) -> Result<Plan>) -> Result<Node> {
    let mut boxed = |p: Box<Plan>| -> Result<Box<Plan>> { Ok(Box::new(f(*p)?)) };
    Ok(match node {
        Node::Scan(_) | Node::Values { .. } => node,
        Node::Project { input, exprs } => Node::Project { input: boxed(input)?, exprs },
        Node::Filter { input, predicate } => Node::Filter { input: boxed(input)?, predicate },
        Node::Aggregate(mut n) => {
            n.input = boxed(n.input)?;
            Node::Aggregate(n)
        }
        Node::Window(mut n) => {
            n.input = boxed(n.input)?;
            Node::Window(n)
        }
        Node::Join(mut n) => {
            n.left = boxed(n.left)?;
            n.right = boxed(n.right)?;
            Node::Join(n)
        }
        Node::Correlate(mut n) => {
            n.input = boxed(n.input)?;
            Node::Correlate(n)
        }
        Node::Over(mut n) => {
            n.input = boxed(n.input)?;
            Node::Over(n)
        }
        Node::Sort(mut n) => {
            n.input = boxed(n.input)?;
            Node::Sort(n)
        }
        Node::Union { inputs } => Node::Union { inputs: inputs.into_iter().map(&mut *f).collect::<Result<_>>()? },
        Node::SetOperation { kind, left, right } => Node::SetOperation { kind, left: boxed(left)?, right: boxed(right)? },
        Node::MatchRecognize(mut n) => {
            n.input = boxed(n.input)?;
            Node::MatchRecognize(n)
        }
    })
}
