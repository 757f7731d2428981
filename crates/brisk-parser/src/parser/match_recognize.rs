//! MATCH_RECOGNIZE.

use super::{Parsed, Parser};
use crate::ast::{AfterMatch, Define, MatchRecognize, Measure, Pattern, PatternKind, RowsPerMatch, Subset, TableRef, TableRefKind};
use crate::span::Span;
use crate::token::Tok;

impl Parser<'_> {
    /// `MATCH_RECOGNIZE (...)` behind `input`.
    pub(super) fn match_recognize(&mut self, input: TableRef) -> Parsed<TableRef> {
        let whole = input.span;
        let start = self.span();
        self.expect_word("MATCH_RECOGNIZE")?;
        let open = self.span();
        self.expect_symbol("(")?;
        let mut partition_by = Vec::new();
        if self.eat_words(&["PARTITION", "BY"]) {
            partition_by = self.comma_list(Self::expr)?;
        }
        let order_by = if self.at_word("ORDER") { self.order_by()? } else { Vec::new() };
        let mut measures = Vec::new();
        if self.eat_word("MEASURES") {
            measures = self.comma_list(Self::measure)?;
        }
        let rows_per_match = self.rows_per_match()?;
        let after_match = if self.at_word("AFTER") { Some(self.after_match()?) } else { None };
        self.expect_word("PATTERN")?;
        let (strict_start, pattern, strict_end) = self.parenthesized(Self::anchored_pattern)?;
        let within = if self.eat_word("WITHIN") { Some(self.expr()?) } else { None };
        let mut subsets = Vec::new();
        if self.eat_word("SUBSET") {
            subsets = self.comma_list(Self::subset)?;
        }
        self.expect_word("DEFINE")?;
        let defines = self.comma_list(Self::define)?;
        self.close(open)?;
        let matched = MatchRecognize {
            input,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match,
            strict_start,
            strict_end,
            pattern,
            within,
            subsets,
            defines,
            span: self.since(start),
        };
        let kind = TableRefKind::MatchRecognize(Box::new(matched));
        self.grow()?;
        Ok(TableRef { kind, alias: None, span: self.since(whole) })
    }

    fn measure(&mut self) -> Parsed<Measure> {
        let start = self.span();
        let expr = self.expr()?;
        self.expect_word("AS")?;
        let alias = self.ident("the name of a measure")?;
        Ok(Measure { expr, alias, span: self.since(start) })
    }

    fn rows_per_match(&mut self) -> Parsed<Option<RowsPerMatch>> {
        if self.eat_word("ONE") {
            self.expect_words(&["ROW", "PER", "MATCH"])?;
            return Ok(Some(RowsPerMatch::One));
        }
        if self.eat_word("ALL") {
            self.expect_words(&["ROWS", "PER", "MATCH"])?;
            return Ok(Some(RowsPerMatch::All));
        }
        Ok(None)
    }

    fn after_match(&mut self) -> Parsed<AfterMatch> {
        self.expect_words(&["AFTER", "MATCH", "SKIP"])?;
        if self.eat_word("PAST") {
            self.expect_words(&["LAST", "ROW"])?;
            return Ok(AfterMatch::PastLastRow);
        }
        if !self.eat_word("TO") {
            return Err(self.unexpected(&["PAST LAST ROW", "TO"]));
        }
        if self.eat_words(&["NEXT", "ROW"]) {
            return Ok(AfterMatch::NextRow);
        }
        if self.at_word("FIRST") && self.name_at(1) {
            self.advance();
            return Ok(AfterMatch::First(self.ident("a pattern variable")?));
        }
        if self.at_word("LAST") && self.name_at(1) {
            self.advance();
        }
        Ok(AfterMatch::Last(self.ident("a pattern variable")?))
    }

    /// `^ pattern $`.
    fn anchored_pattern(&mut self) -> Parsed<(bool, Pattern, bool)> {
        let strict_start = self.eat_symbol("^");
        let pattern = self.pattern()?;
        let strict_end = self.at_dollar();
        if strict_end {
            self.advance();
        }
        Ok((strict_start, pattern, strict_end))
    }

    fn at_dollar(&self) -> bool {
        self.at_word("$")
    }

    fn pattern(&mut self) -> Parsed<Pattern> {
        self.nest(Self::alternatives)
    }

    fn alternatives(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        let mut items = vec![self.sequence()?];
        while self.eat_symbol("|") {
            items.push(self.sequence()?);
        }
        Ok(self.one_or(start, items, PatternKind::Alternate))
    }

    fn sequence(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        let mut items = vec![self.repeated()?];
        while self.at_pattern_primary() {
            items.push(self.repeated()?);
        }
        Ok(self.one_or(start, items, PatternKind::Concat))
    }

    fn one_or(&self, start: Span, mut items: Vec<Pattern>, kind: fn(Vec<Pattern>) -> PatternKind) -> Pattern {
        match items.pop() {
            Some(only) if items.is_empty() => only,
            Some(last) => {
                items.push(last);
                Pattern { kind: kind(items), span: self.since(start) }
            }
            None => Pattern { kind: kind(items), span: self.since(start) },
        }
    }

    fn at_pattern_primary(&self) -> bool {
        let exclusion = self.at_symbol("{") && self.symbol_at(1, "-");
        exclusion || self.at_symbol("(") || self.at_word("PERMUTE") || self.name_at(0) && !self.at_dollar()
    }

    fn repeated(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        let pattern = self.pattern_primary()?;
        let Some((min, max)) = self.quantifier()? else { return Ok(pattern) };
        let reluctant = self.eat_symbol("?");
        let greedy = !reluctant || max == Some(min);
        let kind = PatternKind::Repeat { pattern: Box::new(pattern), min, max, greedy };
        Ok(Pattern { kind, span: self.since(start) })
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`, `{,m}`: at least and at most.
    fn quantifier(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        if self.eat_symbol("*") {
            return Ok(Some((0, None)));
        }
        if self.eat_symbol("+") {
            return Ok(Some((1, None)));
        }
        if self.eat_symbol("?") {
            return Ok(Some((0, Some(1))));
        }
        if !self.at_symbol("{") || self.symbol_at(1, "-") {
            return Ok(None);
        }
        self.advance();
        let mut min = 0;
        let mut max = None;
        if self.eat_symbol(",") {
            max = Some(self.integer("a number of repetitions")?);
        } else {
            min = self.integer("a number of repetitions")?;
            if !self.eat_symbol(",") {
                max = Some(min);
            } else if *self.tok() == Tok::Integer {
                max = Some(self.integer("a number of repetitions")?);
            }
        }
        self.expect_symbol("}")?;
        Ok(Some((min, max)))
    }

    fn pattern_primary(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        if self.at_symbol("(") {
            return self.parenthesized(Self::pattern);
        }
        let kind = if self.at_symbol("{") && self.symbol_at(1, "-") {
            self.advance();
            self.advance();
            let inner = Box::new(self.pattern()?);
            self.expect_symbol("-")?;
            self.expect_symbol("}")?;
            PatternKind::Exclude(inner)
        } else if self.eat_word("PERMUTE") {
            PatternKind::Permute(self.parenthesized_list(Self::pattern)?)
        } else {
            PatternKind::Variable(self.ident("the name of a pattern variable")?)
        };
        Ok(Pattern { kind, span: self.since(start) })
    }

    fn subset(&mut self) -> Parsed<Subset> {
        let start = self.span();
        let name = self.ident("the name of a subset")?;
        self.expect_symbol("=")?;
        let members = self.parenthesized_list(|parser| parser.ident("a pattern variable"))?;
        Ok(Subset { name, members, span: self.since(start) })
    }

    fn define(&mut self) -> Parsed<Define> {
        let start = self.span();
        let name = self.ident("a pattern variable")?;
        self.expect_word("AS")?;
        let condition = self.expr()?;
        Ok(Define { name, condition, span: self.since(start) })
    }
}
