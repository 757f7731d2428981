//! `IS JSON`: whether text is JSON, or a JSON object, array or scalar. NULL is not.

use arrow_array::ArrayRef;
use brisk_core::{DataType, Result, SqlType};

use super::tree::{Json, parse};
use crate::scalar::binding::{Want, coerce, expect_count};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_booleans;
use crate::scalar::{Argument, Call, Signature};

macro_rules! test {
    ($name:literal, $aliases:expr, $accepts:expr) => {
        Builtin::new($name, bind, |call| evaluate(call, $accepts)).aliases($aliases).safe()
    };
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    test!("IS JSON VALUE", &["IS JSON"], |_| true),
    test!("IS JSON OBJECT", &[], |json| matches!(json, Json::Object(_))),
    test!("IS JSON ARRAY", &[], |json| matches!(json, Json::Array(_))),
    test!("IS JSON SCALAR", &[], |json| json.is_scalar()),
];

fn bind(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    Ok(Signature { args: vec![coerce(0, &args[0].sql_type, Want::Text)?], returns: SqlType::not_null(DataType::Boolean) })
}

fn evaluate(call: &Call<'_>, accepts: fn(&Json<'_>) -> bool) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_booleans(call.rows, |row| Some(texts.get(row).is_some_and(|t| parse(t).is_ok_and(|json| accepts(&json))))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, null, text};

    #[test]
    fn json_is_told_from_text() {
        check("IS JSON", &[text("\"a\"")], "TRUE");
        check("IS JSON VALUE", &[text("a")], "FALSE");
        check("IS JSON OBJECT", &[text("{}")], "TRUE");
        check("IS JSON ARRAY", &[text("\"a\"")], "FALSE");
        check("IS JSON SCALAR", &[text("1")], "TRUE");
        check("IS JSON VALUE", &[null(DataType::STRING)], "FALSE");
    }
}
