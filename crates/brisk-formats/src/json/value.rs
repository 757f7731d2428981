//! One JSON value into one column: the fast ways for the usual forms, then every form that Flink takes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use brisk_core::{DataType, SqlType};

use super::cursor::{Cursor, RawString, Token};
use super::escape::{unescape, write_compact};
use super::fault::Fault;
use super::map_order;
use super::object::Object;
use crate::column::{Column, Map};
use crate::scalar::push_text;
use crate::text::Standard;
use crate::text::number::{exact_quotient, parse_f64};
use crate::text::time::Minute;

/// How values are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadOptions {
    pub standard: Standard,
    /// A value that cannot be converted becomes NULL.
    pub ignore_parse_errors: bool,
    pub fail_on_missing_field: bool,
}

/// What reading a column needs besides the column itself: its type, and the keys of the rows within.
pub(crate) struct Shape {
    sql_type: SqlType,
    inner: Inner,
}

enum Inner {
    None,
    Item(Box<Shape>),
    Object(Box<Object>),
    Timestamps(Times),
}

/// What is known of the timestamps of a column: many stand in a minute that was met before, and in a stream of many events
/// most are the one before once more.
#[derive(Default)]
struct Times {
    minute: Minute,
    /// The last one with its quotes, if that is 16 to 32 bytes: its first and its last half. A length of 0 is no text.
    length: usize,
    first: [u8; HALF],
    last: [u8; HALF],
    count: i64,
}

const HALF: usize = 16;

impl Times {
    /// The count of the value at the beginning of `rest`, and how many bytes it takes, if it is the last one again.
    #[inline(always)]
    fn repeated(&self, rest: &[u8]) -> Option<(i64, usize)> {
        let end: &[u8; HALF] = rest.get(self.length.wrapping_sub(HALF)..)?.first_chunk()?;
        (rest.first_chunk() == Some(&self.first) && *end == self.last).then_some((self.count, self.length))
    }

    fn remember(&mut self, quoted: &[u8], count: i64) {
        let halves = quoted.first_chunk().zip(quoted.last_chunk()).filter(|_| quoted.len() <= 2 * HALF);
        if let Some((first, last)) = halves {
            (self.length, self.first, self.last, self.count) = (quoted.len(), *first, *last, count);
        }
    }
}

impl Shape {
    pub fn new(sql_type: &SqlType) -> Self {
        let inner = match &sql_type.data_type {
            DataType::Array(item) => Inner::Item(Box::new(Shape::new(item))),
            DataType::Map(_, value) => Inner::Item(Box::new(Shape::new(value))),
            DataType::Multiset(_) => Inner::Item(Box::new(Shape::new(&SqlType::not_null(DataType::Int)))),
            DataType::Row(columns) => Inner::Object(Box::new(Object::new(columns))),
            DataType::Timestamp(_) | DataType::TimestampLtz(_) => Inner::Timestamps(Times::default()),
            _ => Inner::None,
        };
        Self { sql_type: sql_type.clone(), inner }
    }
}

