//! Text read by a pattern.

use super::{Dialect, Field, Fields, MONTHS, NumberOp, Op, Pattern, WEEKDAYS};
use crate::cast::temporal_text::{clamped_date, days_of};
use crate::scalar::time::calendar::{day_number, iso_weekday};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Pattern {
    /// The wall-clock seconds since 1970 and nanoseconds that `text` says, with the offset in seconds if it has one. `None` where it does not fit.
    pub fn read(&self, text: &str) -> Option<(i64, i64, Option<i64>)> {
        let fields = match self.fixed.as_ref().and_then(|f| f.read(text.as_bytes())) {
            Some(fields) => fields,
            None => self.read_fields(text)?,
        };
        match self.dialect {
            Dialect::DateTimeFormatter => fields.resolve(),
            Dialect::SimpleDateFormat => Some(fields.resolve_leniently()),
        }
    }

    fn read_fields(&self, text: &str) -> Option<Fields> {
        let mut reader = Reader { dialect: self.dialect, rest: text, fields: Fields::default() };
        reader.ops(&self.ops)?;
        let complete = reader.rest.is_empty() || self.dialect == Dialect::SimpleDateFormat;
        complete.then_some(reader.fields)
    }
}

#[derive(Clone)]
struct Reader<'a> {
    dialect: Dialect,
    rest: &'a str,
    fields: Fields,
}

impl<'a> Reader<'a> {
    fn ops(&mut self, ops: &[Op]) -> Option<()> {
        ops.iter().try_for_each(|op| self.op(op))
    }

    fn op(&mut self, op: &Op) -> Option<()> {
        let is_simple = self.dialect == Dialect::SimpleDateFormat;
        if is_simple && !matches!(op, Op::Literal(_)) {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
        }
        match op {
            Op::Literal(text) => self.rest = self.rest.strip_prefix(text.as_str())?,
            Op::ShortYear if is_simple => {
                let digits = self.digits(usize::MAX)?;
                let year = digits.parse().ok()?;
                // Two digits are of the century around now; any other number of them is the year itself.
                self.fields.year = Some(if digits.len() == 2 { short_year(year, 50) } else { year });
            }
            Op::ShortYear => self.fields.year = Some(2000 + self.exactly(2)?),
            Op::Number(number) => {
                let value = self.number(number)?;
                self.set(number.field, value)?;
            }
            Op::Fraction(width) => self.fields.nano = Some(self.exactly(*width)? * 10i64.pow(9 - *width as u32)),
            Op::MonthName(full) => self.fields.month = Some(self.name(&MONTHS, *full)? as i64 + 1),
            Op::WeekdayName(full) => self.fields.iso_weekday = Some(self.name(&WEEKDAYS, *full)? as i64 + 1),
            Op::AmPm => self.fields.is_afternoon = Some(self.choice(&["AM", "PM"])? == 1),
            Op::Era => {
                self.choice(&["AD", "BC"])?;
            }
            Op::Offset(_) => self.fields.offset = Some(self.offset()?),
            Op::ZoneName => self.zone()?,
            Op::Optional(inner) => {
                let mut attempt = self.clone();
                if attempt.ops(inner).is_some() {
                    *self = attempt;
                }
            }
        }
        Some(())
    }

    fn number(&mut self, number: &NumberOp) -> Option<i64> {
        if self.dialect == Dialect::SimpleDateFormat {
            // Fields without anything between them have the width of their letters.
            let limit = if number.reserved > 0 { number.width } else { usize::MAX };
            let negative = self.rest.starts_with('-') && number.reserved == 0;
            if negative {
                self.rest = &self.rest[1..];
            }
            let value: i64 = self.digits(limit)?.parse().ok()?;
            return Some(if negative { -value } else { value });
        }
        if number.fixed && !(number.field == Field::Year && number.reserved > 0) {
            return self.exactly(number.width);
        }
        let available = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let limit = available.saturating_sub(number.reserved).max(number.width);
        let limit = if number.fixed { limit.min(number.width) } else { limit.min(19) };
        let digits = self.digits(limit)?;
        (digits.len() >= number.width).then(|| digits.parse().ok())?
    }

