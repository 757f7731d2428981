//! FROM: tables, views, named queries, subqueries and table functions.

use std::sync::Arc;

use brisk_core::{Column, DataType, Result, SqlType};
use brisk_functions::{Expr, table};
use brisk_parser::Span;
use brisk_parser::ast::{self, FunctionArgValue, HintArgs, TableRefKind};

use super::collect::function_name;
use super::expr::{argument, nearest};
use super::scope::{Found, Relation, Scope, ScopeColumn};
use super::{Binder, Cte, Env, MAX_VIEW_DEPTH, nothing, one_row, window};
use crate::catalog::{CatalogObject, Table, TableColumnKind, View};
use crate::logical::{Correlate, Node, Plan, PlanColumn, TimeAttribute};

impl Binder<'_> {
    /// All of FROM; commas are cross joins.
    pub(super) fn from(&mut self, items: &[ast::TableRef]) -> Result<Env> {
        let Some((first, others)) = items.split_first() else { return Ok(Env::new(one_row(), Scope::default())) };
        let mut env = self.table_ref(first)?;
        for item in others {
            env = self.join_item(env, item, ast::JoinKind::Cross, false, &ast::JoinConstraint::None, item.span)?;
        }
        Ok(env)
    }

    /// An item that uses nothing of what stands before it.
    pub(super) fn table_ref(&mut self, item: &ast::TableRef) -> Result<Env> {
        let env = match &item.kind {
            TableRefKind::Table { system_time: Some(time), .. } => {
                let error = self.unsupported(time.span, "FOR SYSTEM_TIME AS OF is for the right side of a join only");
                return Err(error.with_remedy("join: FROM a JOIN b FOR SYSTEM_TIME AS OF a.time ON .."));
            }
            TableRefKind::Table { name, hints, .. } => self.named_table(name, hints)?,
            TableRefKind::Query { query, .. } => {
                let plan = self.query(query)?;
                let scope = Scope::of_plan(&plan);
                Env::new(plan, scope)
            }
            TableRefKind::Function { call, .. } if window::is_window_function(&function_name(call)) => self.window_function(call)?,
            TableRefKind::Function { .. } | TableRefKind::Unnest { .. } => {
                return self.correlate(Env::new(one_row(), Scope::default()), item, false);
            }
            TableRefKind::Join(join) => {
                let left = self.table_ref(&join.left)?;
                return self.join_item(left, &join.right, join.kind, join.natural, &join.constraint, join.span);
            }
            TableRefKind::MatchRecognize(clause) => self.match_recognize(clause)?,
        };
        self.aliased(env, item.alias.as_ref())
    }

    /// Gives the columns the name of the relation, and names of their own if there are any.
    pub(super) fn aliased(&self, mut env: Env, alias: Option<&ast::TableAlias>) -> Result<Env> {
        let Some(alias) = alias else { return Ok(env) };
        if !alias.columns.is_empty() {
            self.rename(&mut env.plan, &alias.columns, alias.span, &alias.name.value)?;
        }
        env.scope = Scope::of(vec![alias.name.value.clone()], &env.plan.columns);
        Ok(env)
    }

    pub(super) fn rename(&self, plan: &mut Plan, names: &[ast::Ident], span: Span, of: &str) -> Result<()> {
        if names.len() != plan.columns.len() {
            return Err(self.invalid(span, format!("`{of}` has {} columns, but {} names are given", plan.columns.len(), names.len())));
        }
        let renamed = names.iter().zip(&plan.columns).enumerate().map(|(i, (n, c))| (n.value.clone(), Expr::column(i, c.sql_type.clone()))).collect();
        let old = std::mem::replace(plan, nothing());
        *plan = super::project(old, renamed);
        Ok(())
    }

    // ---- tables by name

    pub(super) fn named_table(&mut self, name: &ast::ObjectName, hints: &[ast::Hint]) -> Result<Env> {
        if let [only] = name.parts.as_slice()
            && let Some(Cte { name, plan }) = self.ctes.iter().rev().find(|c| c.name == only.value)
        {
            return Ok(Env::new(plan.clone(), Scope::of(vec![name.clone()], &plan.columns)));
        }
        let path = self.catalog.path(&name.values(), &self.namespace);
        let plan = match path.as_ref().and_then(|p| self.catalog.get(p)) {
            Some(CatalogObject::Table(table)) => scan(self.with_hints(table, hints)),
            Some(CatalogObject::View(view)) => {
                let view = view.clone();
                self.view(&view, name.span)?
            }
            None => return Err(self.no_such_table(name)),
        };
        let path = path.expect("something was found under it");
        let scope = Scope::of(vec![path.catalog, path.database, path.name], &plan.columns);
        Ok(Env::new(plan, scope))
    }

    pub(super) fn no_such_table(&self, name: &ast::ObjectName) -> brisk_core::Error {
        let known = self.catalog.names(&self.namespace);
        let named = self.ctes.iter().map(|c| c.name.as_str());
        let error = self.invalid(name.span, format!("there is no table or view `{}`", name.values().join(".")));
        match nearest(&name.last().value, known.iter().map(String::as_str).chain(named)) {
            Some(near) => error.with_remedy(format!("did you mean `{near}`?")),
            None => error.with_remedy("create it before it is used"),
        }
    }

    /// The table with what OPTIONS hints change. Other hints advise how to run a query and change nothing here.
    pub(super) fn with_hints(&self, table: &Arc<Table>, hints: &[ast::Hint]) -> Arc<Table> {
        let mut options = Vec::new();
        for hint in hints.iter().filter(|h| h.name.value.eq_ignore_ascii_case("OPTIONS")) {
            if let HintArgs::KeyValues(pairs) = &hint.args {
                options.extend(pairs.iter().map(|(k, v)| (k.clone(), v.clone(), self.at(hint.span))));
            }
        }
        if options.is_empty() {
            return table.clone();
        }
        let mut changed = (**table).clone();
        for (key, value, at) in options {
            changed.option_positions.insert(key.clone(), at);
            changed.options.insert(key, value);
        }
        Arc::new(changed)
    }

    /// The query of a view, bound where the view was created.
    fn view(&mut self, view: &View, span: Span) -> Result<Plan> {
        if self.view_depth >= MAX_VIEW_DEPTH {
            return Err(self.invalid(span, format!("view `{}` stands on more than {MAX_VIEW_DEPTH} views, or on itself", view.name)));
        }
        let mut inner = Binder {
            catalog: self.catalog,
            namespace: view.namespace.clone(),
            context: self.context.clone(),
            places: super::place::Places::fixed(self.at(span)),
            ctes: Vec::new(),
            outer: Vec::new(),
            view_depth: self.view_depth + 1,
        };
        let mut plan = inner.query(&view.query).map_err(|e| e.context(format!("view `{}`", view.name)))?;
        if plan.columns.len() != view.columns.len() {
            return Err(
                self.invalid(span, format!("view `{}` had {} columns when it was created and has {} now", view.name, view.columns.len(), plan.columns.len()))
            );
        }
        for (column, name) in plan.columns.iter_mut().zip(&view.columns) {
            column.name.clone_from(name);
        }
        Ok(plan)
    }

    // ---- table functions over what stands before them

    /// UNNEST or a table function: each row of `left` with each row that the function gives of it.
    pub(super) fn correlate(&mut self, mut left: Env, item: &ast::TableRef, outer: bool) -> Result<Env> {
        let ordinality = matches!(item.kind, TableRefKind::Unnest { with_ordinality: true, .. });
        let (name, args, span) = match &item.kind {
            TableRefKind::Unnest { exprs, .. } => ("UNNEST".to_string(), self.exprs(&mut left, exprs)?, item.span),
            TableRefKind::Function { call, .. } => {
                let name = function_name(call);
                let mut args = Vec::with_capacity(call.args.len());
                for arg in &call.args {
                    match &arg.value {
                        FunctionArgValue::Expr(e) if arg.name.is_none() => args.push(self.expr(&mut left, e)?),
                        _ => return Err(self.unsupported(arg.span, format!("table function {} takes values only", call.name.last().value))),
                    }
                }
                (name, args, call.span)
            }
            _ => return Err(self.invalid(item.span, "not a table function")),
        };
        let function = table::table_function(&name);
        let function = function
            .ok_or_else(|| self.unsupported(span, format!("there is no table function {name}")).with_remedy("UNNEST(..) expands arrays, maps and multisets"))?;
        let arguments: Vec<_> = args.iter().map(argument).collect();
        let schema = function.bind(&arguments).map_err(|e| e.at(self.at(span)))?;
        let counted = ordinality.then(|| Column::new("ORDINALITY", SqlType::not_null(DataType::Int)));
        let made = schema.columns.iter().chain(&counted).map(|c| PlanColumn::new(&c.name, c.sql_type.with_nullable(c.sql_type.nullable || outer)));
        let mut made: Vec<PlanColumn> = made.collect();
        if let Some(alias) = &item.alias
            && !alias.columns.is_empty()
        {
            if alias.columns.len() != made.len() {
                return Err(self.invalid(alias.span, format!("`{}` has {} columns, but {} names are given", alias.name.value, made.len(), alias.columns.len())));
            }
            for (column, name) in made.iter_mut().zip(&alias.columns) {
                column.name.clone_from(&name.value);
            }
        }
        // Subqueries among the arguments may have widened the plan; what they added is of no use above.
        let width = left.scope.columns.len();
        let input = left.take_plan();
        let input_width = input.columns.len();
        let columns: Vec<PlanColumn> = input.columns.iter().chain(&made).cloned().collect();
        let mut plan = Plan::new(Node::Correlate(Correlate { input: Box::new(input), function, args, ordinality, outer }), columns);
        if input_width > width {
            let kept = (0..width).chain(input_width..plan.columns.len());
            let kept = kept.map(|i| (plan.columns[i].name.clone(), super::column(&plan, i))).collect();
            plan = super::project(plan, kept);
        }
        let path = item.alias.iter().map(|a| a.name.value.clone()).collect();
        let base = left.scope.columns.len();
        let mut scope = left.scope;
        scope.relations.push(Relation { path, columns: base..base + made.len() });
        scope.columns.extend(made.iter().map(ScopeColumn::from));
        Ok(Env::new(plan, scope))
    }

    /// The column of the left side that FOR SYSTEM_TIME AS OF names.
    pub(super) fn as_of(&mut self, left: &mut Env, time: &ast::Expr) -> Result<usize> {
        let found = match time.as_name().map(|n| n.values()) {
            Some(parts) if parts.len() > 1 => left.scope.in_relation(&parts[..parts.len() - 1], parts[parts.len() - 1]),
            Some(parts) => left.scope.by_name(parts[0]),
            None => Found::Nothing,
        };
        match found {
            Found::Expr(Expr::Column { index, .. }) if left.plan.columns[index].time != TimeAttribute::None => Ok(index),
            Found::Ambiguous => Err(self.invalid(time.span, "the column is ambiguous").with_remedy("write the table's name or alias before it")),
            _ => {
                let error = self.invalid(time.span, "FOR SYSTEM_TIME AS OF needs a time attribute of the left side");
                Err(error.with_remedy("name a column with a WATERMARK, or one AS PROCTIME()"))
            }
        }
    }
}

/// All columns of a table.
pub fn scan(table: Arc<Table>) -> Plan {
    let rowtime = table.watermark.as_ref().map(|w| w.column);
    let column = |(i, c): (usize, &crate::catalog::TableColumn)| {
        let is_proctime = matches!(&c.kind, TableColumnKind::Computed { expr: Expr::Call { function, .. }, .. } if function.name() == "PROCTIME");
        let time = match (rowtime == Some(i), is_proctime) {
            (true, _) => TimeAttribute::Rowtime,
            (_, true) => TimeAttribute::Proctime,
            _ => TimeAttribute::None,
        };
        PlanColumn { time, ..PlanColumn::new(&c.name, c.sql_type.clone()) }
    };
    let columns = table.columns.iter().enumerate().map(column).collect();
    Plan::new(Node::Scan(table), columns)
}

/// Columns of an outer side may be NULL.
pub(super) fn nullable(columns: &mut [PlanColumn]) {
    for c in columns {
        c.sql_type = SqlType { nullable: true, ..c.sql_type.clone() };
    }
}
