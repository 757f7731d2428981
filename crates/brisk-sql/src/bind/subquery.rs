//! Subqueries as joins: conditions of WHERE, HAVING and ON become semi and anti joins, values become left joins.
//!
//! | written | becomes |
//! |---|---|
//! | `EXISTS (q)`, `x IN (q)` as a conjunct | semi join; negated: anti join, for NOT IN aware of NULLs |
//! | `x > SOME (q)`, `x > ALL (q)` as a conjunct | semi join on `x > q`; anti join on `NOT x > q`, aware of NULLs |
//! | `EXISTS (q)` as a value | left join with the distinct keys of q and a mark |
//! | `x IN (q)` as a value | the same, and counts of rows and of NULLs where NULL is a possible answer |
//! | `(q)` | left join with q, reduced to one row by SINGLE_VALUE unless it has one anyway |

use arrow_array::Array;
use brisk_core::{DataType, Result, SqlType};
use brisk_functions::{Argument, Expr};
use brisk_parser::Span;
use brisk_parser::ast::{self, BinaryOp, ExprKind, QuantifiedOperand, Quantifier, UnaryOp};

use super::aggregate::narrow;
use super::expr::symbol;
use super::join::join_onto;
use super::scope::{RAW, index_in_level, level_of, outer_index};
use super::{Binder, Env, conjunction, decorrelate, project};
use crate::logical::{Aggregate, JoinKind, LogicalCall, LogicalFunction, Node, Plan, PlanColumn};

/// A subquery, freed of the columns of the enclosing query.
pub(super) struct Subquery {
    /// The columns of the query, and behind them those that the predicates need.
    pub plan: Plan,
    /// What must hold between a row of the enclosing query and one of `plan`.
    pub predicates: Vec<Expr>,
    /// What the columns are where `plan` has no row: the values of an aggregation of nothing.
    pub defaults: Option<Vec<Expr>>,
    pub width: usize,
}

/// Whether a conjunct can become a semi or anti join.
pub(super) fn is_subquery_condition(written: &ast::Expr) -> bool {
    match &written.kind {
        ExprKind::Unary { op: UnaryOp::Not, expr } => is_subquery_condition(expr),
        ExprKind::Exists(_) | ExprKind::InQuery { .. } => true,
        ExprKind::Quantified { right, .. } => matches!(right, QuantifiedOperand::Query(_)),
        _ => false,
    }
}

