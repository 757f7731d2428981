//! Numbers cast to numbers: integers wrap, FLOAT and DOUBLE saturate as in Java, decimals round half up and are NULL
//! where they do not fit.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use brisk_core::{DataType as T, Result};

use super::text::write_double;
use super::{Attempt, nested, parse_decimal};

/// The powers of ten that a DECIMAL may need.
pub(crate) fn power_of_ten(exponent: u8) -> i128 {
    const POWERS: [i128; 39] = {
        let mut powers = [1; 39];
        let mut i = 1;
        while i < powers.len() {
            powers[i] = powers[i - 1] * 10;
            i += 1;
        }
        powers
    };
    POWERS[exponent as usize]
}

/// Whether an unscaled value has at most `precision` digits.
pub(crate) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < power_of_ten(precision) as u128
}

pub(crate) fn cast_number(array: &ArrayRef, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    match &attempt.from.data_type {
        T::TinyInt => from_integer::<Int8Type>(array, attempt),
        T::SmallInt => from_integer::<Int16Type>(array, attempt),
        T::Int => from_integer::<Int32Type>(array, attempt),
        T::BigInt => from_integer::<Int64Type>(array, attempt),
        T::Float => from_float(array.as_primitive::<Float32Type>(), attempt),
        T::Double => from_double(array.as_primitive::<Float64Type>(), attempt),
        T::Decimal { scale, .. } => from_decimal(array.as_primitive::<Decimal128Type>(), *scale, attempt),
        _ => nested::refuse(attempt),
    }
}

fn map<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(array: &PrimitiveArray<A>, f: impl Fn(A::Native) -> B::Native) -> Result<ArrayRef> {
    Ok(Arc::new(array.unary::<_, B>(f)))
}

fn from_integer<P: ArrowPrimitiveType>(array: &ArrayRef, attempt: &Attempt<'_>) -> Result<ArrayRef>
where
    P::Native: Into<i64>,
{
    let array = array.as_primitive::<P>();
    let wide = |v: P::Native| -> i64 { v.into() };
    match &attempt.to.data_type {
        T::TinyInt => map::<_, Int8Type>(array, |v| wide(v) as i8),
        T::SmallInt => map::<_, Int16Type>(array, |v| wide(v) as i16),
        T::Int => map::<_, Int32Type>(array, |v| wide(v) as i32),
        T::BigInt => map::<_, Int64Type>(array, wide),
        T::Float => map::<_, Float32Type>(array, |v| wide(v) as f32),
        T::Double => map::<_, Float64Type>(array, |v| wide(v) as f64),
        T::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            let factor = power_of_ten(scale);
            let digits = crate::types::as_decimal(&attempt.from.data_type).map_or(19, |(digits, _)| digits);
            if precision - scale >= digits {
                // All of them have room.
                let array: Decimal128Array = array.unary(|v| i128::from(wide(v)) * factor);
                return Ok(Arc::new(array.with_precision_and_scale(precision, scale as i8)?));
            }
            decimals(array, precision, scale, |v| i128::from(wide(v)).checked_mul(factor))
        }
        _ => nested::refuse(attempt),
    }
}

fn from_float(array: &PrimitiveArray<Float32Type>, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    match &attempt.to.data_type {
        T::TinyInt => map::<_, Int8Type>(array, |v| v as i32 as i8),
        T::SmallInt => map::<_, Int16Type>(array, |v| v as i32 as i16),
        T::Int => map::<_, Int32Type>(array, |v| v as i32),
        T::BigInt => map::<_, Int64Type>(array, |v| v as i64),
        T::Double => map::<_, Float64Type>(array, f64::from),
        T::Decimal { precision, scale } => approximate_decimals(array, *precision, *scale, attempt, |out, v| write_double(out, f64::from(v))),
        _ => nested::refuse(attempt),
    }
}

fn from_double(array: &PrimitiveArray<Float64Type>, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    match &attempt.to.data_type {
        T::TinyInt => map::<_, Int8Type>(array, |v| v as i32 as i8),
        T::SmallInt => map::<_, Int16Type>(array, |v| v as i32 as i16),
        T::Int => map::<_, Int32Type>(array, |v| v as i32),
        T::BigInt => map::<_, Int64Type>(array, |v| v as i64),
        T::Float => map::<_, Float32Type>(array, |v| v as f32),
        T::Decimal { precision, scale } => approximate_decimals(array, *precision, *scale, attempt, write_double),
        _ => nested::refuse(attempt),
    }
}

fn from_decimal(array: &Decimal128Array, from_scale: u8, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    let one = power_of_ten(from_scale);
    match &attempt.to.data_type {
        T::TinyInt => map::<_, Int8Type>(array, |v| (v / one) as i8),
        T::SmallInt => map::<_, Int16Type>(array, |v| (v / one) as i16),
        T::Int => map::<_, Int32Type>(array, |v| (v / one) as i32),
        T::BigInt => map::<_, Int64Type>(array, |v| (v / one) as i64),
        T::Float => map::<_, Float32Type>(array, |v| decimal_to_f64(v, from_scale) as f32),
        T::Double => map::<_, Float64Type>(array, |v| decimal_to_f64(v, from_scale)),
        T::Decimal { precision, scale } => decimals(array, *precision, *scale, |v| rescale(v, from_scale, *scale)),
        _ => nested::refuse(attempt),
    }
}

