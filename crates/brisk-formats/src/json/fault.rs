//! Why a record cannot be decoded, cheap to return and turned into words only when someone reads it.

use crate::text::trim;

/// One word, so that the results of all that reads are small.
#[derive(Debug)]
pub(crate) struct Fault(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// The record is no JSON from here on.
    Syntax { at: usize, expected: &'static str },
    /// A value that its column cannot take; the JSON around it may be sound.
    Value(BadValue),
}

#[derive(Debug)]
struct BadValue {
    /// The names from the column inwards, innermost first.
    path: Vec<String>,
    start: usize,
    end: usize,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    /// The type that was expected.
    NotA(String),
    Missing,
}

/// How much of a value a message shows, in bytes.
const EXCERPT_BYTES: usize = 60;

impl Fault {
    #[cold]
    pub fn syntax(at: usize, expected: &'static str) -> Self {
        Fault(Box::new(Kind::Syntax { at, expected }))
    }

    /// A value of `data[start..end]` that is no `type_name`.
    #[cold]
    pub fn value(start: usize, end: usize, type_name: String) -> Self {
        Fault(Box::new(Kind::Value(BadValue { path: Vec::new(), start, end, problem: Problem::NotA(type_name) })))
    }

    #[cold]
    pub fn missing(name: &str) -> Self {
        Fault(Box::new(Kind::Value(BadValue { path: vec![name.to_string()], start: 0, end: 0, problem: Problem::Missing })))
    }

    /// Whether the JSON may be sound and only a value is not.
    pub fn is_value(&self) -> bool {
        matches!(*self.0, Kind::Value(_))
    }

    /// Says that the value belongs to the field `name`.
    #[cold]
    pub fn within(mut self, name: &str) -> Self {
        if let Kind::Value(bad) = &mut *self.0 {
            bad.path.push(name.to_string());
        }
        self
    }

    /// What people read, given the record.
    pub fn describe(&self, record: &[u8]) -> String {
        match &*self.0 {
            Kind::Syntax { at, expected } if *at >= record.len() => format!("not valid JSON: it ends where {expected} should be"),
            Kind::Syntax { at, expected } => {
                format!("not valid JSON: {expected} expected at byte {at}, found {}", excerpt(&record[*at..]))
            }
            Kind::Value(bad) => {
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
