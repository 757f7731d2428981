//! The syntax tree: what was written, and where, before anything is looked up.
//!
//! Every node has a public `span`. Spans never take part in equality (see [`Span`]), so two trees are equal when they
//! say the same. The tree keeps no parentheses, comments or case of keywords; [`std::fmt::Display`] writes the tree
//! back as SQL that parses to an equal tree.
//!
//! Left out: names are not resolved (`a.b.c` may be catalog, database, table, column or field; the binder decides),
//! literals keep their text (ranges and dates are not checked), and types are not derived.

mod ddl;
mod expr;
mod json;
mod query;
mod statement;
mod types;

pub use ddl::*;
pub use expr::*;
pub use json::*;
pub use query::*;
pub use statement::*;
pub use types::*;

pub use crate::span::{Position, Span};

/// One name, without its quotes.
///
/// Names are case-sensitive in Flink, quoted or not; `quoted` only remembers how it was written and does not count in
/// comparisons.
#[derive(Debug, Clone)]
pub struct Ident {
    /// The name: quotes removed, doubled backticks halved.
    pub value: String,
    /// Written in backticks.
    pub quoted: bool,
    /// Where it was written, quotes included.
    pub span: Span,
}

impl Ident {
    /// A name that stands nowhere in a text, for trees that are made by a program.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), quoted: false, span: Span::default() }
    }
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Ident {}

impl std::hash::Hash for Ident {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

/// A dotted name, for example `catalog.database.table`. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The parts between the dots, first to last; at least one.
    pub parts: Vec<Ident>,
    /// All parts.
    pub span: Span,
}

impl ObjectName {
    /// The values of the parts, for lookups.
    pub fn values(&self) -> Vec<&str> {
        self.parts.iter().map(|part| part.value.as_str()).collect()
    }

    /// The last part: the name of the object itself.
    pub fn last(&self) -> &Ident {
        self.parts.last().expect("an object name has at least one part")
    }
}
