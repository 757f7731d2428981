//! Moments written by a pattern.

use std::fmt::Write;

use brisk_core::{Error, Result};

use super::{Dialect, Field, MONTHS, Moment, NumberOp, OffsetStyle, Op, Pattern, WEEKDAYS};
use crate::cast::temporal_text::civil;
use crate::scalar::time::calendar::{day_number, iso_weekday};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

impl Pattern {
    /// Appends `moment`. It fails where the pattern shows a zone and the moment has none.
    pub fn write(&self, out: &mut String, moment: &Moment) -> Result<()> {
        let (year, month, day) = civil(moment.days);
        let clock = Clock { moment, year, month: i64::from(month), day: i64::from(day), dialect: self.dialect };
        self.ops.iter().try_for_each(|op| clock.write(out, op))
    }

    /// For how long a clock shows the same by this pattern, from midnight on and in one zone.
    pub fn period_nanos(&self) -> i64 {
        period_of(&self.ops)
    }
}

fn period_of(ops: &[Op]) -> i64 {
    let period = |op: &Op| match op {
        Op::Number(number) => match number.field {
            Field::Nano | Field::NanoOfDay => 1,
            Field::Millisecond | Field::MilliOfDay => NANOS_PER_SECOND / 1000,
            Field::Second => NANOS_PER_SECOND,
            Field::Minute => 60 * NANOS_PER_SECOND,
            Field::Hour | Field::HourFrom1 | Field::HourOfHalf | Field::HourOfHalfFrom1 => 3600 * NANOS_PER_SECOND,
            _ => NANOS_PER_DAY,
        },
        Op::Fraction(width) => 10i64.pow(9 - (*width).min(9) as u32),
        Op::AmPm => 43_200 * NANOS_PER_SECOND,
        Op::Optional(inner) => period_of(inner),
        Op::Literal(_) | Op::ShortYear | Op::MonthName(_) | Op::WeekdayName(_) | Op::Era | Op::Offset(_) | Op::ZoneName => NANOS_PER_DAY,
    };
    ops.iter().map(period).min().unwrap_or(NANOS_PER_DAY)
}

struct Clock<'a> {
    moment: &'a Moment,
    year: i64,
    month: i64,
    day: i64,
    dialect: Dialect,
}

