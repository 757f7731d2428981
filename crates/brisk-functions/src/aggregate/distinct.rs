//! DISTINCT: hands a value to the aggregate behind it when the value appears in the group, and takes it back when its
//! last row goes.
//!
//! Calls over the same arguments share one set, whatever their functions and filters: a row costs one probe, not one a
//! call. The partial state is the set alone (the values, and which calls have them or how often): what the aggregates
//! behind it hold follows from the set, so slices of windows and two-phase aggregation merge sets.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_select::take::take;
use brisk_core::{Error, Result, SqlType};
use foldhash::fast::FixedState;

use super::domain::{Domain, RowDomain, with_domain};
use super::rows::{about_bytes_of_groups, array_of, bigint, bigints, common_nulls, each_row, list_range, lists};
use super::tally::{Change, Counted, Members, Plain, Views, all_views};
use super::{AggregateFunction, AggregateSignature, SharedAccumulator};
use crate::aggregate::Accumulator;
use crate::expr::Columnar;

/// One of the calls that share a set: its function and signature.
pub(super) type View<'a> = (&'a dyn AggregateFunction, &'a AggregateSignature);

/// Whether two calls over the same columns can share a set.
pub(super) fn share(a: View<'_>, b: View<'_>) -> bool {
    let same_literals = || a.1.literals.iter().zip(&b.1.literals).all(|(a, b)| a.as_ref().map(|l| l.as_ref()) == b.as_ref().map(|l| l.as_ref()));
    a.1.args == b.1.args && a.0.skips_nulls() == b.0.skips_nulls() && same_literals()
}

/// The accumulator of `function(DISTINCT ..)` for calls that [`share`] their arguments.
pub(super) fn accumulator(views: &[View<'_>], retract: bool) -> Result<Box<dyn SharedAccumulator>> {
    let Some((function, signature)) = views.first() else { return Err(Error::internal("a set that no call reads")) };
    let keys: Vec<usize> = (0..signature.args.len()).filter(|&i| signature.literals[i].is_none()).collect();
    // A constant alone is a key all the same: COUNT(DISTINCT 1).
    let keys = if keys.is_empty() { (0..signature.args.len()).collect() } else { keys };
    if keys.is_empty() {
        return Err(Error::invalid(format!("{}(DISTINCT) needs an argument", function.name())));
    }
    let types: Vec<SqlType> = keys.iter().map(|&i| signature.args[i].clone()).collect();
    let behind = |(function, signature): &View<'_>| match function.name() {
        "COUNT" => Ok(None),
        _ => function.accumulator(signature, retract).map(Some),
    };
    let behind = views.iter().map(behind).collect::<Result<Vec<_>>>()?;
    let args = signature.args.iter().zip(&signature.literals).enumerate().map(|(i, (t, literal))| argument(i, &keys, t, literal)).collect::<Result<_>>()?;
    let shape = Shape { keys, args, types, skips_nulls: function.skips_nulls() };
    let counted = retract || views.iter().any(|v| v.0.keeps_order());
    if !shape.skips_nulls {
        let domain = RowDomain::new(&shape.types)?;
        return Ok(boxed(domain, shape, behind, counted));
    }
    with_domain!(&shape.types.clone(), domain => Ok(boxed(domain, shape, behind, counted)))
}

fn boxed<D: Domain>(domain: D, shape: Shape, behind: Vec<Option<Box<dyn Accumulator>>>, counted: bool) -> Box<dyn SharedAccumulator> {
    match (counted, behind.len()) {
        (false, 1) => Distinct::<D, Plain<D, ()>>::boxed(domain, shape, behind),
        (false, _) => Distinct::<D, Plain<D, Views>>::boxed(domain, shape, behind),
        (true, 1) => Distinct::<D, Counted<D, i64>>::boxed(domain, shape, behind),
        (true, _) => Distinct::<D, Counted<D, Box<[i64]>>>::boxed(domain, shape, behind),
    }
}

