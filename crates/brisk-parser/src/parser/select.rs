//! SELECT, from its hints to QUALIFY.

use super::{Parsed, Parser};
use crate::ast::{ExprKind, GroupBy, GroupItem, GroupItemKind, Hint, HintArgs, Ident, ObjectName, Select, SelectItem, SelectItemKind, SetQuantifier};
use crate::token::Tok;

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Parsed<Select> {
        let start = self.span();
        self.expect_word("SELECT")?;
        let hints = self.hints()?;
        let quantifier = if self.eat_word("DISTINCT") {
            Some(SetQuantifier::Distinct)
        } else if self.eat_word("ALL") {
            Some(SetQuantifier::All)
        } else {
            None
        };
        let items = self.comma_list(Self::select_item)?;
        let mut select =
            Select { hints, quantifier, items, from: Vec::new(), filter: None, group_by: None, having: None, windows: Vec::new(), qualify: None, span: start };
        if self.eat_word("FROM") {
            self.select_from(&mut select)?;
        }
        select.span = self.since(start);
        Ok(select)
    }

    fn select_from(&mut self, select: &mut Select) -> Parsed<()> {
        select.from = self.comma_list(Self::table_ref)?;
        if self.eat_word("WHERE") {
            select.filter = Some(self.expr()?);
        }
        if self.at_word("GROUP") {
            select.group_by = Some(self.group_by()?);
        }
        if self.eat_word("HAVING") {
            select.having = Some(self.expr()?);
        }
        if self.eat_word("WINDOW") {
            select.windows = self.comma_list(Self::named_window)?;
        }
        if self.eat_word("QUALIFY") {
            select.qualify = Some(self.expr()?);
        }
        Ok(())
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let start = self.span();
        if self.eat_symbol("*") {
            return Ok(SelectItem { kind: SelectItemKind::Wildcard, span: start });
        }
        if let Some(name) = self.qualified_wildcard()? {
            let kind = SelectItemKind::QualifiedWildcard(name);
            return Ok(SelectItem { kind, span: self.since(start) });
        }
        let expr = self.expr()?;
        let alias = if self.eat_word("AS") || self.name_at(0) { Some(self.ident("an alias")?) } else { None };
        let kind = SelectItemKind::Expr { expr, alias };
        Ok(SelectItem { kind, span: self.since(start) })
    }

    /// `a.b.*`, or nothing taken.
    fn qualified_wildcard(&mut self) -> Parsed<Option<ObjectName>> {
        let mut ahead = 0;
        while self.name_at(ahead) && self.symbol_at(ahead + 1, ".") {
            ahead += 2;
            if self.symbol_at(ahead, "*") {
                let name = self.object_name("a table")?;
                self.expect_symbol(".")?;
                self.expect_symbol("*")?;
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn group_by(&mut self) -> Parsed<GroupBy> {
        let start = self.span();
        self.expect_words(&["GROUP", "BY"])?;
        let distinct = self.eat_word("DISTINCT");
        if !distinct {
            self.eat_word("ALL");
        }
        let items = self.comma_list(Self::group_item)?;
        Ok(GroupBy { distinct, items, span: self.since(start) })
    }

    fn group_item(&mut self) -> Parsed<GroupItem> {
        self.nest(Self::group_item_here)
    }

    fn group_item_here(&mut self) -> Parsed<GroupItem> {
        let start = self.span();
        let kind = if self.eat_words(&["GROUPING", "SETS"]) {
            GroupItemKind::GroupingSets(self.parenthesized_list(Self::group_item)?)
        } else if self.eat_word("ROLLUP") {
            GroupItemKind::Rollup(self.parenthesized_list(Self::group_item)?)
        } else if self.eat_word("CUBE") {
            GroupItemKind::Cube(self.parenthesized_list(Self::group_item)?)
        } else if self.at_symbol("(") && self.symbol_at(1, ")") {
            self.advance();
            self.advance();
            GroupItemKind::Set(Vec::new())
        } else {
            let in_parentheses = self.at_symbol("(");
            let expr = self.expr()?;
            match expr.kind {
                ExprKind::Row(items) if in_parentheses => GroupItemKind::Set(items),
                _ => GroupItemKind::Expr(expr),
            }
        };
        Ok(GroupItem { kind, span: self.since(start) })
    }

    /// `/*+ a, b(c) */` if it is there.
    pub(super) fn hints(&mut self) -> Parsed<Vec<Hint>> {
        if !self.eat_symbol("/*+") {
            return Ok(Vec::new());
        }
        let hints = self.comma_list(Self::hint)?;
        self.expect_symbol("*/")?;
        Ok(hints)
    }

    fn hint(&mut self) -> Parsed<Hint> {
        let start = self.span();
        let name = self.ident("the name of a hint")?;
        let args = if self.at_symbol("(") { self.parenthesized(Self::hint_args)? } else { HintArgs::None };
        Ok(Hint { name, args, span: self.since(start) })
    }

    fn hint_args(&mut self) -> Parsed<HintArgs> {
        if self.at_symbol(")") {
            return Ok(HintArgs::None);
        }
        let first = self.hint_word()?;
        if self.eat_symbol("=") {
            let mut pairs = vec![(first, self.hint_word()?)];
            while self.eat_symbol(",") {
                let key = self.hint_word()?;
                self.expect_symbol("=")?;
                pairs.push((key, self.hint_word()?));
            }
            return Ok(HintArgs::KeyValues(pairs));
        }
        let mut items = vec![first];
        while self.eat_symbol(",") {
            items.push(self.hint_word()?);
        }
        Ok(HintArgs::List(items))
    }

    /// A string, number or dotted name of a hint, as text.
    fn hint_word(&mut self) -> Parsed<String> {
        let span = self.span();
        let negative = self.eat_symbol("-");
        match self.tok().clone() {
            Tok::String(value) if !negative => {
                self.advance();
                Ok(value)
            }
            Tok::Integer | Tok::Decimal | Tok::Approximate => {
                self.advance();
                Ok(self.text(self.since(span)).to_string())
            }
            Tok::Word(upper) if matches!(upper.as_str(), "TRUE" | "FALSE" | "NULL") => {
                self.advance();
                Ok(self.text(span).to_string())
            }
            _ => {
                let name = self.object_name("a name or a string")?;
                let parts: Vec<String> = name.parts.into_iter().map(|Ident { value, .. }| value).collect();
                Ok(parts.join("."))
            }
        }
    }
}
