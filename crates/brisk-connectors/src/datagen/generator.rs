//! Generators of columns: the values of given row numbers, made from a hash and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, NullArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Field, Fields, TimeUnit};
use brisk_core::key_group::{hash_bytes, mix};
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, Error, Result, SqlType};

use super::{FieldOptions, Kind, field_options};

const DEFAULT_LENGTH: u32 = 100;
const DEFAULT_ITEMS: u32 = 3;

pub(super) struct Generator {
    seed: u64,
    null_rate: f64,
    sql_type: SqlType,
    values: Values,
    /// The last row that a sequence reaches, counted from 0.
    pub last_row: Option<u64>,
}

enum Values {
    Null,
    Boolean,
    /// Uniform between two bounds, both included.
    Integer {
        min: i128,
        max: i128,
    },
    Float {
        min: f64,
        max: f64,
    },
    Sequence {
        start: i64,
    },
    Text {
        length: u32,
        variable: bool,
    },
    Bytes {
        length: u32,
        variable: bool,
    },
    /// Now, less up to so many milliseconds.
    Past {
        max_past_ms: u64,
    },
    List {
        items: Box<Generator>,
        length: u32,
    },
    Map {
        keys: Box<Generator>,
        values: Box<Generator>,
        length: u32,
    },
    Row(Vec<Generator>),
}

impl Generator {
    /// A generator of the column at `path`; takes its options out of `fields`.
    pub fn new(seed: u64, path: &str, sql_type: &SqlType, fields: &mut BTreeMap<String, String>) -> Result<Self> {
        let options = field_options(fields, path)?;
        let seed = mix(seed, hash_bytes(path.as_bytes()));
        let inner = |name: &str, t: &SqlType, fields: &mut BTreeMap<String, String>| Generator::new(seed, &format!("{path}.{name}"), t, fields).map(Box::new);
        let items = options.length.unwrap_or(DEFAULT_ITEMS);
        let values = match &sql_type.data_type {
            DataType::Array(item) => Values::List { items: inner("element", item, fields)?, length: items },
            DataType::Map(key, value) => Values::Map { keys: inner("key", key, fields)?, values: inner("value", value, fields)?, length: items },
            DataType::Multiset(item) => {
                let counts = SqlType::not_null(DataType::Int);
                Values::Map { keys: inner("element", item, fields)?, values: inner("count", &counts, fields)?, length: items }
            }
            DataType::Row(columns) => {
                Values::Row(columns.iter().map(|c| Generator::new(seed, &format!("{path}.{}", c.name), &c.sql_type, fields)).collect::<Result<_>>()?)
            }
            _ => scalar(path, &sql_type.data_type, &options)?,
        };
        let last_row = match (options.kind, options.start, options.end) {
            (Kind::Random, _, _) => None,
            (Kind::Sequence, Some(start), Some(end)) if start <= end => Some(end.abs_diff(start)),
            _ => return Err(Error::invalid(format!("fields.{path}: a sequence needs 'start' and 'end', and start <= end"))),
        };
        Ok(Self { seed, null_rate: options.null_rate.into(), sql_type: sql_type.clone(), values, last_row })
    }