/// Where the aggregates behind get their argument `index` from when a value comes out of the set.
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
    /// By view; `None` for COUNT, whose result is the number of values.
    behind: Vec<Option<Box<dyn Accumulator>>>,
    /// Whether any view has something behind it.
    passes_on: bool,
    hasher: FixedState,
    sets: Vec<M>,
    /// How many values a view of a group has: by group, then by view.
    sizes: Vec<i64>,
    /// How many values have appeared so far.
    appeared: usize,
}

/// Sets of so many values in all are larger than a cache.
const MANY_VALUES: usize = 1 << 17;
/// So many rows are looked for before they are counted: a processor waits for several places of memory at a time, but not
/// if each is only known when the one before was dealt with.
const AHEAD: usize = 16;

/// The rows that changed their sets, for one view: what the aggregate behind is told.
#[derive(Default, Clone)]
struct Changes {
    groups: Vec<u32>,
    rows: Vec<u32>,
    vanished: Vec<bool>,
}

/// Adds a change of a set to the sizes of a group's views.
#[inline(always)]
fn resized(sizes: &mut [i64], change: Change) {
    if sizes.len() == 1 {
        sizes[0] += i64::from(change.appeared) - i64::from(change.vanished);
        return;
    }
    for (view, size) in sizes.iter_mut().enumerate() {
        *size += i64::from(change.appeared >> view & 1) - i64::from(change.vanished >> view & 1);
    }
}

/// Notes a change for the views that it concerns.
fn note(changes: &mut [Changes], change: Change, group: usize, row: usize) {
    let mut views = change.appeared | change.vanished;
    while views != 0 {
        let view = views.trailing_zeros();
        views &= views - 1;
        let changes = &mut changes[view as usize];
        changes.groups.push(group as u32);
        changes.rows.push(row as u32);
        changes.vanished.push(change.vanished >> view & 1 == 1);
    }
}

impl<D: Domain, M: Members<D> + 'static> Distinct<D, M> {
    fn boxed(domain: D, shape: Shape, behind: Vec<Option<Box<dyn Accumulator>>>) -> Box<dyn SharedAccumulator> {
        let passes_on = behind.iter().any(Option::is_some);
        Box::new(Self { domain, shape, behind, passes_on, hasher: FixedState::default(), sets: Vec::new(), sizes: Vec::new(), appeared: 0 })
    }

    fn pass_on(&mut self, changes: Vec<Changes>, keys: &[ArrayRef]) -> Result<()> {
        for (behind, changes) in self.behind.iter_mut().zip(changes) {
            let Some(behind) = behind.as_mut().filter(|_| !changes.rows.is_empty()) else { continue };
            let args = self.shape.arguments(keys, &UInt32Array::from(changes.rows))?;
            let retract = changes.vanished.contains(&true).then_some(changes.vanished.as_slice());
            behind.update(&changes.groups, &args, retract)?;
        }
        Ok(())
    }
}

