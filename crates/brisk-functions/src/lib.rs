//! Expressions and functions: typed expressions over columns, and scalar, aggregate and table functions, one per file.
//!
//! Arrays in, arrays out: this crate knows no plan and keeps no state of its own. The binder (in `brisk-sql`) turns
//! syntax into [`Expr`]s and [`AggregateCall`]s with the help of the registries here; operators evaluate them.

pub mod aggregate;
pub mod cast;
pub mod expr;
pub mod scalar;
pub mod table;
pub mod types;

pub use aggregate::{Accumulator, Accumulators, AggregateCall, AggregateFunction, CallGroup, SharedAccumulator, Views, accumulators};
pub use expr::{Columnar, EvalContext, Expr, Program};
pub use scalar::{Argument, ScalarFunction, Signature};
