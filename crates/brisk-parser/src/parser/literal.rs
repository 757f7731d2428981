//! Constants.

use super::{Parsed, Parser};
use crate::ast::{BinaryOp, Expr, ExprKind, IntervalExpr, IntervalLiteral, IntervalQualifier, Literal, TimeUnit, UnaryOp};
use crate::span::Span;
use crate::token::Tok;

impl Parser<'_> {
    /// A number or string; nothing where neither stands here.
    pub(super) fn literal(&mut self) -> Parsed<Option<Literal>> {
        let span = self.span();
        let literal = match self.tok() {
            Tok::Integer | Tok::Decimal => Literal::Exact(self.text(span).to_string()),
            Tok::Approximate => Literal::Approximate(self.text(span).to_string()),
            Tok::String(_) | Tok::CharsetString { .. } | Tok::UnicodeString(_) => {
                return self.string_literal().map(Some);
            }
            Tok::BinaryString(digits) => {
                let Some(bytes) = decode_hex(digits) else {
                    let error = self.error_at(span, "this is not an even number of hexadecimal digits");
                    return Err(error.with_remedy("write two digits per byte, as in X'0AFF'".to_string()));
                };
                Literal::Binary(bytes)
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(literal))
    }

    /// A literal that begins with a word; nothing where none does.
    pub(super) fn word_literal(&mut self, upper: &str) -> Parsed<Option<Literal>> {
        let before_string = matches!(self.tok_at(1), Tok::String(_));
        let literal = match upper {
            "NULL" => Literal::Null,
            "TRUE" => Literal::Boolean(true),
            "FALSE" => Literal::Boolean(false),
            "UNKNOWN" => Literal::Unknown,
            "DATE" | "TIME" | "TIMESTAMP" if before_string => {
                self.advance();
                let value = self.string("a string")?;
                return Ok(Some(match upper {
                    "DATE" => Literal::Date(value),
                    "TIME" => Literal::Time(value),
                    _ => Literal::Timestamp(value),
                }));
            }
            "TIMESTAMP" if self.at_words(&["TIMESTAMP", "WITH", "LOCAL", "TIME", "ZONE"]) => {
                self.expect_words(&["TIMESTAMP", "WITH", "LOCAL", "TIME", "ZONE"])?;
                return Ok(Some(Literal::TimestampLtz(self.string("a string")?)));
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(literal))
    }

    /// A string and its continuations on the following lines.
    fn string_literal(&mut self) -> Parsed<Literal> {
        let (mut value, charset) = match self.tok().clone() {
            Tok::String(value) => (value, None),
            Tok::CharsetString { charset, value } => (value, Some(charset)),
            Tok::UnicodeString(raw) => {
                self.advance();
                return Ok(Literal::String { value: self.unicode_string(&raw)?, charset: None });
            }
            _ => return Err(self.unexpected(&["a string"])),
        };
        self.advance();
        while let Tok::String(next) = self.tok() {
            let between = Span::new(self.previous().end, self.span().start);
            if !self.text(between).contains('\n') {
                let error = self.error_at(self.span(), "two strings stand side by side");
                return Err(error.with_remedy("join them with ||, or double the quote inside a string".to_string()));
            }
            value.push_str(next);
            self.advance();
        }
        Ok(Literal::String { value, charset })
    }

    /// Resolves the escapes of `U&'..'`, with the character behind UESCAPE if there is one.
    fn unicode_string(&mut self, raw: &str) -> Parsed<String> {
        let span = self.previous();
        let mut escape = '\\';
        if self.eat_word("UESCAPE") {
            let text = self.string("one character in quotes")?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if !c.is_ascii_hexdigit() && !c.is_whitespace() && c != '+' => escape = c,
                _ => return Err(self.error_at(self.previous(), "UESCAPE takes one character")),
            }
        }
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find(escape) {
            value.push_str(&rest[..at]);
            rest = &rest[at + escape.len_utf8()..];
            if let Some(after) = rest.strip_prefix(escape) {
                value.push(escape);
                rest = after;
                continue;
            }
            let (digits, skip) = if rest.starts_with('+') { (6, 1) } else { (4, 0) };
            let number = rest.get(skip..skip + digits).and_then(|text| u32::from_str_radix(text, 16).ok());
            let Some(c) = number.and_then(char::from_u32) else {
                let message = format!("{escape:?} is not followed by the {digits} hexadecimal digits of a character");
                return Err(self.error_at(span, message));
            };
            value.push(c);
            rest = &rest[skip + digits..];
        }
        value.push_str(rest);
        Ok(value)
    }

    /// `INTERVAL ...`.
    pub(super) fn interval(&mut self) -> Parsed<ExprKind> {
        self.expect_word("INTERVAL")?;
        let start = self.span();
        let negative = self.eat_symbol("-");
        if !negative {
            self.eat_symbol("+");
        }
        if let Tok::String(value) = self.tok().clone() {
            self.advance();
            let qualifier = self.interval_qualifier()?;
            return Ok(ExprKind::Literal(Literal::Interval(IntervalLiteral { negative, value, qualifier })));
        }
        let mut value = self.interval_amount()?;
        if negative {
            let expr = Box::new(value);
            value = Expr::new(ExprKind::Unary { op: UnaryOp::Minus, expr }, self.since(start));
        }
        let qualifier = self.interval_qualifier()?;
        Ok(ExprKind::Interval(Box::new(IntervalExpr { value, qualifier })))
    }

    /// What may stand between INTERVAL and its unit, other than a string.
    fn interval_amount(&mut self) -> Parsed<Expr> {
        let start = self.span();
        match self.tok() {
            Tok::Symbol("(") => self.parenthesized(Self::expr),
            Tok::Integer | Tok::Decimal | Tok::Approximate => {
                let literal = self.literal()?.map(ExprKind::Literal);
                Ok(Expr::new(literal.unwrap_or(ExprKind::Default), start))
            }
            _ if self.name_at(0) => {
                let name = self.object_name("an amount")?;
                let span = name.span;
                Ok(Expr::new(ExprKind::Name(name), span))
            }
            _ => {
                let error = self.unexpected(&["an amount in quotes"]);
                Err(error.with_remedy("write it as in INTERVAL '1' DAY".to_string()))
            }
        }
    }

    /// Whether a unit of an interval stands here.
    pub(super) fn at_interval_unit(&self) -> bool {
        matches!(self.tok(), Tok::Word(upper) if interval_unit(upper).is_some())
    }

    /// `DAY(2) TO SECOND(3)`.
    pub(super) fn interval_qualifier(&mut self) -> Parsed<IntervalQualifier> {
        let begin = self.span();
        let start = self.interval_unit()?;
        let (precision, mut fraction) = self.unit_precision(start == TimeUnit::Second)?;
        let mut end = None;
        if self.at_word("TO") {
            self.advance();
            let unit = self.interval_unit()?;
            if unit == TimeUnit::Second && self.at_symbol("(") {
                fraction = Some(self.parenthesized(|parser| parser.integer("a number of digits"))?);
            }
            end = Some(unit);
        }
        Ok(IntervalQualifier { start, precision, end, fraction, span: self.since(begin) })
    }

    fn interval_unit(&mut self) -> Parsed<TimeUnit> {
        let unit = match self.tok() {
            Tok::Word(upper) => interval_unit(upper),
            _ => None,
        };
        let Some(unit) = unit else {
            return Err(self.unexpected(&["a unit (SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR)"]));
        };
        self.advance();
        Ok(unit)
    }

    /// `(2)`, of SECOND also `(2, 3)`.
    fn unit_precision(&mut self, is_second: bool) -> Parsed<(Option<u32>, Option<u32>)> {
        if !self.at_symbol("(") || *self.tok_at(1) != Tok::Integer {
            return Ok((None, None));
        }
        self.parenthesized(|parser| {
            let precision = parser.integer("a number of digits")?;
            let mut fraction = None;
            if is_second && parser.eat_symbol(",") {
                fraction = Some(parser.integer("a number of digits")?);
            }
            Ok((Some(precision), fraction))
        })
    }

    /// The unit of EXTRACT, FLOOR, TIMESTAMPADD and TIMESTAMPDIFF.
    pub(super) fn time_unit(&mut self) -> Parsed<TimeUnit> {
        let unit = match self.tok() {
            Tok::Word(upper) => time_unit(upper),
            _ => None,
        };
        let Some(unit) = unit else {
            return Err(self.unexpected(&["a unit of time such as SECOND, HOUR, DAY or MONTH"]));
        };
        self.advance();
        Ok(unit)
    }

    /// The unit behind `(a - b)`.
    pub(super) fn date_difference(&mut self, start: Span, difference: Expr) -> Parsed<Expr> {
        let qualifier = self.interval_qualifier()?;
        let ExprKind::Binary { op: BinaryOp::Minus, left, right } = difference.kind else {
            let message = "only a difference of two points in time can have a unit behind it";
            return Err(self.error_at(self.since(start), message));
        };
        let kind = ExprKind::DateDifference { left, right, qualifier };
        Ok(Expr::new(kind, self.since(start)))
    }
}

