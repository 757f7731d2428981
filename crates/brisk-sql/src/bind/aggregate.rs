//! GROUP BY: keys, grouping sets, aggregate calls, and the group windows of older Flink (`GROUP BY TUMBLE(..)`).
//!
//! Behind it an expression may use keys and calls only. Names are still bound to what was grouped (positions marked
//! RAW); every expression that equals a key becomes the key's column on the way up, and what is left over is refused.

use brisk_core::{DataType, Error, Result, SqlType};
use brisk_functions::{AggregateFunction, Expr, aggregate};
use brisk_parser::Span;
use brisk_parser::ast::{self, ExprKind, FunctionArgValue, GroupItem, GroupItemKind, JsonCall, JsonOnNull};
use std::sync::Arc;

use super::collect::{self, function_name};
use super::expr::{argument, coerce};
use super::scope::{RAW, level_of};
use super::window::{self, GroupWindow};
use super::{Binder, Env, project};
use crate::logical::{Aggregate, LogicalCall, LogicalFunction, Node, Plan, PlanColumn, TimeAttribute};

/// What is known behind GROUP BY.
#[derive(Debug, Clone, Default)]
pub struct Grouped {
    /// Each key over what was grouped, and its column in the plan.
    keys: Vec<(Expr, Expr)>,
    /// Where columns of what was grouped were named, for messages.
    used: Vec<(usize, Span, String)>,
}

impl Grouped {
    /// The key's column where the expression is a key.
    pub fn replace(&self, expr: Expr) -> Expr {
        if expr.as_literal().is_some() {
            return expr;
        }
        match self.keys.iter().find(|(key, _)| *key == expr) {
            Some((_, column)) => column.clone(),
            None => expr,
        }
    }

    pub fn used(&mut self, raw: &Expr, name: &ast::ObjectName) {
        if let Expr::Column { index, .. } = raw {
            self.used.push((*index, name.span, name.values().join(".")));
        }
    }

    /// The name of a column that is neither a key nor inside an aggregate.
    fn stray(&self, expr: &Expr) -> Option<(Span, String)> {
        let stray = expr.columns().into_iter().find(|i| level_of(*i) == 0 && i & RAW != 0)?;
        let (_, span, name) = self.used.iter().rev().find(|(index, ..)| *index == stray)?;
        Some((*span, name.clone()))
    }
}

/// The parts of a GROUP BY, bound.
struct Keys {
    exprs: Vec<Expr>,
    /// The sets of positions in `exprs`; `None` for a plain GROUP BY.
    sets: Option<Vec<Vec<usize>>>,
    window: Option<GroupWindow>,
}

/// An aggregate call, bound over what is grouped.
struct Call {
    function: CallFunction,
    args: Vec<Expr>,
    filter: Option<Expr>,
    distinct: bool,
    span: Span,
}

enum CallFunction {
    Aggregate(Arc<dyn AggregateFunction>),
    /// GROUPING, GROUPING_ID: the keys it asks about.
    Grouping(Vec<Expr>),
    GroupId,
}

