//! `+`, `-`, `*`, `/`, `%`, MOD and the unary minus.
//!
//! Integers wrap; an integer or DECIMAL divided by zero fails, and so does a DOUBLE divided by the constant zero (by a
//! zero in a column it is infinite, as in Flink). DECIMAL results have the types of [`crate::types`]; one that does
//! not fit is NULL. Dates, times and intervals are in [`super::temporal`].

use std::fmt;
use std::sync::Arc;

use arrow_arith::numeric;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType, Error, Result, SqlType};

use super::binding::expect_count;
use super::{Argument, Call, ScalarFunction, Signature, decimal, temporal};
use crate::Columnar;
use crate::types::{as_decimal, common_type, decimal_product, decimal_quotient, decimal_remainder, decimal_sum};

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    let operators = [Operator::Plus, Operator::Minus, Operator::Times, Operator::Divide, Operator::Modulo];
    let mut list: Vec<Arc<dyn ScalarFunction>> = operators.into_iter().map(|o| Arc::new(Arithmetic(o)) as _).collect();
    list.push(Arc::new(Negate));
    list
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}

#[derive(Debug)]
struct Arithmetic(Operator);

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Operator::Plus => "+",
            Operator::Minus => "-",
            Operator::Times => "*",
            Operator::Divide => "/",
            Operator::Modulo => "%",
        }
    }

    fn decimal_type(self, a: (u8, u8), b: (u8, u8)) -> DataType {
        match self {
            Operator::Plus | Operator::Minus => decimal_sum(a, b),
            Operator::Times => decimal_product(a, b),
            Operator::Divide => decimal_quotient(a, b),
            Operator::Modulo => decimal_remainder(a, b),
        }
    }
}

impl ScalarFunction for Arithmetic {
    fn name(&self) -> &'static str {
        self.0.symbol()
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self.0 {
            Operator::Plus => &["PLUS"],
            Operator::Minus => &["MINUS"],
            Operator::Times => &["TIMES"],
            Operator::Divide => &["DIVIDE"],
            Operator::Modulo => &["MOD"],
        }
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 2, 2).map_err(|e| e.context(self.0))?;
        let (left, right) = (&args[0].sql_type, &args[1].sql_type);
        if temporal::is_temporal(left) || temporal::is_temporal(right) {
            return temporal::bind(self.0, left, right);
        }
        bind_numbers(self.0, left, right)
    }

    fn is_safe(&self) -> bool {
        !matches!(self.0, Operator::Divide | Operator::Modulo)
    }

    fn cost(&self) -> u32 {
        2
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        if call.arg_types.iter().any(temporal::is_temporal) {
            return temporal::evaluate(self.0, call);
        }
        if let DataType::Decimal { .. } = call.returns.data_type {
            return decimal::evaluate(self.0, call);
        }
        if self.0 == Operator::Modulo && call.arg_types[0].data_type != call.arg_types[1].data_type {
            return wide_modulo(call);
        }
        let (left, right) = (&call.args[0], &call.args[1]);
        let result = match self.0 {
            Operator::Plus => numeric::add_wrapping(left, right)?,
            Operator::Minus => numeric::sub_wrapping(left, right)?,
            Operator::Times => numeric::mul_wrapping(left, right)?,
            Operator::Divide => divide(left, right)?,
            Operator::Modulo => modulo(left, right)?,
        };
        Ok(Columnar::Array(result))
    }
}

fn bind_numbers(operator: Operator, left: &SqlType, right: &SqlType) -> Result<Signature> {
    let nullable = left.nullable || right.nullable;
    let types = [left.clone(), right.clone()];
    let Some(common) = common_type(&types).filter(|t| t.data_type.is_numeric() || t.data_type == DataType::Null) else {
        return Err(Error::invalid(format!("'{operator}' cannot take {} and {}", left.data_type, right.data_type)));
    };
    if common.data_type == DataType::Null {
        let int = SqlType::nullable(DataType::Int);
        return Ok(Signature { args: vec![int.clone(), int.clone()], returns: int });
    }
    let same = |t: &DataType| Signature {
        args: types.iter().map(|a| SqlType { data_type: t.clone(), nullable: a.nullable }).collect(),
        returns: SqlType { data_type: t.clone(), nullable },
    };
    let is_decimal = |t: &SqlType| matches!(t.data_type, DataType::Decimal { .. });
    let (Some(a), Some(b)) = (as_decimal(&left.data_type), as_decimal(&right.data_type)) else {
        return Ok(same(&common.data_type));
    };
    if operator == Operator::Modulo {
        // The remainder has the divisor's type where neither side has a fraction.
        if (a.1, b.1) == (0, 0) {
            let returns = SqlType { data_type: right.data_type.clone(), nullable };
            return Ok(Signature { args: vec![left.clone(), right.clone()], returns });
        }
    } else if !is_decimal(left) && !is_decimal(right) {
        return Ok(same(&common.data_type));
    }
    let as_decimals = |t: &SqlType, (p, s): (u8, u8)| SqlType { data_type: DataType::decimal(p, s), nullable: t.nullable };
    // A result that does not fit is NULL, but Flink types it by the operands alone.
    let returns = SqlType { data_type: operator.decimal_type(a, b), nullable };
    Ok(Signature { args: vec![as_decimals(left, a), as_decimals(right, b)], returns })
}

