//! MIN and MAX, with three ways of keeping state: one number a group, one value of any other type, and, where rows may
//! be taken back, all values of the group in order with their counts.
//!
//! Numbers are compared as Java does it: a NaN is neither smaller nor greater, so one that came first stays.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Int64Array};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use brisk_core::{DataType, Result, SqlType};

use super::domain::{Domain, with_domain};
use super::rows::{about_bytes, about_bytes_of_groups, array_of, bigint, each_row, list_range, lists, primitive};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinMax {
    Min,
    Max,
}

impl AggregateFunction for MinMax {
    fn name(&self) -> &'static str {
        match self {
            MinMax::Min => "MIN",
            MinMax::Max => "MAX",
        }
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let form = format!("'{}(<COMPARABLE_TYPE>)'", self.name());
        let arg = bind::single(self.name(), args, &form, |t| is_ordered(&t.data_type))?;
        Ok(bind::signature(args, vec![arg.clone()], arg.clone()))
    }

    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
        let sql_type = signature.args[0].clone();
        let types = [sql_type.clone()];
        let is_max = *self == MinMax::Max;
        if retract {
            return with_domain!(&types, domain => Ok(Box::new(Retractable { domain, is_max, sql_type, groups: Vec::new() })));
        }
        let t = sql_type.clone();
        Ok(match sql_type.to_arrow() {
            ArrowType::Int8 => Numbers::<Int8Type>::boxed(t, is_max),
            ArrowType::Int16 => Numbers::<Int16Type>::boxed(t, is_max),
            ArrowType::Int32 => Numbers::<Int32Type>::boxed(t, is_max),
            ArrowType::Int64 => Numbers::<Int64Type>::boxed(t, is_max),
            ArrowType::Float32 => Numbers::<Float32Type>::boxed(t, is_max),
            ArrowType::Float64 => Numbers::<Float64Type>::boxed(t, is_max),
            ArrowType::Decimal128(..) => Numbers::<Decimal128Type>::boxed(t, is_max),
            ArrowType::Date32 => Numbers::<Date32Type>::boxed(t, is_max),
            ArrowType::Time32(TimeUnit::Millisecond) => Numbers::<Time32MillisecondType>::boxed(t, is_max),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => Numbers::<TimestampMillisecondType>::boxed(t, is_max),
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => Numbers::<TimestampMicrosecondType>::boxed(t, is_max),
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => Numbers::<TimestampNanosecondType>::boxed(t, is_max),
            _ => return with_domain!(&types, domain => Ok(Box::new(Values { domain, is_max, sql_type, values: Vec::new() }))),
        })
    }
}

fn is_ordered(data_type: &DataType) -> bool {
    let is_time = matches!(data_type, DataType::Date | DataType::Time(_)) || data_type.is_timestamp() || data_type.is_interval();
    data_type.is_numeric() || data_type.is_character() || data_type.is_binary() || is_time || *data_type == DataType::Boolean
}

/// One number a group.
struct Numbers<T: ArrowPrimitiveType> {
    cells: Vec<NumberCell<T::Native>>,
    is_max: bool,
    sql_type: SqlType,
    arrow: ArrowType,
}

#[derive(Clone, Copy, Default)]
struct NumberCell<N> {
    value: N,
    seen: bool,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    fn boxed(sql_type: SqlType, is_max: bool) -> Box<dyn Accumulator> {
        let arrow = sql_type.to_arrow();
        Box::new(Self { cells: Vec::new(), is_max, sql_type, arrow })
    }

    fn offer(&mut self, groups: &[u32], values: &ArrayRef) {
        let nulls = values.nulls();
        let values = &values.as_primitive::<T>().values()[..groups.len()];
        let cells = self.cells.as_mut_slice();
        if self.is_max {
            each_row(groups, nulls, None, |row, group, _| {
                let cell = &mut cells[group];
                if !cell.seen || values[row] > cell.value {
                    *cell = NumberCell { value: values[row], seen: true };
                }
            });
        } else {
            each_row(groups, nulls, None, |row, group, _| {
                let cell = &mut cells[group];
                if !cell.seen || values[row] < cell.value {
                    *cell = NumberCell { value: values[row], seen: true };
                }
            });
        }
    }
}

impl<T: ArrowPrimitiveType> Accumulator for Numbers<T> {
    fn resize(&mut self, groups: usize) {
        self.cells.resize(groups, NumberCell::default());
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], _: Option<&[bool]>) -> Result<()> {
        self.offer(groups, &args[0]);
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        self.offer(groups, &states[0]);
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(primitive::<T>(groups, &self.arrow, |g| self.cells[g].seen.then_some(self.cells[g].value)))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![self.sql_type.with_nullable(true)]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.cells[g as usize] = NumberCell::default());
    }

    fn reset(&mut self) -> bool {
        self.cells.clear();
        true
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<NumberCell<T::Native>>()
    }
}