/// Reads the value that comes next into `column`.
#[inline]
pub(crate) fn read_value(column: &mut Column, shape: &mut Shape, cursor: &mut Cursor, options: &ReadOptions) -> Result<(), Fault> {
    match column {
        Column::Int64(c) => {
            if let Some(value) = cursor.small_integer() {
                c.push(value);
                return Ok(());
            }
        }
        Column::Int32(c) => {
            let start = cursor.pos;
            if let Some(value) = cursor.small_integer() {
                if let Ok(value) = i32::try_from(value) {
                    c.push(value);
                    return Ok(());
                }
                cursor.pos = start;
            }
        }
        Column::Float64(c) => {
            let start = cursor.pos;
            if let Some((mantissa, decimals)) = cursor.small_decimal() {
                // The sign of -0.0 is lost here.
                if let Some(value) = exact_quotient(mantissa, decimals).filter(|_| mantissa != 0) {
                    c.push(value);
                    return Ok(());
                }
                cursor.pos = start;
            }
        }
        Column::Decimal { values, precision, scale } => {
            let start = cursor.pos;
            if let Some((mantissa, decimals)) = cursor.small_decimal() {
                let scale = usize::from(*scale);
                if decimals <= scale {
                    let value = i128::from(mantissa) * 10i128.pow((scale - decimals) as u32);
                    if value.unsigned_abs() < 10u128.pow(u32::from(*precision)) {
                        values.push(value);
                        return Ok(());
                    }
                }
                cursor.pos = start;
            }
        }
        Column::Text(c) if cursor.peek() == Some(b'"') => {
            let string = cursor.string()?;
            if !string.escaped {
                c.push_from(string.beyond, string.text.len());
                return Ok(());
            }
            if unescape(string.text, &mut c.data).is_some() {
                c.end_value();
                return Ok(());
            }
            c.drop_begun();
            cursor.pos -= string.text.len() + 2;
        }
        Column::Timestamp { values, unit, zoned } if cursor.peek() == Some(b'"') => {
            let start = cursor.pos;
            if let Inner::Timestamps(times) = &mut shape.inner {
                if let Some((count, length)) = times.repeated(&cursor.data[start..]) {
                    values.push(count);
                    cursor.pos += length;
                    return Ok(());
                }
                let string = cursor.string()?;
                if let Some((days, nanos)) = times.minute.parse_timestamp(string.text, options.standard, *zoned)
                    && let Some(count) = unit.count(days, nanos)
                {
                    times.remember(&cursor.data[start..cursor.pos], count);
                    values.push(count);
                    return Ok(());
                }
                cursor.pos = start;
            }
        }
        _ => {}
    }
    read_any(column, shape, cursor, options)
}

/// Reads any form of value. A value that the column cannot take is NULL or a fault, as the options say.
fn read_any(column: &mut Column, shape: &mut Shape, cursor: &mut Cursor, options: &ReadOptions) -> Result<(), Fault> {
    if cursor.eat_null() {
        column.push_null();
        return Ok(());
    }
    let start = cursor.pos;
    let len = column.len();
    let read = match column {
        Column::List(_) | Column::Map(_) | Column::Row(_) => read_nested(column, shape, cursor, options),
        _ => read_scalar(column, shape, cursor, options),
    };
    match read {
        Err(fault) if options.ignore_parse_errors && fault.is_value() => {
            column.truncate(len);
            cursor.pos = start;
            cursor.skip_value()?;
            column.push_null();
            Ok(())
        }
        other => other,
    }
}

fn read_scalar(column: &mut Column, shape: &Shape, cursor: &mut Cursor, options: &ReadOptions) -> Result<(), Fault> {
    let start = cursor.pos;
    let token = cursor.token()?;
    if push_token(column, token, options.standard) {
        return Ok(());
    }
    column.truncate(column.len());
    Err(Fault::value(start, cursor.pos, shape.sql_type.data_type.to_string()))
}

/// Puts a token into a column of a single value; `false` when the column cannot take it.
fn push_token(column: &mut Column, token: Token, standard: Standard) -> bool {
    match token {
        Token::String(RawString { text, escaped: false, .. }) => push_text(column, text, standard),
        Token::String(RawString { text, escaped: true, .. }) => push_escaped(column, text, standard),
        Token::Null => {
            column.push_null();
            true
        }
        Token::True => push_literal(column, b"true", standard),
        Token::False => push_literal(column, b"false", standard),
        Token::Integer(text) => push_literal(column, text, standard),
        Token::Decimal(text) => push_decimal(column, text, standard),
        Token::Container(text) => match column {
            Column::Text(c) => {
                let written = write_compact(text, &mut c.data).is_some();
                if written {
                    c.end_value();
                }
                written
            }
            _ => false,
        },
    }
}

fn push_escaped(column: &mut Column, raw: &[u8], standard: Standard) -> bool {
    if let Column::Text(c) = column {
        let done = unescape(raw, &mut c.data).is_some();
        if done {
            c.end_value();
        }
        return done;
    }
    let mut text = Vec::with_capacity(raw.len());
    unescape(raw, &mut text).is_some() && push_text(column, &text, standard)
}

/// A literal or a whole number, which its own text stands for; bytes are only ever strings.
fn push_literal(column: &mut Column, text: &[u8], standard: Standard) -> bool {
    !matches!(column, Column::Binary(_)) && push_text(column, text, standard)
}

