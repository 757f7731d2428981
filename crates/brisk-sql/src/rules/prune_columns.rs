//! Leaves out the columns that nothing above needs, so that sources decode and exchanges carry only what is used.
//!
//! A scan itself is kept whole here and gets a projection on top: which columns its source reads is settled by the
//! physical planner for all uses of the table together, since two statements share one source.
//!
//! Where late rows go to a table, the operators that may drop rows are given that table's columns too, by their names.

use std::collections::BTreeSet;

use brisk_core::Result;
use brisk_functions::Expr;

use crate::logical::*;

/// The plan without unused columns; its own output stays as it is.
pub fn prune_columns(plan: Plan, of_late_rows: &Names) -> Result<Plan> {
    let all = (0..plan.columns.len()).collect();
    let names: Vec<String> = plan.columns.iter().map(|c| c.name.clone()).collect();
    let mut pruned = prune(plan, &all, of_late_rows).plan;
    for (column, name) in pruned.columns.iter_mut().zip(names) {
        column.name = name;
    }
    Ok(pruned)
}

/// A plan that gives at least the columns asked for, and where each of them now is.
struct Pruned {
    plan: Plan,
    /// By old position; `usize::MAX` for what is gone.
    at: Vec<usize>,
}

type Needed = BTreeSet<usize>;
type Names = BTreeSet<String>;

fn prune(plan: Plan, needed: &Needed, late: &Names) -> Pruned {
    let Plan { node, columns } = plan;
    let width = columns.len();
    match node {
        Node::Scan(table) => {
            let scan = Plan::new(Node::Scan(table), columns);
            keep(scan, needed)
        }
        Node::Values { rows } => keep(Plan::new(Node::Values { rows }, columns), needed),
        Node::Project { input, exprs } => {
            let kept = or_first(needed, width);
            let exprs: Vec<Expr> = kept.iter().map(|&i| exprs[i].clone()).collect();
            let below = prune(*input, &columns_of(&exprs), late);
            let exprs = exprs.iter().map(|e| e.map_columns(&mut |i| below.at[i])).collect();
            let node = Node::Project { input: Box::new(below.plan), exprs };
            Pruned { plan: Plan::new(node, select(&columns, &kept)), at: positions(&kept, width) }
        }
        Node::Filter { input, predicate } => {
            let mut wanted = needed.clone();
            wanted.extend(predicate.columns());
            let below = prune(*input, &wanted, late);
            let predicate = predicate.map_columns(&mut |i| below.at[i]);
            let columns = below.plan.columns.clone();
            let plan = Plan::new(Node::Filter { input: Box::new(below.plan), predicate }, columns);
            // What only the condition needed is dropped again above it.
            let now_needed = needed.iter().map(|&i| below.at[i]).collect();
            compose(keep(plan, &now_needed), &below.at)
        }
        Node::Aggregate(aggregate) => prune_aggregate(aggregate, columns, needed, late),
        Node::Window(window) => {
            let inner = window.input.columns.len();
            let mut wanted: Needed = needed.iter().copied().filter(|&i| i < inner).collect();
            wanted.insert(window.time_column);
            wanted.extend(&window.partition);
            if matches!(window.kind, WindowKind::Session { .. }) {
                wanted.extend(named(&window.input, late));
            }
            let below = prune(*window.input, &wanted, late);
            let at = |i: usize| if i < inner { below.at[i] } else { below.plan.columns.len() + i - inner };
            let map: Vec<usize> = (0..width).map(at).collect();
            let mut out = below.plan.columns.clone();
            out.extend_from_slice(&columns[inner..]);
            let window = Window {
                time_column: below.at[window.time_column],
                partition: window.partition.iter().map(|&i| below.at[i]).collect(),
                kind: window.kind,
                input: Box::new(below.plan),
            };
            Pruned { plan: Plan::new(Node::Window(window), out), at: map }
        }
        Node::Join(join) => prune_join(join, columns, needed, late),
        Node::Correlate(correlate) => {
            let inner = correlate.input.columns.len();
            let mut wanted: Needed = needed.iter().copied().filter(|&i| i < inner).collect();
            wanted.extend(columns_of(&correlate.args));
            let below = prune(*correlate.input, &wanted, late);
            let map: Vec<usize> = (0..width).map(|i| if i < inner { below.at[i] } else { below.plan.columns.len() + i - inner }).collect();
            let mut out = below.plan.columns.clone();
            out.extend_from_slice(&columns[inner..]);
            let args = correlate.args.iter().map(|e| e.map_columns(&mut |i| below.at[i])).collect();
            let node = Node::Correlate(Correlate { input: Box::new(below.plan), args, ..correlate });
            Pruned { plan: Plan::new(node, out), at: map }
        }
        Node::Over(over) => {
            let inner = over.input.columns.len();
            let mut wanted: Needed = needed.iter().copied().filter(|&i| i < inner).collect();
            wanted.extend(&over.partition);
            wanted.extend(over.order.iter().map(|k| k.column));
            for call in &over.calls {
                wanted.extend(&call.call.args);
                wanted.extend(call.call.filter);
            }
            wanted.extend(named(&over.input, late));
            let below = prune(*over.input, &wanted, late);
            let map: Vec<usize> = (0..width).map(|i| if i < inner { below.at[i] } else { below.plan.columns.len() + i - inner }).collect();
            let mut out = below.plan.columns.clone();
            out.extend_from_slice(&columns[inner..]);
            let over = Over {
                partition: over.partition.iter().map(|&i| below.at[i]).collect(),
                order: map_order(&over.order, &below.at),
                calls: over.calls.into_iter().map(|c| OverCall { call: map_call(c.call, &below.at), frame: c.frame }).collect(),
                input: Box::new(below.plan),
            };
            Pruned { plan: Plan::new(Node::Over(over), out), at: map }
        }
        Node::Sort(sort) => {
            let mut wanted = or_first(needed, width).into_iter().collect::<Needed>();
            wanted.extend(sort.keys.iter().map(|k| k.column));
            wanted.extend(named(&sort.input, late));
            let below = prune(*sort.input, &wanted, late);
            let out = below.plan.columns.clone();
            let sort = Sort { keys: map_order(&sort.keys, &below.at), offset: sort.offset, limit: sort.limit, input: Box::new(below.plan) };
            Pruned { plan: Plan::new(Node::Sort(sort), out), at: below.at }
        }
        Node::Union { inputs } => {
            let kept = or_first(needed, width);
            let inputs = inputs.into_iter().map(|input| exactly(input, &kept, late)).collect();
            Pruned { plan: Plan::new(Node::Union { inputs }, select(&columns, &kept)), at: positions(&kept, width) }
        }
        // These compare whole rows, or name their columns inside the clause.
        Node::SetOperation { kind, left, right } => {
            let every: Vec<usize> = (0..width).collect();
            let (left, right) = (Box::new(exactly(*left, &every, late)), Box::new(exactly(*right, &every, late)));
            Pruned { plan: Plan::new(Node::SetOperation { kind, left, right }, columns), at: every }
        }
        Node::MatchRecognize(mut n) => {
            let every: Vec<usize> = (0..n.input.columns.len()).collect();
            n.input = Box::new(exactly(*n.input, &every, late));
            Pruned { plan: Plan::new(Node::MatchRecognize(n), columns), at: (0..width).collect() }
        }
    }
}

