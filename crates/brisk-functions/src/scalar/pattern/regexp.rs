//! REGEXP (RLIKE), REGEXP_EXTRACT, REGEXP_EXTRACT_ALL, REGEXP_REPLACE, REGEXP_COUNT, REGEXP_INSTR, REGEXP_SUBSTR.
//!
//! A text that is no regular expression is no error: REGEXP is FALSE, the others NULL.

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, ListArray};
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType as T, Error, Result, SqlType};

use super::super::binding::{Want, bind, bind_nullable};
use super::super::builtin::Builtin;
use super::super::reader::{Texts, build_booleans, build_numbers, build_texts, pick_texts};
use super::super::{Call, ScalarFunction};
use super::java_regex::{Pattern, try_compile};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("REGEXP", |args| bind(args, &[Want::Text; 2], 2, T::Boolean), regexp).aliases(&["RLIKE"]),
        Builtin::new("REGEXP_EXTRACT", |args| bind_nullable(args, &[Want::Text, Want::Text, Want::Int], 2, T::STRING), extract),
        Builtin::new("REGEXP_EXTRACT_ALL", |args| bind_nullable(args, &[Want::Text, Want::Text, Want::Int], 2, texts_type()), extract_all),
        Builtin::new("REGEXP_REPLACE", |args| bind_nullable(args, &[Want::Text; 3], 3, T::STRING), replace),
        Builtin::new("REGEXP_COUNT", |args| bind_nullable(args, &[Want::Text; 2], 2, T::Int), count),
        Builtin::new("REGEXP_INSTR", |args| bind_nullable(args, &[Want::Text; 2], 2, T::Int), instr),
        Builtin::new("REGEXP_SUBSTR", |args| bind_nullable(args, &[Want::Text; 2], 2, T::STRING), substr),
    ]
    .map(|f| f.safe().costs(200).shared())
    .to_vec()
}

fn texts_type() -> T {
    T::Array(Box::new(SqlType::nullable(T::STRING)))
}

/// The patterns of argument 1; a constant one is looked up once.
struct Patterns<'a> {
    texts: Texts<'a>,
    constant: Option<Option<Rc<Pattern>>>,
}

impl<'a> Patterns<'a> {
    fn of(call: &'a Call<'_>) -> Self {
        let texts = call.text(1);
        let constant = texts.is_constant().then(|| texts.get(0).and_then(try_compile));
        Self { texts, constant }
    }

    fn get(&self, row: usize) -> Option<Rc<Pattern>> {
        match &self.constant {
            Some(pattern) => pattern.clone(),
            None => self.texts.get(row).and_then(try_compile),
        }
    }
}

fn regexp(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0), Patterns::of(call));
    Ok(build_booleans(call.rows, |row| {
        let (text, pattern) = (texts.get(row)?, patterns.texts.get(row)?);
        Some(!pattern.is_empty() && patterns.get(row).is_some_and(|p| p.is_match(text)))
    }))
}

/// The group that is asked for, if the pattern has it.
fn group(call: &Call<'_>, default: i32) -> impl Fn(usize, &Pattern) -> Option<usize> {
    let groups = (call.args.len() > 2).then(|| call.number::<Int32Type>(2));
    move |row, pattern| {
        let group = groups.as_ref().map_or(Some(default), |g| g.get(row))?;
        usize::try_from(group).ok().filter(|g| *g <= pattern.groups())
    }
}

fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, group) = (call.text(0), Patterns::of(call), group(call, 0));
    Ok(pick_texts(call.rows, |row| {
        let (text, pattern) = (texts.get(row)?, patterns.get(row)?);
        pattern.first_group(text, group(row, &pattern)?)
    }))
}

fn extract_all(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, group) = (call.text(0), Patterns::of(call), group(call, 1));
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let found = texts.get(row).and_then(|text| {
            let pattern = patterns.get(row)?;
            pattern.each_group(text, group(row, &pattern)?, |part| {
                builder.values().append_option(part);
                true
            });
            Some(())
        });
        builder.append(found.is_some());
    }
    let ArrowType::List(field) = call.returns.to_arrow() else {
        return Err(Error::internal("REGEXP_EXTRACT_ALL gives a list"));
    };
    let (_, offsets, values, nulls) = builder.finish().into_parts();
    Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls)?))
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, news) = (call.text(0), Patterns::of(call), call.text(2));
    Ok(build_texts(call.rows, |row, out| {
        patterns.get(row)?.replace_all(texts.get(row)?, news.get(row)?, out);
        Some(())
    }))
}

