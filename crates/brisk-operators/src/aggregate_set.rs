//! The accumulators of all aggregates of an operator, side by side over the same groups.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use brisk_core::{Column, Result, SqlType};
use brisk_functions::{Accumulator, AggregateCall};

/// One accumulator a call. Group numbers are the operator's.
pub(crate) struct AggregateSet {
    calls: Vec<AggregateCall>,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// How many state columns each call has.
    widths: Vec<usize>,
    room: usize,
}

impl AggregateSet {
    /// `retract`: rows may be taken back. The positions in `calls` are those of the rows given to `update`.
    pub fn new(calls: &[AggregateCall], retract: bool) -> Result<Self> {
        let accumulators = calls.iter().map(|c| c.accumulator(retract)).collect::<Result<Vec<_>>>()?;
        let widths = accumulators.iter().map(|a| a.state_types().len()).collect();
        Ok(Self { calls: calls.to_vec(), accumulators, widths, room: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Makes room for groups below `groups`; never less than before.
    pub fn reserve(&mut self, groups: usize) {
        if groups > self.room {
            self.room = groups;
            self.accumulators.iter_mut().for_each(|a| a.resize(groups));
        }
    }

    pub fn update(&mut self, groups: &[u32], rows: &RecordBatch, retract: Option<&[bool]>) -> Result<()> {
        for (call, accumulator) in self.calls.iter().zip(&mut self.accumulators) {
            let args: Vec<ArrayRef> = call.args.iter().map(|i| rows.column(*i).clone()).collect();
            match call.filter.map(|f| wanted(rows.column(f))) {
                Some(mask) if mask.count_set_bits() < groups.len() => update_some(accumulator.as_mut(), mask, groups, &args, retract)?,
                _ => accumulator.update(groups, &args, retract)?,
            }
        }
        Ok(())
    }

    /// Adds states as [`AggregateSet::state`] gave them.
    pub fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let mut rest = states;
        for (accumulator, width) in self.accumulators.iter_mut().zip(&self.widths) {
            let (own, others) = rest.split_at(*width);
            accumulator.merge(groups, own)?;
            rest = others;
        }
        Ok(())
    }

    /// One column a call.
    pub fn values(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.accumulators.iter().map(|a| a.values(groups)).collect()
    }

    /// The partial states: the state columns of every call.
    pub fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::new();
        for accumulator in &self.accumulators {
            columns.extend(accumulator.state(groups)?);
        }
        Ok(columns)
    }

    pub fn clear(&mut self, groups: &[u32]) {
        self.accumulators.iter_mut().for_each(|a| a.clear(groups));
    }

    pub fn bytes(&self) -> usize {
        self.accumulators.iter().map(|a| a.bytes()).sum()
    }
}

/// The columns of the partial states of `calls`, named after them.
pub(crate) fn state_columns(calls: &[AggregateCall], retract: bool) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for call in calls {
        let types: Vec<SqlType> = call.accumulator(retract)?.state_types();
        columns.extend(types.into_iter().enumerate().map(|(i, t)| Column::new(format!("{}${i}", call.name), t)));
    }
    Ok(columns)
}

/// The calls with their positions moved by `place`.
pub(crate) fn moved(calls: &[AggregateCall], place: impl Fn(usize) -> usize) -> Vec<AggregateCall> {
    let moved = |call: &AggregateCall| AggregateCall { args: call.args.iter().map(|a| place(*a)).collect(), filter: call.filter.map(&place), ..call.clone() };
    calls.iter().map(moved).collect()
}

fn wanted(filter: &ArrayRef) -> BooleanBuffer {
    let filter = filter.as_boolean();
    match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    }
}

fn update_some(accumulator: &mut dyn Accumulator, mask: BooleanBuffer, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
    let rows: Vec<usize> = mask.set_indices().collect();
    let groups: Vec<u32> = rows.iter().map(|i| groups[*i]).collect();
    let retract: Option<Vec<bool>> = retract.map(|r| rows.iter().map(|i| r[*i]).collect());
    let predicate: FilterPredicate = FilterBuilder::new(&BooleanArray::new(mask, None)).optimize().build();
    let args = args.iter().map(|a| Ok(predicate.filter(a)?)).collect::<Result<Vec<ArrayRef>>>()?;
    accumulator.update(&groups, &args, retract.as_deref())
}
