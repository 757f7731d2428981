//! TRIM, LTRIM, RTRIM, BTRIM: cut blanks, or any of the characters of a set.
//!
//! `TRIM(LEADING 'x' FROM a)` is the call `TRIM('LEADING', 'x', a)`; the others are `LTRIM(a [, set])`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use brisk_core::{DataType as T, Error, Result};

use super::super::binding::{Want, bind, expect_count};
use super::super::builtin::Builtin;
use super::super::reader::pick_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::part_of;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("TRIM", bind_trim, trim),
        Builtin::new("LTRIM", bind_end, |call| cut(call, 0, Some(1), true, false)),
        Builtin::new("RTRIM", bind_end, |call| cut(call, 0, Some(1), false, true)),
        Builtin::new("BTRIM", |args| bind(args, &[Want::Text; 2], 1, T::STRING), |call| cut(call, 0, Some(1), true, true)),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

/// The side (a constant), the set and the text; or the text alone.
fn bind_trim(args: &[Argument]) -> Result<Signature> {
    if args.len() != 1 {
        expect_count(args, 3, 3)?;
        side(args[0].literal.as_ref())?;
    }
    let mut signature = bind(args, &[Want::Text; 3], 1, T::STRING)?;
    signature.returns.data_type = part_of(&signature.args[args.len() - 1].data_type);
    Ok(signature)
}

fn trim(call: &Call<'_>) -> Result<ArrayRef> {
    if call.args.len() == 1 {
        return cut(call, 0, None, true, true);
    }
    let (leading, trailing) = side(Some(call.args[0].values()))?;
    cut(call, 2, Some(1), leading, trailing)
}

/// Whether the start and whether the end is cut.
fn side(word: Option<&ArrayRef>) -> Result<(bool, bool)> {
    match word.and_then(|w| w.as_string_opt::<i32>()).filter(|w| !w.is_empty() && w.is_valid(0)).map(|w| w.value(0)) {
        Some("BOTH") => Ok((true, true)),
        Some("LEADING") => Ok((true, false)),
        Some("TRAILING") => Ok((false, true)),
        _ => Err(Error::invalid("the side must be BOTH, LEADING or TRAILING")),
    }
}

fn bind_end(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Text; 2], 1, T::STRING)?;
    signature.returns.data_type = part_of(&signature.args[0].data_type);
    Ok(signature)
}

/// Without a set, or where its argument is left out, blanks are cut.
fn cut(call: &Call<'_>, text: usize, set: Option<usize>, leading: bool, trailing: bool) -> Result<ArrayRef> {
    let texts = call.text(text);
    let sets = set.filter(|&i| i < call.args.len()).map(|i| call.text(i));
    Ok(pick_texts(call.rows, |row| {
        let mut text = texts.get(row)?;
        let set = match &sets {
            Some(sets) => sets.get(row)?,
            None => " ",
        };
        let cut = |c: char| set.contains(c);
        if leading {
            text = text.trim_start_matches(cut);
        }
        if trailing {
            text = text.trim_end_matches(cut);
        }
        Some(text)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::Expr;
    use brisk_core::DataType as T;

    #[test]
    fn ends_are_trimmed() {
        check("TRIM", &[text("  a b ")], "a b");
        check_typed("TRIM", &[Expr::string("TRAILING"), text("e"), Expr::string("example")], "VARCHAR(7)", "exampl");
        check("TRIM", &[Expr::string("AROUND"), text("e"), text("example")], "ERROR");
        check("LTRIM", &[text("abcddcba"), text("abd")], "cddcba");
        check("RTRIM", &[text("心情开开心心"), text("开心")], "心情");
        check("BTRIM", &[text(" 😀www "), text(" 😀")], "www");
        check("LTRIM", &[text("a"), null(T::STRING)], "NULL");
    }
}
