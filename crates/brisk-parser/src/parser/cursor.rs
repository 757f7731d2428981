//! Looking at tokens, taking them, and saying what was wrong with them.

use super::{Parsed, Parser};
use crate::ast::{Ident, ObjectName};
use crate::error::ParseError;
use crate::keywords::is_reserved;
use crate::span::Span;
use crate::token::Tok;

impl<'a> Parser<'a> {
    // --- looking ---------------------------------------------------------------------------------------------------

    pub(super) fn tok(&self) -> &Tok {
        self.tok_at(0)
    }

    /// The token `ahead` places from here; the end behind the end.
    pub(super) fn tok_at(&self, ahead: usize) -> &Tok {
        match self.tokens.get(self.at + ahead) {
            Some(token) => &token.tok,
            None => &Tok::End,
        }
    }

    pub(super) fn span(&self) -> Span {
        match self.tokens.get(self.at) {
            Some(token) => token.span,
            None => Span::new(self.source.len(), self.source.len()),
        }
    }

    /// The span of the token before this one.
    pub(super) fn previous(&self) -> Span {
        match self.at.checked_sub(1).and_then(|at| self.tokens.get(at)) {
            Some(token) => token.span,
            None => Span::default(),
        }
    }

    /// From `start` to the last token taken.
    pub(super) fn since(&self, start: Span) -> Span {
        Span::new(start.start, self.previous().end.max(start.start))
    }

