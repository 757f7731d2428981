//! CURRENT_WATERMARK(rowtime): how far event time has come at the operator that asks; NULL before the first watermark.

use arrow_array::ArrayRef;
use brisk_core::{DataType, Error, Result, SqlType};

use super::point::build;
use crate::scalar::binding::expect_count;
use crate::scalar::builtin::Builtin;
use crate::scalar::{Argument, Call, Signature};

pub const NAME: &str = "CURRENT_WATERMARK";

pub(super) const FUNCTIONS: &[Builtin] = &[Builtin::new(NAME, bind, current_watermark).volatile().safe()];

/// That the argument is a rowtime attribute is for the binder to see: types do not tell.
fn bind(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let returns = match &args[0].sql_type.data_type {
        DataType::Timestamp(_) => DataType::Timestamp(3),
        DataType::TimestampLtz(_) => DataType::TimestampLtz(3),
        other => return Err(Error::invalid(format!("takes a rowtime attribute, not {other}"))),
    };
    Ok(Signature { args: vec![args[0].sql_type.clone()], returns: SqlType::nullable(returns) })
}

fn current_watermark(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(build(call.returns, call.rows, |_| call.context.watermark_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EvalContext;
    use crate::scalar::testing::{call, columns_of, context, of, over_columns};

    #[test]
    fn it_is_null_until_time_has_begun() {
        let args = [of("2020-01-01 00:00:00", DataType::Timestamp(3))];
        let bound = over_columns(&call(NAME, &args).unwrap(), &args);
        let at = |watermark_ms| {
            let values = bound.evaluate_array(&columns_of(&args), &EvalContext { watermark_ms, ..context() }).unwrap();
            arrow_cast::display::array_value_to_string(&values, 0).unwrap()
        };
        assert_eq!(at(None), "");
        assert_eq!(at(Some(1500)), "1970-01-01T00:00:01.500");
    }
}
