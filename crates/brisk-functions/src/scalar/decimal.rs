//! DECIMAL arithmetic: exact, then rounded half up to the result's scale; NULL where the result has too many digits.
//!
//! The usual case stays within 128 bits; only what overflows them is computed with 256.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, Decimal128Array};
use arrow_buffer::{NullBuffer, i256};
use brisk_core::{DataType, Error, Result, SqlType};

use super::Call;
use super::arithmetic::Operator;
use crate::Columnar;
use crate::cast::{fits, power_of_ten};

/// `args` are DECIMALs, as is the result.
pub(super) fn evaluate(operator: Operator, call: &Call<'_>) -> Result<Columnar> {
    let (precision, scale) = parameters(call.returns)?;
    let (_, left_scale) = parameters(&call.arg_types[0])?;
    let (_, right_scale) = parameters(&call.arg_types[1])?;
    let shape = Shape { precision, scale, left_scale, right_scale };
    match operator {
        Operator::Plus => each(call, &shape, |a, b| shape.sum(a, b)),
        Operator::Minus => each(call, &shape, |a, b| shape.sum(a, -b)),
        Operator::Times => match shape.is_plain_product(call) {
            true => plain_products(call, &shape),
            false => each(call, &shape, |a, b| shape.product(a, b)),
        },
        Operator::Divide => each_divided(call, &shape, |a, b| shape.quotient(a, b)),
        Operator::Modulo => each_divided(call, &shape, |a, b| shape.remainder(a, b)),
    }
}

struct Shape {
    precision: u8,
    scale: u8,
    left_scale: u8,
    right_scale: u8,
}

impl Shape {
    fn sum(&self, a: i128, b: i128) -> Option<i128> {
        let common = self.left_scale.max(self.right_scale);
        let a_up = power_of_ten(common - self.left_scale);
        let b_up = power_of_ten(common - self.right_scale);
        let narrow = || a.checked_mul(a_up)?.checked_add(b.checked_mul(b_up)?);
        match narrow() {
            Some(sum) if common == self.scale => Some(sum),
            Some(sum) => crate::cast::rescale(sum, common, self.scale),
            None => self.settle(wide(a) * wide(a_up) + wide(b) * wide(b_up), common),
        }
    }

    /// Whether no product can have too many digits or needs rounding.
    fn is_plain_product(&self, call: &Call<'_>) -> bool {
        let digits = |i: usize| parameters(&call.arg_types[i]).map_or(u8::MAX, |(precision, _)| precision);
        self.left_scale + self.right_scale == self.scale && digits(0).saturating_add(digits(1)) <= self.precision
    }

    fn product(&self, a: i128, b: i128) -> Option<i128> {
        let exact = self.left_scale + self.right_scale;
        match a.checked_mul(b) {
            Some(product) if exact == self.scale => Some(product),
            Some(product) => crate::cast::rescale(product, exact, self.scale),
            None => self.settle(wide(a) * wide(b), exact),
        }
    }

    fn quotient(&self, a: i128, b: i128) -> Option<i128> {
        // a / 10^ls / (b / 10^rs) * 10^s
        let up = i32::from(self.scale) + i32::from(self.right_scale) - i32::from(self.left_scale);
        let factor = u8::try_from(up.unsigned_abs()).ok()?;
        if up >= 0 {
            if factor <= 38
                && let Some(numerator) = a.checked_mul(power_of_ten(factor))
            {
                return Some(crate::cast::divide_half_up(numerator, b));
            }
            return narrow(divide_wide(wide(a).checked_mul(wide_power(factor))?, wide(b)));
        }
        narrow(divide_wide(wide(a), wide(b).checked_mul(wide_power(factor))?))
    }

    fn remainder(&self, a: i128, b: i128) -> Option<i128> {
        let common = self.left_scale.max(self.right_scale);
        let a_up = power_of_ten(common - self.left_scale);
        let b_up = power_of_ten(common - self.right_scale);
        let exact = match (a.checked_mul(a_up), b.checked_mul(b_up)) {
            (Some(a), Some(b)) => a.wrapping_rem(b),
            _ => narrow((wide(a) * wide(a_up)) % (wide(b) * wide(b_up)))?,
        };
        crate::cast::rescale(exact, common, self.scale)
    }

