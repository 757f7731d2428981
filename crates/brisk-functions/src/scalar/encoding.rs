//! Text and bytes in other clothes: TO_BASE64, FROM_BASE64, ENCODE, DECODE, URL_ENCODE, URL_DECODE.

use std::sync::Arc;

use arrow_array::ArrayRef;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use brisk_core::{DataType as T, Error, Result};

use super::binding::{Want, bind, bind_nullable};
use super::builtin::Builtin;
use super::reader::{build_binary, build_texts};
use super::{Call, ScalarFunction};

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("TO_BASE64", |args| bind(args, &[Want::TextOrBinary], 1, T::STRING), to_base64).safe(),
        Builtin::new("FROM_BASE64", |args| bind(args, &[Want::TextOrBinary], 1, T::STRING), from_base64),
        Builtin::new("ENCODE", |args| bind(args, &[Want::Text; 2], 2, T::BYTES), encode),
        Builtin::new("DECODE", |args| bind(args, &[Want::Binary, Want::Text], 2, T::STRING), decode),
        Builtin::new("URL_ENCODE", |args| bind_nullable(args, &[Want::Text], 1, T::STRING), url_encode).safe(),
        Builtin::new("URL_DECODE", |args| bind_nullable(args, &[Want::Text], 1, T::STRING), url_decode).safe(),
    ]
    .map(Builtin::shared)
    .to_vec()
}

/// With padding written, and read with or without.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true));

fn to_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.raw(0);
    Ok(build_texts(call.rows, |row, out| {
        BASE64.encode_string(values.get(row)?, out);
        Some(())
    }))
}

fn from_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.raw(0);
    let mut bad = false;
    let result = build_texts(call.rows, |row, out| {
        match BASE64.decode(values.get(row)?) {
            Ok(bytes) => out.push_str(&String::from_utf8_lossy(&bytes)),
            Err(_) => bad = true,
        }
        Some(())
    });
    if bad { Err(Error::compute("FROM_BASE64 of text that is not in base 64")) } else { Ok(result) }
}

#[derive(Debug, Clone, Copy)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
    /// With a byte order mark written, and heeded when read.
    Utf16,
    Utf16Be,
    Utf16Le,
}

impl Charset {
    fn named(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" | "ASCII" => Charset::Ascii,
            "ISO-8859-1" | "LATIN1" | "ISO8859_1" => Charset::Latin1,
            "UTF-8" | "UTF8" => Charset::Utf8,
            "UTF-16" | "UTF16" => Charset::Utf16,
            "UTF-16BE" => Charset::Utf16Be,
            "UTF-16LE" => Charset::Utf16Le,
            _ => {
                return Err(
                    Error::compute(format!("the charset '{name}' is not known")).with_remedy("use UTF-8, UTF-16, UTF-16BE, UTF-16LE, ISO-8859-1 or US-ASCII")
                );
            }
        })
    }

    fn encode(self, text: &str) -> Vec<u8> {
        let narrow = |limit: u32| text.chars().map(|c| if (c as u32) < limit { c as u32 as u8 } else { b'?' }).collect();
        match self {
            Charset::Ascii => narrow(0x80),
            Charset::Latin1 => narrow(0x100),
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Utf16 => [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
            Charset::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        }
    }

    fn decode(self, bytes: &[u8], out: &mut String) {
        let mut wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
            let units = bytes.chunks(2).map(|pair| pair.try_into().map_or(0xFFFD, unit));
            out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        };
        match (self, bytes) {
            (Charset::Utf16, [0xFF, 0xFE, rest @ ..]) => wide(rest, u16::from_le_bytes),
            (Charset::Utf16, [0xFE, 0xFF, rest @ ..]) => wide(rest, u16::from_be_bytes),
            (Charset::Utf16 | Charset::Utf16Be, _) => wide(bytes, u16::from_be_bytes),
            (Charset::Utf16Le, _) => wide(bytes, u16::from_le_bytes),
            (Charset::Utf8, _) => out.push_str(&String::from_utf8_lossy(bytes)),
            (Charset::Latin1, _) => out.extend(bytes.iter().map(|b| char::from(*b))),
            (Charset::Ascii, _) => out.extend(bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER })),
        }
    }
}

fn encode(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, names) = (call.text(0), call.text(1));
    let mut failure = None;
    let result = build_binary(call.rows, |row| {
        let (text, name) = (texts.get(row)?, names.get(row)?);
        Charset::named(name).map_err(|e| failure.get_or_insert(e).kind).ok().map(|c| c.encode(text))
    });
    failure.map_or(Ok(result), Err)
}

fn decode(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, names) = (call.binary(0), call.text(1));
    let mut failure = None;
    let result = build_texts(call.rows, |row, out| {
        let (bytes, name) = (values.get(row)?, names.get(row)?);
        match Charset::named(name) {
            Ok(charset) => charset.decode(bytes, out),
            Err(e) => {
                failure.get_or_insert(e);
            }
        }
        Some(())
    });
    failure.map_or(Ok(result), Err)
}

/// As a form is encoded: a blank is a plus.
fn url_encode(call: &Call<'_>) -> Result<ArrayRef> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let texts = call.text(0);
    Ok(build_texts(call.rows, |row, out| {
        for byte in texts.get(row)?.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                _ => out.extend(['%', char::from(DIGITS[usize::from(byte >> 4)]), char::from(DIGITS[usize::from(byte & 15)])]),
            }
        }
        Some(())
    }))
}

/// NULL for a broken `%`.
fn url_decode(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_texts(call.rows, |row, out| {
        let mut bytes = texts.get(row)?.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let mut digit = || char::from(bytes.next()?).to_digit(16);
                    (digit()? * 16 + digit()?) as u8
                }
                _ => byte,
            });
        }
        out.push_str(&String::from_utf8_lossy(&decoded));
        Some(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn encodings_go_both_ways() {
        check("TO_BASE64", &[text("你好")], "5L2g5aW9");
        check("FROM_BASE64", &[text("aGVsbG8gd29ybGQ=")], "hello world");
        check("FROM_BASE64", &[bytes(b"5L2g5aW9")], "你好");
        check("FROM_BASE64", &[text("%")], "ERROR");
        check("DECODE", &[bytes(&[b'a', 0, b'b', 0]), text("UTF-16LE")], "ab");
        check("ENCODE", &[text("ab"), text("utf-8")], "ab");
        check("ENCODE", &[text("ab"), null(T::STRING)], "NULL");
        check("ENCODE", &[text("ab"), text("klingon")], "ERROR");
        check("URL_ENCODE", &[text("https://flink.apache.org/ a")], "https%3A%2F%2Fflink.apache.org%2F+a");
        check("URL_DECODE", &[text("https%3A%2F%2Fa+b")], "https://a b");
        check("URL_DECODE", &[text("illegal escape pattern test%")], "NULL");
    }
}
