//! The parser from outside: what it takes, what it refuses and how, and that nothing breaks it.

mod check;
mod errors;
mod expressions;
mod queries;
mod robust;
mod round_trip;
mod statements;
mod types;

/// Scripts that use every clause of the grammar, for the tests that need much text.
const SCRIPTS: &[&str] = &[include_str!("sql/ddl.sql"), include_str!("sql/queries.sql"), include_str!("sql/statements.sql")];
