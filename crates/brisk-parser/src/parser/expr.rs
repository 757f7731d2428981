//! Operators, by precedence, as Calcite ranks them.
//!
//! Two ranks surprise: `IS NULL` binds looser than `=` (`a = b IS NULL` tests the comparison), and `IS DISTINCT FROM`
//! binds as tight as `+`. `||` ranks with `*`.
//!
//! Operators associate to the left. Chains of AND or OR with more than [`CHAIN_MAX`] operands become balanced trees
//! instead, which mean the same and are not high: programs write conditions with thousands of alternatives.

use super::{Parsed, Parser};
use crate::ast::{BinaryOp, Expr, ExprKind, IsTest, LikeOp, QuantifiedOperand, Quantifier, UnaryOp};
use crate::span::Span;
use crate::token::Tok;

const MULTISET_UNION: u8 = 14;
const MULTISET_INTERSECT: u8 = 18;
const OR: u8 = 22;
const AND: u8 = 24;
const NOT: u8 = 26;
const IS: u8 = 28;
const COMPARE: u8 = 30;
const MATCH: u8 = 32;
const ADD: u8 = 40;
const MULTIPLY: u8 = 60;
const SIGN: u8 = 80;
const ZONE: u8 = 90;

/// From so many operands on a chain of AND or OR is balanced.
const CHAIN_MAX: usize = 32;

/// An operator behind an operand.
#[derive(Clone, Copy)]
enum Infix {
    /// An operator of so many tokens.
    Binary(BinaryOp, usize),
    Is,
    IsDistinctFrom,
    Between,
    In,
    Like,
    AtTimeZone,
}

