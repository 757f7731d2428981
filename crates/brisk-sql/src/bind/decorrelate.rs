//! Frees a subquery of the columns of its enclosing query: predicates that use them are pulled up to the join that the
//! subquery becomes.
//!
//! What must stay true: the freed plan has the columns of the subquery first, and behind them those that the predicates
//! need. A predicate is over the freed plan's columns and columns of enclosing queries (see `scope`).

use brisk_core::{Error, Result, SqlType};
use brisk_functions::Expr;
use brisk_parser::Span;

use super::scope::{index_in_level, is_correlated, level_of};
use super::{Binder, conjuncts, project};
use crate::logical::*;

pub struct Freed {
    pub plan: Plan,
    pub predicates: Vec<Expr>,
    /// What the columns are where the freed plan has no row: the values of an aggregation of nothing.
    pub defaults: Option<Vec<Expr>>,
    /// How many columns the plan had before.
    pub width: usize,
}

/// Frees a plan.
pub fn decorrelate(binder: &Binder<'_>, plan: Plan, outer: Option<&Plan>) -> Result<Freed> {
    if !uses_outer(&plan) {
        return Ok(Freed { width: plan.columns.len(), plan, predicates: Vec::new(), defaults: None });
    }
    let Plan { node, columns } = plan;
    match node {
        Node::Filter { input, predicate } => {
            let mut freed = decorrelate(binder, *input, outer)?;
            if freed.defaults.is_some() {
                return Err(unsupported("HAVING over a correlated aggregation without GROUP BY"));
            }
            let (pulled, kept): (Vec<_>, Vec<_>) = conjuncts(predicate).into_iter().partition(is_correlated);
            freed.predicates.extend(pulled);
            if !kept.is_empty() {
                freed.plan = super::filter(freed.plan, super::conjunction(kept));
            }
            Ok(freed)
        }
        Node::Project { input, exprs } => free_project(decorrelate(binder, *input, outer)?, exprs, columns),
        Node::Join(join) => free_join(binder, join, columns, outer),
        Node::Aggregate(aggregate) => free_aggregate(binder, aggregate, columns, outer),
        Node::Sort(sort) => free_sort(binder, sort, columns, outer),
        Node::Over(over) => free_over(binder, over, outer),
        Node::Correlate(Correlate { input, function, args, ordinality, outer: is_outer }) => {
            if args.iter().any(is_correlated) {
                return Err(unsupported("a table function over columns of the enclosing query"));
            }
            let made = columns[input.columns.len()..].to_vec();
            let freed = decorrelate(binder, *input, outer)?;
            free_below(freed, made, |input| Node::Correlate(Correlate { input, function, args, ordinality, outer: is_outer }))
        }
        Node::Window(Window { input, kind, time_column, partition }) => {
            let made = columns[input.columns.len()..].to_vec();
            let freed = decorrelate(binder, *input, outer)?;
            free_below(freed, made, |input| Node::Window(Window { input, kind, time_column, partition }))
        }
        _ => Err(unsupported("a set operation or pattern inside of it")),
    }
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("a subquery that uses columns of the enclosing query cannot have {what}")).with_remedy("write it as a join")
}

/// The sides of `inner = outer` predicates: those over the freed plan and those over the enclosing query. `None` if a
/// predicate is anything else.
pub fn equalities(predicates: &[Expr]) -> Option<(Vec<Expr>, Vec<Expr>)> {
    let mut sides = (Vec::new(), Vec::new());
    for predicate in predicates {
        let Expr::Call { function, args, .. } = predicate else { return None };
        let [a, b] = args.as_slice() else { return None };
        if function.name() != "=" {
            return None;
        }
        let (inner, outer) = match (is_correlated(a), is_correlated(b)) {
            (false, true) => (a, b),
            (true, false) => (b, a),
            _ => return None,
        };
        if outer.columns().iter().any(|i| level_of(*i) == 0) {
            return None;
        }
        sides.0.push(inner.clone());
        sides.1.push(outer.clone());
    }
    Some(sides)
}

