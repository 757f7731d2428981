//! FROM: tables, subqueries, table functions and joins.

use super::{Parsed, Parser};
use crate::ast::{FunctionCall, Ident, Join, JoinConstraint, JoinKind, ObjectName, TableAlias, TableRef, TableRefKind};
use crate::keywords::is_reserved_function;
use crate::span::Span;
use crate::token::Tok;

impl Parser<'_> {
    /// One part of FROM between commas: a table and what is joined to it.
    pub(super) fn table_ref(&mut self) -> Parsed<TableRef> {
        self.nest(Self::joins)
    }

    fn joins(&mut self) -> Parsed<TableRef> {
        let start = self.span();
        let mut left = self.table_primary()?;
        while let Some((natural, kind)) = self.join_type()? {
            let right = self.nest(Self::table_primary)?;
            let constraint = self.join_constraint()?;
            let span = self.since(start);
            let join = Join { left, kind, natural, right, constraint, span };
            left = TableRef { kind: TableRefKind::Join(Box::new(join)), alias: None, span };
            self.grow()?;
        }
        Ok(left)
    }

    /// `[NATURAL] [INNER | LEFT [OUTER] | ...] JOIN`, or nothing taken.
    fn join_type(&mut self) -> Parsed<Option<(bool, JoinKind)>> {
        let natural = self.eat_word("NATURAL");
        let kind = if self.eat_word("CROSS") {
            if self.at_word("APPLY") {
                let error = self.unexpected(&["JOIN"]);
                return Err(error.with_remedy("write CROSS JOIN LATERAL instead of CROSS APPLY".to_string()));
            }
            JoinKind::Cross
        } else if self.eat_word("INNER") {
            JoinKind::Inner
        } else if self.eat_word("LEFT") {
            self.outer(JoinKind::Left)?
        } else if self.eat_word("RIGHT") {
            self.outer(JoinKind::Right)?
        } else if self.eat_word("FULL") {
            self.outer(JoinKind::Full)?
        } else if natural || self.at_word("JOIN") {
            JoinKind::Inner
        } else {
            return Ok(None);
        };
        self.expect_word("JOIN")?;
        Ok(Some((natural, kind)))
    }

    fn outer(&mut self, kind: JoinKind) -> Parsed<JoinKind> {
        if self.at_any_word(&["SEMI", "ANTI"]) {
            let error = self.unexpected(&["OUTER", "JOIN"]);
            return Err(error.with_remedy("write WHERE [NOT] EXISTS (SELECT ...)".to_string()));
        }
        self.eat_word("OUTER");
        Ok(kind)
    }

    fn join_constraint(&mut self) -> Parsed<JoinConstraint> {
        if self.eat_word("ON") {
            return Ok(JoinConstraint::On(self.expr()?));
        }
        if self.eat_word("USING") {
            let columns = self.parenthesized_list(|parser| parser.ident("a column"))?;
            return Ok(JoinConstraint::Using(columns));
        }
        Ok(JoinConstraint::None)
    }

    /// One table with its alias.
    fn table_primary(&mut self) -> Parsed<TableRef> {
        let start = self.span();
        let mut table = self.table_primary_kind()?;
        if self.at_word("MATCH_RECOGNIZE") {
            table.span = self.since(start);
            table = self.match_recognize(table)?;
        }
        self.refuse_unsupported_table_suffix()?;
        // What was in parentheses may be a join, which has no alias, or have its alias inside.
        let can_have_alias = !matches!(table.kind, TableRefKind::Join(_)) && table.alias.is_none();
        if can_have_alias {
            table.alias = self.table_alias()?;
            table.span = self.since(start);
            self.refuse_unsupported_table_suffix()?;
        }
        Ok(table)
    }

    fn refuse_unsupported_table_suffix(&self) -> Parsed<()> {
        for word in ["TABLESAMPLE", "PIVOT", "UNPIVOT"] {
            if self.at_word(word) {
                return Err(self.error_at(self.span(), format!("{word} is not supported")));
            }
        }
        Ok(())
    }

    fn table_primary_kind(&mut self) -> Parsed<TableRef> {
        let start = self.span();
        let lateral = self.eat_word("LATERAL");
        let kind = if self.at_symbol("(") {
            return self.table_in_parentheses(start, lateral);
        } else if self.at_word("UNNEST") {
            self.unnest()?
        } else if self.at_word("TABLE") && self.symbol_at(1, "(") {
            self.advance();
            let call = self.parenthesized(Self::table_function_call)?;
            TableRefKind::Function { call, lateral, hints: self.hints()? }
        } else if self.at_table_function() {
            let call = self.table_function_call()?;
            TableRefKind::Function { call, lateral, hints: self.hints()? }
        } else if lateral {
            return Err(self.unexpected(&["\"(\"", "TABLE("]));
        } else {
            self.eat_word("TABLE");
            let name = self.object_name("a table")?;
            let hints = self.hints()?;
            let system_time = if self.eat_words(&["FOR", "SYSTEM_TIME"]) {
                self.expect_words(&["AS", "OF"])?;
                Some(self.expr()?)
            } else {
                None
            };
            TableRefKind::Table { name, hints, system_time }
        };
        Ok(TableRef { kind, alias: None, span: self.since(start) })
    }

    /// Whether `f(` stands here, with any number of dots in the name.
    fn at_table_function(&self) -> bool {
        if matches!(self.tok(), Tok::Word(upper) if is_reserved_function(upper)) {
            return self.symbol_at(1, "(");
        }
        let mut ahead = 0;
        while self.name_at(ahead) {
            if self.symbol_at(ahead + 1, "(") {
                return true;
            }
            if !self.symbol_at(ahead + 1, ".") {
                return false;
            }
            ahead += 2;
        }
        false
    }

    fn table_function_call(&mut self) -> Parsed<Box<FunctionCall>> {
        let name: ObjectName = self.function_or_column_name()?;
        self.call_rest(name, true)
    }

    /// `(query)`, `(a JOIN b)` or `(table)`.
    fn table_in_parentheses(&mut self, start: Span, lateral: bool) -> Parsed<TableRef> {
        let open = self.span();
        self.expect_symbol("(")?;
        let query = if self.at_query() {
            self.query()?
        } else {
            let table = self.table_ref()?;
            match table.kind {
                TableRefKind::Query { query, .. } if table.alias.is_none() && self.at_query_rest() => self.query_after(*query)?,
                TableRefKind::Query { query, .. } if table.alias.is_none() => *query,
                _ => {
                    self.close(open)?;
                    return Ok(table);
                }
            }
        };
        self.close(open)?;
        let kind = TableRefKind::Query { query: Box::new(query), lateral };
        Ok(TableRef { kind, alias: None, span: self.since(start) })
    }

    fn unnest(&mut self) -> Parsed<TableRefKind> {
        self.expect_word("UNNEST")?;
        let exprs = self.parenthesized_list(Self::expr_or_query)?;
        let with_ordinality = self.at_words(&["WITH", "ORDINALITY"]);
        if with_ordinality {
            self.expect_words(&["WITH", "ORDINALITY"])?;
        }
        Ok(TableRefKind::Unnest { exprs, with_ordinality })
    }

    /// `[AS] t [(a, b)]` if it is there.
    fn table_alias(&mut self) -> Parsed<Option<TableAlias>> {
        let start = self.span();
        if !self.eat_word("AS") && !self.name_at(0) {
            return Ok(None);
        }
        let name: Ident = self.ident("an alias")?;
        let columns = self.optional_columns()?;
        Ok(Some(TableAlias { name, columns, span: self.since(start) }))
    }
}