impl Parser<'_> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.expr_above(0)
    }

    /// An expression whose operators bind at least as tight as `rank`.
    fn expr_above(&mut self, rank: u8) -> Parsed<Expr> {
        self.nest(|parser| parser.operators(rank))
    }

    fn operators(&mut self, rank: u8) -> Parsed<Expr> {
        let start = self.span();
        let mut left = self.prefix(start)?;
        while let Some((infix, infix_rank)) = self.infix() {
            if infix_rank < rank {
                break;
            }
            left = match infix {
                Infix::Binary(op @ (BinaryOp::And | BinaryOp::Or), _) => self.logical_chain(left, op, infix_rank)?,
                _ => {
                    let expr = self.infix_rest(start, left, infix, infix_rank)?;
                    self.grow()?;
                    expr
                }
            };
        }
        Ok(left)
    }

    /// `a OR b OR c`, from the first operator on.
    fn logical_chain(&mut self, first: Expr, op: BinaryOp, rank: u8) -> Parsed<Expr> {
        let word = if op == BinaryOp::And { "AND" } else { "OR" };
        let mut operands = Vec::new();
        flatten(first, op, &mut operands);
        while self.eat_word(word) {
            operands.push(self.expr_above(rank + 1)?);
        }
        self.height += operands.len().min(CHAIN_MAX);
        self.grow()?;
        Ok(logical_tree(operands, op))
    }

    fn prefix(&mut self, start: Span) -> Parsed<Expr> {
        let (op, rank) = match self.tok() {
            Tok::Symbol("-") => (UnaryOp::Minus, SIGN),
            Tok::Symbol("+") => (UnaryOp::Plus, SIGN),
            Tok::Word(upper) if upper == "NOT" => (UnaryOp::Not, NOT),
            _ => return self.primary(),
        };
        self.advance();
        self.unary_rest(start, op, rank)
    }

    fn unary_rest(&mut self, start: Span, op: UnaryOp, rank: u8) -> Parsed<Expr> {
        let expr = Box::new(self.expr_above(rank)?);
        Ok(Expr::new(ExprKind::Unary { op, expr }, self.since(start)))
    }

    /// The operator that stands here, and its rank.
    fn infix(&self) -> Option<(Infix, u8)> {
        let binary = |op, rank| Some((Infix::Binary(op, 1), rank));
        match self.tok() {
            Tok::Symbol(symbol) => match *symbol {
                "=" => binary(BinaryOp::Eq, COMPARE),
                "<>" => binary(BinaryOp::NotEq, COMPARE),
                "<" => binary(BinaryOp::Lt, COMPARE),
                "<=" => binary(BinaryOp::LtEq, COMPARE),
                ">" => binary(BinaryOp::Gt, COMPARE),
                ">=" => binary(BinaryOp::GtEq, COMPARE),
                "+" => binary(BinaryOp::Plus, ADD),
                "-" => binary(BinaryOp::Minus, ADD),
                "*" => binary(BinaryOp::Multiply, MULTIPLY),
                "/" => binary(BinaryOp::Divide, MULTIPLY),
                "%" => binary(BinaryOp::Modulo, MULTIPLY),
                "||" => binary(BinaryOp::Concat, MULTIPLY),
                _ => None,
            },
            Tok::Word(upper) => self.infix_word(upper),
            _ => None,
        }
    }

    fn infix_word(&self, upper: &str) -> Option<(Infix, u8)> {
        let binary = |op, rank| Some((Infix::Binary(op, 1), rank));
        match upper {
            "OR" => binary(BinaryOp::Or, OR),
            "AND" => binary(BinaryOp::And, AND),
            "IS" if self.at_words(&["IS", "DISTINCT"]) || self.at_words(&["IS", "NOT", "DISTINCT"]) => Some((Infix::IsDistinctFrom, ADD)),
            "IS" => Some((Infix::Is, IS)),
            "BETWEEN" => Some((Infix::Between, MATCH)),
            "IN" => Some((Infix::In, MATCH)),
            "LIKE" | "RLIKE" | "SIMILAR" => Some((Infix::Like, MATCH)),
            "NOT" => match self.tok_at(1) {
                Tok::Word(next) => match next.as_str() {
                    "BETWEEN" => Some((Infix::Between, MATCH)),
                    "IN" => Some((Infix::In, MATCH)),
                    "LIKE" | "RLIKE" | "SIMILAR" => Some((Infix::Like, MATCH)),
                    _ => None,
                },
                _ => None,
            },
            "AT" if self.word_at(1, "TIME") || self.word_at(1, "LOCAL") => Some((Infix::AtTimeZone, ZONE)),
            "OVERLAPS" => binary(BinaryOp::Overlaps, COMPARE),
            "CONTAINS" => binary(BinaryOp::Contains, COMPARE),
            "EQUALS" => binary(BinaryOp::Equals, COMPARE),
            "PRECEDES" => binary(BinaryOp::Precedes, COMPARE),
            "SUCCEEDS" => binary(BinaryOp::Succeeds, COMPARE),
            "IMMEDIATELY" if self.word_at(1, "PRECEDES") => Some((Infix::Binary(BinaryOp::ImmediatelyPrecedes, 2), COMPARE)),
            "IMMEDIATELY" if self.word_at(1, "SUCCEEDS") => Some((Infix::Binary(BinaryOp::ImmediatelySucceeds, 2), COMPARE)),
            "MEMBER" if self.word_at(1, "OF") => Some((Infix::Binary(BinaryOp::MemberOf, 2), COMPARE)),
            "SUBMULTISET" if self.word_at(1, "OF") => Some((Infix::Binary(BinaryOp::SubmultisetOf, 2), COMPARE)),
            "MULTISET" => self.infix_multiset(),
            _ => None,
        }
    }

    /// `MULTISET UNION [ALL|DISTINCT]` and its like.
    fn infix_multiset(&self) -> Option<(Infix, u8)> {
        let Tok::Word(operation) = self.tok_at(1) else { return None };
        let (distinct, all, rank) = match operation.as_str() {
            "UNION" => (BinaryOp::MultisetUnion, BinaryOp::MultisetUnionAll, MULTISET_UNION),
            "EXCEPT" => (BinaryOp::MultisetExcept, BinaryOp::MultisetExceptAll, MULTISET_UNION),
            "INTERSECT" => (BinaryOp::MultisetIntersect, BinaryOp::MultisetIntersectAll, MULTISET_INTERSECT),
            _ => return None,
        };
        Some(if self.word_at(2, "ALL") {
            (Infix::Binary(all, 3), rank)
        } else if self.word_at(2, "DISTINCT") {
            (Infix::Binary(distinct, 3), rank)
        } else {
            (Infix::Binary(distinct, 2), rank)
        })
    }

    /// The operator that [`Self::infix`] saw, and its right side.
    fn infix_rest(&mut self, start: Span, left: Expr, infix: Infix, rank: u8) -> Parsed<Expr> {
        let expr = Box::new(left);
        let kind = match infix {
            Infix::Binary(op, tokens) => {
                self.at += tokens;
                self.binary_rest(expr, op, rank)?
            }
            Infix::Is => self.is_rest(expr)?,
            Infix::IsDistinctFrom => self.is_distinct_from_rest(expr)?,
            Infix::Between => self.between_rest(expr)?,
            Infix::In => self.in_rest(expr)?,
            Infix::Like => self.like_rest(expr)?,
            Infix::AtTimeZone => self.at_time_zone_rest(expr)?,
        };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn binary_rest(&mut self, left: Box<Expr>, op: BinaryOp, rank: u8) -> Parsed<ExprKind> {
        if rank == COMPARE && op.is_comparison() {
            if self.at_symbol("=") && op == BinaryOp::Eq {
                return Err(self.unexpected(&["an expression"]).with_remedy("write = to compare".to_string()));
            }
            let quantifier = if self.at_any_word(&["SOME", "ANY"]) && self.symbol_at(1, "(") {
                Some(Quantifier::Some)
            } else if self.at_word("ALL") && self.symbol_at(1, "(") {
                Some(Quantifier::All)
            } else {
                None
            };
            if let Some(quantifier) = quantifier {
                self.advance();
                let right = self.query_or_list()?;
                return Ok(ExprKind::Quantified { left, op, quantifier, right });
            }
        }
        let right = Box::new(self.expr_above(rank + 1)?);
        Ok(ExprKind::Binary { op, left, right })
    }

    fn is_rest(&mut self, expr: Box<Expr>) -> Parsed<ExprKind> {
        self.advance();
        let negated = self.eat_word("NOT");
        let test = if self.eat_word("JSON") {
            self.json_test()
        } else if self.eat_words(&["A", "SET"]) {
            IsTest::ASet
        } else {
            let Some((_, test)) = IS_TESTS.iter().find(|(word, _)| self.at_word(word)) else {
                let mut expected = vec!["NULL", "TRUE", "FALSE", "UNKNOWN", "DISTINCT FROM", "JSON"];
                if !negated {
                    expected.insert(0, "NOT");
                }
                return Err(self.unexpected(&expected));
            };
            self.advance();
            *test
        };
        Ok(ExprKind::Is { expr, negated, test })
    }

    fn json_test(&mut self) -> IsTest {
        let tests = [("VALUE", IsTest::JsonValue), ("OBJECT", IsTest::JsonObject), ("ARRAY", IsTest::JsonArray), ("SCALAR", IsTest::JsonScalar)];
        let found = tests.iter().find(|(word, _)| self.at_word(word));
        if found.is_some() {
            self.advance();
        }
        found.map_or(IsTest::JsonValue, |(_, test)| *test)
    }

    fn is_distinct_from_rest(&mut self, left: Box<Expr>) -> Parsed<ExprKind> {
        self.advance();
        let negated = self.eat_word("NOT");
        self.expect_words(&["DISTINCT", "FROM"])?;
        let right = Box::new(self.expr_above(ADD + 1)?);
        Ok(ExprKind::IsDistinctFrom { left, right, negated })
    }

    fn between_rest(&mut self, expr: Box<Expr>) -> Parsed<ExprKind> {
        let negated = self.eat_word("NOT");
        self.expect_word("BETWEEN")?;
        let symmetric = self.eat_word("SYMMETRIC");
        if !symmetric {
            self.eat_word("ASYMMETRIC");
        }
        let low = Box::new(self.expr_above(MATCH + 1)?);
        self.expect_word("AND")?;
        let high = Box::new(self.expr_above(MATCH + 1)?);
        Ok(ExprKind::Between { expr, negated, symmetric, low, high })
    }

    fn in_rest(&mut self, expr: Box<Expr>) -> Parsed<ExprKind> {
        let negated = self.eat_word("NOT");
        self.expect_word("IN")?;
        Ok(match self.query_or_list()? {
            QuantifiedOperand::Query(query) => ExprKind::InQuery { expr, negated, query },
            QuantifiedOperand::List(list) => ExprKind::InList { expr, negated, list },
        })
    }

    fn like_rest(&mut self, expr: Box<Expr>) -> Parsed<ExprKind> {
        let negated = self.eat_word("NOT");
        let op = if self.eat_word("SIMILAR") {
            self.expect_word("TO")?;
            LikeOp::SimilarTo
        } else if self.eat_word("RLIKE") {
            LikeOp::Rlike
        } else {
            self.expect_word("LIKE")?;
            LikeOp::Like
        };
        let pattern = Box::new(self.expr_above(MATCH + 1)?);
        let escape = if self.eat_word("ESCAPE") { Some(Box::new(self.expr_above(SIGN)?)) } else { None };
        Ok(ExprKind::Like { expr, negated, op, pattern, escape })
    }

    fn at_time_zone_rest(&mut self, expr: Box<Expr>) -> Parsed<ExprKind> {
        self.advance();
        if self.eat_word("LOCAL") {
            return Ok(ExprKind::AtTimeZone { expr, zone: None });
        }
        self.expect_words(&["TIME", "ZONE"])?;
        let zone = Some(Box::new(self.expr_above(ZONE + 1)?));
        Ok(ExprKind::AtTimeZone { expr, zone })
    }

    /// `(query)` or `(a, b)`, behind IN, SOME and ALL.
    fn query_or_list(&mut self) -> Parsed<QuantifiedOperand> {
        let open = self.span();
        self.expect_symbol("(")?;
        if self.at_query() {
            let query = Box::new(self.query()?);
            self.close(open)?;
            return Ok(QuantifiedOperand::Query(query));
        }
        let list = self.comma_list(Self::expr_or_query)?;
        self.close(open)?;
        Ok(match <[Expr; 1]>::try_from(list) {
            Ok([Expr { kind: ExprKind::Subquery(query), .. }]) => QuantifiedOperand::Query(query),
            Ok(only) => QuantifiedOperand::List(only.into()),
            Err(list) => QuantifiedOperand::List(list),
        })
    }
}

