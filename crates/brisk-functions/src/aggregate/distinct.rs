//! DISTINCT: hands a value to the aggregate behind it when the value appears in the group, and takes it back when its
//! last row goes.
//!
//! The partial state is the set alone (the values, and their counts where rows may be taken back): what the aggregate
//! behind it holds follows from the set, so slices of windows and two-phase aggregation merge sets.

use std::borrow::Borrow;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_select::take::take;
use brisk_core::{Error, Result, SqlType};
use foldhash::fast::FixedState;

use super::domain::{Domain, RowDomain, with_domain};
use super::rows::{array_of, bigint, bigints, common_nulls, each_row, list_range, lists};
use super::tally::{Change, Counted, Members, Plain};
use super::{Accumulator, AggregateFunction, AggregateSignature};
use crate::expr::Columnar;

/// The accumulator of `function(DISTINCT ..)`.
pub(super) fn accumulator(function: &dyn AggregateFunction, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
    let keys: Vec<usize> = (0..signature.args.len()).filter(|&i| signature.literals[i].is_none()).collect();
    // A constant alone is a key all the same: COUNT(DISTINCT 1).
    let keys = if keys.is_empty() { (0..signature.args.len()).collect() } else { keys };
    if keys.is_empty() {
        return Err(Error::invalid(format!("{}(DISTINCT) needs an argument", function.name())));
    }
    let types: Vec<SqlType> = keys.iter().map(|&i| signature.args[i].clone()).collect();
    let behind = match function.name() {
        "COUNT" => None,
        _ => Some(function.accumulator(signature, retract)?),
    };
    let args = signature.args.iter().zip(&signature.literals).enumerate().map(|(i, (t, literal))| argument(i, &keys, t, literal)).collect::<Result<_>>()?;
    let shape = Shape { keys, args, types, skips_nulls: function.skips_nulls() };
    let counted = retract || function.keeps_order();
    if !shape.skips_nulls {
        let domain = RowDomain::new(&shape.types)?;
        return Ok(boxed(domain, shape, behind, counted));
    }
    with_domain!(&shape.types.clone(), domain => Ok(boxed(domain, shape, behind, counted)))
}

fn boxed<D: Domain>(domain: D, shape: Shape, behind: Option<Box<dyn Accumulator>>, counted: bool) -> Box<dyn Accumulator> {
    let hasher = FixedState::default();
    if counted {
        Box::new(Distinct::<D, Counted<D>> { domain, shape, behind, hasher, sets: Vec::new() })
    } else {
        Box::new(Distinct::<D, Plain<D>> { domain, shape, behind, hasher, sets: Vec::new() })
    }
}

/// Where the aggregate behind gets its argument `index` from when a value comes out of the set.
fn argument(index: usize, keys: &[usize], sql_type: &SqlType, literal: &Option<ArrayRef>) -> Result<Source> {
    match (keys.iter().position(|&k| k == index), literal) {
        (Some(key), _) => Ok(Source::Key(key)),
        (None, Some(value)) => Ok(Source::Constant(arrow_cast::cast(value, &sql_type.to_arrow())?)),
        (None, None) => Err(Error::internal("an argument that is neither a key nor a constant")),
    }
}

enum Source {
    Key(usize),
    Constant(ArrayRef),
}

struct Shape {
    /// The arguments that make a row distinct: those that are not constant.
    keys: Vec<usize>,
    args: Vec<Source>,
    types: Vec<SqlType>,
    skips_nulls: bool,
}

impl Shape {
    /// All arguments, for the rows `rows` of the key columns.
    fn arguments(&self, keys: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
        let one = |source: &Source| match source {
            Source::Key(key) => Ok(take(&keys[*key], rows, None)?),
            Source::Constant(value) => Columnar::Scalar(value.clone()).into_array(rows.len()),
        };
        self.args.iter().map(one).collect()
    }
}

struct Distinct<D: Domain, M: Members<D>> {
    domain: D,
    shape: Shape,
    /// `None` for COUNT, whose result is the size of the set.
    behind: Option<Box<dyn Accumulator>>,
    hasher: FixedState,
    sets: Vec<M>,
}

