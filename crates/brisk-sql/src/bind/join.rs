//! Joins: ON, USING, NATURAL, commas; LATERAL, table functions and FOR SYSTEM_TIME AS OF on the right side.

use brisk_core::Result;
use brisk_functions::Expr;
use brisk_parser::Span;
use brisk_parser::ast::{self, JoinConstraint, TableRefKind};

use super::collect::{function_name, has_subquery};
use super::expr::written_conjuncts;
use super::from::nullable;
use super::scope::{Found, Merged, Scope};
use super::subquery::Subquery;
use super::{Binder, Env, conjunction, is_true, nothing, window};
use crate::logical::{Join, JoinKind, Node, Plan};

impl Binder<'_> {
    /// `left` joined with an item of FROM, which may use columns of `left` if it is LATERAL.
    pub(super) fn join_item(
        &mut self,
        left: Env,
        item: &ast::TableRef,
        kind: ast::JoinKind,
        natural: bool,
        constraint: &JoinConstraint,
        span: Span,
    ) -> Result<Env> {
        match &item.kind {
            TableRefKind::Unnest { .. } => self.correlated_join(left, item, kind, constraint, span),
            TableRefKind::Function { call, .. } if !window::is_window_function(&function_name(call)) => {
                self.correlated_join(left, item, kind, constraint, span)
            }
            TableRefKind::Query { query, lateral: true } => self.lateral_join(left, item, query, kind, constraint, span),
            TableRefKind::Table { name, hints, system_time: Some(time) } => {
                let mut left = left;
                let as_of = self.as_of(&mut left, time)?;
                let right = self.named_table(name, hints)?;
                let right = self.aliased(right, item.alias.as_ref())?;
                self.check_sides(span, kind, &[ast::JoinKind::Inner, ast::JoinKind::Left], "a temporal join")?;
                self.join(left, right, kind, natural, constraint, span, Some(as_of))
            }
            _ => {
                let right = self.table_ref(item)?;
                self.join(left, right, kind, natural, constraint, span, None)
            }
        }
    }

    fn check_sides(&self, span: Span, kind: ast::JoinKind, allowed: &[ast::JoinKind], what: &str) -> Result<()> {
        if allowed.contains(&kind) {
            return Ok(());
        }
        Err(self.unsupported(span, format!("{what} can be INNER or LEFT only")))
    }

    /// UNNEST and table functions: the condition must be TRUE for LEFT JOIN.
    fn correlated_join(&mut self, left: Env, item: &ast::TableRef, kind: ast::JoinKind, constraint: &JoinConstraint, span: Span) -> Result<Env> {
        use ast::JoinKind as K;
        self.check_sides(span, kind, &[K::Inner, K::Left, K::Cross], "a join with a table function")?;
        let mut env = self.correlate(left, item, kind == K::Left)?;
        match constraint {
            JoinConstraint::None => {}
            JoinConstraint::Using(columns) => {
                let at = columns.first().map_or(span, |c| c.span);
                return Err(self.unsupported(at, "USING cannot stand behind a table function").with_remedy("use ON"));
            }
            JoinConstraint::On(written) => {
                let condition = self.condition(&mut env, written, "ON")?;
                if !is_true(&condition) {
                    if kind == K::Left {
                        return Err(self
                            .unsupported(written.span, "LEFT JOIN with a table function takes ON TRUE only")
                            .with_remedy("put the condition into WHERE or a subquery"));
                    }
                    env.filter(condition);
                }
            }
        }
        Ok(env)
    }

    /// `LATERAL (SELECT ..)`.
    fn lateral_join(
        &mut self,
        mut left: Env,
        item: &ast::TableRef,
        query: &ast::Query,
        kind: ast::JoinKind,
        constraint: &JoinConstraint,
        span: Span,
    ) -> Result<Env> {
        use ast::JoinKind as K;
        let mut sub = self.subquery(&left, query)?;
        if let Some(alias) = &item.alias
            && !alias.columns.is_empty()
        {
            if alias.columns.len() != sub.width {
                return Err(self.invalid(alias.span, format!("`{}` has {} columns, but {} names are given", alias.name.value, sub.width, alias.columns.len())));
            }
            for (column, name) in sub.plan.columns.iter_mut().zip(&alias.columns) {
                column.name.clone_from(&name.value);
            }
        }
        let path = item.alias.iter().map(|a| a.name.value.clone()).collect();
        let right_scope = Scope::of(path, &sub.plan.columns[..sub.width]);
        if sub.predicates.is_empty() && sub.defaults.is_none() {
            let right = Env::new(sub.plan, right_scope);
            return self.join(left, right, kind, false, constraint, span, None);
        }
        self.check_sides(span, kind, &[K::Inner, K::Left, K::Cross], "a lateral join")?;
        let width = left.scope.columns.len();
        let Subquery { plan, predicates, defaults, width: sub_width } = sub;
        let base = left.plan.columns.len();
        let condition = conjunction(self.lift(&left, span, predicates, base)?);
        let has_defaults = defaults.is_some();
        let join_kind = if kind == K::Left || has_defaults { JoinKind::Left } else { JoinKind::Inner };
        let (plan, flag) = if has_defaults { super::subquery::with_flag(plan) } else { (plan, 0) };
        left.plan = join_plan(left.take_plan(), plan, join_kind, condition, None);
        let mut kept: Vec<(String, Expr)> = super::identity(&left.plan).into_iter().take(width).collect();
        for i in 0..sub_width {
            let value = super::column(&left.plan, base + i);
            let value = match &defaults {
                Some(defaults) => {
                    let missing = self.call(span, "IS NULL", vec![super::column(&left.plan, base + flag)])?;
                    self.searched_case(span, vec![(missing, defaults[i].clone())], Some(value))?
                }
                None => value,
            };
            kept.push((left.plan.columns[base + i].name.clone(), value));
        }
        let plan = super::project(left.take_plan(), kept);
        let mut scope = left.scope.join(right_scope);
        for (seen, made) in scope.columns.iter_mut().zip(&plan.columns) {
            seen.sql_type = made.sql_type.clone();
        }
        let mut env = Env::new(plan, scope);
        if let JoinConstraint::On(written) = constraint {
            let condition = self.condition(&mut env, written, "ON")?;
            if !is_true(&condition) {
                if kind == K::Left {
                    return Err(self.unsupported(written.span, "LEFT JOIN LATERAL takes ON TRUE only").with_remedy("put the condition into the subquery"));
                }
                env.filter(condition);
            }
        }
        Ok(env)
    }

    #[allow(clippy::too_many_arguments)]
    fn join(
        &mut self,
        mut left: Env,
        mut right: Env,
        kind: ast::JoinKind,
        natural: bool,
        constraint: &JoinConstraint,
        span: Span,
        as_of: Option<usize>,
    ) -> Result<Env> {
        narrow_to_scope(&mut left);
        narrow_to_scope(&mut right);
        let join_kind = match kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
        };
        let width = left.scope.columns.len();
        let equated = match constraint {
            JoinConstraint::Using(columns) => columns.iter().map(|c| (c.value.clone(), c.span)).collect(),
            _ if natural => common_columns(&left.scope, &right.scope).into_iter().map(|name| (name, span)).collect(),
            _ => Vec::new(),
        };
        let pairs = self.pairs(&left.scope, &right.scope, &equated)?;
        let plan = join_plan(left.take_plan(), right.take_plan(), join_kind, Expr::boolean(true), as_of);
        let mut env = Env::new(plan, left.scope.join(right.scope));
        let mut condition = Vec::new();
        for (_, l, r, at) in &pairs {
            condition.push(self.call(*at, "=", vec![l.clone(), r.clone()])?);
        }
        let mut subqueries = Vec::new();
        if let JoinConstraint::On(written) = constraint {
            for part in written_conjuncts(written) {
                if join_kind == JoinKind::Inner && has_subquery(part) {
                    subqueries.push(part);
                    continue;
                }
                env.no_subquery = Some("the condition of an outer join");
                let bound = self.condition(&mut env, part, "ON")?;
                condition.push(bound);
            }
            env.no_subquery = None;
        }
        let condition = conjunction(condition).fold(&self.context)?;
        if as_of.is_some() && is_true(&condition) {
            return Err(self.unsupported(span, "a temporal join needs an equality of keys in ON"));
        }
        if let Node::Join(join) = &mut env.plan.node {
            join.condition = condition;
        }
        env.scope.columns.iter_mut().zip(&env.plan.columns).for_each(|(seen, made)| seen.sql_type = made.sql_type.clone());
        self.merge(&mut env, pairs, width, join_kind, span)?;
        for part in subqueries {
            self.where_clause(&mut env, part, "ON")?;
        }
        narrow_to_scope(&mut env);
        Ok(env)
    }

    /// For each equated name its column on the left, on the right, and where it was written.
    fn pairs(&self, left: &Scope, right: &Scope, equated: &[(String, Span)]) -> Result<Vec<(String, Expr, Expr, Span)>> {
        let width = left.columns.len();
        let side = |scope: &Scope, which: &str, name: &str, span: Span| match scope.by_name(name) {
            Found::Expr(e) => Ok(e),
            Found::Ambiguous => Err(self.invalid(span, format!("column `{name}` is ambiguous on the {which} side"))),
            Found::Nothing => Err(self.invalid(span, format!("there is no column `{name}` on the {which} side"))),
        };
        let mut pairs = Vec::with_capacity(equated.len());
        for (name, span) in equated {
            let l = side(left, "left", name, *span)?;
            let r = side(right, "right", name, *span)?.map_columns(&mut |i| i + width);
            pairs.push((name.clone(), l, r, *span));
        }
        Ok(pairs)
    }

    /// Makes one column of each equated pair.
    fn merge(&self, env: &mut Env, pairs: Vec<(String, Expr, Expr, Span)>, width: usize, kind: JoinKind, span: Span) -> Result<()> {
        let retyped = |e: &Expr, env: &Env| {
            e.transform(&mut |e| match e {
                Expr::Column { index, .. } => super::column(&env.plan, index),
                other => other,
            })
        };
        for (name, l, r, _) in pairs {
            let (l, r) = (retyped(&l, env), retyped(&r, env));
            let mut of: Vec<usize> = r.columns().into_iter().collect();
            let old = env.scope.merged.iter().position(|m| m.name == name && m.of.iter().all(|i| *i < width));
            match old {
                Some(i) => of.extend(env.scope.merged.remove(i).of),
                None => of.extend(l.columns()),
            }
            let expr = match kind {
                JoinKind::Right => r,
                JoinKind::Full => self.coalesce(span, vec![l, r])?,
                _ => l,
            };
            env.scope.merged.push(Merged { name, expr, of });
        }
        Ok(())
    }
}

