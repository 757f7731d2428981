//! From a pattern's text to its operations.

use brisk_core::{Error, Result};

use super::{Dialect, Field, NumberOp, OffsetStyle, Op, Pattern, fixed};

pub(super) fn compile(dialect: Dialect, text: &str) -> Result<Pattern> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser { dialect, text, chars, at: 0 };
    let mut ops = parser.ops(false)?;
    reserve(&mut ops);
    let fixed = fixed::layout(&ops);
    Ok(Pattern { dialect, ops, fixed })
}

struct Parser<'a> {
    dialect: Dialect,
    text: &'a str,
    chars: Vec<char>,
    at: usize,
}

impl Parser<'_> {
    fn ops(&mut self, nested: bool) -> Result<Vec<Op>> {
        let mut ops = Vec::new();
        while let Some(&c) = self.chars.get(self.at) {
            match c {
                '\'' => self.quoted(&mut ops)?,
                '[' if self.dialect == Dialect::DateTimeFormatter => {
                    self.at += 1;
                    ops.push(Op::Optional(self.ops(true)?));
                }
                ']' if self.dialect == Dialect::DateTimeFormatter => {
                    if !nested {
                        return Err(self.error("it contains ] without previous ["));
                    }
                    self.at += 1;
                    return Ok(ops);
                }
                '{' | '}' | '#' if self.dialect == Dialect::DateTimeFormatter => return Err(self.error(&format!("'{c}' is reserved"))),
                c if c.is_ascii_alphabetic() => {
                    let count = self.chars[self.at..].iter().take_while(|x| **x == c).count();
                    self.at += count;
                    let op = match self.dialect {
                        Dialect::DateTimeFormatter => formatter_op(c, count),
                        Dialect::SimpleDateFormat => simple_op(c, count),
                    };
                    ops.push(op.ok_or_else(|| self.error(&format!("letter '{c}'")))?);
                }
                c => {
                    self.at += 1;
                    push_literal(&mut ops, c);
                }
            }
        }
        // Java closes what is open at the end.
        Ok(ops)
    }

    /// `'text'`, where two quotes are one.
    fn quoted(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        self.at += 1;
        if self.chars.get(self.at) == Some(&'\'') {
            self.at += 1;
            push_literal(ops, '\'');
            return Ok(());
        }
        loop {
            match (self.chars.get(self.at), self.chars.get(self.at + 1)) {
                (Some('\''), Some('\'')) => {
                    push_literal(ops, '\'');
                    self.at += 2;
                }
                (Some('\''), _) => {
                    self.at += 1;
                    return Ok(());
                }
                (Some(&c), _) => {
                    push_literal(ops, c);
                    self.at += 1;
                }
                (None, _) => return Err(self.error("it ends with an incomplete string literal")),
            }
        }
    }

    fn error(&self, why: &str) -> Error {
        Error::compute(format!("'{}' is no date pattern: {why}", self.text))
    }
}

fn push_literal(ops: &mut Vec<Op>, c: char) {
    match ops.last_mut() {
        Some(Op::Literal(text)) => text.push(c),
        _ => ops.push(Op::Literal(c.to_string())),
    }
}

fn number(field: Field, width: usize, fixed: bool) -> Option<Op> {
    Some(Op::Number(NumberOp { field, width, fixed, reserved: 0 }))
}

