//! TRIM, LTRIM, RTRIM, BTRIM: cut blanks, or any of the characters of the second argument.

use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{DataType as T, Result};

use super::super::binding::{Want, bind};
use super::super::builtin::Builtin;
use super::super::reader::pick_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::part_of;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("TRIM", bind_trim, |call| trim(call, true, true)),
        Builtin::new("LTRIM", bind_trim, |call| trim(call, true, false)),
        Builtin::new("RTRIM", bind_trim, |call| trim(call, false, true)),
        Builtin::new("BTRIM", |args| bind(args, &[Want::Text; 2], 1, T::STRING), |call| trim(call, true, true)),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind_trim(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Text; 2], 1, T::STRING)?;
    signature.returns.data_type = part_of(&signature.args[0].data_type);
    Ok(signature)
}

fn trim(call: &Call<'_>, leading: bool, trailing: bool) -> Result<ArrayRef> {
    let texts = call.text(0);
    let sets = (call.args.len() > 1).then(|| call.text(1));
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
        check_typed("TRIM", &[Expr::string("example"), text("xyz")], "VARCHAR(7)", "example");
        check("LTRIM", &[text("abcddcba"), text("abd")], "cddcba");
        check("RTRIM", &[text("心情开开心心"), text("开心")], "心情");
        check("BTRIM", &[text(" 😀www "), text(" 😀")], "www");
        check("LTRIM", &[text("a"), null(T::STRING)], "NULL");
    }
}
