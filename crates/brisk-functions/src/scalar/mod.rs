//! Scalar functions and operators: the contract, and the list of all of them. One function (or one tight family) a file.

mod arithmetic;
pub(crate) mod binding;
pub(crate) mod builtin;
mod collection;
mod comparison;
mod conditional;
#[cfg(test)]
mod contract_tests;
mod decimal;
mod digest;
mod encoding;
pub(crate) mod equality;
mod hash_code;
mod in_set;
pub mod json;
mod logic;
mod math;
pub(crate) mod pattern;
pub(crate) mod reader;
mod string;
mod temporal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod time;
mod url;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use arrow_array::ArrayRef;
use brisk_core::{Result, SqlType};

use crate::{Columnar, EvalContext, Expr};

pub use collection::field_access;

/// A scalar function, or an operator under its symbol (`+`, `=`, `||`, `LIKE`, `IS NULL`).
pub trait ScalarFunction: Debug + Send + Sync {
    /// Upper case, as in Flink's documentation.
    fn name(&self) -> &'static str;

    /// Other names it goes by.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The name with whatever else tells this object from others of the name: part of an expression's identity.
    fn label(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.name())
    }

    /// The types that the arguments must be cast to and the result's type; an error says which argument is wrong
    /// and which forms exist.
    fn bind(&self, args: &[Argument]) -> Result<Signature>;

    /// Whether equal arguments always give equal results. A function that is not is never folded into a constant.
    fn is_deterministic(&self) -> bool {
        true
    }

    /// Whether no argument can make it fail. Such a function may be evaluated on rows whose result is not needed.
    fn is_safe(&self) -> bool {
        false
    }

    /// Roughly what a row costs, in additions of numbers: what is dear is evaluated late and for few rows.
    fn cost(&self) -> u32 {
        10
    }

    /// Work that calls with other arguments can share: an expression whose value then comes as one argument more. It is
    /// asked for where several calls of a program want the same, and not in `bind`.
    fn shared_work(&self, _args: &[Expr]) -> Option<Expr> {
        None
    }

    /// Evaluates `rows` rows. `args` have the types that `bind` asked for; `returns` is the type that it gave.
    /// A deterministic function whose arguments are all constants is called with `rows` 1.
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
    [
        arithmetic::functions(),
        comparison::functions(),
        logic::functions(),
        conditional::functions(),
        math::functions(),
        string::functions(),
        pattern::functions(),
        digest::functions(),
        hash_code::functions(),
        encoding::functions(),
        url::functions(),
        collection::functions(),
        time::functions(),
        json::functions(),
    ]
    .concat()
}

/// The function of this name or alias, in any case.
pub fn scalar_function(name: &str) -> Option<Arc<dyn ScalarFunction>> {
    static BY_NAME: LazyLock<HashMap<&'static str, Arc<dyn ScalarFunction>>> = LazyLock::new(|| {
        let mut by_name = HashMap::new();
        for function in scalar_functions() {
            for alias in function.aliases() {
                by_name.insert(*alias, function.clone());
            }
            by_name.insert(function.name(), function);
        }
        by_name
    });
    BY_NAME.get(name.to_ascii_uppercase().as_str()).cloned()
}
