//! `||`, CONCAT, CONCAT_WS.

use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::types::MAX_LENGTH;
use brisk_core::{DataType as T, Error, Result, SqlType};

use super::super::binding::{Want, coerce, expect_count, signature};
use super::super::builtin::Builtin;
use super::super::reader::{Texts, build_binary, build_texts};
use super::super::{Argument, Call, ScalarFunction, Signature};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [Builtin::new("||", bind_operator, join), Builtin::new("CONCAT", bind_concat, join), Builtin::new("CONCAT_WS", bind_concat_ws, join_with)]
        .map(|f| f.safe().shared())
        .to_vec()
}

/// CHAR where both sides are, else VARCHAR, of the lengths' sum.
fn bind_operator(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let want = if args.iter().any(|a| a.sql_type.data_type.is_binary()) { Want::Binary } else { Want::Text };
    let types = [coerce(0, &args[0].sql_type, want)?, coerce(1, &args[1].sql_type, want)?];
    let sum = |n: u32, m: u32| n.saturating_add(m).min(MAX_LENGTH);
    let returns = match (&types[0].data_type, &types[1].data_type) {
        (T::Char(n), T::Char(m)) if sum(*n, *m) < MAX_LENGTH => T::Char(n + m),
        (T::Char(n) | T::Varchar(n), T::Char(m) | T::Varchar(m)) => T::Varchar(sum(*n, *m)),
        (T::Binary(n), T::Binary(m)) if sum(*n, *m) < MAX_LENGTH => T::Binary(n + m),
        (T::Binary(n) | T::Varbinary(n), T::Binary(m) | T::Varbinary(m)) => T::Varbinary(sum(*n, *m)),
        (a, b) => return Err(Error::internal(format!("|| of {a} and {b}"))),
    };
    Ok(signature(types.to_vec(), returns))
}

fn texts(args: &[Argument]) -> Result<Vec<SqlType>> {
    args.iter().enumerate().map(|(i, a)| coerce(i, &a.sql_type, Want::Text)).collect()
}

fn bind_concat(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    Ok(signature(texts(args)?, T::STRING))
}

fn join(call: &Call<'_>) -> Result<ArrayRef> {
    if call.returns.data_type.is_binary() {
        let (left, right) = (call.binary(0), call.binary(1));
        return Ok(build_binary(call.rows, |row| Some([left.get(row)?, right.get(row)?].concat())));
    }
    let parts: Vec<Texts<'_>> = (0..call.args.len()).map(|i| call.text(i)).collect();
    Ok(build_texts(call.rows, |row, out| {
        for part in &parts {
            out.push_str(part.get(row)?);
        }
        Some(())
    }))
}

/// NULL only where the separator is; NULLs among the others are left out.
fn bind_concat_ws(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, usize::MAX)?;
    let types = texts(args)?;
    let nullable = types[0].nullable;
    Ok(Signature { args: types, returns: SqlType { data_type: T::STRING, nullable } })
}

fn join_with(call: &Call<'_>) -> Result<ArrayRef> {
    let separator = call.text(0);
    let parts: Vec<Texts<'_>> = (1..call.args.len()).map(|i| call.text(i)).collect();
    Ok(build_texts(call.rows, |row, out| {
        let separator = separator.get(row)?;
        let mut is_first = true;
        for part in parts.iter().filter_map(|p| p.get(row)) {
            if !is_first {
                out.push_str(separator);
            }
            out.push_str(part);
            is_first = false;
        }
        Some(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::Expr;
    use brisk_core::DataType as T;

    #[test]
    fn texts_are_joined() {
        check_typed("||", &[Expr::string("Абв"), Expr::string("谢谢")], "CHAR(5)", "Абв谢谢");
        check("||", &[text("a"), null(T::STRING)], "NULL");
        check("CONCAT", &[text("a"), text("b"), text("c")], "abc");
        check("CONCAT", &[text("a"), int(1)], "ERROR");
        check("CONCAT_WS", &[text("~"), null(T::STRING), text("AA"), text("BB"), text(""), null(T::STRING), text("CC")], "AA~BB~~CC");
        check("CONCAT_WS", &[null(T::STRING), text("AA")], "NULL");
    }
}
