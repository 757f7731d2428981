//! Flink SQL: text in, a syntax tree with spans (or an error with a place and a remedy) out.
//!
//! No dependency, no lookup, never a panic: any input gives a tree or a [`ParseError`], and nesting is limited so that
//! no input exhausts the stack. What names and types mean is for the binder.

pub mod ast;
mod error;
mod span;

pub use error::ParseError;
pub use span::{Position, Span};
