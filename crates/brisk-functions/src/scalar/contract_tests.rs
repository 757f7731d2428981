//! What every scalar function must keep: for any arguments that it binds it does not panic, gives the type that it
//! promised, and answers the same over a constant and over a column.

use brisk_core::DataType as T;
use brisk_core::types::{DayTimeUnit, YearMonthUnit};

use super::testing::*;
use super::{scalar_function, scalar_functions};
use crate::Expr;
use crate::cast::value_text;

fn collection(name: &str, args: &[Expr]) -> Expr {
    call(name, args).unwrap().fold(&context()).unwrap()
}

/// Values of many types, extremes among them.
fn pool() -> Vec<Expr> {
    let units = [Expr::string("DAY"), Expr::string("YEAR"), Expr::string("BOTH"), Expr::string("UTF-16")];
    let mut pool = vec![
        null(T::Null),
        Expr::boolean(true),
        int(0),
        int(i32::MIN),
        Expr::int(3),
        bigint(i64::MAX),
        bigint(-1),
        double(f64::NAN),
        double(-1e300),
        double(2.5),
        decimal("99999999999999999999999999999999999999", 38, 0),
        decimal("-0.5", 10, 2),
        text(""),
        text("aä😀 %_\\(["),
        text("2020-02-30 00:00:00"),
        null(T::STRING),
        bytes(&[0, 255]),
        of("2020-02-29", T::Date),
        of("23:59:59", T::Time(0)),
        of("2020-02-29 23:59:59.999", T::Timestamp(3)),
        of("2020-02-29 23:59:59.999999999", T::TimestampLtz(9)),
        value(arrow_array::DurationMillisecondArray::from(vec![i64::MAX]), T::IntervalDayTime(DayTimeUnit::DayToSecond)),
        value(arrow_array::IntervalYearMonthArray::from(vec![i32::MIN]), T::IntervalYearMonth(YearMonthUnit::Month)),
        collection("ARRAY", &[int(1), null(T::Int)]),
        collection("ARRAY", &[text("a"), text("b")]),
        collection("MAP", &[text("a"), int(1)]),
        collection("ROW", &[text("a"), int(1)]),
    ];
    pool.extend(units);
    pool
}

/// Notes what is wrong with a call; arguments that the function does not take are no matter.
fn check(name: &str, args: &[Expr], wrong: &mut Vec<String>) {
    // Where JSON functions take words, the binder gives them.
    let Ok(bound) = call(name, args) else { return };
    if name.starts_with("JSON_") {
        return;
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let constant = one(&bound, &[]);
        let columns = one(&over_columns(&bound, args), args);
        (constant, columns)
    }));
    let is_volatile = !scalar_function(name).is_some_and(|f| f.is_deterministic());
    match outcome {
        Err(_) => wrong.push(format!("{bound} panics")),
        // One of them may fail: division by the constant zero does, by a zero in a column of DOUBLEs does not.
        Ok((Some(constant), Some(columns))) if constant != columns && !is_volatile => wrong.push(format!("{bound}: {constant} is not {columns}")),
        Ok(_) => {}
    }
}

/// The text of the value in the last of two rows; `None` where it fails.
fn one(expr: &Expr, args: &[Expr]) -> Option<String> {
    let array = expr.evaluate_array(&columns_of(args), &context()).ok()?;
    assert_eq!(array.len(), 2, "{expr}");
    assert_eq!(array.data_type(), &expr.sql_type().to_arrow(), "{expr}");
    Some(value_text(array.as_ref(), &expr.sql_type(), 1))
}

#[test]
fn functions_keep_the_contract() {
    let (pool, mut wrong) = (pool(), Vec::new());
    for function in scalar_functions() {
        let name = function.name();
        check(name, &[], &mut wrong);
        for a in &pool {
            check(name, std::slice::from_ref(a), &mut wrong);
            for b in &pool {
                check(name, &[a.clone(), b.clone()], &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_of_three_keep_the_contract() {
    let (pool, mut wrong) = (pool(), Vec::new());
    for function in scalar_functions() {
        let name = function.name();
        // A third of the triples, another for every function.
        let mut turn = name.len();
        for a in &pool {
            for b in &pool {
                for c in &pool {
                    turn += 1;
                    if turn.is_multiple_of(3) {
                        check(name, &[a.clone(), b.clone(), c.clone()], &mut wrong);
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn casts_keep_the_contract() {
    let targets = [
        T::Boolean,
        T::TinyInt,
        T::BigInt,
        T::Float,
        T::decimal(38, 38),
        T::decimal(5, 0),
        T::Char(2),
        T::STRING,
        T::Binary(3),
        T::Date,
        T::Time(0),
        T::Timestamp(0),
        T::Timestamp(9),
        T::TimestampLtz(6),
        T::IntervalDayTime(DayTimeUnit::Day),
        T::Array(Box::new(brisk_core::SqlType::nullable(T::TinyInt))),
        T::Map(Box::new(brisk_core::SqlType::nullable(T::STRING)), Box::new(brisk_core::SqlType::nullable(T::STRING))),
        T::Row(vec![brisk_core::Column::new("x", brisk_core::SqlType::nullable(T::Int)), brisk_core::Column::new("y", brisk_core::SqlType::nullable(T::Date))]),
    ];
    for value in pool() {
        for target in &targets {
            let (from, to) = (value.sql_type(), brisk_core::SqlType::nullable(target.clone()));
            if !crate::cast::explicit(&from, &to) {
                continue;
            }
            let tried = Expr::Cast { input: Box::new(value.clone()), sql_type: to.clone(), try_cast: true };
            let tried = one(&tried, &[]).unwrap_or_else(|| panic!("{tried} fails"));
            let asked = Expr::Cast { input: Box::new(value.clone()), sql_type: to.clone(), try_cast: false };
            match one(&asked, &[]) {
                Some(cast) => assert_eq!(cast, tried, "{asked}"),
                None => assert!(tried == "NULL" && !crate::cast::is_safe(&from, &to), "{asked} is safe and fails, or tried gives {tried}"),
            }
        }
    }
}
