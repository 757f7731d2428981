//! RAND, RAND_INTEGER and UUID.
//!
//! With a seed the numbers are those of Java's generator, which starts anew for every batch of rows as it does for
//! every task of Flink. Without one they come from the operating system's entropy, once a thread.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::{Float64Type, Int32Type};
use brisk_core::{DataType as T, Result, SqlType};

use super::super::binding::{Want, bind, expect_count};
use super::super::builtin::Builtin;
use super::super::reader::{build_numbers, build_texts};
use super::super::{Argument, Call, ScalarFunction, Signature};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("RAND", |args| bind(args, &[Want::Int], 0, T::Double), rand),
        Builtin::new("RAND_INTEGER", |args| bind(args, &[Want::Int, Want::Int], 1, T::Int), rand_integer),
        Builtin::new("UUID", bind_uuid, uuid),
    ]
    .map(|f| f.volatile().shared())
    .to_vec()
}

/// Java's linear congruential generator of 48 bits.
struct JavaRandom(u64);

impl JavaRandom {
    fn new(seed: i64) -> Self {
        Self((seed as u64 ^ 0x5_DEEC_E66D) & ((1 << 48) - 1))
    }

    fn next(&mut self, bits: u32) -> i32 {
        self.0 = (self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB)) & ((1 << 48) - 1);
        (self.0 >> (48 - bits)) as i32
    }

    fn next_double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// From 0 to below `bound`, which is positive.
    fn next_int(&mut self, bound: i32) -> i32 {
        if bound & (bound - 1) == 0 {
            return ((i64::from(bound) * i64::from(self.next(31))) >> 31) as i32;
        }
        loop {
            let bits = self.next(31);
            let value = bits % bound;
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }
}

/// A generator seeded by the operating system, for the calls without a seed.
fn unseeded() -> JavaRandom {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
    }
    JavaRandom::new(STATE.with(|s| {
        let next = s.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        s.set(next);
        brisk_core::key_group::mix(next, 0x2545_F491_4F6C_DD1D) as i64
    }))
}

fn rand(call: &Call<'_>) -> Result<ArrayRef> {
    let mut random = match call.args.first() {
        Some(_) => Seeded::new(call, 0),
        None => Seeded::Free(unseeded()),
    };
    Ok(build_numbers::<Float64Type>(call.rows, |row| Some(random.at(row)?.next_double())))
}

/// RAND_INTEGER(bound) and RAND_INTEGER(seed, bound).
fn rand_integer(call: &Call<'_>) -> Result<ArrayRef> {
    let bound = call.number::<Int32Type>(call.args.len() - 1);
    let mut random = if call.args.len() > 1 { Seeded::new(call, 0) } else { Seeded::Free(unseeded()) };
    let mut failed = false;
    let result = build_numbers::<Int32Type>(call.rows, |row| {
        let (random, bound) = (random.at(row)?, bound.get(row)?);
        failed |= bound <= 0;
        (bound > 0).then(|| random.next_int(bound))
    });
    if failed {
        return Err(brisk_core::Error::compute("RAND_INTEGER needs a positive bound"));
    }
    Ok(result)
}

/// One generator for all rows where the seed is constant or absent, one a row otherwise.
enum Seeded<'a> {
    Free(JavaRandom),
    PerRow(super::super::reader::Reader<'a, arrow_array::Int32Array>, JavaRandom),
    Null,
}

impl<'a> Seeded<'a> {
    fn new(call: &'a Call<'_>, index: usize) -> Self {
        let seeds = call.number::<Int32Type>(index);
        match (seeds.is_constant(), if call.rows > 0 { seeds.get(0) } else { None }) {
            (true, Some(seed)) => Seeded::Free(JavaRandom::new(i64::from(seed))),
            (true, None) => Seeded::Null,
            (false, _) => Seeded::PerRow(seeds, JavaRandom::new(0)),
        }
    }

    fn at(&mut self, row: usize) -> Option<&mut JavaRandom> {
        match self {
            Seeded::Free(random) => Some(random),
            Seeded::PerRow(seeds, random) => {
                *random = JavaRandom::new(i64::from(seeds.get(row)?));
                Some(random)
            }
            Seeded::Null => None,
        }
    }
}

fn bind_uuid(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 0, 0)?;
    Ok(Signature { args: Vec::new(), returns: SqlType::not_null(T::Char(36)) })
}

/// Version 4: random but for the version and variant bits.
fn uuid(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(build_texts(call.rows, |_, out| {
        let words = [RandomState::new().build_hasher().finish(), unseeded().0 ^ RandomState::new().build_hasher().finish()];
        let high = words[0] & !0xF000 | 0x4000;
        let low = words[1] & !(3 << 62) | 2 << 62;
        write!(out, "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48, low & 0xFFFF_FFFF_FFFF).ok()
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::Expr;

    #[test]
    fn seeds_give_the_numbers_of_java() {
        let once = |name: &str, args: &[Expr]| {
            let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(1));
            let row = arrow_array::RecordBatch::try_new_with_options(std::sync::Arc::new(arrow_schema::Schema::empty()), vec![], &options).unwrap();
            let e = call(name, args).unwrap();
            crate::cast::value_text(e.evaluate_array(&row, &context()).unwrap().as_ref(), &e.sql_type(), 0)
        };
        assert_eq!(once("RAND", &[Expr::int(1)]), "0.7308781907032909");
        assert_eq!(once("RAND", &[Expr::int(3)]), "0.731057369148862");
        assert_eq!(once("RAND_INTEGER", &[Expr::int(3), Expr::int(99)]), "50");
        let id = once("UUID", &[]);
        assert_eq!((id.len(), &id[14..15], &id[8..9]), (36, "4", "-"));
    }
}
