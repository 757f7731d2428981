//! Java's date patterns, compiled once to a list of operations and kept by thread.
//!
//! Flink formats and reads by two classes that disagree, so a pattern has a [`Dialect`]. `DateTimeFormatter` (behind
//! TIMESTAMP values) counts digits and reads the whole text; `SimpleDateFormat` (behind text and UNIX time) takes any number of
//! digits, skips blanks, ignores what is left over and lets months and days run over into the next.
//!
//! Patterns of fixed width (`yyyy-MM-dd HH:mm:ss.SSS`) are read by position when the text has their length.

mod compile;
mod fixed;
mod read;
mod write;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use brisk_core::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    DateTimeFormatter,
    SimpleDateFormat,
}

#[derive(Debug)]
pub(super) struct Pattern {
    dialect: Dialect,
    ops: Vec<Op>,
    fixed: Option<fixed::Layout>,
}

#[derive(Debug, Clone, PartialEq)]
enum Op {
    Literal(String),
    /// The last two digits of the year.
    ShortYear,
    Number(NumberOp),
    /// The first `width` digits of the second's fraction.
    Fraction(usize),
    /// A name, in full or its first three letters.
    MonthName(bool),
    WeekdayName(bool),
    AmPm,
    Era,
    /// `+0800`, `+08:00`, `+08`, `Z`.
    Offset(OffsetStyle),
    ZoneName,
    /// `[...]`: left out when its fields cannot be read.
    Optional(Vec<Op>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct NumberOp {
    field: Field,
    /// Padded with zeros to so many digits when written.
    width: usize,
    /// Read by exactly `width` digits.
    fixed: bool,
    /// When read: digits that the fixed fields right behind need.
    reserved: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum OffsetStyle {
    /// `X` to `XXX`: `Z` for none.
    Iso { digits: usize },
    /// `Z`, `x`: `+0000` for none.
    Plain { digits: usize, colon: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    DayOfYear,
    /// 0 to 23, 1 to 24, 0 to 11, 1 to 12.
    Hour,
    HourFrom1,
    HourOfHalf,
    HourOfHalfFrom1,
    Minute,
    Second,
    /// SimpleDateFormat's `S`: a number of milliseconds and no fraction.
    Millisecond,
    Nano,
    MilliOfDay,
    NanoOfDay,
    Quarter,
    WeekOfYear,
    WeekOfMonth,
    WeekYear,
    WeekdayInMonth,
    /// Monday is 1.
    IsoWeekday,
    /// Sunday is 1.
    Weekday,
}

/// A moment by the wall clock, as patterns write it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub days: i64,
    pub nanos_of_day: i64,
    /// Seconds east of UTC, and the zone's name, for patterns that show them.
    pub offset: Option<(i32, chrono_tz::Tz)>,
}

/// What was read: fields as far as the pattern has them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fields {
    pub year: Option<i64>,
    pub month: Option<i64>,
    pub day: Option<i64>,
    pub day_of_year: Option<i64>,
    pub hour: Option<i64>,
    pub minute: Option<i64>,
    pub second: Option<i64>,
    pub nano: Option<i64>,
    /// Seconds east of UTC.
    pub offset: Option<i64>,
    hour_of_half: Option<i64>,
    is_afternoon: Option<bool>,
    iso_weekday: Option<i64>,
}

/// A thread keeps at most so many patterns; then it begins anew. Only patterns that come from columns get there.
const MAX_CACHED: usize = 256;

thread_local! {
    static CACHE: RefCell<HashMap<(Dialect, String), Rc<Pattern>>> = RefCell::new(HashMap::new());
}

impl Pattern {
    /// The compiled form of `text`; an error for letters that Java does not know.
    pub fn of(dialect: Dialect, text: &str) -> Result<Rc<Pattern>> {
        CACHE.with_borrow_mut(|cache| {
            let key = (dialect, text.to_owned());
            if let Some(found) = cache.get(&key) {
                return Ok(found.clone());
            }
            let pattern = Rc::new(compile::compile(dialect, text)?);
            if cache.len() >= MAX_CACHED {
                cache.clear();
            }
            cache.insert(key, pattern.clone());
            Ok(pattern)
        })
    }
}

/// English names, as Java's root and American locales have them.
const MONTHS: [&str; 12] = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[cfg(test)]
mod tests;
