//! UNION, INTERSECT and EXCEPT, distinct or ALL.
//!
//! INTERSECT ALL and EXCEPT ALL count: both sides in one stream, each row with how often it is on the left and on the
//! right, the sums of each distinct row, and the row as often as the counts say.

use brisk_core::Result;
use brisk_functions::Expr;
use brisk_functions::table::replicate_rows;
use brisk_functions::types::common_type;
use brisk_parser::Span;
use brisk_parser::ast::{self, SetOperator};

use super::expr::{argument, coerce};
use super::subquery::distinct;
use super::{Binder, filter, project};
use crate::logical::{Aggregate, Correlate, LogicalCall, LogicalFunction, Node, Plan, PlanColumn, SetOperationKind, TimeAttribute};

impl Binder<'_> {
    pub(super) fn set_operation(&mut self, span: Span, op: SetOperator, all: bool, left: &ast::QueryBody, right: &ast::QueryBody) -> Result<Plan> {
        let name = match op {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        let (left, right) = (self.body(left)?, self.body(right)?);
        if left.columns.len() != right.columns.len() {
            return Err(self.invalid(span, format!("the sides of {name} have {} and {} columns", left.columns.len(), right.columns.len())));
        }
        let mut columns = Vec::with_capacity(left.columns.len());
        for (i, (l, r)) in left.columns.iter().zip(&right.columns).enumerate() {
            let common = common_type(&[l.sql_type.clone(), r.sql_type.clone()]).ok_or_else(|| {
                self.invalid(span, format!("column {} of {name} is {} on one side and {} on the other", i + 1, l.sql_type.data_type, r.sql_type.data_type))
            })?;
            let time = if l.time == r.time { l.time } else { TimeAttribute::None };
            columns.push(PlanColumn { name: l.name.clone(), sql_type: common, time });
        }
        let (left, right) = (converted(left, &columns), converted(right, &columns));
        if op == SetOperator::Union {
            let mut inputs = Vec::new();
            for side in [left, right] {
                match side {
                    // A UNION ALL below: one node of all inputs. Not where types were changed.
                    Plan { node: Node::Union { inputs: inner }, columns: c } if c.iter().zip(&columns).all(|(a, b)| a.sql_type == b.sql_type) => {
                        inputs.extend(inner)
                    }
                    other => inputs.push(other),
                }
            }
            let plan = Plan::new(Node::Union { inputs }, columns);
            return Ok(if all { plan } else { distinct(plan) });
        }
        for c in &mut columns {
            c.time = TimeAttribute::None;
        }
        let kind = if op == SetOperator::Intersect { SetOperationKind::Intersect } else { SetOperationKind::Except };
        if kind == SetOperationKind::Except {
            for (c, l) in columns.iter_mut().zip(&left.columns) {
                c.sql_type.nullable = l.sql_type.nullable;
            }
        }
        if all {
            return self.with_repetitions(span, kind, left, right, columns);
        }
        Ok(Plan::new(Node::SetOperation { kind, left: Box::new(left), right: Box::new(right) }, columns))
    }

    /// INTERSECT ALL is the smaller of both counts, EXCEPT ALL what the left has more than the right.
    fn with_repetitions(&self, span: Span, kind: SetOperationKind, left: Plan, right: Plan, columns: Vec<PlanColumn>) -> Result<Plan> {
        let width = columns.len();
        let (of_left, of_right): (&[i64], &[i64]) = match kind {
            SetOperationKind::Intersect => (&[1, 0], &[0, 1]),
            SetOperationKind::Except => (&[1], &[-1]),
        };
        let inputs = vec![counting(left, of_left), counting(right, of_right)];
        let union = Plan::new(Node::Union { inputs }, counted(&columns, of_left.len()));
        let mut calls = Vec::new();
        for at in width..union.columns.len() {
            let count = super::column(&union, at);
            let function = self.aggregate_function(span, "SUM")?;
            let signature = function.bind(&[argument(&count)])?;
            let sql_type = function.returns(&signature, false);
            let function = LogicalFunction::Aggregate { function, signature };
            calls.push(LogicalCall { function, args: vec![at], distinct: false, filter: None, name: "$count".into(), sql_type });
        }
        let mut output = columns.clone();
        output.extend(calls.iter().map(|c| PlanColumn::new(&c.name, c.sql_type.clone())));
        let sums = Plan::new(Node::Aggregate(Aggregate { input: Box::new(union), keys: (0..width).collect(), sets: None, calls }), output);
        let mut times: Vec<Expr> = (width..sums.columns.len()).map(|at| super::column(&sums, at)).collect();
        let times = match times.len() {
            1 => times.remove(0),
            _ => self.call(span, "LEAST", times)?,
        };
        let some = self.call(span, ">", vec![times.clone(), Expr::bigint(0)])?;
        let input = filter(sums, some);
        let output = input.columns.clone();
        let replicate = Correlate { input: Box::new(input), function: replicate_rows(), args: vec![times], ordinality: false, outer: false };
        let repeated = Plan::new(Node::Correlate(replicate), output);
        let shown = super::identity(&repeated).into_iter().take(width).collect();
        Ok(project(repeated, shown))
    }
}

/// The plan with constants behind its columns.
fn counting(plan: Plan, counts: &[i64]) -> Plan {
    let mut all = super::identity(&plan);
    all.extend(counts.iter().map(|&n| ("$count".to_string(), Expr::bigint(n))));
    project(plan, all)
}

fn counted(columns: &[PlanColumn], counts: usize) -> Vec<PlanColumn> {
    let count = PlanColumn::new("$count", Expr::bigint(0).sql_type());
    columns.iter().cloned().chain(std::iter::repeat_n(count, counts)).collect()
}

/// The plan with its columns cast to these types.
fn converted(plan: Plan, columns: &[PlanColumn]) -> Plan {
    if plan.columns.iter().zip(columns).all(|(a, b)| a.sql_type.data_type == b.sql_type.data_type) {
        return plan;
    }
    let cast = super::identity(&plan).into_iter().zip(columns).map(|((name, e), c)| (name, coerce(e, &c.sql_type))).collect();
    project(plan, cast)
}
