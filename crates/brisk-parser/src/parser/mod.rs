//! The grammar: a recursive descent over tokens, one file per part of the language.
//!
//! Nothing here backtracks, and two limits keep any input from exhausting the stack, here and in whoever walks the
//! tree afterwards: [`MAX_DEPTH`] on nesting, [`MAX_HEIGHT`] on the height of the tree, which long chains such as
//! `a + a + a ...` build without nesting. Both end in an error that says so.

mod alter;
mod cursor;
mod ddl;
mod expr;
mod function;
mod json;
mod literal;
mod match_recognize;
mod primary;
mod query;
mod script;
mod select;
mod show;
mod special;
mod statement;
mod table_ref;
mod types;
mod window;

pub use script::{Completeness, completeness, parse_script, parse_statement};

use crate::ast::{DataType, Expr, ExprKind, Query};
use crate::error::ParseError;
use crate::lexer::lex;
use crate::token::Token;

/// How deep parentheses, subqueries, calls and types may nest. Most forms take one level, subqueries in FROM take two.
pub const MAX_DEPTH: usize = 64;

/// How high a tree may grow: nesting plus the operators of a chain. Chains of AND and OR count little:
/// long ones become balanced trees.
pub const MAX_HEIGHT: usize = 256;

pub(crate) type Parsed<T> = Result<T, ParseError>;

/// What parses one kind of operand. Chosen first and called afterwards: a `match` with a call in each arm would take so
/// much of the stack that little could nest.
pub(crate) type OperandParser<'a> = fn(&mut Parser<'a>) -> Parsed<ExprKind>;

/// Where the grammar stands in the tokens of one text.
pub(crate) struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Height of the highest tree among those parsed so far inside the innermost [`Parser::nest`].
    height: usize,
    /// How many `?` this statement had so far.
    parameters: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Self {
        Self { source, tokens: lex(source), at: 0, depth: 0, height: 0, parameters: 0 }
    }

    /// Parses one level deeper.
    fn nest<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_large(format!("more than {MAX_DEPTH} levels of nesting")));
        }
        self.depth += 1;
        let outer = std::mem::take(&mut self.height);
        let parsed = parse(self)?;
        self.depth -= 1;
        self.grow()?;
        self.height = self.height.max(outer);
        Ok(parsed)
    }

    /// Accounts for a node on top of all that was parsed so far at this level.
    fn grow(&mut self) -> Parsed<()> {
        self.height += 1;
        if self.height > MAX_HEIGHT {
            return Err(self.too_large(format!("more than {MAX_HEIGHT} operators in a row")));
        }
        Ok(())
    }

    fn too_large(&self, message: String) -> ParseError {
        let remedy = "split it, for example into views".to_string();
        self.error_at(self.span(), message).with_remedy(remedy)
    }
}

/// Parses an expression that fills the whole text.
pub fn parse_expression(source: &str) -> Result<Expr, ParseError> {
    whole(source, |parser| parser.expr())
}

/// Parses a query that fills the whole text.
pub fn parse_query(source: &str) -> Result<Query, ParseError> {
    whole(source, |parser| parser.query())
}

/// Parses a type that fills the whole text.
pub fn parse_type(source: &str) -> Result<DataType, ParseError> {
    whole(source, |parser| parser.data_type())
}

fn whole<T>(source: &str, parse: impl FnOnce(&mut Parser<'_>) -> Parsed<T>) -> Parsed<T> {
    let mut parser = Parser::new(source);
    let parsed = parse(&mut parser)?;
    parser.expect_end()?;
    Ok(parsed)
}
