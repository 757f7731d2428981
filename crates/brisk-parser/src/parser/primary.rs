//! Operands: literals, names, calls, constructors, parentheses, and what may follow them (`[i]`, `.field`).

use super::{OperandParser, Parsed, Parser};
use crate::ast::{Expr, ExprKind, Ident, ObjectName, Query};
use crate::keywords::{is_context_variable, is_reserved, is_reserved_function};
use crate::span::Span;
use crate::token::Tok;

impl<'a> Parser<'a> {
    /// An operand with its subscripts and fields.
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let mut expr = self.atom(start)?;
        loop {
            if self.eat_symbol("[") {
                expr = self.element_rest(start, expr)?;
            } else if self.eat_symbol(".") {
                expr = self.field_rest(start, expr)?;
            } else {
                return Ok(expr);
            }
            self.grow()?;
        }
    }

    fn element_rest(&mut self, start: Span, expr: Expr) -> Parsed<Expr> {
        let index = Box::new(self.expr()?);
        self.expect_symbol("]")?;
        let kind = ExprKind::Element { expr: Box::new(expr), index };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn field_rest(&mut self, start: Span, expr: Expr) -> Parsed<Expr> {
        let expr = Box::new(expr);
        let kind = if self.eat_symbol("*") { ExprKind::AllFields(expr) } else { ExprKind::Field { expr, name: self.ident("the name of a field")? } };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn atom(&mut self, start: Span) -> Parsed<Expr> {
        match self.tok() {
            Tok::Symbol("(") => return self.parenthesized_expr(start),
            Tok::Symbol("?") => return Ok(self.parameter(start)),
            Tok::Quoted(_) => return self.name_or_call(start),
            Tok::Word(upper) => {
                let upper = upper.clone();
                return self.word(start, &upper);
            }
            _ => {}
        }
        self.plain_literal(start)
    }

    fn plain_literal(&mut self, start: Span) -> Parsed<Expr> {
        match self.literal()? {
            Some(literal) => Ok(Expr::new(ExprKind::Literal(literal), self.since(start))),
            None => Err(self.unexpected(&["an expression"])),
        }
    }

    fn parameter(&mut self, start: Span) -> Expr {
        self.advance();
        let number = self.parameters;
        self.parameters += 1;
        Expr::new(ExprKind::Parameter(number), start)
    }

    /// An operand that begins with a bare word.
    fn word(&mut self, start: Span, upper: &str) -> Parsed<Expr> {
        if let Some(literal) = self.word_literal(upper)? {
            return Ok(Expr::new(ExprKind::Literal(literal), self.since(start)));
        }
        let is_call = self.symbol_at(1, "(");
        let special = if is_call { Self::special_call(upper) } else { None };
        if let Some(parse) = special.or_else(|| self.constructor(upper)) {
            let kind = parse(self)?;
            return Ok(Expr::new(kind, self.since(start)));
        }
        if is_context_variable(upper) && !is_call {
            return self.context_variable(start);
        }
        if is_reserved(upper) && !(is_reserved_function(upper) && is_call) {
            return Err(self.unexpected(&["an expression"]));
        }
        self.name_or_call(start)
    }

    /// What parses operands with a grammar of their own that are no calls.
    fn constructor(&self, upper: &str) -> Option<OperandParser<'a>> {
        let bracket = self.symbol_at(1, "[");
        let query = self.symbol_at(1, "(") && self.query_at(2);
        Some(match upper {
            "INTERVAL" => Self::interval,
            "CASE" => Self::case,
            "DEFAULT" => |parser| {
                parser.advance();
                Ok(ExprKind::Default)
            },
            "ROW" if self.symbol_at(1, "(") => Self::row,
            "ARRAY" if bracket => |parser| Ok(ExprKind::Array(parser.bracketed_list()?)),
            "MULTISET" if bracket => |parser| Ok(ExprKind::Multiset(parser.bracketed_list()?)),
            "MAP" if bracket => Self::map,
            "ARRAY" if query => |parser| Ok(ExprKind::ArrayQuery(parser.constructor_query()?)),
            "MULTISET" if query => |parser| Ok(ExprKind::MultisetQuery(parser.constructor_query()?)),
            "MAP" if query => |parser| Ok(ExprKind::MapQuery(parser.constructor_query()?)),
            "RUNNING" => |parser| parser.semantics(false),
            "FINAL" if matches!(self.tok_at(1), Tok::Word(_)) && self.symbol_at(2, "(") => |parser| parser.semantics(true),
            _ => return None,
        })
    }

    fn constructor_query(&mut self) -> Parsed<Box<Query>> {
        self.advance();
        Ok(Box::new(self.parenthesized(Self::query)?))
    }

    /// `[a, b]` behind ARRAY, MAP or MULTISET; may be empty.
    fn bracketed_list(&mut self) -> Parsed<Vec<Expr>> {
        self.advance();
        self.expect_symbol("[")?;
        if self.eat_symbol("]") {
            return Ok(Vec::new());
        }
        let items = self.comma_list(Self::expr)?;
        self.expect_symbol("]")?;
        Ok(items)
    }

    fn map(&mut self) -> Parsed<ExprKind> {
        let start = self.span();
        let items = self.bracketed_list()?;
        if items.len() % 2 == 1 {
            let error = self.error_at(self.since(start), "the last key of this MAP has no value");
            return Err(error.with_remedy("write MAP[key, value, key, value]".to_string()));
        }
        let mut entries = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(ExprKind::Map(entries))
    }

    fn row(&mut self) -> Parsed<ExprKind> {
        self.advance();
        let open = self.span();
        self.expect_symbol("(")?;
        if self.eat_symbol(")") {
            return Ok(ExprKind::Row(Vec::new()));
        }
        let items = self.comma_list(|parser| if parser.at_query() { parser.subquery() } else { parser.expr() })?;
        self.close(open)?;
        Ok(ExprKind::Row(items))
    }

    fn semantics(&mut self, is_final: bool) -> Parsed<ExprKind> {
        self.advance();
        let start = self.span();
        let expr = Box::new(self.nest(|parser| parser.atom(start))?);
        Ok(ExprKind::Semantics { is_final, expr })
    }

    /// A query, without parentheses here, as an expression.
    pub(super) fn subquery(&mut self) -> Parsed<Expr> {
        let query = self.query()?;
        let span = query.span;
        Ok(Expr::new(ExprKind::Subquery(Box::new(query)), span))
    }

    /// `(a)`, `(a, b)`, `(SELECT ...)`, `(a - b) DAY`.
    fn parenthesized_expr(&mut self, start: Span) -> Parsed<Expr> {
        self.expect_symbol("(")?;
        let first = self.expr_or_query()?;
        if self.eat_symbol(",") {
            return self.row_rest(start, first);
        }
        self.close(start)?;
        if self.at_interval_unit() && !self.symbol_at(1, "(") {
            return self.date_difference(start, first);
        }
        Ok(first)
    }

    fn row_rest(&mut self, start: Span, first: Expr) -> Parsed<Expr> {
        let mut items = vec![first];
        items.extend(self.comma_list(Self::expr_or_query)?);
        self.close(start)?;
        Ok(Expr::new(ExprKind::Row(items), self.since(start)))
    }

    /// An expression, or a query that may begin with parentheses.
    pub(super) fn expr_or_query(&mut self) -> Parsed<Expr> {
        if self.at_query() {
            return self.subquery();
        }
        let expr = self.expr()?;
        if self.at_query_rest() { self.expr_as_query(expr) } else { Ok(expr) }
    }

    /// What follows a query in parentheses that was taken for an operand.
    fn expr_as_query(&mut self, expr: Expr) -> Parsed<Expr> {
        let ExprKind::Subquery(query) = expr.kind else { return Ok(expr) };
        let query = Box::new(self.query_after(*query)?);
        let span = query.span;
        Ok(Expr::new(ExprKind::Subquery(query), span))
    }

    /// A dotted name, or a call of one.
    fn name_or_call(&mut self, start: Span) -> Parsed<Expr> {
        let name = self.function_or_column_name()?;
        if self.at_symbol("(") {
            let call = self.call_rest(name, false)?;
            return Ok(Expr::new(ExprKind::Function(call), self.since(start)));
        }
        let span = name.span;
        Ok(Expr::new(ExprKind::Name(name), span))
    }

    /// A name where reserved words are allowed in front of a parenthesis.
    pub(super) fn function_or_column_name(&mut self) -> Parsed<ObjectName> {
        let reserved = matches!(self.tok(), Tok::Word(upper) if is_reserved_function(upper));
        if !reserved || !self.symbol_at(1, "(") {
            return self.object_name("an expression");
        }
        let span = self.span();
        let value = self.text(span).to_string();
        self.advance();
        let part = Ident { value, quoted: false, span };
        Ok(ObjectName { parts: vec![part], span })
    }
}
