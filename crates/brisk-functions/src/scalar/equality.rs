//! Equality of single values of any type: what `=` over arrays, maps and rows, and the collection functions go by.
//!
//! Inside a collection NULL equals NULL, and maps do not care for the order of their entries.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;
use brisk_core::{DataType as T, Result, SqlType};

/// Whether element `i` of one array equals element `j` of the other.
pub type Equality = Box<dyn Fn(usize, usize) -> bool>;

/// Equality of the elements of two arrays of type `t`; nulls are equal.
pub fn equality(a: &dyn Array, b: &dyn Array, t: &T) -> Result<Equality> {
    let by_value = non_null(a, b, t)?;
    let (a_nulls, b_nulls) = (a.logical_nulls(), b.logical_nulls());
    if a_nulls.is_none() && b_nulls.is_none() {
        return Ok(by_value);
    }
    Ok(Box::new(move |i, j| {
        let left = a_nulls.as_ref().is_some_and(|n| n.is_null(i));
        let right = b_nulls.as_ref().is_some_and(|n| n.is_null(j));
        if left || right { left && right } else { by_value(i, j) }
    }))
}

fn non_null(a: &dyn Array, b: &dyn Array, t: &T) -> Result<Equality> {
    Ok(match t {
        T::Null => Box::new(|_, _| true),
        T::Float => {
            let (x, y) = (a.as_primitive::<Float32Type>().values().clone(), b.as_primitive::<Float32Type>().values().clone());
            Box::new(move |i, j| x[i] == y[j])
        }
        T::Double => {
            let (x, y) = (a.as_primitive::<Float64Type>().values().clone(), b.as_primitive::<Float64Type>().values().clone());
            Box::new(move |i, j| x[i] == y[j])
        }
        T::Array(item) => {
            let (x, y) = (a.as_list::<i32>(), b.as_list::<i32>());
            let items = equality(x.values().as_ref(), y.values().as_ref(), &item.data_type)?;
            let (x, y) = (x.offsets().clone(), y.offsets().clone());
            Box::new(move |i, j| {
                let (from, other, length) = (x[i] as usize, y[j] as usize, (x[i + 1] - x[i]) as usize);
                length == (y[j + 1] - y[j]) as usize && (0..length).all(|k| items(from + k, other + k))
            })
        }
        T::Map(key, value) => entries(a, b, key, &value.data_type)?,
        T::Multiset(item) => entries(a, b, item, &T::Int)?,
        T::Row(fields) => {
            let columns = a.as_struct().columns().iter().zip(b.as_struct().columns()).zip(fields);
            let parts = columns.map(|((x, y), f)| equality(x.as_ref(), y.as_ref(), &f.sql_type.data_type)).collect::<Result<Vec<_>>>()?;
            Box::new(move |i, j| parts.iter().all(|equal| equal(i, j)))
        }
        _ => {
            let compare = make_comparator(a, b, SortOptions::default())?;
            Box::new(move |i, j| compare(i, j).is_eq())
        }
    })
}

/// Maps of the same size in which every key of one has an equal entry in the other.
fn entries(a: &dyn Array, b: &dyn Array, key: &SqlType, value: &T) -> Result<Equality> {
    let (x, y) = (a.as_map(), b.as_map());
    let keys = equality(x.keys().as_ref(), y.keys().as_ref(), &key.data_type)?;
    let values = equality(x.values().as_ref(), y.values().as_ref(), value)?;
    let (x, y) = (x.offsets().clone(), y.offsets().clone());
    Ok(Box::new(move |i, j| {
        let (left, right) = (x[i] as usize..x[i + 1] as usize, y[j] as usize..y[j + 1] as usize);
        left.len() == right.len() && left.clone().all(|p| right.clone().any(|q| keys(p, q) && values(p, q)))
    }))
}

/// The order of the elements of one array: NULL before everything else unless `nulls_first` is off.
pub fn ordering(array: &ArrayRef, descending: bool, nulls_first: bool) -> Result<impl Fn(usize, usize) -> std::cmp::Ordering + use<>> {
    Ok(make_comparator(array.as_ref(), array.as_ref(), SortOptions { descending, nulls_first })?)
}