impl<D: Domain, M: Members<D> + 'static> SharedAccumulator for Distinct<D, M> {
    fn resize(&mut self, groups: usize) {
        self.sets.resize_with(groups, M::default);
        self.sizes.resize(groups * self.behind.len(), 0);
        self.behind.iter_mut().flatten().for_each(|b| b.resize(groups));
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], views: Option<&[Views]>, retract: Option<&[bool]>) -> Result<()> {
        let keys: Vec<ArrayRef> = self.shape.keys.iter().map(|&k| args[k].clone()).collect();
        let nulls = if self.shape.skips_nulls { common_nulls(args) } else { None };
        let batch = self.domain.batch(&keys)?;
        let all = self.behind.len();
        let every = all_views(all);
        let (sets, sizes, hasher, appeared) = (&mut self.sets, &mut self.sizes, &self.hasher, &mut self.appeared);
        let mut change = |row: usize, group: usize, added: bool| {
            if row.is_multiple_of(AHEAD) && *appeared > MANY_VALUES {
                (row..groups.len().min(row + AHEAD)).for_each(|r| sets[groups[r] as usize].touch(hasher, &batch[r]));
            }
            let views = views.map_or(every, |v| v[row]);
            if views == 0 {
                return Change::default();
            }
            let change = sets[group].change(hasher, &batch[row], views, all, if added { 1 } else { -1 });
            if change != Change::default() {
                *appeared += usize::from(change.appeared != 0);
                resized(&mut sizes[group * all..(group + 1) * all], change);
            }
            change
        };
        if !self.passes_on {
            each_row(groups, nulls.as_ref(), retract, |row, group, added| {
                change(row, group, added);
            });
            return Ok(());
        }
        let mut changes = vec![Changes::default(); all];
        each_row(groups, nulls.as_ref(), retract, |row, group, added| note(&mut changes, change(row, group, added), group, row));
        self.pass_on(changes, &keys)
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let keys: Vec<ArrayRef> = states[..self.shape.keys.len()].iter().map(|s| s.as_list::<i32>().values().clone()).collect();
        let all = self.behind.len();
        let width = M::notes(all);
        let notes = (width > 0).then(|| states[self.shape.keys.len()].as_list::<i32>());
        let noted: &[i64] = notes.map_or(&[], |n| n.values().as_primitive::<Int64Type>().values());
        let offsets = states[0].as_list::<i32>().value_offsets();
        let batch = self.domain.batch(&keys)?;
        let mut changes = vec![Changes::default(); all];
        for (row, &group) in groups.iter().enumerate() {
            let group = group as usize;
            let first_note = notes.map_or(0, |n| n.value_offsets()[row] as usize);
            for (place, element) in list_range(offsets, row).enumerate() {
                let note_of = first_note + place * width;
                let change = self.sets[group].merge(&self.hasher, &batch[element], &noted[note_of..note_of + width], all);
                self.appeared += usize::from(change.appeared != 0);
                resized(&mut self.sizes[group * all..(group + 1) * all], change);
                if self.passes_on {
                    note(&mut changes, change, group, element);
                }
            }
        }
        self.pass_on(changes, &keys)
    }

    fn values(&self, view: usize, groups: &[u32]) -> Result<ArrayRef> {
        let all = self.behind.len();
        match &self.behind[view] {
            Some(behind) => behind.values(groups),
            None => Ok(bigints(groups, |g| self.sizes[g * all + view])),
        }
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let (mut values, mut notes, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(groups.len()));
        for &group in groups {
            let before = values.len();
            self.sets[group as usize].write(&mut values, &mut notes);
            lengths.push(values.len() - before);
        }
        let columns = self.domain.columns(&values)?.into_iter();
        let mut state = columns.map(|c| lists(lengths.iter().copied(), c, None)).collect::<Result<Vec<_>>>()?;
        let width = M::notes(self.behind.len());
        if width > 0 {
            state.push(lists(lengths.iter().map(|l| l * width), std::sync::Arc::new(Int64Array::from(notes)), None)?);
        }
        Ok(state)
    }

    fn state_types(&self) -> Vec<SqlType> {
        let mut types: Vec<SqlType> = self.shape.types.iter().map(array_of).collect();
        if M::notes(self.behind.len()) > 0 {
            types.push(array_of(&bigint()));
        }
        types
    }

    fn clear(&mut self, groups: &[u32]) {
        let all = self.behind.len();
        for group in groups.iter().map(|&g| g as usize) {
            self.sets[group].clear();
            self.sizes[group * all..(group + 1) * all].fill(0);
        }
        self.behind.iter_mut().flatten().for_each(|b| b.clear(groups));
    }

    fn bytes(&self) -> usize {
        let sets = about_bytes_of_groups(&self.sets, M::bytes);
        let behind: usize = self.behind.iter().flatten().map(|b| b.bytes()).sum();
        sets + self.sets.capacity() * size_of::<M>() + self.sizes.capacity() * size_of::<i64>() + behind
    }
}