impl Binder<'_> {
    /// Checks that an expression behind GROUP BY uses keys and calls only.
    pub(super) fn settled(&self, env: &Env, span: Span, expr: Expr) -> Result<Expr> {
        let Some(grouped) = &env.grouped else { return Ok(expr) };
        if !expr.columns().iter().any(|i| level_of(*i) == 0 && i & RAW != 0) {
            return Ok(expr);
        }
        let (span, name) = grouped.stray(&expr).unwrap_or_else(|| {
            let column = expr.columns().into_iter().find(|i| level_of(*i) == 0 && i & RAW != 0).and_then(|i| env.scope.columns.get(i & !RAW));
            (span, column.map_or_else(|| "an expression".to_string(), |c| c.name.clone()))
        });
        Err(self.invalid(span, format!("`{name}` is not being grouped")).with_remedy("add it to GROUP BY, or put it into an aggregate function"))
    }

    /// An expression behind GROUP BY, or of a query without one.
    pub(super) fn value(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        let bound = self.expr(env, written)?;
        self.settled(env, written.span, bound)
    }

    /// Groups `env`; `uses` are the expressions that may hold aggregate calls.
    pub(super) fn group(&mut self, env: &mut Env, group_by: Option<&ast::GroupBy>, uses: &[&ast::Expr]) -> Result<()> {
        let mut keys = self.group_keys(env, group_by)?;
        let written = collect::aggregates(uses.iter().copied());
        let mut calls = Vec::with_capacity(written.len());
        for call in &written {
            calls.push(self.aggregate_call(env, call)?);
        }
        let window_calls = match keys.window.take() {
            Some(window) => self.group_window(env, &mut keys.exprs, window, uses)?,
            None => Vec::new(),
        };
        let known = self.aggregate(env, &keys, calls)?;
        let raw_keys = keys.exprs.iter().map(|k| k.map_columns(&mut |i| if level_of(i) == 0 { RAW | i } else { i }));
        let key_columns: Vec<Expr> = (0..keys.exprs.len()).map(|i| super::column(&env.plan, i)).collect();
        env.grouped = Some(Grouped { keys: raw_keys.zip(key_columns.iter().cloned()).collect(), used: Vec::new() });
        env.known = written.into_iter().cloned().zip(known).collect();
        env.known.extend(window_calls.into_iter().map(|(call, key)| (call, key_columns[key].clone())));
        Ok(())
    }

    // ---- keys

    fn group_keys(&mut self, env: &mut Env, group_by: Option<&ast::GroupBy>) -> Result<Keys> {
        let mut keys = Keys { exprs: Vec::new(), sets: None, window: None };
        let Some(group_by) = group_by else { return Ok(keys) };
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        let mut plain = true;
        for item in &group_by.items {
            plain &= matches!(item.kind, GroupItemKind::Expr(_) | GroupItemKind::Set(_));
            let of_item = self.group_item(env, item, &mut keys)?;
            sets = sets.iter().flat_map(|a| of_item.iter().map(|b| union(a, b))).collect();
        }
        if group_by.distinct {
            let mut seen: Vec<Vec<usize>> = Vec::new();
            sets.retain(|s| {
                let sorted = sorted(s);
                let fresh = !seen.contains(&sorted);
                seen.push(sorted);
                fresh
            });
        }
        let all_keys = sets.len() == 1 && sets[0].len() == keys.exprs.len();
        if !plain && !all_keys {
            if keys.window.is_some() {
                return Err(self.unsupported(group_by.span, "a group window cannot stand beside grouping sets").with_remedy("use TABLE(TUMBLE(..)) in FROM"));
            }
            keys.sets = Some(sets);
        }
        Ok(keys)
    }

    /// The grouping sets of one item; one set for all but ROLLUP, CUBE and GROUPING SETS.
    fn group_item(&mut self, env: &mut Env, item: &GroupItem, keys: &mut Keys) -> Result<Vec<Vec<usize>>> {
        Ok(match &item.kind {
            GroupItemKind::Expr(e) => vec![self.group_expr(env, e, keys)?],
            GroupItemKind::Set(exprs) => {
                let mut set = Vec::new();
                for e in exprs {
                    set = union(&set, &self.group_expr(env, e, keys)?);
                }
                vec![set]
            }
            GroupItemKind::Rollup(items) => {
                let parts = self.group_parts(env, items, keys)?;
                (0..=parts.len()).rev().map(|n| parts[..n].iter().fold(Vec::new(), |a, b| union(&a, b))).collect()
            }
            GroupItemKind::Cube(items) => {
                let parts = self.group_parts(env, items, keys)?;
                if parts.len() > 10 {
                    return Err(self.unsupported(item.span, "CUBE of more than 10 columns"));
                }
                let width = parts.len();
                let set = |bits: usize| (0..width).filter(|i| bits >> (width - 1 - i) & 1 == 1).fold(Vec::new(), |a, i| union(&a, &parts[i]));
                (0..1usize << width).rev().map(set).collect()
            }
            GroupItemKind::GroupingSets(items) => {
                let mut sets = Vec::new();
                for inner in items {
                    sets.extend(self.group_item(env, inner, keys)?);
                }
                sets
            }
        })
    }

    fn group_parts(&mut self, env: &mut Env, items: &[GroupItem], keys: &mut Keys) -> Result<Vec<Vec<usize>>> {
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            parts.extend(self.group_item(env, item, keys)?);
        }
        Ok(parts)
    }

    fn group_expr(&mut self, env: &mut Env, written: &ast::Expr, keys: &mut Keys) -> Result<Vec<usize>> {
        if let Some(call) = window::group_window_call(written) {
            if keys.window.is_some() {
                return Err(self.invalid(written.span, "only one group window is allowed in GROUP BY"));
            }
            keys.window = Some(self.bind_group_window(env, written.span, call)?);
            return Ok(Vec::new());
        }
        if let Some(call) = collect::aggregates([written]).first() {
            return Err(self.invalid(call.span, "an aggregate function cannot stand in GROUP BY"));
        }
        let bound = self.expr(env, written)?;
        let at = keys.exprs.iter().position(|k| *k == bound);
        Ok(vec![at.unwrap_or_else(|| {
            keys.exprs.push(bound);
            keys.exprs.len() - 1
        })])
    }

    // ---- calls

    fn aggregate_call(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Call> {
        match &written.kind {
            ExprKind::Function(call) => self.named_aggregate(env, written.span, call),
            ExprKind::Json(call) => self.json_aggregate(env, written.span, call),
            _ => Err(Error::internal("not an aggregate call").at(self.at(written.span))),
        }
    }

    fn named_aggregate(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall) -> Result<Call> {
        let name = function_name(call);
        for e in collect::children(&ast::Expr::new(ExprKind::Function(Box::new(call.clone())), span)) {
            if let Some(inner) = collect::aggregates([e]).first() {
                return Err(self.invalid(inner.span, "aggregate functions cannot be nested"));
            }
            if let Some(inner) = collect::overs([e]).first() {
                return Err(self.invalid(inner.span, "an OVER call cannot stand inside an aggregate function").with_remedy("compute it in a subquery"));
            }
        }
        self.check_clauses(span, call, &name)?;
        let args = self.call_args(env, call, &name)?;
        let filter = match &call.filter {
            Some(f) => Some(self.condition(env, f, "FILTER")?),
            None => None,
        };
        let (function, args) = match name.as_str() {
            "GROUPING" | "GROUPING_ID" => (CallFunction::Grouping(args), Vec::new()),
            "GROUP_ID" => (CallFunction::GroupId, Vec::new()),
            "ARRAY_AGG" if call.nulls == Some(ast::NullTreatment::Ignore) => {
                let args = args.into_iter().chain([Expr::string("IGNORE NULLS")]).collect();
                (CallFunction::Aggregate(self.aggregate_function(span, &name)?), args)
            }
            _ => (CallFunction::Aggregate(self.aggregate_function(span, &name)?), args),
        };
        Ok(Call { function, args, filter, distinct: call.quantifier == Some(ast::SetQuantifier::Distinct), span })
    }

    pub(super) fn aggregate_function(&self, span: Span, name: &str) -> Result<Arc<dyn AggregateFunction>> {
        aggregate::aggregate_function(name).ok_or_else(|| self.unsupported(span, format!("aggregate function {name} is not supported")))
    }

    /// Refuses what may follow a call but not this one.
    pub(super) fn check_clauses(&self, span: Span, call: &ast::FunctionCall, name: &str) -> Result<()> {
        if !call.within_group.is_empty() {
            return Err(self.unsupported(span, format!("WITHIN GROUP is not supported for {name}")));
        }
        if !call.order_by.is_empty() {
            return Err(self.unsupported(span, format!("ORDER BY inside {name} is not supported")));
        }
        if call.nulls == Some(ast::NullTreatment::Ignore) && !matches!(name, "FIRST_VALUE" | "LAST_VALUE" | "ARRAY_AGG") {
            return Err(self.unsupported(span, format!("IGNORE NULLS is not supported for {name}")));
        }
        Ok(())
    }

    /// The plain arguments; `COUNT(*)` has none.
    pub(super) fn call_args(&mut self, env: &mut Env, call: &ast::FunctionCall, name: &str) -> Result<Vec<Expr>> {
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            match &arg.value {
                FunctionArgValue::Expr(e) if arg.name.is_none() => args.push(self.expr(env, e)?),
                FunctionArgValue::Wildcard if name == "COUNT" && call.args.len() == 1 => {}
                FunctionArgValue::Wildcard => return Err(self.invalid(arg.span, format!("'*' is for COUNT only, not for {name}"))),
                _ => return Err(self.invalid(arg.span, format!("{name} takes values only"))),
            }
        }
        Ok(args)
    }

    fn json_aggregate(&mut self, env: &mut Env, span: Span, call: &JsonCall) -> Result<Call> {
        let (name, mut args, on_null) = match call {
            JsonCall::ObjectAgg { key, value, on_null } => {
                ("JSON_OBJECTAGG", vec![self.expr(env, key)?, self.expr(env, value)?], on_null.unwrap_or(JsonOnNull::Null))
            }
            JsonCall::ArrayAgg { item, order_by, on_null } => {
                if let Some(o) = order_by.first() {
                    return Err(self.unsupported(o.span, "ORDER BY inside JSON_ARRAYAGG is not supported"));
                }
                ("JSON_ARRAYAGG", vec![self.expr(env, item)?], on_null.unwrap_or(JsonOnNull::Absent))
            }
            _ => return Err(Error::internal("not a JSON aggregate").at(self.at(span))),
        };
        args.push(Expr::string(super::special::on_null_text(on_null)));
        Ok(Call { function: CallFunction::Aggregate(self.aggregate_function(span, name)?), args, filter: None, distinct: false, span })
    }

    // ---- the node

    /// Puts the aggregation over `env`'s plan. Gives the calls' columns.
    fn aggregate(&mut self, env: &mut Env, keys: &Keys, calls: Vec<Call>) -> Result<Vec<Expr>> {
        let mut needed: Vec<(String, Expr)> = Vec::new();
        for (i, key) in keys.exprs.iter().enumerate() {
            let name = key_name(key, &env.plan, i);
            need(&mut needed, name, key.clone());
        }
        let is_grouped_set = |i: usize| keys.sets.as_ref().is_none_or(|sets| sets.iter().all(|s| s.contains(&i)));
        let mut bound: Vec<LogicalCall> = Vec::with_capacity(calls.len());
        // Where each call's value is: its place among the bound ones, or nowhere if it is the constant 0.
        let mut places = Vec::with_capacity(calls.len());
        for call in calls {
            let at = |e: Error| e.at(self.at(call.span));
            let (function, args, returns) = match call.function {
                CallFunction::Grouping(of) => {
                    let mut positions = Vec::with_capacity(of.len());
                    for e in of {
                        let position = keys.exprs.iter().position(|k| *k == e);
                        positions.push(position.ok_or_else(|| self.invalid(call.span, "the argument of GROUPING must be an expression of GROUP BY"))?);
                    }
                    (LogicalFunction::Grouping { keys: positions }, Vec::new(), SqlType::not_null(DataType::BigInt))
                }
                CallFunction::GroupId => {
                    let sets: Vec<_> = keys.sets.iter().flatten().map(|s| sorted(s)).collect();
                    if (1..sets.len()).any(|i| sets[..i].contains(&sets[i])) {
                        return Err(self.unsupported(call.span, "GROUP_ID with repeated grouping sets is not supported"));
                    }
                    (LogicalFunction::Grouping { keys: Vec::new() }, Vec::new(), SqlType::not_null(DataType::BigInt))
                }
                CallFunction::Aggregate(function) => {
                    let arguments: Vec<_> = call.args.iter().map(argument).collect();
                    let signature = function.bind(&arguments).map_err(at)?;
                    let args: Vec<Expr> = call.args.into_iter().zip(&signature.args).map(|(a, t)| coerce(a, t)).collect();
                    let returns = function.returns(&signature, keys.exprs.is_empty() || call.filter.is_some());
                    (LogicalFunction::Aggregate { function, signature }, args, returns)
                }
            };
            let args = args.into_iter().map(|a| need(&mut needed, "$f".to_string(), a)).collect();
            let filter = call.filter.map(|f| need(&mut needed, "$f".to_string(), f));
            if keys.sets.is_none() && matches!(function, LogicalFunction::Grouping { .. }) {
                places.push(None);
                continue;
            }
            places.push(Some(bound.len()));
            let name = format!("EXPR${}", bound.len());
            bound.push(LogicalCall { function, args, distinct: call.distinct, filter, name, sql_type: returns });
        }
        let (input, positions) = narrow(env.take_plan(), needed);
        let key_positions: Vec<usize> = (0..keys.exprs.len()).map(|i| positions[i]).collect();
        let mut columns: Vec<PlanColumn> = Vec::with_capacity(key_positions.len() + bound.len());
        for (i, &k) in key_positions.iter().enumerate() {
            let key = &input.columns[k];
            let time = if is_window_column(&input, k) { key.time } else { TimeAttribute::None };
            columns.push(PlanColumn { name: key.name.clone(), sql_type: key.sql_type.with_nullable(key.sql_type.nullable || !is_grouped_set(i)), time });
        }
        let moved = |c: LogicalCall| LogicalCall { args: c.args.into_iter().map(|a| positions[a]).collect(), filter: c.filter.map(|f| positions[f]), ..c };
        let calls: Vec<LogicalCall> = bound.into_iter().map(moved).collect();
        columns.extend(calls.iter().map(|c| PlanColumn::new(&c.name, c.sql_type.clone())));
        let width = key_positions.len();
        env.plan = Plan::new(Node::Aggregate(Aggregate { input: Box::new(input), keys: key_positions, sets: keys.sets.clone(), calls }), columns);
        Ok(places.into_iter().map(|place| place.map_or_else(|| Expr::bigint(0), |i| super::column(&env.plan, width + i))).collect())
    }
}