/// The rows that changed their sets: what the aggregate behind is told.
#[derive(Default)]
struct Changes {
    groups: Vec<u32>,
    rows: Vec<u32>,
    vanished: Vec<bool>,
}

impl Changes {
    fn note(&mut self, change: Change, group: usize, row: usize) {
        if change != Change::Same {
            self.groups.push(group as u32);
            self.rows.push(row as u32);
            self.vanished.push(change == Change::Vanished);
        }
    }
}

impl<D: Domain, M: Members<D>> Distinct<D, M> {
    fn pass_on(&mut self, changes: Changes, keys: &[ArrayRef]) -> Result<()> {
        let Some(behind) = &mut self.behind else { return Ok(()) };
        if changes.rows.is_empty() {
            return Ok(());
        }
        let args = self.shape.arguments(keys, &UInt32Array::from(changes.rows))?;
        let retract = changes.vanished.contains(&true).then_some(changes.vanished.as_slice());
        behind.update(&changes.groups, &args, retract)
    }
}

impl<D: Domain, M: Members<D>> Accumulator for Distinct<D, M> {
    fn resize(&mut self, groups: usize) {
        self.sets.resize_with(groups, M::default);
        if let Some(behind) = &mut self.behind {
            behind.resize(groups);
        }
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let keys: Vec<ArrayRef> = self.shape.keys.iter().map(|&k| args[k].clone()).collect();
        let nulls = if self.shape.skips_nulls { common_nulls(args) } else { None };
        let batch = self.domain.batch(&keys)?;
        let (sets, hasher) = (&mut self.sets, &self.hasher);
        if self.behind.is_none() {
            each_row(groups, nulls.as_ref(), retract, |row, group, added| {
                sets[group].change(hasher, &batch[row], if added { 1 } else { -1 });
            });
            return Ok(());
        }
        let mut changes = Changes::default();
        each_row(groups, nulls.as_ref(), retract, |row, group, added| {
            changes.note(sets[group].change(hasher, &batch[row], if added { 1 } else { -1 }), group, row);
        });
        self.pass_on(changes, &keys)
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let keys: Vec<ArrayRef> = states[..self.shape.keys.len()].iter().map(|s| s.as_list::<i32>().values().clone()).collect();
        let counts = M::COUNTED.then(|| states[self.shape.keys.len()].as_list::<i32>().values().as_primitive::<Int64Type>().values().clone());
        let offsets = states[0].as_list::<i32>().value_offsets();
        let batch = self.domain.batch(&keys)?;
        let mut changes = Changes::default();
        for (row, &group) in groups.iter().enumerate() {
            let set = &mut self.sets[group as usize];
            for element in list_range(offsets, row) {
                let delta = counts.as_ref().map_or(1, |c| c[element]);
                changes.note(set.change(&self.hasher, &batch[element], delta), group as usize, element);
            }
        }
        self.pass_on(changes, &keys)
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        match &self.behind {
            Some(behind) => behind.values(groups),
            None => Ok(bigints(groups, |g| self.sets[g].len() as i64)),
        }
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sets: Vec<_> = groups.iter().map(|&g| self.sets[g as usize].entries()).collect();
        let lengths = || sets.iter().map(Vec::len);
        let values: Vec<Option<&D::Borrowed>> = sets.iter().flatten().map(|(v, _)| Some((*v).borrow())).collect();
        let mut state = self.domain.columns(&values)?.into_iter().map(|c| lists(lengths(), c, None)).collect::<Result<Vec<_>>>()?;
        if M::COUNTED {
            let counts: Int64Array = sets.iter().flatten().map(|(_, count)| *count).collect();
            state.push(lists(lengths(), std::sync::Arc::new(counts), None)?);
        }
        Ok(state)
    }

    fn state_types(&self) -> Vec<SqlType> {
        let mut types: Vec<SqlType> = self.shape.types.iter().map(array_of).collect();
        if M::COUNTED {
            types.push(array_of(&bigint()));
        }
        types
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.sets[g as usize].clear());
        if let Some(behind) = &mut self.behind {
            behind.clear(groups);
        }
    }

    fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(M::bytes).sum();
        sets + self.sets.capacity() * size_of::<M>() + self.behind.as_ref().map_or(0, |b| b.bytes())
    }
}
