//! Expressions: names, operators, CASE, casts, and what is written with words. Calls by name are in `call`.

use brisk_core::{DataType, Error, Result, SqlType};
use brisk_functions::types::common_type;
use brisk_functions::{Argument, Expr, cast, scalar};
use brisk_parser::Span;
use brisk_parser::ast::{self, BinaryOp, ExprKind, IsTest, LikeOp, Literal, UnaryOp};

use super::scope::{Found, RAW, outer_index};
use super::{Binder, Env, literal, types};

impl Binder<'_> {
    /// Binds an expression over the row of `env`.
    pub(super) fn expr(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        if let Some((_, column)) = env.known.iter().find(|(e, _)| e == written) {
            return Ok(column.clone());
        }
        let bound = self.expr_kind(env, written)?;
        Ok(match &env.grouped {
            Some(grouped) => grouped.replace(bound),
            None => bound,
        })
    }

    /// An expression that must be a condition.
    pub(super) fn condition(&mut self, env: &mut Env, written: &ast::Expr, clause: &str) -> Result<Expr> {
        let bound = self.expr(env, written)?;
        self.check_boolean(written.span, bound, clause)
    }

    fn check_boolean(&self, span: Span, bound: Expr, clause: &str) -> Result<Expr> {
        match bound.sql_type().data_type {
            DataType::Boolean => Ok(bound),
            DataType::Null => Ok(Expr::null(&SqlType::nullable(DataType::Boolean))),
            other => Err(self.invalid(span, format!("{clause} must be a condition, but it is of type {other}"))),
        }
    }

    pub(super) fn exprs(&mut self, env: &mut Env, written: &[ast::Expr]) -> Result<Vec<Expr>> {
        written.iter().map(|e| self.expr(env, e)).collect()
    }

    fn expr_kind(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        let span = written.span;
        match &written.kind {
            ExprKind::Name(name) => self.name(env, name),
            ExprKind::Literal(value) => literal::literal(value, &self.context).map_err(|e| e.at(self.at(span))),
            ExprKind::Unary { op, expr } => self.unary(env, span, *op, expr),
            ExprKind::Binary { .. } => self.binary(env, written),
            ExprKind::Is { expr, negated, test } => self.is(env, span, expr, *negated, *test),
            ExprKind::Element { expr, index } => self.element_of(env, span, expr, index),
            ExprKind::Field { expr, name } => self.field_of(env, expr, name),
            ExprKind::Function(call) => self.function(env, span, call),
            ExprKind::Case { operand, branches, otherwise } => self.case(env, span, operand.as_deref(), branches, otherwise.as_deref()),
            ExprKind::InQuery { .. } | ExprKind::Quantified { .. } | ExprKind::Exists(_) | ExprKind::Unique(_) | ExprKind::Subquery(_) => {
                self.subquery_value(env, written)
            }
            _ => self.worded(env, written),
        }
    }

    fn is(&mut self, env: &mut Env, span: Span, operand: &ast::Expr, negated: bool, test: IsTest) -> Result<Expr> {
        let operand = self.expr(env, operand)?;
        self.is_test(span, operand, negated, test)
    }

    fn element_of(&mut self, env: &mut Env, span: Span, collection: &ast::Expr, index: &ast::Expr) -> Result<Expr> {
        let args = vec![self.expr(env, collection)?, self.expr(env, index)?];
        self.element(span, args)
    }

    fn field_of(&mut self, env: &mut Env, row: &ast::Expr, name: &ast::Ident) -> Result<Expr> {
        let row = self.expr(env, row)?;
        self.field(row, name)
    }

    /// Predicates, casts and constructors. (Apart from the forms above, so that those nest on little stack.)
    fn worded(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        let span = written.span;
        match &written.kind {
            ExprKind::IsDistinctFrom { left, right, negated } => {
                let (left, right) = (self.expr(env, left)?, self.expr(env, right)?);
                self.call(span, if *negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" }, vec![left, right])
            }
            ExprKind::Between { expr, negated, symmetric, low, high } => {
                let value = self.expr(env, expr)?;
                let (low, high) = (self.expr(env, low)?, self.expr(env, high)?);
                let bound = self.between(span, value, low, high, *symmetric)?;
                self.negate_if(span, *negated, bound)
            }
            ExprKind::InList { expr, negated, list } => {
                let bound = self.in_list(env, span, expr, list)?;
                self.negate_if(span, *negated, bound)
            }
            ExprKind::Like { expr, negated, op, pattern, escape } => {
                let mut args = vec![self.expr(env, expr)?, self.expr(env, pattern)?];
                if let Some(escape) = escape {
                    args.push(self.expr(env, escape)?);
                }
                let name = match op {
                    LikeOp::Like => "LIKE",
                    LikeOp::SimilarTo => "SIMILAR TO",
                    LikeOp::Rlike => "REGEXP",
                };
                let bound = self.call(span, name, args)?;
                self.negate_if(span, *negated, bound)
            }
            ExprKind::Cast { expr, data_type, is_try } => {
                let input = self.expr(env, expr)?;
                let target = types::sql_type(&self.places, data_type)?;
                self.cast(span, input, target, *is_try)
            }
            ExprKind::Row(items) => {
                let args = self.exprs(env, items)?;
                self.call(span, "ROW", args)
            }
            ExprKind::Array(items) => {
                let args = self.exprs(env, items)?;
                self.call(span, "ARRAY", args)
            }
            ExprKind::Map(entries) => {
                let mut args = Vec::with_capacity(entries.len() * 2);
                for (key, value) in entries {
                    args.push(self.expr(env, key)?);
                    args.push(self.expr(env, value)?);
                }
                self.call(span, "MAP", args)
            }
            _ => self.special(env, written),
        }
    }

    // ---- names

    /// `a`, `t.a`, `a.field`, `catalog.database.table.a.field`: the longest prefix that is a table, else a column.
    pub(super) fn name(&mut self, env: &mut Env, name: &ast::ObjectName) -> Result<Expr> {
        if env.pattern.is_some() {
            return self.pattern_name(env, name);
        }
        let parts = name.values();
        for level in 0..=self.outer.len() {
            let scope = if level == 0 { &env.scope } else { &self.outer[self.outer.len() - level] };
            for table in (0..parts.len()).rev() {
                let found = match table {
                    0 => scope.by_name(parts[0]),
                    _ => scope.in_relation(&parts[..table], parts[table]),
                };
                let column = match found {
                    Found::Nothing => continue,
                    Found::Ambiguous => return Err(self.ambiguous(&name.parts[table])),
                    Found::Expr(column) => column,
                };
                let mut bound = match (level, &mut env.grouped) {
                    (0, Some(grouped)) => {
                        let raw = column.map_columns(&mut |i| RAW | i);
                        grouped.used(&raw, name);
                        grouped.replace(raw)
                    }
                    (0, None) => column,
                    _ => column.map_columns(&mut |i| outer_index(level, i)),
                };
                for field in &name.parts[table + 1..] {
                    bound = self.field(bound, field)?;
                }
                return Ok(bound);
            }
        }
        Err(self.no_such_column(env, name))
    }

    fn ambiguous(&self, name: &ast::Ident) -> Error {
        self.invalid(name.span, format!("column `{}` is ambiguous", name.value)).with_remedy("write the table's name or alias before it")
    }

    fn no_such_column(&self, env: &Env, name: &ast::ObjectName) -> Error {
        let parts = name.values();
        let qualifier = &parts[..parts.len() - 1];
        let known = |q: &[&str]| q.is_empty() || env.scope.relations_called(q).next().is_some();
        let last = name.last();
        if !known(qualifier) && !matches!(env.scope.by_name(parts[0]), Found::Expr(_)) {
            return self.invalid(name.span, format!("there is no table or column `{}` here", qualifier.join(".")));
        }
        let names = env.scope.columns.iter().map(|c| c.name.as_str());
        let error = self.invalid(last.span, format!("there is no column `{}`", last.value));
        match nearest(&last.value, names) {
            Some(near) => error.with_remedy(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// `row.field`.
    pub(super) fn field(&self, row: Expr, name: &ast::Ident) -> Result<Expr> {
        let DataType::Row(fields) = row.sql_type().data_type else {
            let error = self.invalid(name.span, format!("`.{}` needs a ROW before it, not {}", name.value, row.sql_type().data_type));
            return Err(error);
        };
        let mut same = fields.iter().enumerate().filter(|(_, f)| f.name == name.value);
        match same.next() {
            Some((index, _)) => self.field_at(name.span, row, index),
            None => {
                let error = self.invalid(name.span, format!("the ROW has no field `{}`", name.value));
                Err(error.with_remedy(format!("its fields are {}", fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "))))
            }
        }
    }

    // ---- operators

    fn unary(&mut self, env: &mut Env, span: Span, op: UnaryOp, operand: &ast::Expr) -> Result<Expr> {
        if let (UnaryOp::Minus, Some(Literal::Exact(text))) = (op, operand.as_literal()) {
            return literal::exact(text, true).map_err(|e| e.at(self.at(span)));
        }
        let bound = self.expr(env, operand)?;
        match op {
            UnaryOp::Plus => match bound.sql_type().data_type {
                t if t.is_numeric() || t.is_interval() => Ok(bound),
                t => Err(self.invalid(span, format!("cannot apply '+' to a value of type {t}"))),
            },
            UnaryOp::Minus => self.call(span, "NEGATE", vec![bound]),
            UnaryOp::Not => self.not(span, bound),
        }
    }

    /// Binary operators: a chain such as `a + b - c` from its left end, without going down into it.
    fn binary(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        let mut chain = Vec::new();
        let mut first = written;
        while let ExprKind::Binary { op, left, right } = &first.kind {
            if chain.is_empty() && matches!(op, BinaryOp::And | BinaryOp::Or) {
                return self.logic(env, *op, left, right);
            }
            if symbol(*op).is_none() || matches!(left.kind, ExprKind::Row(_)) {
                break;
            }
            chain.push((first.span, *op, &**right));
            first = left;
        }
        let mut bound = match &first.kind {
            // Not AND and OR below the chain, which are bound as a whole.
            ExprKind::Binary { op, left, right } if !matches!(op, BinaryOp::And | BinaryOp::Or) => self.special_or_rows(env, first.span, *op, left, right)?,
            _ => self.expr(env, first)?,
        };
        for (span, op, right) in chain.into_iter().rev() {
            let right = self.expr(env, right)?;
            let symbol = symbol(op).expect("the chain is of such operators");
            bound = self.call(span, symbol, vec![bound, right])?;
            if let Some(grouped) = &env.grouped {
                bound = grouped.replace(bound);
            }
        }
        Ok(bound)
    }

    /// Comparisons of rows, and operators that are no symbols.
    fn special_or_rows(&mut self, env: &mut Env, span: Span, op: BinaryOp, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let Some(symbol) = symbol(op) else { return self.special_binary(env, span, op, left, right) };
        if let (ExprKind::Row(a), ExprKind::Row(b)) = (&left.kind, &right.kind)
            && matches!(op, BinaryOp::Eq | BinaryOp::NotEq)
        {
            let (a, b) = (self.exprs(env, a)?, self.exprs(env, b)?);
            let equal = self.rows_equal(span, &a, &b)?;
            return self.negate_if(span, op == BinaryOp::NotEq, equal);
        }
        let args = vec![self.expr(env, left)?, self.expr(env, right)?];
        self.call(span, symbol, args)
    }

    /// AND and OR: long chains in one node.
    fn logic(&mut self, env: &mut Env, op: BinaryOp, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let clause = if op == BinaryOp::And { "an operand of AND" } else { "an operand of OR" };
        let mut parts = Vec::new();
        for side in flatten(op, left).into_iter().chain(flatten(op, right)) {
            parts.push(self.condition(env, side, clause)?);
        }
        let parts = parts.into_iter();
        let bound = match op {
            BinaryOp::And => Expr::And(parts.flat_map(|p| if let Expr::And(inner) = p { inner } else { vec![p] }).collect()),
            _ => Expr::Or(parts.flat_map(|p| if let Expr::Or(inner) = p { inner } else { vec![p] }).collect()),
        };
        bound.fold(&self.context)
    }

    pub(super) fn not(&self, span: Span, bound: Expr) -> Result<Expr> {
        let bound = self.check_boolean(span, bound, "the operand of NOT")?;
        self.call(span, "NOT", vec![bound])
    }

    fn negate_if(&self, span: Span, negated: bool, bound: Expr) -> Result<Expr> {
        if negated { self.not(span, bound) } else { Ok(bound) }
    }

    fn is_test(&self, span: Span, operand: Expr, negated: bool, test: IsTest) -> Result<Expr> {
        let name = match (test, negated) {
            (IsTest::Null, false) => "IS NULL",
            (IsTest::Null, true) => "IS NOT NULL",
            (IsTest::True, false) => "IS TRUE",
            (IsTest::True, true) => "IS NOT TRUE",
            (IsTest::False, false) => "IS FALSE",
            (IsTest::False, true) => "IS NOT FALSE",
            (IsTest::Unknown, false) => "IS UNKNOWN",
            (IsTest::Unknown, true) => "IS NOT UNKNOWN",
            (IsTest::JsonValue, _) => "IS JSON VALUE",
            (IsTest::JsonObject, _) => "IS JSON OBJECT",
            (IsTest::JsonArray, _) => "IS JSON ARRAY",
            (IsTest::JsonScalar, _) => "IS JSON SCALAR",
            (IsTest::ASet | IsTest::Empty, _) => return Err(self.unsupported(span, "IS A SET and IS EMPTY are not supported")),
        };
        let is_json = name.starts_with("IS JSON");
        let bound = self.call(span, name, vec![operand])?;
        self.negate_if(span, negated && is_json, bound)
    }

    fn between(&self, span: Span, value: Expr, low: Expr, high: Expr, symmetric: bool) -> Result<Expr> {
        let within = |low: &Expr, high: &Expr| -> Result<Expr> {
            let above = self.call(span, ">=", vec![value.clone(), low.clone()])?;
            let below = self.call(span, "<=", vec![value.clone(), high.clone()])?;
            Ok(Expr::And(vec![above, below]))
        };
        let bound = if symmetric { Expr::Or(vec![within(&low, &high)?, within(&high, &low)?]) } else { within(&low, &high)? };
        bound.fold(&self.context)
    }

    fn in_list(&mut self, env: &mut Env, span: Span, needle: &ast::Expr, list: &[ast::Expr]) -> Result<Expr> {
        if let ExprKind::Row(parts) = &needle.kind {
            let needle = self.exprs(env, parts)?;
            let mut any = Vec::with_capacity(list.len());
            for item in list {
                let ExprKind::Row(values) = &item.kind else {
                    return Err(self.invalid(item.span, format!("the rows of IN must have {} values as the one before it", needle.len())));
                };
                let values = self.exprs(env, values)?;
                any.push(self.rows_equal(item.span, &needle, &values)?);
            }
            return Expr::Or(any).fold(&self.context);
        }
        let mut args = vec![self.expr(env, needle)?];
        args.extend(self.exprs(env, list)?);
        if args[1..].iter().all(|a| a.as_literal().is_some()) {
            return self.call(span, "IN", args);
        }
        let needle = args.remove(0);
        let mut any = Vec::with_capacity(args.len());
        for item in args {
            any.push(self.call(span, "=", vec![needle.clone(), item])?);
        }
        Expr::Or(any).fold(&self.context)
    }

    /// `(a, b) = (c, d)`.
    pub(super) fn rows_equal(&self, span: Span, left: &[Expr], right: &[Expr]) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(self.invalid(span, format!("cannot compare {} values with {}", left.len(), right.len())));
        }
        let mut all = Vec::with_capacity(left.len());
        for (a, b) in left.iter().zip(right) {
            all.push(self.call(span, "=", vec![a.clone(), b.clone()])?);
        }
        if all.len() == 1 { Ok(all.remove(0)) } else { Expr::And(all).fold(&self.context) }
    }

    // ---- CASE and casts

    fn case(&mut self, env: &mut Env, span: Span, operand: Option<&ast::Expr>, branches: &[ast::CaseBranch], otherwise: Option<&ast::Expr>) -> Result<Expr> {
        let operand = operand.map(|o| self.expr(env, o)).transpose()?;
        let mut bound = Vec::with_capacity(branches.len());
        for branch in branches {
            let mut any = Vec::with_capacity(branch.conditions.len());
            for condition in &branch.conditions {
                any.push(match &operand {
                    Some(value) => {
                        let compared = self.expr(env, condition)?;
                        self.call(condition.span, "=", vec![value.clone(), compared])?
                    }
                    None => self.condition(env, condition, "the condition of CASE")?,
                });
            }
            let when = if any.len() == 1 { any.remove(0) } else { Expr::Or(any) };
            bound.push((when, self.expr(env, &branch.result)?));
        }
        let otherwise = otherwise.map(|e| self.expr(env, e)).transpose()?;
        self.searched_case(span, bound, otherwise)
    }

    /// CASE with its results brought to one type.
    pub(super) fn searched_case(&self, span: Span, mut branches: Vec<(Expr, Expr)>, mut otherwise: Option<Expr>) -> Result<Expr> {
        let mut results: Vec<&mut Expr> = branches.iter_mut().map(|(_, then)| then).chain(&mut otherwise).collect();
        let mut types: Vec<SqlType> = results.iter().map(|e| e.sql_type()).collect();
        if types.iter().any(|t| t.data_type == DataType::Date) {
            // Beside a date a whole number counts days, as Flink has it.
            for (result, t) in results.iter_mut().zip(&mut types).filter(|(_, t)| t.data_type.is_integer()) {
                **result = self.call(span, "TIMESTAMPADD", vec![Expr::string("DAY"), result.clone(), literal::epoch()])?;
                *t = result.sql_type();
            }
        }
        let common = common_type(&types).ok_or_else(|| {
            let shown = types.iter().map(|t| t.data_type.to_string()).collect::<Vec<_>>().join(", ");
            self.invalid(span, format!("the results have no common type: {shown}"))
        })?;
        let common = SqlType { nullable: common.nullable || otherwise.is_none(), ..common };
        self.case_of(branches, otherwise, common)
    }

    /// CASE of a known type.
    pub(super) fn case_of(&self, branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>, sql_type: SqlType) -> Result<Expr> {
        let branches = branches.into_iter().map(|(when, then)| (when, coerce(then, &sql_type))).collect();
        let otherwise = otherwise.map(|e| Box::new(coerce(e, &sql_type)));
        Expr::Case { branches, otherwise, sql_type }.fold(&self.context)
    }

    /// CAST as the script asks for it.
    pub(super) fn cast(&self, span: Span, input: Expr, target: SqlType, is_try: bool) -> Result<Expr> {
        let from = input.sql_type();
        if !cast::explicit(&from, &target) {
            return Err(self.invalid(span, format!("cannot cast a value of type {} to {}", from.data_type, target.data_type)));
        }
        let target = target.with_nullable(from.nullable || is_try);
        if from.data_type == target.data_type && !is_try {
            return Ok(input);
        }
        Expr::Cast { input: Box::new(input), sql_type: target, try_cast: is_try }.fold(&self.context)
    }

    // ---- calls by symbol or name

    /// A call of a scalar function: chosen, its arguments coerced, folded if constant.
    pub(super) fn call(&self, span: Span, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let function = scalar::scalar_function(name).ok_or_else(|| self.unsupported(span, format!("function {name} is not supported")))?;
        self.call_of(span, function, args)
    }

    pub(super) fn call_of(&self, span: Span, function: std::sync::Arc<dyn brisk_functions::ScalarFunction>, args: Vec<Expr>) -> Result<Expr> {
        let arguments: Vec<Argument> = args.iter().map(argument).collect();
        let signature = function.bind(&arguments).map_err(|e| e.at(self.at(span)))?;
        if signature.args.len() != args.len() {
            return Err(Error::internal(format!("{} takes {} arguments and asks for {}", function.name(), args.len(), signature.args.len())).at(self.at(span)));
        }
        let args: Vec<Expr> = args.into_iter().zip(&signature.args).map(|(a, t)| coerce(a, t)).collect();
        let is_constant = function.is_deterministic() && args.iter().all(|a| a.as_literal().is_some());
        let call = Expr::Call { function, args, sql_type: signature.returns };
        // The arguments are folded already.
        if is_constant { call.fold(&self.context) } else { Ok(call) }
    }
}

pub(super) fn argument(expr: &Expr) -> Argument {
    Argument { sql_type: expr.sql_type(), literal: expr.as_literal().cloned() }
}

/// The expression as a value of `target`, which only its nullability does not change.
pub(super) fn coerce(expr: Expr, target: &SqlType) -> Expr {
    let from = expr.sql_type();
    if from.data_type == target.data_type {
        return expr;
    }
    let target = target.with_nullable(from.nullable);
    if from.data_type == DataType::Null {
        return Expr::null(&target);
    }
    let is_literal = expr.as_literal().is_some();
    let cast = brisk_functions::expr::cast(expr, &target);
    if !is_literal {
        return cast;
    }
    // A constant is brought to its type here, so that functions see constants.
    let context = brisk_functions::EvalContext { processing_time_ms: 0, time_zone: chrono_tz::UTC, watermark_ms: None };
    let zoned = |t: &DataType| matches!(t, DataType::TimestampLtz(_));
    if zoned(&from.data_type) != zoned(&target.data_type) { cast } else { cast.fold(&context).unwrap_or(cast) }
}

/// The operands of a chain of one operator.
fn flatten(op: BinaryOp, expr: &ast::Expr) -> Vec<&ast::Expr> {
    let mut found = Vec::new();
    let mut open = vec![expr];
    while let Some(e) = open.pop() {
        match &e.kind {
            ExprKind::Binary { op: o, left, right } if *o == op => {
                open.push(right);
                open.push(left);
            }
            _ => found.push(e),
        }
    }
    found
}

/// The conjuncts of a condition as written.
pub(super) fn written_conjuncts(expr: &ast::Expr) -> Vec<&ast::Expr> {
    flatten(BinaryOp::And, expr)
}

pub(super) fn symbol(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::Eq => "=",
        BinaryOp::NotEq => "<>",
        BinaryOp::Lt => "<",
        BinaryOp::LtEq => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::GtEq => ">=",
        BinaryOp::Plus => "+",
        BinaryOp::Minus => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::Concat => "||",
        _ => return None,
    })
}

/// The name that was probably meant: the same but for case, or at most two letters off.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = 1 + name.chars().count() / 4;
    names.map(|n| (distance(&name.to_lowercase(), &n.to_lowercase()), n)).filter(|(d, _)| *d <= limit.min(2)).min_by_key(|(d, _)| *d).map(|(_, n)| n)
}

/// How many letters must change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}