    /// Leading digits, at least one and at most `limit`.
    fn digits(&mut self, limit: usize) -> Option<&'a str> {
        let count = self.rest.bytes().take(limit).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        (count > 0).then_some(digits)
    }

    fn exactly(&mut self, width: usize) -> Option<i64> {
        self.digits(width).filter(|d| d.len() == width)?.parse().ok()
    }

    fn name(&mut self, names: &[&str], full: bool) -> Option<usize> {
        let is_simple = self.dialect == Dialect::SimpleDateFormat;
        if (full || is_simple)
            && let Some(found) = self.choice(names)
        {
            return Some(found);
        }
        if full && !is_simple {
            return None;
        }
        let short: Vec<&str> = names.iter().map(|n| &n[..3]).collect();
        self.choice(&short)
    }

    /// Which of `choices` comes next: in any case for SimpleDateFormat.
    fn choice(&mut self, choices: &[&str]) -> Option<usize> {
        let is_simple = self.dialect == Dialect::SimpleDateFormat;
        let fits = |c: &str| self.rest.get(..c.len()).is_some_and(|head| if is_simple { head.eq_ignore_ascii_case(c) } else { head == c });
        let found = choices.iter().position(|c| fits(c))?;
        self.rest = &self.rest[choices[found].len()..];
        Some(found)
    }

    /// `Z`, `+08`, `+0800`, `+08:00`, `GMT+8:00`; seconds.
    fn offset(&mut self) -> Option<i64> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(0);
        }
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        let hours: i64 = self.digits(2)?.parse().ok()?;
        let colon = self.rest.strip_prefix(':');
        let mut minutes = 0;
        if colon.is_some() || self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            self.rest = colon.unwrap_or(self.rest);
            minutes = self.exactly(2)?;
        }
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }

    /// A zone's name or offset.
    fn zone(&mut self) -> Option<()> {
        for universal in ["GMT", "UTC", "UT"] {
            if let Some(rest) = self.rest.strip_prefix(universal) {
                self.rest = rest;
                self.fields.offset = if rest.starts_with(['+', '-']) { Some(self.offset()?) } else { Some(0) };
                return Some(());
            }
        }
        if self.rest.starts_with(['+', '-', 'Z']) {
            self.fields.offset = Some(self.offset()?);
            return Some(());
        }
        let length = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/_+-".contains(c))).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        let _: chrono_tz::Tz = name.parse().ok()?;
        self.rest = rest;
        Some(())
    }

    fn set(&mut self, field: Field, value: i64) -> Option<()> {
        let is_simple = self.dialect == Dialect::SimpleDateFormat;
        let fields = &mut self.fields;
        match field {
            Field::Year => fields.year = Some(value),
            Field::Month => fields.month = Some(value),
            Field::Day => fields.day = Some(value),
            Field::DayOfYear => fields.day_of_year = Some(value),
            Field::Hour => fields.hour = Some(value),
            Field::HourFrom1 if is_simple || (1..=24).contains(&value) => fields.hour = Some(if value == 24 { 0 } else { value }),
            Field::HourOfHalf if is_simple || (0..=11).contains(&value) => fields.hour_of_half = Some(value),
            Field::HourOfHalfFrom1 if is_simple || (1..=12).contains(&value) => fields.hour_of_half = Some(if value == 12 { 0 } else { value }),
            Field::HourFrom1 | Field::HourOfHalf | Field::HourOfHalfFrom1 => return None,
            Field::Minute => fields.minute = Some(value),
            Field::Second => fields.second = Some(value),
            Field::Millisecond => fields.nano = Some(value.checked_mul(1_000_000)?),
            Field::Nano => fields.nano = Some(value),
            Field::MilliOfDay => self.set_time(value.checked_mul(1_000_000)?),
            Field::NanoOfDay => self.set_time(value),
            Field::IsoWeekday => fields.iso_weekday = Some(value),
            // Weeks and quarters say too little to find a day by; Flink reads and forgets them.
            Field::Quarter | Field::WeekOfYear | Field::WeekOfMonth | Field::WeekYear | Field::WeekdayInMonth | Field::Weekday => {}
        }
        Some(())
    }

    fn set_time(&mut self, nanos: i64) {
        let seconds = nanos / NANOS_PER_SECOND;
        self.fields.hour = Some(seconds / 3600);
        self.fields.minute = Some(seconds / 60 % 60);
        self.fields.second = Some(seconds % 60);
        self.fields.nano = Some(nanos % NANOS_PER_SECOND);
    }
}

