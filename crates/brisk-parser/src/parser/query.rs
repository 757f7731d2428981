//! Queries: WITH, set operations, ORDER BY and LIMIT.

use super::{Parsed, Parser};
use crate::ast::{Cte, Expr, ExprKind, Query, QueryBody, QueryBodyKind, SetOperator, ValuesRow, With};
use crate::span::Span;
use crate::token::Tok;

const UNION_RANK: u8 = 1;
const INTERSECT_RANK: u8 = 2;

impl Query {
    /// The body alone, without WITH, ORDER BY and LIMIT.
    pub(crate) fn from_body(body: QueryBody) -> Self {
        let span = body.span;
        Self { with: None, body, order_by: Vec::new(), limit: None, offset: None, span }
    }

    /// The body, where there is nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        self.with.is_none() && self.order_by.is_empty() && self.limit.is_none() && self.offset.is_none()
    }

    /// The query as a part of another: parentheses around nothing but a body leave no trace.
    fn into_body(self) -> QueryBody {
        if self.is_plain() {
            return self.body;
        }
        let span = self.span;
        QueryBody { kind: QueryBodyKind::Query(Box::new(self)), span }
    }
}

impl Parser<'_> {
    /// Whether a query begins here without a parenthesis.
    pub(super) fn at_query(&self) -> bool {
        self.query_at(0)
    }

    /// Whether a query begins `ahead` tokens from here, without a parenthesis.
    pub(super) fn query_at(&self, ahead: usize) -> bool {
        let words = ["SELECT", "WITH", "VALUES"];
        words.iter().any(|word| self.word_at(ahead, word)) || self.word_at(ahead, "TABLE") && self.name_at(ahead + 1)
    }

    /// Whether a parenthesised query goes on here, as in `(SELECT 1) UNION ...`.
    pub(super) fn at_query_rest(&self) -> bool {
        self.at_any_word(&["UNION", "INTERSECT", "EXCEPT", "MINUS", "ORDER", "LIMIT", "OFFSET", "FETCH"])
    }

    /// A whole query.
    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.nest(Self::query_here)
    }

    fn query_here(&mut self) -> Parsed<Query> {
        let start = self.span();
        let with = if self.at_word("WITH") { Some(self.with()?) } else { None };
        let body = self.query_body()?;
        self.query_tail(start, with, body)
    }

    /// The query that begins with a query in parentheses, which has just been taken.
    pub(super) fn query_after(&mut self, first: Query) -> Parsed<Query> {
        let start = first.span;
        let body = first.into_body();
        let body = self.set_operations(body, start, UNION_RANK)?;
        self.query_tail(start, None, body)
    }

    /// ORDER BY, LIMIT, OFFSET and FETCH.
    fn query_tail(&mut self, start: Span, with: Option<With>, body: QueryBody) -> Parsed<Query> {
        let order_by = if self.at_words(&["ORDER", "BY"]) { self.order_by()? } else { Vec::new() };
        let (mut limit, mut offset, mut all) = (None, None, false);
        loop {
            let free = limit.is_none() && !all;
            if free && self.eat_word("LIMIT") {
                all = self.eat_word("ALL");
                if !all {
                    limit = Some(self.row_count()?);
                }
                if self.at_symbol(",") {
                    let error = self.unexpected(&["OFFSET", "the end of the query"]);
                    return Err(error.with_remedy("write LIMIT count OFFSET start".to_string()));
                }
            } else if offset.is_none() && self.eat_word("OFFSET") {
                offset = Some(self.row_count()?);
                let _ = self.eat_word("ROWS") || self.eat_word("ROW");
            } else if free && self.eat_word("FETCH") {
                limit = Some(self.fetch_rest()?);
            } else {
                break;
            }
        }
        Ok(Query { with, body, order_by, limit, offset, span: self.since(start) })
    }

    fn fetch_rest(&mut self) -> Parsed<Expr> {
        if !self.eat_word("FIRST") && !self.eat_word("NEXT") {
            return Err(self.unexpected(&["FIRST", "NEXT"]));
        }
        let count = self.row_count()?;
        if !self.eat_word("ROWS") && !self.eat_word("ROW") {
            return Err(self.unexpected(&["ROWS"]));
        }
        self.expect_word("ONLY")?;
        Ok(count)
    }

    /// The number behind LIMIT, OFFSET and FETCH: a literal or `?`.
    fn row_count(&mut self) -> Parsed<Expr> {
        match self.tok() {
            Tok::Integer | Tok::Decimal | Tok::Approximate | Tok::Symbol("?") => self.primary(),
            _ => Err(self.unexpected(&["a number of rows"])),
        }
    }

    fn with(&mut self) -> Parsed<With> {
        let start = self.span();
        self.expect_word("WITH")?;
        let recursive = self.eat_word("RECURSIVE");
        let ctes = self.comma_list(Self::cte)?;
        Ok(With { recursive, ctes, span: self.since(start) })
    }

    fn cte(&mut self) -> Parsed<Cte> {
        let start = self.span();
        let name = self.ident("the name of a common table expression")?;
        let columns = self.optional_columns()?;
        self.expect_word("AS")?;
        let query = self.parenthesized(Self::query)?;
        Ok(Cte { name, columns, query, span: self.since(start) })
    }

    /// `(a, b)` if it is there.
    pub(super) fn optional_columns(&mut self) -> Parsed<Vec<crate::ast::Ident>> {
        if !self.at_symbol("(") {
            return Ok(Vec::new());
        }
        self.parenthesized_list(|parser| parser.ident("the name of a column"))
    }

    /// SELECT, VALUES and set operations of them.
    fn query_body(&mut self) -> Parsed<QueryBody> {
        let start = self.span();
        let left = self.query_leaf()?;
        self.set_operations(left, start, UNION_RANK)
    }

    /// Set operations of at least this rank behind `left`.
    fn set_operations(&mut self, mut left: QueryBody, start: Span, rank: u8) -> Parsed<QueryBody> {
        while let Some((op, op_rank)) = self.set_operator() {
            if op_rank < rank {
                break;
            }
            self.advance();
            let all = self.eat_word("ALL");
            if !all {
                self.eat_word("DISTINCT");
            }
            let right = self.nest(|parser| {
                let start = parser.span();
                let leaf = parser.query_leaf()?;
                parser.set_operations(leaf, start, op_rank + 1)
            })?;
            let kind = QueryBodyKind::SetOperation { op, all, left: Box::new(left), right: Box::new(right) };
            left = QueryBody { kind, span: self.since(start) };
            self.grow()?;
        }
        Ok(left)
    }

    fn set_operator(&self) -> Option<(SetOperator, u8)> {
        let Tok::Word(upper) = self.tok() else { return None };
        match upper.as_str() {
            "UNION" => Some((SetOperator::Union, UNION_RANK)),
            "EXCEPT" | "MINUS" => Some((SetOperator::Except, UNION_RANK)),
            "INTERSECT" => Some((SetOperator::Intersect, INTERSECT_RANK)),
            _ => None,
        }
    }

    fn query_leaf(&mut self) -> Parsed<QueryBody> {
        let start = self.span();
        if self.at_symbol("(") {
            let query = self.parenthesized(Self::query)?;
            return Ok(query.into_body());
        }
        let kind = if self.at_word("SELECT") {
            QueryBodyKind::Select(Box::new(self.select()?))
        } else if self.eat_word("VALUES") {
            QueryBodyKind::Values(self.comma_list(Self::values_row)?)
        } else if self.eat_word("TABLE") {
            QueryBodyKind::Table(self.object_name("a table")?)
        } else {
            return Err(self.unexpected(&["SELECT", "VALUES", "\"(\""]));
        };
        Ok(QueryBody { kind, span: self.since(start) })
    }

    fn values_row(&mut self) -> Parsed<ValuesRow> {
        let start = self.span();
        let expr = self.expr()?;
        let values = match expr.kind {
            ExprKind::Row(values) if !values.is_empty() => values,
            _ => vec![expr],
        };
        Ok(ValuesRow { values, span: self.since(start) })
    }
}
