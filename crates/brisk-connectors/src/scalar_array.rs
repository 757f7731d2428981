//! Arrays of one value, for columns that are the same for a whole chunk of records.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, PrimitiveArray,
    StringArray, new_null_array,
};
use arrow_schema::TimeUnit;
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, Error, Result, SqlType};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ScalarValue {
    Null,
    Text(String),
    Integer(i64),
    /// For a column of any numeric type; rounded for whole ones.
    Number(f64),
    /// Milliseconds since 1970 in UTC.
    Instant(i64),
}

impl ScalarValue {
    /// An array of this value alone, of the type that its column is declared with.
    pub fn to_array(&self, sql_type: &SqlType) -> Result<ArrayRef> {
        let made = match self {
            ScalarValue::Null => Some(new_null_array(&sql_type.to_arrow(), 1)),
            ScalarValue::Text(text) => of_text(text, &sql_type.data_type),
            ScalarValue::Integer(value) => of_integer(*value, &sql_type.data_type),
            ScalarValue::Number(value) => of_number(*value, &sql_type.data_type)?,
            ScalarValue::Instant(ms) => of_instant(*ms, &sql_type.data_type),
        };
        made.ok_or_else(|| Error::compute(format!("{self:?} is no {sql_type}")))
    }
}

fn of_text(text: &str, data_type: &DataType) -> Option<ArrayRef> {
    Some(match data_type {
        DataType::Char(_) | DataType::Varchar(_) => Arc::new(StringArray::from(vec![text])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![text.parse::<bool>().ok()?])),
        DataType::Double => Arc::new(Float64Array::from(vec![text.parse::<f64>().ok()?])),
        DataType::Date => {
            let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Arc::new(Date32Array::from(vec![i32::try_from(date.signed_duration_since(chrono::NaiveDate::default()).num_days()).ok()?]))
        }
        _ => of_integer(text.parse().ok()?, data_type)?,
    })
}

fn of_integer(value: i64, data_type: &DataType) -> Option<ArrayRef> {
    Some(match data_type {
        DataType::TinyInt => Arc::new(Int8Array::from(vec![i8::try_from(value).ok()?])),
        DataType::SmallInt => Arc::new(Int16Array::from(vec![i16::try_from(value).ok()?])),
        DataType::Int => Arc::new(Int32Array::from(vec![i32::try_from(value).ok()?])),
        DataType::BigInt => Arc::new(Int64Array::from(vec![value])),
        _ => return None,
    })
}

fn of_number(value: f64, data_type: &DataType) -> Result<Option<ArrayRef>> {
    Ok(Some(match data_type {
        DataType::Double => Arc::new(Float64Array::from(vec![value])),
        DataType::Float => Arc::new(Float32Array::from(vec![value as f32])),
        DataType::Decimal { precision, scale } => {
            let unscaled = (value * 10f64.powi((*scale).into())).round() as i128;
            let fits = unscaled.unsigned_abs() < 10u128.pow((*precision).into());
            Arc::new(Decimal128Array::from(vec![fits.then_some(unscaled)]).with_precision_and_scale(*precision, *scale as i8)?)
        }
        _ => return Ok(of_integer(value.round() as i64, data_type)),
    }))
}

fn of_instant(ms: i64, data_type: &DataType) -> Option<ArrayRef> {
    let (precision, zone) = match data_type {
        DataType::TimestampLtz(p) => (*p, Some("UTC")),
        DataType::Timestamp(p) => (*p, None),
        DataType::BigInt => return of_integer(ms, data_type),
        _ => return None,
    };
    Some(match timestamp_unit(precision) {
        TimeUnit::Microsecond => Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(vec![ms.checked_mul(1_000)?]).with_timezone_opt(zone)),
        TimeUnit::Nanosecond => Arc::new(PrimitiveArray::<TimestampNanosecondType>::from(vec![ms.checked_mul(1_000_000)?]).with_timezone_opt(zone)),
        _ => Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(vec![ms]).with_timezone_opt(zone)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: ScalarValue, data_type: DataType, fits: bool) {
        let sql_type = SqlType::nullable(data_type);
        match value.to_array(&sql_type) {
            Ok(array) => assert!(fits && array.len() == 1 && *array.data_type() == sql_type.to_arrow(), "{sql_type}"),
            Err(_) => assert!(!fits, "{sql_type}"),
        }
    }

    #[test]
    fn values_fit_their_types() {
        check(ScalarValue::Text("x".into()), DataType::STRING, true);
        check(ScalarValue::Text("2020-01-01".into()), DataType::Date, true);
        check(ScalarValue::Text("7".into()), DataType::Int, true);
        check(ScalarValue::Text("x".into()), DataType::Int, false);
        check(ScalarValue::Integer(300), DataType::TinyInt, false);
        check(ScalarValue::Instant(5), DataType::TimestampLtz(9), true);
        check(ScalarValue::Instant(5), DataType::TimestampLtz(3), true);
        check(ScalarValue::Null, DataType::decimal(10, 2), true);
    }
}
