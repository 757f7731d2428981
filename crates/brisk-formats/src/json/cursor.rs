//! A reading position in one JSON document: tokens in place, strings passed over sixteen bytes at a time, digits eight.

use super::fault::Fault;
use crate::scan::find_either;

/// How deep values that nobody wants may be nested.
const DEPTH_MAX: usize = 512;
const QUOTE_OR_BACKSLASH: [u8; 2] = *b"\"\\";

pub(crate) struct Cursor<'a> {
    pub data: &'a [u8],
    pub pos: usize,
    /// The document and what lies behind it in memory, so that its last bytes can be looked at in blocks too.
    beyond: &'a [u8],
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy)]
pub(crate) struct RawString<'a> {
    pub text: &'a [u8],
    pub escaped: bool,
    /// The text and what lies behind it in memory.
    pub beyond: &'a [u8],
}

/// A value that is no object or array, or the text of one that is.
#[derive(Clone, Copy)]
pub(crate) enum Token<'a> {
    Null,
    True,
    False,
    String(RawString<'a>),
    Integer(&'a [u8]),
    /// A number with a point or an exponent.
    Decimal(&'a [u8]),
    Container(&'a [u8]),
}

impl<'a> Cursor<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0, beyond: data }
    }

    /// At the beginning of the document `chunk[start..end]`.
    pub fn within(chunk: &'a [u8], start: usize, end: usize) -> Self {
        Self { data: &chunk[start..end], pos: 0, beyond: &chunk[start..] }
    }

    /// The same document, at `pos`.
    pub fn at(&self, pos: usize) -> Self {
        Self { pos, ..*self }
    }

    pub fn fault(&self, expected: &'static str) -> Fault {
        Fault::syntax(self.pos, expected)
    }

    #[inline(always)]
    pub fn peek(&self) -> Option<u8> {
        self.data.get(self.pos).copied()
    }

    #[inline(always)]
    pub fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.pos += 1;
        }
    }

    #[inline(always)]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.eat(byte) { Ok(()) } else { Err(self.fault(expected)) }
    }

    /// The string whose opening quote is next.
    #[inline(always)]
    pub fn string(&mut self) -> Result<RawString<'a>, Fault> {
        self.expect(b'"', "a string")?;
        let start = self.pos;
        let Some((end, escaped)) = self.string_end(start) else { return Err(self.fault("the closing quote of a string")) };
        self.pos = end + 1;
        Ok(RawString { text: &self.data[start..end], escaped, beyond: &self.beyond[start..] })
    }

    /// An integer of at most 18 digits, if that is what comes next; nothing is consumed otherwise.
    #[inline(always)]
    pub fn small_integer(&mut self) -> Option<i64> {
        let negative = self.peek() == Some(b'-');
        let start = self.pos + usize::from(negative);
        let (value, end) = digits(self.data, start, 0)?;
        let plain = end - start <= 18 && (self.data[start] != b'0' || end == start + 1);
        if !plain || matches!(self.data.get(end), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.pos = end;
        Some(if negative { -value } else { value })
    }

    /// `(digits without the point, how many stand behind it)` of a number of at most 18 digits and no exponent, if that
    /// is what comes next; nothing is consumed otherwise.
    #[inline]
    pub fn small_decimal(&mut self) -> Option<(i64, usize)> {
        let negative = self.peek() == Some(b'-');
        let start = self.pos + usize::from(negative);
        let (mut value, mut end) = digits(self.data, start, 0)?;
        if end - start > 18 || (self.data[start] == b'0' && end != start + 1) {
            return None;
        }
        let mut decimals = 0;
        if self.data.get(end) == Some(&b'.') {
            let point = end;
            (value, end) = digits(self.data, point + 1, value)?;
            if end - start > 19 {
                return None;
            }
            decimals = end - point - 1;
        }
        if matches!(self.data.get(end), Some(b'e' | b'E' | b'.' | b'0'..=b'9')) {
            return None;
        }
        self.pos = end;
        Some((if negative { -value } else { value }, decimals))
    }

    /// The colon behind a key, and blanks on both sides.
    pub fn colon(&mut self) -> Result<(), Fault> {
        self.skip_blanks();
        self.expect(b':', "':'")?;
        self.skip_blanks();
        Ok(())
    }

    /// Takes the number that comes next.
    fn number(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.pos;
        let mut pos = start + usize::from(self.data[start] == b'-');
        let whole = pos;
        pos = skip_digits(self.data, pos);
        if pos == whole || (self.data[whole] == b'0' && pos > whole + 1) {
            return Err(self.fault("a number"));
        }
        let mut integer = true;
        if self.data.get(pos) == Some(&b'.') {
            integer = false;
            let end = skip_digits(self.data, pos + 1);
            if end == pos + 1 {
                return Err(self.fault("a number"));
            }
            pos = end;
        }
        if let Some(b'e' | b'E') = self.data.get(pos) {
            integer = false;
            let sign = usize::from(matches!(self.data.get(pos + 1), Some(b'+' | b'-')));
            let end = skip_digits(self.data, pos + 1 + sign);
            if end == pos + 1 + sign {
                return Err(self.fault("a number"));
            }
            pos = end;
        }
        self.pos = pos;
        let text = &self.data[start..pos];
        Ok(if integer { Token::Integer(text) } else { Token::Decimal(text) })
    }

    fn literal(&mut self, text: &'static [u8], token: Token<'a>) -> Result<Token<'a>, Fault> {
        if !self.data[self.pos..].starts_with(text) {
            return Err(self.fault("a value"));
        }
        self.pos += text.len();
        Ok(token)
    }

    /// Takes the value that comes next, whatever it is.
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>, Fault> {
        match self.peek() {
            Some(b'"') => Ok(Token::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.literal(b"null", Token::Null),
            Some(b't') => self.literal(b"true", Token::True),
            Some(b'f') => self.literal(b"false", Token::False),
            Some(b'{' | b'[') => {
                let start = self.pos;
                self.skip_container(0)?;
                Ok(Token::Container(&self.data[start..self.pos]))
            }
            _ => Err(self.fault("a value")),
        }
    }

    /// Whether `null` comes next; consumed if so.
    #[inline(always)]
    pub fn eat_null(&mut self) -> bool {
        let null = self.peek() == Some(b'n') && self.data[self.pos..].starts_with(b"null");
        self.pos += if null { 4 } else { 0 };
        null
    }

    /// Passes over the value that comes next.
    #[inline(always)]
    pub fn skip_value(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => match self.string_end(self.pos + 1) {
                Some((end, _)) => {
                    self.pos = end + 1;
                    Ok(())
                }
                None => Err(self.fault("the closing quote of a string")),
            },
            Some(b'1'..=b'9') => {
                let end = skip_digits(self.data, self.pos + 1);
                if matches!(self.data.get(end), Some(b',' | b'}')) {
                    self.pos = end;
                    return Ok(());
                }
                self.token().map(drop)
            }
            Some(b'{' | b'[') => self.skip_container(0),
            _ => self.token().map(drop),
        }
    }

    /// Where the string that begins at `pos` ends (its quote), and whether it has escapes.
    #[inline(always)]
    fn string_end(&self, pos: usize) -> Option<(usize, bool)> {
        let end = find_either(self.data, self.beyond, pos, QUOTE_OR_BACKSLASH)?;
        if self.data[end] == b'"' { Some((end, false)) } else { self.escaped_string_end(end) }
    }

    /// The same from the string's first backslash on.
    fn escaped_string_end(&self, mut pos: usize) -> Option<(usize, bool)> {
        loop {
            pos = find_either(self.data, self.beyond, pos + 2, QUOTE_OR_BACKSLASH)?;
            if self.data[pos] == b'"' {
                return Some((pos, true));
            }
        }
    }

    fn skip_container(&mut self, depth: usize) -> Result<(), Fault> {
        if depth == DEPTH_MAX {
            return Err(self.fault("a value nested less deeply"));
        }
        let object = self.eat(b'{');
        self.pos += usize::from(!object);
        let close = if object { b'}' } else { b']' };
        self.skip_blanks();
        if self.eat(close) {
            return Ok(());
        }
        loop {
            if object {
                self.string()?;
                self.colon()?;
            }
            match self.peek() {
                Some(b'{' | b'[') => self.skip_container(depth + 1)?,
                _ => self.token().map(drop)?,
            }
            self.skip_blanks();
            if self.eat(close) {
                return Ok(());
            }
            self.expect(b',', if object { "',' or '}'" } else { "',' or ']'" })?;
            self.skip_blanks();
        }
    }
}

