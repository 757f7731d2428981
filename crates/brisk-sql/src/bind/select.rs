//! SELECT: its clauses in the order in which they compute.

use std::collections::HashSet;

use brisk_core::{DataType, Result};
use brisk_functions::Expr;
use brisk_parser::ast::{self, ExprKind, SelectItemKind, SetQuantifier};

use super::query::{named, sort_key};
use super::scope::{Found, RAW, Scope};
use super::subquery::distinct;
use super::{Binder, Env, collect, project};
use crate::logical::{Plan, SortKey};

/// How the names of columns begin that are there to be ordered by only.
pub(super) const HIDDEN: &str = "$order";

impl Binder<'_> {
    /// The columns of the select list, behind them hidden ones that ORDER BY needs, and the order.
    pub(super) fn select(&mut self, select: &ast::Select, order_by: &[ast::OrderItem]) -> Result<(Plan, Vec<SortKey>)> {
        let mut env = self.from(&select.from)?;
        if let Some(filter) = &select.filter {
            self.refuse_calls(filter, "WHERE")?;
            self.where_clause(&mut env, filter, "WHERE")?;
        }
        let uses = later_uses(select, order_by);
        let is_grouped = select.group_by.is_some() || select.having.is_some() || !collect::aggregates(uses.iter().copied()).is_empty();
        if is_grouped {
            self.group(&mut env, select.group_by.as_ref(), &uses)?;
        }
        if let Some(having) = &select.having {
            self.where_clause(&mut env, having, "HAVING")?;
        }
        self.over_calls(&mut env, &select.windows, &uses)?;
        if let Some(qualify) = &select.qualify {
            self.where_clause(&mut env, qualify, "QUALIFY")?;
        }
        let mut items = self.items(&mut env, &select.items)?;
        let visible = items.len();
        let is_distinct = select.quantifier == Some(SetQuantifier::Distinct);
        let keys = self.order(&mut env, order_by, &select.items, &mut items, is_distinct)?;
        let mut shown = Vec::with_capacity(items.len());
        for (name, e) in items {
            shown.push((name, e.fold(&self.context)?));
        }
        debug_assert!(visible <= shown.len());
        let plan = project(env.take_plan(), shown);
        Ok((if is_distinct { distinct(plan) } else { plan }, keys))
    }

    fn refuse_calls(&self, written: &ast::Expr, clause: &str) -> Result<()> {
        if let Some(call) = collect::aggregates([written]).first() {
            return Err(self.invalid(call.span, format!("an aggregate function cannot stand in {clause}")).with_remedy("use HAVING, or a subquery"));
        }
        if let Some(call) = collect::overs([written]).first() {
            return Err(self.invalid(call.span, format!("an OVER call cannot stand in {clause}")).with_remedy("use QUALIFY, or a subquery"));
        }
        Ok(())
    }

    // ---- the list

    fn items(&mut self, env: &mut Env, items: &[ast::SelectItem]) -> Result<Vec<(String, Expr)>> {
        let mut bound: Vec<(String, Expr)> = Vec::with_capacity(items.len());
        let mut names = HashSet::new();
        for item in items {
            match &item.kind {
                SelectItemKind::Expr { expr: ast::Expr { kind: ExprKind::AllFields(row), .. }, .. } => {
                    let row = self.value(env, row)?;
                    self.fields(item, row, &mut bound, &mut names)?;
                }
                SelectItemKind::Expr { expr, alias } => {
                    let name = match alias {
                        Some(alias) => alias.value.clone(),
                        None => derived_name(expr).unwrap_or_else(|| format!("EXPR${}", bound.len())),
                    };
                    let value = self.value(env, expr)?;
                    names.insert(name.clone());
                    bound.push((name, value));
                }
                SelectItemKind::Wildcard => {
                    let all = env.scope.star();
                    if all.is_empty() {
                        return Err(self.invalid(item.span, "'*' needs a FROM"));
                    }
                    self.star(env, item, all, &mut bound, &mut names)?;
                }
                SelectItemKind::QualifiedWildcard(name) => match self.qualified_star(env, name) {
                    Some(all) => self.star(env, item, all, &mut bound, &mut names)?,
                    None => {
                        let row = self.value(env, &ast::Expr::new(ExprKind::Name(name.clone()), name.span))?;
                        self.fields(item, row, &mut bound, &mut names)?;
                    }
                },
            }
        }
        Ok(bound)
    }

    fn qualified_star(&self, env: &Env, name: &ast::ObjectName) -> Option<Vec<(String, Expr)>> {
        let path = name.values();
        let mut relations = env.scope.relations_called(&path).peekable();
        relations.peek()?;
        let columns = relations.flat_map(|r| r.columns.clone());
        Some(columns.map(|i| (env.scope.columns[i].name.clone(), env.scope.column(i))).collect())
    }

    fn star(
        &mut self,
        env: &Env,
        item: &ast::SelectItem,
        all: Vec<(String, Expr)>,
        bound: &mut Vec<(String, Expr)>,
        names: &mut HashSet<String>,
    ) -> Result<()> {
        for (name, e) in all {
            let e = match &env.grouped {
                Some(grouped) => {
                    let e = grouped.replace(e.map_columns(&mut |i| RAW | i));
                    if e.columns().iter().any(|i| i & RAW != 0) {
                        return Err(self.invalid(item.span, format!("`{name}` is not being grouped")).with_remedy("name the columns instead of '*'"));
                    }
                    e
                }
                None => e,
            };
            bound.push((unique(name, names), e));
        }
        Ok(())
    }

    /// The fields of a row: `row.*`.
    fn fields(&self, item: &ast::SelectItem, row: Expr, bound: &mut Vec<(String, Expr)>, names: &mut HashSet<String>) -> Result<()> {
        let DataType::Row(fields) = row.sql_type().data_type else {
            return Err(self.invalid(item.span, format!("'.*' needs a table or a ROW before it, not {}", row.sql_type().data_type)));
        };
        for (i, field) in fields.iter().enumerate() {
            let value = self.field_at(item.span, row.clone(), i)?;
            bound.push((unique(field.name.clone(), names), value));
        }
        Ok(())
    }

    // ---- ORDER BY

    /// The sort keys: positions in the list, to which what is not shown is added.
    fn order(
        &mut self,
        env: &mut Env,
        order_by: &[ast::OrderItem],
        written: &[ast::SelectItem],
        items: &mut Vec<(String, Expr)>,
        is_distinct: bool,
    ) -> Result<Vec<SortKey>> {
        let visible = items.len();
        let output = Scope::of(Vec::new(), &items.iter().map(|(n, e)| crate::logical::PlanColumn::new(n, e.sql_type())).collect::<Vec<_>>());
        let mut keys = Vec::with_capacity(order_by.len());
        for item in order_by {
            if let Some(column) = self.ordinal(item, visible)? {
                keys.push(sort_key(item, column));
                continue;
            }
            if let Some(column) = self.shown(&item.expr, &output, written, items) {
                keys.push(sort_key(item, column));
                continue;
            }
            let value = self.value(env, &item.expr)?;
            let column = match items[..visible].iter().position(|(_, e)| *e == value) {
                Some(column) => column,
                None if is_distinct => {
                    return Err(self.invalid(item.span, "with DISTINCT, ORDER BY takes columns of the select list only"));
                }
                None => {
                    items.push((format!("{HIDDEN}{}", items.len() - visible), value));
                    items.len() - 1
                }
            };
            keys.push(sort_key(item, column));
        }
        Ok(keys)
    }

    /// The column of the list that an expression of ORDER BY names, by alias or by being the same.
    fn shown(&self, expr: &ast::Expr, output: &Scope, written: &[ast::SelectItem], items: &[(String, Expr)]) -> Option<usize> {
        if let Some(name) = expr.as_name()
            && let [only] = name.parts.as_slice()
        {
            return match output.by_name(&only.value) {
                Found::Nothing => None,
                _ => named(output, &only.value).or_else(|| items.iter().position(|(n, _)| *n == only.value)),
            };
        }
        // Only where every item is one column do positions in the list tell the column.
        let plain = written.iter().all(|i| matches!(&i.kind, SelectItemKind::Expr { expr, .. } if !matches!(expr.kind, ExprKind::AllFields(_))));
        if !plain {
            return None;
        }
        written.iter().position(|i| matches!(&i.kind, SelectItemKind::Expr { expr: e, .. } if e == expr))
    }
}

