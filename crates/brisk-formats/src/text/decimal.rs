//! Decimals: text to a value of a column's scale, rounded half up, and back.

use super::number::{parse_i64, write_u64};

/// What became of a text that should be a decimal.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed {
    Value(i128),
    /// A number that does not fit the precision: NULL, as Flink has it.
    Overflow,
    Malformed,
}

/// Reads `[+-]digits[.digits][e[+-]digits]` at `scale`. Only digits that count are looked at, so any length is exact.
pub(crate) fn parse(text: &[u8], precision: u8, scale: u8) -> Parsed {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let Some(number) = Digits::split(rest) else { return Parsed::Malformed };
    match number.at_scale(i64::from(scale)) {
        Some(value) if value < 10i128.pow(u32::from(precision)) => Parsed::Value(if negative { -value } else { value }),
        _ => Parsed::Overflow,
    }
}

/// Digits before and after the point, and a power of ten.
struct Digits<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Digits<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let e = text.iter().position(|b| matches!(b, b'e' | b'E'));
        let exponent = match e {
            Some(e) => parse_i64(&text[e + 1..]).filter(|n| n.abs() < 1 << 31)?,
            None => 0,
        };
        let digits = &text[..e.unwrap_or(text.len())];
        let point = digits.iter().position(|b| *b == b'.');
        let (whole, fraction) = (&digits[..point.unwrap_or(digits.len())], point.map_or(&[][..], |p| &digits[p + 1..]));
        let sound = whole.iter().chain(fraction).all(u8::is_ascii_digit) && !(whole.is_empty() && fraction.is_empty());
        sound.then_some(Self { whole, fraction, exponent })
    }

    fn digit(&self, i: usize) -> i128 {
        let byte = if i < self.whole.len() { self.whole[i] } else { self.fraction[i - self.whole.len()] };
        i128::from(byte - b'0')
    }

    /// The absolute value times `10^scale`, rounded half up; `None` beyond 38 digits.
    fn at_scale(&self, scale: i64) -> Option<i128> {
        let digits = self.whole.len() + self.fraction.len();
        let kept = self.whole.len() as i64 + self.exponent + scale;
        if kept < 0 {
            return Some(0);
        }
        let kept = kept as usize;
        let mut value = 0i128;
        for i in 0..kept.min(digits) {
            value = value.checked_mul(10)?.checked_add(self.digit(i))?;
        }
        if value != 0 {
            for _ in digits..kept {
                value = value.checked_mul(10)?;
            }
        }
        let rounds_up = kept < digits && self.digit(kept) >= 5;
        value.checked_add(i128::from(rounds_up))
    }
}

/// Writes `value / 10^scale` with all its digits. Unless `plain`, a number below 1e-6 in its last places is written as
/// Java's `BigDecimal.toString` does, such as `2.7E-8`.
pub(crate) fn write(value: i128, scale: u8, plain: bool, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = Vec::with_capacity(40);
    write_u128(value.unsigned_abs(), &mut digits);
    let scale = usize::from(scale);
    let exponent = digits.len() as i64 - 1 - scale as i64;
    if scale > 0 && exponent < -6 && !plain {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(b"E-");
        return write_u64(exponent.unsigned_abs(), out);
    }
    if digits.len() <= scale {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        return out.extend_from_slice(&digits);
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.extend_from_slice(whole);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

fn write_u128(value: u128, out: &mut Vec<u8>) {
    const HALF: u128 = 10_000_000_000_000_000_000;
    if value < HALF {
        return write_u64(value as u64, out);
    }
    write_u128(value / HALF, out);
    super::number::write_padded((value % HALF) as u64, 19, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, precision: u8, scale: u8, expected: Parsed) {
        assert_eq!(parse(text.as_bytes(), precision, scale), expected, "{text}");
    }

    #[test]
    fn text_is_read_exactly_and_rounded_half_up() {
        check("784.53", 10, 2, Parsed::Value(78453));
        check("72.0", 10, 2, Parsed::Value(7200));
        check("-0.005", 10, 2, Parsed::Value(-1));
        check("0.0049999999999999999999999999999999999999999999", 10, 2, Parsed::Value(0));
        check("1e2", 10, 2, Parsed::Value(10000));
        check("12345e-4", 10, 2, Parsed::Value(123));
        check("5e-3", 10, 2, Parsed::Value(1));
        check("5e-4", 10, 2, Parsed::Value(0));
        check("0e999999", 10, 2, Parsed::Value(0));
        check(".5", 3, 1, Parsed::Value(5));
        check("99999999999999999999999999999999999999", 38, 0, Parsed::Value(10i128.pow(38) - 1));
    }

    #[test]
    fn too_large_is_null_and_junk_is_refused() {
        check("100000000", 10, 2, Parsed::Overflow);
        check("999999999e999", 10, 2, Parsed::Overflow);
        check("99.995", 4, 2, Parsed::Overflow);
        for text in ["", ".", "-", "1.2.3", "abc", "1e", "1 ", "--1"] {
            check(text, 10, 2, Parsed::Malformed);
        }
    }

    #[test]
    fn values_print_with_their_scale() {
        for (value, scale, plain, expected) in [
            (7200, 2, false, "72.00"),
            (-5, 2, false, "-0.05"),
            (27, 9, false, "2.7E-8"),
            (27, 9, true, "0.000000027"),
            (0, 7, false, "0E-7"),
            (1, 6, false, "0.000001"),
            (12, 0, false, "12"),
            (10i128.pow(37) * 5 + 7, 3, false, "50000000000000000000000000000000000.007"),
        ] {
            let mut out = Vec::new();
            write(value, scale, plain, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