/// Drops what subqueries added behind the columns that have names.
fn narrow_to_scope(env: &mut Env) {
    let width = env.scope.columns.len();
    if env.plan.columns.len() > width {
        let kept = super::identity(&env.plan).into_iter().take(width).collect();
        let plan = env.take_plan();
        env.plan = super::project(plan, kept);
    }
}

fn common_columns(left: &Scope, right: &Scope) -> Vec<String> {
    left.star().into_iter().map(|(name, _)| name).filter(|name| !matches!(right.by_name(name), Found::Nothing)).collect()
}

/// The join with its columns; those of an outer side become nullable.
pub(super) fn join_plan(left: Plan, right: Plan, kind: JoinKind, condition: Expr, as_of: Option<usize>) -> Plan {
    let mut columns = left.columns.clone();
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        nullable(&mut columns);
    }
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti) {
        let mut of_right = right.columns.clone();
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            nullable(&mut of_right);
        }
        columns.extend(of_right);
    }
    Plan::new(Node::Join(Join { left: Box::new(left), right: Box::new(right), kind, condition, as_of }), columns)
}

/// Puts a join over the plan of `env`.
pub(super) fn join_onto(env: &mut Env, right: Plan, kind: JoinKind, condition: Expr) {
    let left = std::mem::replace(&mut env.plan, nothing());
    env.plan = join_plan(left, right, kind, condition, None);
}
