//! COLLECT: the values of a group as a MULTISET, NULLs left out. The elements stand in the order of their first
//! appearance.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, MapArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType, Error, Result, SqlType};
use foldhash::fast::FixedState;

use super::domain::{Domain, with_domain};
use super::rows::{about_bytes_of_groups, array_of, each_row, list_range, lists};
use super::tally::{Counted, Members};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct Collect;

impl AggregateFunction for Collect {
    fn name(&self) -> &'static str {
        "COLLECT"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let arg = bind::single("COLLECT", args, "'COLLECT(<ANY>)'", |_| true)?;
        let returns = SqlType::not_null(DataType::Multiset(Box::new(arg.clone())));
        Ok(bind::signature(args, vec![arg.clone()], returns))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        let sql_type = signature.args[0].clone();
        let returns = signature.returns.to_arrow();
        let types = [sql_type.clone()];
        with_domain!(&types, domain => Ok(Box::new(CollectAccumulator { domain, sql_type, returns, hasher: FixedState::default(), groups: Vec::new() })))
    }

    fn never_null(&self) -> bool {
        true
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

struct CollectAccumulator<D: Domain> {
    domain: D,
    sql_type: SqlType,
    returns: ArrowType,
    hasher: FixedState,
    groups: Vec<Counted<D, i64>>,
}

impl<D: Domain> CollectAccumulator<D> {
    /// The elements of the groups with their counts, and how many each group has.
    fn elements(&self, groups: &[u32], present_only: bool) -> Result<(Vec<usize>, ArrayRef, Int32Array)> {
        let mut sets: Vec<_> = groups.iter().map(|&g| self.groups[g as usize].entries().collect::<Vec<_>>()).collect();
        if present_only {
            sets.iter_mut().for_each(|s| s.retain(|(_, count)| **count > 0));
        }
        let values: Vec<Option<&D::Borrowed>> = sets.iter().flatten().map(|(v, _)| Some((*v).borrow())).collect();
        let counts = sets.iter().flatten().map(|(_, count)| **count as i32).collect();
        Ok((sets.iter().map(Vec::len).collect(), self.domain.columns(&values)?.swap_remove(0), counts))
    }
}

impl<D: Domain> Accumulator for CollectAccumulator<D> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, Counted::default);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let batch = self.domain.batch(&args[..1])?;
        let (sets, hasher) = (&mut self.groups, &self.hasher);
        each_row(groups, args[0].logical_nulls().as_ref(), retract, |row, group, added| {
            sets[group].change(hasher, &batch[row], 1, 1, if added { 1 } else { -1 });
        });
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let list = states[0].as_list::<i32>();
        let columns = [list.values().clone()];
        let batch = self.domain.batch(&columns)?;
        let counts = states[1].as_list::<i32>().values().as_primitive::<Int32Type>();
        for (row, &group) in groups.iter().enumerate() {
            for element in list_range(list.value_offsets(), row) {
                self.groups[group as usize].change(&self.hasher, &batch[element], 1, 1, i64::from(counts.value(element)));
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let (lengths, values, counts) = self.elements(groups, true)?;
        let ArrowType::Map(field, _) = &self.returns else { return Err(Error::internal("a MULTISET is a map")) };
        let ArrowType::Struct(fields) = field.data_type() else { return Err(Error::internal("a map has entries")) };
        let entries = StructArray::try_new(fields.clone(), vec![values, Arc::new(counts)], None)?;
        Ok(Arc::new(MapArray::try_new(field.clone(), OffsetBuffer::from_lengths(lengths), entries, None, false)?))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let (lengths, values, counts) = self.elements(groups, false)?;
        Ok(vec![lists(lengths.iter().copied(), values, None)?, lists(lengths, Arc::new(counts), None)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![array_of(&self.sql_type), array_of(&SqlType::not_null(DataType::Int))]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize].clear());
    }

    fn bytes(&self) -> usize {
        about_bytes_of_groups(&self.groups, |g| g.bytes() + size_of::<Counted<D, i64>>())
    }
}
