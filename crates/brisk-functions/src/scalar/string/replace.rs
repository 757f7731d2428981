//! REPLACE, TRANSLATE, OVERLAY.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::OffsetBuffer;
use brisk_core::types::MAX_LENGTH;
use brisk_core::{DataType as T, Error, Result};
use memchr::memmem;

use super::super::binding::{Want, bind};
use super::super::builtin::Builtin;
use super::super::reader::build_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::ascii::all_bytes;
use super::{byte_of, length};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("REPLACE", |args| bind(args, &[Want::Text; 3], 3, T::STRING), replace),
        Builtin::new("TRANSLATE", bind_translate, translate).aliases(&["TRANSLATE3"]),
        Builtin::new("OVERLAY", bind_overlay, overlay),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, olds, news) = (call.text(0), call.text(1), call.text(2));
    if let (true, true, Some(old), Some(new)) = (olds.is_constant(), news.is_constant(), olds.get(0), news.get(0))
        && !old.is_empty()
    {
        return replace_constant(call.args[0].values().as_string::<i32>(), old.as_bytes(), new.as_bytes());
    }
    Ok(build_texts(call.rows, |row, out| {
        let (text, old, new) = (texts.get(row)?, olds.get(row)?, news.get(row)?);
        let mut last = 0;
        for (at, found) in text.match_indices(old) {
            out.push_str(&text[last..at]);
            out.push_str(new);
            last = at + found.len();
        }
        out.push_str(&text[last..]);
        Some(())
    }))
}

/// Looks through all texts at once; what lies between two places found is copied in one go, across texts.
fn replace_constant(texts: &StringArray, old: &[u8], new: &[u8]) -> Result<ArrayRef> {
    let bytes = all_bytes(texts);
    let mut places = memmem::find_iter(bytes, old).peekable();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut offsets: Vec<i32> = Vec::with_capacity(texts.len() + 1);
    offsets.push(0);
    // Up to where the texts have been copied, and where the one at hand ends.
    let (mut copied, mut end) = (0, 0);
    let first = texts.offsets()[0];
    for offset in &texts.offsets()[1..] {
        let start = end;
        end = (offset - first) as usize;
        // A place found across two texts hides others that begin in it: each text is then looked through by itself.
        while let Some(place) = places.next_if(|place| *place < end) {
            if place + old.len() > end {
                return replace_by_text(texts, old, new);
            }
            debug_assert!(place >= start);
            out.extend_from_slice(&bytes[copied..place]);
            out.extend_from_slice(new);
            copied = place + old.len();
        }
        offsets.push(offset_of(out.len() + end - copied)?);
    }
    out.extend_from_slice(&bytes[copied..]);
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), out.into(), texts.nulls().cloned())?))
}

fn replace_by_text(texts: &StringArray, old: &[u8], new: &[u8]) -> Result<ArrayRef> {
    let finder = memmem::Finder::new(old);
    let mut out: Vec<u8> = Vec::with_capacity(all_bytes(texts).len());
    let mut offsets: Vec<i32> = Vec::with_capacity(texts.len() + 1);
    offsets.push(0);
    for row in 0..texts.len() {
        let text = texts.value(row).as_bytes();
        let mut copied = 0;
        for place in finder.find_iter(text) {
            out.extend_from_slice(&text[copied..place]);
            out.extend_from_slice(new);
            copied = place + old.len();
        }
        out.extend_from_slice(&text[copied..]);
        offsets.push(offset_of(out.len())?);
    }
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), out.into(), texts.nulls().cloned())?))
}

fn offset_of(length: usize) -> Result<i32> {
    i32::try_from(length).map_err(|_| Error::compute("the texts of a batch have more than two gigabytes"))
}

fn bind_translate(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Text; 3], 3, T::STRING)?;
    signature.returns.nullable = signature.args[0].nullable;
    Ok(signature)
}

/// Each character of the second argument becomes its counterpart in the third, or nothing where there is none. A NULL
/// second argument changes nothing, a NULL third is empty.
fn translate(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, froms, tos) = (call.text(0), call.text(1), call.text(2));
    Ok(build_texts(call.rows, |row, out| {
        let text = texts.get(row)?;
        let Some(from) = froms.get(row) else {
            out.push_str(text);
            return Some(());
        };
        let to = tos.get(row).unwrap_or("");
        for c in text.chars() {
            match from.chars().position(|f| f == c) {
                Some(at) => out.extend(to.chars().nth(at)),
                None => out.push(c),
            }
        }
        Some(())
    }))
}

fn bind_overlay(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Text, Want::Text, Want::Int, Want::Int], 3, T::STRING)?;
    if let (T::Char(n) | T::Varchar(n), T::Char(m) | T::Varchar(m)) = (&signature.args[0].data_type, &signature.args[1].data_type) {
        signature.returns.data_type = T::Varchar(n.saturating_add(*m).min(MAX_LENGTH));
    }
    Ok(signature)
}

/// OVERLAY(text PLACING new FROM start [FOR count]): unchanged where the start is outside. What follows is kept only if
/// the count is positive, as in Flink.
fn overlay(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, news, starts) = (call.text(0), call.text(1), call.number::<Int32Type>(2));
    let counts = (call.args.len() > 3).then(|| call.number::<Int32Type>(3));
    Ok(build_texts(call.rows, |row, out| {
        let (text, new, start) = (texts.get(row)?, news.get(row)?, starts.get(row)?);
        let count = match &counts {
            Some(counts) => counts.get(row)?.max(0) as usize,
            None => length(new),
        };
        if start <= 0 || start as usize > length(text) {
            out.push_str(text);
            return Some(());
        }
        let start = start as usize - 1;
        out.push_str(&text[..byte_of(text, start)]);
        out.push_str(new);
        if count > 0 {
            out.push_str(&text[byte_of(text, start.saturating_add(count))..]);
        }
        Some(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::Expr;
    use brisk_core::DataType as T;

    #[test]
    fn parts_are_replaced() {
        check("REPLACE", &[text("hello world"), text("world"), text("flink")], "hello flink");
        check_column("REPLACE", &["acc", "NULL", "c", "", "äc"], &[text("c"), text("")], &["a", "NULL", "", "", "ä"]);
        check_column("REPLACE", &["xab", "aabb", "ba", "NULL"], &[text("ab"), text("-+-")], &["x-+-", "a-+-b", "ba", "NULL"]);
        check_column("REPLACE", &["ab", "ababa", "bab", "a"], &[text("aba"), text("X")], &["ab", "Xba", "bab", "a"]);
        check_column("REPLACE", &["a", "baab", "a"], &[text("aa"), text("")], &["a", "bb", "a"]);
        check("TRANSLATE", &[text("www.apache.org"), text("abcae"), text("12345")], "www.1p13h5.org");
        check("TRANSLATE", &[text("www.apache.org"), null(T::STRING), text("1")], "www.apache.org");
        check("TRANSLATE", &[text("www.apache.org"), text("abc"), null(T::STRING)], "www.phe.org");
        check_typed("OVERLAY", &[Expr::string("xxxxxtest"), Expr::string("xxxx"), int(6)], "VARCHAR(13)", "xxxxxxxxx");
        check("OVERLAY", &[text("This is a test"), text("It"), int(1), int(4)], "It is a test");
        check("OVERLAY", &[text("This is a test"), text("IS"), int(6), int(100)], "This IS");
        check("OVERLAY", &[text("123456789"), text("It"), int(-1), int(4)], "123456789");
    }
}
