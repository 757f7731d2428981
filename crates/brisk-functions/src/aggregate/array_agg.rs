//! ARRAY_AGG: all values of a group as an ARRAY, in the order of arrival. NULLs are among them unless a second argument
//! says `'IGNORE NULLS'`. A group without elements gives NULL.

use std::borrow::Borrow;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use brisk_core::{DataType, Result, SqlType};

use super::domain::{Domain, with_domain};
use super::rows::{about_bytes_of_groups, array_of, each_row, list_range, lists};
use super::sequence::Sequence;
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct ArrayAgg;

impl AggregateFunction for ArrayAgg {
    fn name(&self) -> &'static str {
        "ARRAY_AGG"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let behaviour = args.get(1).map(bind::literal_text);
        match (args.len(), behaviour) {
            (1, _) | (2, Some(Some("IGNORE NULLS" | "RESPECT NULLS"))) => {}
            _ => return Err(bind::wrong("ARRAY_AGG", args, "'ARRAY_AGG(<ANY>) [ RESPECT NULLS | IGNORE NULLS ]'")),
        }
        let returns = SqlType::nullable(DataType::Array(Box::new(args[0].sql_type.clone())));
        Ok(bind::signature(args, bind::types(args), returns))
    }

    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
        let sql_type = signature.args[0].clone();
        let literal = signature.literals.get(1).and_then(Option::as_ref);
        let ignore_nulls = literal.is_some_and(|l| l.as_string::<i32>().value(0) == "IGNORE NULLS");
        let types = [sql_type.clone()];
        with_domain!(&types, domain => Ok(Box::new(ArrayAccumulator { domain, sql_type, ignore_nulls, retract, groups: Vec::new() })))
    }

    fn skips_nulls(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

struct ArrayAccumulator<D: Domain> {
    domain: D,
    sql_type: SqlType,
    ignore_nulls: bool,
    retract: bool,
    groups: Vec<Sequence<Option<D::Owned>>>,
}

impl<D: Domain> ArrayAccumulator<D> {
    fn sequences(&self, groups: &[u32]) -> impl Iterator<Item = &Sequence<Option<D::Owned>>> {
        groups.iter().map(|&g| &self.groups[g as usize])
    }

    fn arrays(&self, groups: &[u32], valid: Option<Vec<bool>>) -> Result<ArrayRef> {
        let values: Vec<_> = self.sequences(groups).flat_map(Sequence::iter).map(|v| v.as_ref().map(|v| v.borrow())).collect();
        lists(self.sequences(groups).map(Sequence::len), self.domain.columns(&values)?.swap_remove(0), valid)
    }
}

impl<D: Domain> Accumulator for ArrayAccumulator<D> {
    fn resize(&mut self, groups: usize) {
        let retract = self.retract;
        self.groups.resize_with(groups, || Sequence::new(retract));
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let batch = self.domain.batch(&args[..1])?;
        let nulls = args[0].logical_nulls();
        let skipped = if self.ignore_nulls { nulls.as_ref() } else { None };
        let sequences = &mut self.groups;
        each_row(groups, skipped, retract, |row, group, added| {
            let value = nulls.as_ref().is_none_or(|n| n.is_valid(row)).then(|| batch[row].to_owned());
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
        let nulls = columns[0].logical_nulls();
        for (row, &group) in groups.iter().enumerate() {
            for element in list_range(list.value_offsets(), row) {
                let value = nulls.as_ref().is_none_or(|n| n.is_valid(element)).then(|| batch[element].to_owned());
                self.groups[group as usize].push(value);
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let valid = self.sequences(groups).map(|s| s.len() > 0).collect();
        self.arrays(groups, Some(valid))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.arrays(groups, None)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![array_of(&self.sql_type)]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize].clear());
    }

    fn bytes(&self) -> usize {
        let heap = |v: &Option<D::Owned>| v.as_ref().map_or(0, |v| D::heap_bytes(v));
        about_bytes_of_groups(&self.groups, |g| g.bytes() + size_of::<Sequence<D::Owned>>() + g.iter().map(heap).sum::<usize>())
    }
}
