//! Functions of several arrays: ARRAY_CONCAT, ARRAY_UNION, ARRAY_EXCEPT, ARRAY_INTERSECT. All but the first give every
//! element once, in the order of its first place. An array that is NULL makes the result NULL.

use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{DataType, Error, Result};

use super::super::binding::{expect_count, to_common};
use super::super::builtin::Builtin;
use super::super::equality::equality;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::lists::{Lists, Picks, element_type};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("ARRAY_CONCAT", |args| bind(args, 1, usize::MAX), concat),
        Builtin::new("ARRAY_UNION", |args| bind(args, 2, 2), union),
        Builtin::new("ARRAY_EXCEPT", |args| bind(args, 2, 2), |call| select(call, false)),
        Builtin::new("ARRAY_INTERSECT", |args| bind(args, 2, 2), |call| select(call, true)),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind(args: &[Argument], from: usize, to: usize) -> Result<Signature> {
    expect_count(args, from, to)?;
    for i in 0..args.len() {
        element_type(args, i)?;
    }
    let common = to_common(args)?;
    Ok(Signature { args: args.iter().map(|a| common.with_nullable(a.sql_type.nullable)).collect(), returns: common })
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let lists: Vec<Lists<'_>> = (0..call.args.len()).map(|i| Lists::of(call, i)).collect();
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let add = |picks: &mut Picks| {
            for (source, list) in lists.iter().enumerate() {
                list.get(row)?.for_each(|i| picks.add(source, i));
            }
            Some(())
        };
        let ended = add(&mut picks);
        picks.end(ended);
    }
    let sources: Vec<ArrayRef> = lists.iter().map(|l| l.values().clone()).collect();
    picks.finish(&sources, call.returns)
}

fn union(call: &Call<'_>) -> Result<ArrayRef> {
    let item = item_type(call)?;
    let (a, b) = (Lists::of(call, 0), Lists::of(call, 1));
    let aa = equality(a.values().as_ref(), a.values().as_ref(), item)?;
    let ab = equality(a.values().as_ref(), b.values().as_ref(), item)?;
    let bb = equality(b.values().as_ref(), b.values().as_ref(), item)?;
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let (Some(left), Some(right)) = (a.get(row), b.get(row)) else {
            picks.end(None);
            continue;
        };
        for i in left {
            if !picks.current().iter().any(|&(_, k)| aa(k, i)) {
                picks.add(0, i);
            }
        }
        for j in right {
            if !picks.current().iter().any(|&(source, k)| if source == 0 { ab(k, j) } else { bb(k, j) }) {
                picks.add(1, j);
            }
        }
        picks.end(Some(()));
    }
    picks.finish(&[a.values().clone(), b.values().clone()], call.returns)
}

/// The elements of the first array that are (`wanted`) or are not in the second.
fn select(call: &Call<'_>, wanted: bool) -> Result<ArrayRef> {
    let item = item_type(call)?;
    let (a, b) = (Lists::of(call, 0), Lists::of(call, 1));
    let aa = equality(a.values().as_ref(), a.values().as_ref(), item)?;
    let ab = equality(a.values().as_ref(), b.values().as_ref(), item)?;
    let mut picks = Picks::default();
    for row in 0..call.rows {
        let (Some(left), Some(right)) = (a.get(row), b.get(row)) else {
            picks.end(None);
            continue;
        };
        for i in left {
            let is_new = !picks.current().iter().any(|&(_, k)| aa(k, i));
            if is_new && right.clone().any(|j| ab(i, j)) == wanted {
                picks.add(0, i);
            }
        }
        picks.end(Some(()));
    }
    picks.finish(&[a.values().clone()], call.returns)
}

fn item_type<'a>(call: &'a Call<'_>) -> Result<&'a DataType> {
    match &call.returns.data_type {
        DataType::Array(item) => Ok(&item.data_type),
        other => Err(Error::internal(format!("{other} is no array"))),
    }
}
