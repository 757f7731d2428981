//! AVG. The mean of integers is an integer, cut toward zero; that of DECIMAL(p, s) is DECIMAL(38, max(6, s)), rounded
//! half up; that of FLOAT is FLOAT.

use std::marker::PhantomData;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_buffer::i256;
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType, Error, Result, SqlType};

use super::rows::{bigint, bigints, each_row, primitive};
use super::sum::{SumCell, Summand};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug)]
pub struct Avg;

impl AggregateFunction for Avg {
    fn name(&self) -> &'static str {
        "AVG"
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let arg = bind::single("AVG", args, "'AVG(<NUMERIC>)'", |t| t.data_type.is_numeric())?;
        let returns = SqlType { data_type: avg_type(&arg.data_type), nullable: arg.nullable };
        Ok(bind::signature(args, vec![arg.clone()], returns))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        Ok(match &signature.args[0].data_type {
            DataType::TinyInt => AvgAccumulator::<Int8Type, WholeMean<Int8Type>>::boxed(signature),
            DataType::SmallInt => AvgAccumulator::<Int16Type, WholeMean<Int16Type>>::boxed(signature),
            DataType::Int => AvgAccumulator::<Int32Type, WholeMean<Int32Type>>::boxed(signature),
            DataType::BigInt => AvgAccumulator::<Int64Type, WholeMean<Int64Type>>::boxed(signature),
            DataType::Float => AvgAccumulator::<Float32Type, FloatMean>::boxed(signature),
            DataType::Double => AvgAccumulator::<Float64Type, DoubleMean>::boxed(signature),
            DataType::Decimal { .. } => AvgAccumulator::<Decimal128Type, DecimalMean>::boxed(signature),
            other => return Err(Error::internal(format!("AVG of {other}"))),
        })
    }
}

/// The type of AVG, and of the family of STDDEV and VAR.
pub(super) fn avg_type(arg: &DataType) -> DataType {
    match arg {
        DataType::Decimal { scale, .. } => DataType::decimal(38, (*scale).max(6)),
        other => other.clone(),
    }
}

/// How values of `T` are summed and divided.
trait Mean<T: ArrowPrimitiveType> {
    type Sum: ArrowPrimitiveType;

    fn widen(value: T::Native) -> <Self::Sum as ArrowPrimitiveType>::Native;

    /// `count` is not 0. `extra_digits` are the scale's digits that the result has more than the sum.
    fn divide(sum: <Self::Sum as ArrowPrimitiveType>::Native, count: i64, extra_digits: u32) -> Option<T::Native>;

    fn sum_type(returns: &DataType, arg: &DataType) -> DataType;
}

struct WholeMean<T>(PhantomData<T>);

macro_rules! whole_mean {
    ($($arrow:ty => $native:ty),*) => {$(
        impl Mean<$arrow> for WholeMean<$arrow> {
            type Sum = Int64Type;

            #[inline(always)]
            fn widen(value: $native) -> i64 {
                i64::from(value)
            }

            fn divide(sum: i64, count: i64, _: u32) -> Option<$native> {
                Some((sum.wrapping_div(count)) as $native)
            }

            fn sum_type(_: &DataType, _: &DataType) -> DataType {
                DataType::BigInt
            }
        }
    )*};
}

whole_mean!(Int8Type => i8, Int16Type => i16, Int32Type => i32, Int64Type => i64);

struct FloatMean;

impl Mean<Float32Type> for FloatMean {
    type Sum = Float64Type;

    #[inline(always)]
    fn widen(value: f32) -> f64 {
        f64::from(value)
    }

    fn divide(sum: f64, count: i64, _: u32) -> Option<f32> {
        Some((sum / count as f64) as f32)
    }

    fn sum_type(_: &DataType, _: &DataType) -> DataType {
        DataType::Double
    }
}

struct DoubleMean;

impl Mean<Float64Type> for DoubleMean {
    type Sum = Float64Type;

    #[inline(always)]
    fn widen(value: f64) -> f64 {
        value
    }

    fn divide(sum: f64, count: i64, _: u32) -> Option<f64> {
        Some(sum / count as f64)
    }

    fn sum_type(_: &DataType, _: &DataType) -> DataType {
        DataType::Double
    }
}

struct DecimalMean;

impl Mean<Decimal128Type> for DecimalMean {
    type Sum = Decimal128Type;

    #[inline(always)]
    fn widen(value: i128) -> i128 {
        value
    }

