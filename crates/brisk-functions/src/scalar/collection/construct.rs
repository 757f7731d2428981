//! `ARRAY[..]`, `MAP[k, v, ..]`, `MULTISET[..]`, `ROW(..)`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, ListArray, MapArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType as ArrowType;
use arrow_select::interleave::interleave;
use brisk_core::{Column, DataType, Error, Result, SqlType};

use super::super::binding::{expect_count, no_common, to_common};
use super::super::builtin::Builtin;
use super::super::equality::equality;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::lists::{Picks, array_of};
use crate::types::common_type;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("ARRAY", bind_array, array).safe(),
        Builtin::new("MAP", bind_map, map),
        Builtin::new("MULTISET", bind_multiset, multiset),
        Builtin::new("ROW", bind_row, row).safe(),
    ]
    .map(Builtin::shared)
    .to_vec()
}

fn bind_array(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    let item = typed(to_common(args)?)?;
    Ok(Signature { args: each_as(args, &item), returns: array_of(item, false) })
}

fn bind_map(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, usize::MAX)?;
    if args.len() % 2 == 1 {
        return Err(Error::invalid("needs a value for every key"));
    }
    let every_second = |from: usize| -> Result<SqlType> {
        let types: Vec<SqlType> = args.iter().skip(from).step_by(2).map(|a| a.sql_type.clone()).collect();
        typed(common_type(&types).ok_or_else(|| no_common(&types))?)
    };
    let (key, value) = (every_second(0)?, every_second(1)?);
    let types = args.iter().enumerate().map(|(i, a)| if i % 2 == 0 { as_part(a, &key) } else { as_part(a, &value) }).collect();
    Ok(Signature { args: types, returns: SqlType::not_null(DataType::Map(Box::new(key), Box::new(value))) })
}

fn bind_multiset(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    let item = typed(to_common(args)?)?;
    Ok(Signature { args: each_as(args, &item), returns: SqlType::not_null(DataType::Multiset(Box::new(item))) })
}

fn bind_row(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    if args.iter().any(|a| a.sql_type.data_type == DataType::Null) {
        return Err(Error::invalid("the type of NULL is not known here").with_remedy("CAST it"));
    }
    let fields = args.iter().enumerate().map(|(i, a)| Column::new(format!("EXPR${i}"), a.sql_type.clone())).collect();
    Ok(Signature { args: args.iter().map(|a| a.sql_type.clone()).collect(), returns: SqlType::not_null(DataType::Row(fields)) })
}

fn typed(t: SqlType) -> Result<SqlType> {
    if t.data_type == DataType::Null {
        return Err(Error::invalid("the type of NULL is not known here").with_remedy("CAST it"));
    }
    Ok(t)
}

fn each_as(args: &[Argument], part: &SqlType) -> Vec<SqlType> {
    args.iter().map(|a| as_part(a, part)).collect()
}

fn as_part(arg: &Argument, part: &SqlType) -> SqlType {
    part.with_nullable(arg.sql_type.nullable || arg.sql_type.data_type == DataType::Null)
}

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let ArrowType::List(field) = call.returns.to_arrow() else {
        return Err(Error::internal("ARRAY gives a list"));
    };
    let values = woven(call, 0, 1)?;
    let width = call.args.len();
    let offsets = OffsetBuffer::from_repeated_length(width, call.rows);
    Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
}

/// The arguments `from`, `from + step`, .. of row 0, then those of row 1, and so on.
fn woven(call: &Call<'_>, from: usize, step: usize) -> Result<ArrayRef> {
    let parts: Vec<_> = call.args.iter().skip(from).step_by(step).collect();
    let sources: Vec<&dyn Array> = parts.iter().map(|p| p.values().as_ref()).collect();
    let mut places = Vec::with_capacity(call.rows * parts.len());
    for row in 0..call.rows {
        places.extend(parts.iter().enumerate().map(|(i, p)| (i, if p.is_scalar() { 0 } else { row })));
    }
    Ok(interleave(&sources, &places)?)
}

fn map(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Map(key, _) = &call.returns.data_type else {
        return Err(Error::internal("MAP gives a map"));
    };
    let (keys, values) = (woven(call, 0, 2)?, woven(call, 1, 2)?);
    let width = call.args.len() / 2;
    let same = equality(keys.as_ref(), keys.as_ref(), &key.data_type)?;
    let mut picks = Picks::default();
    for row in 0..call.rows {
        for entry in row * width..(row + 1) * width {
            // A later value replaces that of an equal key.
            match picks.current().iter().position(|&(_, k)| same(k, entry)) {
                Some(at) => picks.current_mut()[at] = (0, entry),
                None => picks.add(0, entry),
            }
        }
        picks.end(Some(()));
    }
    map_array(&picks, picks.gather(&[keys])?, picks.gather(&[values])?, call.returns)
}

/// A map of the type `returns` with the rows of `picks`.
pub(super) fn map_array(picks: &Picks, keys: ArrayRef, values: ArrayRef, returns: &SqlType) -> Result<ArrayRef> {
    let ArrowType::Map(field, sorted) = returns.to_arrow() else {
        return Err(Error::internal(format!("{returns} is no map")));
    };
    let ArrowType::Struct(fields) = field.data_type().clone() else {
        return Err(Error::internal("the entries of a map are a struct"));
    };
    if keys.logical_null_count() > 0 {
        return Err(Error::compute("a key of a map is NULL"));
    }
    let entries = StructArray::try_new(fields, vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(field, picks.offsets(), entries, picks.nulls(), sorted)?))
}

fn multiset(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Multiset(item) = &call.returns.data_type else {
        return Err(Error::internal("MULTISET gives a multiset"));
    };
    let items = woven(call, 0, 1)?;
    let width = call.args.len();
    let same = equality(items.as_ref(), items.as_ref(), &item.data_type)?;
    let mut picks = Picks::default();
    let mut counts: Vec<i32> = Vec::new();
    for row in 0..call.rows {
        let start = counts.len();
        for element in row * width..(row + 1) * width {
            match picks.current().iter().position(|&(_, k)| same(k, element)) {
                Some(at) => counts[start + at] += 1,
                None => {
                    picks.add(0, element);
                    counts.push(1);
                }
            }
        }
        picks.end(Some(()));
    }
    map_array(&picks, picks.gather(&[items])?, Arc::new(Int32Array::from(counts)), call.returns)
}

fn row(call: &Call<'_>) -> Result<ArrayRef> {
    let ArrowType::Struct(fields) = call.returns.to_arrow() else {
        return Err(Error::internal("ROW gives a row"));
    };
    let columns = (0..call.args.len()).map(|i| call.array(i)).collect::<Result<_>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, call.rows)?))
}
