//! COUNT: rows, or rows without a NULL among the arguments.
//!
//! `SELECT COUNT(*), COUNT(a) FROM (VALUES (1), (CAST(NULL AS INT))) AS t(a)` gives 2 and 1.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use brisk_core::{Result, SqlType};

use super::rows::{bigint, bigints, common_nulls, each_row};
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

    fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
