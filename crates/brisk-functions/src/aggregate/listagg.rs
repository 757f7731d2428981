//! LISTAGG: the texts of a group, joined by a separator (a comma unless given). NULLs are left out.
//!
//! Where nothing is taken back, a group is one growing text.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use brisk_core::{DataType, Result, SqlType};

use super::rows::{about_bytes_of_groups, array_of, each_row, list_range, lists};
use super::sequence::Sequence;
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct ListAgg;

impl AggregateFunction for ListAgg {
    fn name(&self) -> &'static str {
        "LISTAGG"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["STRING_AGG"]
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let texts = args.iter().all(|a| a.sql_type.data_type.is_character());
        if !texts || !(1..=2).contains(&args.len()) || args.get(1).is_some_and(|a| bind::literal_text(a).is_none()) {
            return Err(bind::wrong("LISTAGG", args, "'LISTAGG(<CHARACTER>)' 'LISTAGG(<CHARACTER>, <CHARACTER_LITERAL>)'"));
        }
        Ok(bind::signature(args, bind::types(args), args[0].sql_type.clone()))
    }

    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
        let literal = signature.literals.get(1).and_then(Option::as_ref);
        let separator = literal.map_or(",".to_owned(), |l| l.as_string::<i32>().value(0).to_owned());
        Ok(if retract { Box::new(Retractable { separator, groups: Vec::new() }) } else { Box::new(Appending { separator, texts: Vec::new() }) })
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

struct Appending {
    separator: String,
    texts: Vec<Option<String>>,
}

impl Appending {
    fn append(&mut self, groups: &[u32], column: &ArrayRef) {
        let values = column.as_string::<i32>();
        let (texts, separator) = (&mut self.texts, &self.separator);
        each_row(groups, values.nulls(), None, |row, group, _| match &mut texts[group] {
            Some(text) => {
                text.push_str(separator);
                text.push_str(values.value(row));
            }
            empty => *empty = Some(values.value(row).to_owned()),
        });
    }
}

impl Accumulator for Appending {
    fn resize(&mut self, groups: usize) {
        self.texts.resize(groups, None);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], _: Option<&[bool]>) -> Result<()> {
        self.append(groups, &args[0]);
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        self.append(groups, &states[0]);
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(Arc::new(groups.iter().map(|&g| self.texts[g as usize].as_deref()).collect::<StringArray>()))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![SqlType::nullable(DataType::STRING)]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.texts[g as usize] = None);
    }

    fn bytes(&self) -> usize {
        let heap = about_bytes_of_groups(&self.texts, |t| t.as_ref().map_or(0, String::capacity));
        self.texts.capacity() * size_of::<Option<String>>() + heap
    }
}

struct Retractable {
    separator: String,
    groups: Vec<Sequence<String>>,
}

impl Accumulator for Retractable {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, || Sequence::new(true));
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let values = args[0].as_string::<i32>();
        let sequences = &mut self.groups;
        each_row(groups, values.nulls(), retract, |row, group, added| {
            let value = values.value(row).to_owned();
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
        let values = list.values().as_string::<i32>();
        for (row, &group) in groups.iter().enumerate() {
            for element in list_range(list.value_offsets(), row) {
                self.groups[group as usize].push(values.value(element).to_owned());
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let mut builder = StringBuilder::new();
        let mut text = String::new();
        for &group in groups {
            let sequence = &self.groups[group as usize];
            text.clear();
            for (i, value) in sequence.iter().enumerate() {
                if i > 0 {
                    text.push_str(&self.separator);
                }
                text.push_str(value);
            }
            builder.append_option((sequence.len() > 0).then_some(&text));
        }
        Ok(Arc::new(builder.finish()))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sequences = || groups.iter().map(|&g| &self.groups[g as usize]);
        let values: StringArray = sequences().flat_map(Sequence::iter).map(Some).collect();
        Ok(vec![lists(sequences().map(Sequence::len), Arc::new(values), None)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![array_of(&SqlType::not_null(DataType::STRING))]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize].clear());
    }

    fn bytes(&self) -> usize {
        let heap = |g: &Sequence<String>| g.iter().map(|v| v.len() * 2).sum::<usize>();
        about_bytes_of_groups(&self.groups, |g| g.bytes() + size_of::<Sequence<String>>() + heap(g))
    }
}
