//! Typed expressions, evaluated a batch at a time.
//!
//! One form serves the planner (which compares, rewrites and prints expressions) and the operators (which evaluate
//! them). Every cast is explicit: the binder has resolved names, chosen functions and coerced arguments, so evaluation
//! never guesses a type. AND, OR and CASE are forms of their own because they must not evaluate what they do not need:
//! `CASE WHEN b = 0 THEN 0 ELSE a / b END` never divides by zero.
//!
//! Two expressions are equal when their text is: [`Display`](std::fmt::Display) is complete and does not change, since
//! operator identities are made of it.

mod display;
mod eval;
mod fold;
mod program;
mod rewrite;
mod scope;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray};
use brisk_core::{DataType, Result, SqlType};

use crate::scalar::{Argument, ScalarFunction};

pub use eval::{Columnar, EvalContext};
pub use program::{Outcome, Program};

/// An expression over the columns of one input.
#[derive(Debug, Clone)]
pub enum Expr {
    Column {
        index: usize,
        sql_type: SqlType,
    },
    /// `value` has one element, of the type's Arrow type.
    Literal {
        value: ArrayRef,
        sql_type: SqlType,
    },
    Call {
        function: Arc<dyn ScalarFunction>,
        args: Vec<Expr>,
        sql_type: SqlType,
    },
    /// CAST, or TRY_CAST where a failure gives NULL. `sql_type` is the target with its nullability.
    Cast {
        input: Box<Expr>,
        sql_type: SqlType,
        try_cast: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// Searched CASE: the first branch whose condition is true; NULL without `otherwise`. All results have `sql_type`.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        sql_type: SqlType,
    },
}

impl Expr {
    pub fn column(index: usize, sql_type: SqlType) -> Self {
        Expr::Column { index, sql_type }
    }

    /// A constant: `value` has one element, of the type's Arrow type.
    pub fn literal(value: ArrayRef, sql_type: SqlType) -> Self {
        assert_eq!(value.len(), 1, "a literal has one element");
        debug_assert_eq!(value.data_type(), &sql_type.to_arrow());
        Expr::Literal { value, sql_type }
    }

    /// NULL of a type, which becomes nullable.
    pub fn null(sql_type: &SqlType) -> Self {
        Self::literal(arrow_array::new_null_array(&sql_type.to_arrow(), 1), sql_type.with_nullable(true))
    }

    /// A text of type CHAR(its length) NOT NULL, as a literal of Flink SQL is.
    pub fn string(text: &str) -> Self {
        let length = text.chars().count() as u32;
        Self::literal(Arc::new(StringArray::from(vec![text])), SqlType::not_null(DataType::Char(length)))
    }

    pub fn int(value: i32) -> Self {
        Self::literal(Arc::new(Int32Array::from(vec![value])), SqlType::not_null(DataType::Int))
    }

    pub fn bigint(value: i64) -> Self {
        Self::literal(Arc::new(Int64Array::from(vec![value])), SqlType::not_null(DataType::BigInt))
    }

    pub fn boolean(value: bool) -> Self {
        Self::literal(Arc::new(arrow_array::BooleanArray::from(vec![value])), SqlType::not_null(DataType::Boolean))
    }

    /// A call, its arguments cast to the types that the function asks for. Fails where it does not take them.
    pub fn call(function: Arc<dyn ScalarFunction>, args: Vec<Expr>) -> Result<Self> {
        let arguments: Vec<Argument> = args.iter().map(|a| Argument { sql_type: a.sql_type(), literal: a.as_literal().cloned() }).collect();
        let signature = function.bind(&arguments)?;
        let args = args.into_iter().zip(&signature.args).map(|(arg, t)| cast(arg, t)).collect();
        Ok(Expr::Call { function, args, sql_type: signature.returns })
    }

    pub fn sql_type(&self) -> SqlType {
        match self {
            Expr::Column { sql_type, .. }
            | Expr::Literal { sql_type, .. }
            | Expr::Call { sql_type, .. }
            | Expr::Cast { sql_type, .. }
            | Expr::Case { sql_type, .. } => sql_type.clone(),
            Expr::And(parts) | Expr::Or(parts) => SqlType { data_type: DataType::Boolean, nullable: parts.iter().any(|p| p.sql_type().nullable) },
        }
    }

    /// The value of a literal: an array of one element.
    pub fn as_literal(&self) -> Option<&ArrayRef> {
        match self {
            Expr::Literal { value, .. } => Some(value),
            _ => None,
        }
    }
}

/// `expr` as a value of `target`; the expression itself where it has this type already.
pub fn cast(expr: Expr, target: &SqlType) -> Expr {
    if expr.sql_type() == *target {
        return expr;
    }
    Expr::Cast { input: Box::new(expr), sql_type: target.clone(), try_cast: false }
}
