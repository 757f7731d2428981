//! `=`, `<>`, `<`, `<=`, `>`, `>=`, IS (NOT) DISTINCT FROM, and IN over a list of values.
//!
//! Operands are brought to their least restrictive type. Text compares with dates and times as one of them (text in a
//! column that is none gives NULL), with numbers not at all. Floats compare as in Java: NaN equals nothing, -0.0 is
//! 0.0. Arrays, maps and rows know equality only.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_ord::cmp;
use brisk_core::{DataType, Error, Result, SqlType};

use super::binding::{expect_count, no_common};
use super::equality::equality;
use super::{Argument, Call, ScalarFunction, Signature};
use crate::Columnar;
use crate::cast::cast_array;
use crate::types::common_type;

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    let comparisons = [Comparison::Equal, Comparison::NotEqual, Comparison::Less, Comparison::LessEqual, Comparison::Greater, Comparison::GreaterEqual];
    let mut list: Vec<Arc<dyn ScalarFunction>> = comparisons.into_iter().map(|c| Arc::new(c) as _).collect();
    list.push(Arc::new(Distinct { negated: false }));
    list.push(Arc::new(Distinct { negated: true }));
    list.push(Arc::new(In));
    list
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl ScalarFunction for Comparison {
    fn name(&self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        if *self == Comparison::NotEqual { &["!="] } else { &[] }
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 2, 2).map_err(|e| e.context(self.name()))?;
        let types = operand_types(&args[0], &args[1], self.name())?;
        let orders = !matches!(self, Comparison::Equal | Comparison::NotEqual);
        if orders && types.iter().any(|t| !is_ordered(&t.data_type)) {
            return Err(Error::invalid(format!("'{}' cannot order {}", self.name(), types[0].data_type)));
        }
        let nullable = types.iter().any(|t| t.nullable);
        Ok(Signature { args: types.to_vec(), returns: SqlType { data_type: DataType::Boolean, nullable } })
    }

    fn is_safe(&self) -> bool {
        true
    }

    fn cost(&self) -> u32 {
        2
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        let (left, right, sql_type) = operands(call)?;
        Ok(Columnar::Array(Arc::new(compare(*self, &left, &right, &sql_type, call.rows)?)))
    }
}

/// Whether values of the type have an order.
pub(crate) fn is_ordered(t: &DataType) -> bool {
    !matches!(t, DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) | DataType::Row(_))
}

/// The types that two operands are compared as.
fn operand_types(left: &Argument, right: &Argument, name: &str) -> Result<[SqlType; 2]> {
    let (a, b) = (&left.sql_type, &right.sql_type);
    if let Some(common) = common_type(&[a.clone(), b.clone()]) {
        let data_type = match common.data_type {
            DataType::Null => DataType::Boolean,
            // Text and bytes compare alike whatever their lengths: no cast is needed.
            t if t.is_character() || t.is_binary() => return Ok([typed(a, &t), typed(b, &t)]),
            t => t,
        };
        return Ok([SqlType { data_type: data_type.clone(), nullable: a.nullable }, SqlType { data_type, nullable: b.nullable }]);
    }
    let is_time = |t: &SqlType| t.data_type.is_timestamp() || matches!(t.data_type, DataType::Date | DataType::Time(_));
    if is_time(a) && b.data_type.is_character() {
        return Ok([a.clone(), text_as(a, right)]);
    }
    if is_time(b) && a.data_type.is_character() {
        return Ok([text_as(b, left), b.clone()]);
    }
    Err(Error::invalid(format!("'{name}' cannot compare {} and {}", a.data_type, b.data_type)).with_remedy("CAST one of them"))
}

/// A NULL takes the other's type, everything else stays.
fn typed(t: &SqlType, other: &DataType) -> SqlType {
    if t.data_type == DataType::Null { SqlType::nullable(other.clone()) } else { t.clone() }
}

/// A constant text is cast when the statement is planned; a column stays text and is tried row by row.
fn text_as(time: &SqlType, text: &Argument) -> SqlType {
    match text.literal {
        Some(_) => time.with_nullable(text.sql_type.nullable),
        None => text.sql_type.with_nullable(true),
    }
}

