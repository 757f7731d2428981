//! Queries around SELECT: WITH, VALUES, ORDER BY and LIMIT.

use brisk_core::{Result, SqlType};
use brisk_functions::Expr;
use brisk_functions::types::common_type;
use brisk_parser::Span;
use brisk_parser::ast::{self, Literal, QueryBodyKind};

use super::expr::coerce;
use super::scope::{Found, Scope};
use super::{Binder, Cte, Env, nothing, one_row, project};
use crate::logical::{Node, Plan, PlanColumn, Sort, SortKey};

impl Binder<'_> {
    /// A query inside another: an order without a limit has no meaning there.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<Plan> {
        self.scoped(query, query.limit.is_some() || query.offset.is_some())
    }

    /// A whole statement's query.
    pub(super) fn top_query(&mut self, query: &ast::Query) -> Result<Plan> {
        self.scoped(query, true)
    }

    fn scoped(&mut self, query: &ast::Query, keeps_order: bool) -> Result<Plan> {
        let known = self.ctes.len();
        let plan = self.with(query).and_then(|()| self.ordered(query, keeps_order));
        self.ctes.truncate(known);
        plan
    }

    fn with(&mut self, query: &ast::Query) -> Result<()> {
        let Some(with) = &query.with else { return Ok(()) };
        if with.recursive {
            return Err(self.unsupported(with.span, "WITH RECURSIVE is not supported"));
        }
        for cte in &with.ctes {
            let mut plan = self.query(&cte.query)?;
            if !cte.columns.is_empty() {
                self.rename(&mut plan, &cte.columns, cte.span, &cte.name.value)?;
            }
            self.ctes.push(Cte { name: cte.name.value.clone(), plan });
        }
        Ok(())
    }

    /// The body with ORDER BY and LIMIT. A SELECT orders by what it does not show too.
    fn ordered(&mut self, query: &ast::Query, keeps_order: bool) -> Result<Plan> {
        let (plan, keys) = match &query.body.kind {
            QueryBodyKind::Select(select) => self.select(select, &query.order_by)?,
            _ => {
                let plan = self.body(&query.body)?;
                let keys = self.order_of_output(&plan, &query.order_by)?;
                (plan, keys)
            }
        };
        let visible = plan.columns.len() - hidden(&plan, &keys, query);
        let offset = self.row_count(query.offset.as_ref(), "OFFSET")?.unwrap_or(0);
        let limit = self.row_count(query.limit.as_ref(), "LIMIT")?;
        let plan = match keeps_order && (!keys.is_empty() || offset > 0 || limit.is_some()) {
            true => {
                let columns = plan.columns.clone();
                Plan::new(Node::Sort(Sort { input: Box::new(plan), keys, offset, limit }), columns)
            }
            false => plan,
        };
        if visible == plan.columns.len() {
            return Ok(plan);
        }
        let shown = super::identity(&plan).into_iter().take(visible).collect();
        Ok(project(plan, shown))
    }

    pub(super) fn body(&mut self, body: &ast::QueryBody) -> Result<Plan> {
        match &body.kind {
            QueryBodyKind::Select(select) => Ok(self.select(select, &[])?.0),
            QueryBodyKind::Values(rows) => self.values(rows, body.span),
            QueryBodyKind::Table(name) => Ok(self.named_table(name, &[])?.plan),
            QueryBodyKind::Query(query) => self.query(query),
            QueryBodyKind::SetOperation { op, all, left, right } => self.set_operation(body.span, *op, *all, left, right),
        }
    }

    fn values(&mut self, rows: &[ast::ValuesRow], span: Span) -> Result<Plan> {
        let mut env = Env { no_subquery: Some("VALUES"), ..Env::new(one_row(), Scope::default()) };
        let mut bound: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        for row in rows {
            if row.values.len() != rows[0].values.len() {
                return Err(self.invalid(row.span, "the rows of VALUES must have the same number of values"));
            }
            bound.push(self.exprs(&mut env, &row.values)?);
        }
        let mut columns = Vec::new();
        for i in 0..rows[0].values.len() {
            let types: Vec<SqlType> = bound.iter().map(|r| r[i].sql_type()).collect();
            let common = common_type(&types).ok_or_else(|| self.invalid(span, format!("the values of column {} of VALUES have no common type", i + 1)))?;
            for row in &mut bound {
                row[i] = coerce(row[i].clone(), &common);
            }
            columns.push(PlanColumn::new(format!("EXPR${i}"), common));
        }
        Ok(Plan::new(Node::Values { rows: bound }, columns))
    }

    // ---- ORDER BY and LIMIT

    /// ORDER BY of what has no input to name: positions and output columns.
    fn order_of_output(&mut self, plan: &Plan, order_by: &[ast::OrderItem]) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(order_by.len());
        for item in order_by {
            let column = match self.ordinal(item, plan.columns.len())? {
                Some(column) => column,
                None => {
                    let scope = Scope::of_plan(plan);
                    let mut env = Env { no_subquery: Some("ORDER BY"), ..Env::new(nothing(), scope) };
                    env.plan.columns = plan.columns.clone();
                    match self.expr(&mut env, &item.expr)? {
                        Expr::Column { index, .. } if index < plan.columns.len() => index,
                        _ => {
                            return Err(self
                                .unsupported(item.span, "ORDER BY behind a set operation takes columns only")
                                .with_remedy("put it around a subquery"));
                        }
                    }
                }
            };
            keys.push(sort_key(item, column));
        }
        Ok(keys)
    }

    /// The output column that a number in ORDER BY means.
    pub(super) fn ordinal(&self, item: &ast::OrderItem, columns: usize) -> Result<Option<usize>> {
        let Some(Literal::Exact(text)) = item.expr.as_literal() else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(n) if (1..=columns).contains(&n) => Ok(Some(n - 1)),
            _ => Err(self.invalid(item.span, format!("ORDER BY {text}: there are {columns} columns"))),
        }
    }

    fn row_count(&mut self, written: Option<&ast::Expr>, clause: &str) -> Result<Option<u64>> {
        let Some(written) = written else { return Ok(None) };
        let mut env = Env { no_subquery: Some("LIMIT"), ..Env::new(one_row(), Scope::default()) };
        let bound = self.expr(&mut env, written)?;
        let count = whole_number(&bound).and_then(|v| u64::try_from(v).ok());
        count.map(Some).ok_or_else(|| self.invalid(written.span, format!("{clause} must be a whole number, 0 or more")))
    }
}

