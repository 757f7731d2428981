//! Numbers and bytes in other bases: BIN, HEX, UNHEX, CONV-like printing.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{DataType as T, Result};

use super::super::binding::{Want, bind, bind_nullable, coerce, expect_count, signature, wrong};
use super::super::builtin::Builtin;
use super::super::reader::{build_binary, build_texts};
use super::super::{Argument, Call, ScalarFunction, Signature};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("BIN", |args| bind(args, &[Want::Integer], 1, T::STRING), bin),
        Builtin::new("HEX", bind_hex, hex),
        Builtin::new("UNHEX", |args| bind_nullable(args, &[Want::Text], 1, T::BYTES), unhex),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

/// The two's complement of 64 bits, without leading zeros.
fn bin(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.integers(0);
    Ok(build_texts(call.rows, |row, out| write!(out, "{:b}", values.get(row)?).ok()))
}

fn bind_hex(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let arg = coerce(0, &args[0].sql_type, Want::Any)?;
    match &arg.data_type {
        T::Null => Ok(signature(vec![brisk_core::SqlType::nullable(T::STRING)], T::STRING)),
        t if t.is_integer() || t.is_character() || t.is_binary() => Ok(signature(vec![arg], T::STRING)),
        _ => Err(wrong(0, &arg, "an integer or a character string")),
    }
}

fn hex(call: &Call<'_>) -> Result<ArrayRef> {
    if call.arg_types[0].data_type.is_integer() {
        let values = call.integers(0);
        return Ok(build_texts(call.rows, |row, out| write!(out, "{:X}", values.get(row)?).ok()));
    }
    let values = call.raw(0);
    Ok(build_texts(call.rows, |row, out| {
        values.get(row)?.iter().for_each(|b| push_hex(out, *b));
        Some(())
    }))
}

fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push(DIGITS[usize::from(byte >> 4)] as char);
    out.push(DIGITS[usize::from(byte & 15)] as char);
}

/// NULL where a character is no digit. An odd first digit gives a zero byte, as in Flink.
fn unhex(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_binary(call.rows, |row| {
        let digits = texts.get(row)?.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<Vec<u8>>>()?;
        let (odd, pairs) = digits.split_at(digits.len() % 2);
        Some(odd.iter().map(|_| 0).chain(pairs.chunks_exact(2).map(|p| p[0] << 4 | p[1])).collect())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;

    #[test]
    fn bases_are_those_of_flink() {
        check("BIN", &[int(3)], "11");
        check("BIN", &[int(-1)], &"1".repeat(64));
        check("HEX", &[int(100)], "64");
        check("HEX", &[text("*_T")], "2A5F54");
        check("UNHEX", &[text("466C696E6B")], "Flink");
        check("UNHEX", &[text("1")], "\0");
        check("UNHEX", &[text("z")], "NULL");
    }
}
