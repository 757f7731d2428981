//! ORDER BY and windows: what stands behind OVER and WINDOW.

use super::{Parsed, Parser};
use crate::ast::{FrameBound, NamedWindow, OrderItem, WindowFrame, WindowSpec};

impl Parser<'_> {
    /// `ORDER BY a, b`.
    pub(super) fn order_by(&mut self) -> Parsed<Vec<OrderItem>> {
        self.expect_words(&["ORDER", "BY"])?;
        self.comma_list(Self::order_item)
    }

    /// `a [ASC|DESC] [NULLS FIRST|LAST]`.
    pub(super) fn order_item(&mut self) -> Parsed<OrderItem> {
        let start = self.span();
        let expr = self.expr()?;
        let descending = self.eat_word("DESC");
        if !descending {
            self.eat_word("ASC");
        }
        let nulls_first = if self.eat_words(&["NULLS", "FIRST"]) {
            Some(true)
        } else if self.eat_words(&["NULLS", "LAST"]) {
            Some(false)
        } else {
            None
        };
        Ok(OrderItem { expr, descending, nulls_first, span: self.since(start) })
    }

    /// `w AS (...)`.
    pub(super) fn named_window(&mut self) -> Parsed<NamedWindow> {
        let start = self.span();
        let name = self.ident("the name of a window")?;
        self.expect_word("AS")?;
        let spec = self.window_spec()?;
        Ok(NamedWindow { name, spec, span: self.since(start) })
    }

    /// `([w] [PARTITION BY ..] [ORDER BY ..] [ROWS|RANGE ..])`.
    pub(super) fn window_spec(&mut self) -> Parsed<WindowSpec> {
        let start = self.span();
        self.expect_symbol("(")?;
        let base = if self.name_at(0) { Some(self.ident("the name of a window")?) } else { None };
        let mut partition_by = Vec::new();
        if self.eat_word("PARTITION") {
            self.expect_word("BY")?;
            partition_by = self.comma_list(Self::expr)?;
        }
        let mut order_by = Vec::new();
        if self.at_word("ORDER") {
            order_by = self.order_by()?;
        }
        let frame = if self.at_word("ROWS") || self.at_word("RANGE") { Some(self.window_frame()?) } else { None };
        self.close(start)?;
        Ok(WindowSpec { base, partition_by, order_by, frame, span: self.since(start) })
    }

    fn window_frame(&mut self) -> Parsed<WindowFrame> {
        let begin = self.span();
        let rows = self.at_word("ROWS");
        self.advance();
        let (start, end) = if self.eat_word("BETWEEN") {
            let start = self.frame_bound()?;
            self.expect_word("AND")?;
            (start, Some(self.frame_bound()?))
        } else {
            (self.frame_bound()?, None)
        };
        Ok(WindowFrame { rows, start, end, span: self.since(begin) })
    }

    fn frame_bound(&mut self) -> Parsed<FrameBound> {
        if self.eat_words(&["CURRENT", "ROW"]) {
            return Ok(FrameBound::CurrentRow);
        }
        if self.eat_words(&["UNBOUNDED", "PRECEDING"]) {
            return Ok(FrameBound::UnboundedPreceding);
        }
        if self.eat_words(&["UNBOUNDED", "FOLLOWING"]) {
            return Ok(FrameBound::UnboundedFollowing);
        }
        let expr = Box::new(self.expr()?);
        if self.eat_word("PRECEDING") {
            return Ok(FrameBound::Preceding(expr));
        }
        if self.eat_word("FOLLOWING") {
            return Ok(FrameBound::Following(expr));
        }
        Err(self.unexpected(&["PRECEDING", "FOLLOWING"]))
    }
}