/// MOD over operands of different types without fractions: integers as BIGINT, others by their 128-bit values.
fn wide_modulo(call: &Call<'_>) -> Result<Columnar> {
    let integers = call.arg_types.iter().all(|t| t.data_type.is_integer());
    let wide = SqlType::nullable(if integers { DataType::BigInt } else { DataType::decimal(38, 0) });
    let widen = |i: usize| -> Result<Columnar> {
        let arg = &call.args[i];
        Ok(arg.like(crate::cast::cast_array(arg.values(), &call.arg_types[i], &wide, false, call.context)?))
    };
    let args = [widen(0)?, widen(1)?];
    if integers {
        // A remainder is nearer to 0 than the divisor, whose type it gets.
        let remainder = modulo(&args[0], &args[1])?;
        return Ok(Columnar::Array(crate::cast::cast_array(&remainder, &wide, call.returns, false, call.context)?));
    }
    let types = [wide.clone(), wide.clone()];
    let remainder = decimal::evaluate(Operator::Modulo, &Call { args: &args, arg_types: &types, returns: &wide, rows: call.rows, context: call.context })?;
    let result = crate::cast::cast_array(remainder.values(), &wide, call.returns, false, call.context)?;
    Ok(remainder.like(result))
}

fn divide(left: &Columnar, right: &Columnar) -> Result<ArrayRef> {
    match left.values().data_type() {
        ArrowType::Float32 | ArrowType::Float64 => {
            refuse_zero(right)?;
            Ok(numeric::div(left, right)?)
        }
        ArrowType::Int8 => integers::<Int8Type>(left, right, |a, b| a.wrapping_div(b)),
        ArrowType::Int16 => integers::<Int16Type>(left, right, |a, b| a.wrapping_div(b)),
        ArrowType::Int32 => integers::<Int32Type>(left, right, |a, b| a.wrapping_div(b)),
        _ => integers::<Int64Type>(left, right, |a, b| a.wrapping_div(b)),
    }
}

fn modulo(left: &Columnar, right: &Columnar) -> Result<ArrayRef> {
    match left.values().data_type() {
        ArrowType::Float32 | ArrowType::Float64 => Ok(numeric::rem(left, right)?),
        ArrowType::Int8 => integers::<Int8Type>(left, right, |a, b| a.wrapping_rem(b)),
        ArrowType::Int16 => integers::<Int16Type>(left, right, |a, b| a.wrapping_rem(b)),
        ArrowType::Int32 => integers::<Int32Type>(left, right, |a, b| a.wrapping_rem(b)),
        _ => integers::<Int64Type>(left, right, |a, b| a.wrapping_rem(b)),
    }
}

/// Division and remainder of integers, where a zero divisor of a non-null row fails.
fn integers<P>(left: &Columnar, right: &Columnar, f: impl Fn(P::Native, P::Native) -> P::Native) -> Result<ArrayRef>
where
    P: ArrowPrimitiveType,
    P::Native: Default + PartialEq,
{
    let zero = P::Native::default();
    if let Columnar::Scalar(divisor) = right {
        let divisor = divisor.as_primitive::<P>();
        let dividend = left.values().as_primitive::<P>();
        if divisor.is_null(0) {
            return Ok(arrow_array::new_null_array(&P::DATA_TYPE, dividend.len()));
        }
        let divisor = divisor.value(0);
        if divisor == zero && dividend.null_count() < dividend.len() {
            return Err(Error::compute("division by zero"));
        }
        return Ok(Arc::new(if divisor == zero { dividend.clone() } else { dividend.unary::<_, P>(|a| f(a, divisor)) }));
    }
    let checked = |a, b| if b == zero { Err(arrow_schema::ArrowError::DivideByZero) } else { Ok(f(a, b)) };
    let right = right.values().as_primitive::<P>();
    if let Columnar::Scalar(dividend) = left {
        let dividend = dividend.as_primitive::<P>();
        if dividend.is_null(0) {
            return Ok(arrow_array::new_null_array(&P::DATA_TYPE, right.len()));
        }
        let dividend = dividend.value(0);
        return Ok(Arc::new(right.try_unary::<_, P, _>(|b| checked(dividend, b))?));
    }
    let left = left.values().as_primitive::<P>();
    Ok(Arc::new(arrow_arith::arity::try_binary::<_, _, _, P>(left, right, checked)?))
}

fn refuse_zero(divisor: &Columnar) -> Result<()> {
    let Columnar::Scalar(value) = divisor else { return Ok(()) };
    let is_zero = value.is_valid(0)
        && match value.data_type() {
            ArrowType::Float32 => value.as_primitive::<Float32Type>().value(0) == 0.0,
            _ => value.as_primitive::<Float64Type>().value(0) == 0.0,
        };
    if is_zero { Err(Error::compute("division by zero")) } else { Ok(()) }
}

/// `-a`: numbers and intervals.
#[derive(Debug)]
struct Negate;

impl ScalarFunction for Negate {
    fn name(&self) -> &'static str {
        "NEGATE"
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 1, 1).map_err(|e| e.context("unary '-'"))?;
        let operand = match &args[0].sql_type {
            t if t.data_type == DataType::Null => SqlType::nullable(DataType::Int),
            t if t.data_type.is_numeric() || t.data_type.is_interval() => t.clone(),
            t => return Err(Error::invalid(format!("unary '-' cannot take {}", t.data_type))),
        };
        Ok(Signature { args: vec![operand.clone()], returns: operand })
    }

    fn is_safe(&self) -> bool {
        true
    }

    fn cost(&self) -> u32 {
        1
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        let array = call.args[0].values();
        let result: ArrayRef = match array.data_type() {
            ArrowType::Interval(_) => Arc::new(array.as_primitive::<IntervalYearMonthType>().unary::<_, IntervalYearMonthType>(i32::wrapping_neg)),
            _ => numeric::neg_wrapping(array)?,
        };
        Ok(call.args[0].like(result))
    }
}