    /// The values of these rows.
    pub fn make(&self, rows: &[u64], now_ms: i64) -> Result<ArrayRef> {
        let nulls = (self.null_rate > 0.0).then(|| rows.iter().map(|r| unit(mix(self.hash(*r), 1)) >= self.null_rate).collect::<NullBuffer>());
        Ok(match &self.values {
            Values::Null => Arc::new(NullArray::new(rows.len())),
            Values::Boolean => Arc::new(BooleanArray::new(rows.iter().map(|r| self.hash(*r) & 1 == 1).collect(), nulls)),
            Values::Integer { min, max } => self.integers(rows.iter().map(|r| uniform(self.hash(*r), *min, *max)).collect(), nulls)?,
            Values::Sequence { start } => match self.sql_type.data_type {
                DataType::Char(_) | DataType::Varchar(_) => {
                    let texts: Vec<String> = rows.iter().map(|r| (i128::from(*start) + i128::from(*r)).to_string()).collect();
                    Arc::new(with_nulls(texts.iter().map(String::as_str), nulls).collect::<StringArray>())
                }
                _ => self.integers(rows.iter().map(|r| i128::from(*start) + i128::from(*r)).collect(), nulls)?,
            },
            Values::Float { min, max } => {
                let value = |r: &u64| min + unit(self.hash(*r)) * (max - min);
                match self.sql_type.data_type {
                    DataType::Float => Arc::new(PrimitiveArray::<Float32Type>::new(rows.iter().map(|r| value(r) as f32).collect(), nulls)),
                    _ => Arc::new(PrimitiveArray::<Float64Type>::new(rows.iter().map(value).collect(), nulls)),
                }
            }
            Values::Text { length, variable } => {
                let texts: Vec<String> = rows.iter().map(|r| hex_text(self.hash(*r), *length, *variable)).collect();
                Arc::new(with_nulls(texts.iter().map(String::as_str), nulls).collect::<StringArray>())
            }
            Values::Bytes { length, variable } => {
                let texts: Vec<String> = rows.iter().map(|r| hex_text(self.hash(*r), *length, *variable)).collect();
                Arc::new(with_nulls(texts.iter().map(String::as_bytes), nulls).collect::<BinaryArray>())
            }
            Values::Past { max_past_ms } => {
                let past = |r: &u64| if *max_past_ms == 0 { 0 } else { (self.hash(*r) % (max_past_ms + 1)) as i64 };
                self.moments(rows.iter().map(|r| now_ms - past(r)).collect(), nulls)?
            }
            Values::List { items, length } => {
                let field = Arc::new(Field::new("item", items.sql_type.to_arrow(), true));
                Arc::new(ListArray::try_new(field, offsets(rows.len(), *length), items.make(&inner_rows(rows, *length), now_ms)?, nulls)?)
            }
            Values::Map { keys, values, length } => {
                let ArrowType::Map(field, _) = self.sql_type.to_arrow() else { unreachable!("MAP and MULTISET are Arrow maps") };
                let ArrowType::Struct(fields) = field.data_type() else { unreachable!("a map's entries are a struct") };
                let inner = inner_rows(rows, *length);
                let entries = StructArray::try_new(fields.clone(), vec![keys.make(&inner, now_ms)?, values.make(&inner, now_ms)?], None)?;
                Arc::new(MapArray::try_new(field.clone(), offsets(rows.len(), *length), entries, nulls, false)?)
            }
            Values::Row(columns) => {
                let ArrowType::Struct(fields) = self.sql_type.to_arrow() else { unreachable!("ROW is an Arrow struct") };
                row(fields, columns.iter().map(|c| c.make(rows, now_ms)).collect::<Result<_>>()?, nulls, rows.len())?
            }
        })
    }

    fn hash(&self, row: u64) -> u64 {
        mix(mix(self.seed, row), 0x9e37_79b9_7f4a_7c15)
    }

    fn integers(&self, values: Vec<i128>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        macro_rules! array {
            ($t:ty) => {
                Arc::new(PrimitiveArray::<$t>::new(values.iter().map(|v| *v as <$t as arrow_array::ArrowPrimitiveType>::Native).collect(), nulls))
            };
        }
        Ok(match &self.sql_type.data_type {
            DataType::TinyInt => array!(Int8Type),
            DataType::SmallInt => array!(Int16Type),
            DataType::Int => array!(Int32Type),
            DataType::IntervalYearMonth(_) => array!(IntervalYearMonthType),
            DataType::IntervalDayTime(_) => array!(DurationMillisecondType),
            DataType::Float => array!(Float32Type),
            DataType::Double => array!(Float64Type),
            DataType::Decimal { precision, scale } => {
                Arc::new(PrimitiveArray::<Decimal128Type>::new(values.into(), nulls).with_precision_and_scale(*precision, *scale as i8)?)
            }
            _ => array!(Int64Type),
        })
    }

    fn moments(&self, ms: Vec<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let day = 86_400_000;
        let zone = matches!(self.sql_type.data_type, DataType::TimestampLtz(_)).then_some("UTC");
        macro_rules! timestamps {
            ($t:ty, $factor:expr) => {
                Arc::new(PrimitiveArray::<$t>::new(ms.iter().map(|v| v * $factor).collect(), nulls).with_timezone_opt(zone))
            };
        }
        Ok(match &self.sql_type.data_type {
            DataType::Date => Arc::new(PrimitiveArray::<Date32Type>::new(ms.iter().map(|v| v.div_euclid(day) as i32).collect(), nulls)),
            DataType::Time(_) => Arc::new(PrimitiveArray::<Time32MillisecondType>::new(ms.iter().map(|v| v.rem_euclid(day) as i32).collect(), nulls)),
            DataType::Timestamp(p) | DataType::TimestampLtz(p) => match timestamp_unit(*p) {
                TimeUnit::Microsecond => timestamps!(TimestampMicrosecondType, 1_000),
                TimeUnit::Nanosecond => timestamps!(TimestampNanosecondType, 1_000_000),
                _ => timestamps!(TimestampMillisecondType, 1),
            },
            other => return Err(Error::internal(format!("{other} is no moment"))),
        })
    }
}

