//! Text to tokens.
//!
//! Total: any text gives tokens, the last of which is [`Tok::End`]; what is no token becomes [`Tok::Invalid`], so that
//! the grammar reports it when it gets there and not before earlier mistakes. Comments and blanks disappear; hints
//! (`/*+ ... */`) do not.

use crate::span::Span;
use crate::token::{InvalidToken, Tok, Token};

/// All symbols, longer ones before their prefixes. `>` stands alone, so that `ARRAY<ARRAY<INT>>` closes twice.
const SYMBOLS: &[&str] = &[
    "/*+", "*/", "::", "==", "=>", "->", "<>", "<=", ">=", "!=", "||", "(", ")", "[", "]", "{", "}", ",", ";", ".", "+", "-", "*", "/", "%", "=", "<", ">",
    "|", "?", ":", "^", "!", "&", "~", "@",
];

/// The tokens of `source`.
pub(crate) fn lex(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::with_capacity(source.len() / 5 + 1);
    loop {
        let token = lexer.next_token();
        let done = token.tok == Tok::End;
        tokens.push(token);
        if done {
            return tokens;
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves over characters that satisfy `test`.
    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !test(c)).unwrap_or(rest.len());
    }

    fn next_token(&mut self) -> Token {
        if let Some(open) = self.skip_blanks_and_comments() {
            let message = "this comment is not closed".to_string();
            let remedy = Some("close it with */".to_string());
            return self.token(open, unfinished(message, remedy));
        }
        let start = self.at;
        let tok = match self.peek() {
            None => Tok::End,
            Some(c) if is_name_start(c) => self.word(),
            Some(c) if c.is_ascii_digit() => self.number(),
            Some('.') if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            Some('\'') => match self.quoted('\'') {
                Ok(text) => Tok::String(text),
                Err(invalid) => invalid,
            },
            Some('`') => match self.quoted('`') {
                Ok(text) if text.is_empty() => invalid("a name cannot be empty".to_string(), None),
                Ok(text) => Tok::Quoted(text),
                Err(invalid) => invalid,
            },
            Some('"') => self.double_quoted(),
            Some(c) => self.symbol(c),
        };
        self.token(start, tok)
    }

    fn token(&self, start: usize, tok: Tok) -> Token {
        Token { tok, span: Span::new(start, self.at) }
    }

    /// Moves to the next token. Gives the start of a comment that never ends.
    fn skip_blanks_and_comments(&mut self) -> Option<usize> {
        loop {
            self.skip_while(|c| c.is_whitespace() || c == '\u{feff}' || c == '\0');
            let rest = self.rest();
            if rest.starts_with("--") || rest.starts_with("//") {
                self.skip_while(|c| c != '\n');
            } else if rest.starts_with("/*") && !rest.starts_with("/*+") {
                let start = self.at;
                match rest[2..].find("*/") {
                    Some(length) => self.at += length + 4,
                    None => {
                        self.at = self.source.len();
                        return Some(start);
                    }
                }
            } else {
                return None;
            }
        }
    }

    fn word(&mut self) -> Tok {
        let start = self.at;
        self.skip_while(is_name_part);
        let word = &self.source[start..self.at];
        let upper = word.to_uppercase();
        let rest = self.rest();
        if rest.starts_with('\'') {
            if let Some(tok) = self.prefixed_string(word, &upper) {
                return tok;
            }
        } else if upper == "U" && rest.starts_with("&'") {
            self.at += 1;
            return match self.quoted('\'') {
                Ok(text) => Tok::UnicodeString(text),
                Err(invalid) => invalid,
            };
        }
        Tok::Word(upper)
    }

    /// `X'..'`, `N'..'`, `E'..'` and `_charset'..'`; nothing where the word is just a word before a string.
    fn prefixed_string(&mut self, word: &str, upper: &str) -> Option<Tok> {
        let is_charset = word.len() > 1 && word.starts_with('_');
        if upper == "E" {
            return Some(self.escaped_string());
        }
        if !is_charset && upper != "X" && upper != "N" {
            return None;
        }
        let text = match self.quoted('\'') {
            Ok(text) => text,
            Err(invalid) => return Some(invalid),
        };
        Some(match upper {
            "X" => Tok::BinaryString(text),
            "N" => Tok::String(text),
            _ => Tok::CharsetString { charset: upper[1..].to_string(), value: text },
        })
    }

    /// Text between two `quote`s, a doubled one standing for itself.
    fn quoted(&mut self, quote: char) -> Result<String, Tok> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(length) = rest.find(quote) else {
                self.at = self.source.len();
                let what = if quote == '`' { "name" } else { "string" };
                return Err(unfinished(format!("this {what} is not closed"), Some(format!("close it with {quote}; a {quote} inside it is written twice"))));
            };
            text.push_str(&rest[..length]);
            self.at += length + 1;
            if !self.rest().starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
            self.at += 1;
        }
    }

    /// `E'a\nb'`.
    fn escaped_string(&mut self) -> Tok {
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '\'' if self.rest().starts_with('\'') => {
                    self.at += 1;
                    text.push('\'');
                }
                '\'' => return Tok::String(text),
                '\\' => {
                    let Some(escaped) = self.peek() else { break };
                    self.at += escaped.len_utf8();
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'u' => self.hex_char(4).unwrap_or('u'),
                        'U' => self.hex_char(8).unwrap_or('U'),
                        'x' => self.hex_char(2).unwrap_or('x'),
                        other => other,
                    });
                }
                other => text.push(other),
            }
        }
        unfinished("this string is not closed".to_string(), Some("close it with '".to_string()))
    }

    /// The character with the next `digits` hexadecimal digits as its number.
    fn hex_char(&mut self, digits: usize) -> Option<char> {
        let text = self.rest().get(..digits)?;
        let value = u32::from_str_radix(text, 16).ok()?;
        let c = char::from_u32(value)?;
        self.at += digits;
        Some(c)
    }

    fn double_quoted(&mut self) -> Tok {
        let rest = &self.rest()[1..];
        let length = rest.find(['"', '\n']).unwrap_or(rest.len());
        let text = &rest[..length];
        let closed = rest[length..].starts_with('"');
        self.at += 1 + length + usize::from(closed);
        invalid("double quotes mean nothing in Flink SQL".to_string(), Some(format!("write '{text}' for a text or `{text}` for a name")))
    }

    fn number(&mut self) -> Tok {
        let digits = |c: char| c.is_ascii_digit();
        self.skip_while(digits);
        let mut tok = Tok::Integer;
        if self.rest().starts_with('.') {
            self.at += 1;
            self.skip_while(digits);
            tok = Tok::Decimal;
        }
        let exponent = self.rest().strip_prefix(['e', 'E']);
        if let Some(rest) = exponent {
            let signed = rest.starts_with(['+', '-']);
            if rest[usize::from(signed)..].starts_with(digits) {
                self.at += 1 + usize::from(signed);
                self.skip_while(digits);
                tok = Tok::Approximate;
            }
        }
        tok
    }

    fn symbol(&mut self, c: char) -> Tok {
        let rest = self.rest();
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.at += symbol.len();
            return Tok::Symbol(symbol);
        }
        self.at += c.len_utf8();
        let plain = match c {
            '‘' | '’' | '“' | '”' => Some("'"),
            '，' => Some(","),
            '；' => Some(";"),
            '（' => Some("("),
            '）' => Some(")"),
            _ => None,
        };
        invalid(format!("the character {c:?} means nothing here"), plain.map(|plain| format!("write {plain} instead")))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn invalid(message: String, remedy: Option<String>) -> Tok {
    Tok::Invalid(Box::new(InvalidToken { message, remedy, unfinished: false }))
}