fn interval_unit(upper: &str) -> Option<TimeUnit> {
    use TimeUnit::*;
    Some(match upper {
        "SECOND" | "SECONDS" => Second,
        "MINUTE" | "MINUTES" => Minute,
        "HOUR" | "HOURS" => Hour,
        "DAY" | "DAYS" => Day,
        "WEEK" | "WEEKS" => Week,
        "MONTH" | "MONTHS" => Month,
        "QUARTER" | "QUARTERS" => Quarter,
        "YEAR" | "YEARS" => Year,
        _ => return None,
    })
}

fn time_unit(upper: &str) -> Option<TimeUnit> {
    use TimeUnit::*;
    let upper = upper.strip_prefix("SQL_TSI_").unwrap_or(upper);
    Some(match upper {
        "NANOSECOND" => Nanosecond,
        "MICROSECOND" | "FRAC_SECOND" => Microsecond,
        "MILLISECOND" => Millisecond,
        "DOW" | "DAYOFWEEK" => Dow,
        "DOY" | "DAYOFYEAR" => Doy,
        "ISODOW" => IsoDow,
        "ISOYEAR" => IsoYear,
        "EPOCH" => Epoch,
        "DECADE" => Decade,
        "CENTURY" => Century,
        "MILLENNIUM" => Millennium,
        _ => return interval_unit(upper),
    })
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| Some((nibble(pair[0])? * 16 + nibble(pair[1])?) as u8);
    digits.chunks_exact(2).map(byte).collect()
}