fn count(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0), Patterns::of(call));
    Ok(build_numbers::<Int32Type>(call.rows, |row| {
        let mut count = 0;
        patterns.get(row)?.each_group(texts.get(row)?, 0, |_| {
            count += 1;
            true
        });
        Some(count)
    }))
}

/// The position of the first match, from 1; 0 where there is none.
fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0), Patterns::of(call));
    Ok(build_numbers::<Int32Type>(call.rows, |row| {
        let text = texts.get(row)?;
        Some(patterns.get(row)?.find(text).map_or(0, |(from, _)| text[..from].chars().count() as i32 + 1))
    }))
}

fn substr(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0), Patterns::of(call));
    Ok(build_texts(call.rows, |row, out| {
        let text = texts.get(row)?;
        let (from, to) = patterns.get(row)?.find(text)?;
        out.push_str(&text[from..to]);
        Some(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn matches_are_found_counted_and_replaced() {
        check("REGEXP", &[text("100-200"), text("(\\d+)")], "TRUE");
        check("REGEXP", &[text("abc"), text("")], "FALSE");
        check("REGEXP_REPLACE", &[text("fooobar"), text("oo"), text("$1")], "f$1obar");
        check("REGEXP_REPLACE", &[text("foobar"), text("^f*.*r$"), text("")], "");
        check("REGEXP_REPLACE", &[text("foobar"), null(T::STRING), text("")], "NULL");
        check("REGEXP_COUNT", &[text("abcabcabc"), text("abcab")], "1");
        check("REGEXP_COUNT", &[text("abc"), text("(")], "NULL");
        check("REGEXP_INSTR", &[text("hello world! Hello"), text("Hello")], "14");
        check("REGEXP_SUBSTR", &[text("abc123"), text("\\d")], "1");
        check("REGEXP_SUBSTR", &[text("abc"), text("\\d")], "NULL");
    }

    #[test]
    fn groups_are_extracted() {
        check("REGEXP_EXTRACT", &[text("foothebar"), text("foo(.*?)(bar)"), int(2)], "bar");
        check("REGEXP_EXTRACT", &[text("foothebar"), text("foo(.*?)(bar)")], "foothebar");
        check("REGEXP_EXTRACT", &[text("foothebar"), text("foo(.*?)(bar)"), int(3)], "NULL");
        check("REGEXP_EXTRACT", &[text("key=1&key=2"), text("(&|^)key=([^&]*)"), int(2)], "1");
        check("REGEXP_EXTRACT", &[text("akey=1&key=2&key=3"), text("(&|^)key=([^&]*)"), int(2)], "2");
        check("REGEXP_EXTRACT", &[text("akey=1"), text("(&|^)key=([^&]*)"), int(2)], "NULL");
        check("REGEXP_EXTRACT_ALL", &[text("100-200, 300-400"), text("(\\d+)-(\\d+)"), int(2)], "[200, 400]");
        check("REGEXP_EXTRACT_ALL", &[text("100-200"), text("[a-z]"), int(0)], "[]");
        check("REGEXP_EXTRACT_ALL", &[text("abc"), text("b*"), int(0)], "[, b, , ]");
        check("REGEXP_EXTRACT_ALL", &[text("abc"), text("(b)*"), int(1)], "[NULL, b, NULL, NULL]");
        check("REGEXP_EXTRACT_ALL", &[text("ab"), text("(ab)|([a-z]*)"), int(2)], "[NULL, ]");
        check("REGEXP_COUNT", &[text("äbc"), text("b*")], "4");
        check("REGEXP_REPLACE", &[text("abc"), text("b*"), text("-")], "-a--c-");
        check("REGEXP_EXTRACT_ALL", &[text("abc"), text("abc")], "NULL");
        check("REGEXP_EXTRACT_ALL", &[text("abc"), text("(abc)"), int(-1)], "NULL");
    }
}
