//! APPROX_COUNT_DISTINCT: HyperLogLog with a relative error of about one percent, as Flink's.
//!
//! A group begins with the hashes that it has seen (and is exact), and turns to 2^14 registers of a byte when these
//! would be larger.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray};
use brisk_core::key_group::hash_columns;
use brisk_core::{DataType, Error, Result, SqlType};

use super::rows::{about_bytes_of_groups, bigint, bigints, each_row};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct ApproxCountDistinct;

impl AggregateFunction for ApproxCountDistinct {
    fn name(&self) -> &'static str {
        "APPROX_COUNT_DISTINCT"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let arg = bind::single("APPROX_COUNT_DISTINCT", args, "'APPROX_COUNT_DISTINCT(<ANY>)'", |_| true)?;
        Ok(bind::signature(args, vec![arg.clone()], bigint()))
    }

    fn accumulator(&self, _: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>> {
        if retract {
            let error = Error::unsupported("APPROX_COUNT_DISTINCT cannot take rows back, and its input is corrected");
            return Err(error.with_remedy("use COUNT(DISTINCT ..)"));
        }
        Ok(Box::new(Sketches { groups: Vec::new() }))
    }

    fn never_null(&self) -> bool {
        true
    }
}

/// The bits of a hash that choose its register.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// At so many hashes of eight bytes the registers are smaller.
const MAX_HASHES: usize = REGISTERS / 8;

enum Sketch {
    /// Sorted.
    Hashes(Vec<u64>),
    Registers(Box<[u8]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch::Hashes(Vec::new())
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        match self {
            Sketch::Registers(registers) => raise(registers, hash),
            Sketch::Hashes(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else { return };
                hashes.insert(place, hash);
                if hashes.len() > MAX_HASHES {
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    hashes.iter().for_each(|h| raise(&mut registers, *h));
                    *self = Sketch::Registers(registers);
                }
            }
        }
    }

    fn count(&self) -> i64 {
        match self {
            Sketch::Hashes(hashes) => hashes.len() as i64,
            Sketch::Registers(registers) => estimate(registers),
        }
    }

    /// Registers are told from hashes by their length, which is more than hashes ever have.
    fn write(&self) -> Vec<u8> {
        match self {
            Sketch::Hashes(hashes) => hashes.iter().flat_map(|h| h.to_le_bytes()).collect(),
            Sketch::Registers(registers) => [registers.as_ref(), &[0]].concat(),
        }
    }

    fn merge(&mut self, written: &[u8]) {
        if written.len() <= REGISTERS {
            let hashes = written.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().expect("chunks of eight")));
            hashes.for_each(|h| self.add(h));
            return;
        }
        if let Sketch::Hashes(hashes) = self {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            hashes.iter().for_each(|h| raise(&mut registers, *h));
            *self = Sketch::Registers(registers);
        }
        if let Sketch::Registers(registers) = self {
            registers.iter_mut().zip(written).for_each(|(kept, other)| *kept = (*kept).max(*other));
        }
    }
}

/// Spreads a hash over all bits: that of keys is made for its lowest ones.
fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

fn raise(registers: &mut [u8], hash: u64) {
    let index = (hash >> (64 - INDEX_BITS)) as usize;
    let rank = (hash << INDEX_BITS | 1 << (INDEX_BITS - 1)).leading_zeros() as u8 + 1;
    registers[index] = registers[index].max(rank);
}

fn estimate(registers: &[u8]) -> i64 {
    let m = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|r| f64::powi(2.0, -i32::from(*r))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|r| **r == 0).count();
    // Linear counting is better while many registers are empty.
    let linear = if empty > 0 { m * (m / empty as f64).ln() } else { f64::INFINITY };
    if linear <= 2.5 * m { linear.round() as i64 } else { raw.round() as i64 }
}

struct Sketches {
    groups: Vec<Sketch>,
}

impl Accumulator for Sketches {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, Sketch::default);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], _: Option<&[bool]>) -> Result<()> {
        let hashes = hash_columns(&args[..1], groups.len())?;
        let sketches = &mut self.groups;
        each_row(groups, args[0].logical_nulls().as_ref(), None, |row, group, _| sketches[group].add(spread(hashes[row])));
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let written = states[0].as_binary::<i32>();
        each_row(groups, None, None, |row, group, _| self.groups[group].merge(written.value(row)));
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(bigints(groups, |g| self.groups[g].count()))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let written: BinaryArray = groups.iter().map(|&g| Some(self.groups[g as usize].write())).collect();
        Ok(vec![Arc::new(written)])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![SqlType::not_null(DataType::BYTES)]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.groups[g as usize] = Sketch::default());
    }

    fn bytes(&self) -> usize {
        let heap = |s: &Sketch| match s {
            Sketch::Hashes(hashes) => hashes.capacity() * size_of::<u64>(),
            Sketch::Registers(_) => REGISTERS,
        };
        about_bytes_of_groups(&self.groups, |s| size_of::<Sketch>() + heap(s))
    }
}

#[cfg(test)]
mod tests {
    use brisk_core::key_group::mix;

    use super::*;

    #[track_caller]
    fn check(values: u64) {
        let (mut left, mut right) = (Sketch::default(), Sketch::default());
        for value in 0..values {
            left.add(spread(mix(7, value)));
            right.add(spread(mix(7, value + values / 2)));
        }
        let error = |count: i64, expected: u64| (count as f64 / expected as f64 - 1.0).abs();
        assert!(error(left.count(), values) < 0.03, "{} of {values}", left.count());
        left.merge(&right.write());
        let expected = values + values / 2;
        assert!(error(left.count(), expected) < 0.03, "{} of {expected}", left.count());
    }

    #[test]
    fn counts_are_close() {
        check(10);
        check(1_500);
        check(30_000);
        check(200_000);
    }
}
