//! SPLIT, SPLIT_INDEX, STR_TO_MAP.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, MapArray, StructArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;
use brisk_core::{DataType as T, Error, Result, SqlType};

use super::super::binding::{Want, bind, bind_nullable, coerce, expect_count};
use super::super::builtin::Builtin;
use super::super::pattern::java_regex::{self, Pattern};
use super::super::reader::{Texts, pick_texts};
use super::super::{Argument, Call, ScalarFunction, Signature};
use crate::{Columnar, Expr};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        Builtin::new("SPLIT", |args| bind(args, &[Want::Text; 2], 2, T::Array(Box::new(SqlType::not_null(T::STRING)))), split).safe(),
        Builtin::new("STR_TO_MAP", bind_str_to_map, str_to_map),
    ]
    .map(Builtin::shared)
    .into_iter()
    .chain([Arc::new(SplitIndex) as Arc<dyn ScalarFunction>])
    .collect()
}

/// An empty delimiter splits every character; an empty text has no parts.
fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, delimiters) = (call.text(0), call.text(1));
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let Some((text, delimiter)) = texts.get(row).zip(delimiters.get(row)) else {
            builder.append(false);
            continue;
        };
        if delimiter.is_empty() {
            let mut buffer = [0; 4];
            text.chars().for_each(|c| builder.values().append_value(c.encode_utf8(&mut buffer)));
        } else if !text.is_empty() {
            text.split(delimiter).for_each(|part| builder.values().append_value(part));
        }
        builder.append(true);
    }
    retype(builder.finish(), call.returns)
}

/// Gives a list its declared type: the same but for names of fields.
fn retype(list: ListArray, returns: &SqlType) -> Result<ArrayRef> {
    let ArrowType::List(field) = returns.to_arrow() else {
        return Err(Error::internal(format!("{returns} is no list")));
    };
    let (_, offsets, values, nulls) = list.into_parts();
    Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls)?))
}

/// The separator is a text, or the code of a character.
#[derive(Debug)]
struct SplitIndex;

impl ScalarFunction for SplitIndex {
    fn name(&self) -> &'static str {
        "SPLIT_INDEX"
    }

    fn bind(&self, args: &[Argument]) -> Result<Signature> {
        expect_count(args, 3, 3)?;
        let want = if args[1].sql_type.data_type.is_integer() { Want::Int } else { Want::Text };
        bind_nullable(args, &[Want::Text, want, Want::Int], 3, T::STRING).map_err(|e| e.context(self.name()))
    }

    fn is_safe(&self) -> bool {
        true
    }

    /// Where the separators are, for several parts of one text.
    fn shared_work(&self, args: &[Expr]) -> Option<Expr> {
        let separator = args[1].as_literal().and_then(|literal| literal.as_string_opt::<i32>())?;
        let is_one_byte = separator.is_valid(0) && separator.value(0).len() == 1;
        let returns = SqlType::not_null(T::Array(Box::new(SqlType::not_null(T::Int))));
        is_one_byte.then(|| Expr::Call { function: Arc::new(Separators), args: args[..2].to_vec(), sql_type: returns })
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        split_index(call).map(Columnar::Array)
    }
}

/// The places of a separator of one byte: what calls of SPLIT_INDEX share.
#[derive(Debug)]
struct Separators;

impl ScalarFunction for Separators {
    fn name(&self) -> &'static str {
        "$SEPARATORS"
    }

    fn bind(&self, _args: &[Argument]) -> Result<Signature> {
        Err(Error::internal("the places of separators are no function of SQL"))
    }

    fn is_safe(&self) -> bool {
        true
    }

    fn evaluate(&self, call: &Call<'_>) -> Result<Columnar> {
        let texts = call.text(0);
        let separator = call.text(1).get(0).map_or(0, |s| s.as_bytes()[0]);
        let (mut places, mut ends) = (Vec::with_capacity(call.rows * 8), Vec::with_capacity(call.rows + 1));
        ends.push(0);
        for row in 0..call.rows {
            places_of(separator, texts.get(row).unwrap_or_default().as_bytes(), &mut places);
            ends.push(places.len() as i32);
        }
        let ArrowType::List(field) = call.returns.to_arrow() else {
            return Err(Error::internal("the places of separators are a list"));
        };
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        Ok(Columnar::Array(Arc::new(ListArray::try_new(field, ends, Arc::new(Int32Array::from(places)), None)?)))
    }
}

