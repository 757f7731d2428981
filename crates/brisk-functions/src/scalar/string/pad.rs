//! LPAD and RPAD: filled up or cut to a length; NULL for a negative length or an empty filling.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use brisk_core::{DataType as T, Result};

use super::super::binding::{Want, bind_nullable};
use super::super::builtin::Builtin;
use super::super::reader::build_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::{byte_of, length};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [Builtin::new("LPAD", bind, |call| pad(call, true)), Builtin::new("RPAD", bind, |call| pad(call, false))].map(Builtin::shared).to_vec()
}

fn bind(args: &[Argument]) -> Result<Signature> {
    bind_nullable(args, &[Want::Text, Want::Int, Want::Text], 3, T::STRING)
}

/// The results of a batch may have so many bytes.
const MAX_PADDED: usize = 1 << 30;

fn pad(call: &Call<'_>, in_front: bool) -> Result<ArrayRef> {
    let (texts, lengths, fillings) = (call.text(0), call.number::<Int32Type>(1), call.text(2));
    let mut total = 0usize;
    let result = build_texts(call.rows, |row, out| {
        let (text, wanted, filling) = (texts.get(row)?, lengths.get(row)?, fillings.get(row)?);
        let wanted = usize::try_from(wanted).ok().filter(|_| !filling.is_empty())?;
        let missing = wanted.saturating_sub(length(text));
        total = total.saturating_add(text.len()).saturating_add(missing.saturating_mul(filling.len()));
        if total > MAX_PADDED {
            return None;
        }
        let filled = filling.chars().cycle().take(missing);
        if in_front {
            out.extend(filled);
            out.push_str(&text[..byte_of(text, wanted)]);
        } else {
            out.push_str(&text[..byte_of(text, wanted)]);
            out.extend(filled);
        }
        Some(())
    });
    if total > MAX_PADDED {
        return Err(brisk_core::Error::compute("padding gives more than a gigabyte"));
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn padding_fills_and_cuts() {
        check("LPAD", &[text("hi"), int(1), text("??")], "h");
        check("LPAD", &[text("Hello"), int(7), text("hello world")], "heHello");
        check("LPAD", &[text("ää"), int(3), text("?")], "?ää");
        check("LPAD", &[text("Hello"), int(-1), text("x")], "NULL");
        check("LPAD", &[text("Hello"), int(8), text("")], "NULL");
        check("RPAD", &[text("Hello"), int(7), text("hello")], "Hellohe");
        check("RPAD", &[text("hi"), null(T::Int), text("??")], "NULL");
    }
}
