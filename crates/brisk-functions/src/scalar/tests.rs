//! Operators, as Flink answers them.

use brisk_core::DataType as T;
use brisk_core::types::{DayTimeUnit, YearMonthUnit};

use super::testing::*;
use crate::expr::cast;
use crate::{EvalContext, Expr};

fn interval(millis: i64) -> Expr {
    value(arrow_array::DurationMillisecondArray::from(vec![millis]), T::IntervalDayTime(DayTimeUnit::DayToSecond))
}

fn months(count: i32) -> Expr {
    value(arrow_array::IntervalYearMonthArray::from(vec![count]), T::IntervalYearMonth(YearMonthUnit::Month))
}

#[test]
fn integers_wrap_and_divide_down() {
    check_typed("+", &[int(i32::MAX), int(1)], "INT", "-2147483648");
    check_typed("*", &[int(i32::MAX), bigint(2)], "BIGINT", "4294967294");
    check("/", &[int(5), int(2)], "2");
    check("/", &[int(i32::MIN), int(-1)], "-2147483648");
    check("/", &[int(5), int(0)], "ERROR");
    check("/", &[null(T::Int), int(0)], "NULL");
    check("%", &[int(-7), int(3)], "-1");
    check("NEGATE", &[int(5)], "-5");
    check_typed("MOD", &[bigint(44), int(3)], "INT", "2");
    check("+", &[int(1), text("1")], "ERROR");
}

#[test]
fn doubles_divide_by_a_zero_in_a_column_only() {
    let divide = call("/", &[double(1.0), double(0.0)]).unwrap();
    assert!(divide.fold(&context()).unwrap().as_literal().is_none(), "the error is left for run time");
    check("/", &[int(1), double(4.0)], "0.25");
}

#[test]
fn decimals_keep_their_digits() {
    let d = decimal;
    check_typed("+", &[d("100.0123456789", 38, 10), d("200.0123456789012345678901234567", 38, 28)], "DECIMAL(38, 9)", "300.024691358");
    check_typed("*", &[d("1.00", 5, 2), d("1.00", 5, 2)], "DECIMAL(11, 4)", "1.0000");
    check_typed("*", &[d("1", 30, 6), d("2", 30, 10)], "DECIMAL(38, 6)", "2.000000");
    check_typed("/", &[d("1.00", 20, 2), d("3", 20, 10)], "DECIMAL(38, 10)", "0.3333333333");
    check_typed("/", &[d("1.00", 20, 2), d("3", 20, 16)], "DECIMAL(38, 6)", "0.333333");
    check_typed("/", &[d("-7.9", 2, 1), int(2)], "DECIMAL(13, 12)", "-3.950000000000");
    check_typed("/", &[d("1.00", 10, 2), int(2)], "DECIMAL(21, 13)", "0.5000000000000");
    check_typed("MOD", &[d("5.00", 10, 4), d("3.00", 10, 2)], "DECIMAL(10, 4)", "2.0000");
    check_typed("MOD", &[d("1514356320000", 19, 0), int(6)], "INT", "0");
    check_typed("MOD", &[d("3", 1, 0), d("5", 1, 0)], "DECIMAL(1, 0)", "3");
    check_typed("+", &[d("1514356320000", 19, 0), int(6)], "DECIMAL(20, 0)", "1514356320006");
    check("/", &[d("1", 5, 2), d("0", 5, 2)], "ERROR");
    let nines = "9".repeat(38);
    check("*", &[d(&nines, 38, 0), d(&nines, 38, 0)], "NULL");
}

#[test]
fn points_move_by_intervals() {
    let day = 86_400_000;
    check("+", &[of("1990-10-14", T::Date), interval(30 * day)], "1990-11-13");
    check("+", &[months(2), of("1990-10-14", T::Date)], "1990-12-14");
    check("-", &[of("2021-03-31", T::Date), months(1)], "2021-02-28");
    check("+", &[of("10:20:45", T::Time(0)), interval(12 * 3_600_000)], "22:20:45");
    check("+", &[interval(-12 * 3_600_000), of("10:20:45", T::Time(0))], "22:20:45");
    check_typed("-", &[of("1990-10-14 10:20:45.123", T::Timestamp(3)), interval(10 * day + 4)], "TIMESTAMP(3)", "1990-10-04 10:20:45.119");
    check("-", &[of("1970-02-01 00:00:00.123456789", T::Timestamp(9)), months(1)], "1970-01-01 00:00:00.123456789");
    check("*", &[int(2), interval(3000)], "+0 00:00:06.000");
    check("-", &[interval(3000), interval(5000)], "-0 00:00:02.000");
    check("-", &[of("1990-10-14", T::Date), of("1990-10-14", T::Date)], "ERROR");
}

