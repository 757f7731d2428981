//! Casts of arrays, maps, multisets and rows: part by part, rows by position.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray};
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType as T, Error, Result, SqlType};

use super::{Attempt, cast_array};

pub(crate) fn cast_nested(array: &ArrayRef, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    let part = |array: &ArrayRef, from: &SqlType, to: &SqlType| cast_array(array, from, to, attempt.try_cast, attempt.context);
    let whole = || -> Result<ArrayRef> {
        match (&attempt.from.data_type, &attempt.to.data_type, attempt.to.to_arrow()) {
            (T::Array(from), T::Array(to), ArrowType::List(field)) => {
                let list = array.as_list::<i32>();
                let values = part(list.values(), from, to)?;
                Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
            }
            (T::Map(from_key, from_value), T::Map(to_key, to_value), ArrowType::Map(field, sorted)) => {
                let map = array.as_map();
                let entries = vec![part(map.keys(), from_key, to_key)?, part(map.values(), from_value, to_value)?];
                remap(array, field, entries, sorted)
            }
            (T::Multiset(from), T::Multiset(to), ArrowType::Map(field, sorted)) => {
                let map = array.as_map();
                remap(array, field, vec![part(map.keys(), from, to)?, map.values().clone()], sorted)
            }
            (T::Row(from), T::Row(to), ArrowType::Struct(fields)) if from.len() == to.len() => {
                let row = array.as_struct();
                let types = from.iter().zip(to);
                let columns = row.columns().iter().zip(types).map(|(c, (f, t))| part(c, &f.sql_type, &t.sql_type)).collect::<Result<_>>()?;
                Ok(Arc::new(StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?))
            }
            _ => refuse(attempt),
        }
    };
    if !attempt.try_cast {
        return whole();
    }
    // TRY_CAST of a nested value is NULL as a whole where a part fails, so parts are cast to fail, row by row.
    let strict = Attempt { try_cast: false, ..*attempt };
    match cast_nested(array, &strict) {
        Ok(array) => Ok(array),
        Err(_) if array.len() == 1 => Ok(arrow_array::new_null_array(&attempt.to.to_arrow(), 1)),
        Err(_) => {
            let rows = (0..array.len()).map(|i| cast_nested(&array.slice(i, 1), attempt)).collect::<Result<Vec<_>>>()?;
            let rows: Vec<&dyn Array> = rows.iter().map(|r| r.as_ref()).collect();
            Ok(arrow_select::concat::concat(&rows)?)
        }
    }
}

fn remap(array: &ArrayRef, field: Arc<arrow_schema::Field>, entries: Vec<ArrayRef>, sorted: bool) -> Result<ArrayRef> {
    let map = array.as_map();
    let ArrowType::Struct(fields) = field.data_type() else {
        return Err(Error::internal("the entries of a map are a struct"));
    };
    if entries[0].null_count() > 0 {
        return Err(Error::compute("a key of a map became NULL by a cast"));
    }
    let entries = StructArray::try_new(fields.clone(), entries, None)?;
    Ok(Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned(), sorted)?))
}

/// A cast that the binder should not have let through.
pub(crate) fn refuse<V>(attempt: &Attempt<'_>) -> Result<V> {
    Err(Error::invalid(format!("there is no cast from {} to {}", attempt.from.data_type, attempt.to.data_type)))
}