/// The operands in one type.
fn operands(call: &Call<'_>) -> Result<(Columnar, Columnar, SqlType)> {
    let (a, b) = (&call.arg_types[0], &call.arg_types[1]);
    let read = |i: usize, as_type: &SqlType| -> Result<Columnar> {
        let arg = &call.args[i];
        Ok(arg.like(cast_array(arg.values(), &call.arg_types[i], as_type, true, call.context)?))
    };
    match (a.data_type.is_character(), b.data_type.is_character()) {
        (true, false) => Ok((read(0, b)?, call.args[1].clone(), b.clone())),
        (false, true) => Ok((call.args[0].clone(), read(1, a)?, a.clone())),
        _ => Ok((call.args[0].clone(), call.args[1].clone(), a.clone())),
    }
}

/// Compares two arguments of one type.
fn compare(how: Comparison, left: &Columnar, right: &Columnar, sql_type: &SqlType, rows: usize) -> Result<BooleanArray> {
    match sql_type.data_type {
        DataType::Float => Ok(compare_floats::<Float32Type>(how, left, right, rows)),
        DataType::Double => Ok(compare_floats::<Float64Type>(how, left, right, rows)),
        ref t if !is_ordered(t) => equal_nested(how, left, right, t, rows),
        _ => Ok(match how {
            Comparison::Equal => cmp::eq(left, right)?,
            Comparison::NotEqual => cmp::neq(left, right)?,
            Comparison::Less => cmp::lt(left, right)?,
            Comparison::LessEqual => cmp::lt_eq(left, right)?,
            Comparison::Greater => cmp::gt(left, right)?,
            Comparison::GreaterEqual => cmp::gt_eq(left, right)?,
        }),
    }
}

fn compare_floats<P: ArrowPrimitiveType>(how: Comparison, left: &Columnar, right: &Columnar, rows: usize) -> BooleanArray
where
    P::Native: PartialOrd,
{
    fn with<P: ArrowPrimitiveType>(left: &Columnar, right: &Columnar, rows: usize, f: impl Fn(P::Native, P::Native) -> bool) -> BooleanArray {
        let (a, b) = (left.values().as_primitive::<P>(), right.values().as_primitive::<P>());
        let (x, y) = (a.values(), b.values());
        let values = match (left.is_scalar(), right.is_scalar()) {
            (false, false) => BooleanBuffer::collect_bool(rows, |i| f(x[i], y[i])),
            (false, true) => BooleanBuffer::collect_bool(rows, |i| f(x[i], y[0])),
            (true, false) => BooleanBuffer::collect_bool(rows, |i| f(x[0], y[i])),
            (true, true) => BooleanBuffer::collect_bool(rows, |_| f(x[0], y[0])),
        };
        BooleanArray::new(values, both_valid(left, right, rows))
    }
    match how {
        Comparison::Equal => with::<P>(left, right, rows, |a, b| a == b),
        Comparison::NotEqual => with::<P>(left, right, rows, |a, b| a != b),
        Comparison::Less => with::<P>(left, right, rows, |a, b| a < b),
        Comparison::LessEqual => with::<P>(left, right, rows, |a, b| a <= b),
        Comparison::Greater => with::<P>(left, right, rows, |a, b| a > b),
        Comparison::GreaterEqual => with::<P>(left, right, rows, |a, b| a >= b),
    }
}

/// The rows where neither side is null.
fn both_valid(left: &Columnar, right: &Columnar, rows: usize) -> Option<NullBuffer> {
    NullBuffer::union(valid(left, rows).as_ref(), valid(right, rows).as_ref())
}

fn valid(arg: &Columnar, rows: usize) -> Option<NullBuffer> {
    match arg {
        Columnar::Array(a) => a.nulls().cloned(),
        Columnar::Scalar(v) if v.is_null(0) => Some(NullBuffer::new_null(rows)),
        Columnar::Scalar(_) => None,
    }
}

