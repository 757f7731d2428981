//! What functions ask of their arguments, and the signatures that follow.

use brisk_core::{DataType, Error, Result, SqlType};

use super::{Argument, Signature};
use crate::types::common_type;

/// What an argument must be. Where it is not but casts without loss, it is cast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Want {
    /// CHAR, VARCHAR, STRING as they are.
    Text,
    /// BINARY, VARBINARY, BYTES as they are.
    Binary,
    TextOrBinary,
    /// TINYINT to BIGINT as they are.
    Integer,
    /// As INT; BIGINT is refused.
    Int,
    /// As BIGINT.
    BigInt,
    /// Any number as DOUBLE.
    Double,
    /// Any number as it is.
    Number,
    Boolean,
    Any,
}

/// Whether the number of arguments is one that the function takes.
pub fn expect_count(args: &[Argument], from: usize, to: usize) -> Result<()> {
    if (from..=to).contains(&args.len()) {
        return Ok(());
    }
    let expected = match (from, to) {
        (n, m) if n == m => format!("{n}"),
        (n, usize::MAX) => format!("at least {n}"),
        (n, m) => format!("{n} to {m}"),
    };
    Err(Error::invalid(format!("takes {expected} argument(s), not {}", args.len())))
}

/// A signature by position. The last `wants.len() - required` arguments may be left out. The result is nullable where
/// an argument is.
pub fn bind(args: &[Argument], wants: &[Want], required: usize, returns: DataType) -> Result<Signature> {
    expect_count(args, required, wants.len())?;
    let types = args.iter().zip(wants).enumerate().map(|(i, (arg, want))| coerce(i, &arg.sql_type, *want)).collect::<Result<Vec<_>>>()?;
    Ok(signature(types, returns))
}

/// As [`bind`], but the result is nullable whatever the arguments are.
pub fn bind_nullable(args: &[Argument], wants: &[Want], required: usize, returns: DataType) -> Result<Signature> {
    let mut bound = bind(args, wants, required, returns)?;
    bound.returns.nullable = true;
    Ok(bound)
}

/// The result is nullable where an argument is.
pub fn signature(args: Vec<SqlType>, returns: DataType) -> Signature {
    let nullable = args.iter().any(|t| t.nullable);
    Signature { args, returns: SqlType { data_type: returns, nullable } }
}

/// The type that argument `index` must be cast to.
pub fn coerce(index: usize, from: &SqlType, want: Want) -> Result<SqlType> {
    use DataType as T;
    let keep = |ok: bool| ok.then(|| from.data_type.clone());
    let found = match (&from.data_type, want) {
        // An untyped NULL becomes what is wanted.
        (T::Null, want) => return Ok(SqlType::nullable(null_as(want))),
        (t, Want::Text) => keep(t.is_character()),
        (t, Want::Binary) => keep(t.is_binary()),
        (t, Want::TextOrBinary) => keep(t.is_character() || t.is_binary()),
        (t, Want::Integer) => keep(t.is_integer()),
        (T::TinyInt | T::SmallInt | T::Int, Want::Int) => Some(T::Int),
        (t, Want::BigInt) if t.is_integer() => Some(T::BigInt),
        (t, Want::Double) if t.is_numeric() => Some(T::Double),
        (t, Want::Number) => keep(t.is_numeric()),
        (T::Boolean, Want::Boolean) => Some(T::Boolean),
        (t, Want::Any) => Some(t.clone()),
        _ => None,
    };
    match found {
        Some(data_type) => Ok(SqlType { data_type, nullable: from.nullable }),
        None => Err(wrong(index, from, describe(want))),
    }
}

/// An argument of a wrong type.
pub fn wrong(index: usize, found: &SqlType, expected: &str) -> Error {
    Error::invalid(format!("argument {} must be {expected}, not {}", index + 1, found.data_type))
}

/// Brings arguments to their least restrictive type.
pub fn to_common(args: &[Argument]) -> Result<SqlType> {
    let types: Vec<SqlType> = args.iter().map(|a| a.sql_type.clone()).collect();
    common_type(&types).ok_or_else(|| no_common(&types))
}

pub fn no_common(types: &[SqlType]) -> Error {
    let list: Vec<String> = types.iter().map(|t| t.data_type.to_string()).collect();
    Error::invalid(format!("there is no common type of {}", list.join(", ")))
}

fn null_as(want: Want) -> DataType {
    match want {
        Want::Text | Want::TextOrBinary => DataType::STRING,
        Want::Binary => DataType::BYTES,
        Want::Integer | Want::Int | Want::Number => DataType::Int,
        Want::BigInt => DataType::BigInt,
        Want::Double => DataType::Double,
        Want::Boolean => DataType::Boolean,
        Want::Any => DataType::Null,
    }
}

fn describe(want: Want) -> &'static str {
    match want {
        Want::Text => "a character string",
        Want::Binary => "a binary string",
        Want::TextOrBinary => "a character or binary string",
        Want::Integer | Want::BigInt => "an integer",
        Want::Int => "an INT",
        Want::Double | Want::Number => "a number",
        Want::Boolean => "a BOOLEAN",
        Want::Any => "any value",
    }
}