const IS_TESTS: &[(&str, IsTest)] =
    &[("NULL", IsTest::Null), ("TRUE", IsTest::True), ("FALSE", IsTest::False), ("UNKNOWN", IsTest::Unknown), ("EMPTY", IsTest::Empty)];

/// The operands of a chain that associates to the left.
fn flatten(expr: Expr, op: BinaryOp, operands: &mut Vec<Expr>) {
    match expr.kind {
        ExprKind::Binary { op: inner, left, right } if inner == op => {
            flatten(*left, op, operands);
            operands.push(*right);
        }
        _ => operands.push(expr),
    }
}

/// The operands under one operator: to the left, or balanced if there are many. Either way no more than [`CHAIN_MAX`]
/// are left of each other, so that the tree is the same again when it is written and read.
fn logical_tree(mut operands: Vec<Expr>, op: BinaryOp) -> Expr {
    let join = |left: Expr, right: Expr| {
        let span = left.span.to(right.span);
        Expr::new(ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span)
    };
    let is_long = operands.len() > CHAIN_MAX;
    while is_long && operands.len() > CHAIN_MAX / 2 {
        let mut pairs = Vec::with_capacity(operands.len() / 2 + 1);
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        operands = pairs;
    }
    let tree = operands.into_iter().reduce(join);
    tree.expect("a chain has at least two operands")
}