/// What may hold aggregate and OVER calls.
fn later_uses<'s>(select: &'s ast::Select, order_by: &'s [ast::OrderItem]) -> Vec<&'s ast::Expr> {
    let mut uses = Vec::new();
    for item in &select.items {
        if let SelectItemKind::Expr { expr, .. } = &item.kind {
            uses.push(expr);
        }
    }
    uses.extend(&select.having);
    uses.extend(&select.qualify);
    for window in &select.windows {
        uses.extend(&window.spec.partition_by);
        uses.extend(window.spec.order_by.iter().map(|o| &o.expr));
    }
    uses.extend(order_by.iter().map(|o| &o.expr));
    uses
}

/// The name that a column has by itself.
fn derived_name(expr: &ast::Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.last().value.clone()),
        ExprKind::Field { name, .. } => Some(name.value.clone()),
        ExprKind::Function(call) if !call.parentheses => Some(call.name.last().value.clone()).filter(|n| brisk_functions::scalar::scalar_function(n).is_none()),
        _ => None,
    }
}

/// The name, with a number where it was used before: `id`, `id0`, `id1`.
fn unique(name: String, names: &mut HashSet<String>) -> String {
    let mut candidate = name.clone();
    let mut n = 0;
    while !names.insert(candidate.clone()) {
        candidate = format!("{name}{n}");
        n += 1;
    }
    candidate
}
