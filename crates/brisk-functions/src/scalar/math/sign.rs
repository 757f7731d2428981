//! ABS and SIGN, in the number's own type.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use brisk_core::{DataType as T, Error, Result};

use super::super::binding::{Want, coerce, expect_count};
use super::super::builtin::Builtin;
use super::super::{Argument, Call, ScalarFunction, Signature};
use crate::cast::power_of_ten;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [Builtin::new("ABS", bind_same, abs), Builtin::new("SIGN", bind_same, sign)].map(|f| f.safe().shared()).to_vec()
}

fn bind_same(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let number = coerce(0, &args[0].sql_type, Want::Number)?;
    Ok(Signature { args: vec![number.clone()], returns: number })
}

/// A function applied to the elements of a primitive array.
macro_rules! map {
    ($array:expr, $t:ty, $f:expr) => {
        Arc::new($array.as_primitive::<$t>().unary::<_, $t>($f)) as ArrayRef
    };
}

fn abs(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.args[0].values();
    Ok(match &call.arg_types[0].data_type {
        T::TinyInt => map!(array, Int8Type, i8::wrapping_abs),
        T::SmallInt => map!(array, Int16Type, i16::wrapping_abs),
        T::Int => map!(array, Int32Type, i32::wrapping_abs),
        T::BigInt => map!(array, Int64Type, i64::wrapping_abs),
        T::Float => map!(array, Float32Type, f32::abs),
        T::Double => map!(array, Float64Type, f64::abs),
        _ => decimals(call, |v, _| v.abs())?,
    })
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.args[0].values();
    Ok(match &call.arg_types[0].data_type {
        T::TinyInt => map!(array, Int8Type, i8::signum),
        T::SmallInt => map!(array, Int16Type, i16::signum),
        T::Int => map!(array, Int32Type, i32::signum),
        T::BigInt => map!(array, Int64Type, i64::signum),
        // Unlike Rust's, the sign of zero is zero.
        T::Float => map!(array, Float32Type, |v: f32| if v == 0.0 { v } else { v.signum() }),
        T::Double => map!(array, Float64Type, |v: f64| if v == 0.0 { v } else { v.signum() }),
        _ => decimals(call, |v, one| v.signum() * one)?,
    })
}

/// `f` sees the unscaled value and that of one.
fn decimals(call: &Call<'_>, f: impl Fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let T::Decimal { precision, scale } = call.returns.data_type else {
        return Err(Error::internal(format!("{} is no number", call.returns)));
    };
    let one = power_of_ten(scale);
    let values = call.args[0].values().as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(|v| f(v, one));
    Ok(Arc::new(values.with_precision_and_scale(precision, scale as i8)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;

    #[test]
    fn signs_keep_the_type() {
        check_typed("ABS", &[int(-42)], "INT", "42");
        check_typed("ABS", &[decimal("-3.14", 10, 2)], "DECIMAL(10, 2)", "3.14");
        check_typed("SIGN", &[decimal("-1231.12", 10, 2)], "DECIMAL(10, 2)", "-1.00");
        check("SIGN", &[double(0.0)], "0.0");
        check("SIGN", &[int(-7)], "-1");
    }
}
