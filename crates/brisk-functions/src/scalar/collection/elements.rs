//! Functions of one array and its elements: ARRAY_APPEND, _PREPEND, _REMOVE, _CONTAINS, _POSITION, _DISTINCT, _REVERSE,
//! _SLICE, _SORT.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use brisk_core::{DataType, Error, Result, SqlType};

use super::super::binding::{Want, coerce, expect_count, wrong};
use super::super::builtin::Builtin;
use super::super::comparison::is_ordered;
use super::super::equality::{Equality, equality, ordering};
use super::super::reader::{build_booleans, build_numbers};
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::lists::{Lists, Picks, array_of, as_element, element_type};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("ARRAY_APPEND", bind_with_element, |call| extend(call, false)).safe(),
        Builtin::new("ARRAY_PREPEND", bind_with_element, |call| extend(call, true)).safe(),
        Builtin::new("ARRAY_REMOVE", |args| bind_search(args, None), remove).safe(),
        Builtin::new("ARRAY_CONTAINS", |args| bind_search(args, Some(DataType::Boolean)), contains).safe(),
        Builtin::new("ARRAY_POSITION", |args| bind_search(args, Some(DataType::Int)), position).safe(),
        Builtin::new("ARRAY_DISTINCT", bind_same, distinct).safe(),
        Builtin::new("ARRAY_REVERSE", bind_same, reverse).safe(),
        Builtin::new("ARRAY_SLICE", bind_slice, slice).safe(),
        Builtin::new("ARRAY_SORT", bind_sort, sort).safe(),
    ]
    .map(Builtin::shared)
    .to_vec()
}

fn bind_with_element(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let item = element_type(args, 0)?;
    let added = as_element(1, &args[1].sql_type, item)?;
    let element = match crate::types::common_type(&[item.clone(), added.clone()]) {
        Some(common) => common,
        None => item.with_nullable(item.nullable || added.nullable),
    };
    let array = &args[0].sql_type;
    let returns = array_of(element.clone(), array.nullable);
    Ok(Signature { args: vec![returns.clone(), element.with_nullable(added.nullable)], returns })
}

fn extend(call: &Call<'_>, in_front: bool) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let added = &call.args[1];
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let element = if added.is_scalar() { 0 } else { row };
        let ended = lists.get(row).map(|range| {
            if in_front {
                picks.add(1, element);
            }
            range.for_each(|i| picks.add(0, i));
            if !in_front {
                picks.add(1, element);
            }
        });
        picks.end(ended);
    }
    picks.finish(&[lists.values().clone(), added.values().clone()], call.returns)
}

/// An array and a value to look for. Without `returns` the result is the array's type.
fn bind_search(args: &[Argument], returns: Option<DataType>) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let array = args[0].sql_type.clone();
    let wanted = as_element(1, &args[1].sql_type, element_type(args, 0)?)?;
    let returns = match returns {
        Some(DataType::Int) => SqlType { data_type: DataType::Int, nullable: array.nullable || wanted.nullable },
        Some(data_type) => SqlType { data_type, nullable: array.nullable },
        None => array.clone(),
    };
    Ok(Signature { args: vec![array, wanted], returns })
}

/// Whether element `i` of the lists is the value that row `j` looks for; NULL finds NULL.
fn search(call: &Call<'_>, lists: &Lists<'_>) -> Result<(Equality, ArrayRef)> {
    let DataType::Array(item) = &call.arg_types[0].data_type else {
        return Err(Error::internal("a search needs an array"));
    };
    let wanted = call.array(1)?;
    Ok((equality(lists.values().as_ref(), wanted.as_ref(), &item.data_type)?, wanted))
}

fn remove(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let (same, _) = search(call, &lists)?;
    filter(call, &lists, |_, i, row| !same(i, row))
}

/// Keeps the elements that `keep` wants; it sees those of the row that are kept already.
fn filter(call: &Call<'_>, lists: &Lists<'_>, keep: impl Fn(&[(usize, usize)], usize, usize) -> bool) -> Result<ArrayRef> {
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let ended = lists.get(row).map(|range| {
            for i in range {
                if keep(picks.current(), i, row) {
                    picks.add(0, i);
                }
            }
        });
        picks.end(ended);
    }
    picks.finish(&[lists.values().clone()], call.returns)
}

fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let (same, _) = search(call, &lists)?;
    Ok(build_booleans(call.rows, |row| lists.get(row).map(|mut range| range.any(|i| same(i, row)))))
}

/// From 1; 0 where the value is not there.
fn position(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let (same, wanted) = search(call, &lists)?;
    Ok(build_numbers::<Int32Type>(call.rows, |row| {
        let mut range = lists.get(row).filter(|_| arrow_array::Array::is_valid(&wanted, row))?;
        Some(range.position(|i| same(i, row)).map_or(0, |at| at as i32 + 1))
    }))
}

fn bind_same(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    element_type(args, 0)?;
    let array = args[0].sql_type.clone();
    Ok(Signature { args: vec![array.clone()], returns: array })
}

fn distinct(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Array(item) = &call.returns.data_type else {
        return Err(Error::internal("ARRAY_DISTINCT gives an array"));
    };
    let lists = Lists::of(call, 0);
    let same = equality(lists.values().as_ref(), lists.values().as_ref(), &item.data_type)?;
    filter(call, &lists, |kept, i, _| !kept.iter().any(|&(_, k)| same(k, i)))
}

fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let ended = lists.get(row).map(|range| range.rev().for_each(|i| picks.add(0, i)));
        picks.end(ended);
    }
    picks.finish(&[lists.values().clone()], call.returns)
}

fn bind_slice(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 3)?;
    element_type(args, 0)?;
    let mut types = vec![args[0].sql_type.clone()];
    for (i, arg) in args.iter().enumerate().skip(1) {
        types.push(coerce(i, &arg.sql_type, Want::Int)?);
    }
    let nullable = types.iter().any(|t| t.nullable);
    Ok(Signature { args: types, returns: args[0].sql_type.with_nullable(nullable) })
}

/// From `start` to `end`, both included, counted from 1, or from -1 at the back.
fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let start = call.number::<Int32Type>(1);
    let end = (call.args.len() > 2).then(|| call.number::<Int32Type>(2));
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let bounds = || {
            let range = lists.get(row)?;
            let length = range.len() as i64;
            let start = i64::from(start.get(row)?);
            let end = end.as_ref().map_or(Some(length), |e| e.get(row).map(i64::from))?;
            let from = if start < 0 { start + length } else { start - 1 }.max(0);
            let to = match if end < 0 { end + length + 1 } else { end } {
                0 => 1,
                end => end.min(length),
            };
            Some((range.start, from, to))
        };
        let ended = bounds().map(|(base, from, to)| (from..to).for_each(|i| picks.add(0, base + i as usize)));
        picks.end(ended);
    }
    picks.finish(&[lists.values().clone()], call.returns)
}

fn bind_sort(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 3)?;
    let item = element_type(args, 0)?;
    if !is_ordered(&item.data_type) {
        return Err(wrong(0, &args[0].sql_type, "an ARRAY of elements that have an order"));
    }
    let mut types = vec![args[0].sql_type.clone()];
    for (i, arg) in args.iter().enumerate().skip(1) {
        types.push(coerce(i, &arg.sql_type, Want::Boolean)?);
    }
    let nullable = types.iter().any(|t| t.nullable);
    Ok(Signature { args: types, returns: args[0].sql_type.with_nullable(nullable) })
}

/// ARRAY_SORT(array [, ascending [, nulls first]]): ascending, NULLs first where it ascends.
fn sort(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let ascending = (call.args.len() > 1).then(|| call.boolean(1));
    let nulls_first = (call.args.len() > 2).then(|| call.boolean(2));
    let orders = [(false, false), (false, true), (true, false), (true, true)].map(|(descending, first)| ordering(lists.values(), descending, first));
    let [up_last, up_first, down_last, down_first] = orders;
    let orders = [up_last?, up_first?, down_last?, down_first?];
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let how = || {
            let ascending = ascending.as_ref().map_or(Some(true), |a| a.get(row))?;
            let first = nulls_first.as_ref().map_or(Some(ascending), |n| n.get(row))?;
            Some(&orders[usize::from(!ascending) * 2 + usize::from(first)])
        };
        let ended = how().and_then(|order| {
            lists.get(row)?.for_each(|i| picks.add(0, i));
            picks.current_mut().sort_by(|a, b| order(a.1, b.1));
            Some(())
        });
        picks.end(ended);
    }
    picks.finish(&[lists.values().clone()], call.returns)
}
