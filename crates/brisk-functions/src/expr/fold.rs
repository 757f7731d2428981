//! Constant folding: what needs no column is computed once, at planning.
//!
//! An error is left for run time: it may stand in a branch that no row takes.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use std::sync::Arc;

use brisk_core::Result;

use crate::{EvalContext, Expr};

impl Expr {
    pub fn fold(&self, context: &EvalContext) -> Result<Expr> {
        let row = one_row_without_columns()?;
        Ok(self.transform(&mut |e| fold_node(e, &row, context)))
    }
}

/// Folds a node whose children are folded.
fn fold_node(expr: Expr, row: &RecordBatch, context: &EvalContext) -> Expr {
    let expr = simplify(expr);
    if expr.as_literal().is_some() || !is_ready(&expr) {
        return expr;
    }
    match expr.evaluate_array(row, context) {
        Ok(value) => Expr::Literal { value, sql_type: expr.sql_type() },
        Err(_) => expr,
    }
}

fn is_ready(expr: &Expr) -> bool {
    let literal = |e: &Expr| e.as_literal().is_some();
    match expr {
        Expr::Column { .. } | Expr::Literal { .. } => false,
        Expr::Call { function, args, .. } => function.is_deterministic() && args.iter().all(literal),
        Expr::Cast { input, .. } => literal(input),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().all(literal),
        Expr::Case { branches, otherwise, .. } => {
            branches.iter().all(|(when, then)| literal(when) && literal(then)) && otherwise.as_deref().is_none_or(literal)
        }
    }
}

/// AND, OR and CASE with constant conditions.
fn simplify(expr: Expr) -> Expr {
    match expr {
        Expr::And(parts) => simplify_logic(parts, false),
        Expr::Or(parts) => simplify_logic(parts, true),
        Expr::Case { branches, otherwise, sql_type } => {
            let mut kept = Vec::with_capacity(branches.len());
            for (when, then) in branches {
                match constant_truth(&when) {
                    Some(Some(true)) => {
                        return if kept.is_empty() { then } else { Expr::Case { branches: kept, otherwise: Some(Box::new(then)), sql_type } };
                    }
                    Some(_) => {}
                    None => kept.push((when, then)),
                }
            }
            match otherwise {
                Some(e) if kept.is_empty() => *e,
                None if kept.is_empty() => Expr::null(&sql_type),
                otherwise => Expr::Case { branches: kept, otherwise, sql_type },
            }
        }
        other => other,
    }
}

/// `decides` is the constant that settles the whole: FALSE for AND, TRUE for OR. The other constant is left out.
fn simplify_logic(parts: Vec<Expr>, decides: bool) -> Expr {
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        match constant_truth(&part) {
            Some(Some(value)) if value == decides => return Expr::boolean(decides),
            Some(Some(_)) => {}
            _ => kept.push(part),
        }
    }
    match kept.len() {
        0 => Expr::boolean(!decides),
        1 => kept.remove(0),
        _ if decides => Expr::Or(kept),
        _ => Expr::And(kept),
    }
}

/// `Some(None)` is a constant UNKNOWN.
fn constant_truth(expr: &Expr) -> Option<Option<bool>> {
    let value = expr.as_literal()?.as_boolean_opt()?;
    Some(value.is_valid(0).then(|| value.value(0)))
}

fn one_row_without_columns() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?)
}
