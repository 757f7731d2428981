//! FIRST_VALUE and LAST_VALUE: the first or last value that is not NULL, in the order of arrival.
//!
//! Merging appends: the partial state that is merged later counts as having come later.

use std::borrow::Borrow;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use brisk_core::{Result, SqlType};

use super::domain::{Domain, with_domain};
use super::rows::{about_bytes_of_groups, array_of, each_row, list_range, lists};
use super::sequence::Sequence;
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLast {
    First,
    Last,
}

impl AggregateFunction for FirstLast {
    fn name(&self) -> &'static str {
        match self {
            FirstLast::First => "FIRST_VALUE",
            FirstLast::Last => "LAST_VALUE",
        }
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let form = format!("'{}(<ANY>)'", self.name());
        let arg = bind::single(self.name(), args, &form, |_| true)?;
        Ok(bind::signature(args, vec![arg.clone()], arg.clone()))
    }

    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
        let is_last = *self == FirstLast::Last;
        let sql_type = signature.args[0].clone();
        let types = [sql_type.clone()];
        with_domain!(&types, domain => Ok(if retract {
            Box::new(Retractable { domain, is_last, sql_type, groups: Vec::new() })
        } else {
            Box::new(Single { domain, is_last, sql_type, values: Vec::new() })
        }))
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

/// One value a group.
struct Single<D: Domain> {
    domain: D,
    is_last: bool,
    sql_type: SqlType,
    values: Vec<Option<D::Owned>>,
}

impl<D: Domain> Single<D> {
    fn offer(&mut self, groups: &[u32], column: &ArrayRef) -> Result<()> {
        let batch = self.domain.batch(std::slice::from_ref(column))?;
        let kept = &mut self.values;
        let nulls = column.logical_nulls();
        if self.is_last {
            each_row(groups, nulls.as_ref(), None, |row, group, _| match &mut kept[group] {
                Some(kept) => batch[row].clone_into(kept),
                empty => *empty = Some(batch[row].to_owned()),
            });
        } else {
            each_row(groups, nulls.as_ref(), None, |row, group, _| {
                if kept[group].is_none() {
                    kept[group] = Some(batch[row].to_owned());
                }
            });
        }
        Ok(())
    }
}

impl<D: Domain> Accumulator for Single<D> {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], _: Option<&[bool]>) -> Result<()> {
        self.offer(groups, &args[0])
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        self.offer(groups, &states[0])
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let values: Vec<_> = groups.iter().map(|&g| self.values[g as usize].as_ref().map(|v| v.borrow())).collect();
        Ok(self.domain.columns(&values)?.swap_remove(0))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![self.sql_type.with_nullable(true)]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.values[g as usize] = None);
    }

    fn bytes(&self) -> usize {
        let heap = about_bytes_of_groups(&self.values, |v| v.as_ref().map_or(0, |v| D::heap_bytes(v)));
        self.values.capacity() * size_of::<Option<D::Owned>>() + heap
    }
}

/// All values of a group in order, since any of them may be taken back.
struct Retractable<D: Domain> {
    domain: D,
    is_last: bool,
    sql_type: SqlType,
    groups: Vec<Sequence<D::Owned>>,
}

impl<D: Domain> Accumulator for Retractable<D> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, || Sequence::new(true));
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let batch = self.domain.batch(&args[..1])?;
        let sequences = &mut self.groups;
        each_row(groups, args[0].logical_nulls().as_ref(), retract, |row, group, added| {
            let value = batch[row].to_owned();
            if added {
                sequences[group].push(value);
            } else {
                sequences[group].take_back(&value);
            }
        });
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let list = states[0].as_list::<i32>();
        let columns = [list.values().clone()];
        let batch = self.domain.batch(&columns)?;
        for (row, &group) in groups.iter().enumerate() {
            for element in list_range(list.value_offsets(), row) {
                self.groups[group as usize].push(batch[element].to_owned());
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let chosen = |g: u32| {
            let sequence = &self.groups[g as usize];
            if self.is_last { sequence.last() } else { sequence.first() }
        };
        let values: Vec<_> = groups.iter().map(|&g| chosen(g).map(|v| v.borrow())).collect();
        Ok(self.domain.columns(&values)?.swap_remove(0))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sequences = || groups.iter().map(|&g| &self.groups[g as usize]);
        let values: Vec<Option<&D::Borrowed>> = sequences().flat_map(Sequence::iter).map(|v| Some(v.borrow())).collect();
        Ok(vec![lists(sequences().map(Sequence::len), self.domain.columns(&values)?.swap_remove(0), None)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![array_of(&self.sql_type)]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize].clear());
    }

    fn bytes(&self) -> usize {
        about_bytes_of_groups(&self.groups, |g| g.bytes() + size_of::<Sequence<D::Owned>>())
    }
}
