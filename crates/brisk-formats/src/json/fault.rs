//! Why a record cannot be decoded, cheap to return and turned into words only when someone reads it.

use crate::text::trim;

#[derive(Debug)]
pub(crate) enum Fault {
    /// The record is no JSON from here on.
    Syntax { at: usize, expected: &'static str },
    /// A value that its column cannot take; the JSON around it may be sound.
    Value(Box<BadValue>),
}

#[derive(Debug)]
pub(crate) struct BadValue {
    /// The names from the column inwards, innermost first.
    pub path: Vec<String>,
    pub start: usize,
    pub end: usize,
    pub problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    /// The type that was expected.
    NotA(String),
    Missing,
}

/// How much of a value a message shows, in bytes.
const EXCERPT_BYTES: usize = 60;

impl Fault {
    /// A value of `data[start..end]` that is no `type_name`.
    pub fn value(start: usize, end: usize, type_name: String) -> Self {
        Fault::Value(Box::new(BadValue { path: Vec::new(), start, end, problem: Problem::NotA(type_name) }))
    }

    pub fn missing(name: &str) -> Self {
        Fault::Value(Box::new(BadValue { path: vec![name.to_string()], start: 0, end: 0, problem: Problem::Missing }))
    }

    /// Says that the value belongs to the field `name`.
    pub fn within(mut self, name: &str) -> Self {
        if let Fault::Value(bad) = &mut self {
            bad.path.push(name.to_string());
        }
        self
    }

    /// What people read, given the record.
    pub fn describe(&self, record: &[u8]) -> String {
        match self {
            Fault::Syntax { at, expected } if *at >= record.len() => format!("not valid JSON: it ends where {expected} should be"),
            Fault::Syntax { at, expected } => {
                format!("not valid JSON: {expected} expected at byte {at}, found {}", excerpt(&record[*at..]))
            }
            Fault::Value(bad) => {
                let path: Vec<_> = bad.path.iter().rev().map(String::as_str).collect();
                let path = path.join(".");
                match &bad.problem {
                    Problem::Missing => format!("column `{path}` is missing"),
                    Problem::NotA(type_name) => format!("column `{path}`: {} is not a {type_name}", excerpt(&record[bad.start..bad.end])),
                }
            }
        }
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let bytes = trim(bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT_BYTES)]).into_owned();
    if bytes.len() > EXCERPT_BYTES { shown + "..." } else { shown }
}
