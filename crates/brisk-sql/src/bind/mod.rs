//! The binder: from the syntax tree to the logical plan. Names are resolved, types settled, casts made explicit,
//! subqueries turned into joins, and what Flink refuses is refused, with its place.
//!
//! ```text
//!   query -> select: FROM (from, join, window) -> WHERE -> GROUP BY (aggregate) -> HAVING -> OVER (over)
//!                    -> QUALIFY -> the list -> DISTINCT -> ORDER BY
//!   expr, call, special: expressions       subquery, decorrelate: subqueries       scope: names
//! ```
//!
//! A query block binds its expressions over one row, an [`Env`]: a plan that grows to the right where expressions need
//! columns of their own (subqueries, OVER calls), and the scope that gives its first columns names.

mod aggregate;
mod call;
mod collect;
mod decorrelate;
mod expr;
mod from;
mod insert;
mod join;
mod literal;
mod match_recognize;
mod over;
pub mod place;
mod query;
mod scope;
mod select;
mod set_operation;
mod special;
mod subquery;
pub mod table;
#[cfg(test)]
mod tests;
pub mod types;
mod window;

use brisk_core::{Error, Position, Result};
use brisk_functions::{EvalContext, Expr};
use brisk_parser::Span;
use brisk_parser::ast;

use crate::catalog::{Catalog, Namespace};
use crate::logical::{Node, Plan, PlanColumn, TimeAttribute};
use aggregate::Grouped;
pub use collect::children;
use match_recognize::PatternRow;
use place::Places;
use scope::Scope;

/// How deep views may stand on views.
const MAX_VIEW_DEPTH: usize = 64;

/// Binds the parts of one statement.
pub struct Binder<'a> {
    catalog: &'a Catalog,
    /// Where names without a catalog or database are looked up.
    namespace: Namespace,
    context: EvalContext,
    places: Places,
    /// WITH: the queries that have names, the innermost last.
    ctes: Vec<Cte>,
    /// The scopes of the enclosing queries, the innermost last.
    outer: Vec<Scope>,
    view_depth: usize,
}

#[derive(Clone)]
struct Cte {
    name: String,
    plan: Plan,
}

/// The row that expressions are bound over.
pub(crate) struct Env {
    plan: Plan,
    scope: Scope,
    /// Set behind GROUP BY: the scope's columns are those of what was grouped.
    grouped: Option<Grouped>,
    /// Calls that stand in the plan as columns already: aggregates, OVER calls.
    known: Vec<(ast::Expr, Expr)>,
    /// Why a subquery cannot stand here, if it cannot.
    no_subquery: Option<&'static str>,
    /// Set inside DEFINE and MEASURES.
    pattern: Option<PatternRow>,
}

impl Env {
    fn new(plan: Plan, scope: Scope) -> Self {
        Self { plan, scope, grouped: None, known: Vec::new(), no_subquery: None, pattern: None }
    }

    /// Adds the values of expressions as columns on the right; a plain column stays where it is. Gives the positions.
    fn extend(&mut self, exprs: Vec<(String, Expr)>) -> Vec<usize> {
        let plan = std::mem::replace(&mut self.plan, nothing());
        let (plan, positions) = extend(plan, exprs);
        self.plan = plan;
        positions
    }

    fn filter(&mut self, predicate: Expr) {
        let plan = std::mem::replace(&mut self.plan, nothing());
        self.plan = filter(plan, predicate);
    }

    fn take_plan(&mut self) -> Plan {
        std::mem::replace(&mut self.plan, nothing())
    }
}

