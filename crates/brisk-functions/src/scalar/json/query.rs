//! JSON_EXISTS, JSON_VALUE and JSON_QUERY. The binder writes their words as text literals:
//!
//! | call | words |
//! |---|---|
//! | `JSON_EXISTS(json, path [, on error])` | `'TRUE'`, `'FALSE'` (unless told), `'UNKNOWN'`, `'ERROR'` |
//! | `JSON_VALUE(json, path [, type, on empty, default, on error, default])` | `type` is a NULL of the RETURNING type; `'NULL'` (unless told), `'ERROR'`, `'DEFAULT'`, each with a value of that type (NULL where it is not DEFAULT) |
//! | `JSON_QUERY(json, path [, wrapper, on empty, on error [, type]])` | `'WITHOUT ARRAY'` (unless told), `'WITH CONDITIONAL ARRAY'`, `'WITH UNCONDITIONAL ARRAY'`; `'NULL'`, `'EMPTY ARRAY'`, `'EMPTY OBJECT'`, `'ERROR'`; `type` is a NULL of STRING or ARRAY<STRING> |
//!
//! A document that is no JSON is an error in strict mode, and nothing in lax mode. What the path finds must be a scalar for
//! JSON_VALUE, and an array or object for JSON_QUERY: anything else is an error in strict mode and nothing in lax mode.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::{Float64Type, Int32Type};
use brisk_core::{DataType, Error, Result, SqlType};

use super::path::{Found, Path};
use super::tree::{Json, parse};
use crate::scalar::binding::{Want, coerce, expect_count};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::{Texts, build_booleans, build_numbers};
use crate::scalar::{Argument, Call, Signature};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("JSON_EXISTS", bind_exists, json_exists),
    Builtin::new("JSON_VALUE", bind_value, json_value),
    Builtin::new("JSON_QUERY", bind_query, json_query),
];

/// Documents and paths of a call, and what the paths find.
struct Documents<'a> {
    texts: Texts<'a>,
    paths: Texts<'a>,
    constant: Option<Path>,
}

/// What became of one row: `Err` is for ON ERROR, `Ok(None)` for ON EMPTY.
type Outcome<'j, 'a> = Result<Option<Cow<'j, Json<'a>>>, String>;

impl<'a> Documents<'a> {
    fn new(call: &Call<'a>) -> Self {
        let paths = call.text(1);
        let constant = paths.get(0).filter(|_| paths.is_constant()).map(Path::compile);
        Self { texts: call.text(0), paths, constant }
    }

    /// Calls `then` with what the row's path finds and whether it is lax; `None` where document or path is NULL.
    fn with<T>(&self, row: usize, then: impl FnOnce(bool, Outcome<'_, '_>) -> T) -> Option<T> {
        let (text, path) = (self.texts.get(row)?, self.paths.get(row)?);
        let path = match &self.constant {
            Some(path) => Cow::Borrowed(path),
            None => Cow::Owned(Path::compile(path)),
        };
        let document = match parse(text) {
            Ok(document) => document,
            Err(_) if path.is_lax => return Some(then(true, Ok(None))),
            Err(e) => return Some(then(false, Err(e))),
        };
        let found = path.find(&document).map(|found| match found {
            Found::One(json) => Some(json).filter(|j| **j != Json::Null),
            Found::Many(list) => Some(Cow::Owned(Json::Array(list.into_iter().map(Cow::into_owned).collect()))),
            Found::Nothing => None,
        });
        Some(then(path.is_lax, found))
    }
}

fn text_argument(args: &[Argument], index: usize) -> Result<SqlType> {
    coerce(index, &args[index].sql_type, Want::Text)
}

fn word<'a>(call: &Call<'a>, index: usize, default: &'static str) -> &'a str {
    if call.args.len() > index { call.text(index).get(0).unwrap_or(default) } else { default }
}

/// Keeps the first failure of a loop that gives values.
#[derive(Default)]
struct FirstError(Option<Error>);

impl FirstError {
    fn note<T>(&mut self, message: impl Into<String>) -> Option<T> {
        self.0.get_or_insert_with(|| Error::compute(message));
        None
    }

    fn check(self, array: ArrayRef) -> Result<ArrayRef> {
        self.0.map_or(Ok(array), Err)
    }
}

// ---------------------------------------------------------------- JSON_EXISTS

fn bind_exists(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 3)?;
    let mut types = vec![text_argument(args, 0)?, text_argument(args, 1)?];
    types.extend(args.get(2).map(|a| a.sql_type.clone()));
    Ok(Signature { args: types, returns: SqlType::nullable(DataType::Boolean) })
}