fn unfinished(message: String, remedy: Option<String>) -> Tok {
    Tok::Invalid(Box::new(InvalidToken { message, remedy, unfinished: true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[Tok]) {
        let tokens: Vec<Tok> = lex(source).into_iter().map(|token| token.tok).collect();
        assert_eq!(&tokens[..tokens.len() - 1], expected, "{source}");
    }

    fn word(upper: &str) -> Tok {
        Tok::Word(upper.to_string())
    }

    #[test]
    fn words_and_names() {
        check("Select `a``b` EXPR$0 größe", &[word("SELECT"), Tok::Quoted("a`b".to_string()), word("EXPR$0"), word("GRÖSSE")]);
    }

    #[test]
    fn numbers() {
        check("1 1.5 .5 1e3 1.5E-2 1e", &[Tok::Integer, Tok::Decimal, Tok::Decimal, Tok::Approximate, Tok::Approximate, Tok::Integer, word("E")]);
    }

    #[test]
    fn strings() {
        check(
            r"'it''s' X'0a' _UTF8'x' u&'\0041' E'a\tb\u0041' x",
            &[
                Tok::String("it's".to_string()),
                Tok::BinaryString("0a".to_string()),
                Tok::CharsetString { charset: "UTF8".to_string(), value: "x".to_string() },
                Tok::UnicodeString(r"\0041".to_string()),
                Tok::String("a\tbA".to_string()),
                word("X"),
            ],
        );
    }

    #[test]
    fn comments_vanish_and_hints_stay() {
        check("a -- b\n/* c /* */ d // e\n /*+ f */", &[word("A"), word("D"), Tok::Symbol("/*+"), word("F"), Tok::Symbol("*/")]);
    }

    #[test]
    fn what_is_open_is_reported() {
        for source in ["'abc", "`abc", "/* abc", "\"abc\"", "§"] {
            let tokens = lex(source);
            assert!(matches!(tokens[0].tok, Tok::Invalid(_)), "{source}");
            assert_eq!(tokens[0].span.range(), 0..source.len(), "{source}");
        }
    }
}
