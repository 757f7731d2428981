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

/// A result may have so many characters.
const MAX_PADDED: usize = 1 << 28;

fn pad(call: &Call<'_>, in_front: bool) -> Result<ArrayRef> {
    let (texts, lengths, fillings) = (call.text(0), call.number::<Int32Type>(1), call.text(2));
    let mut too_long = false;
    let result = build_texts(call.rows, |row, out| {
        let (text, wanted, filling) = (texts.get(row)?, lengths.get(row)?, fillings.get(row)?);
        let wanted = usize::try_from(wanted).ok().filter(|_| !filling.is_empty())?;
        too_long |= wanted > MAX_PADDED;
        let missing = wanted.saturating_sub(length(text)).min(MAX_PADDED);
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
    if too_long {
        return Err(brisk_core::Error::compute(format!("padding to more than {MAX_PADDED} characters")));
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