fn json_exists(call: &Call<'_>) -> Result<ArrayRef> {
    let documents = Documents::new(call);
    let on_error = word(call, 2, "FALSE");
    let mut failed = FirstError::default();
    let array = build_booleans(call.rows, |row| {
        documents.with(row, |_, outcome| match (outcome, on_error) {
            (Ok(found), _) => Some(found.is_some()),
            (Err(_), "TRUE") => Some(true),
            (Err(_), "FALSE") => Some(false),
            (Err(_), "UNKNOWN") => None,
            (Err(e), _) => failed.note(e),
        })?
    });
    failed.check(array)
}

// ---------------------------------------------------------------- JSON_VALUE

fn bind_value(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 7)?;
    let returns = args.get(2).map_or(SqlType::nullable(DataType::STRING), |a| a.sql_type.with_nullable(true));
    let known = returns.data_type.is_character() || matches!(returns.data_type, DataType::Boolean | DataType::Int | DataType::Double);
    if !known {
        let error = Error::invalid(format!("Unsupported type '{}' for RETURNING in JSON_VALUE().", returns.data_type));
        return Err(error.with_remedy("use STRING, BOOLEAN, INTEGER or DOUBLE, and CAST the result"));
    }
    let mut types = vec![text_argument(args, 0)?, text_argument(args, 1)?];
    for (index, arg) in args.iter().enumerate().skip(2) {
        types.push(if matches!(index, 4 | 6) { returns.clone() } else { arg.sql_type.clone() });
    }
    Ok(Signature { args: types, returns })
}

/// Where a result comes from.
enum Chosen<'j, 'a> {
    Found(Cow<'j, Json<'a>>),
    /// The argument with the default.
    Default(usize),
    Null,
}

fn choose<'j, 'a>(is_lax: bool, outcome: Outcome<'j, 'a>, on_empty: &str, on_error: &str) -> Result<Chosen<'j, 'a>, String> {
    let error = match outcome {
        Ok(Some(json)) if json.is_scalar() => return Ok(Chosen::Found(json)),
        Ok(Some(_)) if !is_lax => "Strict jsonpath mode requires scalar value".to_owned(),
        Ok(_) => {
            return match on_empty {
                "DEFAULT" => Ok(Chosen::Default(4)),
                "ERROR" => Err("Empty result of JSON_VALUE function is not allowed".into()),
                _ => Ok(Chosen::Null),
            };
        }
        Err(e) => e,
    };
    match on_error {
        "DEFAULT" => Ok(Chosen::Default(6)),
        "ERROR" => Err(error),
        _ => Ok(Chosen::Null),
    }
}

fn json_value(call: &Call<'_>) -> Result<ArrayRef> {
    let documents = Documents::new(call);
    let (on_empty, on_error) = (word(call, 3, "NULL"), word(call, 5, "NULL"));
    let mut failed = FirstError::default();
    let array = match &call.returns.data_type {
        DataType::Boolean => build_booleans(call.rows, |row| {
            let chosen = documents.with(row, |is_lax, outcome| match choose(is_lax, outcome, on_empty, on_error) {
                Ok(Chosen::Found(json)) => match *json {
                    Json::Boolean(value) => Some(Ok(value)),
                    _ => failed.note(not_a(&json, "BOOLEAN")),
                },
                Ok(Chosen::Default(index)) => Some(Err(index)),
                Ok(Chosen::Null) => None,
                Err(e) => failed.note(e),
            })??;
            chosen.map_or_else(|index| call.boolean(index).get(row), Some)
        }),
        DataType::Int => build_numbers::<Int32Type>(call.rows, |row| {
            let chosen = documents.with(row, |is_lax, outcome| match choose(is_lax, outcome, on_empty, on_error) {
                Ok(Chosen::Found(json)) => match &*json {
                    Json::Number(text) if text.parse::<i32>().is_ok() => text.parse().ok().map(Ok),
                    _ => failed.note(not_a(&json, "INTEGER")),
                },
                Ok(Chosen::Default(index)) => Some(Err(index)),
                Ok(Chosen::Null) => None,
                Err(e) => failed.note(e),
            })??;
            chosen.map_or_else(|index| call.number::<Int32Type>(index).get(row), Some)
        }),
        DataType::Double => build_numbers::<Float64Type>(call.rows, |row| {
            let chosen = documents.with(row, |is_lax, outcome| match choose(is_lax, outcome, on_empty, on_error) {
                Ok(Chosen::Found(json)) => match &*json {
                    Json::Number(text) => text.parse().ok().map(Ok),
                    _ => failed.note(not_a(&json, "DOUBLE")),
                },
                Ok(Chosen::Default(index)) => Some(Err(index)),
                Ok(Chosen::Null) => None,
                Err(e) => failed.note(e),
            })??;
            chosen.map_or_else(|index| call.number::<Float64Type>(index).get(row), Some)
        }),
        _ => {
            let mut builder = StringBuilder::new();
            let mut text = String::new();
            for row in 0..call.rows {
                text.clear();
                let written = documents.with(row, |is_lax, outcome| match choose(is_lax, outcome, on_empty, on_error) {
                    Ok(Chosen::Found(json)) => {
                        json.write_plain(&mut text);
                        Some(())
                    }
                    Ok(Chosen::Default(index)) => call.text(index).get(row).map(|default| text.push_str(default)),
                    Ok(Chosen::Null) => None,
                    Err(e) => failed.note(e),
                });
                builder.append_option(written.flatten().map(|()| text.as_str()));
            }
            Arc::new(builder.finish())
        }
    };
    failed.check(array)
}