fn prune_aggregate(mut aggregate: Aggregate, columns: Vec<PlanColumn>, needed: &Needed, late: &Names) -> Pruned {
    let width = columns.len();
    let keys = aggregate.keys.len();
    // Keys stay, they make the groups; calls go unless used.
    let calls: Vec<usize> = (0..aggregate.calls.len()).filter(|c| needed.contains(&(keys + c))).collect();
    let mut wanted: Needed = aggregate.keys.iter().copied().collect();
    for &c in &calls {
        wanted.extend(&aggregate.calls[c].args);
        wanted.extend(aggregate.calls[c].filter);
    }
    if !late.is_empty() && has_window(&aggregate.input) {
        aggregate.input = Box::new(widened(*aggregate.input, late));
        wanted.extend(named(&aggregate.input, late));
    }
    let below = prune(*aggregate.input, &wanted, late);
    let kept: Vec<usize> = (0..keys).chain(calls.iter().map(|c| keys + c)).collect();
    let aggregate = Aggregate {
        keys: aggregate.keys.iter().map(|&i| below.at[i]).collect(),
        sets: aggregate.sets,
        calls: calls.iter().map(|&c| map_call(aggregate.calls[c].clone(), &below.at)).collect(),
        input: Box::new(below.plan),
    };
    Pruned { plan: Plan::new(Node::Aggregate(aggregate), select(&columns, &kept)), at: positions(&kept, width) }
}

fn prune_join(join: Join, columns: Vec<PlanColumn>, needed: &Needed, late: &Names) -> Pruned {
    let (lw, rw) = (join.left.columns.len(), join.right.columns.len());
    let mut wanted = needed.clone();
    wanted.extend(join.condition.columns());
    wanted.extend(join.as_of);
    let mut left_needed: Needed = wanted.iter().copied().filter(|&i| i < lw).collect();
    let mut right_needed: Needed = wanted.iter().copied().filter(|&i| i >= lw).map(|i| i - lw).collect();
    if join.as_of.is_some() {
        // The versioned side keeps its time attribute and whatever may be its key.
        right_needed.extend((0..rw).filter(|&i| join.right.columns[i].time != TimeAttribute::None));
    }
    // A window join finds the windows of both sides in their columns, whether or not they are used above.
    for (side, needed) in [(&join.left, &mut left_needed), (&join.right, &mut right_needed)] {
        if has_window(side) {
            needed.extend(named(side, late));
        }
    }
    let left = prune(*join.left, &left_needed, late);
    let right = prune(*join.right, &right_needed, late);
    let new_lw = left.plan.columns.len();
    let at: Vec<usize> = (0..lw + rw).map(|i| if i < lw { left.at[i] } else { shift(right.at[i - lw], new_lw) }).collect();
    let condition = join.condition.map_columns(&mut |i| at[i]);
    let as_of = join.as_of.map(|i| at[i]);
    let mut out = left.plan.columns.clone();
    if !matches!(join.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti) {
        out.extend(right.plan.columns.iter().cloned());
    }
    // An outer join makes its inner side nullable: take names and types from the old output.
    for (old, &new) in at.iter().enumerate() {
        if old < columns.len() && new < out.len() {
            out[new] = columns[old].clone();
        }
    }
    let node = Node::Join(Join { left: Box::new(left.plan), right: Box::new(right.plan), kind: join.kind, condition, as_of });
    Pruned { plan: Plan::new(node, out), at: at[..columns.len()].to_vec() }
}

