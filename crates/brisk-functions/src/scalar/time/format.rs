//! Points in time as text, and text as UNIX time: DATE_FORMAT, FROM_UNIXTIME, UNIX_TIMESTAMP, CONVERT_TZ.
//!
//! Timestamps are written by `DateTimeFormatter`; text and UNIX time go through `SimpleDateFormat` (see
//! [`super::pattern`]). Text that cannot be read gives NULL, and -9223372036854775808 from UNIX_TIMESTAMP.

use std::rc::Rc;

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use arrow_schema::TimeUnit;
use brisk_core::{DataType, Error, Result, SqlType};
use chrono_tz::Tz;

use super::pattern::{Dialect, Moment, Pattern};
use super::point::Points;
use crate::cast::temporal_text::{local_to_utc, utc_to_local};
use crate::scalar::binding::{self, Want, expect_count};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::{TextColumn, Texts, build_numbers, build_texts};
use crate::scalar::{Argument, Call, Signature};

const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";
const NANOS_PER_SECOND: i64 = 1_000_000_000;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("DATE_FORMAT", bind_format, date_format),
    Builtin::new("FROM_UNIXTIME", bind_from_unix, from_unixtime),
    // Without arguments it is the time of the batch; with them it does not change, but the two share the name.
    Builtin::new("UNIX_TIMESTAMP", bind_unix, unix_timestamp).volatile(),
    Builtin::new("CONVERT_TZ", |args| binding::bind_nullable(args, &[Want::Text; 3], 3, DataType::STRING), convert_tz),
];

/// A pattern argument: compiled once where it is constant.
pub(super) struct Patterns<'a> {
    dialect: Dialect,
    texts: Option<Texts<'a>>,
    constant: Option<Rc<Pattern>>,
}

impl<'a> Patterns<'a> {
    /// The argument at `index`, or the default pattern where there is none.
    pub fn new(call: &Call<'a>, index: usize, dialect: Dialect, default: &str) -> Result<Self> {
        if call.args.len() <= index {
            return Ok(Self { dialect, texts: None, constant: Some(Pattern::of(dialect, default)?) });
        }
        let texts = call.text(index);
        let constant = match texts.get(0).filter(|_| texts.is_constant()) {
            Some(text) => Some(Pattern::of(dialect, text)?),
            None => None,
        };
        Ok(Self { dialect, texts: Some(texts), constant })
    }

    /// The pattern of all rows.
    fn constant(&self) -> Option<&Pattern> {
        self.constant.as_deref()
    }

    /// The pattern of a row; `None` for a null.
    pub fn get(&self, row: usize) -> Result<Option<Rc<Pattern>>> {
        match (&self.constant, &self.texts) {
            (Some(pattern), _) => Ok(Some(pattern.clone())),
            (None, Some(texts)) => texts.get(row).map(|text| Pattern::of(self.dialect, text)).transpose(),
            (None, None) => Ok(None),
        }
    }
}

/// [`build_texts`] for writers that can fail.
fn try_texts(rows: usize, write: impl Fn(usize, &mut String) -> Result<Option<()>>) -> Result<ArrayRef> {
    let mut failed = None;
    let array = build_texts(rows, |row, out| {
        write(row, out).unwrap_or_else(|e| {
            failed.get_or_insert(e);
            None
        })
    });
    failed.map_or(Ok(array), Err)
}

fn bind_format(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let point = &args[0].sql_type;
    let is_point = point.data_type.is_timestamp() || point.data_type == DataType::Date;
    let first = if is_point { point.clone() } else { binding::coerce(0, point, Want::Text)? };
    let second = binding::coerce(1, &args[1].sql_type, Want::Text)?;
    Ok(Signature { args: vec![first, second], returns: SqlType::nullable(DataType::STRING) })
}

fn date_format(call: &Call<'_>) -> Result<ArrayRef> {
    if call.arg_types[0].data_type.is_character() {
        let patterns = Patterns::new(call, 1, Dialect::SimpleDateFormat, DEFAULT)?;
        let from = Pattern::of(Dialect::SimpleDateFormat, DEFAULT)?;
        let texts = call.text(0);
        return try_texts(call.rows, |row, out| {
            let Some((seconds, nanos, _)) = texts.get(row).and_then(|t| from.read(t)) else { return Ok(None) };
            let Some(pattern) = patterns.get(row)? else { return Ok(None) };
            pattern.write(out, &moment(seconds, nanos, Some((0, Tz::UTC)))).map(Some)
        });
    }
    // A DATE is written by the class for text.
    let is_date = call.arg_types[0].data_type == DataType::Date;
    let dialect = if is_date { Dialect::SimpleDateFormat } else { Dialect::DateTimeFormatter };
    let patterns = Patterns::new(call, 1, dialect, DEFAULT)?;
    let points = Points::new(call, 0);
    let (per_second, zone) = (points.per_second, is_date.then_some((0, Tz::UTC)));
    let write = |pattern: &Pattern, out: &mut String, wall: i64| {
        let nanos = wall.rem_euclid(per_second) * (NANOS_PER_SECOND / per_second);
        pattern.write(out, &moment(wall.div_euclid(per_second), nanos, zone))
    };
    let Some(pattern) = patterns.constant() else {
        return try_texts(call.rows, |row, out| match (points.wall(row), patterns.get(row)?) {
            (Some(wall), Some(pattern)) => write(&pattern, out, wall).map(Some),
            _ => Ok(None),
        });
    };
    // Times come mostly in order: most rows show what the row before showed.
    let period = pattern.period_nanos() / (NANOS_PER_SECOND / per_second);
    let mut shown = (String::new(), 0..0);
    let mut column = TextColumn::with_capacity(call.rows, call.rows * 12);
    for row in 0..call.rows {
        let wall = points.wall(row);
        if let Some(wall) = wall.filter(|wall| !shown.1.contains(wall)) {
            shown.0.clear();
            write(pattern, &mut shown.0, wall)?;
            let begin = if period > 0 { wall.saturating_sub(wall.rem_euclid(period)) } else { wall };
            shown.1 = begin..begin.saturating_add(period);
        }
        column.push(wall.map(|_| shown.0.as_str()));
    }
    Ok(column.finish())
}

