//! An array made into one value: ARRAY_MAX, ARRAY_MIN, ARRAY_JOIN.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_select::take::take;
use brisk_core::{DataType, Result};

use super::super::binding::{Want, coerce, expect_count, signature, wrong};
use super::super::builtin::Builtin;
use super::super::comparison::is_ordered;
use super::super::equality::ordering;
use super::super::reader::build_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::lists::{Lists, element_type};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("ARRAY_MAX", bind_extreme, |call| extreme(call, true)),
        Builtin::new("ARRAY_MIN", bind_extreme, |call| extreme(call, false)),
        Builtin::new("ARRAY_JOIN", bind_join, join),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind_extreme(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let item = element_type(args, 0)?;
    if !is_ordered(&item.data_type) {
        return Err(wrong(0, &args[0].sql_type, "an ARRAY of elements that have an order"));
    }
    Ok(Signature { args: vec![args[0].sql_type.clone()], returns: item.with_nullable(true) })
}

/// NULLs do not count.
fn extreme(call: &Call<'_>, greatest: bool) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let values = lists.values();
    let order = ordering(values, greatest, false)?;
    let find = |row: usize| lists.get(row)?.filter(|&i| values.is_valid(i)).min_by(|&i, &j| order(i, j)).map(|i| i as u64);
    let places: UInt64Array = (0..call.rows).map(find).collect();
    Ok(take(values.as_ref(), &places, None)?)
}

fn bind_join(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 3)?;
    if !element_type(args, 0)?.data_type.is_character() {
        return Err(wrong(0, &args[0].sql_type, "an ARRAY of character strings"));
    }
    let mut types = vec![args[0].sql_type.clone()];
    for (i, arg) in args.iter().enumerate().skip(1) {
        types.push(coerce(i, &arg.sql_type, Want::Text)?);
    }
    Ok(signature(types, DataType::STRING))
}

/// ARRAY_JOIN(array, delimiter [, text for NULLs]): without the third, NULLs are left out.
fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let values = lists.values().as_string::<i32>();
    let delimiter = call.text(1);
    let for_null = (call.args.len() > 2).then(|| call.text(2));
    Ok(build_texts(call.rows, |row, out| {
        let (range, delimiter) = (lists.get(row)?, delimiter.get(row)?);
        let for_null = match &for_null {
            Some(text) => Some(text.get(row)?),
            None => None,
        };
        let mut is_first = true;
        for i in range {
            let Some(text) = values.is_valid(i).then(|| values.value(i)).or(for_null) else { continue };
            if !is_first {
                out.push_str(delimiter);
            }
            out.push_str(text);
            is_first = false;
        }
        Some(())
    }))
}