/// The digits from `pos` on, folded into `value`, and where they end; `None` without any. Wraps beyond 18 digits, which
/// callers refuse by their count.
#[inline(always)]
fn digits(data: &[u8], pos: usize, value: i64) -> Option<(i64, usize)> {
    let Some(word) = data.get(pos..).and_then(|rest| rest.first_chunk()) else { return few_digits(data, pos, value) };
    let (count, folded) = leading_digits(u64::from_le_bytes(*word));
    match count {
        0 => None,
        8 => {
            let value = value.wrapping_mul(100_000_000).wrapping_add(folded);
            Some(few_digits(data, pos + 8, value).unwrap_or((value, pos + 8)))
        }
        _ => Some((value.wrapping_mul(POWERS_OF_TEN[count]).wrapping_add(folded), pos + count)),
    }
}

const POWERS_OF_TEN: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How many of the eight characters, the first in the lowest byte, are digits from the first on, and their number.
#[inline(always)]
fn leading_digits(word: u64) -> (usize, i64) {
    // Digits become 0 to 9; in the byte of the first other character the high bit is set, above it anything may be.
    let values = word ^ (LOW_BITS * u64::from(b'0'));
    let others = (values.wrapping_add(LOW_BITS * 0x76) | values) & HIGH_BITS;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // As eight digits, zeros in front.
    let values = values << (64 - 8 * count);
    let pairs = (values.wrapping_mul(10).wrapping_add(values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff;
    (count, eight as i64)
}

/// The same a digit at a time.
fn few_digits(data: &[u8], mut pos: usize, mut value: i64) -> Option<(i64, usize)> {
    let start = pos;
    while let Some(digit) = data.get(pos).map(|b| b.wrapping_sub(b'0')) {
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        pos += 1;
    }
    (pos > start).then_some((value, pos))
}

fn skip_digits(data: &[u8], mut pos: usize) -> usize {
    while data.get(pos).is_some_and(u8::is_ascii_digit) {
        pos += 1;
    }
    pos
}

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<usize>) {
        let mut cursor = Cursor::new(text.as_bytes());
        let end = cursor.skip_value().ok().map(|()| cursor.pos);
        assert_eq!(end, expected, "{text}");
        if let Some(end) = end {
            assert!(serde_json::from_str::<serde_json::Value>(&text[..end]).is_ok(), "{text}");
        }
    }

    #[test]
    fn values_are_skipped_to_their_end() {
        check(r#"{"a": [1, -2.5e+3, {"b": "x\"}]"}], "c": null} rest"#, Some(46));
        check("[]", Some(2));
        check("{ }", Some(3));
        check("-0.5,", Some(4));
        check("0", Some(1));
        check(r#""a long string, longer than four words of eight bytes, with an escape \\""#, Some(73));
        check("true]", Some(4));
    }

    #[test]
    fn strings_end_at_their_quote() {
        check(r#""\\" "#, Some(4));
        check(r#""a\"b" "#, Some(6));
        check(r#""a\"#, None);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "[1,]", "{\"a\"}", "{\"a\":}", "01", "1.", "1e", "-", "\"a", "\"a\\", "nul", "tru", "{a:1}", "[1 2]", "+1", ".5"] {
            check(text, None);
        }
        check(&"[".repeat(100_000), None);
    }

    #[test]
    fn small_numbers_are_read_in_place() {
        let small = |text: &str| Cursor::new(text.as_bytes()).small_decimal();
        assert_eq!(small("12.50,"), Some((1250, 2)));
        assert_eq!(small("-7}"), Some((-7, 0)));
        assert_eq!(small("0.001"), Some((1, 3)));
        assert_eq!(small("123456789012345678"), Some((123_456_789_012_345_678, 0)));
        for text in ["1234567890123456789", "0.1234567890123456789012", "1e5", "1.5e5", "1.", "", "-", "007", "12.1234567890123456789"] {
            assert_eq!(small(text), None, "{text}");
        }
        let integer = |text: &str| Cursor::new(text.as_bytes()).small_integer();
        let digits = "123456789012345678";
        for n in 1..=18 {
            for behind in ["", ",", "} ", "/:;<=>?@", "\u{80}\u{ff}zzzzzz"] {
                assert_eq!(integer(&format!("{}{behind}", &digits[..n])), digits[..n].parse().ok());
                assert_eq!(integer(&format!("-{}{behind}", &digits[..n])), format!("-{}", &digits[..n]).parse().ok());
            }
        }
        assert_eq!(integer("42 "), Some(42));
        assert_eq!(integer("4.2"), None);
        assert_eq!(integer("1234567890123456789"), None);
    }
}
