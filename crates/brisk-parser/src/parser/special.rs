//! Calls and forms with a grammar of their own: CAST, CASE, EXTRACT, TRIM ...

use super::{OperandParser, Parsed, Parser};
use crate::ast::{CaseBranch, Expr, ExprKind, FunctionArg, FunctionArgValue, FunctionCall, Ident, ObjectName, TrimSide};
use crate::span::Span;

impl<'a> Parser<'a> {
    /// What parses the call that begins with the word `upper` and a parenthesis; nothing where it is an ordinary one.
    pub(super) fn special_call(upper: &str) -> Option<OperandParser<'a>> {
        Some(match upper {
            "CAST" => |parser| parser.cast(false),
            "TRY_CAST" => |parser| parser.cast(true),
            "EXTRACT" => Self::extract,
            "POSITION" => Self::position,
            "OVERLAY" => Self::overlay,
            "SUBSTRING" => Self::substring,
            "TRIM" => Self::trim,
            "FLOOR" => |parser| parser.round(false),
            "CEIL" | "CEILING" => |parser| parser.round(true),
            "TIMESTAMPADD" => Self::timestamp_add,
            "TIMESTAMPDIFF" => Self::timestamp_diff,
            "EXISTS" => |parser| parser.exists(true),
            "UNIQUE" => |parser| parser.exists(false),
            "PERIOD" => Self::period,
            _ => return Self::json_call(upper),
        })
    }

    fn cast(&mut self, is_try: bool) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let expr = Box::new(parser.expr_or_query()?);
            parser.expect_word("AS")?;
            let data_type = parser.data_type()?;
            Ok(ExprKind::Cast { expr, data_type, is_try })
        })
    }

    fn extract(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let unit = parser.time_unit()?;
            parser.expect_word("FROM")?;
            let expr = Box::new(parser.expr()?);
            Ok(ExprKind::Extract { unit, expr })
        })
    }

    fn position(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            // An operand only: otherwise the IN would be taken for the operator.
            let needle = Box::new(parser.nest(Self::primary)?);
            parser.expect_word("IN")?;
            let haystack = Box::new(parser.expr()?);
            let from = parser.optional(&["FROM"])?;
            Ok(ExprKind::Position { needle, haystack, from })
        })
    }

    fn overlay(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let expr = Box::new(parser.expr()?);
            parser.expect_word("PLACING")?;
            let placing = Box::new(parser.expr()?);
            parser.expect_word("FROM")?;
            let from = Box::new(parser.expr()?);
            let length = parser.optional(&["FOR"])?;
            Ok(ExprKind::Overlay { expr, placing, from, length })
        })
    }

    /// The expression behind one of `words`, if one stands here.
    fn optional(&mut self, words: &[&str]) -> Parsed<Option<Box<Expr>>> {
        if !words.iter().any(|word| self.eat_word(word)) {
            return Ok(None);
        }
        Ok(Some(Box::new(self.expr()?)))
    }

    /// `SUBSTRING(a FROM b FOR c)` and `SUBSTRING(a, b, c)` are one function.
    fn substring(&mut self) -> Parsed<ExprKind> {
        let start = self.span();
        self.advance();
        let args = self.parenthesized(|parser| {
            let mut args = vec![parser.expr()?];
            if !parser.eat_word("FROM") && !parser.eat_symbol(",") {
                return Err(parser.unexpected(&["FROM", "\",\""]));
            }
            args.push(parser.expr()?);
            if parser.eat_word("FOR") || parser.eat_symbol(",") {
                args.push(parser.expr()?);
            }
            Ok(args)
        })?;
        Ok(self.plain_call("SUBSTRING", start, args))
    }

    /// A call without anything special about it.
    fn plain_call(&self, name: &str, start: Span, args: Vec<Expr>) -> ExprKind {
        let part = Ident { span: start, ..Ident::new(name) };
        let args = args.into_iter().map(|expr| FunctionArg { name: None, span: expr.span, value: FunctionArgValue::Expr(expr) });
        ExprKind::Function(Box::new(FunctionCall {
            args: args.collect(),
            ..FunctionCall::new(ObjectName { parts: vec![part], span: start }, self.since(start))
        }))
    }

    fn trim(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let side = if parser.eat_word("LEADING") {
                Some(TrimSide::Leading)
            } else if parser.eat_word("TRAILING") {
                Some(TrimSide::Trailing)
            } else if parser.eat_word("BOTH") {
                Some(TrimSide::Both)
            } else {
                None
            };
            let mut what = None;
            if side.is_none() || !parser.at_word("FROM") {
                let first = Box::new(parser.expr()?);
                if !parser.at_word("FROM") {
                    return Ok(ExprKind::Trim { side: side.unwrap_or(TrimSide::Both), what: None, expr: first });
                }
                what = Some(first);
            }
            parser.expect_word("FROM")?;
            let expr = Box::new(parser.expr()?);
            Ok(ExprKind::Trim { side: side.unwrap_or(TrimSide::Both), what, expr })
        })
    }

    fn round(&mut self, ceil: bool) -> Parsed<ExprKind> {
        let start = self.span();
        self.advance();
        let (expr, unit) = self.parenthesized(|parser| {
            let expr = parser.expr()?;
            let unit = if parser.eat_word("TO") { Some(parser.time_unit()?) } else { None };
            Ok((expr, unit))
        })?;
        Ok(match unit {
            Some(unit) => ExprKind::RoundTo { ceil, expr: Box::new(expr), unit },
            None => self.plain_call(if ceil { "CEIL" } else { "FLOOR" }, start, vec![expr]),
        })
    }

    fn timestamp_add(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let unit = parser.time_unit()?;
            parser.expect_symbol(",")?;
            let amount = Box::new(parser.expr()?);
            parser.expect_symbol(",")?;
            let expr = Box::new(parser.expr()?);
            Ok(ExprKind::TimestampAdd { unit, amount, expr })
        })
    }

    fn timestamp_diff(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let unit = parser.time_unit()?;
            parser.expect_symbol(",")?;
            let from = Box::new(parser.expr()?);
            parser.expect_symbol(",")?;
            let to = Box::new(parser.expr()?);
            Ok(ExprKind::TimestampDiff { unit, from, to })
        })
    }

    fn exists(&mut self, exists: bool) -> Parsed<ExprKind> {
        self.advance();
        let query = Box::new(self.parenthesized(Self::query)?);
        Ok(if exists { ExprKind::Exists(query) } else { ExprKind::Unique(query) })
    }

    fn period(&mut self) -> Parsed<ExprKind> {
        self.advance();
        self.parenthesized(|parser| {
            let start = Box::new(parser.expr()?);
            parser.expect_symbol(",")?;
            let end = Box::new(parser.expr()?);
            Ok(ExprKind::Period { start, end })
        })
    }

    /// `CASE ...`.
    pub(super) fn case(&mut self) -> Parsed<ExprKind> {
        self.expect_word("CASE")?;
        let operand = if self.at_word("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.at_word("WHEN") {
            branches.push(self.case_branch(operand.is_some())?);
        }
        if branches.is_empty() {
            return Err(self.unexpected(&["WHEN"]));
        }
        let otherwise = self.optional(&["ELSE"])?;
        if !self.eat_word("END") {
            let error = self.unexpected(&["WHEN", "ELSE", "END"]);
            return Err(if self.at_end() { error.with_remedy("close the CASE with END".to_string()) } else { error });
        }
        Ok(ExprKind::Case { operand, branches, otherwise })
    }

    fn case_branch(&mut self, has_operand: bool) -> Parsed<CaseBranch> {
        let start = self.span();
        self.expect_word("WHEN")?;
        let mut conditions = vec![self.expr()?];
        while has_operand && self.eat_symbol(",") {
            conditions.push(self.expr()?);
        }
        self.expect_word("THEN")?;
        let result = self.expr()?;
        Ok(CaseBranch { conditions, result, span: self.since(start) })
    }
}