pub(super) fn sort_key(item: &ast::OrderItem, column: usize) -> SortKey {
    SortKey { column, descending: item.descending, nulls_first: item.nulls_first.unwrap_or(!item.descending) }
}

/// The value of a constant INT or BIGINT.
pub(super) fn whole_number(expr: &Expr) -> Option<i64> {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, Int64Type};
    let value = expr.as_literal().filter(|v| v.is_valid(0))?;
    let small = value.as_primitive_opt::<Int32Type>().map(|v| v.value(0).into());
    small.or_else(|| value.as_primitive_opt::<Int64Type>().map(|v| v.value(0)))
}

/// How many columns at the end are there to be ordered by only.
fn hidden(plan: &Plan, keys: &[SortKey], query: &ast::Query) -> usize {
    if !matches!(query.body.kind, QueryBodyKind::Select(_)) {
        return 0;
    }
    let first = keys.iter().map(|k| k.column).filter(|c| plan.columns[*c].name.starts_with(super::select::HIDDEN)).min();
    first.map_or(0, |f| plan.columns.len() - f)
}

/// Whether a name is that of a column, for ORDER BY.
pub(super) fn named(scope: &Scope, name: &str) -> Option<usize> {
    match scope.by_name(name) {
        Found::Expr(Expr::Column { index, .. }) => Some(index),
        _ => None,
    }
}
