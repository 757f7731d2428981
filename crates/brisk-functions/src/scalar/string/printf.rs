//! PRINTF: Java's format strings. NULL where the format does not fit the arguments.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{DurationMillisecondType, IntervalYearMonthType};
use arrow_array::{Array, ArrayRef};
use brisk_core::{DataType as T, Result, SqlType};

use super::super::binding::{Want, coerce, expect_count};
use super::super::builtin::Builtin;
use super::super::reader::build_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use crate::cast::text::{Print, printer};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    vec![Builtin::new("PRINTF", bind, printf).safe().shared()]
}

fn bind(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    let mut types = vec![coerce(0, &args[0].sql_type, Want::Text)?];
    for (i, arg) in args.iter().enumerate().skip(1) {
        types.push(coerce(i, &arg.sql_type, Want::Any)?);
    }
    Ok(Signature { args: types, returns: SqlType::nullable(T::STRING) })
}

fn printf(call: &Call<'_>) -> Result<ArrayRef> {
    let formats = call.text(0);
    let values: Vec<Value<'_>> = (1..call.args.len()).map(|i| Value::of(call, i)).collect();
    Ok(build_texts(call.rows, |row, out| format(out, formats.get(row)?, &values, row)))
}

/// One argument, ready to be printed.
struct Value<'a> {
    array: &'a ArrayRef,
    data_type: &'a T,
    step: usize,
    print: Print<'a>,
}

impl<'a> Value<'a> {
    fn of(call: &'a Call<'_>, index: usize) -> Self {
        let (arg, data_type) = (&call.args[index], &call.arg_types[index].data_type);
        let array = arg.values();
        Self { array, data_type, step: usize::from(!arg.is_scalar()), print: printer(array.as_ref(), data_type, chrono_tz::Tz::UTC) }
    }

    /// As Java prints the value behind it; `None` for NULL.
    fn text(&self, row: usize) -> Option<String> {
        let row = row * self.step;
        if self.array.is_null(row) || *self.data_type == T::Null {
            return None;
        }
        let mut text = String::new();
        (self.print)(&mut text, row);
        Some(match self.data_type {
            T::Boolean => text.to_lowercase(),
            // Dates, times and intervals are plain numbers there; timestamps print in ISO's form.
            T::Date => days(self.array, row).to_string(),
            T::Time(_) => millis(self.array, row).to_string(),
            T::IntervalYearMonth(_) => AsArray::as_primitive::<IntervalYearMonthType>(self.array.as_ref()).value(row).to_string(),
            T::IntervalDayTime(_) => AsArray::as_primitive::<DurationMillisecondType>(self.array.as_ref()).value(row).to_string(),
            T::Timestamp(_) | T::TimestampLtz(_) => iso(&text),
            _ => text,
        })
    }
}

fn days(array: &ArrayRef, row: usize) -> i32 {
    arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Date32Type>(array.as_ref()).value(row)
}

fn millis(array: &ArrayRef, row: usize) -> i32 {
    arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Time32MillisecondType>(array.as_ref()).value(row)
}

/// `2024-07-30 10:24:00.256000` as Java's LocalDateTime prints it: a T, seconds only where needed, groups of three digits.
fn iso(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits = fraction.to_string();
    while digits.ends_with("000") && !digits.is_empty() {
        digits.truncate(digits.len() - 3);
    }
    if !digits.is_empty() {
        let width = digits.len().div_ceil(3) * 3;
        digits = format!("{digits:0<width$}");
        if digits.bytes().all(|b| b == b'0') {
            digits.clear();
        }
    }
    let mut out = whole.replacen(' ', "T", 1);
    if digits.is_empty() {
        if let Some(minutes) = out.strip_suffix(":00") {
            out = minutes.to_string();
        }
    } else {
        let _ = write!(out, ".{digits}");
    }
    out
}