    /// A wide value of `from` fraction digits at the result's scale.
    fn settle(&self, value: i256, from: u8) -> Option<i128> {
        if self.scale >= from {
            return narrow(value.checked_mul(wide_power(self.scale - from))?);
        }
        narrow(divide_wide(value, wide_power(from - self.scale)))
    }
}

fn wide(value: i128) -> i256 {
    i256::from_i128(value)
}

fn wide_power(exponent: u8) -> i256 {
    if exponent <= 38 { wide(power_of_ten(exponent)) } else { wide(power_of_ten(38)) * wide(power_of_ten(exponent - 38)) }
}

fn narrow(value: i256) -> Option<i128> {
    value.to_i128()
}

/// Half up, away from zero.
fn divide_wide(value: i256, divisor: i256) -> i256 {
    let (quotient, rest) = (value / divisor, value % divisor);
    let twice = rest.wrapping_abs().checked_mul(wide(2));
    if twice.is_none_or(|t| t >= divisor.wrapping_abs()) {
        let up = if (value < i256::ZERO) == (divisor < i256::ZERO) { i256::ONE } else { i256::MINUS_ONE };
        return quotient + up;
    }
    quotient
}

fn parameters(sql_type: &SqlType) -> Result<(u8, u8)> {
    match sql_type.data_type {
        DataType::Decimal { precision, scale } => Ok((precision, scale)),
        _ => Err(Error::internal(format!("decimal arithmetic over {sql_type}"))),
    }
}

fn each(call: &Call<'_>, shape: &Shape, f: impl Fn(i128, i128) -> Option<i128>) -> Result<Columnar> {
    let (left, right) = (call.number::<Decimal128Type>(0), call.number::<Decimal128Type>(1));
    let value = |row: usize| f(left.get(row)?, right.get(row)?).filter(|v| fits(*v, shape.precision));
    let values: Decimal128Array = (0..call.rows).map(value).collect();
    Ok(Columnar::Array(Arc::new(values.with_precision_and_scale(shape.precision, shape.scale as i8)?)))
}

/// Products that are what multiplying the unscaled values gives.
fn plain_products(call: &Call<'_>, shape: &Shape) -> Result<Columnar> {
    let number = |i: usize| call.args[i].values().as_primitive::<Decimal128Type>();
    let (left, right) = (number(0), number(1));
    let constant = |i: usize| call.args[i].is_scalar() && number(i).is_valid(0);
    let values: Decimal128Array = match (constant(0), constant(1)) {
        (_, true) if !call.args[0].is_scalar() => times(left, right.value(0)),
        (true, _) if !call.args[1].is_scalar() => times(right, left.value(0)),
        _ => return each(call, shape, |a, b| shape.product(a, b)),
    };
    Ok(Columnar::Array(Arc::new(values.with_precision_and_scale(shape.precision, shape.scale as i8)?)))
}

/// A column times a constant.
fn times(values: &Decimal128Array, factor: i128) -> Decimal128Array {
    match i64::try_from(factor) {
        // Half the work of a product of two wide numbers.
        Ok(factor) => values.unary(|v| match i64::try_from(v) {
            Ok(v) => i128::from(v) * i128::from(factor),
            Err(_) => v.wrapping_mul(i128::from(factor)),
        }),
        Err(_) => values.unary(|v| v.wrapping_mul(factor)),
    }
}

/// As [`each`]; a zero on the right of a row without nulls fails.
fn each_divided(call: &Call<'_>, shape: &Shape, f: impl Fn(i128, i128) -> Option<i128>) -> Result<Columnar> {
    let (left, right) = (&call.args[0], call.args[1].values().as_primitive::<Decimal128Type>());
    if right.values().contains(&0) {
        let left = left.to_array(call.rows)?;
        let right = call.array(1)?;
        let both = NullBuffer::union(left.nulls(), right.nulls());
        let divisors = right.as_primitive::<Decimal128Type>();
        if (0..call.rows).any(|i| divisors.value(i) == 0 && both.as_ref().is_none_or(|n| n.is_valid(i))) {
            return Err(Error::compute("division by zero"));
        }
    }
    each(call, shape, |a, b| if b == 0 { None } else { f(a, b) })
}