    fn divide(sum: i128, count: i64, extra_digits: u32) -> Option<i128> {
        let factor = 10i128.pow(extra_digits);
        let count = i128::from(count);
        match sum.checked_mul(factor) {
            Some(scaled) => Some(half_up(scaled / count, scaled % count, count)),
            None => {
                let scaled = i256::from_i128(sum).wrapping_mul(i256::from_i128(factor));
                let wide = i256::from_i128(count);
                let (quotient, rest) = (scaled.wrapping_div(wide), scaled.wrapping_rem(wide));
                Some(half_up(quotient.to_i128()?, rest.to_i128()?, count))
            }
        }
        .filter(|mean| mean.unsigned_abs() < 10u128.pow(38))
    }

    fn sum_type(_: &DataType, arg: &DataType) -> DataType {
        match arg {
            DataType::Decimal { scale, .. } => DataType::decimal(38, *scale),
            other => other.clone(),
        }
    }
}

/// A quotient that was cut toward zero, rounded half away from zero by its remainder.
fn half_up(quotient: i128, rest: i128, divisor: i128) -> i128 {
    if rest.unsigned_abs() * 2 < divisor.unsigned_abs() {
        return quotient;
    }
    quotient + if (rest < 0) == (divisor < 0) { 1 } else { -1 }
}

type Native<T> = <T as ArrowPrimitiveType>::Native;

struct AvgAccumulator<T: ArrowPrimitiveType, M: Mean<T>> {
    cells: Vec<SumCell<Native<M::Sum>>>,
    arrow: ArrowType,
    sum_type: SqlType,
    sum_arrow: ArrowType,
    extra_digits: u32,
    mean: PhantomData<fn() -> (T, M)>,
}

impl<T: ArrowPrimitiveType, M: Mean<T> + 'static> AvgAccumulator<T, M>
where
    Native<M::Sum>: Summand,
{
    fn boxed(signature: &AggregateSignature) -> Box<dyn Accumulator> {
        let (arg, returns) = (&signature.args[0].data_type, &signature.returns.data_type);
        let extra_digits = match (arg, returns) {
            (DataType::Decimal { scale: from, .. }, DataType::Decimal { scale: to, .. }) => u32::from(to - from),
            _ => 0,
        };
        let sum_type = SqlType::not_null(M::sum_type(returns, arg));
        let sum_arrow = sum_type.to_arrow();
        Box::new(Self { cells: Vec::new(), arrow: returns.to_arrow(), sum_type, sum_arrow, extra_digits, mean: PhantomData })
    }
}

impl<T: ArrowPrimitiveType, M: Mean<T>> Accumulator for AvgAccumulator<T, M>
where
    Native<M::Sum>: Summand,
{
    fn resize(&mut self, groups: usize) {
        self.cells.resize(groups, SumCell::default());
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let values = &args[0].as_primitive::<T>().values()[..groups.len()];
        let cells = self.cells.as_mut_slice();
        each_row(groups, args[0].nulls(), retract, |row, group, added| {
            if added {
                cells[group].add(M::widen(values[row]));
            } else {
                cells[group].take(M::widen(values[row]));
            }
        });
        Ok(())
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        let sums = states[0].as_primitive::<M::Sum>().values();
        let counts = states[1].as_primitive::<Int64Type>().values();
        each_row(groups, None, None, |row, group, _| self.cells[group].merge(sums[row], counts[row]));
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(primitive::<T>(groups, &self.arrow, |g| {
            let cell = self.cells[g];
            if cell.count == 0 { None } else { M::divide(cell.sum, cell.count, self.extra_digits) }
        }))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![primitive::<M::Sum>(groups, &self.sum_arrow, |g| Some(self.cells[g].sum)), bigints(groups, |g| self.cells[g].count)])
    }

    fn state_types(&self) -> Vec<SqlType> {
        vec![self.sum_type.clone(), bigint()]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.cells[g as usize] = SumCell::default());
    }

    fn reset(&mut self) -> bool {
        self.cells.clear();
        true
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<SumCell<Native<M::Sum>>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sum: i128, count: i64, extra_digits: u32, expected: Option<i128>) {
        assert_eq!(DecimalMean::divide(sum, count, extra_digits), expected);
    }

    #[test]
    fn decimal_means_are_rounded_half_up() {
        check(10, 4, 0, Some(3));
        check(-10, 4, 0, Some(-3));
        check(10, 3, 2, Some(333));
        check(5, 1, 6, Some(5_000_000));
        // 10^37 * 10^6 passes 128 bits on the way.
        check(10i128.pow(37), 1_000_000, 6, Some(10i128.pow(37)));
        check(10i128.pow(37), 1, 6, None);
    }
}