impl<'a> Binder<'a> {
    pub fn new(catalog: &'a Catalog, context: EvalContext, places: Places) -> Self {
        Self { catalog, namespace: catalog.current().clone(), context, places, ctes: Vec::new(), outer: Vec::new(), view_depth: 0 }
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// A query by itself.
    pub fn bind_query(&mut self, query: &ast::Query) -> Result<Plan> {
        self.top_query(query)
    }

    /// An expression over named columns: a computed column, a watermark.
    pub fn bind_over(&mut self, columns: &[PlanColumn], expr: &ast::Expr) -> Result<Expr> {
        let scope = Scope::of(Vec::new(), columns);
        let plan = Plan::new(Node::Values { rows: Vec::new() }, columns.to_vec());
        let mut env = Env { no_subquery: Some("the definition of a table"), ..Env::new(plan, scope) };
        let bound = self.expr(&mut env, expr)?;
        Ok(bound)
    }

    fn at(&self, span: Span) -> Position {
        self.places.at(span)
    }

    fn invalid(&self, span: Span, message: impl Into<String>) -> Error {
        self.places.invalid(span, message)
    }

    fn unsupported(&self, span: Span, message: impl Into<String>) -> Error {
        self.places.unsupported(span, message)
    }
}

/// A plan of no rows, to stand in while a plan is rebuilt.
fn nothing() -> Plan {
    Plan::new(Node::Values { rows: Vec::new() }, Vec::new())
}

/// One row without columns: FROM nothing.
fn one_row() -> Plan {
    Plan::new(Node::Values { rows: vec![Vec::new()] }, Vec::new())
}

fn filter(plan: Plan, predicate: Expr) -> Plan {
    let columns = plan.columns.clone();
    match plan.node {
        Node::Filter { input, predicate: below } => Plan::new(Node::Filter { input, predicate: conjunction(vec![below, predicate]) }, columns),
        node => Plan::new(Node::Filter { input: Box::new(Plan::new(node, columns.clone())), predicate }, columns),
    }
}

/// A projection; columns that are passed on keep their time attribute.
fn project(plan: Plan, exprs: Vec<(String, Expr)>) -> Plan {
    let identity = exprs.len() == plan.columns.len()
        && exprs.iter().enumerate().all(|(i, (name, e))| matches!(e, Expr::Column { index, .. } if *index == i) && plan.columns[i].name == *name);
    if identity {
        return plan;
    }
    let columns = exprs.iter().map(|(name, e)| PlanColumn { time: time_of(e, &plan.columns), ..PlanColumn::new(name, e.sql_type()) }).collect();
    let exprs = exprs.into_iter().map(|(_, e)| e).collect();
    Plan::new(Node::Project { input: Box::new(plan), exprs }, columns)
}

/// Whether an expression is a time attribute: a column that is one, or PROCTIME().
fn time_of(expr: &Expr, columns: &[PlanColumn]) -> TimeAttribute {
    match expr {
        Expr::Column { index, .. } => columns.get(*index).map_or(TimeAttribute::None, |c| c.time),
        Expr::Call { function, .. } if function.name() == "PROCTIME" => TimeAttribute::Proctime,
        _ => TimeAttribute::None,
    }
}

fn extend(plan: Plan, exprs: Vec<(String, Expr)>) -> (Plan, Vec<usize>) {
    let mut all: Vec<(String, Expr)> = plan.columns.iter().enumerate().map(|(i, c)| (c.name.clone(), Expr::column(i, c.sql_type.clone()))).collect();
    let width = all.len();
    let mut positions = Vec::with_capacity(exprs.len());
    for (name, e) in exprs {
        if let Expr::Column { index, .. } = &e
            && *index < width
        {
            positions.push(*index);
            continue;
        }
        let same = (width..all.len()).find(|&i| all[i].1 == e && e.is_deterministic());
        positions.push(same.unwrap_or(all.len()));
        if same.is_none() {
            all.push((name, e));
        }
    }
    if all.len() == width {
        return (plan, positions);
    }
    (project(plan, all), positions)
}

/// All columns of a plan, as they are.
fn identity(plan: &Plan) -> Vec<(String, Expr)> {
    plan.columns.iter().enumerate().map(|(i, c)| (c.name.clone(), Expr::column(i, c.sql_type.clone()))).collect()
}

fn column(plan: &Plan, index: usize) -> Expr {
    Expr::column(index, plan.columns[index].sql_type.clone())
}

/// AND of any number of conditions; TRUE of none.
fn conjunction(parts: Vec<Expr>) -> Expr {
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Expr::And(inner) => all.extend(inner),
            other if is_true(&other) => {}
            other => all.push(other),
        }
    }
    match all.len() {
        0 => Expr::boolean(true),
        1 => all.remove(0),
        _ => Expr::And(all),
    }
}

fn is_true(expr: &Expr) -> bool {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    expr.as_literal().and_then(|v| v.as_boolean_opt()).is_some_and(|v| v.is_valid(0) && v.value(0))
}

/// The parts of an AND.
fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        other if is_true(&other) => Vec::new(),
        other => vec![other],
    }
}
