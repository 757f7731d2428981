//! The tree back to SQL.
//!
//! What is written parses to an equal tree (the tests hold it to that). It is the canonical spelling: keywords in
//! capitals, `AS` before every alias, names in backticks where they need them, parentheses where ranks need them. Used
//! for EXPLAIN, for view definitions and wherever a piece of SQL is shown again.

mod expr;
mod json;
mod query;
mod types;

use std::fmt::{Display, Formatter, Result};

use crate::ast::{Ident, ObjectName};
use crate::keywords::is_reserved;

impl Display for Ident {
    /// The name, in backticks unless it can stand without.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if is_plain_name(&self.value) {
            return f.write_str(&self.value);
        }
        write!(f, "`{}`", self.value.replace('`', "``"))
    }
}

impl Display for ObjectName {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        separated(f, ".", &self.parts)
    }
}

fn is_plain_name(name: &str) -> bool {
    let upper = name.to_uppercase();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(is_part)
        && !is_reserved(&upper)
        // `map[1]` would be a constructor.
        && upper != "MAP"
}

/// The items with `separator` between them.
fn separated<T: Display>(f: &mut Formatter<'_>, separator: &str, items: impl IntoIterator<Item = T>) -> Result {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// The items with commas between them.
fn commas<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>) -> Result {
    separated(f, ", ", items)
}

/// `before` and the items with commas between them; nothing where there are none.
fn clause<T: Display>(f: &mut Formatter<'_>, before: &str, items: &[T]) -> Result {
    if items.is_empty() {
        return Ok(());
    }
    f.write_str(before)?;
    commas(f, items)
}

/// A text in single quotes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}
