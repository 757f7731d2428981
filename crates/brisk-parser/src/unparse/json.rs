//! The JSON functions.

use std::fmt::{Display, Formatter, Result};

use super::{clause, commas};
use crate::ast::{JsonCall, JsonExistsOnError, JsonOnNull, JsonQueryBehavior, JsonValueBehavior, JsonWrapper};

impl Display for JsonCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            JsonCall::Exists { input, path, on_error } => {
                write!(f, "JSON_EXISTS({input}, {path}")?;
                match on_error {
                    Some(JsonExistsOnError::True) => f.write_str(" TRUE ON ERROR)"),
                    Some(JsonExistsOnError::False) => f.write_str(" FALSE ON ERROR)"),
                    Some(JsonExistsOnError::Unknown) => f.write_str(" UNKNOWN ON ERROR)"),
                    Some(JsonExistsOnError::Error) => f.write_str(" ERROR ON ERROR)"),
                    None => f.write_str(")"),
                }
            }
            JsonCall::Value { input, path, returning, on_empty, on_error } => {
                write!(f, "JSON_VALUE({input}, {path}")?;
                if let Some(data_type) = returning {
                    write!(f, " RETURNING {data_type}")?;
                }
                value_behavior(f, on_empty.as_ref(), "EMPTY")?;
                value_behavior(f, on_error.as_ref(), "ERROR")?;
                f.write_str(")")
            }
            JsonCall::Query { input, path, returning, wrapper, on_empty, on_error } => {
                write!(f, "JSON_QUERY({input}, {path}")?;
                if let Some(data_type) = returning {
                    write!(f, " RETURNING {data_type}")?;
                }
                f.write_str(match wrapper {
                    Some(JsonWrapper::Without) => " WITHOUT WRAPPER",
                    Some(JsonWrapper::Conditional) => " WITH CONDITIONAL WRAPPER",
                    Some(JsonWrapper::Unconditional) => " WITH UNCONDITIONAL WRAPPER",
                    None => "",
                })?;
                query_behavior(f, *on_empty, "EMPTY")?;
                query_behavior(f, *on_error, "ERROR")?;
                f.write_str(")")
            }
            JsonCall::Object { entries, on_null } => {
                f.write_str("JSON_OBJECT(")?;
                commas(f, entries.iter().map(|(key, value)| format!("KEY {key} VALUE {value}")))?;
                close(f, !entries.is_empty(), *on_null)
            }
            JsonCall::Array { items, on_null } => {
                f.write_str("JSON_ARRAY(")?;
                commas(f, items)?;
                close(f, !items.is_empty(), *on_null)
            }
            JsonCall::ObjectAgg { key, value, on_null } => {
                write!(f, "JSON_OBJECTAGG(KEY {key} VALUE {value}")?;
                close(f, true, *on_null)
            }
            JsonCall::ArrayAgg { item, order_by, on_null } => {
                write!(f, "JSON_ARRAYAGG({item}")?;
                clause(f, " ORDER BY ", order_by)?;
                close(f, true, *on_null)
            }
        }
    }
}

fn value_behavior(f: &mut Formatter<'_>, behavior: Option<&JsonValueBehavior>, on: &str) -> Result {
    match behavior {
        Some(JsonValueBehavior::Null) => write!(f, " NULL ON {on}"),
        Some(JsonValueBehavior::Error) => write!(f, " ERROR ON {on}"),
        Some(JsonValueBehavior::Default(value)) => write!(f, " DEFAULT {value} ON {on}"),
        None => Ok(()),
    }
}

fn query_behavior(f: &mut Formatter<'_>, behavior: Option<JsonQueryBehavior>, on: &str) -> Result {
    match behavior {
        Some(JsonQueryBehavior::Null) => write!(f, " NULL ON {on}"),
        Some(JsonQueryBehavior::EmptyArray) => write!(f, " EMPTY ARRAY ON {on}"),
        Some(JsonQueryBehavior::EmptyObject) => write!(f, " EMPTY OBJECT ON {on}"),
        Some(JsonQueryBehavior::Error) => write!(f, " ERROR ON {on}"),
        None => Ok(()),
    }
}

/// ON NULL, with a blank before it where something stands there, and the parenthesis.
fn close(f: &mut Formatter<'_>, blank: bool, on_null: Option<JsonOnNull>) -> Result {
    let Some(on_null) = on_null else { return f.write_str(")") };
    f.write_str(if blank { " " } else { "" })?;
    f.write_str(match on_null {
        JsonOnNull::Null => "NULL ON NULL)",
        JsonOnNull::Absent => "ABSENT ON NULL)",
    })
}
