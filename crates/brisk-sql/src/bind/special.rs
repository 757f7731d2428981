//! What SQL writes with words: EXTRACT, TRIM, OVERLAY, TIMESTAMPADD, FLOOR TO, JSON functions, intervals. Each becomes a
//! call whose words are text literals; which, the functions' own files say.

use brisk_core::{DataType, Result, SqlType};
use brisk_functions::{Expr, scalar};
use brisk_parser::Span;
use brisk_parser::ast::{self, BinaryOp, ExprKind, JsonCall, JsonExistsOnError, JsonOnNull, JsonQueryBehavior, JsonValueBehavior, JsonWrapper, TrimSide};

use super::collect::function_name;
use super::literal::{interval_value, length_of, unit_name};
use super::{Binder, Env, types};

impl Binder<'_> {
    pub(super) fn special(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        let span = written.span;
        match &written.kind {
            ExprKind::Extract { unit, expr } => {
                let value = self.expr(env, expr)?;
                self.call(span, "EXTRACT", vec![Expr::string(unit_name(*unit)), value])
            }
            ExprKind::RoundTo { ceil, expr, unit } => {
                let value = self.expr(env, expr)?;
                self.call(span, if *ceil { "CEIL TO" } else { "FLOOR TO" }, vec![value, Expr::string(unit_name(*unit))])
            }
            ExprKind::TimestampAdd { unit, amount, expr } => {
                let args = vec![Expr::string(unit_name(*unit)), self.expr(env, amount)?, self.expr(env, expr)?];
                self.call(span, "TIMESTAMPADD", args)
            }
            ExprKind::TimestampDiff { unit, from, to } => {
                let args = vec![Expr::string(unit_name(*unit)), self.expr(env, from)?, self.expr(env, to)?];
                self.call(span, "TIMESTAMPDIFF", args)
            }
            ExprKind::Trim { side, what, expr } => {
                let what = match what {
                    Some(what) => self.expr(env, what)?,
                    None => Expr::string(" "),
                };
                let side = match side {
                    TrimSide::Both => "BOTH",
                    TrimSide::Leading => "LEADING",
                    TrimSide::Trailing => "TRAILING",
                };
                let args = vec![Expr::string(side), what, self.expr(env, expr)?];
                self.call(span, "TRIM", args)
            }
            ExprKind::Position { needle, haystack, from } => {
                let mut args = vec![self.expr(env, needle)?, self.expr(env, haystack)?];
                if let Some(from) = from {
                    args.push(self.expr(env, from)?);
                }
                self.call(span, "POSITION", args)
            }
            ExprKind::Overlay { expr, placing, from, length } => {
                let mut args = vec![self.expr(env, expr)?, self.expr(env, placing)?, self.expr(env, from)?];
                if let Some(length) = length {
                    args.push(self.expr(env, length)?);
                }
                self.call(span, "OVERLAY", args)
            }
            ExprKind::Interval(interval) => self.interval(env, span, interval),
            ExprKind::Json(call) => self.json(env, span, call),
            ExprKind::Parameter(_) => {
                Err(self.unsupported(span, "parameters are not supported").with_remedy("write the value, or ${NAME} and give it with --var"))
            }
            ExprKind::Default => Err(self.unsupported(span, "DEFAULT is not supported here").with_remedy("leave the column out")),
            ExprKind::AtTimeZone { .. } => Err(self
                .unsupported(span, "AT TIME ZONE is not supported")
                .with_remedy("use CONVERT_TZ, or TIMESTAMP_LTZ and the option 'table.local-time-zone'")),
            ExprKind::DateDifference { .. } => Err(self.unsupported(span, "a difference with a unit is not supported").with_remedy("use TIMESTAMPDIFF")),
            ExprKind::Period { .. } => Err(self.unsupported(span, "PERIOD can stand beside OVERLAPS only")),
            ExprKind::ArrayQuery(_) | ExprKind::MapQuery(_) | ExprKind::MultisetQuery(_) => {
                Err(self.unsupported(span, "collections of a subquery are not supported").with_remedy("use ARRAY_AGG or COLLECT"))
            }
            ExprKind::Multiset(items) => {
                let args = self.exprs(env, items)?;
                self.call(span, "MULTISET", args)
            }
            ExprKind::AllFields(_) => Err(self.invalid(span, "'.*' can stand in the select list only")),
            // One row a match: everything is seen from its end in MEASURES, up to the current row in DEFINE.
            ExprKind::Semantics { expr, .. } if env.pattern.is_some() => self.expr(env, expr),
            ExprKind::Semantics { .. } => Err(self.invalid(span, "FINAL and RUNNING are for MATCH_RECOGNIZE only")),
            _ => Err(self.unsupported(span, "this expression is not supported")),
        }
    }

    /// Predicates of periods.
    pub(super) fn special_binary(&mut self, env: &mut Env, span: Span, op: BinaryOp, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let name = match op {
            BinaryOp::Overlaps => "OVERLAPS",
            BinaryOp::Contains => "PERIOD CONTAINS",
            BinaryOp::Equals => "PERIOD EQUALS",
            BinaryOp::Precedes => "PRECEDES",
            BinaryOp::Succeeds => "SUCCEEDS",
            BinaryOp::ImmediatelyPrecedes => "IMMEDIATELY PRECEDES",
            BinaryOp::ImmediatelySucceeds => "IMMEDIATELY SUCCEEDS",
            _ => return Err(self.unsupported(span, "operators of multisets are not supported")),
        };
        let mut args = Vec::with_capacity(4);
        for side in [left, right] {
            let (start, end) = match &side.kind {
                ExprKind::Period { start, end } => (&**start, &**end),
                ExprKind::Row(parts) if parts.len() == 2 => (&parts[0], &parts[1]),
                _ => return Err(self.invalid(side.span, format!("{name} needs periods: (start, end)"))),
            };
            args.push(self.expr(env, start)?);
            args.push(self.expr(env, end)?);
        }
        self.call(span, name, args)
    }

    /// `INTERVAL <expression> DAY`: so many times one unit.
    fn interval(&mut self, env: &mut Env, span: Span, interval: &ast::IntervalExpr) -> Result<Expr> {
        let qualifier = &interval.qualifier;
        let unit = types::interval(qualifier).filter(|_| qualifier.end.is_none());
        let unit = unit.ok_or_else(|| self.unsupported(span, "an interval of an expression takes one unit only"))?;
        let amount = self.expr(env, &interval.value)?;
        let one = interval_value(length_of(qualifier.start), unit).map_err(|e| e.at(self.at(span)))?;
        self.call(span, "*", vec![amount, one])
    }

    /// `a[i]`.
    pub(super) fn element(&self, span: Span, args: Vec<Expr>) -> Result<Expr> {
        if let DataType::Row(fields) = args[0].sql_type().data_type {
            let text = args[1].as_literal().map(|v| brisk_functions::cast::value_text(v, &args[1].sql_type(), 0));
            let by_name = text.as_ref().and_then(|t| fields.iter().position(|f| f.name == *t));
            let by_position = super::query::whole_number(&args[1]).and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=fields.len()).contains(n));
            let index = by_name.filter(|_| args[1].sql_type().data_type.is_character()).or(by_position.map(|n| n - 1));
            let index = index.ok_or_else(|| self.invalid(span, "an element of a ROW is taken by a constant position from 1, or a field's name"))?;
            return self.field_at(span, args.into_iter().next().expect("there are two"), index);
        }
        self.call(span, "ITEM", args)
    }

    /// Field `index` of a row.
    pub(super) fn field_at(&self, span: Span, row: Expr, index: usize) -> Result<Expr> {
        self.call_of(span, scalar::field_access(index), vec![row])
    }

    // ---- JSON

    fn json(&mut self, env: &mut Env, span: Span, call: &JsonCall) -> Result<Expr> {
        match call {
            JsonCall::Exists { input, path, on_error } => {
                let mut args = vec![self.expr(env, input)?, self.expr(env, path)?];
                if let Some(on_error) = on_error {
                    args.push(Expr::string(match on_error {
                        JsonExistsOnError::True => "TRUE",
                        JsonExistsOnError::False => "FALSE",
                        JsonExistsOnError::Unknown => "UNKNOWN",
                        JsonExistsOnError::Error => "ERROR",
                    }));
                }
                self.call(span, "JSON_EXISTS", args)
            }
            JsonCall::Value { input, path, returning, on_empty, on_error } => {
                self.json_value(env, span, (input, path), returning.as_ref(), on_empty.as_ref(), on_error.as_ref())
            }
            JsonCall::Query { input, path, returning, wrapper, on_empty, on_error } => {
                let mut args = vec![self.expr(env, input)?, self.expr(env, path)?];
                args.push(Expr::string(match wrapper {
                    None | Some(JsonWrapper::Without) => "WITHOUT ARRAY",
                    Some(JsonWrapper::Conditional) => "WITH CONDITIONAL ARRAY",
                    Some(JsonWrapper::Unconditional) => "WITH UNCONDITIONAL ARRAY",
                }));
                args.push(Expr::string(query_behavior(*on_empty)));
                args.push(Expr::string(query_behavior(*on_error)));
                if let Some(returning) = returning {
                    args.push(Expr::null(&types::sql_type(&self.places, returning)?));
                }
                self.call(span, "JSON_QUERY", args)
            }
            JsonCall::Object { entries, on_null } => {
                let mut args = Vec::with_capacity(entries.len() * 2 + 1);
                for (key, value) in entries {
                    args.push(self.expr(env, key)?);
                    args.push(self.json_part(env, value)?);
                }
                let words = json_words(on_null.unwrap_or(JsonOnNull::Null), entries.iter().map(|(_, value)| value));
                args.push(Expr::string(&words));
                self.call(span, "JSON_OBJECT", args)
            }
            JsonCall::Array { items, on_null } => {
                let mut args = Vec::with_capacity(items.len() + 1);
                for item in items {
                    args.push(self.json_part(env, item)?);
                }
                args.push(Expr::string(&json_words(on_null.unwrap_or(JsonOnNull::Absent), items.iter())));
                self.call(span, "JSON_ARRAY", args)
            }
            JsonCall::ObjectAgg { .. } | JsonCall::ArrayAgg { .. } => {
                Err(self.invalid(span, "an aggregate function cannot stand here").with_remedy("compute it in a subquery, or use HAVING"))
            }
        }
    }

    /// A value of JSON_OBJECT or JSON_ARRAY, the only place where JSON(..) may stand.
    fn json_part(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        match &written.kind {
            ExprKind::Function(call) if function_name(call) == "JSON" => {
                let args = self.call_args(env, call, "JSON")?;
                self.call(written.span, "JSON", args)
            }
            _ => self.expr(env, written),
        }
    }

    fn json_value(
        &mut self,
        env: &mut Env,
        span: Span,
        (input, path): (&ast::Expr, &ast::Expr),
        returning: Option<&ast::DataType>,
        on_empty: Option<&JsonValueBehavior>,
        on_error: Option<&JsonValueBehavior>,
    ) -> Result<Expr> {
        let mut args = vec![self.expr(env, input)?, self.expr(env, path)?];
        let returning = match returning {
            Some(t) => types::sql_type(&self.places, t)?.with_nullable(true),
            None => SqlType::nullable(DataType::STRING),
        };
        args.push(Expr::null(&returning));
        for behavior in [on_empty, on_error] {
            let (word, default) = match behavior {
                None | Some(JsonValueBehavior::Null) => ("NULL", None),
                Some(JsonValueBehavior::Error) => ("ERROR", None),
                Some(JsonValueBehavior::Default(e)) => ("DEFAULT", Some(self.expr(env, e)?)),
            };
            args.push(Expr::string(word));
            args.push(default.unwrap_or_else(|| Expr::null(&returning)));
        }
        self.call(span, "JSON_VALUE", args)
    }
}

