//! Where a text is in another: POSITION, LOCATE, INSTR, STARTSWITH, ENDSWITH.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use brisk_core::{DataType as T, Error, Result};

use super::super::binding::{Want, bind, coerce, expect_count, signature};
use super::super::builtin::Builtin;
use super::super::reader::{build_booleans, build_numbers};
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::byte_of;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("POSITION", bind_locate, locate).safe(),
        Builtin::new("LOCATE", bind_locate, locate).safe(),
        Builtin::new("INSTR", |args| bind(args, &[Want::Text, Want::Text, Want::Int, Want::Int], 2, T::Int), instr),
        Builtin::new("STARTSWITH", bind_affix, |call| affix(call, <[u8]>::starts_with)).safe(),
        Builtin::new("ENDSWITH", bind_affix, |call| affix(call, <[u8]>::ends_with)).safe(),
    ]
    .map(Builtin::shared)
    .to_vec()
}

fn bind_locate(args: &[Argument]) -> Result<Signature> {
    bind(args, &[Want::Text, Want::Text, Want::Int], 2, T::Int)
}

/// LOCATE(needle, text [, start]), POSITION(needle IN text [FROM start]): 0 where it is not.
fn locate(call: &Call<'_>) -> Result<ArrayRef> {
    let (needles, texts) = (call.text(0), call.text(1));
    let starts = (call.args.len() > 2).then(|| call.number::<Int32Type>(2));
    Ok(build_numbers::<Int32Type>(call.rows, |row| {
        let (needle, text) = (needles.get(row)?, texts.get(row)?);
        let start = match &starts {
            Some(starts) => starts.get(row)?,
            None => 1,
        };
        if needle.is_empty() {
            return Some(1);
        }
        let from = byte_of(text, start.max(1) as usize - 1);
        Some(text[from..].find(needle).map_or(0, |at| position_of(text, from + at)))
    }))
}

/// The position, from 1, of the character at a byte.
fn position_of(text: &str, byte: usize) -> i32 {
    text[..byte].chars().count() as i32 + 1
}

/// INSTR(text, needle [, start [, n]]): the n-th match from the start on, backwards from the end for a negative start.
fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, needles) = (call.text(0), call.text(1));
    let starts = (call.args.len() > 2).then(|| call.number::<Int32Type>(2));
    let counts = (call.args.len() > 3).then(|| call.number::<Int32Type>(3));
    let mut not_positive = false;
    let result = build_numbers::<Int32Type>(call.rows, |row| {
        let (text, needle) = (texts.get(row)?, needles.get(row)?);
        let start = starts.as_ref().map_or(Some(1), |s| s.get(row))?;
        let count = counts.as_ref().map_or(Some(1), |c| c.get(row))?;
        not_positive |= count < 1;
        let count = count.max(1) as usize;
        Some(match start {
            0 => 0,
            1.. => forwards(text, needle, start as usize - 1, count),
            _ => backwards(text, needle, start.unsigned_abs() as usize, count),
        })
    });
    if not_positive {
        return Err(Error::compute("INSTR counts matches from 1"));
    }
    Ok(result)
}

fn forwards(text: &str, needle: &str, start: usize, count: usize) -> i32 {
    let mut from = byte_of(text, start);
    for left in (0..count).rev() {
        let Some(at) = text[from..].find(needle) else { return 0 };
        if left == 0 {
            return position_of(text, from + at);
        }
        match text[from + at..].chars().next() {
            Some(c) => from += at + c.len_utf8(),
            None => return 0,
        }
    }
    0
}

/// Matches that end at or before the `back`-th character from the end.
fn backwards(text: &str, needle: &str, back: usize, count: usize) -> i32 {
    let skipped = back - 1 + needle.chars().count();
    let Some(latest) = text.chars().count().checked_sub(skipped) else { return 0 };
    let mut starts = text.char_indices().map(|(at, _)| at).take(latest + 1).collect::<Vec<_>>();
    starts.retain(|&at| text[at..].starts_with(needle));
    match starts.len().checked_sub(count) {
        Some(i) => position_of(text, starts[i]),
        None => 0,
    }
}

fn bind_affix(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let want = if args.iter().any(|a| a.sql_type.data_type.is_binary()) { Want::Binary } else { Want::Text };
    Ok(signature(vec![coerce(0, &args[0].sql_type, want)?, coerce(1, &args[1].sql_type, want)?], T::Boolean))
}

fn affix(call: &Call<'_>, test: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef> {
    let (texts, affixes) = (call.raw(0), call.raw(1));
    Ok(build_booleans(call.rows, |row| Some(test(texts.get(row)?, affixes.get(row)?))))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn positions_count_characters_from_one() {
        check("POSITION", &[text("test"), text("xxxtest")], "4");
        check("LOCATE", &[text("testx"), text("xxxtest")], "0");
        check("LOCATE", &[text("a"), text("äaba"), int(3)], "4");
        check("INSTR", &[text("Corporate Floor"), text("or"), int(-3), int(2)], "2");
        check("INSTR", &[text("Tech on the net"), text("e"), int(1), int(2)], "11");
        check("INSTR", &[text("Tech on the net"), text("e"), int(-3), int(2)], "2");
        check("INSTR", &[text("abcor"), text("or"), int(-2)], "0");
        check("INSTR", &[null(T::STRING), text("e")], "NULL");
        check("POSITION", &[text(""), text("abc")], "1");
    }

    #[test]
    fn affixes_are_of_text_or_bytes() {
        check("ENDSWITH", &[text("www.apache.org"), text("org")], "TRUE");
        check("STARTSWITH", &[text("www"), text("")], "TRUE");
        check("STARTSWITH", &[bytes(&[1, 2, 3]), bytes(&[3])], "FALSE");
        check("STARTSWITH", &[bytes(&[1, 2, 3]), text("a")], "ERROR");
        check("ENDSWITH", &[null(T::BYTES), bytes(&[3])], "NULL");
    }
}