fn split_index(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, indices) = (call.text(0), call.number::<Int32Type>(2));
    if let Some(separators) = call.args.get(3) {
        let separators = separators.to_array(call.rows)?;
        let separators = separators.as_list::<i32>();
        let (places, ends) = (separators.values().as_primitive::<Int32Type>().values(), separators.value_offsets());
        return Ok(pick_texts(call.rows, |row| {
            let places = &places[ends[row] as usize..ends[row + 1] as usize];
            part_by_places(texts.get(row)?, places, indices.get(row)?)
        }));
    }
    if call.arg_types[1].data_type.is_character() {
        let separators = call.text(1);
        return Ok(pick_texts(call.rows, |row| part(texts.get(row)?, separators.get(row)?, indices.get(row)?)));
    }
    let codes = call.number::<Int32Type>(1);
    Ok(pick_texts(call.rows, |row| {
        let code = u8::try_from(codes.get(row)?).ok().filter(|c| *c > 0)?;
        part(texts.get(row)?, char::from(code).encode_utf8(&mut [0; 4]), indices.get(row)?)
    }))
}

/// The part with this index, from 0. Empty text has none; an empty separator is white space.
fn part<'a>(text: &'a str, separator: &str, index: i32) -> Option<&'a str> {
    let index = usize::try_from(index).ok()?;
    if text.is_empty() {
        return None;
    }
    match separator.as_bytes() {
        [] => text.split(char::is_whitespace).nth(index),
        [byte] => part_between(text, *byte, index),
        _ => text.split(separator).nth(index),
    }
}

/// As [`part`], where the separator is one byte.
fn part_between(text: &str, separator: u8, index: usize) -> Option<&str> {
    let from = match index {
        0 => 0,
        _ => place_of(separator, index - 1, text.as_bytes())? + 1,
    };
    let rest = &text[from..];
    Some(&rest[..place_of(separator, 0, rest.as_bytes()).unwrap_or(rest.len())])
}

/// As [`part`], given where the separators are.
fn part_by_places<'a>(text: &'a str, places: &[i32], index: i32) -> Option<&'a str> {
    let index = usize::try_from(index).ok().filter(|_| !text.is_empty())?;
    let from = match index {
        0 => 0,
        _ => *places.get(index - 1)? as usize + 1,
    };
    Some(&text[from..places.get(index).map_or(text.len(), |to| *to as usize)])
}

/// The high bit of every byte of `word` that is `byte`.
#[inline]
fn equal_bytes(word: [u8; 8], byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // A byte is 0 where it is the one; then its high bit, and no other, becomes 1.
    let different = u64::from_le_bytes(word) ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    !(((different & LOW) + LOW) | different | LOW)
}

/// Adds all places of `byte` in a text.
#[inline]
fn places_of(byte: u8, text: &[u8], places: &mut Vec<i32>) {
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let mut found = equal_bytes(*word, byte);
        while found != 0 {
            places.push((i * 8 + found.trailing_zeros() as usize / 8) as i32);
            found &= found - 1;
        }
    }
    places.extend(rest.iter().enumerate().filter(|(_, b)| **b == byte).map(|(place, _)| (words.len() * 8 + place) as i32));
}

/// Where `byte` occurs for the time `nth`, from 0: eight bytes in a step, since texts are mostly short.
#[inline]
fn place_of(byte: u8, mut nth: usize, text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let mut found = equal_bytes(*word, byte);
        let count = found.count_ones() as usize;
        if nth < count {
            for _ in 0..nth {
                found &= found - 1;
            }
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
        nth -= count;
    }
    let places = rest.iter().enumerate().filter(|(_, b)| **b == byte);
    places.map(|(place, _)| words.len() * 8 + place).nth(nth)
}

fn bind_str_to_map(args: &[Argument]) -> Result<Signature> {
    if args.len() == 2 {
        return Err(Error::invalid("takes 1 or 3 arguments, not 2"));
    }
    expect_count(args, 1, 3)?;
    let types = args.iter().enumerate().map(|(i, a)| coerce(i, &a.sql_type, Want::Text)).collect::<Result<Vec<_>>>()?;
    let text = || Box::new(SqlType::nullable(T::STRING));
    let nullable = types.iter().any(|t| t.nullable);
    Ok(Signature { args: types, returns: SqlType { data_type: T::Map(text(), text()), nullable } })
}

/// STR_TO_MAP(text [, between entries, between key and value]): both delimiters are regular expressions; `,` and `=`.
fn str_to_map(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    let delimiter = |index: usize| (call.args.len() > index).then(|| call.text(index));
    let (between_entries, between) = (delimiter(1), delimiter(2));
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..call.rows {
        let pattern = |of: &Option<Texts<'_>>, default: &str| match of {
            Some(texts) => texts.get(row).map(java_regex::compile),
            None => Some(java_regex::compile(default)),
        };
        let (Some(text), Some(entry), Some(pair)) = (texts.get(row), pattern(&between_entries, ","), pattern(&between, "=")) else {
            builder.append(false)?;
            continue;
        };
        let (entry, pair) = (entry?, pair?);
        for (key, value) in entries(text, &entry, &pair) {
            builder.keys().append_value(key);
            builder.values().append_option(value);
        }
        builder.append(true)?;
    }
    let ArrowType::Map(field, sorted) = call.returns.to_arrow() else {
        return Err(Error::internal("STR_TO_MAP gives a map"));
    };
    let ArrowType::Struct(fields) = field.data_type().clone() else {
        return Err(Error::internal("the entries of a map are a struct"));
    };
    let (_, offsets, entries, nulls, _) = builder.finish().into_parts();
    let entries = StructArray::try_new(fields, entries.columns().to_vec(), None)?;
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, nulls, sorted)?))
}

