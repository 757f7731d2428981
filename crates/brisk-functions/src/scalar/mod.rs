//! Scalar functions and operators: the contract, and the list of all of them. One function (or one tight family) a file.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{Result, SqlType};

use crate::{Columnar, EvalContext};

/// A scalar function, or an operator under its symbol (`+`, `=`, `||`, `LIKE`, `IS NULL`).
pub trait ScalarFunction: Debug + Send + Sync {
    /// Upper case, as in Flink's documentation.
    fn name(&self) -> &'static str;

    /// Other names it goes by.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The types that the arguments must be cast to and the result's type; an error says which argument is wrong
    /// and which forms exist.
    fn bind(&self, args: &[Argument]) -> Result<Signature>;

    /// Whether equal arguments always give equal results. A function that is not is never folded into a constant.
    fn is_deterministic(&self) -> bool {
        true
    }

    /// Evaluates `rows` rows. `args` have the types that `bind` asked for; `returns` is the type that it gave.
    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar>;
}

/// One evaluation of a function.
pub struct Call<'a> {
    pub args: &'a [Columnar],
    pub arg_types: &'a [SqlType],
    pub returns: &'a SqlType,
    pub rows: usize,
    pub context: &'a EvalContext,
}

/// An argument as the binder knows it.
#[derive(Debug, Clone)]
pub struct Argument {
    pub sql_type: SqlType,
    /// The value of a constant (one element).
    pub literal: Option<ArrayRef>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// One type an argument; the binder casts where it differs.
    pub args: Vec<SqlType>,
    pub returns: SqlType,
}

/// All scalar functions, in the order of their files.
pub fn scalar_functions() -> Vec<Arc<dyn ScalarFunction>> {
    Vec::new()
}