impl Binder<'_> {
    /// A whole condition (WHERE, HAVING): plain conjuncts filter first, then subqueries join.
    pub(super) fn where_clause(&mut self, env: &mut Env, written: &ast::Expr, clause: &str) -> Result<()> {
        let mut plain = Vec::new();
        let mut subqueries = Vec::new();
        for part in super::expr::written_conjuncts(written) {
            if is_subquery_condition(part) {
                subqueries.push(part);
            } else {
                let bound = self.condition(env, part, clause)?;
                plain.push(self.settled(env, part.span, bound)?);
            }
        }
        let predicate = conjunction(plain).fold(&self.context)?;
        if !super::is_true(&predicate) {
            env.filter(predicate);
        }
        for part in subqueries {
            self.subquery_condition(env, part, false)?;
        }
        Ok(())
    }

    /// A conjunct for which [`is_subquery_condition`] holds.
    pub(super) fn subquery_condition(&mut self, env: &mut Env, written: &ast::Expr, negated: bool) -> Result<()> {
        let span = written.span;
        match &written.kind {
            ExprKind::Unary { expr, .. } => self.subquery_condition(env, expr, !negated),
            ExprKind::Exists(query) => {
                let sub = self.subquery(env, &without_limit(query))?;
                if sub.defaults.is_some() || always_has_a_row(&sub.plan) {
                    if negated {
                        env.filter(Expr::boolean(false));
                    }
                    return Ok(());
                }
                let condition = conjunction(self.lift(env, span, sub.predicates, env.plan.columns.len())?);
                join_onto(env, sub.plan, if negated { JoinKind::Anti } else { JoinKind::Semi }, condition);
                Ok(())
            }
            ExprKind::InQuery { expr, negated: not, query } => self.any_condition(env, span, expr, "=", query, negated != *not),
            ExprKind::Quantified { left, op, quantifier, right: QuantifiedOperand::Query(query) } => {
                // x > ALL q is NOT (x <= SOME q), as far as NULLs go too.
                let (op, negated) = match quantifier {
                    Quantifier::Some => (*op, negated),
                    Quantifier::All => (self.opposite(span, *op)?, !negated),
                };
                let op = symbol(op).ok_or_else(|| self.invalid(span, "SOME and ALL need a comparison"))?;
                self.any_condition(env, span, left, op, query, negated)
            }
            _ => Err(brisk_core::Error::internal("not a subquery").at(self.at(span))),
        }
    }

    fn opposite(&self, span: Span, op: BinaryOp) -> Result<BinaryOp> {
        Ok(match op {
            BinaryOp::Eq => BinaryOp::NotEq,
            BinaryOp::NotEq => BinaryOp::Eq,
            BinaryOp::Lt => BinaryOp::GtEq,
            BinaryOp::LtEq => BinaryOp::Gt,
            BinaryOp::Gt => BinaryOp::LtEq,
            BinaryOp::GtEq => BinaryOp::Lt,
            _ => return Err(self.invalid(span, "SOME and ALL need a comparison")),
        })
    }

    /// `x op SOME (q)`, of which IN is the case of `=`.
    fn any_condition(&mut self, env: &mut Env, span: Span, needle: &ast::Expr, op: &str, query: &ast::Query, negated: bool) -> Result<()> {
        let needles = self.needles(env, needle)?;
        let sub = self.subquery(env, query)?;
        let sub = self.without_defaults(span, sub)?;
        let base = env.plan.columns.len();
        let compared = self.compare(span, &needles, op, &sub, base)?;
        let is_nullable = compared.sql_type().nullable;
        let mut parts = vec![compared];
        parts.extend(self.lift(env, span, sub.predicates, base)?);
        let kind = match (negated, is_nullable) {
            (false, _) => JoinKind::Semi,
            (true, false) => JoinKind::Anti,
            (true, true) => JoinKind::NullAwareAnti,
        };
        join_onto(env, sub.plan, kind, conjunction(parts));
        Ok(())
    }

    fn needles(&mut self, env: &mut Env, needle: &ast::Expr) -> Result<Vec<Expr>> {
        match &needle.kind {
            ExprKind::Row(parts) => parts.iter().map(|p| self.value(env, p)).collect(),
            _ => Ok(vec![self.value(env, needle)?]),
        }
    }

    fn compare(&self, span: Span, needles: &[Expr], op: &str, sub: &Subquery, base: usize) -> Result<Expr> {
        if needles.len() != sub.width {
            return Err(self.invalid(span, format!("cannot compare {} values with the {} columns of the subquery", needles.len(), sub.width)));
        }
        let columns: Vec<Expr> = (0..sub.width).map(|i| Expr::column(base + i, sub.plan.columns[i].sql_type.clone())).collect();
        match (op, needles, columns.as_slice()) {
            ("=", ..) => self.rows_equal(span, needles, &columns),
            (_, [needle], [column]) => self.call(span, op, vec![needle.clone(), column.clone()]),
            _ => Err(self.unsupported(span, format!("'{op}' compares single values only"))),
        }
    }

    /// Refuses an aggregation without keys where its value for no rows would matter.
    fn without_defaults(&self, span: Span, sub: Subquery) -> Result<Subquery> {
        if sub.defaults.is_none() {
            return Ok(sub);
        }
        let error = self.unsupported(span, "IN, SOME and ALL over a correlated aggregation are not supported");
        Err(error.with_remedy("compare with the subquery directly: x = (SELECT ..)"))
    }

    /// Binds a subquery of `env` and frees it.
    pub(super) fn subquery(&mut self, env: &Env, query: &ast::Query) -> Result<Subquery> {
        if let Some(place) = env.no_subquery {
            return Err(self.unsupported(query.span, format!("a subquery cannot stand in {place}")));
        }
        self.outer.push(env.scope.clone());
        let plan = self.query(query);
        self.outer.pop();
        let plan = plan?;
        let width = plan.columns.len();
        let freed = decorrelate::decorrelate(self, plan, env.grouped.is_none().then_some(&env.plan)).map_err(|e| e.at(self.at(query.span)))?;
        Ok(Subquery { plan: freed.plan, predicates: freed.predicates, defaults: freed.defaults, width })
    }

    /// Predicates of a subquery, put over `env`'s row and, from `base` on, that of the subquery.
    pub(super) fn lift(&self, env: &Env, span: Span, predicates: Vec<Expr>, base: usize) -> Result<Vec<Expr>> {
        let mut lifted = Vec::with_capacity(predicates.len());
        for predicate in predicates {
            let mut predicate = predicate.map_columns(&mut |i| match level_of(i) {
                0 => base + i,
                1 if env.grouped.is_some() => RAW | index_in_level(i),
                level => outer_index(level - 1, index_in_level(i)),
            });
            if let Some(grouped) = &env.grouped {
                predicate = predicate.transform(&mut |e| grouped.replace(e));
            }
            lifted.push(self.settled(env, span, predicate)?);
        }
        Ok(lifted)
    }

    // ---- subqueries as values

    pub(super) fn subquery_value(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        let span = written.span;
        match &written.kind {
            ExprKind::Subquery(query) => self.scalar_subquery(env, span, query),
            ExprKind::Exists(query) => self.exists_value(env, span, query),
            ExprKind::InQuery { expr, negated, query } => {
                let bound = self.in_value(env, span, expr, query)?;
                if *negated { self.not(span, bound) } else { Ok(bound) }
            }
            ExprKind::Quantified { left, op, quantifier, right } => match right {
                QuantifiedOperand::List(list) => self.quantified_list(env, span, left, *op, *quantifier, list),
                QuantifiedOperand::Query(query) => match (op, quantifier) {
                    (BinaryOp::Eq, Quantifier::Some) => self.in_value(env, span, left, query),
                    (BinaryOp::NotEq, Quantifier::All) => {
                        let bound = self.in_value(env, span, left, query)?;
                        self.not(span, bound)
                    }
                    _ => Err(self
                        .unsupported(span, "SOME and ALL over a subquery are supported as conditions joined by AND only")
                        .with_remedy("compare with its MIN or MAX")),
                },
            },
            _ => Err(self.unsupported(span, "UNIQUE is not supported")),
        }
    }

    fn quantified_list(&mut self, env: &mut Env, span: Span, left: &ast::Expr, op: BinaryOp, quantifier: Quantifier, list: &[ast::Expr]) -> Result<Expr> {
        let op = symbol(op).ok_or_else(|| self.invalid(span, "SOME and ALL need a comparison"))?;
        let needle = self.expr(env, left)?;
        let mut parts = Vec::with_capacity(list.len());
        for item in list {
            let item = self.expr(env, item)?;
            parts.push(self.call(span, op, vec![needle.clone(), item])?);
        }
        let bound = if quantifier == Quantifier::Some { Expr::Or(parts) } else { Expr::And(parts) };
        bound.fold(&self.context)
    }

    fn scalar_subquery(&mut self, env: &mut Env, span: Span, query: &ast::Query) -> Result<Expr> {
        let sub = self.subquery(env, query)?;
        if sub.width != 1 {
            return Err(self.invalid(span, format!("a subquery that stands for a value must have one column, not {}", sub.width)));
        }
        let sub = self.by_equality(env, sub)?;
        let sub = self.single_row(span, sub)?;
        let base = env.plan.columns.len();
        let condition = conjunction(self.lift(env, span, sub.predicates, base)?);
        // The value of no rows matters where it is not NULL, which a left join gives anyway.
        let default = match sub.defaults {
            Some(mut defaults) => Some(defaults.swap_remove(0).fold(&self.context)?),
            None => None,
        };
        let default = default.filter(|d| !d.as_literal().is_some_and(|v| v.is_null(0)));
        let (plan, flag) = if default.is_some() { with_flag(sub.plan) } else { (sub.plan, 0) };
        join_onto(env, plan, JoinKind::Left, condition);
        let value = super::column(&env.plan, base);
        let Some(default) = default else { return Ok(value) };
        let missing = self.call(span, "IS NULL", vec![super::column(&env.plan, base + flag)])?;
        self.searched_case(span, vec![(missing, default)], Some(value))
    }

    /// Makes sure that there is at most one row for each row of the enclosing query.
    fn single_row(&self, span: Span, sub: Subquery) -> Result<Subquery> {
        if sub.defaults.is_some() || sub.predicates.is_empty() && has_one_row(&sub.plan) {
            return Ok(sub);
        }
        let (keys, outer) = decorrelate::equalities(&sub.predicates)
            .ok_or_else(|| self.unsupported(span, "a subquery that stands for a value can be correlated by equality only"))?;
        let mut needed = vec![("value".to_string(), super::column(&sub.plan, 0))];
        needed.extend(keys.iter().enumerate().map(|(i, k)| (format!("$k{i}"), k.clone())));
        let (input, positions) = narrow(sub.plan, needed);
        let function = self.aggregate_function(span, "SINGLE_VALUE")?;
        let value = &input.columns[positions[0]];
        let signature = function.bind(&[Argument { sql_type: value.sql_type.clone(), literal: None }]).map_err(|e| e.at(self.at(span)))?;
        let call = LogicalCall {
            sql_type: signature.returns.with_nullable(true),
            function: LogicalFunction::Aggregate { function, signature },
            args: vec![positions[0]],
            distinct: false,
            filter: None,
            name: value.name.clone(),
        };
        let keys = positions[1..].to_vec();
        let columns = keys.iter().map(|&k| PlanColumn::new(&input.columns[k].name, input.columns[k].sql_type.clone()));
        let columns: Vec<_> = columns.chain([PlanColumn::new(&call.name, call.sql_type.clone())]).collect();
        let count = keys.len();
        let plan = Plan::new(Node::Aggregate(Aggregate { input: Box::new(input), keys, sets: None, calls: vec![call] }), columns);
        let mut order = vec![count];
        order.extend(0..count);
        let moved = order.iter().map(|&i| (plan.columns[i].name.clone(), super::column(&plan, i))).collect();
        let plan = project(plan, moved);
        let mut predicates = Vec::with_capacity(count);
        for (i, e) in outer.into_iter().enumerate() {
            predicates.push(self.call(span, "=", vec![super::column(&plan, i + 1), e])?);
        }
        Ok(Subquery { plan, predicates, defaults: None, width: 1 })
    }

    fn exists_value(&mut self, env: &mut Env, span: Span, query: &ast::Query) -> Result<Expr> {
        let sub = self.subquery(env, &without_limit(query))?;
        if sub.defaults.is_some() || always_has_a_row(&sub.plan) {
            return Ok(Expr::boolean(true));
        }
        let sub = self.by_equality(env, sub)?;
        let (keys, outer) = self.mark_keys(span, &sub)?;
        let mark = self.marked(env, span, sub.plan, keys, outer)?;
        self.call(span, "IS NOT NULL", vec![mark])
    }

    fn in_value(&mut self, env: &mut Env, span: Span, needle: &ast::Expr, query: &ast::Query) -> Result<Expr> {
        let needles = self.needles(env, needle)?;
        let sub = self.subquery(env, query)?;
        let sub = self.without_defaults(span, sub)?;
        let sub = self.by_equality(env, sub)?;
        // The check of types and numbers is that of the comparison.
        self.compare(span, &needles, "=", &sub, env.plan.columns.len())?;
        let values: Vec<Expr> = (0..sub.width).map(|i| super::column(&sub.plan, i)).collect();
        let (mut keys, mut outer) = self.mark_keys(span, &sub)?;
        let is_nullable = needles.iter().chain(&values).any(|e| e.sql_type().nullable);
        let counts = match is_nullable {
            true => Some(self.row_counts(env, span, &sub, &values, &keys, &outer)?),
            false => None,
        };
        keys.splice(0..0, values);
        let lifted_needles = needles.clone();
        let mark = self.marked_by(env, span, sub.plan, keys, lifted_needles, std::mem::take(&mut outer))?;
        let found = self.call(span, "IS NOT NULL", vec![mark])?;
        let Some((rows, not_null)) = counts else { return Ok(found) };
        let unknown = || Expr::null(&SqlType::nullable(DataType::Boolean));
        let empty = Expr::Or(vec![self.call(span, "IS NULL", vec![rows.clone()])?, self.call(span, "=", vec![rows.clone(), Expr::bigint(0)])?]);
        let mut branches = vec![(empty, Expr::boolean(false))];
        for needle in needles.into_iter().filter(|n| n.sql_type().nullable) {
            branches.push((self.call(span, "IS NULL", vec![needle])?, unknown()));
        }
        branches.push((found, Expr::boolean(true)));
        branches.push((self.call(span, "<", vec![not_null, rows])?, unknown()));
        self.searched_case(span, branches, Some(Expr::boolean(false)))
    }

    /// Brings any correlation to one by equality, by a join with the values that the enclosing query's rows have.
    fn by_equality(&self, env: &Env, sub: Subquery) -> Result<Subquery> {
        if env.grouped.is_some() || decorrelate::equalities(&sub.predicates).is_some() {
            return Ok(sub);
        }
        let freed = decorrelate::Freed { plan: sub.plan, predicates: sub.predicates, defaults: sub.defaults, width: sub.width };
        let freed = decorrelate::with_domain(self, freed, &env.plan)?;
        Ok(Subquery { plan: freed.plan, predicates: freed.predicates, defaults: freed.defaults, width: sub.width })
    }

    /// The two sides of the equalities that correlate a subquery.
    fn mark_keys(&self, span: Span, sub: &Subquery) -> Result<(Vec<Expr>, Vec<Expr>)> {
        decorrelate::equalities(&sub.predicates).ok_or_else(|| {
            let error = self.unsupported(span, "a subquery that stands for a value can be correlated by equality only");
            error.with_remedy("use it as a condition of WHERE joined by AND")
        })
    }

    /// How many rows the subquery has for a row of `env`, and in how many of them no value is NULL.
    fn row_counts(&mut self, env: &mut Env, span: Span, sub: &Subquery, values: &[Expr], keys: &[Expr], outer: &[Expr]) -> Result<(Expr, Expr)> {
        let mut present = Vec::with_capacity(values.len());
        for value in values {
            present.push(self.call(span, "IS NOT NULL", vec![value.clone()])?);
        }
        let mut needed: Vec<(String, Expr)> = keys.iter().enumerate().map(|(i, k)| (format!("$k{i}"), k.clone())).collect();
        needed.push(("present".into(), conjunction(present)));
        let (input, positions) = narrow(sub.plan.clone(), needed);
        let function = self.aggregate_function(span, "COUNT")?;
        let signature = function.bind(&[]).map_err(|e| e.at(self.at(span)))?;
        let call = |name: &str, filter| LogicalCall {
            sql_type: signature.returns.clone(),
            function: LogicalFunction::Aggregate { function: function.clone(), signature: signature.clone() },
            args: Vec::new(),
            distinct: false,
            filter,
            name: name.into(),
        };
        let calls = vec![call("c", None), call("ck", Some(positions[keys.len()]))];
        let key_positions = positions[..keys.len()].to_vec();
        let columns = key_positions.iter().map(|&k| PlanColumn::new(&input.columns[k].name, input.columns[k].sql_type.clone()));
        let columns = columns.chain(calls.iter().map(|c| PlanColumn::new(&c.name, c.sql_type.clone()))).collect();
        let plan = Plan::new(Node::Aggregate(Aggregate { input: Box::new(input), keys: key_positions, sets: None, calls }), columns);
        let base = env.plan.columns.len();
        let condition = self.key_condition(env, span, &plan, base, outer)?;
        join_onto(env, plan, JoinKind::Left, condition);
        let at = base + keys.len();
        Ok((super::column(&env.plan, at), super::column(&env.plan, at + 1)))
    }

    fn key_condition(&self, env: &Env, span: Span, plan: &Plan, base: usize, outer: &[Expr]) -> Result<Expr> {
        let mut parts = Vec::with_capacity(outer.len());
        for (i, e) in self.lift(env, span, outer.to_vec(), 0)?.into_iter().enumerate() {
            parts.push(self.call(span, "=", vec![e, Expr::column(base + i, plan.columns[i].sql_type.clone())])?);
        }
        Ok(conjunction(parts))
    }

    fn marked(&mut self, env: &mut Env, span: Span, plan: Plan, keys: Vec<Expr>, outer: Vec<Expr>) -> Result<Expr> {
        self.marked_by(env, span, plan, keys, Vec::new(), outer)
    }

    /// Left join with the distinct `keys` of a plan and a mark, by `mine` (over `env`) and `outer` (of the enclosing
    /// query). Gives the mark, NULL where there is no partner.
    fn marked_by(&mut self, env: &mut Env, span: Span, plan: Plan, keys: Vec<Expr>, mine: Vec<Expr>, outer: Vec<Expr>) -> Result<Expr> {
        let count = keys.len();
        let mut needed: Vec<(String, Expr)> = keys.into_iter().enumerate().map(|(i, k)| (format!("$k{i}"), k)).collect();
        needed.push(("$mark".into(), Expr::boolean(true)));
        let distinct = distinct(project(plan, needed));
        let base = env.plan.columns.len();
        let mut sides = mine;
        sides.extend(self.lift(env, span, outer, 0)?);
        let mut parts = Vec::with_capacity(count);
        for (i, side) in sides.into_iter().enumerate() {
            parts.push(self.call(span, "=", vec![side, Expr::column(base + i, distinct.columns[i].sql_type.clone())])?);
        }
        join_onto(env, distinct, JoinKind::Left, conjunction(parts));
        Ok(super::column(&env.plan, base + count))
    }
}

