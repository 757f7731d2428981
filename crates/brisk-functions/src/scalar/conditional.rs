//! GREATEST and LEAST (NULL where an argument is), COALESCE and IFNULL as plain functions, and TYPEOF.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use brisk_core::{DataType as T, Error, Result, SqlType};

use super::binding::{Want, coerce, expect_count, to_common};
use super::builtin::Builtin;
use super::comparison::is_ordered;
use super::equality::ordering;
use super::{Argument, Call, ScalarFunction, Signature};

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("GREATEST", bind_extreme, |call| extreme(call, true)),
        Builtin::new("LEAST", bind_extreme, |call| extreme(call, false)),
        Builtin::new("COALESCE", bind_coalesce, coalesce),
        Builtin::new("TYPEOF", bind_typeof, type_of),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind_extreme(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    let common = to_common(args)?;
    if !is_ordered(&common.data_type) {
        return Err(Error::invalid(format!("values of {} have no order", common.data_type)));
    }
    Ok(Signature { args: args.iter().map(|a| common.with_nullable(a.sql_type.nullable)).collect(), returns: common })
}

fn extreme(call: &Call<'_>, greatest: bool) -> Result<ArrayRef> {
    // All values in one array, so that one comparison serves every pair.
    let sources: Vec<&dyn Array> = call.args.iter().map(|a| a.values().as_ref()).collect();
    let all = concat(&sources)?;
    let starts: Vec<usize> = sources.iter().scan(0, |at, s| Some(std::mem::replace(at, *at + s.len()))).collect();
    let order = ordering(&all, greatest, true)?;
    let steps: Vec<usize> = call.args.iter().map(|a| usize::from(!a.is_scalar())).collect();
    let places = (0..call.rows).map(|row| {
        let places = starts.iter().zip(&steps).map(|(start, step)| start + row * step);
        // NULLs come first in either direction, so one of them wins.
        places.min_by(|&i, &j| order(i, j)).map_or(0, |place| place as u64)
    });
    Ok(arrow_select::take::take(all.as_ref(), &arrow_array::UInt64Array::from_iter_values(places), None)?)
}

fn bind_coalesce(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    let common = to_common(args)?;
    let nullable = args.iter().all(|a| a.sql_type.nullable || a.sql_type.data_type == T::Null);
    Ok(Signature { args: args.iter().map(|a| common.with_nullable(a.sql_type.nullable)).collect(), returns: common.with_nullable(nullable) })
}

/// The first that is not NULL. The binder prefers CASE, which evaluates only what is needed.
fn coalesce(call: &Call<'_>) -> Result<ArrayRef> {
    let sources: Vec<&dyn Array> = call.args.iter().map(|a| a.values().as_ref()).collect();
    let place = |row: usize| {
        let at = |i: usize| if call.args[i].is_scalar() { 0 } else { row };
        let found = (0..sources.len()).find(|&i| sources[i].is_valid(at(i))).unwrap_or(sources.len() - 1);
        (found, at(found))
    };
    Ok(interleave(&sources, &(0..call.rows).map(place).collect::<Vec<_>>())?)
}

/// TYPEOF(value [, whether to write the type in full]).
fn bind_typeof(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 2)?;
    let mut types = vec![args[0].sql_type.clone()];
    if let Some(full) = args.get(1) {
        if full.literal.is_none() {
            return Err(Error::invalid("argument 2 must be a constant"));
        }
        types.push(coerce(1, &full.sql_type, Want::Boolean)?);
    }
    Ok(Signature { args: types, returns: SqlType::not_null(T::STRING) })
}

fn type_of(call: &Call<'_>) -> Result<ArrayRef> {
    let in_full = call.args.len() > 1 && call.boolean(1).get(0) == Some(true);
    let text = if in_full { full_name(&call.arg_types[0]) } else { call.arg_types[0].to_string() };
    Ok(Arc::new(StringArray::from(vec![text; call.rows])))
}

/// The type without abbreviations.
fn full_name(sql_type: &SqlType) -> String {
    let name = match &sql_type.data_type {
        T::Varchar(n) => format!("VARCHAR({n})"),
        T::Varbinary(n) => format!("VARBINARY({n})"),
        T::TimestampLtz(p) => format!("TIMESTAMP({p}) WITH LOCAL TIME ZONE"),
        T::Array(item) => format!("ARRAY<{}>", full_name(item)),
        T::Multiset(item) => format!("MULTISET<{}>", full_name(item)),
        T::Map(key, value) => format!("MAP<{}, {}>", full_name(key), full_name(value)),
        T::Row(fields) => {
            let fields: Vec<String> = fields.iter().map(|f| format!("`{}` {}", f.name.replace('`', "``"), full_name(&f.sql_type))).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => other.to_string(),
    };
    if sql_type.nullable || sql_type.data_type == T::Null { name } else { format!("{name} NOT NULL") }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::Expr;
    use brisk_core::DataType as T;

    #[test]
    fn extremes_are_null_with_a_null() {
        check("GREATEST", &[int(1), bigint(7), int(3)], "7");
        check("LEAST", &[text("b"), text("a")], "a");
        check("GREATEST", &[null(T::Int), int(1)], "NULL");
        check("LEAST", &[int(1), text("a")], "ERROR");
        check("COALESCE", &[null(T::BigInt), int(1)], "1");
        check("TYPEOF", &[Expr::int(1)], "INT NOT NULL");
        check("TYPEOF", &[text("a")], "STRING");
        check("TYPEOF", &[text("a"), Expr::boolean(true)], "VARCHAR(2147483647)");
    }
}