/// The year of two digits that is at most 80 years before and 20 after the year 2000 + `pivot` - 20.
fn short_year(digits: i64, pivot: i64) -> i64 {
    if digits < pivot { 2000 + digits } else { 1900 + digits }
}

impl Fields {
    fn hour_of_day(&self) -> Option<i64> {
        match (self.hour, self.hour_of_half, self.is_afternoon) {
            (Some(hour), _, _) => Some(hour),
            (None, Some(hour), Some(is_afternoon)) => Some(hour + if is_afternoon { 12 } else { 0 }),
            _ => None,
        }
    }

    /// As `LocalDateTime`: fields must be in their ranges, but the 31st of a shorter month is its last day. What is
    /// missing is that of 1970-01-01 00:00:00.
    fn resolve(&self) -> Option<(i64, i64, Option<i64>)> {
        let (year, hour) = (self.year.unwrap_or(1970), self.hour_of_day().unwrap_or(0));
        let (minute, second, nano) = (self.minute.unwrap_or(0), self.second.unwrap_or(0), self.nano.unwrap_or(0));
        let in_range = (1..=999_999).contains(&year)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..NANOS_PER_SECOND).contains(&nano);
        if !in_range {
            return None;
        }
        let days = match (self.day_of_year, self.month) {
            (Some(day), None) => {
                let first = day_number(year, 1, 1);
                let length = day_number(year + 1, 1, 1) - first;
                (1..=length).contains(&day).then_some(first + day - 1)?
            }
            _ => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
                let date = valid.then(|| clamped_date(year as i32, month as u32, day as u32))??;
                i64::from(days_of(date))
            }
        };
        let is_complete = self.year.is_some() && (self.day_of_year.is_some() || (self.month.is_some() && self.day.is_some()));
        if is_complete && self.iso_weekday.is_some_and(|w| w != iso_weekday(days)) {
            return None;
        }
        Some((days * 86_400 + hour * 3600 + minute * 60 + second, nano, self.offset))
    }

    /// As a lenient calendar: everything that is too much runs over.
    fn resolve_leniently(&self) -> (i64, i64, Option<i64>) {
        let limit = |v: Option<i64>, default: i64| v.unwrap_or(default).clamp(-1_000_000_000_000, 1_000_000_000_000);
        let year = self.year.unwrap_or(1970).clamp(-999_999, 999_999);
        let (month, day) = (limit(self.month, 1).clamp(-1_000_000, 1_000_000), limit(self.day, 1));
        let days = match (self.day_of_year, self.month) {
            (Some(day), None) => day_number(year, 1, 1) + day - 1,
            _ => day_number(year, month, 1) + day - 1,
        };
        let half = self.hour_of_half.map(|h| h + if self.is_afternoon == Some(true) { 12 } else { 0 });
        let hour = limit(self.hour.or(half), 0);
        let nanos = self.nano.unwrap_or(0);
        let seconds = days * 86_400 + hour * 3600 + limit(self.minute, 0) * 60 + limit(self.second, 0);
        (seconds + nanos.div_euclid(NANOS_PER_SECOND), nanos.rem_euclid(NANOS_PER_SECOND), self.offset)
    }
}
