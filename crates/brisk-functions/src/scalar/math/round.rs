//! ROUND, TRUNCATE, FLOOR and CEIL of numbers. FLOOR and CEIL of times are with the functions of time.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Decimal128Array};
use brisk_core::{DataType as T, Result, SqlType};

use super::super::binding::{Want, coerce, expect_count};
use super::super::builtin::Builtin;
use super::super::reader::build_numbers;
use super::super::{Argument, Call, ScalarFunction, Signature};
use crate::cast::{divide_half_up, fits, power_of_ten};
use crate::types::decimal_round;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("ROUND", bind_digits, |call| to_digits(call, Mode::Round)),
        Builtin::new("TRUNCATE", bind_digits, |call| to_digits(call, Mode::Truncate)),
        Builtin::new("FLOOR", bind_whole, |call| whole(call, f64::floor, i128::div_euclid)),
        Builtin::new("CEIL", bind_whole, |call| whole(call, f64::ceil, |v, one| -(-v).div_euclid(one))).aliases(&["CEILING"]),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Round,
    Truncate,
}

/// The number's own type; a DECIMAL's by the digits where they are constant.
fn bind_digits(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 2)?;
    let number = coerce(0, &args[0].sql_type, Want::Number)?;
    let mut types = vec![number.clone()];
    let mut digits = Some(0);
    if let Some(arg) = args.get(1) {
        types.push(coerce(1, &arg.sql_type, Want::Int)?);
        digits = arg.literal.as_ref().filter(|l| l.is_valid(0)).and_then(|l| l.as_primitive_opt::<Int32Type>()).map(|l| l.value(0));
    }
    let data_type = match (number.data_type, digits) {
        (T::Decimal { precision, scale }, Some(digits)) => decimal_round((precision, scale), digits),
        (t, _) => t,
    };
    let nullable = types.iter().any(|t| t.nullable);
    Ok(Signature { args: types, returns: SqlType { data_type, nullable } })
}

fn to_digits(call: &Call<'_>, mode: Mode) -> Result<ArrayRef> {
    let digits = (call.args.len() > 1).then(|| call.number::<Int32Type>(1));
    let digits = |row: usize| digits.as_ref().map_or(Some(0), |d| d.get(row));
    Ok(match &call.arg_types[0].data_type {
        T::TinyInt => integers::<Int8Type>(call, digits, |v| v as i8, mode),
        T::SmallInt => integers::<Int16Type>(call, digits, |v| v as i16, mode),
        T::Int => integers::<Int32Type>(call, digits, |v| v as i32, mode),
        T::BigInt => integers::<Int64Type>(call, digits, |v| v as i64, mode),
        T::Float => {
            let values = call.number::<Float32Type>(0);
            build_numbers::<Float32Type>(call.rows, |row| Some(real(f64::from(values.get(row)?), digits(row)?, mode) as f32))
        }
        T::Double => {
            let values = call.number::<Float64Type>(0);
            build_numbers::<Float64Type>(call.rows, |row| Some(real(values.get(row)?, digits(row)?, mode)))
        }
        T::Decimal { scale, .. } => decimals(call, *scale, digits, mode)?,
        other => return Err(brisk_core::Error::internal(format!("rounding of {other}"))),
    })
}