impl BinaryOp {
    /// Whether it is one of `=`, `<>`, `<`, `<=`, `>`, `>=`.
    pub fn is_comparison(self) -> bool {
        matches!(self, BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq)
    }

    /// How tight it binds; tighter is more.
    pub(crate) fn rank(self) -> u8 {
        use BinaryOp::*;
        match self {
            MultisetUnion | MultisetUnionAll | MultisetExcept | MultisetExceptAll => MULTISET_UNION,
            MultisetIntersect | MultisetIntersectAll => MULTISET_INTERSECT,
            Or => OR,
            And => AND,
            Plus | Minus => ADD,
            Multiply | Divide | Modulo | Concat => MULTIPLY,
            _ => COMPARE,
        }
    }
}

impl ExprKind {
    /// How tight the outermost operator binds; 255 where there is none.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            ExprKind::Unary { op: UnaryOp::Not, .. } => NOT,
            ExprKind::Unary { .. } => SIGN,
            ExprKind::Binary { op, .. } => op.rank(),
            ExprKind::Quantified { .. } => COMPARE,
            ExprKind::Is { .. } => IS,
            ExprKind::IsDistinctFrom { .. } => ADD,
            ExprKind::Between { .. } | ExprKind::InList { .. } | ExprKind::InQuery { .. } | ExprKind::Like { .. } => MATCH,
            ExprKind::AtTimeZone { .. } => ZONE,
            _ => u8::MAX,
        }
    }
}
