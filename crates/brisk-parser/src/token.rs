//! What the lexer hands to the grammar.

use crate::span::Span;

/// One token and its place.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub tok: Tok,
    pub span: Span,
}

/// The kinds of tokens. Words keep their spelling in the text; here they are in capitals, to compare with keywords.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tok {
    /// A bare word: keyword or name.
    Word(String),
    /// A name in backticks, quotes resolved.
    Quoted(String),
    /// `12`.
    Integer,
    /// `1.5`, `.5`.
    Decimal,
    /// `1e3`.
    Approximate,
    /// `'text'`, quotes resolved.
    String(String),
    /// `_utf8'text'`.
    CharsetString { charset: String, value: String },
    /// `U&'text'`, doubled quotes resolved, escapes not: UESCAPE may follow.
    UnicodeString(String),
    /// `X'CAFE'`, the digits.
    BinaryString(String),
    /// Punctuation and operators. `/*+` and `*/` bracket hints.
    Symbol(&'static str),
    /// Something that is no token, with the message for it.
    Invalid(Box<InvalidToken>),
    /// The end of the text.
    End,
}

/// Why some characters are no token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InvalidToken {
    pub message: String,
    pub remedy: Option<String>,
    /// More text could repair it: an open quote or comment.
    pub unfinished: bool,
}
