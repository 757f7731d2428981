//! Whether a file's columns are the table's, and their arrays as the table's types carry them.
//!
//! A column is found by its name; one that a file lacks is NULL, as in Flink. Integers may be of another width (a value
//! that does not fit is an error), FLOAT may become DOUBLE, binaries may become texts where they are UTF-8; timestamps
//! are of any unit, what is finer than the table's precision is cut off. All else must agree.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType as ArrowType, Field, Fields, TimeUnit};
use brisk_core::{DataType, Error, Result, Schema, SqlType};
use parquet::basic::Type as PhysicalType;
use parquet::schema::types::SchemaDescriptor;

use super::zone::Shift;
use crate::text::time::Unit;

/// Where each of the table's columns lies in the file; `None` for one that it lacks.
pub(super) fn find(wanted: &Schema, file: &Fields) -> Result<Vec<Option<usize>>> {
    let position = |column: &brisk_core::Column| {
        let Some((position, field)) = file.iter().enumerate().find(|(_, f)| *f.name() == column.name) else {
            return if column.sql_type.nullable { Ok(None) } else { Err(missing(&column.name)) };
        };
        check(&column.name, &column.sql_type, field.data_type())?;
        Ok(Some(position))
    };
    wanted.columns.iter().map(position).collect()
}

fn missing(path: &str) -> Error {
    Error::invalid(format!("column `{path}` is not in the file, and it is declared NOT NULL"))
}

