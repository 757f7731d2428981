//! MAP_KEYS, MAP_VALUES, MAP_ENTRIES, MAP_FROM_ARRAYS, MAP_UNION.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_schema::DataType as ArrowType;
use brisk_core::{Column, DataType, Error, Result, SqlType};

use super::super::binding::{expect_count, to_common, wrong};
use super::super::builtin::Builtin;
use super::super::equality::equality;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::construct::map_array;
use super::lists::{Lists, Picks, array_of, element_type};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("MAP_KEYS", |args| bind_parts(args, |k, _| k.clone()), |call| parts(call, |m| Ok(m.keys().clone()))).safe(),
        Builtin::new("MAP_VALUES", |args| bind_parts(args, |_, v| v.clone()), |call| parts(call, |m| Ok(m.values().clone()))).safe(),
        Builtin::new("MAP_ENTRIES", |args| bind_parts(args, entry_type), entries).safe(),
        Builtin::new("MAP_FROM_ARRAYS", bind_from_arrays, from_arrays),
        Builtin::new("MAP_UNION", bind_union, union).safe(),
    ]
    .map(Builtin::shared)
    .to_vec()
}

fn map_type(args: &[Argument], index: usize) -> Result<(&SqlType, &SqlType)> {
    match &args[index].sql_type.data_type {
        DataType::Map(key, value) => Ok((key, value)),
        _ => Err(wrong(index, &args[index].sql_type, "a MAP")),
    }
}

fn bind_parts(args: &[Argument], part: fn(&SqlType, &SqlType) -> SqlType) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let (key, value) = map_type(args, 0)?;
    let map = args[0].sql_type.clone();
    let returns = array_of(part(key, value), map.nullable);
    Ok(Signature { args: vec![map], returns })
}

fn entry_type(key: &SqlType, value: &SqlType) -> SqlType {
    SqlType::not_null(DataType::Row(vec![Column::new("key", key.clone()), Column::new("value", value.clone())]))
}

/// A list for each map, over the same offsets.
fn parts(call: &Call<'_>, values: impl Fn(&arrow_array::MapArray) -> Result<ArrayRef>) -> Result<ArrayRef> {
    let map = call.args[0].values().as_map();
    let ArrowType::List(field) = call.returns.to_arrow() else {
        return Err(Error::internal("parts of a map are a list"));
    };
    Ok(Arc::new(ListArray::try_new(field, map.offsets().clone(), values(map)?, map.nulls().cloned())?))
}

fn entries(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Array(entry) = &call.returns.data_type else {
        return Err(Error::internal("MAP_ENTRIES gives an array"));
    };
    let ArrowType::Struct(fields) = entry.to_arrow() else {
        return Err(Error::internal("an entry is a row"));
    };
    parts(call, |map| Ok(Arc::new(StructArray::try_new(fields.clone(), vec![map.keys().clone(), map.values().clone()], None)?)))
}

fn bind_from_arrays(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let (key, value) = (element_type(args, 0)?.clone(), element_type(args, 1)?.clone());
    let nullable = args.iter().any(|a| a.sql_type.nullable);
    let returns = SqlType { data_type: DataType::Map(Box::new(key), Box::new(value)), nullable };
    Ok(Signature { args: args.iter().map(|a| a.sql_type.clone()).collect(), returns })
}

fn from_arrays(call: &Call<'_>) -> Result<ArrayRef> {
    let (keys, values) = (Lists::of(call, 0), Lists::of(call, 1));
    let same = equality(keys.values().as_ref(), keys.values().as_ref(), &key_type(call)?.data_type)?;
    let (mut key_picks, mut value_picks) = (Picks::default(), Picks::default());
    for row in 0..call.rows {
        let both = keys.get(row).zip(values.get(row));
        if let Some((k, v)) = both.clone() {
            if k.len() != v.len() {
                return Err(Error::compute(format!("MAP_FROM_ARRAYS of {} keys and {} values", k.len(), v.len())));
            }
            for (k, v) in k.zip(v) {
                match key_picks.current().iter().position(|&(_, known)| same(known, k)) {
                    Some(at) => value_picks.current_mut()[at] = (0, v),
                    None => {
                        key_picks.add(0, k);
                        value_picks.add(0, v);
                    }
                }
            }
        }
        key_picks.end(both.as_ref().map(|_| ()));
        value_picks.end(both.map(|_| ()));
    }
    let values = value_picks.gather(&[values.values().clone()])?;
    map_array(&key_picks, key_picks.gather(&[keys.values().clone()])?, values, call.returns)
}

fn key_type<'a>(call: &'a Call<'_>) -> Result<&'a SqlType> {
    match &call.returns.data_type {
        DataType::Map(key, _) => Ok(key),
        other => Err(Error::internal(format!("{other} is no map"))),
    }
}

fn bind_union(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    for i in 0..args.len() {
        map_type(args, i)?;
    }
    let common = to_common(args)?;
    Ok(Signature { args: args.iter().map(|a| common.with_nullable(a.sql_type.nullable)).collect(), returns: common })
}

/// A later map's value replaces that of an equal key. A map that is NULL makes the result NULL.
fn union(call: &Call<'_>) -> Result<ArrayRef> {
    let maps: Vec<Lists<'_>> = (0..call.args.len()).map(|i| Lists::of(call, i)).collect();
    let keys: Vec<ArrayRef> = maps.iter().map(|m| m.keys().clone()).collect();
    let values: Vec<ArrayRef> = maps.iter().map(|m| m.map_values().clone()).collect();
    // All keys in one array, so that one comparison serves every pair.
    let all_keys = arrow_select::concat::concat(&keys.iter().map(|k| k.as_ref()).collect::<Vec<&dyn Array>>())?;
    let starts: Vec<usize> = keys.iter().scan(0, |at, k| Some(std::mem::replace(at, *at + k.len()))).collect();
    let same = equality(all_keys.as_ref(), all_keys.as_ref(), &key_type(call)?.data_type)?;
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let merge = |picks: &mut Picks| {
            for (source, map) in maps.iter().enumerate() {
                for entry in map.get(row)? {
                    let known = picks.current().iter().position(|&(s, k)| same(starts[s] + k, starts[source] + entry));
                    match known {
                        Some(at) => picks.current_mut()[at] = (source, entry),
                        None => picks.add(source, entry),
                    }
                }
            }
            Some(())
        };
        let ended = merge(&mut picks);
        picks.end(ended);
    }
    map_array(&picks, picks.gather(&keys)?, picks.gather(&values)?, call.returns)
}