fn equal_nested(how: Comparison, left: &Columnar, right: &Columnar, t: &DataType, rows: usize) -> Result<BooleanArray> {
    let (a, b) = (left.values(), right.values());
    let equal = equality(a.as_ref(), b.as_ref(), t)?;
    let (i, j) = (usize::from(!left.is_scalar()), usize::from(!right.is_scalar()));
    let nulls = both_valid(left, right, rows);
    let negate = how == Comparison::NotEqual;
    let values = BooleanBuffer::collect_bool(rows, |row| nulls.as_ref().is_none_or(|n| n.is_valid(row)) && equal(row * i, row * j) != negate);
    Ok(BooleanArray::new(values, nulls))
}

/// IS DISTINCT FROM and its opposite: equality in which NULL equals NULL.
#[derive(Debug)]
struct Distinct {
    negated: bool,
}

impl ScalarFunction for Distinct {
    fn name(&self) -> &'static str {
        if self.negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" }
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 2, 2).map_err(|e| e.context(self.name()))?;
        let types = operand_types(&args[0], &args[1], self.name())?;
        Ok(Signature { args: types.to_vec(), returns: SqlType::not_null(DataType::Boolean) })
    }

    fn is_safe(&self) -> bool {
        true
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        let (left, right, sql_type) = operands(call)?;
        let equal = compare(Comparison::Equal, &left, &right, &sql_type, call.rows)?;
        let equal_values = match equal.nulls() {
            Some(nulls) => equal.values() & nulls.inner(),
            None => equal.values().clone(),
        };
        let same = match (valid(&left, call.rows), valid(&right, call.rows)) {
            (Some(a), Some(b)) => &equal_values | &(&!a.inner() & &!b.inner()),
            _ => equal_values,
        };
        let result = if self.negated { same } else { !&same };
        Ok(Columnar::Array(Arc::new(BooleanArray::new(result, None))))
    }
}

/// `a IN (b, c, ..)`: TRUE where one is equal; else NULL where one is NULL; else FALSE.
#[derive(Debug)]
struct In;

impl ScalarFunction for In {
    fn name(&self) -> &'static str {
        "IN"
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 2, usize::MAX).map_err(|e| e.context("IN"))?;
        let types: Vec<SqlType> = args.iter().map(|a| a.sql_type.clone()).collect();
        let nullable = types.iter().any(|t| t.nullable || t.data_type == DataType::Null);
        let returns = SqlType { data_type: DataType::Boolean, nullable };
        let common = match common_type(&types) {
            Some(t) if t.data_type == DataType::Null => DataType::Boolean,
            Some(t) => t.data_type,
            None => {
                // Text is read as the date or time that it is compared with.
                for arg in &args[1..] {
                    operand_types(&args[0], arg, "IN")?;
                }
                let others: Vec<SqlType> = types.iter().filter(|t| !t.data_type.is_character()).cloned().collect();
                common_type(&others).ok_or_else(|| no_common(&types))?.data_type
            }
        };
        let args = types.iter().map(|t| SqlType { data_type: common.clone(), nullable: t.nullable }).collect();
        Ok(Signature { args, returns })
    }

    fn is_safe(&self) -> bool {
        true
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        let sql_type = &call.arg_types[0];
        if let Some(found) = super::in_set::lookup(call)? {
            return Ok(Columnar::Array(found));
        }
        let mut result: Option<BooleanArray> = None;
        for candidate in &call.args[1..] {
            let equal = compare(Comparison::Equal, &call.args[0], candidate, sql_type, call.rows)?;
            let equal = if equal.len() == call.rows { equal } else { spread(&equal, call.rows)? };
            result = Some(match result {
                Some(so_far) => arrow_arith::boolean::or_kleene(&so_far, &equal)?,
                None => equal,
            });
        }
        let result = result.ok_or_else(|| Error::internal("IN without a list"))?;
        Ok(Columnar::Array(Arc::new(result)))
    }
}

fn spread(value: &BooleanArray, rows: usize) -> Result<BooleanArray> {
    let value: ArrayRef = Arc::new(value.clone());
    Ok(Columnar::Scalar(value).into_array(rows)?.as_boolean().clone())
}
