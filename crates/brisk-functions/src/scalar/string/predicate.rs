//! IS_DECIMAL, IS_DIGIT, IS_ALPHA: FALSE for NULL and for empty text.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use brisk_core::{DataType as T, Result, SqlType};

use super::super::binding::expect_count;
use super::super::builtin::Builtin;
use super::super::reader::build_booleans;
use super::super::{Argument, Call, ScalarFunction, Signature};
use crate::cast::parse_double;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("IS_DECIMAL", bind_any, |call| test(call, T::is_numeric, |s| parse_double(s).is_some())),
        Builtin::new("IS_DIGIT", bind_any, |call| test(call, T::is_integer, |s| s.chars().all(char::is_numeric))),
        Builtin::new("IS_ALPHA", bind_any, |call| test(call, |_| false, |s| s.chars().all(char::is_alphabetic))),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind_any(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    Ok(Signature { args: vec![args[0].sql_type.clone()], returns: SqlType::not_null(T::Boolean) })
}

/// What is no text answers by its type.
fn test(call: &Call<'_>, by_type: fn(&T) -> bool, by_text: impl Fn(&str) -> bool) -> Result<ArrayRef> {
    let array = call.args[0].values();
    let t = &call.arg_types[0].data_type;
    if !t.is_character() {
        let answer = by_type(t);
        return Ok(build_booleans(call.rows, |row| Some(answer && array.is_valid(if call.args[0].is_scalar() { 0 } else { row }))));
    }
    let texts = array.as_string::<i32>();
    Ok(build_booleans(call.rows, |row| {
        let row = if call.args[0].is_scalar() { 0 } else { row };
        Some(texts.is_valid(row) && !texts.value(row).is_empty() && by_text(texts.value(row)))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn predicates_are_never_null() {
        check("IS_DECIMAL", &[text("11.4445")], "TRUE");
        check("IS_DECIMAL", &[text("abc")], "FALSE");
        check("IS_DIGIT", &[text("123")], "TRUE");
        check("IS_DIGIT", &[null(T::STRING)], "FALSE");
        check("IS_ALPHA", &[text("11.4")], "FALSE");
        check("IS_ALPHA", &[text("abc")], "TRUE");
    }
}
