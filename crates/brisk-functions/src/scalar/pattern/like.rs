//! LIKE: `%` is any text, `_` any one character; nothing is escaped unless ESCAPE says by what. An ESCAPE of '' is none, but
//! Flink takes it only where the pattern has no `_`.
//!
//! A constant pattern is compiled once a batch into the cheapest of: equal, starts with, ends with, contains, or the
//! texts between `%`s one after the other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_buffer::BooleanBuffer;
use brisk_core::{DataType as T, Error, Result};
use memchr::memmem::Finder;

use super::super::binding::{Want, bind};
use super::super::builtin::Builtin;
use super::super::reader::build_booleans;
use super::super::{Argument, Call, ScalarFunction, Signature};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    vec![Builtin::new("LIKE", bind_like, like).shared()]
}

pub(super) fn bind_like(args: &[Argument]) -> Result<Signature> {
    bind(args, &[Want::Text; 3], 2, T::Boolean)
}

fn like(call: &Call<'_>) -> Result<ArrayRef> {
    let patterns = call.text(1);
    let escapes = (call.args.len() > 2).then(|| call.text(2));
    let escape_of = |row: usize| match &escapes {
        Some(escapes) => escapes.get(row).map(|e| escape_character(e, patterns.get(row).unwrap_or_default())),
        None => Some(Ok(None)),
    };
    let is_constant = patterns.is_constant() && escapes.as_ref().is_none_or(|e| e.is_constant());
    if is_constant && !call.args[0].is_scalar() {
        let texts = call.args[0].values().as_string::<i32>();
        let (Some(pattern), Some(escape)) = (patterns.get(0), escape_of(0)) else {
            return Ok(arrow_array::new_null_array(&arrow_schema::DataType::Boolean, call.rows));
        };
        return Ok(Arc::new(match_all(texts, &Matcher::compile(&tokens(pattern, escape?)?))));
    }
    let texts = call.text(0);
    let mut failure = None;
    let result = build_booleans(call.rows, |row| {
        let (text, pattern, escape) = (texts.get(row)?, patterns.get(row)?, escape_of(row)?);
        match escape.and_then(|e| tokens(pattern, e)) {
            Ok(tokens) => Some(Matcher::compile(&tokens).is_match(text)),
            Err(e) => {
                failure.get_or_insert(e);
                None
            }
        }
    });
    failure.map_or(Ok(result), Err)
}

fn match_all(texts: &StringArray, matcher: &Matcher) -> BooleanArray {
    // The branch on the kind of pattern is taken here; each arm is its own loop.
    fn each(texts: &StringArray, test: impl Fn(&[u8]) -> bool) -> BooleanArray {
        let (offsets, bytes) = (texts.value_offsets(), texts.value_data());
        let values = BooleanBuffer::collect_bool(texts.len(), |i| test(&bytes[offsets[i] as usize..offsets[i + 1] as usize]));
        BooleanArray::new(values, texts.nulls().cloned())
    }
    match matcher {
        Matcher::Equal(text) => each(texts, |s| s == text.as_bytes()),
        Matcher::Prefix(text) => each(texts, |s| s.starts_with(text.as_bytes())),
        Matcher::Suffix(text) => each(texts, |s| s.ends_with(text.as_bytes())),
        Matcher::Contains(finder) => each(texts, |s| finder.find(s).is_some()),
        Matcher::Any => each(texts, |_| true),
        Matcher::Parts(_) => {
            let values = BooleanBuffer::collect_bool(texts.len(), |i| texts.is_valid(i) && matcher.is_match(texts.value(i)));
            BooleanArray::new(values, texts.nulls().cloned())
        }
    }
}

fn escape_character(escape: &str, pattern: &str) -> Result<Option<char>> {
    match escape.is_empty() && !pattern.contains('_') {
        true => Ok(None),
        false => one_character(escape).map(Some),
    }
}

pub(super) fn one_character(escape: &str) -> Result<char> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(Error::invalid(format!("the escape '{escape}' must be one character"))),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    AnyOne,
    AnyText,
}

fn tokens(pattern: &str, escape: Option<char>) -> Result<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut text = String::new();
    let mut chars = pattern.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some((_, next)) if next == '%' || next == '_' || Some(next) == escape => text.push(next),
                _ => return Err(Error::invalid(format!("invalid escape sequence '{pattern}', {at}"))),
            }
            continue;
        }
        let special = match c {
            '%' => Token::AnyText,
            '_' => Token::AnyOne,
            _ => {
                text.push(c);
                continue;
            }
        };
        if !text.is_empty() {
            tokens.push(Token::Text(std::mem::take(&mut text)));
        }
        if special != Token::AnyText || tokens.last() != Some(&Token::AnyText) {
            tokens.push(special);
        }
    }
    if !text.is_empty() {
        tokens.push(Token::Text(text));
    }
    Ok(tokens)
}