/// Whether any expression of the plan uses columns of an enclosing query.
pub fn uses_outer(plan: &Plan) -> bool {
    let own = match &plan.node {
        Node::Values { rows } => rows.iter().flatten().any(is_correlated),
        Node::Project { exprs, .. } => exprs.iter().any(is_correlated),
        Node::Filter { predicate, .. } => is_correlated(predicate),
        Node::Join(n) => is_correlated(&n.condition),
        Node::Correlate(n) => n.args.iter().any(is_correlated),
        _ => false,
    };
    own || plan.inputs().into_iter().any(uses_outer)
}

/// The columns of a freed plan that its predicates use.
fn used(predicates: &[Expr]) -> Vec<usize> {
    let mut used: Vec<usize> = predicates.iter().flat_map(|p| p.columns()).filter(|i| level_of(*i) == 0).collect();
    used.sort_unstable();
    used.dedup();
    used
}

fn remap(predicates: Vec<Expr>, at: impl Fn(usize) -> usize) -> Vec<Expr> {
    predicates.into_iter().map(|p| p.map_columns(&mut |i| if level_of(i) == 0 { at(i) } else { i })).collect()
}

fn free_project(freed: Freed, exprs: Vec<Expr>, columns: Vec<PlanColumn>) -> Result<Freed> {
    if exprs.iter().any(is_correlated) {
        return Err(unsupported("them in its select list or below"));
    }
    let width = exprs.len();
    let defaults = freed.defaults.map(|d| exprs.iter().map(|e| e.substitute(&d)).collect());
    let mut all: Vec<(String, Expr)> = columns.into_iter().map(|c| c.name).zip(exprs).collect();
    let mut moved = Vec::new();
    for i in used(&freed.predicates) {
        let there = all.iter().position(|(_, e)| matches!(e, Expr::Column { index, .. } if *index == i));
        moved.push((i, there.unwrap_or(all.len())));
        if there.is_none() {
            all.push((freed.plan.columns[i].name.clone(), super::column(&freed.plan, i)));
        }
    }
    let at = |i: usize| moved.iter().find(|(old, _)| *old == i).expect("all used columns were moved").1;
    Ok(Freed { predicates: remap(freed.predicates, at), plan: project(freed.plan, all), defaults, width })
}

/// A node that passes its input's columns on and adds its own, `made`, behind them: they must come before the columns
/// that freeing added to the input.
fn free_below(freed: Freed, made: Vec<PlanColumn>, node: impl FnOnce(Box<Plan>) -> Node) -> Result<Freed> {
    let wide = freed.plan.columns.len();
    let passed = freed.width;
    let count = made.len();
    let columns = freed.plan.columns.iter().cloned().chain(made).collect();
    let plan = Plan::new(node(Box::new(freed.plan)), columns);
    let order: Vec<usize> = (0..passed).chain(wide..wide + count).chain(passed..wide).collect();
    let at = |i: usize| order.iter().position(|o| *o == i).expect("the order holds every column");
    let moved = order.iter().map(|&i| (plan.columns[i].name.clone(), super::column(&plan, i))).collect();
    Ok(Freed { predicates: remap(freed.predicates, at), plan: project(plan, moved), defaults: None, width: passed + count })
}