    pub(super) fn text(&self, span: Span) -> &'a str {
        self.source.get(span.range()).unwrap_or("")
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        self.word_at(0, word)
    }

    pub(super) fn word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tok_at(ahead), Tok::Word(upper) if upper == word)
    }

    pub(super) fn at_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.word_at(ahead, word))
    }

    pub(super) fn at_any_word(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.at_word(word))
    }

    pub(super) fn at_symbol(&self, symbol: &str) -> bool {
        self.symbol_at(0, symbol)
    }

    pub(super) fn symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.tok_at(ahead), Tok::Symbol(found) if *found == symbol)
    }

    /// Whether the token `ahead` can be a name as it is.
    pub(super) fn name_at(&self, ahead: usize) -> bool {
        match self.tok_at(ahead) {
            Tok::Quoted(_) => true,
            Tok::Word(upper) => !is_reserved(upper),
            _ => false,
        }
    }

    /// Whether the statement ends here.
    pub(super) fn at_end(&self) -> bool {
        matches!(self.tok(), Tok::End | Tok::Symbol(";"))
    }

    // --- taking ----------------------------------------------------------------------------------------------------

    pub(super) fn advance(&mut self) {
        if self.at < self.tokens.len() {
            self.at += 1;
        }
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.advance();
        }
        found
    }

    /// Takes all of the words or none.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = self.at_words(words);
        if found {
            self.at += words.len();
        }
        found
    }

    pub(super) fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) {
            return Ok(());
        }
        Err(self.unexpected(&[word]))
    }

    pub(super) fn expect_words(&mut self, words: &[&str]) -> Parsed<()> {
        words.iter().try_for_each(|word| self.expect_word(word))
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat_symbol(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&[&format!("\"{symbol}\"")]))
    }

    pub(super) fn expect_end(&mut self) -> Parsed<()> {
        if *self.tok() == Tok::End {
            return Ok(());
        }
        Err(self.unexpected(&["the end"]))
    }

    /// A name; `what` says of what, for the error.
    pub(super) fn ident(&mut self, what: &str) -> Parsed<Ident> {
        let span = self.span();
        let (value, quoted) = match self.tok() {
            Tok::Quoted(value) => (value.clone(), true),
            Tok::Word(upper) if !is_reserved(upper) => (self.text(span).to_string(), false),
            _ => return Err(self.unexpected(&[what])),
        };
        self.advance();
        Ok(Ident { value, quoted, span })
    }

    /// A dotted name.
    pub(super) fn object_name(&mut self, what: &str) -> Parsed<ObjectName> {
        let first = self.ident(what)?;
        self.object_name_after(first)
    }

    /// The rest of a dotted name. A `.*` is left alone.
    pub(super) fn object_name_after(&mut self, first: Ident) -> Parsed<ObjectName> {
        let mut span = first.span;
        let mut parts = vec![first];
        while self.at_symbol(".") && !self.symbol_at(1, "*") {
            self.advance();
            let part = self.ident("a name after the dot")?;
            span = span.to(part.span);
            parts.push(part);
        }
        Ok(ObjectName { parts, span })
    }

    pub(super) fn string(&mut self, what: &str) -> Parsed<String> {
        let Tok::String(value) = self.tok() else {
            return Err(self.unexpected(&[what]));
        };
        let value = value.clone();
        self.advance();
        Ok(value)
    }

    pub(super) fn integer(&mut self, what: &str) -> Parsed<u32> {
        let span = self.span();
        if *self.tok() != Tok::Integer {
            return Err(self.unexpected(&[what]));
        }
        let Ok(value) = self.text(span).parse() else {
            return Err(self.error_at(span, format!("{} is too large for {what}", self.text(span))));
        };
        self.advance();
        Ok(value)
    }

    /// One or more, with commas between them.
    pub(super) fn comma_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `( inner )`.
    pub(super) fn parenthesized<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let open = self.span();
        self.expect_symbol("(")?;
        let parsed = inner(self)?;
        self.close(open)?;
        Ok(parsed)
    }

    /// `(a, b)`, at least one.
    pub(super) fn parenthesized_list<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.parenthesized(|parser| parser.comma_list(item))
    }

    /// The `)` of the `(` at `open`.
    pub(super) fn close(&mut self, open: Span) -> Parsed<()> {
        if self.eat_symbol(")") {
            return Ok(());
        }
        let error = self.unexpected(&["\",\"", "\")\""]);
        let next_clause = matches!(self.tok(), Tok::Word(upper) if CLAUSE_WORDS.contains(&upper.as_str()));
        if !self.at_end() && !next_clause {
            return Err(error);
        }
        let place = open.position(self.source);
        Err(error.with_remedy(format!("close the parenthesis opened at {place}")))
    }

    // --- complaining -----------------------------------------------------------------------------------------------

    pub(super) fn error_at(&self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError { span, position: span.position(self.source), message: message.into(), expected: Vec::new(), remedy: None }
    }

    /// This token is none of `expected`.
    pub(super) fn unexpected(&self, expected: &[&str]) -> ParseError {
        if let Tok::Invalid(invalid) = self.tok() {
            let mut error = self.error_at(self.span(), invalid.message.clone());
            error.remedy = invalid.remedy.clone();
            return error;
        }
        let mut error = self.error_at(self.span(), format!("found {}", self.describe_token()));
        error.expected = expected.iter().map(|item| item.to_string()).collect();
        error.remedy = self.remedy(expected);
        error
    }

    /// This token in the words of an error.
    fn describe_token(&self) -> String {
        match self.tok() {
            Tok::End => "the end of the text".to_string(),
            _ => format!("\"{}\"", shorten(self.text(self.span()))),
        }
    }

    /// What to do where the mistake is a common one.
    fn remedy(&self, expected: &[&str]) -> Option<String> {
        let text = self.text(self.span());
        let after_comma = self.text(self.previous()) == ",";
        match self.tok() {
            Tok::Symbol("::") => Some("write CAST(value AS type) instead of value::type".to_string()),
            Tok::Symbol("==") => Some("write = to compare".to_string()),
            Tok::Symbol("!=") => Some("write <> for \"not equal\"".to_string()),
            Tok::Symbol("&" | "|" | "^") => Some("Flink SQL has no operators on bits".to_string()),
            Tok::Symbol("/*+") => Some("hints stand behind SELECT or behind the name of a table".to_string()),
            Tok::Symbol(")") | Tok::End | Tok::Symbol(";") if after_comma => Some("remove the comma before it".to_string()),
            Tok::Word(upper) if after_comma && CLAUSE_WORDS.contains(&upper.as_str()) => Some("remove the comma before it".to_string()),
            Tok::Word(upper) if self.at > 0 && STATEMENT_WORDS.contains(&upper.as_str()) => {
                Some("if a new statement begins here, end the one before it with a semicolon".to_string())
            }
            Tok::Symbol(")") if expected.contains(&END) => Some("remove it: no parenthesis is open here".to_string()),
            Tok::Quoted(_) | Tok::String(_) | Tok::Integer | Tok::Decimal if expected.contains(&END) => Some(MISSING_COMMA.to_string()),
            Tok::Word(upper) if upper == "ILIKE" => Some("write LOWER(a) LIKE LOWER(b)".to_string()),
            Tok::Word(upper) if is_reserved(upper) && wants_name(expected) => {
                Some(format!("{upper} is a reserved word: if it is meant as a name, write it in backticks, `{text}`"))
            }
            Tok::Word(upper) if !is_reserved(upper) && expected.contains(&END) => Some(MISSING_COMMA.to_string()),
            _ => None,
        }
    }
}

/// What is expected behind a statement.
pub(super) const END: &str = "the end of the statement";

const MISSING_COMMA: &str = "perhaps a comma or an operator is missing before it";

/// Words that follow a list, where a comma before them is one too many.
const CLAUSE_WORDS: &[&str] =
    &["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "QUALIFY", "UNION", "EXCEPT", "INTERSECT", "END", "WHEN", "THEN", "ELSE"];

/// Words that begin a statement and hardly anything else.
const STATEMENT_WORDS: &[&str] = &["SELECT", "INSERT", "CREATE", "DROP", "ALTER", "SET", "RESET", "USE", "SHOW", "DESCRIBE", "EXPLAIN", "EXECUTE", "BEGIN"];

fn wants_name(expected: &[&str]) -> bool {
    let names = ["name", "expression", "table", "column", "alias", "field"];
    let is_name = |item: &&str| item.starts_with(char::is_lowercase) && names.iter().any(|name| item.contains(name));
    expected.is_empty() || expected.iter().any(is_name)
}

/// The first characters of a long token.
fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
