//! `a[i]`, `m[k]`, `row.field`, CARDINALITY, ELEMENT.
//!
//! An element that is not there is NULL, but where the elements are NOT NULL it is what Flink's code leaves in the
//! variable: -1 for numbers, dates and times, FALSE for BOOLEAN.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::DataType as ArrowType;
use arrow_select::nullif::nullif;
use arrow_select::take::take;
use brisk_core::{DataType, Error, Result};

use super::super::binding::{Want, coerce, expect_count, signature, wrong};
use super::super::builtin::Builtin;
use super::super::equality::equality;
use super::super::reader::build_numbers;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::lists::{Lists, as_element, element_type};
use crate::Columnar;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [Builtin::new("ITEM", bind_item, item), Builtin::new("CARDINALITY", bind_cardinality, cardinality).safe(), Builtin::new("ELEMENT", bind_element, element)]
        .map(Builtin::shared)
        .to_vec()
}

fn bind_item(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let (collection, index) = (&args[0].sql_type, &args[1].sql_type);
    let (index, part) = match &collection.data_type {
        DataType::Array(part) => {
            let wanted = coerce(1, index, Want::Int)?;
            let literal = args[1].literal.as_ref().filter(|l| l.is_valid(0));
            if let Some(position) = literal.and_then(|l| l.as_primitive_opt::<Int32Type>()).map(|l| l.value(0))
                && position < 1
            {
                return Err(Error::invalid(format!("an array's elements count from 1, not {position}")));
            }
            (wanted, part)
        }
        DataType::Map(key, value) => (as_element(1, index, key)?, value),
        _ => return Err(wrong(0, collection, "an ARRAY or a MAP")),
    };
    let nullable = collection.nullable || part.nullable || index.nullable;
    Ok(Signature { args: vec![collection.clone(), index], returns: part.with_nullable(nullable) })
}

fn item(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let (places, values) = match &call.arg_types[0].data_type {
        DataType::Map(key, _) => {
            let wanted = call.array(1)?;
            let same = equality(lists.keys().as_ref(), wanted.as_ref(), &key.data_type)?;
            let find = |row: usize| lists.get(row).filter(|_| wanted.is_valid(row))?.find(|&k| same(k, row)).map(|k| k as u64);
            ((0..call.rows).map(find).collect::<UInt64Array>(), lists.map_values())
        }
        _ => {
            let position = call.number::<Int32Type>(1);
            let find = |row: usize| {
                let (range, position) = (lists.get(row)?, position.get(row)?);
                let offset = usize::try_from(position).ok()?.checked_sub(1)?;
                (offset < range.len()).then(|| (range.start + offset) as u64)
            };
            ((0..call.rows).map(find).collect::<UInt64Array>(), lists.values())
        }
    };
    let found = take(values.as_ref(), &places, None)?;
    Ok(if call.returns.nullable || places.null_count() == 0 { found } else { fill_absent(found, &call.returns.data_type) })
}

/// What stands for an absent element of a NOT NULL type.
fn fill_absent(found: ArrayRef, t: &DataType) -> ArrayRef {
    macro_rules! minus_one {
        ($t:ty) => {{
            let values = found.as_primitive::<$t>();
            let filled: Vec<_> = values.iter().map(|v| v.unwrap_or(-1i8 as _)).collect();
            Arc::new(arrow_array::PrimitiveArray::<$t>::from_iter_values(filled)) as ArrayRef
        }};
    }
    use arrow_array::types::*;
    match t {
        DataType::Boolean => Arc::new(found.as_boolean().iter().map(|v| Some(v.unwrap_or(false))).collect::<arrow_array::BooleanArray>()),
        DataType::TinyInt => minus_one!(Int8Type),
        DataType::SmallInt => minus_one!(Int16Type),
        DataType::Int => minus_one!(Int32Type),
        DataType::BigInt => minus_one!(Int64Type),
        DataType::Float => minus_one!(Float32Type),
        DataType::Double => minus_one!(Float64Type),
        DataType::Date => minus_one!(Date32Type),
        DataType::Time(_) => minus_one!(Time32MillisecondType),
        DataType::IntervalYearMonth(_) => minus_one!(IntervalYearMonthType),
        DataType::IntervalDayTime(_) => minus_one!(DurationMillisecondType),
        _ => found,
    }
}

fn bind_cardinality(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    match &args[0].sql_type {
        t if matches!(t.data_type, DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_)) => Ok(signature(vec![t.clone()], DataType::Int)),
        t => Err(wrong(0, t, "an ARRAY, a MAP or a MULTISET")),
    }
}

fn cardinality(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    Ok(build_numbers::<Int32Type>(call.rows, |row| lists.get(row).map(|range| range.len() as i32)))
}

fn bind_element(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let item = element_type(args, 0)?;
    Ok(Signature { args: vec![args[0].sql_type.clone()], returns: item.with_nullable(true) })
}

fn element(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = Lists::of(call, 0);
    let mut places = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        places.push(match lists.get(row) {
            Some(range) if range.len() > 1 => return Err(Error::compute(format!("ELEMENT of an array of {} elements", range.len()))),
            Some(range) if range.len() == 1 => Some(range.start as u64),
            _ => None,
        });
    }
    Ok(take(lists.values().as_ref(), &UInt64Array::from(places), None)?)
}

/// The function that reads field `index` of a ROW.
pub fn field_access(index: usize) -> Arc<dyn ScalarFunction> {
    Arc::new(FieldAccess { index })
}

#[derive(Debug)]
struct FieldAccess {
    index: usize,
}

impl ScalarFunction for FieldAccess {
    fn name(&self) -> &'static str {
        "FIELD"
    }

    fn label(&self) -> Cow<'static, str> {
        Cow::Owned(format!(".{}", self.index))
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 1, 1)?;
        let row = &args[0].sql_type;
        let DataType::Row(fields) = &row.data_type else { return Err(wrong(0, row, "a ROW")) };
        let Some(field) = fields.get(self.index) else {
            return Err(Error::invalid(format!("{} has no field {}", row.data_type, self.index + 1)));
        };
        let returns = field.sql_type.with_nullable(row.nullable || field.sql_type.nullable);
        Ok(Signature { args: vec![row.clone()], returns })
    }

    fn is_safe(&self) -> bool {
        true
    }

    fn cost(&self) -> u32 {
        1
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        let rows = call.args[0].values().as_struct();
        let column = rows.column(self.index);
        let Some(row_nulls) = rows.nulls().filter(|n| n.null_count() > 0) else {
            return Ok(call.args[0].like(column.clone()));
        };
        if *column.data_type() == ArrowType::Null {
            return Ok(call.args[0].like(column.clone()));
        }
        let absent = BooleanArray::new(!row_nulls.inner(), None);
        Ok(call.args[0].like(nullif(column, &absent)?))
    }
}
