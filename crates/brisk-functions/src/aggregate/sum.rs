//! SUM and $SUM0 (which the planner uses where 0 stands for no rows).
//!
//! The sum of integers has their type and wraps around, as in Flink; that of DECIMAL(p, s) is DECIMAL(38, s), and one
//! that does not fit starts over.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType, Error, Result, SqlType};

use super::rows::{bigint, bigints, each_row, primitive};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct Sum {
    pub zero_when_empty: bool,
}

impl AggregateFunction for Sum {
    fn name(&self) -> &'static str {
        if self.zero_when_empty { "$SUM0" } else { "SUM" }
    }

    fn aliases(&self) -> &'static [&'static str] {
        if self.zero_when_empty { &["SUM0"] } else { &[] }
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let arg = bind::single(self.name(), args, "'SUM(<NUMERIC>)'", |t| t.data_type.is_numeric())?;
        let nullable = arg.nullable && !self.zero_when_empty;
        let returns = SqlType { data_type: sum_type(&arg.data_type), nullable };
        Ok(bind::signature(args, vec![arg.clone()], returns))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        let returns = signature.returns.clone();
        let zero = self.zero_when_empty;
        Ok(match &returns.data_type {
            DataType::TinyInt => SumAccumulator::<Int8Type>::boxed(returns, zero),
            DataType::SmallInt => SumAccumulator::<Int16Type>::boxed(returns, zero),
            DataType::Int => SumAccumulator::<Int32Type>::boxed(returns, zero),
            DataType::BigInt => SumAccumulator::<Int64Type>::boxed(returns, zero),
            DataType::Float => SumAccumulator::<Float32Type>::boxed(returns, zero),
            DataType::Double => SumAccumulator::<Float64Type>::boxed(returns, zero),
            DataType::Decimal { .. } => SumAccumulator::<Decimal128Type>::boxed(returns, zero),
            other => return Err(Error::internal(format!("SUM of {other}"))),
        })
    }

    fn never_null(&self) -> bool {
        self.zero_when_empty
    }
}

fn sum_type(arg: &DataType) -> DataType {
    match arg {
        DataType::Decimal { scale, .. } => DataType::decimal(38, *scale),
        other => other.clone(),
    }
}

/// Numbers that can be summed. `plus` and `minus` give `None` where the sum has no value.
pub(super) trait Summand: Copy + Default + Send + Sync {
    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
}

macro_rules! wrapping_summand {
    ($($t:ty),*) => {$(
        impl Summand for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Option<Self> {
                Some(self.wrapping_add(other))
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Option<Self> {
                Some(self.wrapping_sub(other))
            }
        }
    )*};
}

macro_rules! float_summand {
    ($($t:ty),*) => {$(
        impl Summand for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Option<Self> {
                Some(self + other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Option<Self> {
                Some(self - other)
            }
        }
    )*};
}

wrapping_summand!(i8, i16, i32, i64);
float_summand!(f32, f64);

/// The smallest number with 39 digits.
const DECIMAL_LIMIT: i128 = 10i128.pow(38);

impl Summand for i128 {
    #[inline(always)]
    fn plus(self, other: Self) -> Option<Self> {
        // Both have at most 38 digits, so the sum is at most 2 * 10^38 in size and may pass i128's end.
        self.checked_add(other).filter(|s| s.unsigned_abs() < DECIMAL_LIMIT as u128)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Option<Self> {
        self.checked_sub(other).filter(|s| s.unsigned_abs() < DECIMAL_LIMIT as u128)
    }
}

/// A sum and the number of values in it, side by side so that an update touches one place.
#[derive(Clone, Copy, Default)]
pub(super) struct SumCell<N> {
    pub sum: N,
    pub count: i64,
}

impl<N: Summand> SumCell<N> {
    #[inline(always)]
    pub fn add(&mut self, value: N) {
        match self.sum.plus(value) {
            Some(sum) => *self = Self { sum, count: self.count + 1 },
            None => *self = Self::default(),
        }
    }

    #[inline(always)]
    pub fn take(&mut self, value: N) {
        match self.sum.minus(value) {
            Some(sum) => *self = Self { sum, count: self.count - 1 },
            None => *self = Self::default(),
        }
    }

    #[inline(always)]
    pub fn merge(&mut self, sum: N, count: i64) {
        match self.sum.plus(sum) {
            Some(sum) => *self = Self { sum, count: self.count + count },
            None => *self = Self::default(),
        }
    }
}

struct SumAccumulator<T: ArrowPrimitiveType> {
    cells: Vec<SumCell<T::Native>>,
    returns: SqlType,
    arrow: ArrowType,
    zero_when_empty: bool,
}

impl<T: ArrowPrimitiveType> SumAccumulator<T>
where
    T::Native: Summand,
{
    fn boxed(returns: SqlType, zero_when_empty: bool) -> Box<dyn Accumulator> {
        let arrow = returns.to_arrow();
        Box::new(Self { cells: Vec::new(), returns, arrow, zero_when_empty })
    }
}

impl<T: ArrowPrimitiveType> Accumulator for SumAccumulator<T>
where
    T::Native: Summand,
{
    fn resize(&mut self, groups: usize) {
        self.cells.resize(groups, SumCell::default());
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let values = &args[0].as_primitive::<T>().values()[..groups.len()];
        let cells = self.cells.as_mut_slice();
        each_row(groups, args[0].nulls(), retract, |row, group, added| {
            if added {
                cells[group].add(values[row]);
            } else {
                cells[group].take(values[row]);
            }
        });
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let sums = states[0].as_primitive::<T>().values();
        let counts = states[1].as_primitive::<Int64Type>().values();
        each_row(groups, None, None, |row, group, _| self.cells[group].merge(sums[row], counts[row]));
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(primitive::<T>(groups, &self.arrow, |g| (self.cells[g].count != 0 || self.zero_when_empty).then(|| self.cells[g].sum)))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![primitive::<T>(groups, &self.arrow, |g| Some(self.cells[g].sum)), bigints(groups, |g| self.cells[g].count)])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![self.returns.with_nullable(false), bigint()]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.cells[g as usize] = SumCell::default());
    }

    fn reset(&mut self) -> bool {
        self.cells.clear();
        true
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<SumCell<T::Native>>()
    }
}
