//! SINGLE_VALUE: the value of the only row of a scalar subquery; a second row is an error.

use std::borrow::Borrow;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use brisk_core::{Error, Result, SqlType};

use super::domain::{Domain, with_domain};
use super::rows::{about_bytes_of_groups, bigint, bigints, each_row};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct SingleValue;

impl AggregateFunction for SingleValue {
    fn name(&self) -> &'static str {
        "SINGLE_VALUE"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let arg = bind::single("SINGLE_VALUE", args, "'SINGLE_VALUE(<ANY>)'", |_| true)?;
        Ok(bind::signature(args, vec![arg.clone()], arg.clone()))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        let sql_type = signature.args[0].clone();
        let types = [sql_type.clone()];
        with_domain!(&types, domain => Ok(Box::new(SingleAccumulator { domain, sql_type, groups: Vec::new() })))
    }

    fn skips_nulls(&self) -> bool {
        false
    }
}

struct SingleAccumulator<D: Domain> {
    domain: D,
    sql_type: SqlType,
    groups: Vec<Group<D::Owned>>,
}

#[derive(Clone)]
struct Group<V> {
    value: Option<V>,
    rows: i64,
}

impl<V> Default for Group<V> {
    fn default() -> Self {
        Self { value: None, rows: 0 }
    }
}

impl<D: Domain> SingleAccumulator<D> {
    /// Adds `count(row)` rows (1, 0 or -1) of each value.
    fn change(&mut self, groups: &[u32], column: &ArrayRef, count: impl Fn(usize) -> i64) -> Result<()> {
        let batch = self.domain.batch(std::slice::from_ref(column))?;
        let nulls = column.logical_nulls();
        let kept = &mut self.groups;
        let mut too_many = false;
        each_row(groups, None, None, |row, group, _| {
            let group = &mut kept[group];
            let change = count(row);
            group.rows += change;
            if change > 0 {
                too_many |= group.rows > 1;
                group.value = nulls.as_ref().is_none_or(|n| n.is_valid(row)).then(|| batch[row].to_owned());
            } else if change < 0 {
                group.value = None;
            }
        });
        if too_many {
            return Err(Error::compute("SingleValueAggFunction received more than one element."));
        }
        Ok(())
    }
}

impl<D: Domain> Accumulator for SingleAccumulator<D> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, Group::default());
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        match retract {
            None => self.change(groups, &args[0], |_| 1),
            Some(retract) => self.change(groups, &args[0], |row| if retract[row] { -1 } else { 1 }),
        }
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let counts = states[1].as_primitive::<Int64Type>();
        self.change(groups, &states[0], |row| counts.value(row))
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let values: Vec<_> = groups.iter().map(|&g| self.groups[g as usize].value.as_ref().map(|v| v.borrow())).collect();
        Ok(self.domain.columns(&values)?.swap_remove(0))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?, bigints(groups, |g| self.groups[g].rows)])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![self.sql_type.with_nullable(true), bigint()]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize] = Group::default());
    }

    fn bytes(&self) -> usize {
        let heap = about_bytes_of_groups(&self.groups, |g| g.value.as_ref().map_or(0, |v| D::heap_bytes(v)));
        self.groups.capacity() * size_of::<Group<D::Owned>>() + heap
    }
}
