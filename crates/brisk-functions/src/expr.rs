//! Typed expressions, evaluated a batch at a time.
//!
//! One form serves the planner (which compares, rewrites and prints expressions) and the operators (which evaluate
//! them). Every cast is explicit: the binder has resolved names, chosen functions and coerced arguments, so evaluation
//! never guesses a type. AND, OR and CASE are forms of their own because they must not evaluate what they do not need:
//! `CASE WHEN b = 0 THEN 0 ELSE a / b END` never divides by zero.

use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::SqlType;

use crate::ScalarFunction;

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

/// What an evaluation gives: a value a row, or one for all rows.
#[derive(Debug, Clone)]
pub enum Columnar {
    Array(ArrayRef),
    /// One element.
    Scalar(ArrayRef),
}

/// What an evaluation may know besides its columns.
#[derive(Debug, Clone)]
pub struct EvalContext {
    /// Processing time, for CURRENT_TIMESTAMP, PROCTIME() and their like: the same for all rows of a batch.
    pub processing_time_ms: i64,
    /// The session's zone (`table.local-time-zone`).
    pub time_zone: chrono_tz::Tz,
}

impl Expr {
    pub fn sql_type(&self) -> SqlType {
        use brisk_core::DataType;
        match self {
            Expr::Column { sql_type, .. }
            | Expr::Literal { sql_type, .. }
            | Expr::Call { sql_type, .. }
            | Expr::Cast { sql_type, .. }
            | Expr::Case { sql_type, .. } => sql_type.clone(),
            Expr::And(parts) | Expr::Or(parts) => SqlType { data_type: DataType::Boolean, nullable: parts.iter().any(|p| p.sql_type().nullable) },
        }
    }
}
