//! PERCENTILE(value, fraction [, frequency]): the exact percentile, interpolated between the two nearest values. The
//! fraction is a number in [0, 1] or an array of them (then so is the result). A frequency that is NULL or not positive
//! leaves the row out.
//!
//! A group's values are kept as a sorted run of (value, count), and a short unsorted tail that is merged into it when it
//! has grown to the run's size: cheap to add to, and a result is one walk.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType, Error, Result, SqlType};

use super::domain::ordered_bits;
use super::rows::{about_bytes_of_groups, array_of, bigint, common_nulls, each_row, list_range, lists};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct Percentile;

impl AggregateFunction for Percentile {
    fn name(&self) -> &'static str {
        "PERCENTILE"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let wrong = || {
            let forms =
                "'PERCENTILE(<NUMERIC>, <NUMERIC NOT NULL> [, <INTEGER_NUMERIC>])' 'PERCENTILE(<NUMERIC>, ARRAY<NUMERIC NOT NULL> [, <INTEGER_NUMERIC>])'";
            bind::wrong("PERCENTILE", args, forms)
        };
        let (value, fraction) = match args {
            [value, fraction] => (value, fraction),
            [value, fraction, frequency] if frequency.sql_type.data_type.is_integer() => (value, fraction),
            _ => return Err(wrong()),
        };
        if !value.sql_type.data_type.is_numeric() {
            return Err(wrong());
        }
        let double = SqlType::not_null(DataType::Double);
        let (fraction_type, result) = match &fraction.sql_type.data_type {
            t if t.is_numeric() => (double, DataType::Double),
            DataType::Array(item) if item.data_type.is_numeric() => {
                (SqlType::not_null(DataType::Array(Box::new(double))), DataType::Array(Box::new(SqlType::nullable(DataType::Double))))
            }
            _ => return Err(wrong()),
        };
        let mut types = vec![SqlType { data_type: DataType::Double, nullable: value.sql_type.nullable }, fraction_type];
        types.extend(args.get(2).map(|a| SqlType { data_type: DataType::BigInt, nullable: a.sql_type.nullable }));
        Ok(bind::signature(args, types, SqlType::nullable(result)))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        let many = matches!(signature.returns.data_type, DataType::Array(_));
        Ok(Box::new(PercentileAccumulator { many, groups: Vec::new() }))
    }
}

struct PercentileAccumulator {
    /// Whether the fraction is an array.
    many: bool,
    groups: Vec<Group>,
}

#[derive(Default)]
struct Group {
    /// Of the group's first row; empty before it.
    fractions: Option<Arc<[f64]>>,
    values: Counts,
}

/// Values (as ordered bits) with their counts.
#[derive(Default)]
struct Counts {
    sorted: Vec<(i64, i64)>,
    tail: Vec<(i64, i64)>,
}

/// A tail shorter than this is not merged.
const MIN_TAIL: usize = 64;

impl Counts {
    fn change(&mut self, value: f64, delta: i64) {
        let value = ordered_bits(value.to_bits() as i64);
        self.tail.push((value, delta));
        if self.tail.len() >= MIN_TAIL.max(self.sorted.len()) {
            self.sorted = self.merged();
            self.tail.clear();
        }
    }

    /// All values in order, each once, with counts that are not 0.
    fn merged(&self) -> Vec<(i64, i64)> {
        let mut tail = self.tail.clone();
        tail.sort_unstable_by_key(|e| e.0);
        let mut all: Vec<(i64, i64)> = Vec::with_capacity(self.sorted.len() + tail.len());
        let (mut left, mut right) = (self.sorted.iter().peekable(), tail.iter().peekable());
        while let Some(&(value, count)) = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) if l.0 <= r.0 => left.next(),
            (Some(_), None) => left.next(),
            _ => right.next(),
        } {
            match all.last_mut() {
                Some(last) if last.0 == value => last.1 += count,
                Some(last) if last.1 == 0 => *last = (value, count),
                _ => all.push((value, count)),
            }
        }
        if all.last().is_some_and(|last| last.1 == 0) {
            all.pop();
        }
        all
    }

    fn bytes(&self) -> usize {
        (self.sorted.capacity() + self.tail.capacity()) * size_of::<(i64, i64)>()
    }
}

fn float(ordered: i64) -> f64 {
    f64::from_bits(ordered_bits(ordered) as u64)
}

impl Group {
    /// One percentile for each fraction; `None` for a group without values.
    fn percentiles(&self) -> Option<Vec<f64>> {
        let fractions = self.fractions.as_ref().filter(|f| !f.is_empty())?;
        let counts = self.values.merged();
        let total: i64 = counts.iter().map(|e| e.1).sum();
        if total <= 0 {
            return None;
        }
        // Running totals, so that each fraction is one search.
        let ends: Vec<i64> = counts
            .iter()
            .scan(0, |sum, e| {
                Some(*{
                    *sum += e.1;
                    &*sum
                })
            })
            .collect();
        Some(fractions.iter().map(|f| percentile(&counts, &ends, f * (total - 1) as f64 + 1.0)).collect())
    }
}

/// The value at `position`, counted from 1, between whose neighbours it is interpolated.
fn percentile(counts: &[(i64, i64)], ends: &[i64], position: f64) -> f64 {
    let (lower, higher) = (position.floor(), position.ceil());
    let at = ends.partition_point(|end| (*end as f64) < lower).min(counts.len() - 1);
    let value = float(counts[at].0);
    if ends[at] as f64 >= higher || at + 1 == counts.len() {
        return value;
    }
    (higher - position) * value + (position - lower) * float(counts[at + 1].0)
}