fn query_behavior(behavior: Option<JsonQueryBehavior>) -> &'static str {
    match behavior {
        None | Some(JsonQueryBehavior::Null) => "NULL",
        Some(JsonQueryBehavior::EmptyArray) => "EMPTY ARRAY",
        Some(JsonQueryBehavior::EmptyObject) => "EMPTY OBJECT",
        Some(JsonQueryBehavior::Error) => "ERROR",
    }
}

/// What NULL does, and which values are JSON text that goes in as it is.
fn json_words<'e>(on_null: JsonOnNull, values: impl Iterator<Item = &'e ast::Expr>) -> String {
    let letter = |value: &ast::Expr| match &value.kind {
        ExprKind::Json(call) if matches!(**call, JsonCall::Object { .. } | JsonCall::Array { .. }) => 'R',
        ExprKind::Function(call) if function_name(call) == "JSON" => 'R',
        _ => 'V',
    };
    let letters: String = values.map(letter).collect();
    if letters.contains('R') { format!("{} {letters}", on_null_text(on_null)) } else { on_null_text(on_null).to_string() }
}

pub(super) fn on_null_text(on_null: JsonOnNull) -> &'static str {
    match on_null {
        JsonOnNull::Null => "NULL ON NULL",
        JsonOnNull::Absent => "ABSENT ON NULL",
    }
}