/// The entries of a text; of equal keys the last, at the place of the first.
fn entries<'a>(text: &'a str, entry: &Pattern, pair: &Pattern) -> Vec<(&'a str, Option<&'a str>)> {
    let mut found: Vec<(&str, Option<&str>)> = Vec::new();
    if text.is_empty() {
        return found;
    }
    for part in entry.split(text) {
        let (key, value) = match pair.find(part) {
            Some((from, to)) if to > 0 => (&part[..from], Some(&part[to..])),
            _ => (part, None),
        };
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => found.push((key, value)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::{Expr, Program};
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use brisk_core::{DataType as T, SqlType};
    use std::sync::Arc;

    #[test]
    fn texts_are_split() {
        check("SPLIT", &[text(",123,123,"), text(",")], "[, 123, 123, ]");
        check("SPLIT", &[text("12345"), text(",")], "[12345]");
        check("SPLIT", &[text("äb"), text("")], "[ä, b]");
        check("SPLIT", &[text("a"), null(T::STRING)], "NULL");
        check("SPLIT_INDEX", &[text("AQIDBA=="), text("I"), int(0)], "AQ");
        check("SPLIT_INDEX", &[text("AQIDBA=="), text("I"), int(2)], "NULL");
        check("SPLIT_INDEX", &[text("AQIDBA=="), int(73), int(1)], "DBA==");
        check_column("SPLIT_INDEX", &["a/b//ä", "/", "NULL", "", "c"], &[text("/"), int(1)], &["b", "", "NULL", "NULL", "NULL"]);
        check_column("SPLIT_INDEX", &["a/b//ä", "a//", "b"], &[text("/"), int(3)], &["ä", "NULL", "NULL"]);
        check_column("SPLIT_INDEX", &["a--b", "-a"], &[text("--"), int(0)], &["a", "-a"]);
        check("SPLIT_INDEX", &[text("AQIDBA=="), int(0), int(0)], "NULL");
    }

    #[test]
    fn parts_of_one_text_are_found_together() {
        let column = Expr::column(0, SqlType::nullable(T::STRING));
        let part = |separator: &str, index: i32| call("SPLIT_INDEX", &[column.clone(), text(separator), int(index)]).unwrap();
        let exprs: Vec<Expr> = [("/", 0), ("/", 2), ("/", 1), ("/", -1), (".", 1), (".", 0), ("", 0), ("b/", 1)].map(|(s, i)| part(s, i)).to_vec();
        let texts: StringArray = [Some("a/b//ä.de/f"), None, Some(""), Some("/"), Some("ohne"), Some("0123456/890123/5.")].into_iter().collect();
        let rows = RecordBatch::try_from_iter([("c0", Arc::new(texts) as ArrayRef)]).unwrap();
        let together = Program::new(None, &exprs).run(&rows, &context()).unwrap().columns;
        for (expr, together) in exprs.iter().zip(together) {
            let alone = Program::new(None, std::slice::from_ref(expr)).run(&rows, &context()).unwrap().columns.swap_remove(0);
            assert_eq!(&together, &alone, "{expr}");
        }
    }

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        let letters = [b'/', b'a', 0, 0x80, b'.'];
        for number in 0..20_000usize {
            let text: Vec<u8> = (0..number % 27).map(|i| letters[(number * 31 + i * i * 7 + number / (i + 1)) % letters.len()]).collect();
            for nth in 0..6 {
                let plain = text.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(place, _)| place).nth(nth);
                assert_eq!(super::place_of(b'/', nth, &text), plain, "{text:?}");
            }
            let mut places = Vec::new();
            super::places_of(b'/', &text, &mut places);
            let plain = text.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(place, _)| place as i32);
            assert_eq!(places, plain.collect::<Vec<_>>(), "{text:?}");
        }
    }

    #[test]
    fn maps_are_read_from_text() {
        check("STR_TO_MAP", &[text("k1:v1;k2: v2"), text(";"), text(":")], "{k1=v1, k2= v2}");
        check("STR_TO_MAP", &[text("k1$$v1|k2$$ v2"), text("\\|"), text("\\$\\$")], "{k1=v1, k2= v2}");
        check("STR_TO_MAP", &[text("")], "{}");
        check("STR_TO_MAP", &[text("a=1,b")], "{a=1, b=NULL}");
        check("STR_TO_MAP", &[null(T::STRING)], "NULL");
    }
}
