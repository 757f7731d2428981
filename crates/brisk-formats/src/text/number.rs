//! Integers and floating-point numbers as Java reads and prints them.

use std::io::Write;

/// An integer as `Long.parseLong`: an optional sign and decimal digits.
#[inline]
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Counted downwards, since the least value has no positive counterpart.
    let mut value = 0i64;
    for b in digits {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A number as `Double.parseDouble`, without hexadecimal: also `NaN`, `Infinity` and a trailing `d` or `f`.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = java_float(text)?;
    match special(text) {
        Some(value) => Some(value),
        None => text.parse().ok(),
    }
}

pub(crate) fn parse_f32(text: &[u8]) -> Option<f32> {
    let text = java_float(text)?;
    match special(text) {
        Some(value) => Some(value as f32),
        None => text.parse().ok(),
    }
}

/// Refuses what Rust takes and Java does not (`inf`, `nan` in any case), and takes off Java's suffix.
fn java_float(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    if special(text).is_some() {
        return Some(text);
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    number.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')).then_some(number)
}

fn special(text: &str) -> Option<f64> {
    Some(match text {
        "NaN" | "+NaN" | "-NaN" => f64::NAN,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    })
}

const POWERS_OF_TEN: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// `mantissa / 10^decimals` where that is exact to the last bit (Clinger's fast path).
#[inline]
pub(crate) fn exact_quotient(mantissa: i64, decimals: usize) -> Option<f64> {
    if mantissa.unsigned_abs() <= 1 << 53 && decimals < POWERS_OF_TEN.len() {
        return Some(mantissa as f64 / POWERS_OF_TEN[decimals]);
    }
    None
}

pub(crate) fn write_i64(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_u64(value.unsigned_abs(), out);
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// The last two digits of a number.
#[inline]
pub(crate) fn two_digits(value: u32) -> [u8; 2] {
    PAIRS[(value % 100) as usize]
}

pub(crate) fn write_u64(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    while value >= 10 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    // One digit is left, or none after the last pair.
    if value > 0 || start == digits.len() {
        start -= 1;
        digits[start] = b'0' + value as u8;
    }
    out.extend_from_slice(&digits[start..]);
}

/// `value` in at least `width` digits.
pub(crate) fn write_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let digits = value.checked_ilog10().map_or(1, |n| n as usize + 1);
    out.resize(out.len() + width.saturating_sub(digits), b'0');
    write_u64(value, out);
}

/// As Java's `Double.toString`: `1.0`, `1.0E10`, `NaN`, `Infinity`.
pub(crate) fn write_f64(value: f64, out: &mut Vec<u8>) {
    let mut buffer = [0u8; 32];
    let mut rest = &mut buffer[..];
    write!(rest, "{value:e}").expect("the shortest digits of a double fit");
    let unused = rest.len();
    let used = buffer.len() - unused;
    write_java(value, value.abs() >= 1e-3 && value.abs() < 1e7, &buffer[..used], out);
}

/// As Java's `Float.toString`.
pub(crate) fn write_f32(value: f32, out: &mut Vec<u8>) {
    let mut buffer = [0u8; 32];
    let mut rest = &mut buffer[..];
    write!(rest, "{value:e}").expect("the shortest digits of a float fit");
    let unused = rest.len();
    let used = buffer.len() - unused;
    write_java(f64::from(value), value.abs() >= 1e-3 && value.abs() < 1e7, &buffer[..used], out);
}

/// Lays out the digits of `scientific` (`-1.25e-7`) as Java does.
fn write_java(value: f64, plain: bool, scientific: &[u8], out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        return out.extend_from_slice(b"Infinity");
    }
    if value == 0.0 {
        return out.extend_from_slice(b"0.0");
    }
    let text = scientific.strip_prefix(b"-").unwrap_or(scientific);
    let e = text.iter().position(|b| *b == b'e').expect("scientific notation has an exponent");
    let exponent = parse_i64(&text[e + 1..]).expect("an exponent is a number");
    let (first, fraction) = (text[0], if e > 2 { &text[2..e] } else { &[][..] });
    if !plain {
        out.extend_from_slice(&[first, b'.']);
        out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
        out.push(b'E');
        return write_i64(exponent, out);
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.push(first);
        return out.extend_from_slice(fraction);
    }
    let whole = exponent as usize;
    out.push(first);
    out.extend_from_slice(&fraction[..whole.min(fraction.len())]);
    out.resize(out.len() + whole.saturating_sub(fraction.len()), b'0');
    out.push(b'.');
    out.extend_from_slice(if fraction.len() > whole { &fraction[whole..] } else { b"0" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, expected: &str) {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(-1.5, "-1.5");
        check(123456.75, "123456.75");
        check(1e6, "1000000.0");
        check(1e7, "1.0E7");
        check(1.25e-3, "0.00125");
        check(1.25e-4, "1.25E-4");
        check(1e300, "1.0E300");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
    }

    #[test]
    fn integers_are_written_digit_by_digit() {
        let powers = (0..20).map(|n| 10u64.pow(n));
        let around = powers.flat_map(|p| [p - 1, p, p + 1, p / 2, p.saturating_mul(9)]);
        for value in around.chain(0..2000).chain([u64::MAX, u64::MAX / 7]) {
            let mut out = Vec::new();
            write_u64(value, &mut out);
            assert_eq!(out, value.to_string().as_bytes());
        }
        let mut out = Vec::new();
        write_i64(i64::MIN, &mut out);
        assert_eq!(out, i64::MIN.to_string().as_bytes());
    }

    #[test]
    fn numbers_are_read_as_java_reads_them() {
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"+7"), Some(7));
        assert_eq!(parse_i64(b"-"), None);
        assert_eq!(parse_i64(b"1.0"), None);
        assert_eq!(parse_f64(b"1e3d"), Some(1000.0));
        assert_eq!(parse_f64(b"Infinity"), Some(f64::INFINITY));
        assert_eq!(parse_f64(b"inf"), None);
        assert_eq!(parse_f32(b".5"), Some(0.5));
    }

    #[test]
    fn padding_fills_to_the_width() {
        let mut out = Vec::new();
        for (value, width) in [(0, 2), (7, 2), (12, 2), (123, 2), (45, 4), (99999, 4)] {
            write_padded(value, width, &mut out);
            out.push(b' ');
        }
        assert_eq!(out, b"00 07 12 123 0045 99999 ");
    }
}
