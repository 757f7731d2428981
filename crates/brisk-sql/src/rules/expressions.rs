//! Small questions about expressions.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use brisk_functions::Expr;

/// A call's function name and arguments.
pub fn as_call(expr: &Expr) -> Option<(&'static str, &[Expr])> {
    match expr {
        Expr::Call { function, args, .. } => Some((function.name(), args)),
        _ => None,
    }
}

pub fn is_true(expr: &Expr) -> bool {
    expr.as_literal().and_then(|v| v.as_boolean_opt()).is_some_and(|v| v.is_valid(0) && v.value(0))
}

pub fn is_column(expr: &Expr, column: usize) -> bool {
    matches!(expr, Expr::Column { index, .. } if *index == column)
}

/// Where a projection gives column `old` of its input as it is.
pub fn position_of_column(exprs: &[Expr], old: usize) -> Option<usize> {
    exprs.iter().position(|e| is_column(e, old))
}

/// The parts of a condition that must all hold. TRUE has none.
pub fn conjuncts(condition: Expr) -> Vec<Expr> {
    match condition {
        Expr::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        c if is_true(&c) => Vec::new(),
        c => vec![c],
    }
}

/// The condition that all of these hold; TRUE for none.
pub fn conjunction(mut parts: Vec<Expr>) -> Expr {
    match parts.len() {
        0 => Expr::boolean(true),
        1 => parts.remove(0),
        _ => Expr::And(parts),
    }
}

/// The value of a BIGINT or INT literal.
pub fn integer_literal(expr: &Expr) -> Option<i64> {
    use arrow_array::types::{Int32Type, Int64Type};
    let value = expr.as_literal()?;
    if value.is_null(0) {
        return None;
    }
    let long = value.as_primitive_opt::<Int64Type>().map(|v| v.value(0));
    long.or_else(|| value.as_primitive_opt::<Int32Type>().map(|v| i64::from(v.value(0))))
}
