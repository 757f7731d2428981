//! Functions of DOUBLEs: powers, logarithms, trigonometry. Out of their domain they are NaN or infinite, as in Java;
//! LOG2, LOG and LN of what is not positive are too.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use brisk_core::{DataType, Result, SqlType};

use super::super::binding::{Want, bind, expect_count};
use super::super::builtin::Builtin;
use super::super::reader::build_numbers;
use super::super::{Argument, Call, ScalarFunction, Signature};

/// A function of one DOUBLE.
macro_rules! of_one {
    ($name:literal, $f:expr) => {
        Builtin::new($name, bind_one, |call| map(call, $f))
    };
}

/// A function of two DOUBLEs.
macro_rules! of_two {
    ($name:literal, $f:expr) => {
        Builtin::new($name, bind_two, |call| combine(call, $f))
    };
}

/// A constant.
macro_rules! constant {
    ($name:literal, $value:expr) => {
        Builtin::new($name, bind_none, |call| Ok(Arc::new(Float64Array::from(vec![$value; call.rows]))))
    };
}

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        of_two!("POWER", f64::powf).aliases(&["POW"]),
        of_one!("SQRT", f64::sqrt),
        of_one!("EXP", f64::exp),
        of_one!("LN", f64::ln),
        of_one!("LOG2", |x| x.ln() / 2f64.ln()),
        of_one!("LOG10", f64::log10),
        Builtin::new("LOG", |args| bind(args, &[Want::Double, Want::Double], 1, DataType::Double), log),
        of_one!("SIN", f64::sin),
        of_one!("COS", f64::cos),
        of_one!("TAN", f64::tan),
        of_one!("COT", |x| 1.0 / x.tan()),
        of_one!("ASIN", f64::asin),
        of_one!("ACOS", f64::acos),
        of_one!("ATAN", f64::atan),
        of_two!("ATAN2", f64::atan2),
        of_one!("SINH", f64::sinh),
        of_one!("COSH", f64::cosh),
        of_one!("TANH", f64::tanh),
        of_one!("DEGREES", f64::to_degrees),
        of_one!("RADIANS", f64::to_radians),
        constant!("PI", std::f64::consts::PI),
        constant!("E", std::f64::consts::E),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind_one(args: &[Argument]) -> Result<Signature> {
    bind(args, &[Want::Double], 1, DataType::Double)
}

fn bind_two(args: &[Argument]) -> Result<Signature> {
    bind(args, &[Want::Double, Want::Double], 2, DataType::Double)
}

fn bind_none(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 0, 0)?;
    Ok(Signature { args: Vec::new(), returns: SqlType::not_null(DataType::Double) })
}

fn map(call: &Call<'_>, f: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    Ok(Arc::new(call.args[0].values().as_primitive::<Float64Type>().unary::<_, Float64Type>(f)))
}

fn combine(call: &Call<'_>, f: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (left, right) = (&call.args[0], &call.args[1]);
    let values = left.values().as_primitive::<Float64Type>();
    if right.is_scalar() && right.values().is_valid(0) {
        let right = right.values().as_primitive::<Float64Type>().value(0);
        return Ok(Arc::new(values.unary::<_, Float64Type>(|left| f(left, right))));
    }
    let (left, right) = (call.number::<Float64Type>(0), call.number::<Float64Type>(1));
    Ok(build_numbers::<Float64Type>(call.rows, |row| Some(f(left.get(row)?, right.get(row)?))))
}

/// LOG(x) is natural; LOG(base, x).
fn log(call: &Call<'_>) -> Result<ArrayRef> {
    if call.args.len() == 1 { map(call, f64::ln) } else { combine(call, |base, x| x.ln() / base.ln()) }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn reals_are_those_of_java() {
        check_typed("POWER", &[int(5), int(5)], "DOUBLE", "3125.0");
        check("POWER", &[int(-1), double(0.5)], "NaN");
        check("LOG", &[int(10), int(100)], "2.0");
        check("LOG", &[double(24.6)], "3.202746442938317");
        check("LOG2", &[double(4.6)], "2.2016338611696504");
        check("COT", &[double(2.5)], "-1.3386481283041514");
        check("COSH", &[double(2.5)], "6.132289479663686");
        check("SQRT", &[null(T::Double)], "NULL");
        check("PI", &[], "3.141592653589793");
    }
}
