//! JSON text as a tree that borrows from it, and back.
//!
//! As with Jackson in Flink: numbers keep their digits, what follows the first value is not looked at, and the keys of a
//! written object are sorted (of equal keys the last counts).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::text::{write_array, write_number, write_object, write_string};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Boolean(bool),
    /// As written.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// In the order of the text.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 1000;

/// The first value of `text`; the error says what is wrong where.
pub(super) fn parse(text: &str) -> Result<Json<'_>, String> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0 };
    let value = parser.value(0)?;
    // A bare number or word must end before the next one begins.
    let is_bare = matches!(value, Json::Number(_) | Json::Boolean(_) | Json::Null);
    match parser.bytes.get(parser.at) {
        Some(byte) if is_bare && !byte.is_ascii_whitespace() && !b",]}[{\"".contains(byte) => Err(parser.error("unexpected character")),
        _ => Ok(value),
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, what: &str) -> String {
        format!("{what} at byte {} of the JSON text", self.at + 1)
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it comes next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("too deep a nesting"));
        }
        self.blanks();
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.error("no value")),
        }
    }

    fn word(&mut self) -> Result<Json<'a>, String> {
        for (word, value) in [("true", Json::Boolean(true)), ("false", Json::Boolean(false)), ("null", Json::Null)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("no JSON value"))
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blanks();
        if self.eat(b'}') {
            return Ok(Json::Object(entries));
        }
        loop {
            self.blanks();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.error("no name"));
            }
            let key = self.string()?;
            self.blanks();
            if !self.eat(b':') {
                return Err(self.error("no colon"));
            }
            entries.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.eat(b'}') {
                return Ok(Json::Object(entries));
            }
            if !self.eat(b',') {
                return Err(self.error("neither comma nor brace"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.error("neither comma nor bracket"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Result<Json<'a>, String> {
        let from = self.at;
        self.eat(b'-');
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.error("no number"));
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.error("no fraction"));
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return Err(self.error("no exponent"));
            }
        }
        Ok(Json::Number(Cow::Borrowed(&self.text[from..self.at])))
    }

    /// A string behind its opening quote; borrowed unless it has escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        self.at += 1;
        let from = self.at;
        let end = memchr::memchr2(b'"', b'\\', &self.bytes[from..]).map(|n| from + n);
        let Some(end) = end else { return Err(self.error("no end of the string")) };
        self.check_controls(from, end)?;
        if self.bytes[end] == b'"' {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[from..end]));
        }
        self.at = from;
        self.escaped_string().map(Cow::Owned)
    }

    fn check_controls(&mut self, from: usize, to: usize) -> Result<(), String> {
        match self.bytes[from..to].iter().position(|b| *b < 0x20) {
            Some(found) => {
                self.at = from + found;
                Err(self.error("a control character"))
            }
            None => Ok(()),
        }
    }

    fn escaped_string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        loop {
            let from = self.at;
            let Some(found) = memchr::memchr2(b'"', b'\\', &self.bytes[from..]) else { return Err(self.error("no end of the string")) };
            let end = from + found;
            self.check_controls(from, end)?;
            out.push_str(&self.text[from..end]);
            self.at = end + 1;
            if self.bytes[end] == b'"' {
                return Ok(out);
            }
            let escape = self.bytes.get(self.at).copied();
            self.at += 1;
            match escape {
                Some(c @ (b'"' | b'\\' | b'/')) => out.push(c as char),
                Some(b'b') => out.push('\u{8}'),
                Some(b'f') => out.push('\u{c}'),
                Some(b'n') => out.push('\n'),
                Some(b'r') => out.push('\r'),
                Some(b't') => out.push('\t'),
                Some(b'u') => out.push(self.unicode()?),
                _ => return Err(self.error("an unknown escape")),
            }
        }
    }

    /// The character of `\uXXXX`, or of two of them; half a pair becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if first < 0xdc00 && self.bytes[self.at.min(self.bytes.len())..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.bytes.get(self.at..self.at + 4).and_then(|d| std::str::from_utf8(d).ok());
        let value = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u32::from_str_radix(d, 16).ok());
        self.at += 4;
        value.ok_or_else(|| self.error("no four hexadecimal digits"))
    }
}

impl<'a> Json<'a> {
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Json::Array(_) | Json::Object(_))
    }

    /// The value of a key of an object.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(entries) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Appends the JSON text.
    pub fn write(&self, out: &mut String) {
        let written = match self {
            Json::Array(items) => write_array(out, items.len(), |out, i| {
                items[i].write(out);
                Ok(())
            }),
            Json::Object(entries) => {
                let sorted: BTreeMap<&str, &Json<'_>> = entries.iter().map(|(k, v)| (k.as_ref(), v)).collect();
                write_object(out, sorted.into_iter(), |out, value| {
                    value.write(out);
                    Ok(())
                })
            }
            Json::Text(text) => {
                write_string(out, text);
                Ok(())
            }
            scalar => {
                scalar.write_plain(out);
                Ok(())
            }
        };
        written.expect("no writer of these fails");
    }

    /// Appends the text of a scalar: without quotes if it is a string.
    pub fn write_plain(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => write_number(out, text),
            Json::Text(text) => out.push_str(text),
            Json::Array(_) | Json::Object(_) => self.write(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = parse(text).ok().map(|json| {
            let mut out = String::new();
            json.write(&mut out);
            out
        });
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn values_are_read_and_written() {
        check(r#" {"b": [1, 2.50, -0.1e3], "a": "x\u0041\n", "b": null} "#, Some(r#"{"a":"xA\n","b":null}"#));
        check("[]", Some("[]"));
        check("1.0E2", Some("1.0E+2"));
        check("0.0000001", Some("1E-7"));
        check("-0", Some("0"));
        check("\"a\" rest", Some("\"a\""));
        check("[1] ]", Some("[1]"));
        check("\"\\ud83d\\ude00\"", Some("\"😀\""));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "  ", "{", "[1,]", "{a:1}", "01", "1x", "truex", "\"a", "\"\t\"", "'a'", "nul", "{\"a\" 1}"] {
            check(text, None);
        }
        check(&"[".repeat(100_000), None);
    }
}
