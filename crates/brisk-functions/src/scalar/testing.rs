//! How the tests of functions are written: `check("UPPER", &[text("abc")], "ABC")`. Every case runs twice, over a
//! constant and over a column, and must answer the same.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use brisk_core::{Column, DataType, Result, Schema, SqlType};

use super::scalar_function;
use crate::cast::value_text;
use crate::{EvalContext, Expr};

pub fn context() -> EvalContext {
    EvalContext { processing_time_ms: 0, time_zone: chrono_tz::Tz::UTC, watermark_ms: None }
}

/// A value of a nullable type.
pub fn value(array: impl arrow_array::Array + 'static, data_type: DataType) -> Expr {
    Expr::literal(Arc::new(array), SqlType::nullable(data_type))
}

pub fn text(value: &str) -> Expr {
    self::value(StringArray::from(vec![value]), DataType::STRING)
}

pub fn int(value: i32) -> Expr {
    self::value(Int32Array::from(vec![value]), DataType::Int)
}

pub fn bigint(value: i64) -> Expr {
    self::value(Int64Array::from(vec![value]), DataType::BigInt)
}

pub fn double(value: f64) -> Expr {
    self::value(Float64Array::from(vec![value]), DataType::Double)
}

pub fn bytes(value: &[u8]) -> Expr {
    self::value(BinaryArray::from(vec![value]), DataType::BYTES)
}

/// A DECIMAL by its text.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Expr {
    let unscaled = crate::cast::parse_decimal(text, scale).flatten().unwrap();
    value(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(precision, scale as i8).unwrap(), DataType::decimal(precision, scale))
}

pub fn null(data_type: DataType) -> Expr {
    Expr::null(&SqlType::nullable(data_type))
}

/// `CAST(text AS data_type)`.
pub fn of(text: &str, data_type: DataType) -> Expr {
    let cast = crate::expr::cast(self::text(text), &SqlType::nullable(data_type));
    let folded = cast.fold(&context()).unwrap();
    assert!(folded.as_literal().is_some(), "{folded}");
    folded
}

/// A call of a function, its arguments cast as it asks for.
pub fn call(name: &str, args: &[Expr]) -> Result<Expr> {
    Expr::call(scalar_function(name).unwrap_or_else(|| panic!("no function {name}")), args.to_vec())
}

/// The type and the text of a result.
pub fn check_typed(name: &str, args: &[Expr], data_type: &str, expected: &str) {
    let bound = call(name, args).unwrap();
    assert_eq!(bound.sql_type().data_type.to_string(), data_type, "{bound}");
    check(name, args, expected);
}

/// The text of a result; `ERROR` where it fails.
pub fn check(name: &str, args: &[Expr], expected: &str) {
    assert_eq!(evaluate(name, args), expected, "{name} of {}", list(args));
    if let Ok(bound) = call(name, args) {
        assert_eq!(evaluate_columns(&bound, args), expected, "{name} of columns {}", list(args));
    }
}

fn list(args: &[Expr]) -> String {
    args.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ")
}

fn evaluate(name: &str, args: &[Expr]) -> String {
    let rows = RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::empty()), vec![], &RecordBatchOptions::new().with_row_count(Some(1)));
    let result = call(name, args).and_then(|e| Ok((e.sql_type(), e.evaluate_array(&rows.unwrap(), &context())?)));
    match result {
        Ok((sql_type, array)) => value_text(array.as_ref(), &sql_type, 0),
        Err(_) => "ERROR".to_string(),
    }
}

/// The same call with the arguments as columns of two rows; functions that read constants at binding keep theirs.
fn evaluate_columns(bound: &Expr, args: &[Expr]) -> String {
    let call = over_columns(bound, args);
    match call.evaluate_array(&columns_of(args), &context()) {
        Ok(array) => {
            let sql_type = bound.sql_type();
            assert_eq!(array.len(), 2);
            assert_eq!(value_text(array.as_ref(), &sql_type, 0), value_text(array.as_ref(), &sql_type, 1));
            value_text(array.as_ref(), &sql_type, 1)
        }
        Err(_) => "ERROR".to_string(),
    }
}

/// A call over constants as the same call over columns.
pub fn over_columns(bound: &Expr, args: &[Expr]) -> Expr {
    let Expr::Call { function, args: bound_args, sql_type } = bound else { unreachable!("a call") };
    let columns = args.iter().enumerate().map(|(i, a)| Expr::column(i, a.sql_type()));
    let args = columns.zip(bound_args).map(|(column, bound)| crate::expr::cast(column, &bound.sql_type())).collect();
    Expr::Call { function: function.clone(), args, sql_type: sql_type.clone() }
}

/// Two equal rows of these constants.
pub fn columns_of(args: &[Expr]) -> RecordBatch {
    let columns = args.iter().enumerate().map(|(i, a)| Column::new(format!("c{i}"), a.sql_type())).collect();
    let twice = |a: &Expr| {
        let one = a.as_literal().unwrap();
        arrow_select::concat::concat(&[one.as_ref(), one.as_ref()]).unwrap()
    };
    let arrays: Vec<ArrayRef> = args.iter().map(twice).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    RecordBatch::try_new_with_options(Schema::new(columns).to_arrow(), arrays, &options).unwrap()
}

/// A call over a column of texts (`NULL` is one) and constants, row by row; over a slice of the column too.
pub fn check_column(name: &str, texts: &[&str], constants: &[Expr], expected: &[&str]) {
    let column = Expr::column(0, SqlType::nullable(DataType::STRING));
    let call = call(name, &[std::slice::from_ref(&column), constants].concat()).unwrap();
    let values: StringArray = texts.iter().map(|t| (*t != "NULL").then_some(*t)).collect();
    let rows = RecordBatch::try_from_iter([("c0", Arc::new(values) as ArrayRef)]).unwrap();
    for from in 0..texts.len() {
        let part = rows.slice(from, texts.len() - from);
        let found = call.evaluate_array(&part, &context()).unwrap();
        let found: Vec<String> = (0..found.len()).map(|row| value_text(found.as_ref(), &call.sql_type(), row)).collect();
        assert_eq!(found, expected[from..], "{call} of {:?}", &texts[from..]);
    }
}