/// A number with a point or an exponent: INT and BIGINT cut it to a whole one, the smaller types refuse it.
fn push_decimal(column: &mut Column, text: &[u8], standard: Standard) -> bool {
    match column {
        Column::Int32(c) | Column::Months(c) => match whole(text, i64::from(i32::MIN), i64::from(i32::MAX)) {
            Some(value) => {
                c.push(value as i32);
                true
            }
            None => false,
        },
        Column::Int64(c) | Column::Millis(c) => match whole(text, i64::MIN, i64::MAX) {
            Some(value) => {
                c.push(value);
                true
            }
            None => false,
        },
        _ => push_literal(column, text, standard),
    }
}

fn whole(text: &[u8], least: i64, most: i64) -> Option<i64> {
    let value = parse_f64(text)?;
    (value >= least as f64 && value <= most as f64).then_some(value as i64)
}

fn read_nested(column: &mut Column, shape: &mut Shape, cursor: &mut Cursor, options: &ReadOptions) -> Result<(), Fault> {
    let wanted = if matches!(column, Column::List(_)) { b'[' } else { b'{' };
    if cursor.peek() != Some(wanted) {
        let start = cursor.pos;
        cursor.skip_value()?;
        return Err(Fault::value(start, cursor.pos, shape.sql_type.data_type.to_string()));
    }
    match (column, &mut shape.inner) {
        (Column::List(list), Inner::Item(item)) => {
            read_items(cursor, |cursor| read_value(&mut list.items, item, cursor, options))?;
            list.end_value();
            Ok(())
        }
        (Column::Map(map), Inner::Item(value)) => {
            read_entries(map, value, cursor, options)?;
            map.end_value();
            Ok(())
        }
        (Column::Row(row), Inner::Object(object)) => {
            let len = row.len();
            cursor.pos += 1;
            object.read(cursor, &mut row.columns, len, options)?;
            row.end_value();
            Ok(())
        }
        _ => unreachable!("column and shape are made from one type"),
    }
}

/// Calls `read` at every item of the array that comes next.
pub(crate) fn read_items<'a>(cursor: &mut Cursor<'a>, mut read: impl FnMut(&mut Cursor<'a>) -> Result<(), Fault>) -> Result<(), Fault> {
    cursor.expect(b'[', "'['")?;
    cursor.skip_blanks();
    if cursor.eat(b']') {
        return Ok(());
    }
    loop {
        read(cursor)?;
        cursor.skip_blanks();
        if cursor.eat(b']') {
            return Ok(());
        }
        cursor.expect(b',', "',' or ']'")?;
        cursor.skip_blanks();
    }
}

/// Reads the entries of an object into a map under construction. Of equal keys the last counts.
fn read_entries(map: &mut Map, shape: &mut Shape, cursor: &mut Cursor, options: &ReadOptions) -> Result<(), Fault> {
    let mut seen: Vec<(Vec<u8>, usize)> = Vec::new();
    cursor.pos += 1;
    cursor.skip_blanks();
    if cursor.eat(b'}') {
        return Ok(());
    }
    loop {
        let start = cursor.pos;
        let key = cursor.string()?;
        let mut text = Vec::with_capacity(key.text.len());
        unescape(key.text, &mut text).ok_or_else(|| Fault::syntax(start, "a key with sound escapes"))?;
        cursor.colon()?;
        seen.push((text, cursor.pos));
        cursor.skip_value()?;
        cursor.skip_blanks();
        if cursor.eat(b'}') {
            break;
        }
        cursor.expect(b',', "',' or '}'")?;
        cursor.skip_blanks();
    }
    let end = cursor.pos;
    // As a map of Java's: a repeated key keeps its place and takes the last value.
    let mut entries: Vec<(&[u8], usize)> = Vec::with_capacity(seen.len());
    let mut places: HashMap<&[u8], usize> = HashMap::with_capacity(seen.len());
    for (key, at) in &seen {
        match places.entry(key) {
            Entry::Occupied(place) => entries[*place.get()].1 = *at,
            Entry::Vacant(place) => {
                place.insert(entries.len());
                entries.push((key, *at));
            }
        }
    }
    map_order::sort(&mut entries, |(key, _)| key);
    for (key, at) in entries {
        if !push_text(&mut map.keys, key, options.standard) {
            return Err(Fault::value(at, at, "map key".to_string()));
        }
        cursor.pos = at;
        read_value(&mut map.values, shape, cursor, options)?;
    }
    cursor.pos = end;
    Ok(())
}
