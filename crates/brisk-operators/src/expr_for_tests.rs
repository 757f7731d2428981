//! Expressions for tests of operators.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use brisk_core::{DataType, Schema, SqlType};
use brisk_functions::Expr;
use brisk_functions::scalar::{Argument, scalar_function};

pub(crate) const UTC: chrono_tz::Tz = chrono_tz::Tz::UTC;

pub(crate) fn column(schema: &Schema, index: usize) -> Expr {
    Expr::Column { index, sql_type: schema.columns[index].sql_type.clone() }
}

pub(crate) fn bigint(value: i64) -> Expr {
    Expr::Literal { value: Arc::new(Int64Array::from(vec![value])), sql_type: SqlType::not_null(DataType::BigInt) }
}

pub(crate) fn literal(value: ArrayRef, data_type: DataType) -> Expr {
    Expr::Literal { value, sql_type: SqlType::nullable(data_type) }
}

/// A call, with the casts that its signature asks for.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let function = scalar_function(name).unwrap_or_else(|| panic!("there is no {name}"));
    let arguments: Vec<Argument> = args.iter().map(|a| Argument { sql_type: a.sql_type(), literal: None }).collect();
    let signature = function.bind(&arguments).expect("the arguments fit");
    let cast = |(arg, wanted): (Expr, &SqlType)| match arg.sql_type().data_type == wanted.data_type {
        true => arg,
        false => Expr::Cast { input: Box::new(arg), sql_type: wanted.clone(), try_cast: false },
    };
    Expr::Call { function, args: args.into_iter().zip(&signature.args).map(cast).collect(), sql_type: signature.returns }
}
