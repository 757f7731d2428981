//! SIMILAR TO: a regular expression in which `%` is any text and `_` any one character, for the whole text.

use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{Error, Result};

use super::super::builtin::Builtin;
use super::super::reader::build_booleans;
use super::super::{Call, ScalarFunction};
use super::java_regex::compile;
use super::like::{bind_like, one_character};

pub(super) fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    vec![Builtin::new("SIMILAR TO", bind_like, similar).aliases(&["SIMILAR"]).shared()]
}

fn similar(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.text(0), call.text(1));
    let escapes = (call.args.len() > 2).then(|| call.text(2));
    let mut failure = None;
    // The translation of the last pattern: constant patterns are translated once.
    let mut known: Option<(String, std::rc::Rc<super::java_regex::Pattern>)> = None;
    let result = build_booleans(call.rows, |row| {
        let (text, pattern) = (texts.get(row)?, patterns.get(row)?);
        let escape = match &escapes {
            Some(escapes) => Some(escapes.get(row)?),
            None => None,
        };
        if known.as_ref().is_none_or(|(of, _)| of != pattern) {
            let compiled = escape.map(one_character).transpose().and_then(|e| translate(pattern, e)).and_then(|p| compile(&p));
            match compiled {
                Ok(compiled) => known = Some((pattern.to_string(), compiled)),
                Err(e) => {
                    failure.get_or_insert(e);
                    return None;
                }
            }
        }
        known.as_ref().map(|(_, p)| p.is_match(text))
    });
    failure.map_or(Ok(result), Err)
}

/// Characters that mean something in the pattern, and only those may be escaped.
const SPECIALS: &str = "[]()|^-+*_%?{}";

const CLASSES: [(&str, &str); 12] = [
    ("[:ALPHA:]", "a-zA-Z"),
    ("[:alpha:]", "a-zA-Z"),
    ("[:UPPER:]", "A-Z"),
    ("[:upper:]", "A-Z"),
    ("[:LOWER:]", "a-z"),
    ("[:lower:]", "a-z"),
    ("[:DIGIT:]", "0-9"),
    ("[:digit:]", "0-9"),
    ("[:ALNUM:]", "a-zA-Z0-9"),
    ("[:alnum:]", "a-zA-Z0-9"),
    ("[:SPACE:]", " "),
    ("[:WHITESPACE:]", "\\s"),
];

fn translate(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::from("\\A(?:");
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        if let Some((name, set)) = CLASSES.iter().find(|(name, _)| in_class && rest.starts_with(name)) {
            out.push_str(set);
            rest = &rest[name.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            _ if Some(c) == escape => match rest.chars().next() {
                Some(next) if SPECIALS.contains(next) || Some(next) == escape => {
                    out.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
                    rest = &rest[next.len_utf8()..];
                }
                _ => return Err(Error::invalid(format!("invalid escape sequence '{pattern}'"))),
            },
            '_' if !in_class => out.push('.'),
            '%' if !in_class => out.push_str("(?s:.*)"),
            '[' => {
                in_class = true;
                out.push(c);
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.push_str(")\\z");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, text};

    #[test]
    fn the_whole_text_is_matched() {
        check("SIMILAR TO", &[text("This is a test String."), text("_*")], "TRUE");
        check("SIMILAR TO", &[text("This is a test String."), text("This (is)? a (test)+ Strin_*")], "TRUE");
        check("SIMILAR TO", &[text("*_This is a test String."), text("&*&__*"), text("&")], "TRUE");
        check("SIMILAR TO", &[text("TEST"), text(".EST")], "TRUE");
        check("SIMILAR TO", &[text("TEST"), text("EST")], "FALSE");
        check("SIMILAR TO", &[text("ab1"), text("[[:ALPHA:]]+[[:DIGIT:]]")], "TRUE");
    }
}
