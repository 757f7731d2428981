//! Conditions of paths: `[?(@.price < 10 && @.kind in ['a', 'b'])]`.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::super::tree::{Json, parse};
use super::{Step, compile, walk};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    /// The path finds something.
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Pattern),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// From the element (`@`), or from the document (`$`).
    Path { from_root: bool, steps: Vec<Step> },
    /// JSON text.
    Literal(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
}

/// A regular expression, equal to others of the same text.
#[derive(Debug, Clone)]
pub(super) struct Pattern(regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Condition {
    pub fn holds(&self, element: &Json<'_>, root: &Json<'_>) -> bool {
        match self {
            Condition::And(a, b) => a.holds(element, root) && b.holds(element, root),
            Condition::Or(a, b) => a.holds(element, root) || b.holds(element, root),
            Condition::Not(inner) => !inner.holds(element, root),
            Condition::Exists(operand) => operand.with(element, root, |value| value.is_some()),
            Condition::Compare(left, comparison, right) => left.with(element, root, |l| right.with(element, root, |r| compare(l, *comparison, r))),
            Condition::Matches(operand, pattern) => operand.with(element, root, |value| match value {
                Some(scalar) if scalar.is_scalar() => {
                    let mut text = String::new();
                    scalar.write_plain(&mut text);
                    pattern.0.is_match(&text)
                }
                _ => false,
            }),
        }
    }
}

impl Operand {
    fn with<T>(&self, element: &Json<'_>, root: &Json<'_>, use_value: impl FnOnce(Option<&Json<'_>>) -> T) -> T {
        match self {
            Operand::Literal(text) => use_value(parse(text).ok().as_ref()),
            Operand::Path { from_root, steps } => {
                let mut found = Vec::new();
                let start = if *from_root { root } else { element };
                let outcome = walk(steps, Cow::Borrowed(start), root, true, &mut found);
                use_value(outcome.ok().and(found.first()).map(Cow::as_ref))
            }
        }
    }
}

fn compare(left: Option<&Json<'_>>, comparison: Comparison, right: Option<&Json<'_>>) -> bool {
    use Comparison as C;
    let (Some(left), Some(right)) = (left, right) else {
        // What is missing equals nothing.
        return comparison == C::NotEqual && (left.is_some() || right.is_some());
    };
    let ordered = |accepts: fn(Ordering) -> bool| order(left, right).is_some_and(accepts);
    match comparison {
        C::Equal => equal(left, right),
        C::NotEqual => !equal(left, right),
        C::Less => ordered(Ordering::is_lt),
        C::LessOrEqual => ordered(Ordering::is_le),
        C::Greater => ordered(Ordering::is_gt),
        C::GreaterOrEqual => ordered(Ordering::is_ge),
        C::In => matches!(right, Json::Array(items) if items.iter().any(|i| equal(i, left))),
        C::NotIn => matches!(right, Json::Array(items) if !items.iter().any(|i| equal(i, left))),
        C::Contains => match (left, right) {
            (Json::Array(items), _) => items.iter().any(|i| equal(i, right)),
            (Json::Text(text), Json::Text(part)) => text.contains(part.as_ref()),
            _ => false,
        },
        C::Size => length(left).is_some_and(|n| number(right) == Some(n as f64)),
        C::Empty => length(left).is_some_and(|n| *right == Json::Boolean(n == 0)),
    }
}

fn length(json: &Json<'_>) -> Option<usize> {
    match json {
        Json::Array(items) => Some(items.len()),
        Json::Object(entries) => Some(entries.len()),
        Json::Text(text) => Some(text.chars().count()),
        _ => None,
    }
}

fn number(json: &Json<'_>) -> Option<f64> {
    match json {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

fn equal(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (number(left), number(right)) {
        (Some(l), Some(r)) => l == r,
        _ => left == right,
    }
}

fn order(left: &Json<'_>, right: &Json<'_>) -> Option<Ordering> {
    match (left, right) {
        (Json::Number(_), Json::Number(_)) => number(left)?.partial_cmp(&number(right)?),
        (Json::Text(l), Json::Text(r)) => Some(l.cmp(r)),
        _ => None,
    }
}

/// The text of a path, read character by character.
pub(super) struct Source<'t> {
    rest: &'t str,
}

impl<'t> Source<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub fn next(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    pub fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub fn expect(&mut self, c: char) -> Result<(), String> {
        if self.peek() != Some(c) {
            return Err(format!("no '{c}' in a JSON path before '{}'", self.rest));
        }
        self.next();
        Ok(())
    }

    pub fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn eat(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `'text'` or `"text"`, where a backslash takes the next character as it is.
    pub fn quoted(&mut self) -> Result<String, String> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"')).ok_or("no quoted name in a JSON path")?;
        let mut out = String::new();
        let mut chars = self.rest[1..].chars();
        loop {
            match chars.next() {
                Some('\\') => out.extend(chars.next()),
                Some(c) if c == quote => break,
                Some(c) => out.push(c),
                None => return Err("no end of a quoted name in a JSON path".into()),
            }
        }
        self.rest = chars.as_str();
        Ok(out)
    }
}

/// Reads a condition up to the parenthesis that closes it.
pub(super) struct Parser<'s, 't> {
    source: &'s mut Source<'t>,
    depth: usize,
}

/// Deeper nesting of parentheses is refused.
const MAX_DEPTH: usize = 64;

impl<'s, 't> Parser<'s, 't> {
    pub fn new(source: &'s mut Source<'t>) -> Self {
        Self { source, depth: 0 }
    }

    pub fn condition(&mut self) -> Result<Condition, String> {
        let mut left = self.conjunction()?;
        while self.eat("||") {
            left = Condition::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn eat(&mut self, word: &str) -> bool {
        self.source.blanks();
        self.source.eat(word)
    }

    fn conjunction(&mut self) -> Result<Condition, String> {
        let mut left = self.term()?;
        while self.eat("&&") {
            left = Condition::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("too deep a condition in a JSON path".into());
        }
        let term = self.term_inner();
        self.depth -= 1;
        term
    }

    fn term_inner(&mut self) -> Result<Condition, String> {
        if self.eat("!") {
            return Ok(Condition::Not(Box::new(self.term()?)));
        }
        if self.eat("(") {
            let inner = self.condition()?;
            self.source.blanks();
            self.source.expect(')')?;
            return Ok(inner);
        }
        let left = self.operand()?;
        if self.eat("=~") {
            return Ok(Condition::Matches(left, self.pattern()?));
        }
        match self.comparison() {
            Some(comparison) => Ok(Condition::Compare(left, comparison, self.operand()?)),
            None => Ok(Condition::Exists(left)),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        use Comparison as C;
        let operators = [
            ("===", C::Equal),
            ("!==", C::NotEqual),
            ("==", C::Equal),
            ("!=", C::NotEqual),
            ("<>", C::NotEqual),
            ("<=", C::LessOrEqual),
            (">=", C::GreaterOrEqual),
            ("<", C::Less),
            (">", C::Greater),
            ("in ", C::In),
            ("IN ", C::In),
            ("nin ", C::NotIn),
            ("NIN ", C::NotIn),
            ("contains ", C::Contains),
            ("CONTAINS ", C::Contains),
            ("size ", C::Size),
            ("SIZE ", C::Size),
            ("empty ", C::Empty),
            ("EMPTY ", C::Empty),
        ];
        operators.iter().find(|(word, _)| self.eat(word)).map(|(_, comparison)| *comparison)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.source.blanks();
        match self.source.peek() {
            Some(c @ ('@' | '$')) => {
                self.source.next();
                Ok(Operand::Path { from_root: c == '$', steps: compile::steps_of(self.source)? })
            }
            Some('\'' | '"') => self.source.quoted().map(|text| Operand::Literal(json_string(&text))),
            Some('[') => self.list(),
            _ => {
                let word = self.source.take_while(|c| c.is_alphanumeric() || "+-._".contains(c));
                let known = parse(word).is_ok_and(|v| v.is_scalar());
                if known { Ok(Operand::Literal(word.to_owned())) } else { Err(format!("'{word}' is no value in a JSON path")) }
            }
        }
    }

    /// `['a', 1]` as JSON text.
    fn list(&mut self) -> Result<Operand, String> {
        self.source.next();
        let mut text = String::from("[");
        loop {
            if self.eat("]") {
                break;
            }
            match self.operand()? {
                Operand::Literal(item) => text.push_str(&item),
                Operand::Path { .. } => return Err("a list in a JSON path holds values only".into()),
            }
            if self.eat(",") {
                text.push(',');
            }
        }
        text.push(']');
        Ok(Operand::Literal(text))
    }

    /// `/expression/i`; it must match the whole text.
    fn pattern(&mut self) -> Result<Pattern, String> {
        self.source.blanks();
        self.source.expect('/')?;
        let mut expression = String::new();
        loop {
            match self.source.peek() {
                Some('/') => break,
                Some('\\') => {
                    self.source.next();
                    let escaped = self.source.peek().ok_or("no end of the expression in a JSON path")?;
                    if escaped != '/' {
                        expression.push('\\');
                    }
                    expression.push(escaped);
                }
                Some(c) => expression.push(c),
                None => return Err("no end of the expression in a JSON path".into()),
            }
            self.source.next();
        }
        self.source.next();
        let flags = self.source.take_while(|c| c.is_ascii_alphabetic());
        let ignore_case = if flags.contains('i') { "(?i)" } else { "" };
        regex::Regex::new(&format!("^{ignore_case}(?:{expression})$")).map(Pattern).map_err(|e| e.to_string())
    }
}

fn json_string(text: &str) -> String {
    let mut out = String::new();
    super::super::text::write_string(&mut out, text);
    out
}
