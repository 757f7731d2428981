//! SUBSTRING, LEFT, RIGHT.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use brisk_core::{DataType as T, Result};

use super::super::binding::{Want, bind};
use super::super::builtin::Builtin;
use super::super::reader::pick_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::{byte_of, length, part_of};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("SUBSTRING", bind_substring, substring).aliases(&["SUBSTR", "MID"]),
        Builtin::new("LEFT", bind_end, |call| end(call, left)),
        Builtin::new("RIGHT", bind_end, |call| end(call, right)),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

/// A negative length gives NULL.
fn bind_substring(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Text, Want::Int, Want::Int], 2, T::STRING)?;
    signature.returns.data_type = part_of(&signature.args[0].data_type);
    signature.returns.nullable |= args.len() > 2;
    Ok(signature)
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (call.text(0), call.number::<Int32Type>(1));
    let lengths = (call.args.len() > 2).then(|| call.number::<Int32Type>(2));
    Ok(pick_texts(call.rows, |row| {
        let (text, start) = (texts.get(row)?, starts.get(row)?);
        let count = match &lengths {
            Some(lengths) => usize::try_from(lengths.get(row)?).ok()?,
            None => usize::MAX,
        };
        Some(slice(text, start, count))
    }))
}

/// From `start`, counted from 1, or from -1 at the back; nothing where it is outside.
fn slice(text: &str, start: i32, count: usize) -> &str {
    let from = match start {
        0 => 0,
        1.. => start as usize - 1,
        _ => match length(text).checked_sub(start.unsigned_abs() as usize) {
            Some(from) => from,
            None => return "",
        },
    };
    let rest = &text[byte_of(text, from)..];
    &rest[..byte_of(rest, count)]
}

fn bind_end(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Text, Want::Int], 2, T::STRING)?;
    signature.returns.data_type = part_of(&signature.args[0].data_type);
    Ok(signature)
}

fn end(call: &Call<'_>, pick: fn(&str, usize) -> &str) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0), call.number::<Int32Type>(1));
    Ok(pick_texts(call.rows, |row| Some(pick(texts.get(row)?, counts.get(row)?.max(0) as usize))))
}

fn left(text: &str, count: usize) -> &str {
    &text[..byte_of(text, count)]
}

fn right(text: &str, count: usize) -> &str {
    &text[byte_of(text, length(text).saturating_sub(count))..]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::Expr;

    #[test]
    fn parts_of_texts() {
        check_typed("SUBSTRING", &[Expr::string("hello world"), int(2)], "VARCHAR(11)", "ello world");
        check("SUBSTRING", &[text("This is a test String."), int(-2), int(1)], "g");
        check("SUBSTRING", &[text("1世3"), int(1), int(2)], "1世");
        check("SUBSTR", &[text("abc"), int(100), int(10)], "");
        check("SUBSTR", &[text("abc"), int(2), int(-1)], "NULL");
        check("SUBSTR", &[text("abc"), int(0), int(2)], "ab");
        check("LEFT", &[text("abc"), int(-2)], "");
        check("RIGHT", &[text("Hällo"), int(4)], "ällo");
        check("LEFT", &[text("abc"), int(100)], "abc");
    }
}
