//! Scripts: statements between semicolons, and what a shell needs to know about unfinished ones.

use super::cursor::END;
use super::{Parsed, Parser};
use crate::ast::{Insert, Statement, StatementKind};
use crate::error::ParseError;
use crate::lexer::lex;
use crate::token::{Tok, Token};

/// Parses statements that end in semicolons; the last one may go without. `BEGIN STATEMENT SET; ..; END;` gives one
/// [`StatementKind::StatementSet`].
pub fn parse_script(source: &str) -> Result<Vec<Statement>, ParseError> {
    let mut parser = Parser::new(source);
    let mut statements = Vec::new();
    while let Some(statement) = parser.next_statement()? {
        statements.push(match statement.kind {
            StatementKind::BeginStatementSet => parser.statement_set_of_script(statement)?,
            _ => statement,
        });
    }
    Ok(statements)
}

/// Parses one statement that fills the whole text; a semicolon behind it is allowed.
pub fn parse_statement(source: &str) -> Result<Statement, ParseError> {
    let mut parser = Parser::new(source);
    let statement = parser.next_statement()?;
    while parser.eat_symbol(";") {}
    let Some(statement) = statement else {
        return Err(parser.unexpected(&["a statement"]));
    };
    parser.expect_end()?;
    Ok(statement)
}

/// Whether a text can be handed to [`parse_script`], for a shell that reads line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing but blanks, comments and semicolons.
    Empty,
    /// A statement, string, comment or statement set is still open.
    Incomplete,
    /// Everything is closed by a semicolon; it may still be wrong.
    Complete,
}

/// Looks only at where statements end: neither validates nor needs valid SQL.
pub fn completeness(source: &str) -> Completeness {
    let tokens = lex(source);
    let mut state = Completeness::Empty;
    let mut in_set = false;
    for (at, token) in tokens.iter().enumerate() {
        match &token.tok {
            Tok::End => break,
            Tok::Invalid(invalid) if invalid.unfinished => return Completeness::Incomplete,
            Tok::Symbol(";") if state != Completeness::Empty && !in_set => state = Completeness::Complete,
            Tok::Symbol(";") => {}
            _ => {
                let first = at == 0 || tokens[at - 1].tok == Tok::Symbol(";");
                if words_at(&tokens, at, &["STATEMENT", "SET", "BEGIN"]) || first && words_at(&tokens, at, &["BEGIN", "STATEMENT", "SET"]) {
                    in_set = true;
                } else if first && words_at(&tokens, at, &["END"]) {
                    in_set = false;
                }
                state = Completeness::Incomplete;
            }
        }
    }
    state
}

fn words_at(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(ahead, word)| matches!(tokens.get(at + ahead), Some(Token { tok: Tok::Word(found), .. }) if found == word))
}

impl Parser<'_> {
    /// The next statement with the semicolon behind it.
    fn next_statement(&mut self) -> Parsed<Option<Statement>> {
        while self.eat_symbol(";") {}
        if *self.tok() == Tok::End {
            return Ok(None);
        }
        self.parameters = 0;
        let statement = self.statement()?;
        if !self.at_end() {
            return Err(self.unexpected(&["\";\"", END]));
        }
        self.eat_symbol(";");
        Ok(Some(statement))
    }

    /// The statements behind `BEGIN STATEMENT SET;` up to `END`.
    fn statement_set_of_script(&mut self, begin: Statement) -> Parsed<Statement> {
        let mut inserts: Vec<Insert> = Vec::new();
        loop {
            let start = self.span();
            let Some(statement) = self.next_statement()? else {
                let error = self.error_at(begin.span, "this statement set is not closed");
                return Err(error.with_remedy("close it with END;".to_string()));
            };
            match statement.kind {
                StatementKind::Insert(insert) => inserts.push(*insert),
                StatementKind::EndStatementSet => {
                    let span = begin.span.to(statement.span);
                    let text = self.text(span).to_string();
                    return Ok(Statement { kind: StatementKind::StatementSet(inserts), span, text });
                }
                _ => {
                    let message = "a statement set holds nothing but INSERT statements";
                    return Err(self.error_at(start, message));
                }
            }
        }
    }
}