fn integers<P: ArrowPrimitiveType>(call: &Call<'_>, digits: impl Fn(usize) -> Option<i32>, narrow: impl Fn(i128) -> P::Native, mode: Mode) -> ArrayRef
where
    P::Native: Into<i64>,
{
    let values = call.number::<P>(0);
    build_numbers::<P>(call.rows, |row| Some(narrow(exact(i128::from(values.get(row)?.into()), -i64::from(digits(row)?), mode))))
}

/// Clears the last `dropped` digits.
fn exact(value: i128, dropped: i64, mode: Mode) -> i128 {
    if dropped <= 0 {
        return value;
    }
    if dropped > 38 {
        return 0;
    }
    let step = power_of_ten(dropped as u8);
    match mode {
        Mode::Round => divide_half_up(value, step) * step,
        Mode::Truncate => value / step * step,
    }
}

fn decimals(call: &Call<'_>, scale: u8, digits: impl Fn(usize) -> Option<i32>, mode: Mode) -> Result<ArrayRef> {
    let T::Decimal { precision, scale: to } = call.returns.data_type else {
        return Err(brisk_core::Error::internal("a rounded DECIMAL is a DECIMAL"));
    };
    let values = call.number::<Decimal128Type>(0);
    let round = |row: usize| {
        let rounded = exact(values.get(row)?, i64::from(scale) - i64::from(digits(row)?), mode);
        crate::cast::rescale(rounded, scale, to).filter(|v| fits(*v, precision))
    };
    let rounded: Decimal128Array = (0..call.rows).map(round).collect();
    Ok(Arc::new(rounded.with_precision_and_scale(precision, to as i8)?))
}

/// By the decimal digits that the DOUBLE prints: 1.005 rounds to 1.01. A FLOAT is widened first.
fn real(value: f64, digits: i32, mode: Mode) -> f64 {
    // The shortest text, `1.25e-7`, as a whole number and where its point is.
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return value };
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
    let (Ok(unscaled), Ok(exponent)) = (mantissa.replace('.', "").parse::<i128>(), exponent.parse::<i64>()) else { return value };
    match fraction - exponent - i64::from(digits) {
        ..=0 => value,
        dropped @ 1..=38 => {
            let kept = exact(unscaled, dropped, mode) / power_of_ten(dropped as u8);
            format!("{kept}e{}", -i64::from(digits)).parse().unwrap_or(value)
        }
        _ => 0.0,
    }
}

fn bind_whole(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let number = coerce(0, &args[0].sql_type, Want::Number)?;
    let returns = match number.data_type {
        T::Decimal { precision, .. } => T::decimal(precision, 0),
        ref t => t.clone(),
    };
    let nullable = number.nullable;
    Ok(Signature { args: vec![number], returns: SqlType { data_type: returns, nullable } })
}

fn whole(call: &Call<'_>, real: impl Fn(f64) -> f64, decimal: impl Fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let array = call.args[0].values();
    Ok(match &call.arg_types[0].data_type {
        T::Float => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| real(f64::from(v)) as f32)),
        T::Double => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(real)),
        T::Decimal { precision, scale } => {
            let one = power_of_ten(*scale);
            let whole: Decimal128Array = array.as_primitive::<Decimal128Type>().unary_opt(|v| Some(decimal(v, one)).filter(|v| fits(*v, *precision)));
            Arc::new(whole.with_precision_and_scale(*precision, 0)?)
        }
        _ => array.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn numbers_round_half_up() {
        check_typed("ROUND", &[decimal("646.646", 10, 3), crate::Expr::int(1)], "DECIMAL(9, 1)", "646.6");
        check_typed("ROUND", &[decimal("646.646", 10, 3), crate::Expr::int(-3)], "DECIMAL(8, 0)", "1000");
        check_typed("ROUND", &[decimal("-99.99", 4, 2), crate::Expr::int(1)], "DECIMAL(4, 1)", "-100.0");
        check_typed("ROUND", &[decimal("1.2345", 5, 4)], "DECIMAL(2, 0)", "1");
        check("ROUND", &[int(125), int(-1)], "130");
        check("ROUND", &[double(0.46), int(1)], "0.5");
        check("ROUND", &[double(1.005), int(2)], "1.01");
        check("ROUND", &[double(1250.0), int(-2)], "1300.0");
        check("ROUND", &[int(5), null(T::Int)], "NULL");
        check_typed("ROUND", &[decimal("12345.12345", 38, 18), crate::Expr::int(2)], "DECIMAL(23, 2)", "12345.12");
    }

    #[test]
    fn truncation_drops_digits() {
        check_typed("TRUNCATE", &[decimal("-0.1231231321321321111", 38, 19), int(3)], "DECIMAL(23, 3)", "-0.123");
        check_typed("TRUNCATE", &[decimal("42.345", 5, 3)], "DECIMAL(3, 0)", "42");
        check("TRUNCATE", &[double(0.46)], "0.0");
        check("TRUNCATE", &[int(42), int(-1)], "40");
        check("TRUNCATE", &[double(43.216), int(2)], "43.21");
    }

    #[test]
    fn floors_and_ceilings_are_whole() {
        check_typed("FLOOR", &[decimal("3.14", 10, 2)], "DECIMAL(10, 0)", "3");
        check("FLOOR", &[decimal("-3.14", 10, 2)], "-4");
        check("CEIL", &[decimal("3.14", 10, 2)], "4");
        check("CEIL", &[double(-4.5)], "-4.0");
        check("FLOOR", &[int(7)], "7");
    }
}