/// Refuses a file's column whose values the table's column cannot take.
fn check(path: &str, wanted: &SqlType, file: &ArrowType) -> Result<()> {
    let fits = match (&wanted.data_type, file) {
        (DataType::Boolean, ArrowType::Boolean) => true,
        (t, f) if t.is_integer() => f.is_integer(),
        (DataType::Float, ArrowType::Float32) => true,
        (DataType::Double, ArrowType::Float32 | ArrowType::Float64) => true,
        (DataType::Decimal { precision, scale }, ArrowType::Decimal128(p, s)) => p <= precision && *s == *scale as i8,
        (t, f) if t.is_character() || t.is_binary() => matches!(f, ArrowType::Utf8 | ArrowType::Binary | ArrowType::FixedSizeBinary(_)),
        (DataType::Date, ArrowType::Date32) => true,
        (DataType::Time(_), ArrowType::Time32(_) | ArrowType::Time64(_)) => true,
        (t, ArrowType::Timestamp(_, _)) if t.is_timestamp() => true,
        (DataType::Array(item), ArrowType::List(field)) => return check(&format!("{path}.element"), item, field.data_type()),
        (DataType::Map(key, value), ArrowType::Map(entries, _)) => return check_map(path, key, value, entries),
        (DataType::Multiset(item), ArrowType::Map(entries, _)) => return check_map(path, item, &SqlType::not_null(DataType::Int), entries),
        (DataType::Row(columns), ArrowType::Struct(fields)) => {
            return columns.iter().try_for_each(|column| {
                let path = format!("{path}.{}", column.name);
                match fields.iter().find(|f| *f.name() == column.name) {
                    Some(field) => check(&path, &column.sql_type, field.data_type()),
                    None if column.sql_type.nullable => Ok(()),
                    None => Err(missing(&path)),
                }
            });
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(Error::invalid(format!("column `{path}` is {} in the file, which is no {}", shown(file), wanted.data_type))) }
}

fn check_map(path: &str, key: &SqlType, value: &SqlType, entries: &Field) -> Result<()> {
    let ArrowType::Struct(fields) = entries.data_type() else { return Err(Error::corrupt(format!("column `{path}`: a map without entries"))) };
    check(&format!("{path}.key"), key, fields[0].data_type())?;
    check(&format!("{path}.value"), value, fields[1].data_type())
}

/// A file's type in words of SQL.
fn shown(file: &ArrowType) -> String {
    match file {
        ArrowType::Boolean => "BOOLEAN".into(),
        ArrowType::Int8 => "TINYINT".into(),
        ArrowType::Int16 => "SMALLINT".into(),
        ArrowType::Int32 => "INT".into(),
        ArrowType::Int64 => "BIGINT".into(),
        ArrowType::Float32 => "FLOAT".into(),
        ArrowType::Float64 => "DOUBLE".into(),
        ArrowType::Decimal128(p, s) | ArrowType::Decimal256(p, s) => format!("DECIMAL({p}, {s})"),
        ArrowType::Utf8 => "STRING".into(),
        ArrowType::Binary => "BYTES".into(),
        ArrowType::Date32 => "DATE".into(),
        ArrowType::Time32(_) | ArrowType::Time64(_) => "TIME".into(),
        ArrowType::Timestamp(_, _) => "TIMESTAMP".into(),
        ArrowType::List(_) => "ARRAY".into(),
        ArrowType::Map(_, _) => "MAP".into(),
        ArrowType::Struct(_) => "ROW".into(),
        other => other.to_string(),
    }
}

/// The file's schema with INT96 timestamps in the table's unit, whose range nanoseconds would not reach; `None` where
/// there are none.
pub(super) fn with_int96_units(wanted: &Schema, file: &Fields, descriptor: &SchemaDescriptor) -> Option<Fields> {
    let (mut leaf, mut found) = (0, false);
    let fields = file
        .iter()
        .map(|field| {
            let column = wanted.columns.iter().find(|c| c.name == *field.name());
            Arc::new(field.as_ref().clone().with_data_type(int96_unit(column.map(|c| &c.sql_type), field.data_type(), descriptor, &mut leaf, &mut found)))
        })
        .collect();
    found.then_some(fields)
}

fn int96_unit(wanted: Option<&SqlType>, file: &ArrowType, descriptor: &SchemaDescriptor, leaf: &mut usize, found: &mut bool) -> ArrowType {
    let mut inner =
        |wanted: Option<&SqlType>, field: &Field| Arc::new(field.clone().with_data_type(int96_unit(wanted, field.data_type(), descriptor, leaf, found)));
    let wanted = wanted.map(|w| &w.data_type);
    match file {
        ArrowType::List(item) => {
            let wanted = if let Some(DataType::Array(wanted)) = wanted { Some(wanted.as_ref()) } else { None };
            ArrowType::List(inner(wanted, item))
        }
        ArrowType::Map(entries, sorted) => {
            let ArrowType::Struct(fields) = entries.data_type() else { return file.clone() };
            let (key, value) = match wanted {
                Some(DataType::Map(key, value)) => (Some(key.as_ref()), Some(value.as_ref())),
                Some(DataType::Multiset(item)) => (Some(item.as_ref()), None),
                _ => (None, None),
            };
            let fields = Fields::from(vec![inner(key, &fields[0]), inner(value, &fields[1])]);
            ArrowType::Map(Arc::new(entries.as_ref().clone().with_data_type(ArrowType::Struct(fields))), *sorted)
        }
        ArrowType::Struct(fields) => {
            let column = |name: &str| match wanted {
                Some(DataType::Row(columns)) => columns.iter().find(|c| c.name == name).map(|c| &c.sql_type),
                _ => None,
            };
            ArrowType::Struct(fields.iter().map(|f| inner(column(f.name()), f)).collect())
        }
        _ => {
            let physical = descriptor.column(*leaf).physical_type();
            *leaf += 1;
            let unit = match wanted.map(DataType::to_arrow) {
                Some(ArrowType::Timestamp(unit, _)) => unit,
                _ => TimeUnit::Millisecond,
            };
            if physical != PhysicalType::INT96 || unit == TimeUnit::Nanosecond {
                return file.clone();
            }
            *found = true;
            ArrowType::Timestamp(unit, None)
        }
    }
}

/// A file's array, which [`find`] has let pass, as the table's type carries it.
pub(super) fn to_table(array: &ArrayRef, wanted: &SqlType, shift: Shift) -> Result<ArrayRef> {
    let target = wanted.to_arrow();
    match (&wanted.data_type, &target) {
        (_, ArrowType::Timestamp(unit, zone)) => {
            timestamps(array, Unit::of(*unit), zone.is_some(), |value, per_second| shift.to_local(value, per_second), shift)
        }
        (DataType::Array(item), ArrowType::List(field)) => {
            let list = array.as_list::<i32>();
            let items = to_table(list.values(), item, shift)?;
            Ok(Arc::new(ListArray::try_new(field.clone(), list.offsets().clone(), items, list.nulls().cloned())?))
        }
        (DataType::Map(key, value), ArrowType::Map(entries, _)) => map_to_table(array, key, value, entries, shift),
        (DataType::Multiset(item), ArrowType::Map(entries, _)) => map_to_table(array, item, &SqlType::not_null(DataType::Int), entries, shift),
        (DataType::Row(columns), ArrowType::Struct(fields)) => {
            let row = array.as_struct();
            let column = |c: &brisk_core::Column| match row.column_by_name(&c.name) {
                Some(array) => to_table(array, &c.sql_type, shift),
                None => Ok(new_null_array(&c.sql_type.to_arrow(), row.len())),
            };
            let columns = columns.iter().map(column).collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, row.nulls().cloned(), row.len())?))
        }
        _ if *array.data_type() == target => Ok(array.clone()),
        _ => Ok(cast_with_options(array, &target, &CastOptions { safe: false, ..CastOptions::default() })?),
    }
}