/// DISTINCT: an aggregation by all columns.
pub(super) fn distinct(plan: Plan) -> Plan {
    let columns = plan.columns.iter().map(|c| PlanColumn::new(&c.name, c.sql_type.clone())).collect();
    let keys = (0..plan.columns.len()).collect();
    Plan::new(Node::Aggregate(Aggregate { input: Box::new(plan), keys, sets: None, calls: Vec::new() }), columns)
}

/// The plan with a column that is never NULL behind the others, and where it is.
pub(super) fn with_flag(plan: Plan) -> (Plan, usize) {
    let at = plan.columns.len();
    let mut all = super::identity(&plan);
    all.push(("$mark".into(), Expr::boolean(true)));
    (project(plan, all), at)
}

/// Whether a plan has exactly one row, or at most one, whatever its input.
fn has_one_row(plan: &Plan) -> bool {
    match &plan.node {
        Node::Aggregate(n) => n.keys.is_empty() && n.sets.is_none(),
        Node::Project { input, .. } | Node::Filter { input, .. } => has_one_row(input),
        Node::Values { rows } => rows.len() <= 1,
        Node::Sort(n) => n.limit.is_some_and(|l| l <= 1) || has_one_row(&n.input),
        _ => false,
    }
}

/// A LIMIT does not change whether there are rows, unless it is 0.
fn without_limit(query: &ast::Query) -> ast::Query {
    let mut query = query.clone();
    query.order_by.clear();
    let is_zero = query.limit.as_ref().is_some_and(|l| matches!(l.as_literal(), Some(ast::Literal::Exact(t)) if t == "0"));
    if !is_zero && query.offset.is_none() {
        query.limit = None;
    }
    query
}
/// An aggregation without keys gives a row whatever there is below it.
fn always_has_a_row(plan: &Plan) -> bool {
    match &plan.node {
        Node::Project { input, .. } => always_has_a_row(input),
        Node::Aggregate(aggregate) => aggregate.keys.is_empty() && aggregate.sets.is_none(),
        _ => false,
    }
}