fn not_a(json: &Json<'_>, expected: &str) -> String {
    let mut text = String::new();
    json.write(&mut text);
    format!("JSON_VALUE found {text}, which is no {expected}")
}

// ---------------------------------------------------------------- JSON_QUERY

fn bind_query(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 6)?;
    let returns = args.get(5).map_or(SqlType::nullable(DataType::STRING), |a| a.sql_type.with_nullable(true));
    let is_array = matches!(&returns.data_type, DataType::Array(item) if item.data_type.is_character());
    if !is_array && !returns.data_type.is_character() {
        let error = Error::invalid(format!("Unsupported array element type '{}' for RETURNING ARRAY in JSON_QUERY().", returns.data_type));
        return Err(error.with_remedy("use STRING or ARRAY<STRING>"));
    }
    let says = |index: usize| args.get(index).and_then(|a| a.literal.as_ref()).map(|l| crate::cast::value_text(l.as_ref(), &args[index].sql_type, 0));
    for (index, when) in [(3, "empty"), (4, "error")] {
        if is_array && says(index).is_some_and(|word| word == "EMPTY OBJECT") {
            return Err(Error::invalid(format!("Illegal on {when} behavior 'EMPTY OBJECT' for return type: VARCHAR(2147483647) ARRAY")));
        }
    }
    let mut types = vec![text_argument(args, 0)?, text_argument(args, 1)?];
    types.extend(args.iter().skip(2).map(|a| a.sql_type.clone()));
    Ok(Signature { args: types, returns })
}

fn json_query(call: &Call<'_>) -> Result<ArrayRef> {
    let documents = Documents::new(call);
    let (wrapper, on_empty, on_error) = (word(call, 2, "WITHOUT ARRAY"), word(call, 3, "NULL"), word(call, 4, "NULL"));
    let is_array = matches!(call.returns.data_type, DataType::Array(_));
    let mut failed = FirstError::default();
    // JSON text of each row, or the parts of the array.
    let mut texts = StringBuilder::new();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let result = documents.with(row, |is_lax, outcome| {
            let error = match outcome.map(|found| found.map(|json| wrap(json, wrapper))) {
                Ok(Some(json)) if !json.is_scalar() => match (&*json, is_array) {
                    (Json::Array(items), true) => return Some(Picked::Items(items.iter().map(item_text).collect())),
                    (_, true) => "JSON_QUERY found an object and no array".to_owned(),
                    _ => return Some(Picked::Text(json_text(&json))),
                },
                Ok(Some(_)) if !is_lax => "Strict jsonpath mode requires array or object value".to_owned(),
                Ok(_) if on_empty == "ERROR" => return failed.note("Empty result of JSON_QUERY function is not allowed"),
                Ok(_) => return constant(on_empty),
                Err(e) => e,
            };
            if on_error == "ERROR" { failed.note(error) } else { constant(on_error) }
        });
        match (result.flatten(), is_array) {
            (Some(Picked::Text(text)), false) => texts.append_value(text),
            (Some(Picked::Items(items)), true) => lists.append_value(items),
            (Some(Picked::Empty), true) => lists.append_value(Vec::<Option<String>>::new()),
            (Some(Picked::Empty), false) => texts.append_value("[]"),
            (_, true) => lists.append_null(),
            (_, false) => texts.append_null(),
        }
    }
    failed.check(if is_array { Arc::new(lists.finish()) } else { Arc::new(texts.finish()) })
}

enum Picked {
    Text(String),
    Items(Vec<Option<String>>),
    Empty,
}

fn constant(behavior: &str) -> Option<Picked> {
    match behavior {
        "EMPTY ARRAY" => Some(Picked::Empty),
        "EMPTY OBJECT" => Some(Picked::Text("{}".into())),
        _ => None,
    }
}

fn wrap<'j, 'a>(json: Cow<'j, Json<'a>>, wrapper: &str) -> Cow<'j, Json<'a>> {
    let wrapped = match wrapper {
        "WITH UNCONDITIONAL ARRAY" => true,
        "WITH CONDITIONAL ARRAY" => !matches!(*json, Json::Array(_)),
        _ => false,
    };
    if wrapped { Cow::Owned(Json::Array(vec![json.into_owned()])) } else { json }
}

