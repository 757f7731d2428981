//! Casts between SQL types, as Flink does them.
//!
//! A value that has no counterpart fails the cast (`'abc'` as INT) or is NULL under TRY_CAST, and so does a text that does
//! not fit a DECIMAL; a number that does not fit wraps between integers, saturates from FLOAT and DOUBLE, and is NULL as a
//! DECIMAL. The branch on types is taken once an array; the loops are in the files of the families.

mod from_text;
mod nested;
mod numeric;
mod rules;
mod temporal;
pub mod temporal_text;
pub mod text;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, new_null_array};
use brisk_core::{DataType as T, Error, Result, SqlType};

use crate::EvalContext;

pub use from_text::{parse_boolean, parse_decimal, parse_double, parse_integer};
pub use numeric::{decimal_from_f64, decimal_to_f64, rescale};
pub(crate) use numeric::{divide_half_up, fits, power_of_ten};
pub use rules::{explicit, implicit, is_safe};
pub use text::{value_text, write_decimal, write_double, write_float};

/// One cast of an array: what a failing element does.
pub(crate) struct Attempt<'a> {
    pub from: &'a SqlType,
    pub to: &'a SqlType,
    pub try_cast: bool,
    pub context: &'a EvalContext,
}

impl Attempt<'_> {
    /// A value that has no counterpart: NULL, or the end.
    pub fn failed<V>(&self, value: impl std::fmt::Display) -> Result<Option<V>> {
        if self.try_cast {
            return Ok(None);
        }
        let error = Error::compute(format!("cannot cast '{value}' of type {} to {}", self.from.data_type, self.to.data_type));
        Err(error.with_remedy("TRY_CAST gives NULL instead"))
    }
}

/// Casts every element. With `try_cast` an element that fails becomes NULL.
pub fn cast_array(array: &ArrayRef, from: &SqlType, to: &SqlType, try_cast: bool, context: &EvalContext) -> Result<ArrayRef> {
    let attempt = Attempt { from, to, try_cast, context };
    match (&from.data_type, &to.data_type) {
        (a, b) if a == b => Ok(array.clone()),
        (T::Null, _) => Ok(new_null_array(&to.to_arrow(), array.len())),
        (a, b) if b.is_character() => text::cast_to_text(array, a, &attempt),
        (a, b) if b.is_binary() => Ok(cast_to_binary(array, a, b)),
        (a, _) if a.is_character() => from_text::cast_from_text(array, &attempt),
        (a, T::Boolean) if a.is_integer() => numeric::is_not_zero(array),
        (T::Boolean, b) if b.is_numeric() => numeric::cast_boolean(array.as_boolean(), b),
        (a, b) if a.is_numeric() && b.is_numeric() => numeric::cast_number(array, &attempt),
        (a, b) if is_temporal(a) && is_temporal(b) => temporal::cast_temporal(array, &attempt),
        (T::IntervalYearMonth(_), T::IntervalYearMonth(_)) | (T::IntervalDayTime(_), T::IntervalDayTime(_)) => Ok(array.clone()),
        (a, b) if a.is_interval() && b.is_integer() => temporal::interval_number(array, &attempt),
        _ => nested::cast_nested(array, &attempt),
    }
}

fn is_temporal(t: &T) -> bool {
    t.is_timestamp() || matches!(t, T::Date | T::Time(_))
}

/// Text as its UTF-8 bytes, cut to the length and for BINARY(n) filled up with zeros.
fn cast_to_binary(array: &ArrayRef, from: &T, to: &T) -> ArrayRef {
    let (T::Binary(length) | T::Varbinary(length)) = to else { return array.clone() };
    let (length, fixed) = (*length as usize, matches!(to, T::Binary(_)));
    let resize = |bytes: &[u8], out: &mut Vec<u8>| {
        out.clear();
        out.extend_from_slice(&bytes[..bytes.len().min(length)]);
        if fixed {
            out.resize(length, 0);
        }
    };
    let mut scratch = Vec::new();
    let mut builder = arrow_array::builder::BinaryBuilder::with_capacity(array.len(), array.len() * 16);
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        let bytes = if from.is_character() { array.as_string::<i32>().value(row).as_bytes() } else { array.as_binary::<i32>().value(row) };
        resize(bytes, &mut scratch);
        builder.append_value(&scratch);
    }
    Arc::new(builder.finish())
}

/// The bytes of one element in capital hexadecimal digits.
pub fn hex_text(array: &dyn Array, row: usize) -> String {
    let bytes: &BinaryArray = array.as_binary();
    bytes.value(row).iter().map(|b| format!("{b:02X}")).collect()
}

#[cfg(test)]
mod tests;
