//! HASH_CODE: the number that Java's `hashCode` gives for a value. It is in no documentation of Flink, but in its functions.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::*;
use brisk_core::{DataType as T, Error, Result};

use super::binding::{expect_count, signature};
use super::builtin::Builtin;
use super::reader::build_numbers;
use super::{Argument, Call, ScalarFunction, Signature};

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    vec![Builtin::new("HASH_CODE", bind, hash_code).safe().shared()]
}

fn bind(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let of = &args[0].sql_type;
    let known = |t: &T| t.is_character() || t.is_integer() || t.is_approximate() || matches!(t, T::Boolean | T::Date | T::Time(_));
    if !known(&of.data_type) {
        return Err(Error::invalid(format!("takes a text, a number, a BOOLEAN, a DATE or a TIME, not {}", of.data_type)));
    }
    Ok(signature(vec![of.clone()], T::Int))
}

fn hash_code(call: &Call<'_>) -> Result<ArrayRef> {
    match &call.arg_types[0].data_type {
        T::Boolean => {
            let values = call.boolean(0);
            Ok(hashes(call, |row| values.get(row).map(|v| if v { 1231 } else { 1237 })))
        }
        T::Float => {
            let values = call.number::<Float32Type>(0);
            Ok(hashes(call, |row| values.get(row).map(|v| v.to_bits() as i32)))
        }
        T::Double => {
            let values = call.number::<Float64Type>(0);
            Ok(hashes(call, |row| values.get(row).map(|v| of_long(v.to_bits() as i64))))
        }
        T::Date => {
            let days = call.number::<Date32Type>(0);
            Ok(hashes(call, |row| days.get(row)))
        }
        T::Time(_) => {
            let millis = call.number::<Time32MillisecondType>(0);
            Ok(hashes(call, |row| millis.get(row)))
        }
        T::BigInt => {
            let values = call.integers(0);
            Ok(hashes(call, |row| values.get(row).map(of_long)))
        }
        t if t.is_integer() => {
            let values = call.integers(0);
            Ok(hashes(call, |row| values.get(row).map(|v| v as i32)))
        }
        _ => {
            let texts = call.text(0);
            Ok(hashes(call, |row| texts.get(row).map(of_text)))
        }
    }
}

fn hashes(call: &Call<'_>, hash: impl Fn(usize) -> Option<i32>) -> ArrayRef {
    build_numbers::<Int32Type>(call.rows, hash)
}

fn of_long(value: i64) -> i32 {
    (value ^ ((value as u64) >> 32) as i64) as i32
}

/// Over the UTF-16 units.
fn of_text(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn hashes_are_those_of_java() {
        check("HASH_CODE", &[text("abc")], "96354");
        check("HASH_CODE", &[text("é")], "233");
        check("HASH_CODE", &[int(5)], "5");
        check("HASH_CODE", &[bigint(-1)], "0");
        check("HASH_CODE", &[double(1.5)], "1073217536");
        check("HASH_CODE", &[crate::Expr::boolean(true)], "1231");
        check("HASH_CODE", &[of("2020-01-01", T::Date)], "18262");
        check("HASH_CODE", &[null(T::STRING)], "NULL");
    }
}
