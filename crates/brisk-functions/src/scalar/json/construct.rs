//! JSON_OBJECT, JSON_ARRAY, JSON_STRING and JSON.
//!
//! `JSON_OBJECT(k1, v1, .., on null)` and `JSON_ARRAY(v1, .., on null)`, where `on null` is a text literal: `'NULL ON NULL'`
//! or `'ABSENT ON NULL'`. Behind it, after a blank, may stand a letter for each value: `R` for one that is JSON text and goes
//! in as it is (what JSON_OBJECT, JSON_ARRAY and JSON give when they stand there), `V` for any other. So
//! `JSON_OBJECT(KEY 'a' VALUE 1, KEY 'b' VALUE JSON('{}'))` is `JSON_OBJECT('a', 1, 'b', JSON('{}'), 'NULL ON NULL VR')`.
//!
//! JSON may stand there only, which the binder checks.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef};
use brisk_core::{DataType, Error, Result, SqlType};

use super::text::{check_type, write_array, write_object, write_value};
use super::tree::parse;
use crate::scalar::binding::{self, Want, expect_count};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_texts;
use crate::scalar::{Argument, Call, Signature};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("JSON_OBJECT", bind_object, json_object),
    Builtin::new("JSON_ARRAY", bind_array, json_array),
    Builtin::new("JSON_STRING", bind_string, json_string),
    Builtin::new("JSON", |args| binding::bind_nullable(args, &[Want::Text], 1, DataType::STRING), json),
];

fn types(args: &[Argument]) -> Vec<SqlType> {
    args.iter().map(|a| a.sql_type.clone()).collect()
}

fn bind_object(args: &[Argument]) -> Result<Signature> {
    if args.len().is_multiple_of(2) {
        return Err(Error::invalid("takes keys with their values, and what NULL does"));
    }
    for (index, arg) in args[..args.len() - 1].iter().enumerate() {
        if index % 2 == 1 {
            check_type(&arg.sql_type)?;
        } else if !arg.sql_type.data_type.is_character() {
            return Err(binding::wrong(index, &arg.sql_type, "a key, which is a character string"));
        }
    }
    Ok(Signature { args: types(args), returns: SqlType::not_null(DataType::STRING) })
}

fn bind_array(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    args[..args.len() - 1].iter().try_for_each(|a| check_type(&a.sql_type))?;
    Ok(Signature { args: types(args), returns: SqlType::not_null(DataType::STRING) })
}

fn bind_string(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    check_type(&args[0].sql_type)?;
    Ok(binding::signature(types(args), DataType::STRING))
}

/// The values of a construction.
struct Values<'a, 'c> {
    call: &'c Call<'a>,
    skips_nulls: bool,
    /// Which values go in as they are.
    raw: &'a [u8],
}

impl<'a, 'c> Values<'a, 'c> {
    fn new(call: &'c Call<'a>) -> Self {
        let words = call.text(call.args.len() - 1).get(0).unwrap_or_default();
        let raw = words.strip_prefix("NULL ON NULL").or_else(|| words.strip_prefix("ABSENT ON NULL")).unwrap_or_default();
        Self { call, skips_nulls: words.starts_with("ABSENT"), raw: raw.trim_start().as_bytes() }
    }

    fn position(&self, index: usize, row: usize) -> usize {
        if self.call.args[index].is_scalar() { 0 } else { row }
    }

    fn is_null(&self, index: usize, row: usize) -> bool {
        let values = self.call.args[index].values();
        values.is_null(self.position(index, row)) || self.call.arg_types[index].data_type == DataType::Null
    }

    /// Appends argument `index`, the `value`th of the values.
    fn write(&self, out: &mut String, index: usize, value: usize, row: usize) -> Result<()> {
        if self.raw.get(value) == Some(&b'R') {
            out.push_str(self.call.text(index).get(row).unwrap_or("null"));
            return Ok(());
        }
        let array = self.call.args[index].values();
        write_value(out, array.as_ref(), &self.call.arg_types[index], self.position(index, row))
    }
}