/// One value a group, of any type.
struct Values<D: Domain> {
    domain: D,
    is_max: bool,
    sql_type: SqlType,
    values: Vec<Option<D::Owned>>,
}

impl<D: Domain> Values<D> {
    fn offer(&mut self, groups: &[u32], column: &ArrayRef) -> Result<()> {
        let batch = self.domain.batch(std::slice::from_ref(column))?;
        let (kept, is_max) = (&mut self.values, self.is_max);
        each_row(groups, column.nulls(), None, |row, group, _| {
            let value = &batch[row];
            match &mut kept[group] {
                Some(kept) => {
                    let better = if is_max { value > (*kept).borrow() } else { value < (*kept).borrow() };
                    if better {
                        value.clone_into(kept);
                    }
                }
                empty => *empty = Some(value.to_owned()),
            }
        });
        Ok(())
    }
}

impl<D: Domain> Accumulator for Values<D> {
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
        let heap = if D::ON_HEAP { about_bytes_of_groups(&self.values, |v| v.as_ref().map_or(0, |v| D::heap_bytes(v))) } else { 0 };
        self.values.capacity() * size_of::<Option<D::Owned>>() + heap
    }
}

/// All values of a group with their counts. A count is below zero while a row was taken back before it came.
struct Retractable<D: Domain> {
    domain: D,
    is_max: bool,
    sql_type: SqlType,
    groups: Vec<BTreeMap<D::Owned, i64>>,
}

impl<D: Domain> Retractable<D> {
    fn best(&self, group: u32) -> Option<&D::Borrowed> {
        let counts = &self.groups[group as usize];
        let present = |(value, count): (_, &i64)| (*count > 0).then_some(value);
        let best: Option<&D::Owned> = if self.is_max { counts.iter().rev().find_map(present) } else { counts.iter().find_map(present) };
        best.map(|v| v.borrow())
    }
}

fn change<V: Ord + Borrow<B>, B: ?Sized + Ord + ToOwned<Owned = V>>(counts: &mut BTreeMap<V, i64>, value: &B, delta: i64) {
    match counts.get_mut(value) {
        Some(count) if *count + delta == 0 => {
            counts.remove(value);
        }
        Some(count) => *count += delta,
        None => {
            counts.insert(value.to_owned(), delta);
        }
    }
}

impl<D: Domain> Accumulator for Retractable<D> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, BTreeMap::new);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let batch = self.domain.batch(&args[..1])?;
        let counts = &mut self.groups;
        each_row(groups, args[0].nulls(), retract, |row, group, added| change(&mut counts[group], &batch[row], if added { 1 } else { -1 }));
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let list = states[0].as_list::<i32>();
        let columns = [list.values().clone()];
        let batch = self.domain.batch(&columns)?;
        let counts = states[1].as_list::<i32>().values().as_primitive::<Int64Type>();
        for (row, &group) in groups.iter().enumerate() {
            for element in list_range(list.value_offsets(), row) {
                change(&mut self.groups[group as usize], &batch[element], counts.value(element));
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let values: Vec<_> = groups.iter().map(|&g| self.best(g)).collect();
        Ok(self.domain.columns(&values)?.swap_remove(0))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let groups: Vec<_> = groups.iter().map(|&g| &self.groups[g as usize]).collect();
        let lengths = || groups.iter().map(|g| g.len());
        let values: Vec<Option<&D::Borrowed>> = groups.iter().flat_map(|g| g.keys()).map(|v| Some(v.borrow())).collect();
        let counts: Int64Array = groups.iter().flat_map(|g| g.values()).copied().collect();
        let values = self.domain.columns(&values)?.swap_remove(0);
        Ok(vec![lists(lengths(), values, None)?, lists(lengths(), std::sync::Arc::new(counts), None)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![array_of(&self.sql_type), array_of(&bigint())]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize].clear());
    }

    fn bytes(&self) -> usize {
        let entry = size_of::<D::Owned>() + size_of::<i64>() + 8;
        let heap = about_bytes_of_groups(&self.groups, |g| about_bytes(g.keys(), g.len(), |v| D::heap_bytes(v) + entry));
        self.groups.capacity() * size_of::<BTreeMap<D::Owned, i64>>() + heap
    }
}
