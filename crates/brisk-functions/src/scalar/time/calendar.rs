//! The calendar behind EXTRACT, FLOOR and CEIL: fields of a day number, and the day numbers at which units begin.

use super::unit::Unit;
use crate::cast::temporal_text::civil;

/// A field of the day `days` after 1970-01-01. `None` for units below a day.
pub(super) fn field(unit: Unit, days: i64) -> Option<i64> {
    let (year, month, day) = civil(days);
    let (month, day) = (i64::from(month), i64::from(day));
    Some(match unit {
        Unit::Year => year,
        Unit::Month => month,
        Unit::Day => day,
        Unit::Quarter => (month + 2) / 3,
        Unit::DayOfWeek => (days + 4).rem_euclid(7) + 1,
        Unit::IsoDayOfWeek => iso_weekday(days),
        Unit::DayOfYear => days - day_number(year, 1, 1) + 1,
        Unit::Week => iso_week(days).1,
        Unit::IsoYear => iso_week(days).0,
        Unit::Decade => year / 10,
        Unit::Century => {
            if year > 0 {
                (year + 99) / 100
            } else {
                (year - 99) / 100
            }
        }
        Unit::Millennium => {
            if year > 0 {
                (year + 999) / 1000
            } else {
                (year - 999) / 1000
            }
        }
        Unit::Epoch => days * 86_400,
        _ => return None,
    })
}

/// Monday is 1.
pub(super) fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The year and week of ISO 8601: those of the week's Thursday.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - iso_weekday(days) + 4;
    let year = civil(thursday).0;
    (year, (thursday - day_number(year, 1, 1)) / 7 + 1)
}

/// The day number of a date; months past December run into the next year.
pub(super) fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The first day of the unit that holds the day.
pub(super) fn floor_day(unit: Unit, days: i64) -> i64 {
    let (year, month, _) = civil(days);
    match unit {
        Unit::Millennium => day_number(1000 * ((year + 999) / 1000) - 999, 1, 1),
        Unit::Century => day_number(100 * ((year + 99) / 100) - 99, 1, 1),
        Unit::Decade => day_number(10 * (year / 10), 1, 1),
        Unit::Year => day_number(year, 1, 1),
        Unit::Quarter => day_number(year, (i64::from(month) - 1) / 3 * 3 + 1, 1),
        Unit::Month => day_number(year, i64::from(month), 1),
        Unit::Week => days - (days + 4).rem_euclid(7),
        _ => days,
    }
}

/// The first day of the next unit, as Flink finds it: a day at which a year, month or week begins is its own ceiling,
/// one at which a quarter (but the first), decade, century or millennium begins is not.
pub(super) fn ceil_day(unit: Unit, days: i64) -> i64 {
    let (year, month, day) = civil(days);
    let (month, starts_year) = (i64::from(month), month == 1 && day == 1);
    match unit {
        Unit::Millennium => day_number(1000 * ((year + 999) / 1000) + 1, 1, 1),
        Unit::Century => day_number(100 * ((year + 99) / 100) + 1, 1, 1),
        Unit::Decade => day_number(10 * (1 + year / 10), 1, 1),
        Unit::Year => day_number(year + i64::from(!starts_year), 1, 1),
        Unit::Quarter => day_number(year, ((month + 2) / 3 + i64::from(!starts_year)) * 3 - 2, 1),
        Unit::Month => day_number(year, month + i64::from(day > 1), 1),
        Unit::Week => days + (7 - (days + 4).rem_euclid(7)) % 7,
        _ => days,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(f: fn(Unit, i64) -> i64, unit: Unit, day: (i64, i64, i64), expected: (i64, i64, i64)) {
        let found = civil(f(unit, day_number(day.0, day.1, day.2)));
        assert_eq!((found.0, i64::from(found.1), i64::from(found.2)), expected);
    }

    #[test]
    fn units_begin_where_flink_says() {
        check(floor_day, Unit::Week, (2021, 3, 1), (2021, 2, 28));
        check(floor_day, Unit::Quarter, (2021, 3, 21), (2021, 1, 1));
        check(floor_day, Unit::Millennium, (2018, 1, 9), (2001, 1, 1));
        check(ceil_day, Unit::Decade, (1990, 10, 14), (2000, 1, 1));
        check(ceil_day, Unit::Century, (1990, 10, 14), (2001, 1, 1));
        check(ceil_day, Unit::Month, (1996, 12, 10), (1997, 1, 1));
        check(ceil_day, Unit::Quarter, (2020, 2, 29), (2020, 4, 1));
        check(ceil_day, Unit::Week, (2021, 2, 28), (2021, 2, 28));
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        for (day, expected) in [((1996, 11, 10), (1996, 45)), ((2021, 1, 3), (2020, 53)), ((2018, 12, 31), (2019, 1)), ((2000, 1, 31), (2000, 5))] {
            assert_eq!(iso_week(day_number(day.0, day.1, day.2)), expected);
        }
        assert_eq!(field(Unit::DayOfWeek, day_number(1996, 11, 10)), Some(1));
        assert_eq!(field(Unit::DayOfYear, day_number(1996, 11, 10)), Some(315));
    }
}
