//! UNNEST: a row for each element of an ARRAY or MULTISET (a repeated element of a multiset as often as it is in it), or for
//! each entry of a MAP.
//!
//! An element that is a ROW becomes its fields; any other is a column `f0`, and a map's entries are `f0` and `f1`.
//! NULL and empty collections give no rows.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::take::take;
use brisk_core::{Column, DataType, Error, Result, Schema, SqlType};

use super::TableFunction;
use crate::scalar::Argument;

#[derive(Debug)]
pub struct Unnest;

impl TableFunction for Unnest {
    fn name(&self) -> &'static str {
        "UNNEST"
    }

    fn bind(&self, args: &[Argument]) -> Result<Schema> {
        let [arg] = args else { return Err(Error::invalid("UNNEST takes one collection")) };
        match &arg.sql_type.data_type {
            DataType::Array(item) | DataType::Multiset(item) => Ok(element_columns(item)),
            DataType::Map(key, value) => Ok(Schema::new(vec![Column::new("f0", (**key).clone()), Column::new("f1", (**value).clone())])),
            other => Err(Error::invalid(format!("UNNEST takes an ARRAY, a MAP or a MULTISET, not {other}"))),
        }
    }

    fn evaluate(&self, args: &[ArrayRef], returns: &Schema, rows: usize) -> Result<(UInt32Array, Vec<ArrayRef>)> {
        let collection = &args[0];
        if let Some(list) = collection.as_list_opt::<i32>() {
            let (parents, elements) = positions(collection, list.value_offsets(), rows, |_| 1);
            let elements = take(list.values(), &elements, None)?;
            return Ok((parents, columns(&elements, returns)));
        }
        let map = collection.as_map();
        let (keys, values) = (map.keys(), map.values());
        if is_map_of(returns, map.keys(), map.values()) {
            let (parents, elements) = positions(collection, map.value_offsets(), rows, |_| 1);
            return Ok((parents, vec![take(keys, &elements, None)?, take(values, &elements, None)?]));
        }
        let counts = values.as_primitive::<Int32Type>();
        let (parents, elements) = positions(collection, map.value_offsets(), rows, |element| counts.value(element).max(0) as usize);
        Ok((parents, columns(&take(keys, &elements, None)?, returns)))
    }
}

/// For each output row its input row, and its element among those of all rows.
fn positions(collection: &ArrayRef, offsets: &[i32], rows: usize, times: impl Fn(usize) -> usize) -> (UInt32Array, UInt32Array) {
    let (mut parents, mut elements) = (Vec::new(), Vec::new());
    for row in (0..rows).filter(|&row| collection.is_valid(row)) {
        for element in offsets[row] as usize..offsets[row + 1] as usize {
            for _ in 0..times(element) {
                parents.push(row as u32);
                elements.push(element as u32);
            }
        }
    }
    (parents.into(), elements.into())
}

/// Whether the result's columns are a map's key and value, and not the elements of a multiset, which is carried as a
/// map from element to count. A multiset of rows of two fields is told by its keys, which are rows.
fn is_map_of(returns: &Schema, keys: &ArrayRef, values: &ArrayRef) -> bool {
    match returns.columns.as_slice() {
        [key, value] => key.sql_type.to_arrow() == *keys.data_type() && value.sql_type.to_arrow() == *values.data_type(),
        _ => false,
    }
}

/// The columns of elements: the fields of a row, which are null where the row is, or the element itself.
fn columns(elements: &ArrayRef, returns: &Schema) -> Vec<ArrayRef> {
    let is_row = matches!(elements.data_type(), arrow_schema::DataType::Struct(_));
    if !is_row || returns.columns.first().is_some_and(|c| c.sql_type.to_arrow() == *elements.data_type()) {
        return vec![elements.clone()];
    }
    let row = elements.as_struct();
    let with_nulls = |column: &ArrayRef| match row.nulls() {
        None => column.clone(),
        Some(nulls) => {
            let nulls = arrow_buffer::NullBuffer::union(Some(nulls), column.nulls());
            let data = column.to_data().into_builder().nulls(nulls).build();
            // A type without nulls of its own (NULL) stays as it is.
            data.map_or_else(|_| column.clone(), arrow_array::make_array)
        }
    };
    row.columns().iter().map(with_nulls).collect()
}

fn element_columns(item: &SqlType) -> Schema {
    match &item.data_type {
        DataType::Row(fields) => {
            let nullable = |c: &Column| Column::new(&c.name, c.sql_type.with_nullable(c.sql_type.nullable || item.nullable));
            Schema::new(fields.iter().map(nullable).collect())
        }
        _ => Schema::new(vec![Column::new("f0", item.clone())]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder};

    use super::*;

    #[track_caller]
    fn check(array: ArrayRef, data_type: DataType, parents: &[u32], expected: &[&str]) {
        let argument = Argument { sql_type: SqlType::nullable(data_type), literal: None };
        let schema = Unnest.bind(&[argument]).unwrap();
        let rows = array.len();
        let (found, columns) = Unnest.evaluate(&[array], &schema, rows).unwrap();
        assert_eq!(found.values(), parents);
        let text = |row: usize| {
            let cells: Vec<String> = columns.iter().map(|c| arrow_cast::display::array_value_to_string(c, row).unwrap()).collect();
            cells.join(" ")
        };
        assert_eq!((0..found.len()).map(text).collect::<Vec<_>>(), expected);
    }

    fn map() -> ArrayRef {
        let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
        let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), Int32Builder::new());
        for (key, count) in [("a", 2), ("b", 1)] {
            builder.keys().append_value(key);
            builder.values().append_value(count);
        }
        builder.append(true).unwrap();
        builder.append(false).unwrap();
        Arc::new(builder.finish())
    }

    #[test]
    fn collections_become_rows() {
        let mut list = ListBuilder::new(Int32Builder::new());
        list.append_value([Some(1), None]);
        list.append_null();
        list.append_value([]);
        list.append_value([Some(3)]);
        let int = || Box::new(SqlType::nullable(DataType::Int));
        let text = || Box::new(SqlType::not_null(DataType::STRING));
        check(Arc::new(list.finish()), DataType::Array(int()), &[0, 0, 3], &["1", "", "3"]);
        check(map(), DataType::Map(text(), int()), &[0, 0], &["a 2", "b 1"]);
        check(map(), DataType::Multiset(text()), &[0, 0, 0], &["a", "a", "b"]);
    }
}
