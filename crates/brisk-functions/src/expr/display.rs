//! The text of an expression: SQL-like, with `$0` for the first column, complete enough to be the expression's identity.
//!
//! A literal names its type unless its text tells it: `1` is INT NOT NULL, `TRUE` is BOOLEAN, `'abc'` is CHAR(3),
//! `1:BIGINT` and `'abc':STRING` are what they say. A nullable type of a constant is written out too (`1:INT NULL`).

use std::fmt;
use std::hash::{Hash, Hasher};

use arrow_array::Array;
use brisk_core::{DataType, SqlType};

use crate::{Expr, cast};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Column { index, .. } => write!(f, "${index}"),
            Expr::Literal { value, sql_type } => literal(f, value.as_ref(), sql_type),
            Expr::Call { function, args, .. } => call(f, &function.label(), args),
            Expr::Cast { input, sql_type, try_cast } => write!(f, "{}({input} AS {sql_type})", if *try_cast { "TRY_CAST" } else { "CAST" }),
            Expr::And(parts) => joined(f, parts, " AND "),
            Expr::Or(parts) => joined(f, parts, " OR "),
            Expr::Case { branches, otherwise, sql_type } => {
                write!(f, "CASE")?;
                for (when, then) in branches {
                    write!(f, " WHEN {when} THEN {then}")?;
                }
                match otherwise {
                    Some(e) => write!(f, " ELSE {e} END"),
                    None => write!(f, " ELSE NULL:{sql_type} END"),
                }
            }
        }
    }
}

fn literal(f: &mut fmt::Formatter<'_>, value: &dyn Array, sql_type: &SqlType) -> fmt::Result {
    if value.is_null(0) || sql_type.data_type == DataType::Null {
        return write!(f, "NULL:{}", sql_type.data_type);
    }
    let text = cast::value_text(value, sql_type, 0);
    match &sql_type.data_type {
        t if t.is_character() => write!(f, "'{}'", text.replace('\'', "''"))?,
        t if t.is_binary() => write!(f, "X'{}'", cast::hex_text(value, 0))?,
        t if t.is_numeric() || *t == DataType::Boolean => f.write_str(&text)?,
        _ => write!(f, "'{}'", text.replace('\'', "''"))?,
    }
    let told = match &sql_type.data_type {
        DataType::Int | DataType::Boolean => true,
        DataType::Char(n) => *n as usize == text.chars().count(),
        _ => false,
    };
    if !told || sql_type.nullable {
        write!(f, ":{}{}", sql_type.data_type, if sql_type.nullable { " NULL" } else { "" })?;
    }
    Ok(())
}

fn call(f: &mut fmt::Formatter<'_>, name: &str, args: &[Expr]) -> fmt::Result {
    match (name, args) {
        ("NEGATE", [a]) => write!(f, "(-{a})"),
        ("NOT", [a]) => write!(f, "(NOT {a})"),
        (_, [a]) if name.starts_with("IS ") => write!(f, "({a} {name})"),
        ("ITEM", [a, b]) => write!(f, "{a}[{b}]"),
        (_, [a]) if name.starts_with('.') => write!(f, "{a}{name}"),
        (_, [a, b]) if is_infix(name) => write!(f, "({a} {name} {b})"),
        _ => {
            write!(f, "{name}(")?;
            for (i, arg) in args.iter().enumerate() {
                write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
            }
            write!(f, ")")
        }
    }
}

fn is_infix(name: &str) -> bool {
    matches!(name, "LIKE" | "SIMILAR TO" | "IS DISTINCT FROM" | "IS NOT DISTINCT FROM") || name.chars().all(|c| c.is_ascii_punctuation())
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
    write!(f, "(")?;
    for (i, part) in parts.iter().enumerate() {
        write!(f, "{}{part}", if i > 0 { between } else { "" })?;
    }
    write!(f, ")")
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Expr {}

impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_string().hash(state);
    }
}
