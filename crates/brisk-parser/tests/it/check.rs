//! How the other tests ask.

use brisk_parser::ast::StatementKind;
use brisk_parser::{parse_expression, parse_query, parse_script, parse_type};

/// The expression is read so that it is written as `expected`.
#[track_caller]
pub fn expr(source: &str, expected: &str) {
    match parse_expression(source) {
        Ok(expr) => assert_eq!(expr.to_string(), expected, "{source}"),
        Err(error) => panic!("{source}: {error}"),
    }
}

/// The query is read so that it is written as `expected`.
#[track_caller]
pub fn query(source: &str, expected: &str) {
    match parse_query(source) {
        Ok(query) => assert_eq!(query.to_string(), expected, "{source}"),
        Err(error) => panic!("{source}: {error}"),
    }
}

/// The type is read so that it is written as `expected`.
#[track_caller]
pub fn data_type(source: &str, expected: &str) {
    match parse_type(source) {
        Ok(data_type) => assert_eq!(data_type.to_string(), expected, "{source}"),
        Err(error) => panic!("{source}: {error}"),
    }
}

/// The only statement of the script.
#[track_caller]
pub fn statement(source: &str) -> StatementKind {
    match parse_script(source) {
        Ok(mut statements) => {
            assert_eq!(statements.len(), 1, "{source}");
            statements.remove(0).kind
        }
        Err(error) => panic!("{source}: {error}"),
    }
}

/// The script is refused with `expected`.
#[track_caller]
pub fn error(source: &str, expected: &str) {
    match parse_script(source) {
        Ok(statements) => panic!("{source}: taken as {statements:?}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{source}"),
    }
}
