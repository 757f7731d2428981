//! JSON's string escapes, read and written, and nested values as compact text.

use super::cursor::{Cursor, Token};
use crate::scan::find;
use crate::text::number::{parse_f64, write_f64};

/// Appends the text that `raw` (between its quotes, UTF-8) stands for; `None` on a wrong escape. Half of a surrogate
/// pair becomes `?`, as Java writes it in UTF-8.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = raw;
    while let Some(n) = find(rest, 0, b'\\') {
        out.extend_from_slice(&rest[..n]);
        let escape = *rest.get(n + 1)?;
        rest = &rest[n + 2..];
        match escape {
            b'"' | b'\\' | b'/' => out.push(escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, out)?,
            _ => return None,
        }
    }
    out.extend_from_slice(rest);
    Some(())
}

/// Appends the character of the hexadecimal digits at the front of `text`, which is behind a `\u`.
fn unescape_unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let unit = hex4(text)?;
    let mut rest = &text[4..];
    let mut code = unit;
    if (0xd800..0xdc00).contains(&unit) && rest.starts_with(b"\\u") {
        let low = hex4(&rest[2..])?;
        if (0xdc00..0xe000).contains(&low) {
            code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            rest = &rest[6..];
        }
    }
    let character = char::from_u32(code).unwrap_or('?');
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.iter().try_fold(0, |value, b| Some(value * 16 + (*b as char).to_digit(16)?))
}

/// Appends `text` as a JSON string with its quotes.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut start = 0;
    for (i, b) in text.iter().enumerate() {
        if *b >= b' ' && *b != b'"' && *b != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[start..i]);
        start = i + 1;
        match *b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *b]),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            control => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}

/// Appends a sound JSON value without blanks, its strings and numbers as Flink prints them: what a STRING column holds
/// of an object or an array. `None` on a wrong escape.
pub(crate) fn write_compact(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(value);
    let mut scratch = Vec::new();
    while let Some(b) = cursor.peek() {
        match b {
            b' ' | b'\n' | b'\r' | b'\t' => cursor.pos += 1,
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                out.push(b);
                cursor.pos += 1;
            }
            _ => write_compact_scalar(cursor.token().ok()?, &mut scratch, out)?,
        }
    }
    Some(())
}

fn write_compact_scalar(token: Token, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Option<()> {
    match token {
        Token::String(string) => {
            scratch.clear();
            unescape(string.text, scratch)?;
            write_string(scratch, out);
        }
        Token::Decimal(text) => write_f64(parse_f64(text)?, out),
        Token::Integer(text) => out.extend_from_slice(text),
        Token::True => out.extend_from_slice(b"true"),
        Token::False => out.extend_from_slice(b"false"),
        Token::Null => out.extend_from_slice(b"null"),
        Token::Container(_) => unreachable!("brackets are handled one by one"),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Option<&str>) {
        let mut out = Vec::new();
        let text = unescape(raw.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap());
        assert_eq!(text.as_deref(), expected, "{raw}");
    }

    #[test]
    fn escapes_are_read() {
        check(r#"a\"b\\c\/d\n\t\r\b\f"#, Some("a\"b\\c/d\n\t\r\u{8}\u{c}"));
        check(r"\u4e2d\ud83d\ude00x", Some("中😀x"));
        check(r"\ud83d-\ude00", Some("?-?"));
        check(r"\x", None);
        check(r"\u12", None);
        check(r"\", None);
    }

    #[test]
    fn strings_are_escaped_as_flink_does() {
        let mut out = Vec::new();
        write_string("中\"\\/\n\u{1f}".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#""中\"\\/\n\u001F""#);
    }

    #[test]
    fn nested_values_become_compact_text() {
        let mut out = Vec::new();
        write_compact(br#"{ "a" : [ 1, 2.50, "x\u0041" ], "b": null }"#, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":[1,2.5,"xA"],"b":null}"#);
    }
}