fn key_name(key: &Expr, plan: &Plan, i: usize) -> String {
    match key {
        Expr::Column { index, .. } => plan.columns.get(*index).map_or_else(|| format!("$k{i}"), |c| c.name.clone()),
        _ => format!("$k{i}"),
    }
}

fn need(needed: &mut Vec<(String, Expr)>, name: String, expr: Expr) -> usize {
    match needed.iter().position(|(_, e)| *e == expr && e.is_deterministic()) {
        Some(i) => i,
        None => {
            needed.push((name, expr));
            needed.len() - 1
        }
    }
}

/// A plan that has the values, and where: the plan itself if they are all columns of it.
pub(super) fn narrow(plan: Plan, needed: Vec<(String, Expr)>) -> (Plan, Vec<usize>) {
    let columns: Option<Vec<usize>> = needed
        .iter()
        .map(|(_, e)| match e {
            Expr::Column { index, .. } => Some(*index),
            _ => None,
        })
        .collect();
    match columns {
        Some(columns) => (plan, columns),
        None => {
            let positions = (0..needed.len()).collect();
            (project(plan, needed), positions)
        }
    }
}

/// Whether the column is a window's time, which stays a time attribute when windows are grouped by.
fn is_window_column(plan: &Plan, index: usize) -> bool {
    match &plan.node {
        Node::Window(n) => index == n.input.columns.len() + 2 || index < n.input.columns.len() && is_window_column(&n.input, index),
        Node::Project { input, exprs } => matches!(exprs[index], Expr::Column { index, .. } if is_window_column(input, index)),
        Node::Filter { input, .. } => is_window_column(input, index),
        Node::Over(n) => index < n.input.columns.len() && is_window_column(&n.input, index),
        Node::Sort(n) => is_window_column(&n.input, index),
        Node::Correlate(n) => index < n.input.columns.len() && is_window_column(&n.input, index),
        Node::Aggregate(n) => n.keys.get(index).is_some_and(|&k| is_window_column(&n.input, k)),
        Node::Union { inputs } => inputs.iter().all(|i| is_window_column(i, index)),
        Node::Join(n) => {
            let width = n.left.columns.len();
            if index < width { is_window_column(&n.left, index) } else { is_window_column(&n.right, index - width) }
        }
        _ => false,
    }
}

fn union(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut all = a.to_vec();
    all.extend(b.iter().filter(|i| !a.contains(i)));
    all
}

fn sorted(set: &[usize]) -> Vec<usize> {
    let mut sorted = set.to_vec();
    sorted.sort_unstable();
    sorted
}