/// `%[index$][flags][width][.precision]conversion`.
#[derive(Default)]
struct Directive {
    index: Option<usize>,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

/// Fields may be so wide.
const MAX_WIDTH: usize = 1 << 20;

fn format(out: &mut String, format: &str, values: &[Value<'_>], row: usize) -> Option<()> {
    let mut rest = format;
    let mut next = 0;
    let mut last = None;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (directive, behind) = parse(&rest[at + 1..])?;
        rest = behind;
        match directive.conversion {
            '%' => pad(out, "%", &directive),
            'n' => out.push('\n'),
            _ => {
                let index = match directive.index {
                    Some(index) => index.checked_sub(1)?,
                    None if directive.flags.contains('<') => last?,
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                last = Some(index);
                let value = values.get(index)?;
                let text = convert(value, row, &directive)?;
                pad(out, &text, &directive);
            }
        }
    }
    out.push_str(rest);
    Some(())
}

fn parse(text: &str) -> Option<(Directive, &str)> {
    let number = |text: &str| -> (Option<usize>, usize) {
        let length = text.bytes().take_while(u8::is_ascii_digit).count();
        (text[..length].parse().ok(), length)
    };
    let mut directive = Directive::default();
    let mut rest = text;
    if let (Some(index), length) = number(rest)
        && rest[length..].starts_with('$')
    {
        directive.index = Some(index);
        rest = &rest[length + 1..];
    }
    let flags = rest.bytes().take_while(|b| b"-#+ 0,(<".contains(b)).count();
    directive.flags = rest[..flags].to_string();
    rest = &rest[flags..];
    let (width, length) = number(rest);
    directive.width = width.unwrap_or(0);
    rest = &rest[length..];
    if let Some(behind) = rest.strip_prefix('.') {
        let (precision, length) = number(behind);
        directive.precision = Some(precision?);
        rest = &behind[length..];
    }
    directive.conversion = rest.chars().next()?;
    let behind = &rest[directive.conversion.len_utf8()..];
    (directive.width <= MAX_WIDTH && directive.precision.is_none_or(|p| p <= MAX_WIDTH)).then_some((directive, behind))
}

fn convert(value: &Value<'_>, row: usize, directive: &Directive) -> Option<String> {
    let Some(text) = value.text(row) else {
        return Some(match directive.conversion {
            'b' | 'B' => "false".to_string(),
            _ => "null".to_string(),
        });
    };
    let upper = directive.conversion.is_ascii_uppercase();
    let is_integer = value.data_type.is_integer() || matches!(value.data_type, T::Date | T::Time(_));
    let converted = match directive.conversion.to_ascii_lowercase() {
        's' => match directive.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text,
        },
        'b' => {
            if *value.data_type == T::Boolean {
                text
            } else {
                "true".to_string()
            }
        }
        'd' if is_integer => signed(text, directive),
        'x' if is_integer => bits(&text, value.data_type, |v, t| match t {
            T::BigInt => format!("{v:x}"),
            _ => format!("{:x}", v as i32),
        })?,
        'o' if is_integer => bits(&text, value.data_type, |v, t| match t {
            T::BigInt => format!("{v:o}"),
            _ => format!("{:o}", v as i32),
        })?,
        'c' if is_integer => char::from_u32(text.parse().ok()?)?.to_string(),
        'f' if is_real(value.data_type) => signed(fixed(&text, value.data_type, directive.precision.unwrap_or(6))?, directive),
        'e' if is_real(value.data_type) => signed(scientific(text.parse().ok()?, directive.precision.unwrap_or(6)), directive),
        _ => return None,
    };
    Some(if upper { converted.to_uppercase() } else { converted })
}

fn is_real(t: &T) -> bool {
    t.is_approximate() || matches!(t, T::Decimal { .. })
}

fn bits(text: &str, t: &T, f: impl Fn(i64, &T) -> String) -> Option<String> {
    Some(f(text.parse().ok()?, t))
}

/// Rounded half up by the decimal digits, as Java does.
fn fixed(text: &str, t: &T, precision: usize) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    if !number.is_finite() && t.is_approximate() {
        return Some(text.to_string());
    }
    let kept = u8::try_from(precision).ok().filter(|p| *p <= 30)?;
    match crate::cast::parse_decimal(text, kept) {
        Some(Some(unscaled)) => {
            let mut out = String::new();
            crate::cast::write_decimal(&mut out, unscaled, kept);
            Some(out)
        }
        _ => Some(format!("{number:.precision$}")),
    }
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The flags of numbers: grouping, sign, blank, brackets, and zeros up to the width.
fn signed(text: String, directive: &Directive) -> String {
    let has = |flag: char| directive.flags.contains(flag);
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |d| (true, d));
    let mut digits = digits.to_string();
    if has(',') {
        let (whole, fraction) = digits.split_once('.').map_or((digits.as_str(), None), |(w, f)| (w, Some(f)));
        let mut grouped = String::new();
        for (i, c) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(c);
        }
        if let Some(fraction) = fraction {
            let _ = write!(grouped, ".{fraction}");
        }
        digits = grouped;
    }
    let (before, after) = match (negative, has('(')) {
        (true, true) => ("(", ")"),
        (true, false) => ("-", ""),
        (false, _) if has('+') => ("+", ""),
        (false, _) if has(' ') => (" ", ""),
        (false, _) => ("", ""),
    };
    let width = if has('0') { directive.width.saturating_sub(before.len() + after.len()) } else { 0 };
    format!("{before}{digits:0>width$}{after}")
}

fn pad(out: &mut String, text: &str, directive: &Directive) {
    let width = directive.width;
    let _ = if directive.flags.contains('-') { write!(out, "{text:<width$}") } else { write!(out, "{text:>width$}") };
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn formats_are_those_of_java() {
        check("PRINTF", &[text("%d %s"), null(T::STRING), null(T::STRING)], "null null");
        check("PRINTF", &[text("%s")], "NULL");
        check("PRINTF", &[text("%08d"), int(1024)], "00001024");
        check("PRINTF", &[text("%s"), of("10:24:00", T::Time(0))], "37440000");
        check("PRINTF", &[text("%s"), of("2024-07-30 10:24:00.256", T::Timestamp(6))], "2024-07-30T10:24:00.256");
        check("PRINTF", &[text("%,.2f|%-5s|%x"), double(1234.567), text("ab"), int(255)], "1,234.57|ab   |ff");
        check("PRINTF", &[text("%2$s %1$s"), text("a"), text("b")], "b a");
        check("PRINTF", &[text("%d"), text("a")], "NULL");
        check("PRINTF", &[text("%ä"), text("a")], "NULL");
    }
}
