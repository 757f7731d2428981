//! The accumulators of all aggregates of an operator, side by side over the same groups.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use brisk_core::{Column, Error, Result, SqlType};
use brisk_functions::{Accumulators, AggregateCall, CallGroup, Views, accumulators};

/// One accumulator for each group of calls that can share one. Group numbers are the operator's.
pub(crate) struct AggregateSet {
    parts: Vec<Part>,
    calls: usize,
    room: usize,
}

/// Calls with the same arguments.
struct Part {
    group: CallGroup,
    /// Positions in the rows.
    args: Vec<usize>,
    /// By view: the position of the filter in the rows.
    filters: Vec<Option<usize>>,
    /// How many state columns there are.
    width: usize,
}

impl AggregateSet {
    /// `retract`: rows may be taken back. The positions in `calls` are those of the rows given to `update`.
    pub fn new(calls: &[AggregateCall], retract: bool) -> Result<Self> {
        let part = |group: CallGroup| {
            let first = &calls[group.calls[0]];
            let (args, width) = (first.args.clone(), state_types(&group).len());
            Part { args, filters: group.calls.iter().map(|&c| calls[c].filter).collect(), width, group }
        };
        let parts = accumulators(calls, retract)?.into_iter().map(part).collect();
        Ok(Self { parts, calls: calls.len(), room: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.calls == 0
    }

    /// Makes room for groups below `groups`; never less than before.
    pub fn reserve(&mut self, groups: usize) {
        if groups <= self.room {
            return;
        }
        self.room = groups;
        for part in &mut self.parts {
            match &mut part.group.accumulators {
                Accumulators::One(a) => a.resize(groups),
                Accumulators::Shared(a) => a.resize(groups),
            }
        }
    }

    pub fn update(&mut self, groups: &[u32], rows: &RecordBatch, retract: Option<&[bool]>) -> Result<()> {
        let mut filters = Filters { rows, groups, retract, views: Vec::new(), some: Vec::new() };
        for Part { group, args, filters: wanted, .. } in &mut self.parts {
            let args: Vec<ArrayRef> = args.iter().map(|i| rows.column(*i).clone()).collect();
            match (&mut group.accumulators, wanted.as_slice()) {
                (Accumulators::Shared(a), wanted) if wanted.iter().any(Option::is_some) => a.update(groups, &args, Some(filters.views(wanted)), retract)?,
                (Accumulators::Shared(a), _) => a.update(groups, &args, None, retract)?,
                (Accumulators::One(a), [Some(filter)]) => match filters.some(*filter) {
                    None => a.update(groups, &args, retract)?,
                    Some(some) => a.update(&some.groups, &some.columns(&args)?, some.retract.as_deref())?,
                },
                (Accumulators::One(a), _) => a.update(groups, &args, retract)?,
            }
        }
        Ok(())
    }

    /// Adds states as [`AggregateSet::state`] gave them.
    pub fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let mut rest = states;
        for part in &mut self.parts {
            let (own, others) = rest.split_at(part.width);
            match &mut part.group.accumulators {
                Accumulators::One(a) => a.merge(groups, own)?,
                Accumulators::Shared(a) => a.merge(groups, own)?,
            }
            rest = others;
        }
        Ok(())
    }

    /// One column a call.
    pub fn values(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.calls];
        for CallGroup { calls, accumulators } in self.parts.iter().map(|p| &p.group) {
            for (view, &call) in calls.iter().enumerate() {
                columns[call] = Some(match accumulators {
                    Accumulators::One(a) => a.values(groups)?,
                    Accumulators::Shared(a) => a.values(view, groups)?,
                });
            }
        }
        columns.into_iter().map(|c| c.ok_or_else(|| Error::internal("an aggregate without an accumulator"))).collect()
    }

    /// The partial states, as [`state_columns`] names them.
    pub fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::new();
        for part in &self.parts {
            columns.extend(match &part.group.accumulators {
                Accumulators::One(a) => a.state(groups)?,
                Accumulators::Shared(a) => a.state(groups)?,
            });
        }
        Ok(columns)
    }

    pub fn clear(&mut self, groups: &[u32]) {
        for part in &mut self.parts {
            match &mut part.group.accumulators {
                Accumulators::One(a) => a.clear(groups),
                Accumulators::Shared(a) => a.clear(groups),
            }
        }
    }

    /// Forgets all groups and keeps their room; `false` where an accumulator cannot, then the set is of no use any more.
    pub fn reset(&mut self) -> bool {
        self.room = 0;
        self.parts.iter_mut().all(|part| match &mut part.group.accumulators {
            Accumulators::One(a) => a.reset(),
            Accumulators::Shared(a) => a.reset(),
        })
    }

    pub fn bytes(&self) -> usize {
        let bytes = |part: &Part| match &part.group.accumulators {
            Accumulators::One(a) => a.bytes(),
            Accumulators::Shared(a) => a.bytes(),
        };
        self.parts.iter().map(bytes).sum()
    }
}

