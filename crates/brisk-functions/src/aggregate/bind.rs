//! What the binding of all aggregate functions shares: signatures, and the error for arguments that do not fit.

use arrow_array::Array;
use brisk_core::{Error, Result, SqlType};

use super::AggregateSignature;
use crate::scalar::Argument;

pub(super) fn signature(args: &[Argument], types: Vec<SqlType>, returns: SqlType) -> AggregateSignature {
    AggregateSignature { args: types, returns, literals: args.iter().map(|a| a.literal.clone()).collect() }
}

/// The arguments' types as they are.
pub(super) fn types(args: &[Argument]) -> Vec<SqlType> {
    args.iter().map(|a| a.sql_type.clone()).collect()
}

/// The type of the only argument, if `accepts` it.
pub(super) fn single<'a>(name: &str, args: &'a [Argument], form: &str, accepts: impl Fn(&SqlType) -> bool) -> Result<&'a SqlType> {
    match args {
        [one] if accepts(&one.sql_type) => Ok(&one.sql_type),
        _ => Err(wrong(name, args, form)),
    }
}

/// The error for arguments of a wrong number or type; `forms` are the right ones.
pub(super) fn wrong(name: &str, args: &[Argument], forms: &str) -> Error {
    let given: Vec<String> = args.iter().map(|a| format!("<{}>", a.sql_type.data_type)).collect();
    Error::invalid(format!("Cannot apply '{name}' to arguments of type '{name}({})'. Supported form(s): {forms}", given.join(", ")))
}

/// The text of a constant argument.
pub(super) fn literal_text(argument: &Argument) -> Option<&str> {
    use arrow_array::cast::AsArray;
    let text = argument.literal.as_ref()?.as_string_opt::<i32>()?;
    (text.len() == 1 && text.nulls().is_none_or(|n| n.is_valid(0))).then(|| text.value(0))
}
