//! From spans of the syntax tree to the places that people read: statement, line and column of the script.

use brisk_core::{Error, Position};
use brisk_parser::Span;
use brisk_parser::ast::Statement;

/// Knows the text that spans point into.
#[derive(Debug, Clone)]
pub struct Places {
    text: String,
    /// The byte of the script at which `text` begins.
    start: usize,
    /// Where the text begins, or the one place of everything (inside a view, whose text is elsewhere).
    at: Position,
    fixed: bool,
}

impl Places {
    /// For a statement that begins at `at`.
    pub fn of(statement: &Statement, at: Position) -> Self {
        Self { text: statement.text.clone(), start: statement.span.start, at, fixed: false }
    }

    /// Every span means this place.
    pub fn fixed(at: Position) -> Self {
        Self { text: String::new(), start: 0, at, fixed: true }
    }

    pub fn at(&self, span: Span) -> Position {
        if self.fixed {
            return self.at;
        }
        let inner = Span::new(span.start.saturating_sub(self.start), span.end.saturating_sub(self.start)).position(&self.text);
        let column = if inner.line == 1 { self.at.column + inner.column - 1 } else { inner.column };
        Position { statement: self.at.statement, line: self.at.line + inner.line - 1, column }
    }

    /// What is written at the span.
    pub fn text(&self, span: Span) -> &str {
        if self.fixed || span.start < self.start {
            return "";
        }
        Span::new(span.start - self.start, span.end - self.start).text(&self.text)
    }

    pub fn statement(&self) -> usize {
        self.at.statement
    }

    pub fn invalid(&self, span: Span, message: impl Into<String>) -> Error {
        Error::invalid(message).at(self.at(span))
    }

    pub fn unsupported(&self, span: Span, message: impl Into<String>) -> Error {
        Error::unsupported(message).at(self.at(span))
    }
}

/// Where each statement of a script begins.
pub fn statement_positions(script: &str, statements: &[Statement]) -> Vec<Position> {
    let place = |(i, s): (usize, &Statement)| {
        let p = s.span.position(script);
        Position { statement: i + 1, line: p.line, column: p.column }
    };
    statements.iter().enumerate().map(place).collect()
}
