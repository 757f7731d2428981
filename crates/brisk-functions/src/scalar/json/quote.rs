//! JSON_QUOTE and JSON_UNQUOTE.

use arrow_array::ArrayRef;
use brisk_core::{DataType, Result};

use super::tree::parse;
use crate::scalar::Call;
use crate::scalar::binding::{self, Want};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_texts;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("JSON_QUOTE", |args| binding::bind(args, &[Want::Text], 1, DataType::STRING), json_quote).safe(),
    Builtin::new("JSON_UNQUOTE", |args| binding::bind(args, &[Want::Text], 1, DataType::STRING), json_unquote).safe(),
];

/// The text as a JSON string in ASCII.
fn json_quote(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_texts(call.rows, |row, out| {
        out.push('"');
        for c in texts.get(row)?.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '/' => out.push_str("\\/"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii() => out.push(c),
                c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            }
        }
        out.push('"');
        Some(())
    }))
}

/// The text of a JSON string; any other text as it is, one with an escape that is none included.
fn json_unquote(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_texts(call.rows, |row, out| {
        let text = texts.get(row)?;
        let start = out.len();
        let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).filter(|_| parse(text).is_ok());
        if inner.and_then(|inner| unescape(inner, out)).is_none() {
            out.truncate(start);
            out.push_str(text);
        }
        Some(())
    }))
}

/// Flink looks at the text between the outer quotes, even where the JSON string ends before the last one.
fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut units: Vec<u16> = Vec::new();
    let mut flush = |out: &mut String, unit: Option<u16>| match unit {
        Some(unit) => units.push(unit),
        None => out.extend(char::decode_utf16(units.drain(..)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))),
    };
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escape = if c == '\\' { chars.next() } else { None };
        if escape == Some('u') {
            let digits: String = chars.by_ref().take(4).collect();
            let unit = u16::from_str_radix(&digits, 16).ok()?;
            flush(out, Some(unit));
            continue;
        }
        flush(out, None);
        out.push(match (c, escape) {
            ('\\', Some(c @ ('"' | '\\' | '/'))) => c,
            ('\\', Some('b')) => '\u{8}',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some('t')) => '\t',
            ('\\', Some(_)) => return None,
            (c, _) => c,
        });
    }
    flush(out, None);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, null, text};

    #[test]
    fn text_is_quoted() {
        check("JSON_QUOTE", &[text("\"null\"")], r#""\"null\"""#);
        check("JSON_QUOTE", &[text("a\tb\\ /")], r#""a\tb\\ \/""#);
        check("JSON_QUOTE", &[text("≠ 😀")], r#""\u2260 \ud83d\ude00""#);
        check("JSON_QUOTE", &[null(DataType::STRING)], "NULL");
    }

    #[test]
    fn strings_are_unquoted() {
        for (quoted, expected) in [
            (r#""abc""#, "abc"),
            (r#""["abc"]""#, r#"["abc"]"#),
            (r#""[\t\u0032]""#, "[\t2]"),
            (r#"""\ufffa""#, "\"\u{fffa}"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""[1, 2, 3}"#, r#""[1, 2, 3}"#),
            (r#""abc" "def""#, r#"abc" "def"#),
            (r#""a""\uzzzz""#, r#""a""\uzzzz""#),
            ("[]", "[]"),
            ("\"", "\""),
            ("", ""),
            (r#"{"key":1}"#, r#"{"key":1}"#),
        ] {
            check("JSON_UNQUOTE", &[text(quoted)], expected);
        }
    }
}