fn moment(seconds: i64, nanos: i64, offset: Option<(i32, Tz)>) -> Moment {
    Moment { days: seconds.div_euclid(86_400), nanos_of_day: seconds.rem_euclid(86_400) * NANOS_PER_SECOND + nanos, offset }
}

/// What clocks in `zone` show at an instant, in milliseconds.
fn local_moment(millis: i64, zone: Tz) -> Moment {
    let wall = utc_to_local(millis, TimeUnit::Millisecond, zone);
    moment(wall.div_euclid(1000), wall.rem_euclid(1000) * 1_000_000, Some((((wall - millis) / 1000) as i32, zone)))
}

fn bind_from_unix(args: &[Argument]) -> Result<Signature> {
    binding::bind_nullable(args, &[Want::BigInt, Want::Text], 1, DataType::STRING)
}

fn from_unixtime(call: &Call<'_>) -> Result<ArrayRef> {
    let patterns = Patterns::new(call, 1, Dialect::SimpleDateFormat, DEFAULT)?;
    let (seconds, zone) = (call.integers(0), call.context.time_zone);
    try_texts(call.rows, |row, out| {
        let (Some(seconds), Some(pattern)) = (seconds.get(row), patterns.get(row)?) else { return Ok(None) };
        let Some(millis) = seconds.checked_mul(1000) else { return Ok(None) };
        pattern.write(out, &local_moment(millis, zone)).map(Some)
    })
}

fn bind_unix(args: &[Argument]) -> Result<Signature> {
    let mut bound = binding::bind(args, &[Want::Text, Want::Text], 0, DataType::BigInt)?;
    bound.returns.nullable = args.iter().any(|a| a.sql_type.nullable);
    Ok(bound)
}

fn unix_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    if call.args.is_empty() {
        let now = call.context.processing_time_ms.div_euclid(1000);
        return Ok(build_numbers::<Int64Type>(call.rows, |_| Some(now)));
    }
    let patterns = Patterns::new(call, 1, Dialect::SimpleDateFormat, DEFAULT)?;
    let (texts, zone) = (call.text(0), call.context.time_zone);
    let mut failed: Option<Error> = None;
    let array = build_numbers::<Int64Type>(call.rows, |row| {
        let text = texts.get(row)?;
        match patterns.get(row) {
            Ok(pattern) => Some(pattern?.read(text).map_or(i64::MIN, |(seconds, nanos, offset)| to_instant(seconds, nanos, offset, zone) / 1000)),
            Err(e) => {
                failed.get_or_insert(e);
                None
            }
        }
    });
    failed.map_or(Ok(array), Err)
}

/// Milliseconds since 1970 UTC of what was read: by its own offset, or as clocks in `zone` show it.
pub(super) fn to_instant(seconds: i64, nanos: i64, offset: Option<i64>, zone: Tz) -> i64 {
    let wall = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
    match offset {
        Some(offset) => wall - offset * 1000,
        None => local_to_utc(wall, TimeUnit::Millisecond, zone),
    }
}

/// A zone by its name; UTC for names that nobody knows, as Java has it.
pub(super) fn zone_of(name: &str) -> Tz {
    name.parse().unwrap_or_else(|_| match name {
        "CST" | "PRC" => Tz::Asia__Shanghai,
        "JST" => Tz::Asia__Tokyo,
        "PST" => Tz::America__Los_Angeles,
        "IST" => Tz::Asia__Kolkata,
        _ => offset_zone(name).unwrap_or(Tz::UTC),
    })
}

/// `GMT+8`, `UTC+08:00` and the like, for whole hours.
fn offset_zone(name: &str) -> Option<Tz> {
    let offset = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).unwrap_or(name);
    let sign = offset.chars().next().filter(|c| matches!(c, '+' | '-'))?;
    let (hours, minutes) = offset[1..].split_once(':').unwrap_or((&offset[1..], "0"));
    let hours: u32 = hours.parse().ok()?;
    if minutes.parse() != Ok(0) {
        return None;
    }
    // The names of POSIX count west of Greenwich.
    format!("Etc/GMT{}{hours}", if sign == '+' { '-' } else { '+' }).parse().ok()
}

fn convert_tz(call: &Call<'_>) -> Result<ArrayRef> {
    let pattern = Pattern::of(Dialect::SimpleDateFormat, DEFAULT)?;
    let (texts, from, to) = (call.text(0), call.text(1), call.text(2));
    try_texts(call.rows, |row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else { return Ok(None) };
        let Some((seconds, nanos, offset)) = pattern.read(text) else { return Ok(None) };
        let instant = to_instant(seconds, nanos, offset, zone_of(from));
        pattern.write(out, &local_moment(instant, zone_of(to))).map(Some)
    })
}