fn scalar(path: &str, data_type: &DataType, options: &FieldOptions) -> Result<Values> {
    if options.kind == Kind::Sequence {
        let taken = data_type.is_numeric() || data_type.is_character();
        let start = options.start.unwrap_or_default();
        return taken.then_some(Values::Sequence { start }).ok_or_else(|| Error::unsupported(format!("fields.{path}: {data_type} cannot be a sequence")));
    }
    let integers = |least: i128, most: i128| {
        let (min, max) = (bound(path, "min", &options.min, least)?, bound(path, "max", &options.max, most)?);
        if min > max || min < least || max > most {
            return Err(Error::invalid(format!("fields.{path}: 'min' and 'max' must be in order and fit {data_type}")));
        }
        Ok(Values::Integer { min, max })
    };
    let floats = |most: f64| {
        let (min, max) = (bound(path, "min", &options.min, 0.0)?, bound(path, "max", &options.max, most)?);
        if min <= max { Ok(Values::Float { min, max }) } else { Err(Error::invalid(format!("fields.{path}: 'min' is above 'max'"))) }
    };
    let length =
        |fixed: u32| if fixed == brisk_core::types::MAX_LENGTH { options.length.unwrap_or(DEFAULT_LENGTH) } else { options.length.unwrap_or(fixed).min(fixed) };
    Ok(match data_type {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Boolean,
        DataType::TinyInt => integers(i8::MIN.into(), i8::MAX.into())?,
        DataType::SmallInt => integers(i16::MIN.into(), i16::MAX.into())?,
        DataType::Int | DataType::IntervalYearMonth(_) => integers(i32::MIN.into(), i32::MAX.into())?,
        DataType::BigInt | DataType::IntervalDayTime(_) => integers(i64::MIN.into(), i64::MAX.into())?,
        DataType::Float => floats(f32::MAX.into())?,
        DataType::Double => floats(f64::MAX)?,
        DataType::Decimal { precision, scale } => {
            let unscaled = 10f64.powi((*scale).into());
            let most = 10i128.pow((*precision).into()) - 1;
            let at = |name: &str, given: &Option<String>, default: i128| match given {
                Some(_) => bound(path, name, given, 0.0).map(|v| ((v * unscaled) as i128).clamp(-most, most)),
                None => Ok(default),
            };
            Values::Integer { min: at("min", &options.min, 0)?, max: at("max", &options.max, most)? }
        }
        DataType::Char(n) | DataType::Varchar(n) => Values::Text { length: length(*n), variable: options.var_len },
        DataType::Binary(n) | DataType::Varbinary(n) => Values::Bytes { length: length(*n), variable: options.var_len },
        DataType::Date | DataType::Time(_) | DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            Values::Past { max_past_ms: options.max_past.map_or(0, |t| t.0.as_millis() as u64) }
        }
        DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) | DataType::Row(_) => unreachable!("nested types are made of generators"),
    })
}

fn bound<T: std::str::FromStr>(path: &str, name: &str, given: &Option<String>, default: T) -> Result<T> {
    match given {
        None => Ok(default),
        Some(text) => text.trim().parse().map_err(|_| Error::invalid(format!("'fields.{path}.{name}' = '{text}' is not a number of the column's type"))),
    }
}

/// A number of `min..=max`.
fn uniform(hash: u64, min: i128, max: i128) -> i128 {
    let width = (max - min) as u128 + 1;
    // Wide ranges take two hashes, so that the upper digits move too.
    let wide = u128::from(hash) << 64 | u128::from(mix(hash, 2));
    let value = if width <= 1 << 64 { (u128::from(hash) * width) >> 64 } else { wide % width };
    min + value as i128
}

/// A number of `0.0..1.0`.
fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

fn hex_text(hash: u64, length: u32, variable: bool) -> String {
    let length = if variable { 1 + mix(hash, 3) % u64::from(length.max(1)) } else { length.into() };
    let mut text = String::with_capacity(length as usize + 16);
    let mut word = hash;
    while text.len() < length as usize {
        text.push_str(&format!("{word:016x}"));
        word = mix(word, 4);
    }
    text.truncate(length as usize);
    text
}

fn with_nulls<'a, T: 'a>(values: impl Iterator<Item = T> + 'a, nulls: Option<NullBuffer>) -> impl Iterator<Item = Option<T>> + 'a {
    values.enumerate().map(move |(i, v)| nulls.as_ref().is_none_or(|n| n.is_valid(i)).then_some(v))
}

fn offsets(rows: usize, length: u32) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths(std::iter::repeat_n(length as usize, rows))
}

/// Numbers for the elements of collections of `length`.
fn inner_rows(rows: &[u64], length: u32) -> Vec<u64> {
    rows.iter().flat_map(|r| (0..u64::from(length)).map(move |i| r.wrapping_mul(length.into()).wrapping_add(i))).collect()
}

fn row(fields: Fields, columns: Vec<ArrayRef>, nulls: Option<NullBuffer>, len: usize) -> Result<ArrayRef> {
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, nulls, len)?))
}
