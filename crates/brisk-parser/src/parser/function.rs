//! Calls of named functions: arguments, and FILTER, OVER and the like behind them.

use super::{Parsed, Parser};
use crate::ast::{
    Expr, ExprKind, FunctionArg, FunctionArgValue, FunctionCall, Ident, NullTreatment, ObjectName, Over, Query, QueryBody, QueryBodyKind, SetQuantifier,
    TableArg,
};
use crate::span::Span;
use crate::token::Tok;

impl FunctionCall {
    /// A call of `name` without arguments.
    pub(crate) fn new(name: ObjectName, span: Span) -> Self {
        Self {
            name,
            quantifier: None,
            args: Vec::new(),
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            nulls: None,
            over: None,
            parentheses: true,
            span,
        }
    }
}

impl Parser<'_> {
    /// `CURRENT_DATE` and its like.
    pub(super) fn context_variable(&mut self, start: Span) -> Parsed<Expr> {
        let value = self.text(start).to_string();
        self.advance();
        let part = Ident { value, quoted: false, span: start };
        let name = ObjectName { parts: vec![part], span: start };
        let call = FunctionCall { parentheses: false, ..FunctionCall::new(name, start) };
        Ok(Expr::new(ExprKind::Function(Box::new(call)), start))
    }

    /// The parenthesis behind the name of a function, and what follows it. `in_from`: a query among the arguments is
    /// a table, not a value.
    pub(super) fn call_rest(&mut self, name: ObjectName, in_from: bool) -> Parsed<Box<FunctionCall>> {
        let start = name.span;
        let open = self.span();
        self.expect_symbol("(")?;
        let mut call = Box::new(FunctionCall::new(name, start));
        if !self.eat_symbol(")") {
            self.arguments(&mut call, in_from)?;
            self.close(open)?;
        }
        self.call_suffixes(&mut call)?;
        call.span = self.since(start);
        Ok(call)
    }

    fn arguments(&mut self, call: &mut FunctionCall, in_from: bool) -> Parsed<()> {
        if self.at_symbol("*") && self.symbol_at(1, ")") {
            let span = self.span();
            self.advance();
            call.args.push(FunctionArg { name: None, value: FunctionArgValue::Wildcard, span });
            return Ok(());
        }
        if self.eat_word("DISTINCT") {
            call.quantifier = Some(SetQuantifier::Distinct);
        } else if self.eat_word("ALL") {
            call.quantifier = Some(SetQuantifier::All);
        }
        call.args = self.comma_list(|parser| parser.argument(in_from))?;
        call.nulls = self.null_treatment();
        if self.at_words(&["ORDER", "BY"]) {
            call.order_by = self.order_by()?;
        }
        Ok(())
    }

    fn call_suffixes(&mut self, call: &mut FunctionCall) -> Parsed<()> {
        if let Some(nulls) = self.null_treatment() {
            call.nulls = Some(nulls);
        }
        if self.eat_words(&["WITHIN", "GROUP"]) {
            call.within_group = self.parenthesized(Self::order_by)?;
        }
        if self.at_word("FILTER") && self.symbol_at(1, "(") {
            self.advance();
            call.filter = Some(self.parenthesized(|parser| {
                parser.expect_word("WHERE")?;
                parser.expr()
            })?);
        }
        if self.eat_word("OVER") {
            call.over = Some(if self.at_symbol("(") { Over::Window(self.window_spec()?) } else { Over::Named(self.ident("the name of a window")?) });
        }
        Ok(())
    }

    fn null_treatment(&mut self) -> Option<NullTreatment> {
        if self.eat_words(&["RESPECT", "NULLS"]) {
            Some(NullTreatment::Respect)
        } else if self.eat_words(&["IGNORE", "NULLS"]) {
            Some(NullTreatment::Ignore)
        } else {
            None
        }
    }

    fn argument(&mut self, in_from: bool) -> Parsed<FunctionArg> {
        let start = self.span();
        let mut name = None;
        if self.name_at(0) && self.symbol_at(1, "=>") {
            name = Some(self.ident("the name of an argument")?);
            self.advance();
        }
        let value = self.argument_value(in_from)?;
        Ok(FunctionArg { name, value, span: self.since(start) })
    }

    fn argument_value(&mut self, in_from: bool) -> Parsed<FunctionArgValue> {
        if self.at_word("TABLE") {
            return self.table_argument();
        }
        if self.at_word("DESCRIPTOR") && self.symbol_at(1, "(") {
            self.advance();
            let columns = self.parenthesized_list(|parser| parser.ident("a column"))?;
            return Ok(FunctionArgValue::Descriptor(columns));
        }
        if self.at_word("MODEL") && self.name_at(1) {
            self.advance();
            return Ok(FunctionArgValue::Model(self.object_name("a model")?));
        }
        let expr = self.expr_or_query()?;
        self.argument_of(expr, in_from)
    }

    fn argument_of(&mut self, expr: Expr, in_from: bool) -> Parsed<FunctionArgValue> {
        let set_semantics = self.at_words(&["PARTITION", "BY"]);
        match expr.kind {
            ExprKind::Subquery(query) if in_from || set_semantics => self.table_argument_rest(*query, expr.span),
            _ => Ok(FunctionArgValue::Expr(expr)),
        }
    }

    /// `TABLE t ...`.
    fn table_argument(&mut self) -> Parsed<FunctionArgValue> {
        let start = self.span();
        self.expect_word("TABLE")?;
        let name = if self.at_symbol("(") { self.parenthesized(|parser| parser.object_name("a table"))? } else { self.object_name("a table")? };
        let span = self.since(start);
        let body = QueryBody { kind: QueryBodyKind::Table(name), span };
        self.table_argument_rest(Query::from_body(body), start)
    }

    fn table_argument_rest(&mut self, query: Query, start: Span) -> Parsed<FunctionArgValue> {
        let mut partition_by = Vec::new();
        if self.eat_words(&["PARTITION", "BY"]) {
            partition_by = self.one_or_parenthesized(Self::expr)?;
        }
        let mut order_by = Vec::new();
        if self.eat_words(&["ORDER", "BY"]) {
            order_by = self.one_or_parenthesized(Self::order_item)?;
        }
        let span = self.since(start);
        Ok(FunctionArgValue::Table(Box::new(TableArg { query, partition_by, order_by, span })))
    }

    /// One item bare, or several in parentheses: a comma would end the argument.
    fn one_or_parenthesized<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        if *self.tok() == Tok::Symbol("(") {
            return self.parenthesized_list(item);
        }
        Ok(vec![item(self)?])
    }
}