impl Clock<'_> {
    fn write(&self, out: &mut String, op: &Op) -> Result<()> {
        match op {
            Op::Literal(text) => out.push_str(text),
            Op::ShortYear => pad(out, self.year.rem_euclid(100), 2),
            Op::Number(number) => self.number(out, number),
            Op::Fraction(width) => pad(out, self.nano() / 10i64.pow(9 - *width as u32), *width),
            Op::MonthName(full) => push_name(out, MONTHS[self.month as usize - 1], *full),
            Op::WeekdayName(full) => push_name(out, WEEKDAYS[iso_weekday(self.moment.days) as usize - 1], *full),
            Op::AmPm => out.push_str(if self.seconds() < 43_200 { "AM" } else { "PM" }),
            Op::Era => out.push_str(if self.year > 0 { "AD" } else { "BC" }),
            Op::Offset(style) => write_offset(out, i64::from(self.zone()?.0), *style),
            Op::ZoneName => self.zone_name(out)?,
            Op::Optional(inner) => inner.iter().try_for_each(|op| self.write(out, op))?,
        }
        Ok(())
    }

    fn number(&self, out: &mut String, number: &NumberOp) {
        let value = self.field(number.field);
        // A year that has more digits than the pattern is marked, so that it can be read back.
        let is_long_year = number.field == Field::Year && self.dialect == Dialect::DateTimeFormatter && number.width >= 4;
        if is_long_year && value >= 10i64.pow(number.width.min(18) as u32) {
            out.push('+');
        }
        pad(out, value, number.width);
    }

    fn seconds(&self) -> i64 {
        self.moment.nanos_of_day / NANOS_PER_SECOND
    }

    fn nano(&self) -> i64 {
        self.moment.nanos_of_day % NANOS_PER_SECOND
    }

    fn field(&self, field: Field) -> i64 {
        let hour = self.seconds() / 3600;
        let from_1 = |hour: i64, hours: i64| if hour % hours == 0 { hours } else { hour % hours };
        match field {
            Field::Year if self.year <= 0 => 1 - self.year,
            Field::Year => self.year,
            Field::Month => self.month,
            Field::Day => self.day,
            Field::DayOfYear => self.day_of_year(),
            Field::Hour => hour,
            Field::HourFrom1 => from_1(hour, 24),
            Field::HourOfHalf => hour % 12,
            Field::HourOfHalfFrom1 => from_1(hour, 12),
            Field::Minute => self.seconds() / 60 % 60,
            Field::Second => self.seconds() % 60,
            Field::Millisecond => self.nano() / 1_000_000,
            Field::Nano => self.nano(),
            Field::MilliOfDay => self.moment.nanos_of_day / 1_000_000,
            Field::NanoOfDay => self.moment.nanos_of_day,
            Field::Quarter => (self.month + 2) / 3,
            Field::WeekOfYear => self.week_of_year().1,
            Field::WeekYear => self.week_of_year().0,
            Field::WeekOfMonth => (self.day - 1 + self.weekday_of(self.moment.days - self.day + 1)) / 7 + 1,
            Field::WeekdayInMonth => (self.day - 1) / 7 + 1,
            Field::IsoWeekday => iso_weekday(self.moment.days),
            Field::Weekday => self.weekday_of(self.moment.days) + 1,
        }
    }

    fn day_of_year(&self) -> i64 {
        self.moment.days - day_number(self.year, 1, 1) + 1
    }

    /// Sunday is 0.
    fn weekday_of(&self, days: i64) -> i64 {
        iso_weekday(days) % 7
    }

    /// American weeks: they begin on Sunday, and the first is the one with the first of January.
    fn week_of_year(&self) -> (i64, i64) {
        let saturday = self.moment.days + 6 - self.weekday_of(self.moment.days);
        let year = civil(saturday).0;
        (year, (saturday - day_number(year, 1, 1)) / 7 + 1)
    }

    fn zone(&self) -> Result<(i32, chrono_tz::Tz)> {
        self.moment.offset.ok_or_else(|| Error::compute("the pattern shows a zone, and a TIMESTAMP has none"))
    }

    fn zone_name(&self, out: &mut String) -> Result<()> {
        use chrono::{DateTime, TimeZone};
        use chrono_tz::OffsetName;
        let (offset, zone) = self.zone()?;
        let seconds = self.moment.days * 86_400 + self.seconds() - i64::from(offset);
        let instant = DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc();
        match zone.offset_from_utc_datetime(&instant).abbreviation() {
            Some(name) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => out.push_str(name),
            _ => {
                out.push_str("GMT");
                write_offset(out, i64::from(offset), OffsetStyle::Plain { digits: 4, colon: true });
            }
        }
        Ok(())
    }
}

fn push_name(out: &mut String, name: &str, full: bool) {
    out.push_str(if full { name } else { &name[..3] });
}

fn pad(out: &mut String, value: i64, width: usize) {
    if width == 2 && (0..100).contains(&value) {
        out.push((b'0' + (value / 10) as u8) as char);
        out.push((b'0' + (value % 10) as u8) as char);
    } else {
        let _ = write!(out, "{value:0width$}");
    }
}

fn write_offset(out: &mut String, seconds: i64, style: OffsetStyle) {
    let (digits, colon) = match style {
        OffsetStyle::Iso { .. } if seconds == 0 => return out.push('Z'),
        OffsetStyle::Iso { digits } => (digits.min(4), digits == 5),
        OffsetStyle::Plain { digits, colon } => (digits, colon),
    };
    out.push(if seconds < 0 { '-' } else { '+' });
    let minutes = seconds.abs() / 60;
    pad(out, minutes / 60, 2);
    if digits > 2 {
        if colon {
            out.push(':');
        }
        pad(out, minutes % 60, 2);
    }
}
