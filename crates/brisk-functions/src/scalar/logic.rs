//! NOT, IS (NOT) NULL and the tests of a BOOLEAN. AND and OR are forms of their own ([`Expr`](crate::Expr)).

use std::sync::Arc;

use arrow_arith::boolean;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use brisk_core::{DataType, Result, SqlType};

use super::binding::{Want, bind, expect_count};
use super::builtin::Builtin;
use super::{Argument, Call, ScalarFunction, Signature};

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("NOT", |args| bind(args, &[Want::Boolean], 1, DataType::Boolean), |call| Ok(Arc::new(boolean::not(operand(call))?))),
        Builtin::new("IS NULL", bind_any, |call| Ok(Arc::new(boolean::is_null(call.args[0].values())?))),
        Builtin::new("IS NOT NULL", bind_any, |call| Ok(Arc::new(boolean::is_not_null(call.args[0].values())?))),
        Builtin::new("IS TRUE", bind_test, |call| Ok(test(call, true, false))).aliases(&["ISTRUE"]),
        Builtin::new("IS NOT TRUE", bind_test, |call| Ok(test(call, true, true))).aliases(&["ISNOTTRUE"]),
        Builtin::new("IS FALSE", bind_test, |call| Ok(test(call, false, false))).aliases(&["ISFALSE"]),
        Builtin::new("IS NOT FALSE", bind_test, |call| Ok(test(call, false, true))).aliases(&["ISNOTFALSE"]),
        Builtin::new("IS UNKNOWN", bind_test, |call| Ok(Arc::new(boolean::is_null(call.args[0].values())?))),
        Builtin::new("IS NOT UNKNOWN", bind_test, |call| Ok(Arc::new(boolean::is_not_null(call.args[0].values())?))),
    ]
    .into_iter()
    .map(|f| f.safe().shared())
    .collect()
}

fn operand<'a>(call: &'a Call<'_>) -> &'a BooleanArray {
    call.args[0].values().as_boolean()
}

fn bind_any(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    Ok(Signature { args: vec![args[0].sql_type.clone()], returns: SqlType::not_null(DataType::Boolean) })
}

fn bind_test(args: &[Argument]) -> Result<Signature> {
    let mut signature = bind(args, &[Want::Boolean], 1, DataType::Boolean)?;
    signature.returns.nullable = false;
    Ok(signature)
}

/// Whether the operand is `wanted`, or with `negated` is not.
fn test(call: &Call<'_>, wanted: bool, negated: bool) -> ArrayRef {
    let operand = operand(call);
    let same = if wanted { operand.values().clone() } else { !operand.values() };
    let is: BooleanBuffer = match operand.nulls() {
        Some(nulls) => &same & nulls.inner(),
        None => same,
    };
    Arc::new(BooleanArray::new(if negated { !&is } else { is }, None))
}