/// The fractions of every row, and the group of rows that share one constant.
fn fractions(column: &ArrayRef, row: usize) -> Result<Arc<[f64]>> {
    let values: Vec<f64> = match column.data_type() {
        ArrowType::List(_) => column.as_list::<i32>().value(row).as_primitive::<Float64Type>().values().to_vec(),
        _ => vec![column.as_primitive::<Float64Type>().value(row)],
    };
    match values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
        Some(bad) => Err(Error::compute(format!("Percentage of PERCENTILE should be between [0.0, 1.0], but was '{bad}'."))),
        None => Ok(values.into()),
    }
}

impl Accumulator for PercentileAccumulator {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, Group::default);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let mut shared: Option<Arc<[f64]>> = None;
        for (row, &group) in groups.iter().enumerate() {
            let group = &mut self.groups[group as usize];
            if group.fractions.is_none() {
                let found = fractions(&args[1], row)?;
                // Almost always a constant: keep one copy of it.
                let same = shared.as_ref().is_some_and(|s| **s == *found);
                group.fractions = if same { shared.clone() } else { Some(found) };
                shared = group.fractions.clone();
            }
        }
        let values = args[0].as_primitive::<Float64Type>().values();
        let counted = &mut self.groups;
        match args.get(2) {
            None => each_row(groups, args[0].nulls(), retract, |row, group, added| {
                counted[group].values.change(values[row], if added { 1 } else { -1 });
            }),
            Some(frequency) => {
                let frequencies = frequency.as_primitive::<Int64Type>().values();
                let nulls = common_nulls(&[args[0].clone(), frequency.clone()]);
                each_row(groups, nulls.as_ref(), retract, |row, group, added| {
                    let times = frequencies[row];
                    if times > 0 {
                        counted[group].values.change(values[row], if added { times } else { -times });
                    }
                });
            }
        }
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let fractions = states[0].as_list::<i32>();
        let values = states[1].as_list::<i32>();
        let numbers = values.values().as_primitive::<Float64Type>();
        let counts = states[2].as_list::<i32>().values().as_primitive::<Int64Type>();
        for (row, &group) in groups.iter().enumerate() {
            let group = &mut self.groups[group as usize];
            if group.fractions.is_none() && fractions.is_valid(row) {
                group.fractions = Some(fractions.value(row).as_primitive::<Float64Type>().values().to_vec().into());
            }
            for element in list_range(values.value_offsets(), row) {
                group.values.change(numbers.value(element), counts.value(element));
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let results: Vec<_> = groups.iter().map(|&g| self.groups[g as usize].percentiles()).collect();
        if !self.many {
            return Ok(Arc::new(results.iter().map(|r| r.as_ref().map(|r| r[0])).collect::<Float64Array>()));
        }
        let values: Float64Array = results.iter().flatten().flatten().copied().map(Some).collect();
        let lengths = results.iter().map(|r| r.as_ref().map_or(0, Vec::len));
        lists(lengths, Arc::new(values), Some(results.iter().map(Option::is_some).collect()))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let groups: Vec<_> = groups.iter().map(|&g| &self.groups[g as usize]).collect();
        let fractions: Float64Array = groups.iter().filter_map(|g| g.fractions.as_ref()).flat_map(|f| f.iter()).copied().map(Some).collect();
        let fraction_lengths = groups.iter().map(|g| g.fractions.as_ref().map_or(0, |f| f.len()));
        let known = groups.iter().map(|g| g.fractions.is_some()).collect();
        let merged: Vec<_> = groups.iter().map(|g| g.values.merged()).collect();
        let lengths = || merged.iter().map(Vec::len);
        let values: Float64Array = merged.iter().flatten().map(|e| Some(float(e.0))).collect();
        let counts: Int64Array = merged.iter().flatten().map(|e| Some(e.1)).collect();
        Ok(vec![
            lists(fraction_lengths, Arc::new(fractions), Some(known))?,
            lists(lengths(), Arc::new(values), None)?,
            lists(lengths(), Arc::new(counts), None)?,
        ])
    }

    fn state_types(&self) -> Vec<SqlType> {
        let doubles = array_of(&SqlType::not_null(DataType::Double));
        vec![doubles.clone(), doubles, array_of(&bigint())]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize] = Group::default());
    }

    fn bytes(&self) -> usize {
        about_bytes_of_groups(&self.groups, |g| size_of::<Group>() + g.values.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], fraction: f64, expected: Option<f64>) {
        let mut group = Group { fractions: Some(vec![fraction].into()), ..Default::default() };
        values.iter().for_each(|v| group.values.change(v.abs(), if *v < 0.0 { -1 } else { 1 }));
        assert_eq!(group.percentiles().map(|p| p[0]), expected);
    }

    #[test]
    fn percentiles_are_interpolated() {
        check(&[], 0.5, None);
        check(&[4.0], 0.3, Some(4.0));
        check(&[3.0, 1.0, 2.0], 0.5, Some(2.0));
        check(&[4.0, 1.0, 2.0, 3.0], 0.5, Some(2.5));
        check(&[1.0, 2.0, 2.0, 9.0], 1.0, Some(9.0));
        check(&[1.0, 2.0, -2.0], 0.9, Some(1.0));
    }

    #[test]
    fn long_tails_are_merged() {
        let mut values: Vec<f64> = (1..=1001).rev().map(f64::from).collect();
        check(&values, 0.75, Some(751.0));
        values.extend((502..=1001).map(|v| -f64::from(v)));
        check(&values, 0.5, Some(251.0));
    }
}
