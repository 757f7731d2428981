//! Units of time as SQL names them.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use brisk_core::{Error, Result};

use crate::scalar::{Argument, Call};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Epoch,
}

impl Unit {
    pub fn parse(text: &str) -> Result<Self> {
        let upper = text.to_ascii_uppercase();
        Ok(match upper.strip_prefix("SQL_TSI_").unwrap_or(&upper) {
            "NANOSECOND" => Unit::Nanosecond,
            "MICROSECOND" => Unit::Microsecond,
            "MILLISECOND" => Unit::Millisecond,
            "SECOND" => Unit::Second,
            "MINUTE" => Unit::Minute,
            "HOUR" => Unit::Hour,
            "DAY" => Unit::Day,
            "WEEK" => Unit::Week,
            "MONTH" => Unit::Month,
            "QUARTER" => Unit::Quarter,
            "YEAR" => Unit::Year,
            "DECADE" => Unit::Decade,
            "CENTURY" => Unit::Century,
            "MILLENNIUM" => Unit::Millennium,
            "DOW" => Unit::DayOfWeek,
            "ISODOW" => Unit::IsoDayOfWeek,
            "DOY" => Unit::DayOfYear,
            "ISOYEAR" => Unit::IsoYear,
            "EPOCH" => Unit::Epoch,
            _ => return Err(Error::invalid(format!("'{text}' is not a valid time unit"))),
        })
    }

    /// The unit of a literal argument.
    pub fn of(argument: &Argument) -> Result<Self> {
        let text = argument.literal.as_ref().and_then(|l| l.as_string_opt::<i32>()).filter(|l| l.len() == 1 && l.is_valid(0));
        text.map_or_else(|| Err(Error::invalid("the unit of time must be a name")), |l| Self::parse(l.value(0)))
    }

    /// The unit of a bound call's argument.
    pub fn of_call(call: &Call<'_>, index: usize) -> Result<Self> {
        let text = call.text(index).get(0);
        text.map_or_else(|| Err(Error::internal("a call without its unit")), Self::parse)
    }

    /// Milliseconds of the units that always last the same.
    pub fn millis(self) -> Option<i64> {
        Some(match self {
            Unit::Millisecond => 1,
            Unit::Second => 1000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => 86_400_000,
            Unit::Week => 7 * 86_400_000,
            _ => return None,
        })
    }

    /// Months of the units that are made of months.
    pub fn months(self) -> Option<i64> {
        Some(match self {
            Unit::Month => 1,
            Unit::Quarter => 3,
            Unit::Year => 12,
            Unit::Decade => 120,
            Unit::Century => 1200,
            Unit::Millennium => 12_000,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Unit::Nanosecond => "NANOSECOND",
            Unit::Microsecond => "MICROSECOND",
            Unit::Millisecond => "MILLISECOND",
            Unit::Second => "SECOND",
            Unit::Minute => "MINUTE",
            Unit::Hour => "HOUR",
            Unit::Day => "DAY",
            Unit::Week => "WEEK",
            Unit::Month => "MONTH",
            Unit::Quarter => "QUARTER",
            Unit::Year => "YEAR",
            Unit::Decade => "DECADE",
            Unit::Century => "CENTURY",
            Unit::Millennium => "MILLENNIUM",
            Unit::DayOfWeek => "DOW",
            Unit::IsoDayOfWeek => "ISODOW",
            Unit::DayOfYear => "DOY",
            Unit::IsoYear => "ISOYEAR",
            Unit::Epoch => "EPOCH",
        }
    }
}