fn json_text(json: &Json<'_>) -> String {
    let mut text = String::new();
    json.write(&mut text);
    text
}

/// An element of ARRAY<STRING>: a scalar without quotes, anything else as JSON.
fn item_text(json: &Json<'_>) -> Option<String> {
    let mut text = String::new();
    json.write_plain(&mut text);
    (*json != Json::Null).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, int, null, text};

    const ACCOUNT: &str = r#"{"type": "account", "age": 42, "on": true, "roles": ["user", "viewer"], "balance": 13.370, "o": {}}"#;

    #[test]
    fn existence_is_asked() {
        check("JSON_EXISTS", &[text(ACCOUNT), text("lax $.roles[1]")], "TRUE");
        check("JSON_EXISTS", &[text(ACCOUNT), text("$.none")], "FALSE");
        check("JSON_EXISTS", &[text(ACCOUNT), text("strict $.none"), text("TRUE")], "TRUE");
        check("JSON_EXISTS", &[text(ACCOUNT), text("strict $.none"), text("UNKNOWN")], "NULL");
        check("JSON_EXISTS", &[text(ACCOUNT), text("strict $.none"), text("ERROR")], "ERROR");
        check("JSON_EXISTS", &[null(DataType::STRING), text("$.a")], "NULL");
    }

    #[track_caller]
    fn check_value(path: &str, returning: DataType, empty: (&str, Option<i32>), error: (&str, Option<i32>), expected: &str) {
        let default = |value: Option<i32>| value.map_or(null(returning.clone()), |v| if returning == DataType::Int { int(v) } else { text(&v.to_string()) });
        let args = [text(ACCOUNT), text(path), null(returning.clone()), text(empty.0), default(empty.1), text(error.0), default(error.1)];
        check("JSON_VALUE", &args, expected);
    }

    #[test]
    fn scalars_are_taken() {
        check("JSON_VALUE", &[text(ACCOUNT), text("$.type")], "account");
        check("JSON_VALUE", &[text(ACCOUNT), text("$.balance")], "13.370");
        check("JSON_VALUE", &[text("no json"), text("$.a")], "NULL");
        let none = ("NULL", None);
        check_value("$.age", DataType::Int, none, none, "42");
        check_value("$.on", DataType::Boolean, none, none, "TRUE");
        check_value("$.balance", DataType::Double, none, none, "13.37");
        check_value("$.type", DataType::Int, none, none, "ERROR");
        check_value("lax $.none", DataType::Int, ("DEFAULT", Some(7)), ("ERROR", None), "7");
        check_value("lax $.none", DataType::Int, ("ERROR", None), none, "ERROR");
        check_value("strict $.none", DataType::STRING, ("ERROR", None), ("DEFAULT", Some(9)), "9");
        check_value("lax $.roles", DataType::STRING, ("DEFAULT", Some(1)), ("DEFAULT", Some(2)), "1");
        check_value("strict $.roles", DataType::STRING, ("DEFAULT", Some(1)), ("DEFAULT", Some(2)), "2");
    }

    #[test]
    fn arrays_and_objects_are_taken() {
        let strings = || DataType::Array(Box::new(SqlType::nullable(DataType::STRING)));
        let query = |path: &str, words: [&str; 3], returning: Option<DataType>, expected: &str| {
            let mut args = vec![text(ACCOUNT), text(path)];
            args.extend(words.map(text));
            args.extend(returning.map(null));
            check("JSON_QUERY", &args, expected);
        };
        let plain = ["WITHOUT ARRAY", "NULL", "NULL"];
        check("JSON_QUERY", &[text(ACCOUNT), text("$.roles")], r#"["user","viewer"]"#);
        query("$.o", plain, None, "{}");
        query("$.type", plain, None, "NULL");
        query("lax $.type", ["WITHOUT ARRAY", "EMPTY ARRAY", "NULL"], None, "[]");
        query("strict $.type", ["WITHOUT ARRAY", "NULL", "EMPTY OBJECT"], None, "{}");
        query("$.type", ["WITH CONDITIONAL ARRAY", "NULL", "NULL"], None, r#"["account"]"#);
        query("$.roles", ["WITH UNCONDITIONAL ARRAY", "NULL", "NULL"], None, r#"[["user","viewer"]]"#);
        query("$.roles", plain, Some(strings()), "[user, viewer]");
        query("$.o", plain, Some(strings()), "NULL");
        query("lax $.none", ["WITHOUT ARRAY", "ERROR", "NULL"], None, "ERROR");
    }
}