/// [`build_texts`] for writers that can fail.
fn try_texts(rows: usize, write: impl Fn(usize, &mut String) -> Result<Option<()>>) -> Result<ArrayRef> {
    let mut failed = None;
    let array = build_texts(rows, |row, out| {
        write(row, out).unwrap_or_else(|e| {
            failed.get_or_insert(e);
            None
        })
    });
    failed.map_or(Ok(array), Err)
}

fn json_object(call: &Call<'_>) -> Result<ArrayRef> {
    let values = Values::new(call);
    let keys: Vec<_> = (0..call.args.len() - 1).step_by(2).map(|i| call.text(i)).collect();
    try_texts(call.rows, |row, out| {
        let mut entries = BTreeMap::new();
        for (value, key) in keys.iter().enumerate() {
            let key = key.get(row).ok_or_else(|| Error::compute("a key of JSON_OBJECT must not be NULL"))?;
            if !(values.skips_nulls && values.is_null(value * 2 + 1, row)) {
                entries.insert(key, value);
            }
        }
        write_object(out, entries.into_iter(), |out, value| values.write(out, value * 2 + 1, value, row)).map(Some)
    })
}

fn json_array(call: &Call<'_>) -> Result<ArrayRef> {
    let values = Values::new(call);
    let count = call.args.len() - 1;
    try_texts(call.rows, |row, out| {
        let items: Vec<usize> = (0..count).filter(|&i| !(values.skips_nulls && values.is_null(i, row))).collect();
        write_array(out, items.len(), |out, i| values.write(out, items[i], items[i], row)).map(Some)
    })
}

fn json_string(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.args[0].values();
    let step = usize::from(!call.args[0].is_scalar());
    try_texts(call.rows, |row, out| {
        if array.is_null(row * step) {
            return Ok(None);
        }
        write_value(out, array.as_ref(), &call.arg_types[0], row * step).map(Some)
    })
}

/// Checks JSON text and writes it anew; blank text is NULL.
fn json(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    try_texts(call.rows, |row, out| {
        let Some(text) = texts.get(row).map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
        let json = parse(text).map_err(|e| Error::compute(format!("Invalid JSON string in JSON(value) function: \"{text}\". Error: {e}")))?;
        json.write(out);
        Ok(Some(()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, double, int, null, of, text};

    #[test]
    fn objects_are_made() {
        check("JSON_OBJECT", &[text("NULL ON NULL")], "{}");
        check("JSON_OBJECT", &[text("b"), int(1), text("a"), text("x\"y"), text("NULL ON NULL")], r#"{"a":"x\"y","b":1}"#);
        check("JSON_OBJECT", &[text("K"), null(DataType::STRING), text("NULL ON NULL")], r#"{"K":null}"#);
        check("JSON_OBJECT", &[text("K"), null(DataType::STRING), text("ABSENT ON NULL")], "{}");
        check("JSON_OBJECT", &[text("K"), text("[1,2]"), text("NULL ON NULL R")], r#"{"K":[1,2]}"#);
        check("JSON_OBJECT", &[text("K"), null(DataType::STRING), text("NULL ON NULL R")], r#"{"K":null}"#);
        check("JSON_OBJECT", &[text("K"), of("2021-01-01", DataType::Date), text("NULL ON NULL")], "ERROR");
    }

    #[test]
    fn arrays_are_made() {
        check("JSON_ARRAY", &[text("ABSENT ON NULL")], "[]");
        check("JSON_ARRAY", &[int(1), null(DataType::Int), text("{}"), text("NULL ON NULL VVR")], "[1,null,{}]");
        check("JSON_ARRAY", &[int(1), null(DataType::Int), text("ABSENT ON NULL")], "[1]");
    }

    #[test]
    fn values_become_text() {
        check("JSON_STRING", &[double(1e10)], "1.0E+10");
        check("JSON_STRING", &[null(DataType::Int)], "NULL");
        check("JSON", &[text(" {\"b\": 1, \"a\": [ ]} ")], r#"{"a":[],"b":1}"#);
        check("JSON", &[text(" ")], "NULL");
        check("JSON", &[text("{")], "ERROR");
    }
}
