//! JSON_OBJECTAGG(key, value [, on null]) and JSON_ARRAYAGG(value [, on null]), where `on null` is the text
//! `'NULL ON NULL'` (what objects do unless told) or `'ABSENT ON NULL'` (what arrays do unless told).
//!
//! Values are kept as their JSON text. A key that comes twice is an error, as in Flink.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use brisk_core::{DataType, Error, Result, SqlType};

use super::rows::{about_bytes_of_groups, array_of, each_row, list_range, lists};
use super::sequence::Sequence;
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;
use crate::scalar::json::text::{check_type, write_array, write_object, write_value};

#[derive(Debug)]
pub struct JsonArrayAgg;

#[derive(Debug)]
pub struct JsonObjectAgg;

fn returns() -> SqlType {
    SqlType::not_null(DataType::Varchar(2000))
}

fn is_on_null(argument: Option<&Argument>) -> bool {
    argument.is_none_or(|a| matches!(bind::literal_text(a), Some("NULL ON NULL" | "ABSENT ON NULL")))
}

/// Whether the literal at `index` says so.
fn null_is_absent(signature: &AggregateSignature, index: usize, default: bool) -> bool {
    match signature.literals.get(index).and_then(Option::as_ref) {
        Some(literal) => literal.as_string::<i32>().value(0) == "ABSENT ON NULL",
        None => default,
    }
}

impl AggregateFunction for JsonArrayAgg {
    fn name(&self) -> &'static str {
        "JSON_ARRAYAGG"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        if !(1..=2).contains(&args.len()) || !is_on_null(args.get(1)) {
            return Err(bind::wrong("JSON_ARRAYAGG", args, "'JSON_ARRAYAGG(<ANY> [ { NULL | ABSENT } ON NULL ])'"));
        }
        check_type(&args[0].sql_type)?;
        Ok(bind::signature(args, bind::types(args), returns()))
    }

    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
        let absent = null_is_absent(signature, 1, true);
        Ok(Box::new(ArrayAccumulator { value: signature.args[0].clone(), absent, retract, groups: Vec::new() }))
    }

    fn never_null(&self) -> bool {
        true
    }

    fn skips_nulls(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

impl AggregateFunction for JsonObjectAgg {
    fn name(&self) -> &'static str {
        "JSON_OBJECTAGG"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let has_key = args.first().is_some_and(|a| a.sql_type.data_type.is_character());
        if !(2..=3).contains(&args.len()) || !has_key || !is_on_null(args.get(2)) {
            return Err(bind::wrong("JSON_OBJECTAGG", args, "'JSON_OBJECTAGG([ KEY ] <CHARACTER> VALUE <ANY> [ { NULL | ABSENT } ON NULL ])'"));
        }
        check_type(&args[1].sql_type)?;
        Ok(bind::signature(args, bind::types(args), returns()))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        let absent = null_is_absent(signature, 2, false);
        Ok(Box::new(ObjectAccumulator { value: signature.args[1].clone(), absent, groups: Vec::new() }))
    }

    fn never_null(&self) -> bool {
        true
    }

    fn skips_nulls(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

fn json_of(column: &ArrayRef, sql_type: &SqlType, row: usize) -> Result<String> {
    let mut text = String::new();
    write_value(&mut text, column.as_ref(), sql_type, row)?;
    Ok(text)
}

struct ArrayAccumulator {
    value: SqlType,
    absent: bool,
    retract: bool,
    groups: Vec<Sequence<String>>,
}

impl Accumulator for ArrayAccumulator {
    fn resize(&mut self, groups: usize) {
        let retract = self.retract;
        self.groups.resize_with(groups, || Sequence::new(retract));
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let mut outcome = Ok(());
        let nulls = if self.absent { args[0].logical_nulls() } else { None };
        let (sequences, value) = (&mut self.groups, &self.value);
        each_row(groups, nulls.as_ref(), retract, |row, group, added| match json_of(&args[0], value, row) {
            Ok(text) if added => sequences[group].push(text),
            Ok(text) => sequences[group].take_back(&text),
            Err(e) => outcome = Err(e),
        });
        outcome
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
        let one = |&group: &u32| {
            let items: Vec<&String> = self.groups[group as usize].iter().collect();
            let mut text = String::new();
            write_array(&mut text, items.len(), |out, i| {
                out.push_str(items[i]);
                Ok(())
            })?;
            Ok(Some(text))
        };
        Ok(Arc::new(groups.iter().map(one).collect::<Result<StringArray>>()?))
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
        let heap = |g: &Sequence<String>| g.iter().map(String::len).sum::<usize>();
        about_bytes_of_groups(&self.groups, |g| g.bytes() + size_of::<Sequence<String>>() + heap(g))
    }
}

struct ObjectAccumulator {
    value: SqlType,
    absent: bool,
    groups: Vec<BTreeMap<String, String>>,
}

impl ObjectAccumulator {
    fn insert(&mut self, group: usize, key: &str, text: String) -> Result<()> {
        match self.groups[group].insert(key.to_owned(), text) {
            None => Ok(()),
            Some(_) => Err(Error::compute(format!(
                "Key '{key}' is already present. Duplicate keys are not allowed in JSON_OBJECTAGG. Please ensure that keys are unique."
            ))),
        }
    }
}

impl Accumulator for ObjectAccumulator {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, BTreeMap::new);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let keys = args[0].as_string::<i32>();
        for (row, &group) in groups.iter().enumerate() {
            if keys.is_null(row) {
                return Err(Error::compute("Key for JSON_OBJECTAGG must not be null."));
            }
            if self.absent && args[1].is_null(row) {
                continue;
            }
            if retract.is_some_and(|r| r[row]) {
                self.groups[group as usize].remove(keys.value(row));
            } else {
                self.insert(group as usize, keys.value(row), json_of(&args[1], &self.value, row)?)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let list = states[0].as_list::<i32>();
        let keys = list.values().as_string::<i32>();
        let texts = states[1].as_list::<i32>().values().as_string::<i32>();
        for (row, &group) in groups.iter().enumerate() {
            for element in list_range(list.value_offsets(), row) {
                self.insert(group as usize, keys.value(element), texts.value(element).to_owned())?;
            }
        }
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let one = |&group: &u32| {
            let mut text = String::new();
            let entries = self.groups[group as usize].iter().map(|(k, v)| (k.as_str(), v));
            write_object(&mut text, entries, |out, value| {
                out.push_str(value);
                Ok(())
            })?;
            Ok(Some(text))
        };
        Ok(Arc::new(groups.iter().map(one).collect::<Result<StringArray>>()?))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let objects = || groups.iter().map(|&g| &self.groups[g as usize]);
        let lengths = || objects().map(BTreeMap::len);
        let keys: StringArray = objects().flat_map(BTreeMap::keys).map(Some).collect();
        let texts: StringArray = objects().flat_map(BTreeMap::values).map(Some).collect();
        Ok(vec![lists(lengths(), Arc::new(keys), None)?, lists(lengths(), Arc::new(texts), None)?])
    }

    fn state_types(&self) -> Vec<SqlType> {
        let texts = array_of(&SqlType::not_null(DataType::STRING));
        vec![texts.clone(), texts]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize].clear());
    }

    fn bytes(&self) -> usize {
        let entry = 2 * size_of::<String>() + 8;
        let heap = |g: &BTreeMap<String, String>| g.iter().map(|(k, v)| k.len() + v.len() + entry).sum::<usize>();
        about_bytes_of_groups(&self.groups, |g| size_of::<BTreeMap<String, String>>() + heap(g))
    }
}