fn free_join(binder: &Binder<'_>, join: Join, columns: Vec<PlanColumn>, outer: Option<&Plan>) -> Result<Freed> {
    let (left_width, right_width) = (join.left.columns.len(), join.right.columns.len());
    let is_semi = matches!(join.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti);
    let left = decorrelate(binder, *join.left, outer)?;
    let right = decorrelate(binder, *join.right, outer)?;
    if join.kind == JoinKind::Semi && is_correlated(&join.condition) {
        return free_semi_join(left, right, join.condition, left_width);
    }
    if left.defaults.is_some() || right.defaults.is_some() {
        return Err(unsupported("a join of aggregations without GROUP BY"));
    }
    let left_ok = matches!(join.kind, JoinKind::Inner | JoinKind::Left) || is_semi;
    let right_ok = matches!(join.kind, JoinKind::Inner | JoinKind::Right);
    if !left_ok && !left.predicates.is_empty() || !right_ok && !right.predicates.is_empty() {
        return Err(unsupported("an outer join or subquery of its own below which they are used"));
    }
    let (left_wide, right_wide) = (left.plan.columns.len(), right.plan.columns.len());
    let condition = join.condition.map_columns(&mut |i| if level_of(i) == 0 && i >= left_width { i - left_width + left_wide } else { i });
    let (pulled, kept): (Vec<_>, Vec<_>) = conjuncts(condition).into_iter().partition(is_correlated);
    if !pulled.is_empty() && join.kind != JoinKind::Inner {
        return Err(unsupported("them in the condition of an outer join or of a subquery of its own"));
    }
    let mut predicates = left.predicates;
    predicates.extend(remap(right.predicates, |i| i + left_wide));
    predicates.extend(pulled);
    let plan = super::join::join_plan(left.plan, right.plan, join.kind, super::conjunction(kept), join.as_of);
    if is_semi {
        return Ok(Freed { plan, predicates, defaults: None, width: left_width });
    }
    let order: Vec<usize> =
        (0..left_width).chain(left_wide..left_wide + right_width).chain(left_width..left_wide).chain(left_wide + right_width..left_wide + right_wide).collect();
    let at = |i: usize| order.iter().position(|o| *o == i).expect("the order holds every column");
    let name = |n: usize, i: usize| columns.get(n).map_or_else(|| plan.columns[i].name.clone(), |c| c.name.clone());
    let moved = order.iter().enumerate().map(|(n, &i)| (name(n, i), super::column(&plan, i))).collect();
    Ok(Freed { predicates: remap(predicates, at), plan: project(plan, moved), defaults: None, width: left_width + right_width })
}

/// A semi join whose condition uses columns of the enclosing query: by equality it is a join with the distinct values of
/// its right side, of which one at most is left when the enclosing query's row is known.
fn free_semi_join(left: Freed, right: Freed, condition: Expr, left_width: usize) -> Result<Freed> {
    if left.defaults.is_some() || right.defaults.is_some() || !right.predicates.is_empty() {
        return Err(unsupported("a subquery of its own that is correlated with both"));
    }
    let parts = conjuncts(condition);
    let by_equality =
        |p: &Expr| matches!(p, Expr::Call { function, args, .. } if function.name() == "=" && args.iter().any(|a| is_right_column(a, left_width)));
    if !parts.iter().all(|p| by_equality(p) || p.columns().iter().all(|i| level_of(*i) > 0 || *i < left_width)) {
        return Err(unsupported("a subquery of its own that is correlated by anything but equality"));
    }
    let mut used: Vec<usize> = parts.iter().flat_map(|p| p.columns()).filter(|i| level_of(*i) == 0 && *i >= left_width).map(|i| i - left_width).collect();
    used.sort_unstable();
    used.dedup();
    let keys = used.iter().map(|&i| (right.plan.columns[i].name.clone(), super::column(&right.plan, i))).collect();
    let keys = super::subquery::distinct(project(right.plan, keys));
    let left_wide = left.plan.columns.len();
    let at = |i: usize| if i < left_width { i } else { left_wide + used.iter().position(|u| *u == i - left_width).expect("all used columns are kept") };
    let parts = remap(parts, at);
    let (pulled, kept): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_correlated);
    let plan = super::join::join_plan(left.plan, keys, JoinKind::Inner, super::conjunction(kept), None);
    let predicates = left.predicates.into_iter().chain(pulled).collect();
    Ok(Freed { plan, predicates, defaults: None, width: left_width })
}

/// A column of the right side alone.
fn is_right_column(expr: &Expr, left_width: usize) -> bool {
    matches!(expr, Expr::Column { index, .. } if level_of(*index) == 0 && *index >= left_width)
}