fn map_to_table(array: &ArrayRef, key: &SqlType, value: &SqlType, entries: &Arc<Field>, shift: Shift) -> Result<ArrayRef> {
    let map = array.as_map();
    let ArrowType::Struct(fields) = entries.data_type() else { return Err(Error::internal("a map's entries are a struct")) };
    let columns = vec![to_table(map.keys(), key, shift)?, to_table(map.values(), value, shift)?];
    let rows = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(MapArray::try_new(entries.clone(), map.offsets().clone(), rows, map.nulls().cloned(), false)?))
}

/// A table's array as it is written: timestamps in `unit`, shifted, at any depth.
pub(super) fn to_file(array: &ArrayRef, unit: Unit, shift: Shift) -> Result<ArrayRef> {
    match array.data_type() {
        ArrowType::Timestamp(_, zone) => timestamps(array, unit, zone.is_some(), |value, per_second| shift.to_instant(value, per_second), shift),
        ArrowType::List(item) => {
            let list = array.as_list::<i32>();
            let items = to_file(list.values(), unit, shift)?;
            let item = Arc::new(item.as_ref().clone().with_data_type(items.data_type().clone()));
            Ok(Arc::new(ListArray::try_new(item, list.offsets().clone(), items, list.nulls().cloned())?))
        }
        ArrowType::Map(entries, sorted) => {
            let map = array.as_map();
            let rows: ArrayRef = Arc::new(map.entries().clone());
            let rows = to_file(&rows, unit, shift)?;
            let entries = Arc::new(entries.as_ref().clone().with_data_type(rows.data_type().clone()));
            Ok(Arc::new(MapArray::try_new(entries, map.offsets().clone(), rows.as_struct().clone(), map.nulls().cloned(), *sorted)?))
        }
        ArrowType::Struct(fields) => {
            let row = array.as_struct();
            let columns = row.columns().iter().map(|c| to_file(c, unit, shift)).collect::<Result<Vec<_>>>()?;
            let fields: Fields = fields.iter().zip(&columns).map(|(f, c)| f.as_ref().clone().with_data_type(c.data_type().clone())).collect();
            Ok(Arc::new(StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?))
        }
        _ => Ok(array.clone()),
    }
}

/// Timestamps in another unit; what is finer is cut off.
fn timestamps(array: &ArrayRef, to: Unit, zoned: bool, convert: impl Fn(i64, i64) -> i64, shift: Shift) -> Result<ArrayRef> {
    let ArrowType::Timestamp(unit, zone) = array.data_type() else { return Err(Error::internal("timestamps were expected")) };
    let from = Unit::of(*unit);
    if from == to && shift.is_none() && zone.as_deref() == zoned.then_some("UTC") {
        return Ok(array.clone());
    }
    let values: &[i64] = match from {
        Unit::Milli => array.as_primitive::<TimestampMillisecondType>().values(),
        Unit::Micro => array.as_primitive::<TimestampMicrosecondType>().values(),
        Unit::Nano => array.as_primitive::<TimestampNanosecondType>().values(),
    };
    let (divisor, factor) = ((to.nanos() / from.nanos()).max(1), (from.nanos() / to.nanos()).max(1));
    let per_second = 1_000_000_000 / from.nanos();
    let nulls = array.nulls();
    let beyond = || Error::invalid("a timestamp is beyond the range of its unit");
    let one = |(row, value): (usize, &i64)| {
        if nulls.is_some_and(|n| n.is_null(row)) {
            return Ok(0);
        }
        let value = if shift.is_none() { *value } else { convert(*value, per_second) };
        if divisor > 1 { Ok(value.div_euclid(divisor)) } else { value.checked_mul(factor).ok_or_else(beyond) }
    };
    let values: Vec<i64> = match divisor {
        // Divided by a constant, which is a multiplication.
        1_000 if shift.is_none() => values.iter().map(|value| value.div_euclid(1_000)).collect(),
        1_000_000 if shift.is_none() => values.iter().map(|value| value.div_euclid(1_000_000)).collect(),
        _ => values.iter().enumerate().map(one).collect::<Result<_>>()?,
    };
    let (values, nulls) = (values.into(), nulls.cloned());
    let zone: Option<Arc<str>> = zoned.then(|| "UTC".into());
    Ok(match to {
        Unit::Milli => Arc::new(arrow_array::PrimitiveArray::<TimestampMillisecondType>::new(values, nulls).with_timezone_opt(zone)),
        Unit::Micro => Arc::new(arrow_array::PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls).with_timezone_opt(zone)),
        Unit::Nano => Arc::new(arrow_array::PrimitiveArray::<TimestampNanosecondType>::new(values, nulls).with_timezone_opt(zone)),
    })
}
