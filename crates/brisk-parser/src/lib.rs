//! Flink SQL: text in, a syntax tree with spans (or an error with a place and a remedy) out.
//!
//! ```text
//! script --lexer--> tokens --parser--> ast::Statement; ast::{Query, Expr, DataType} --Display--> SQL again
//! ```
//!
//! No dependency, no lookup, never a panic: any input gives a tree or a [`ParseError`], and nesting is limited so that
//! no input exhausts the stack. What names and types mean is for the binder.

pub mod ast;
mod error;
mod keywords;
mod lexer;
mod parser;
mod span;
mod token;
mod unparse;

pub use error::ParseError;
pub use parser::{Completeness, MAX_DEPTH, MAX_HEIGHT, completeness, parse_expression, parse_query, parse_script, parse_statement, parse_type};
pub use span::{Position, Span};