/// Groups by what the predicates equate with the enclosing query's columns too.
fn free_aggregate(binder: &Binder<'_>, aggregate: Aggregate, columns: Vec<PlanColumn>, outer: Option<&Plan>) -> Result<Freed> {
    let Aggregate { input, keys, sets, calls } = aggregate;
    let freed = decorrelate(binder, *input, outer)?;
    if sets.is_some() {
        return Err(unsupported("grouping sets"));
    }
    if freed.defaults.is_some() {
        return Err(unsupported("an aggregation of an aggregation without GROUP BY"));
    }
    let freed = match (equalities(&freed.predicates), outer) {
        (None, Some(outer)) => with_domain(binder, freed, outer)?,
        _ => freed,
    };
    let (inner, outer) = equalities(&freed.predicates).ok_or_else(|| unsupported("an aggregation over anything but equality with them"))?;
    let names = inner.iter().enumerate().map(|(i, e)| (format!("$c{i}"), e.clone())).collect();
    let (input, added) = super::extend(freed.plan, names);
    let mut new_keys = keys.clone();
    let mut key_at = Vec::with_capacity(added.len());
    for position in added {
        key_at.push(new_keys.iter().position(|k| *k == position).unwrap_or_else(|| {
            new_keys.push(position);
            new_keys.len() - 1
        }));
    }
    let extra = new_keys.len() - keys.len();
    let key_column = |k: &usize| PlanColumn::new(&input.columns[*k].name, input.columns[*k].sql_type.clone());
    let mut all: Vec<PlanColumn> = columns[..keys.len()].to_vec();
    all.extend(new_keys[keys.len()..].iter().map(key_column));
    all.extend(columns[keys.len()..].iter().cloned());
    let defaults = keys.is_empty().then(|| calls.iter().map(empty_value).collect());
    let count = calls.len();
    let plan = Plan::new(Node::Aggregate(Aggregate { input: Box::new(input), keys: new_keys, sets: None, calls }), all);
    let order: Vec<usize> = (0..keys.len()).chain(keys.len() + extra..keys.len() + extra + count).chain(keys.len()..keys.len() + extra).collect();
    let at = |i: usize| order.iter().position(|o| *o == i).expect("the order holds every column");
    let moved = order.iter().map(|&i| (plan.columns[i].name.clone(), super::column(&plan, i))).collect();
    let plan = project(plan, moved);
    let mut predicates = Vec::with_capacity(outer.len());
    for (key, e) in key_at.iter().zip(outer) {
        predicates.push(binder.call(Span::default(), "=", vec![super::column(&plan, at(*key)), e])?);
    }
    Ok(Freed { plan, predicates, defaults, width: columns.len() })
}

/// Joins the distinct values of the enclosing query's columns to a plan, so that what is left to hold between the two is
/// that these values are equal.
pub fn with_domain(binder: &Binder<'_>, freed: Freed, outer: &Plan) -> Result<Freed> {
    let mut used: Vec<usize> = freed.predicates.iter().flat_map(|p| p.columns()).filter(|i| level_of(*i) > 0).collect();
    used.sort_unstable();
    used.dedup();
    if used.iter().any(|i| level_of(*i) > 1 || index_in_level(*i) >= outer.columns.len()) {
        return Err(unsupported("an aggregation over anything but equality with them, two levels deep"));
    }
    let wanted = used.iter().map(|i| super::column(outer, index_in_level(*i)));
    let domain = wanted.map(|e| (format!("$d{e}"), e)).collect();
    let domain = super::subquery::distinct(project(outer.clone(), domain));
    let base = freed.plan.columns.len();
    let of_domain = |i: usize| base + used.iter().position(|u| *u == i).expect("all used columns are in the domain");
    let condition = freed.predicates.iter().map(|p| p.map_columns(&mut |i| if level_of(i) > 0 { of_domain(i) } else { i })).collect();
    let plan = super::join::join_plan(freed.plan, domain, JoinKind::Inner, super::conjunction(condition), None);
    let mut predicates = Vec::with_capacity(used.len());
    for &i in &used {
        let (mine, theirs) = (super::column(&plan, of_domain(i)), Expr::column(i, outer.columns[index_in_level(i)].sql_type.clone()));
        predicates.push(binder.call(Span::default(), "=", vec![mine, theirs])?);
    }
    Ok(Freed { plan, predicates, ..freed })
}