#[test]
fn comparisons_bring_operands_together() {
    check("=", &[decimal("1", 8, 2), int(1)], "TRUE");
    check("<", &[int(1), double(1.5)], "TRUE");
    check("=", &[double(f64::NAN), double(f64::NAN)], "FALSE");
    check("=", &[double(-0.0), double(0.0)], "TRUE");
    check("=", &[text("a"), text("a ")], "FALSE");
    check("=", &[int(1), text("1")], "ERROR");
    check("=", &[of("1996-11-10", T::Date), text("1996-11-10")], "TRUE");
    check(">", &[bytes(b"hello world"), bytes(b"hello flink")], "TRUE");
    check("=", &[null(T::Int), int(1)], "NULL");
    check("<", &[months(1), months(2)], "TRUE");
    check(">=", &[Expr::boolean(true), Expr::boolean(false)], "TRUE");
    check("=", &[interval(1), interval(1)], "TRUE");
    check("GREATEST", &[months(1), months(2)], "+0-02");
    check("LEAST", &[of("2020-01-01", T::Date), of("2019-01-01", T::Date)], "2019-01-01");
    check("IN", &[double(1.0), double(2.0), double(1.0)], "TRUE");
    check("IN", &[of("2020-01-01", T::Date), text("2020-01-01"), text("2020-01-02")], "TRUE");
    check("IS DISTINCT FROM", &[null(T::Int), null(T::Int)], "FALSE");
    check("IS NOT DISTINCT FROM", &[null(T::Int), int(1)], "FALSE");
    check("IS DISTINCT FROM", &[int(2), int(1)], "TRUE");
    check("IN", &[int(2), int(1), null(T::Int)], "NULL");
    check("IN", &[int(2), int(1), int(3), int(2), int(5)], "TRUE");
    check("IN", &[text("x"), text("a"), text("b"), text("c"), null(T::STRING)], "NULL");
}

#[test]
fn tests_of_booleans_are_never_null() {
    check("IS TRUE", &[null(T::Boolean)], "FALSE");
    check("IS NOT FALSE", &[null(T::Boolean)], "TRUE");
    check("IS UNKNOWN", &[null(T::Boolean)], "TRUE");
    check("NOT", &[null(T::Boolean)], "NULL");
    check("IS NULL", &[int(1)], "FALSE");
}

#[test]
fn case_and_logic_evaluate_what_they_need() {
    use arrow_array::{Int32Array, RecordBatch};
    let batch = RecordBatch::try_from_iter([("a", std::sync::Arc::new(Int32Array::from(vec![Some(0), Some(2), None, Some(5)])) as _)]).unwrap();
    let int_type = brisk_core::SqlType::nullable(T::Int);
    let a = Expr::column(0, int_type.clone());
    let is_zero = call("=", &[a.clone(), int(0)]).unwrap();
    let inverse = call("/", &[int(10), a.clone()]).unwrap();
    let context: EvalContext = context();
    let print = |e: &Expr| {
        let array = e.evaluate_array(&batch, &context).unwrap();
        (0..4).map(|i| crate::cast::value_text(array.as_ref(), &e.sql_type(), i)).collect::<Vec<_>>().join(" ")
    };
    let case = Expr::Case { branches: vec![(is_zero.clone(), Expr::int(-1))], otherwise: Some(Box::new(inverse.clone())), sql_type: int_type };
    assert_eq!(print(&case), "-1 5 NULL 2");
    let not_zero = call("NOT", std::slice::from_ref(&is_zero)).unwrap();
    let large = call(">", &[inverse.clone(), int(2)]).unwrap();
    assert_eq!(print(&Expr::And(vec![not_zero, large.clone()])), "FALSE TRUE NULL FALSE");
    assert_eq!(print(&Expr::Or(vec![is_zero, large])), "TRUE TRUE NULL FALSE");
    assert_eq!(case.to_string(), "CASE WHEN ($0 = 0:INT NULL) THEN -1 ELSE (10:INT NULL / $0) END");
    assert!(inverse.evaluate_array(&batch, &context).is_err());
    let to_text = cast(a, &brisk_core::SqlType::nullable(T::STRING));
    assert_eq!(to_text.to_string(), "CAST($0 AS STRING)");
}
