//! Small questions about expressions.

use std::collections::HashMap;

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

/// The columns that have one value in all rows where a condition is true, with that value: those of whole numbers that it
/// compares with a literal.
pub fn fixed_columns(condition: &Expr) -> HashMap<usize, Expr> {
    let fixed = |part: Expr| {
        let ("=", [left, right]) = as_call(&part)? else { return None };
        let (index, column, literal) = match (left, right) {
            (Expr::Column { index, sql_type }, literal) | (literal, Expr::Column { index, sql_type }) => (*index, sql_type, literal),
            _ => return None,
        };
        let value = literal.as_literal().filter(|v| v.is_valid(0))?;
        let alike = column.data_type.is_integer() && literal.sql_type().data_type == column.data_type;
        alike.then(|| (index, Expr::Literal { value: value.clone(), sql_type: column.clone() }))
    };
    conjuncts(condition.clone()).into_iter().filter_map(fixed).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use brisk_core::{DataType, SqlType};
    use brisk_functions::scalar::scalar_function;

    #[test]
    fn columns_compared_with_a_whole_number_are_fixed() {
        let column = |index, data_type| Expr::column(index, SqlType::nullable(data_type));
        let call = |name, left, right| Expr::call(scalar_function(name).unwrap(), vec![left, right]).unwrap();
        let equal = |left, right| call("=", left, right);
        let null = Expr::null(&SqlType::nullable(DataType::BigInt));
        let condition = conjunction(vec![
            equal(column(0, DataType::BigInt), Expr::bigint(7)),
            equal(Expr::bigint(8), column(1, DataType::BigInt)),
            equal(column(2, DataType::BigInt), null),
            equal(column(3, DataType::BigInt), column(4, DataType::BigInt)),
            equal(column(5, DataType::Double), Expr::bigint(9)),
            call(">", column(6, DataType::BigInt), Expr::bigint(1)),
        ]);
        let mut fixed: Vec<(usize, String)> = fixed_columns(&condition).into_iter().map(|(c, value)| (c, value.to_string())).collect();
        fixed.sort();
        assert_eq!(fixed, [(0, "7:BIGINT NULL".to_owned()), (1, "8:BIGINT NULL".to_owned())]);
        assert!(fixed_columns(&Expr::Or(conjuncts(condition))).is_empty());
    }
}