/// DECIMALs by `convert`; NULL where it has no value or one of too many digits.
fn decimals<P: ArrowPrimitiveType>(array: &PrimitiveArray<P>, precision: u8, scale: u8, convert: impl Fn(P::Native) -> Option<i128>) -> Result<ArrayRef> {
    let values: Decimal128Array = array.unary_opt(|v| convert(v).filter(|v| fits(*v, precision)));
    Ok(Arc::new(values.with_precision_and_scale(precision, scale as i8)?))
}

fn approximate_decimals<P: ArrowPrimitiveType>(
    array: &PrimitiveArray<P>,
    precision: u8,
    scale: u8,
    attempt: &Attempt<'_>,
    write: impl Fn(&mut String, P::Native),
) -> Result<ArrayRef> {
    let mut text = String::new();
    let mut values = Vec::with_capacity(array.len());
    for value in array {
        values.push(match value {
            Some(v) => {
                text.clear();
                write(&mut text, v);
                match parse_decimal(&text, scale) {
                    Some(value) => value.filter(|v| fits(*v, precision)),
                    None => attempt.failed(&text)?,
                }
            }
            None => None,
        });
    }
    Ok(Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale as i8)?))
}

/// An unscaled value at another scale, rounded half up (away from zero). `None` beyond 128 bits.
pub fn rescale(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return value.checked_mul(power_of_ten(to - from));
    }
    Some(divide_half_up(value, power_of_ten(from - to)))
}

pub(crate) fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2) { quotient + if (value < 0) == (divisor < 0) { 1 } else { -1 } } else { quotient }
}

/// The nearest double.
pub fn decimal_to_f64(value: i128, scale: u8) -> f64 {
    // Both operands are exact, so the quotient is the nearest.
    if value.unsigned_abs() < 1 << 53 && scale <= 22 {
        return value as f64 / 10f64.powi(i32::from(scale));
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// The DECIMAL that a double's shortest text is, rounded half up; `None` for NaN, infinity and too many digits.
pub fn decimal_from_f64(value: f64, precision: u8, scale: u8) -> Option<i128> {
    let mut text = String::new();
    write_double(&mut text, value);
    parse_decimal(&text, scale)?.filter(|v| fits(*v, precision))
}

/// BOOLEAN as 1 and 0.
pub(crate) fn cast_boolean(array: &BooleanArray, to: &T) -> Result<ArrayRef> {
    fn numbers<P: ArrowPrimitiveType>(array: &BooleanArray, one: P::Native) -> PrimitiveArray<P> {
        let values: Vec<P::Native> = array.values().iter().map(|b| if b { one } else { P::Native::default() }).collect();
        PrimitiveArray::new(ScalarBuffer::from(values), array.nulls().cloned())
    }
    Ok(match to {
        T::TinyInt => Arc::new(numbers::<Int8Type>(array, 1)),
        T::SmallInt => Arc::new(numbers::<Int16Type>(array, 1)),
        T::Int => Arc::new(numbers::<Int32Type>(array, 1)),
        T::BigInt => Arc::new(numbers::<Int64Type>(array, 1)),
        T::Float => Arc::new(numbers::<Float32Type>(array, 1.0)),
        T::Decimal { precision, scale } if precision > scale => {
            Arc::new(numbers::<Decimal128Type>(array, power_of_ten(*scale)).with_precision_and_scale(*precision, *scale as i8)?)
        }
        T::Decimal { precision, scale } => {
            // No integer digit: TRUE does not fit.
            let values: Decimal128Array = array.iter().map(|b| b.filter(|b| !b).map(|_| 0)).collect();
            Arc::new(values.with_precision_and_scale(*precision, *scale as i8)?)
        }
        _ => Arc::new(numbers::<Float64Type>(array, 1.0)),
    })
}

/// Integers as BOOLEAN.
pub(crate) fn is_not_zero(array: &ArrayRef) -> Result<ArrayRef> {
    fn truth<P: ArrowPrimitiveType>(array: &ArrayRef) -> ArrayRef {
        let array = array.as_primitive::<P>();
        let values = array.values();
        Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(array.len(), |i| values[i] != P::Native::default()), array.nulls().cloned()))
    }
    Ok(match array.data_type() {
        arrow_schema::DataType::Int8 => truth::<Int8Type>(array),
        arrow_schema::DataType::Int16 => truth::<Int16Type>(array),
        arrow_schema::DataType::Int32 => truth::<Int32Type>(array),
        _ => truth::<Int64Type>(array),
    })
}