fn state_types(group: &CallGroup) -> Vec<SqlType> {
    match &group.accumulators {
        Accumulators::One(a) => a.state_types(),
        Accumulators::Shared(a) => a.state_types(),
    }
}

/// The columns of the partial states of `calls`, named after the first call of each accumulator.
pub(crate) fn state_columns(calls: &[AggregateCall], retract: bool) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for group in accumulators(calls, retract)? {
        let name = &calls[group.calls[0]].name;
        columns.extend(state_types(&group).into_iter().enumerate().map(|(i, t)| Column::new(format!("{name}${i}"), t)));
    }
    Ok(columns)
}

/// The calls with their positions moved by `place`.
pub(crate) fn moved(calls: &[AggregateCall], place: impl Fn(usize) -> usize) -> Vec<AggregateCall> {
    let moved = |call: &AggregateCall| AggregateCall { args: call.args.iter().map(|a| place(*a)).collect(), filter: call.filter.map(&place), ..call.clone() };
    calls.iter().map(moved).collect()
}

/// What the filters let through of one batch, each worked out once.
struct Filters<'a> {
    rows: &'a RecordBatch,
    groups: &'a [u32],
    retract: Option<&'a [bool]>,
    views: Vec<(Vec<Option<usize>>, Vec<Views>)>,
    some: Vec<(usize, Option<SomeRows>)>,
}

/// The rows that a filter lets through.
struct SomeRows {
    groups: Vec<u32>,
    retract: Option<Vec<bool>>,
    predicate: FilterPredicate,
}

impl Filters<'_> {
    /// For every row a bit for each of the filters that it passes.
    fn views(&mut self, filters: &[Option<usize>]) -> &[Views] {
        let known = self.views.iter().position(|(f, _)| f == filters);
        let place = known.unwrap_or_else(|| {
            let unfiltered = filters.iter().enumerate().filter(|(_, f)| f.is_none()).fold(0, |bits, (view, _)| bits | 1 << view);
            let mut views: Vec<Views> = vec![unfiltered; self.groups.len()];
            for (view, filter) in filters.iter().enumerate() {
                if let Some(filter) = filter {
                    add_view(&mut views, view, &wanted(self.rows.column(*filter)));
                }
            }
            self.views.push((filters.to_vec(), views));
            self.views.len() - 1
        });
        &self.views[place].1
    }

    /// The rows that pass `filter`; `None` if all do.
    fn some(&mut self, filter: usize) -> Option<&SomeRows> {
        let known = self.some.iter().position(|(f, _)| *f == filter);
        let place = known.unwrap_or_else(|| {
            let mask = wanted(self.rows.column(filter));
            let all = mask.count_set_bits() == self.groups.len();
            self.some.push((filter, (!all).then(|| SomeRows::new(mask, self.groups, self.retract))));
            self.some.len() - 1
        });
        self.some[place].1.as_ref()
    }
}

impl SomeRows {
    fn new(mask: BooleanBuffer, groups: &[u32], retract: Option<&[bool]>) -> Self {
        let groups = mask.set_indices().map(|i| groups[i]).collect();
        let retract = retract.map(|r| mask.set_indices().map(|i| r[i]).collect());
        Self { groups, retract, predicate: FilterBuilder::new(&BooleanArray::new(mask, None)).optimize().build() }
    }

    fn columns(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        columns.iter().map(|c| Ok(self.predicate.filter(c)?)).collect()
    }
}

/// Sets the bit of `view` where `wanted` is set.
fn add_view(views: &mut [Views], view: usize, wanted: &BooleanBuffer) {
    let chunks = wanted.bit_chunks();
    for (views, word) in views.chunks_mut(64).zip(chunks.iter_padded()) {
        for (i, bits) in views.iter_mut().enumerate() {
            *bits |= ((word >> i & 1) as Views) << view;
        }
    }
}

fn wanted(filter: &ArrayRef) -> BooleanBuffer {
    let filter = filter.as_boolean();
    match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    }
}
