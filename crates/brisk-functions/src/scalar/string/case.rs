//! UPPER, LOWER, INITCAP: in the text's own type.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use brisk_core::Result;

use super::super::binding::{Want, coerce, expect_count};
use super::super::builtin::Builtin;
use super::super::reader::build_texts;
use super::super::{Argument, Call, ScalarFunction, Signature};
use super::ascii::AsciiTexts;

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("UPPER", bind_same, |call| cased(call, <[u8]>::make_ascii_uppercase, upper)).aliases(&["UCASE"]),
        Builtin::new("LOWER", bind_same, |call| cased(call, <[u8]>::make_ascii_lowercase, lower)).aliases(&["LCASE"]),
        Builtin::new("INITCAP", bind_same, |call| map(call, capitalize)),
    ]
    .map(|f| f.safe().shared())
    .to_vec()
}

fn bind_same(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    let text = coerce(0, &args[0].sql_type, Want::Text)?;
    Ok(Signature { args: vec![text.clone()], returns: text })
}

fn map(call: &Call<'_>, f: impl Fn(&str, &mut String)) -> Result<ArrayRef> {
    let texts = call.text(0);
    Ok(build_texts(call.rows, |row, out| {
        f(texts.get(row)?, out);
        Some(())
    }))
}

/// ASCII is changed where it stands, a column at once.
fn cased(call: &Call<'_>, ascii: fn(&mut [u8]), f: fn(&str, &mut String)) -> Result<ArrayRef> {
    let texts = call.args[0].values().as_string::<i32>();
    match AsciiTexts::of(texts) {
        Some(texts) => texts.map(ascii),
        None => map(call, f),
    }
}

fn upper(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_uppercase();
    } else {
        out.push_str(&text.to_uppercase());
    }
}

fn lower(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
    } else {
        out.push_str(&text.to_lowercase());
    }
}

/// A word is a run of letters and digits; its first letter is raised, the others lowered.
fn capitalize(text: &str, out: &mut String) {
    let mut starts = true;
    for c in text.chars() {
        if starts {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        starts = !c.is_alphanumeric();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::Expr;
    use brisk_core::DataType as T;

    #[test]
    fn case_keeps_the_type() {
        check_typed("UPPER", &[Expr::string("string")], "CHAR(6)", "STRING");
        check("LOWER", &[text("ÄB c")], "äb c");
        check("INITCAP", &[text("this IS a tEst 1st.x")], "This Is A Test 1st.X");
        check("UPPER", &[null(T::STRING)], "NULL");
        check_column("UPPER", &["ab", "NULL", "", "Zz9"], &[], &["AB", "NULL", "", "ZZ9"]);
        check_column("LOWER", &["AB", "Ä", "NULL", "Zz9"], &[], &["ab", "ä", "NULL", "zz9"]);
    }
}
