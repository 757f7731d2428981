//! Casts as Flink answers them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array, Int32Array, StringArray};
use brisk_core::{DataType as T, SqlType};

use super::*;

fn shanghai() -> EvalContext {
    EvalContext { processing_time_ms: 0, time_zone: chrono_tz::Tz::Asia__Shanghai, watermark_ms: None }
}

/// Casts one value along `types` and compares its text; `None` is a failure.
fn check(value: ArrayRef, types: &[T], expected: Option<&str>) {
    let context = shanghai();
    let mut array = value;
    for pair in types.windows(2) {
        let (from, to) = (SqlType::nullable(pair[0].clone()), SqlType::nullable(pair[1].clone()));
        match cast_array(&array, &from, &to, false, &context) {
            Ok(cast) => {
                assert_eq!(cast.data_type(), &to.to_arrow());
                array = cast;
            }
            Err(e) => {
                assert_eq!(None, expected, "{e}");
                let tried = cast_array(&array, &from, &to, true, &context).unwrap();
                assert!(tried.is_null(0));
                return;
            }
        }
    }
    let last = SqlType::nullable(types.last().unwrap().clone());
    let mut text = String::new();
    text::nullable_printer(array.as_ref(), &last, context.time_zone)(&mut text, 0);
    assert_eq!(Some(text.as_str()), expected, "{types:?}");
}

fn check_text(value: &str, to: T, expected: Option<&str>) {
    check(Arc::new(StringArray::from(vec![value])), &[T::STRING, to], expected);
}

#[test]
fn text_is_read() {
    check_text("1.234", T::TinyInt, Some("1"));
    check_text("-130", T::TinyInt, None);
    check_text(" 12 ", T::Int, Some("12"));
    check_text("Apache", T::decimal(5, 3), None);
    check_text("1.234", T::decimal(5, 3), Some("1.234"));
    check_text("1.2345", T::decimal(5, 3), Some("1.235"));
    check_text("123.45", T::decimal(4, 2), None);
    check_text("-3276913443134", T::Double, Some("-3.276913443134E12"));
    check_text("true", T::Boolean, Some("TRUE"));
    check_text("maybe", T::Boolean, None);
    check_text("12:34:56.123", T::Time(0), Some("12:34:56"));
    check_text("2021-09-27", T::Timestamp(9), Some("2021-09-27 00:00:00.000000000"));
    check_text("2021-09-27 12:34:56.123456789", T::TimestampLtz(9), Some("2021-09-27 12:34:56.123456789"));
    check_text("foobar", T::Binary(2), Some("fo"));
    check_text("foo", T::Char(5), Some("foo  "));
    check_text("foobar", T::Varchar(3), Some("foo"));
}

#[test]
fn numbers_wrap_saturate_and_round() {
    check(Arc::new(Int32Array::from(vec![1234567])), &[T::Int, T::TinyInt], Some("-121"));
    check(Arc::new(Float32Array::from(vec![123456.78])), &[T::Float, T::SmallInt], Some("-7616"));
    check(Arc::new(Float64Array::from(vec![9.23456789112345E9])), &[T::Double, T::Int], Some("2147483647"));
    check(Arc::new(Float32Array::from(vec![-12.345])), &[T::Float, T::decimal(5, 3)], Some("-12.345"));
    check(Arc::new(Int32Array::from(vec![-5])), &[T::Int, T::decimal(10, 2), T::STRING], Some("-5.00"));
    check(Arc::new(Int32Array::from(vec![0])), &[T::Int, T::Boolean, T::decimal(5, 3)], Some("0.000"));
    check_text("123456789.123456789123456789", T::decimal(30, 20), Some("123456789.12345678912345678900"));
}

#[test]
fn doubles_print_as_in_java() {
    for (value, expected) in [
        (1e10, "1.0E10"),
        (123.456, "123.456"),
        (0.001, "0.001"),
        (1.5e-7, "1.5E-7"),
        (1234567.0, "1234567.0"),
        (1e7, "1.0E7"),
        (-0.05, "-0.05"),
        (100.0, "100.0"),
    ] {
        check(Arc::new(Float64Array::from(vec![value])), &[T::Double, T::STRING], Some(expected));
    }
}

#[test]
fn the_sessions_clock_shows_instants() {
    check_text("2021-09-25 07:54:56.1234567", T::Timestamp(9), Some("2021-09-25 07:54:56.123456700"));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["2021-09-25 07:54:56.1234567"]));
    check(text.clone(), &[T::STRING, T::TimestampLtz(5), T::STRING], Some("2021-09-25 07:54:56.12345"));
    check(text.clone(), &[T::STRING, T::TimestampLtz(3), T::Timestamp(9)], Some("2021-09-25 07:54:56.123000000"));
    check(text, &[T::STRING, T::TimestampLtz(3), T::Date], Some("2021-09-25"));
}

#[test]
fn parts_are_cast_one_by_one() {
    let list: ArrayRef = Arc::new(arrow_array::ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([Some(vec![Some(1), None])]));
    let of = |t| T::Array(Box::new(SqlType::nullable(t)));
    check(list, &[of(T::Int), of(T::STRING), T::STRING], Some("[1, NULL]"));
}
