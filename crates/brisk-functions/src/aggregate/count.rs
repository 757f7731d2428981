//! COUNT: rows, or rows without a NULL among the arguments.
//!
//! `SELECT COUNT(*), COUNT(a) FROM (VALUES (1), (CAST(NULL AS INT))) AS t(a)` gives 2 and 1.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use brisk_core::{Result, SqlType};

use super::rows::{bigint, bigints, common_nulls, each_row};
use super::shared::SharedAccumulator;
use super::tally::{Views, all_views};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct Count;

impl AggregateFunction for Count {
    fn name(&self) -> &'static str {
        "COUNT"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        Ok(bind::signature(args, bind::types(args), bigint()))
    }

    fn accumulator(&self, _: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(CountAccumulator { counts: Vec::new() }))
    }

    fn never_null(&self) -> bool {
        true
    }
}

struct CountAccumulator {
    counts: Vec<i64>,
}

impl Accumulator for CountAccumulator {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let counts = &mut self.counts;
        let add = |_, group: usize, added| counts[group] += if added { 1 } else { -1 };
        match args {
            [] => each_row(groups, None, retract, add),
            [one] => each_row(groups, one.logical_nulls().as_ref(), retract, add),
            many => each_row(groups, common_nulls(many).as_ref(), retract, add),
        }
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let counts = states[0].as_primitive::<Int64Type>().values();
        each_row(groups, None, None, |row, group, _| self.counts[group] += counts[row]);
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(bigints(groups, |g| self.counts[g]))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![bigints(groups, |g| self.counts[g])])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![bigint()]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.counts[g as usize] = 0);
    }

    fn reset(&mut self) -> bool {
        self.counts.clear();
        true
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

/// The counts of calls that differ by FILTER, those of a group side by side.
pub(super) fn shared(views: usize) -> Box<dyn SharedAccumulator> {
    Box::new(SharedCounts { views, counts: Vec::new() })
}

struct SharedCounts {
    views: usize,
    /// By group, then by view.
    counts: Vec<i64>,
}

impl SharedCounts {
    /// Goes through the rows with the number of views known to the compiler, so that a group's counts are added to at once.
    fn add<const VIEWS: usize>(&mut self, groups: &[u32], nulls: Option<&NullBuffer>, views: &[Views], retract: Option<&[bool]>) {
        let (counts, _) = self.counts.as_chunks_mut::<VIEWS>();
        each_row(groups, nulls, retract, |row, group, added| {
            let (views, sign) = (views[row], if added { 1 } else { -1 });
            for (view, count) in counts[group].iter_mut().enumerate() {
                *count += sign * i64::from(views >> view & 1);
            }
        });
    }

    fn add_many(&mut self, groups: &[u32], nulls: Option<&NullBuffer>, views: &[Views], retract: Option<&[bool]>) {
        let (counts, all) = (&mut self.counts, self.views);
        each_row(groups, nulls, retract, |row, group, added| {
            let (views, sign) = (views[row], if added { 1 } else { -1 });
            for (view, count) in counts[group * all..(group + 1) * all].iter_mut().enumerate() {
                *count += sign * i64::from(views >> view & 1);
            }
        });
    }
}

impl SharedAccumulator for SharedCounts {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups * self.views, 0);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], views: Option<&[Views]>, retract: Option<&[bool]>) -> Result<()> {
        let nulls = common_nulls(args);
        let every: Vec<Views>;
        let views = match views {
            Some(views) => views,
            None => {
                every = vec![all_views(self.views); groups.len()];
                &every
            }
        };
        match self.views {
            1 => self.add::<1>(groups, nulls.as_ref(), views, retract),
            2 => self.add::<2>(groups, nulls.as_ref(), views, retract),
            3 => self.add::<3>(groups, nulls.as_ref(), views, retract),
            4 => self.add::<4>(groups, nulls.as_ref(), views, retract),
            _ => self.add_many(groups, nulls.as_ref(), views, retract),
        }
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        for (view, state) in states.iter().enumerate() {
            let counts = state.as_primitive::<Int64Type>().values();
            each_row(groups, None, None, |row, group, _| self.counts[group * self.views + view] += counts[row]);
        }
        Ok(())
    }

    fn values(&self, view: usize, groups: &[u32]) -> Result<ArrayRef> {
        Ok(bigints(groups, |g| self.counts[g * self.views + view]))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        (0..self.views).map(|view| self.values(view, groups)).collect()
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![bigint(); self.views]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.counts[g as usize * self.views..(g as usize + 1) * self.views].fill(0));
    }

    fn reset(&mut self) -> bool {
        self.counts.clear();
        true
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