/// What an aggregate function gives of no rows.
fn empty_value(call: &LogicalCall) -> Expr {
    let LogicalFunction::Aggregate { function, signature } = &call.function else { return Expr::null(&call.sql_type) };
    if !function.never_null() {
        return Expr::null(&call.sql_type);
    }
    let value = function.accumulator(signature, false).and_then(|mut empty| {
        empty.resize(1);
        empty.values(&[0])
    });
    value.map_or_else(|_| Expr::null(&call.sql_type), |value| Expr::literal(value, call.sql_type.clone()))
}

/// ORDER BY with LIMIT: the first rows for each value of what is equated with the enclosing query's columns.
fn free_sort(binder: &Binder<'_>, sort: Sort, columns: Vec<PlanColumn>, outer: Option<&Plan>) -> Result<Freed> {
    let freed = decorrelate(binder, *sort.input, outer)?;
    let Some(limit) = sort.limit.filter(|_| sort.offset == 0) else {
        return if sort.offset == 0 { Ok(freed) } else { Err(unsupported("OFFSET")) };
    };
    if freed.defaults.is_some() {
        return if limit > 0 { Ok(freed) } else { Err(unsupported("LIMIT 0")) };
    }
    let (inner, outer) = equalities(&freed.predicates).ok_or_else(|| unsupported("LIMIT with anything but equality with them"))?;
    let width = columns.len();
    let names = inner.iter().enumerate().map(|(i, e)| (format!("$c{i}"), e.clone())).collect();
    let (input, partition) = super::extend(freed.plan, names);
    let rank = input.columns.len();
    let rank_type = SqlType::not_null(brisk_core::DataType::BigInt);
    let call = LogicalCall {
        function: LogicalFunction::Ranking { name: "ROW_NUMBER".into() },
        args: Vec::new(),
        distinct: false,
        filter: None,
        name: "$rank".into(),
        sql_type: rank_type.clone(),
    };
    let mut all = input.columns.clone();
    all.push(PlanColumn::new("$rank", rank_type));
    let frame = Frame { rows: true, preceding: None, unbounded_following: false };
    let over = Over { input: Box::new(input), partition: partition.clone(), order: sort.keys, calls: vec![OverCall { call, frame }] };
    let plan = Plan::new(Node::Over(over), all);
    let first = binder.call(Span::default(), "<=", vec![super::column(&plan, rank), Expr::bigint(limit as i64)])?;
    let plan = super::filter(plan, first);
    let kept: Vec<usize> = (0..width).chain(partition.iter().copied().filter(|p| *p >= width)).collect();
    let at = |i: usize| kept.iter().position(|k| *k == i).expect("all keys are kept");
    let moved = kept.iter().map(|&i| (plan.columns[i].name.clone(), super::column(&plan, i))).collect();
    let plan = project(plan, moved);
    let mut predicates = Vec::with_capacity(outer.len());
    for (p, e) in partition.iter().zip(outer) {
        predicates.push(binder.call(Span::default(), "=", vec![super::column(&plan, at(*p)), e])?);
    }
    Ok(Freed { plan, predicates, defaults: None, width })
}

/// OVER: partitions are those of the enclosing query's row too.
fn free_over(binder: &Binder<'_>, over: Over, outer: Option<&Plan>) -> Result<Freed> {
    let Over { input, mut partition, order, calls } = over;
    let freed = decorrelate(binder, *input, outer)?;
    if freed.defaults.is_some() {
        return Err(unsupported("OVER above an aggregation without GROUP BY"));
    }
    let (inner, _) = equalities(&freed.predicates).ok_or_else(|| unsupported("OVER with anything but equality with them"))?;
    let names = inner.iter().enumerate().map(|(i, e)| (format!("$c{i}"), e.clone())).collect();
    let (plan, added) = super::extend(freed.plan, names);
    for position in added {
        if !partition.contains(&position) {
            partition.push(position);
        }
    }
    let made = calls.iter().map(|c| PlanColumn::new(&c.call.name, c.call.sql_type.clone())).collect();
    free_below(Freed { plan, ..freed }, made, |input| Node::Over(Over { input, partition, order, calls }))
}