/// The columns of these names.
fn named<'a>(plan: &'a Plan, names: &'a Names) -> impl Iterator<Item = usize> + 'a {
    (0..plan.columns.len()).filter(|&i| names.contains(&plan.columns[i].name))
}

/// Whether rows of the plan may belong to windows, so that what is above it may find them late.
fn has_window(plan: &Plan) -> bool {
    matches!(plan.node, Node::Window(_)) || plan.inputs().into_iter().any(has_window)
}

/// An aggregate's input with these columns of what lies below its own projection, behind those that it has.
fn widened(plan: Plan, names: &Names) -> Plan {
    let Plan { node, mut columns } = plan;
    match node {
        Node::Project { input, mut exprs } => {
            for i in named(&input, names) {
                let new = &input.columns[i];
                if !columns.iter().any(|c| c.name == new.name) {
                    exprs.push(Expr::column(i, new.sql_type.clone()));
                    columns.push(new.clone());
                }
            }
            Plan::new(Node::Project { input, exprs }, columns)
        }
        Node::Filter { input, predicate } => {
            let input = widened(*input, names);
            columns.extend_from_slice(&input.columns[columns.len()..]);
            Plan::new(Node::Filter { input: Box::new(input), predicate }, columns)
        }
        other => Plan::new(other, columns),
    }
}

fn shift(position: usize, by: usize) -> usize {
    if position == usize::MAX { position } else { position + by }
}

/// The plan with a projection that keeps only the needed columns, where that leaves any out.
fn keep(plan: Plan, needed: &Needed) -> Pruned {
    let width = plan.columns.len();
    let kept = or_first(needed, width);
    if kept.len() == width {
        return Pruned { plan, at: (0..width).collect() };
    }
    let exprs = kept.iter().map(|&i| Expr::column(i, plan.columns[i].sql_type.clone())).collect();
    let columns = select(&plan.columns, &kept);
    Pruned { plan: Plan::new(Node::Project { input: Box::new(plan), exprs }, columns), at: positions(&kept, width) }
}

/// The plan with exactly these columns in this order.
fn exactly(plan: Plan, wanted: &[usize], late: &Names) -> Plan {
    let pruned = prune(plan, &wanted.iter().copied().collect(), late);
    let order: Vec<usize> = wanted.iter().map(|&i| pruned.at[i]).collect();
    if order.iter().copied().eq(0..pruned.plan.columns.len()) {
        return pruned.plan;
    }
    let exprs = order.iter().map(|&i| Expr::column(i, pruned.plan.columns[i].sql_type.clone())).collect();
    let columns = select(&pruned.plan.columns, &order);
    Plan::new(Node::Project { input: Box::new(pruned.plan), exprs }, columns)
}

/// `upper` counts positions from what `lower` gives.
fn compose(upper: Pruned, lower: &[usize]) -> Pruned {
    let at = lower.iter().map(|&i| if i == usize::MAX { i } else { upper.at[i] }).collect();
    Pruned { plan: upper.plan, at }
}

/// A batch must have a column to count rows by.
fn or_first(needed: &Needed, width: usize) -> Vec<usize> {
    if needed.is_empty() && width > 0 { vec![0] } else { needed.iter().copied().collect() }
}

fn positions(kept: &[usize], width: usize) -> Vec<usize> {
    let mut at = vec![usize::MAX; width];
    for (new, &old) in kept.iter().enumerate() {
        at[old] = new;
    }
    at
}

fn select(columns: &[PlanColumn], kept: &[usize]) -> Vec<PlanColumn> {
    kept.iter().map(|&i| columns[i].clone()).collect()
}

fn columns_of(exprs: &[Expr]) -> Needed {
    exprs.iter().flat_map(|e| e.columns()).collect()
}

fn map_order(keys: &[SortKey], at: &[usize]) -> Vec<SortKey> {
    keys.iter().map(|k| SortKey { column: at[k.column], ..*k }).collect()
}

fn map_call(mut call: LogicalCall, at: &[usize]) -> LogicalCall {
    call.args.iter_mut().for_each(|i| *i = at[*i]);
    call.filter = call.filter.map(|i| at[i]);
    call
}
