//! Single characters and counts of them: ASCII, CHR, CHAR_LENGTH, REVERSE, REPEAT, ELT.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array};
use brisk_core::{DataType as T, Result};

use super::super::binding::{Want, bind, coerce, expect_count, to_common};
use super::super::builtin::Builtin;
use super::super::reader::{build_numbers, build_texts};
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::ascii::AsciiTexts;
use super::length;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("ASCII", |args| bind(args, &[Want::Text], 1, T::Int), ascii).safe(),
        Builtin::new("CHR", |args| bind(args, &[Want::Integer], 1, T::STRING), chr).safe(),
        Builtin::new("CHAR_LENGTH", |args| bind(args, &[Want::Text], 1, T::Int), char_length).aliases(&["CHARACTER_LENGTH"]).safe(),
        Builtin::new("REVERSE", |args| bind(args, &[Want::Text], 1, T::STRING), reverse).safe(),
        Builtin::new("REPEAT", |args| bind(args, &[Want::Text, Want::Int], 2, T::STRING), repeat),
        Builtin::new("ELT", bind_elt, elt),
    ]
    .map(Builtin::shared)
    .to_vec()
}

fn ascii(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_numbers::<Int32Type>(call.rows, |row| Some(texts.get(row)?.chars().next().map_or(0, |c| c as i32))))
}

/// The character of the last eight bits; nothing for a negative number.
fn chr(call: &Call<'_>) -> Result<ArrayRef> {
    let codes = call.integers(0);
    Ok(build_texts(call.rows, |row, out| {
        let code = codes.get(row)?;
        if code >= 0 {
            out.push(char::from((code & 0xFF) as u8));
        }
        Some(())
    }))
}

fn char_length(call: &Call<'_>) -> Result<ArrayRef> {
    let column = call.args[0].values().as_string::<i32>();
    if let Some(ascii) = AsciiTexts::of(column) {
        return Ok(Arc::new(Int32Array::new(ascii.lengths().collect(), column.nulls().cloned())));
    }
    let texts = call.text(0);
    Ok(build_numbers::<Int32Type>(call.rows, |row| Some(length(texts.get(row)?) as i32)))
}

fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_texts(call.rows, |row, out| {
        out.extend(texts.get(row)?.chars().rev());
        Some(())
    }))
}

/// The results of a batch may have so many bytes.
const MAX_REPEATED: usize = 1 << 30;

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0), call.number::<Int32Type>(1));
    let mut total = 0usize;
    let result = build_texts(call.rows, |row, out| {
        let (text, count) = (texts.get(row)?, counts.get(row)?.max(0) as usize);
        total = total.saturating_add(text.len().saturating_mul(count));
        if total <= MAX_REPEATED {
            (0..count).for_each(|_| out.push_str(text));
        }
        Some(())
    });
    if total > MAX_REPEATED {
        return Err(brisk_core::Error::compute("REPEAT gives more than a gigabyte"));
    }
    Ok(result)
}

fn bind_elt(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, usize::MAX)?;
    let index = coerce(0, &args[0].sql_type, Want::Integer)?;
    let literal = args[0].literal.as_ref().and_then(|v| v.as_primitive_opt::<Int32Type>()).filter(|v| v.is_valid(0));
    if let Some(negative) = literal.map(|v| v.value(0)).filter(|v| *v < 0) {
        return Err(brisk_core::Error::invalid(format!("the index must be 0 or more, not {negative}")));
    }
    for (i, arg) in args.iter().enumerate().skip(1) {
        coerce(i, &arg.sql_type, Want::TextOrBinary)?;
    }
    let common = to_common(&args[1..])?;
    let part = if common.data_type.is_binary() { T::BYTES } else { T::STRING };
    let mut types = vec![index];
    types.extend(args[1..].iter().map(|a| brisk_core::SqlType { data_type: part.clone(), nullable: a.sql_type.nullable }));
    Ok(Signature { args: types, returns: brisk_core::SqlType::nullable(part) })
}

/// ELT(n, a, b, ..): the n-th of the others; NULL where there is none.
fn elt(call: &Call<'_>) -> Result<ArrayRef> {
    let indices = call.integers(0);
    let nothing = arrow_array::new_null_array(call.args[1].values().data_type(), 1);
    let mut sources: Vec<&dyn Array> = vec![nothing.as_ref()];
    sources.extend(call.args[1..].iter().map(|a| a.values().as_ref()));
    let place = |row: usize| match indices.get(row).and_then(|i| usize::try_from(i).ok()).filter(|i| (1..sources.len()).contains(i)) {
        Some(i) => (i, if call.args[i].is_scalar() { 0 } else { row }),
        None => (0, 0),
    };
    let places: Vec<(usize, usize)> = (0..call.rows).map(place).collect();
    Ok(arrow_select::interleave::interleave(&sources, &places)?)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn characters_are_code_points() {
        check("ASCII", &[text("abcdef")], "97");
        check("CHR", &[int(300)], ",");
        check("CHR", &[int(-9)], "");
        check("CHAR_LENGTH", &[text("Абв😀")], "4");
        check_column("CHAR_LENGTH", &["abc", "NULL", "", "z"], &[], &["3", "NULL", "0", "1"]);
        check_column("CHAR_LENGTH", &["abc", "Aä", "NULL"], &[], &["3", "2", "NULL"]);
        check("REVERSE", &[text("hü")], "üh");
        check("REPEAT", &[text("ab"), int(2)], "abab");
        check("REPEAT", &[text("ab"), int(-1)], "");
        check("ELT", &[int(2), text("a"), text("b")], "b");
        check("ELT", &[int(3), text("a"), text("b")], "NULL");
        check("ELT", &[int(1), null(T::STRING)], "NULL");
    }
}
