//! STDDEV_POP, STDDEV_SAMP, VAR_POP, VAR_SAMP, by Welford's method: the number of values, their mean, and the sum of the
//! squares of their distances from it, which stays exact where the naive sums cancel each other out.
//!
//! All is computed as DOUBLE, and the result has the type that AVG would have: the standard deviation of integers is an
//! integer, cut toward zero.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use brisk_core::{DataType, Error, Result, SqlType};

use super::avg::avg_type;
use super::rows::{bigint, bigints, each_row, primitive};
use super::{Accumulator, AggregateFunction, AggregateSignature, bind};
use crate::scalar::Argument;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    StddevPop,
    StddevSamp,
    VarPop,
    VarSamp,
}

impl Variance {
    fn is_sample(self) -> bool {
        matches!(self, Variance::StddevSamp | Variance::VarSamp)
    }

    fn is_root(self) -> bool {
        matches!(self, Variance::StddevPop | Variance::StddevSamp)
    }
}

impl AggregateFunction for Variance {
    fn name(&self) -> &'static str {
        match self {
            Variance::StddevPop => "STDDEV_POP",
            Variance::StddevSamp => "STDDEV_SAMP",
            Variance::VarPop => "VAR_POP",
            Variance::VarSamp => "VAR_SAMP",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            Variance::StddevSamp => &["STDDEV"],
            Variance::VarSamp => &["VARIANCE"],
            _ => &[],
        }
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature> {
        let form = format!("'{}(<NUMERIC>)'", self.name());
        let arg = bind::single(self.name(), args, &form, |t| t.data_type.is_numeric())?;
        // The variance of a single value of a sample is NULL.
        let returns = SqlType { data_type: avg_type(&arg.data_type), nullable: arg.nullable || self.is_sample() };
        let computed = SqlType { data_type: DataType::Double, nullable: arg.nullable };
        Ok(bind::signature(args, vec![computed], returns))
    }

    fn accumulator(&self, signature: &AggregateSignature, _retract: bool) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(VarianceAccumulator { cells: Vec::new(), kind: *self, returns: signature.returns.data_type.clone() }))
    }
}

/// Values, their mean, and the sum of the squares of their distances from it.
#[derive(Clone, Copy, Default)]
struct Cell {
    count: i64,
    mean: f64,
    squares: f64,
}

impl Cell {
    #[inline(always)]
    fn add(&mut self, value: f64) {
        self.count += 1;
        if self.count <= 0 {
            return;
        }
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    #[inline(always)]
    fn take(&mut self, value: f64) {
        self.count -= 1;
        if self.count <= 0 {
            (self.mean, self.squares) = (0.0, 0.0);
            return;
        }
        let after = value - self.mean;
        self.mean -= after / self.count as f64;
        self.squares -= (value - self.mean) * after;
    }

    fn merge(&mut self, other: Cell) {
        if self.count <= 0 || other.count <= 0 {
            let count = self.count + other.count;
            let kept = if self.count > 0 { *self } else { other };
            *self = if count > 0 { Cell { count, ..kept } } else { Cell { count, ..Cell::default() } };
            return;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        self.squares += other.squares + self.count as f64 * share * distance * distance;
        self.mean += share * distance;
        self.count = count;
    }
}

struct VarianceAccumulator {
    cells: Vec<Cell>,
    kind: Variance,
    returns: DataType,
}

impl VarianceAccumulator {
    fn result(&self, group: usize) -> Option<f64> {
        let cell = self.cells[group];
        let divisor = cell.count - i64::from(self.kind.is_sample());
        if cell.count <= 0 || divisor <= 0 || cell.squares < 0.0 {
            return None;
        }
        let variance = cell.squares / divisor as f64;
        Some(if self.kind.is_root() { variance.powf(0.5) } else { variance })
    }
}

/// Half up, away from zero; `None` where 38 digits are not enough.
fn decimal(value: f64, scale: u8) -> Option<i128> {
    let scaled = value * 10f64.powi(i32::from(scale));
    (scaled.abs() < 1e38).then(|| scaled.round() as i128)
}

impl Accumulator for VarianceAccumulator {
    fn resize(&mut self, groups: usize) {
        self.cells.resize(groups, Cell::default());
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        let values = &args[0].as_primitive::<Float64Type>().values()[..groups.len()];
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
        let counts = states[0].as_primitive::<Int64Type>().values();
        let means = states[1].as_primitive::<Float64Type>().values();
        let squares = states[2].as_primitive::<Float64Type>().values();
        each_row(groups, None, None, |row, group, _| {
            self.cells[group].merge(Cell { count: counts[row], mean: means[row], squares: squares[row] });
        });
        Ok(())
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        let arrow = self.returns.to_arrow();
        let result = |g| self.result(g);
        Ok(match &self.returns {
            DataType::TinyInt => primitive::<Int8Type>(groups, &arrow, |g| result(g).map(|v| v as i32 as i8)),
            DataType::SmallInt => primitive::<Int16Type>(groups, &arrow, |g| result(g).map(|v| v as i32 as i16)),
            DataType::Int => primitive::<Int32Type>(groups, &arrow, |g| result(g).map(|v| v as i32)),
            DataType::BigInt => primitive::<Int64Type>(groups, &arrow, |g| result(g).map(|v| v as i64)),
            DataType::Float => primitive::<Float32Type>(groups, &arrow, |g| result(g).map(|v| v as f32)),
            DataType::Double => primitive::<Float64Type>(groups, &arrow, result),
            DataType::Decimal { scale, .. } => primitive::<Decimal128Type>(groups, &arrow, |g| result(g).and_then(|v| decimal(v, *scale))),
            other => return Err(Error::internal(format!("a variance of type {other}"))),
        })
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let arrow = DataType::Double.to_arrow();
        let means = primitive::<Float64Type>(groups, &arrow, |g| Some(self.cells[g].mean));
        let squares = primitive::<Float64Type>(groups, &arrow, |g| Some(self.cells[g].squares));
        Ok(vec![bigints(groups, |g| self.cells[g].count), means, squares])
    }

    fn state_types(&self) -> Vec<SqlType> {
        let double = SqlType::not_null(DataType::Double);
        vec![bigint(), double.clone(), double]
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&g| self.cells[g as usize] = Cell::default());
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Variance, values: &[f64], expected: Option<f64>) {
        let mut accumulator = VarianceAccumulator { cells: vec![Cell::default()], kind, returns: DataType::Double };
        values.iter().for_each(|v| accumulator.cells[0].add(*v));
        assert_eq!(accumulator.result(0), expected);
    }

    #[test]
    fn samples_need_two_values() {
        let ten: Vec<f64> = (0..10).map(f64::from).collect();
        check(Variance::StddevPop, &ten, Some(2.8722813232690143));
        check(Variance::StddevSamp, &ten, Some(3.0276503540974917));
        check(Variance::VarSamp, &[5.0], None);
        check(Variance::VarPop, &[5.0], Some(0.0));
        check(Variance::VarPop, &[], None);
        check(Variance::VarPop, &[1e12 + 1.0, 1e12 + 3.0], Some(1.0));
    }
}
