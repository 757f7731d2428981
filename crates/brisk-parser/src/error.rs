//! What is said about text that is not SQL.

use crate::span::{Position, Span};

/// Why a text was refused: one sentence, where, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The place; line and column are those of its start.
    pub span: Span,
    /// Line and column of the place.
    pub position: Position,
    /// One sentence without its full stop: what was found.
    pub message: String,
    /// What could have stood there, ready to be shown: `a table name`, `"FROM"`.
    pub expected: Vec<String>,
    /// What to write instead, where the mistake is a common one.
    pub remedy: Option<String>,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.position, self.message)?;
        if let Some((last, others)) = self.expected.split_last() {
            write!(f, ", expected ")?;
            if others.is_empty() {
                write!(f, "{last}")?;
            } else {
                write!(f, "{} or {last}", others.join(", "))?;
            }
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    pub(crate) fn with_remedy(mut self, remedy: String) -> Self {
        self.remedy = Some(remedy);
        self
    }
}