/// `DateTimeFormatter`: one letter takes any number of digits, two take two.
fn formatter_op(letter: char, count: usize) -> Option<Op> {
    let two = |field| if count <= 2 { number(field, count, count == 2) } else { None };
    match letter {
        'y' | 'u' if count == 2 => Some(Op::ShortYear),
        'y' | 'u' => number(Field::Year, count, count == 4),
        'Y' => number(Field::WeekYear, count, count == 4),
        'M' | 'L' => match count {
            1 | 2 => two(Field::Month),
            3 | 4 => Some(Op::MonthName(count == 4)),
            _ => None,
        },
        'Q' | 'q' if count <= 2 => two(Field::Quarter),
        'd' => two(Field::Day),
        'D' if count <= 3 => number(Field::DayOfYear, count, count > 1),
        'E' if count <= 4 => Some(Op::WeekdayName(count == 4)),
        'e' | 'c' => match count {
            1 | 2 => two(Field::Weekday),
            3 | 4 => Some(Op::WeekdayName(count == 4)),
            _ => None,
        },
        'w' => two(Field::WeekOfYear),
        'W' if count == 1 => number(Field::WeekOfMonth, 1, false),
        'F' if count == 1 => number(Field::WeekdayInMonth, 1, false),
        'a' if count == 1 => Some(Op::AmPm),
        'H' => two(Field::Hour),
        'k' => two(Field::HourFrom1),
        'K' => two(Field::HourOfHalf),
        'h' => two(Field::HourOfHalfFrom1),
        'm' => two(Field::Minute),
        's' => two(Field::Second),
        'S' if count <= 9 => Some(Op::Fraction(count)),
        'n' => number(Field::Nano, count, false),
        'N' => number(Field::NanoOfDay, count, false),
        'A' => number(Field::MilliOfDay, count, false),
        'G' if count <= 4 => Some(Op::Era),
        'X' => iso_offset(count).map(Op::Offset),
        'x' if count <= 3 => Some(Op::Offset(OffsetStyle::Plain { digits: if count == 1 { 2 } else { 4 }, colon: count == 3 })),
        'Z' if count <= 3 => Some(Op::Offset(OffsetStyle::Plain { digits: 4, colon: false })),
        'V' if count == 2 => Some(Op::ZoneName),
        'z' | 'v' | 'O' if count <= 4 => Some(Op::ZoneName),
        _ => None,
    }
}

/// `SimpleDateFormat`: counts are for writing only.
fn simple_op(letter: char, count: usize) -> Option<Op> {
    let any = |field| number(field, count, false);
    match letter {
        'y' if count == 2 => Some(Op::ShortYear),
        'y' => any(Field::Year),
        'Y' => any(Field::WeekYear),
        'M' | 'L' if count >= 3 => Some(Op::MonthName(count >= 4)),
        'M' | 'L' => any(Field::Month),
        'w' => any(Field::WeekOfYear),
        'W' => any(Field::WeekOfMonth),
        'D' => any(Field::DayOfYear),
        'd' => any(Field::Day),
        'F' => any(Field::WeekdayInMonth),
        'E' => Some(Op::WeekdayName(count >= 4)),
        'u' => any(Field::IsoWeekday),
        'a' => Some(Op::AmPm),
        'H' => any(Field::Hour),
        'k' => any(Field::HourFrom1),
        'K' => any(Field::HourOfHalf),
        'h' => any(Field::HourOfHalfFrom1),
        'm' => any(Field::Minute),
        's' => any(Field::Second),
        'S' => any(Field::Millisecond),
        'G' => Some(Op::Era),
        'z' => Some(Op::ZoneName),
        'Z' => Some(Op::Offset(OffsetStyle::Plain { digits: 4, colon: false })),
        'X' if count <= 3 => iso_offset(count).map(Op::Offset),
        _ => None,
    }
}

fn iso_offset(count: usize) -> Option<OffsetStyle> {
    match count {
        1 => Some(OffsetStyle::Iso { digits: 2 }),
        2 => Some(OffsetStyle::Iso { digits: 4 }),
        3 => Some(OffsetStyle::Iso { digits: 5 }),
        _ => None,
    }
}

/// In `yyyyMMdd` the year takes all digits but those that the fields behind it need.
fn reserve(ops: &mut [Op]) {
    let mut needed = 0;
    for op in ops.iter_mut().rev() {
        match op {
            Op::Number(number) => {
                number.reserved = needed;
                needed += number.width;
            }
            Op::Fraction(width) => needed += *width,
            Op::ShortYear => needed += 2,
            Op::Optional(inner) => {
                reserve(inner);
                needed = 0;
            }
            _ => needed = 0,
        }
    }
}