enum Matcher {
    Equal(String),
    Prefix(String),
    Suffix(String),
    Contains(Box<Finder<'static>>),
    Any,
    Parts(Parts),
}

/// The runs of a pattern between its `%`s.
struct Parts {
    runs: Vec<Vec<Token>>,
}

impl Matcher {
    fn compile(tokens: &[Token]) -> Self {
        use Token::{AnyText, Text};
        match tokens {
            [] => Matcher::Equal(String::new()),
            [AnyText] => Matcher::Any,
            [Text(t)] => Matcher::Equal(t.clone()),
            [Text(t), AnyText] => Matcher::Prefix(t.clone()),
            [AnyText, Text(t)] => Matcher::Suffix(t.clone()),
            [AnyText, Text(t), AnyText] => Matcher::Contains(Box::new(Finder::new(t).into_owned())),
            _ => Matcher::Parts(Parts { runs: tokens.split(|t| *t == AnyText).map(<[Token]>::to_vec).collect() }),
        }
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Matcher::Equal(t) => text == t,
            Matcher::Prefix(t) => text.starts_with(t.as_str()),
            Matcher::Suffix(t) => text.ends_with(t.as_str()),
            Matcher::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Matcher::Any => true,
            Matcher::Parts(parts) => parts.is_match(text),
        }
    }
}

impl Parts {
    /// The first run stands at the start, the last at the end, each other at its first place behind the one before.
    fn is_match(&self, text: &str) -> bool {
        let Some(mut rest) = match_run(&self.runs[0], text) else { return false };
        let Some((last, middle)) = self.runs[1..].split_last() else { return rest.is_empty() };
        for run in middle {
            match find_run(run, rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        ends_with_run(last, rest)
    }
}

/// What is left of `text` behind `run` at its start.
fn match_run<'t>(run: &[Token], mut text: &'t str) -> Option<&'t str> {
    for token in run {
        text = match token {
            Token::Text(t) => text.strip_prefix(t.as_str())?,
            _ => {
                let mut chars = text.chars();
                // As Java's dot, it takes no line end.
                chars.next().filter(|c| !matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'))?;
                chars.as_str()
            }
        };
    }
    Some(text)
}

fn find_run<'t>(run: &[Token], text: &'t str) -> Option<&'t str> {
    match run {
        [] => Some(text),
        [Token::Text(t)] => text.find(t.as_str()).map(|at| &text[at + t.len()..]),
        _ => text.char_indices().find_map(|(at, _)| match_run(run, &text[at..])),
    }
}

fn ends_with_run(run: &[Token], text: &str) -> bool {
    match run {
        [] => true,
        [Token::Text(t)] => text.ends_with(t.as_str()),
        _ => {
            let length: usize = run.iter().map(|t| if let Token::Text(t) = t { t.chars().count() } else { 1 }).sum();
            match text.chars().count().checked_sub(length) {
                Some(skipped) => {
                    let from = text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at);
                    match_run(run, &text[from..]).is_some_and(str::is_empty)
                }
                None => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, null, text};
    use brisk_core::DataType as T;

    #[test]
    fn patterns_match_as_in_sql() {
        let cases = [
            ("abcxxxdef", "%xdef", true),
            ("abcxxxdef", "abc%def%", true),
            ("abcxxxdef", "%abc%qef%", false),
            ("TE-ST", "%E_S%", true),
            ("This is a test String.", "Th_s%", true),
            ("TE_ST", "%E\\_S%", false),
            ("", "", true),
            ("test", "%%", true),
            ("test", "t%es%t", true),
            ("tässt", "t_%_t", true),
            ("ab", "a_b", false),
            ("aab", "%ab", true),
        ];
        for (value, pattern, expected) in cases {
            check("LIKE", &[text(value), text(pattern)], if expected { "TRUE" } else { "FALSE" });
        }
        check("LIKE", &[null(T::STRING), text("%%link")], "NULL");
    }

    #[test]
    fn escapes_are_checked() {
        check("LIKE", &[text("TE_ST"), text("%E._S%"), text(".")], "TRUE");
        check("LIKE", &[text("TE-ST"), text("%E__S%"), text("_")], "FALSE");
        check("LIKE", &[text("TE_ST"), text("TE%_ST"), text("%")], "TRUE");
        for (pattern, escape) in [("%E_S%", "ab"), ("%E_S%&", "&"), ("%E&-S%", "&"), ("%E_S%", "_")] {
            check("LIKE", &[text("TE-ST"), text(pattern), text(escape)], "ERROR");
        }
    }
}
