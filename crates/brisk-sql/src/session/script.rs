//! Scripts as text: variables, and the parser's errors in the words of the core.

use brisk_core::{Error, Position, Result};
use brisk_parser::ParseError;
use brisk_parser::ast::Statement;

use crate::bind::place::statement_positions;

/// The statements of a script, each with the place where it begins.
pub fn parse_statements(text: &str) -> Result<Vec<(Statement, Position)>> {
    let statements = brisk_parser::parse_script(text).map_err(|e| parse_error(&e, statement_at(text, e.span.start)))?;
    let positions = statement_positions(text, &statements);
    Ok(statements.into_iter().zip(positions).collect())
}

/// The number of the statement that the byte `offset` stands in: one more than the semicolons before it that are in no
/// text or comment.
fn statement_at(text: &str, offset: usize) -> usize {
    let mut statement = 1;
    let mut rest = &text[..offset.min(text.len())];
    let mut quote: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        let skipped = match quote {
            None => comment_length(rest),
            Some(_) => None,
        };
        if skipped.is_none() {
            match quote {
                Some(q) if q == c => quote = None,
                None if matches!(c, '\'' | '`') => quote = Some(c),
                None if c == ';' => statement += 1,
                _ => {}
            }
        }
        rest = &rest[skipped.unwrap_or(c.len_utf8())..];
    }
    statement
}

/// The length of the comment that the text begins with.
fn comment_length(text: &str) -> Option<usize> {
    let end = match (text.starts_with("--"), text.starts_with("/*")) {
        (true, _) => text.find('\n'),
        (_, true) => text.find("*/").map(|i| i + 2),
        _ => return None,
    };
    Some(end.unwrap_or(text.len()))
}

/// The text with each `${NAME}` replaced. Comments are left as they are; quoted text is not, since that is where
/// variables stand most often.
pub fn substitute(text: &str, vars: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut quote: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        if quote.is_none()
            && let Some(length) = comment_length(rest)
        {
            let (comment, behind) = rest.split_at(length);
            out.push_str(comment);
            rest = behind;
            continue;
        }
        if let Some(name) = variable(rest) {
            let value = vars(name).ok_or_else(|| missing(name, text, text.len() - rest.len()))?;
            out.push_str(&value);
            rest = &rest[name.len() + 3..];
            continue;
        }
        match quote {
            Some(q) if q == c => quote = None,
            None if matches!(c, '\'' | '`') => quote = Some(c),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Ok(out)
}

/// The name, where the text begins with `${NAME}`.
fn variable(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${")?;
    let name = &inner[..inner.find('}')?];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    is_name.then_some(name)
}

fn missing(name: &str, text: &str, offset: usize) -> Error {
    let place = brisk_parser::Position::of(text, offset);
    let statement = statement_at(text, offset);
    let error = Error::invalid(format!("the variable ${{{name}}} has no value"));
    error.with_remedy(format!("give it with --var {name}=VALUE, or set {name} in the environment")).at(Position {
        statement,
        line: place.line,
        column: place.column,
    })
}

/// An error of the parser; `statement` is its number in the script.
pub fn parse_error(error: &ParseError, statement: usize) -> Error {
    let mut message = error.message.clone();
    if let Some((last, others)) = error.expected.split_last() {
        message.push_str(", expected ");
        if !others.is_empty() {
            message.push_str(&format!("{} or ", others.join(", ")));
        }
        message.push_str(last);
    }
    let found = Error::invalid(message).at(Position { statement, line: error.position.line, column: error.position.column });
    match &error.remedy {
        Some(remedy) => found.with_remedy(remedy.clone()),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let got = substitute(text, |name| (name == "DATA").then(|| "/d".to_string()));
        assert_eq!(got.map_err(|e| e.to_string()).as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn variables_are_replaced_outside_of_comments() {
        check("SELECT '${DATA}/x' -- ${NOT}\n, ${DATA}", Ok("SELECT '/d/x' -- ${NOT}\n, /d"));
        check("'a -- ${DATA}' /* ${NOT} */ ${}", Ok("'a -- /d' /* ${NOT} */ ${}"));
    }

    #[test]
    fn a_missing_variable_is_named_with_its_place() {
        check(
            "SELECT ';' -- ;\n;\nSELECT ${WHO}",
            Err("statement 2, line 3, column 8: the variable ${WHO} has no value (give it with --var WHO=VALUE, or set WHO in the environment)"),
        );
    }
}
