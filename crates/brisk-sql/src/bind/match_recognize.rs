//! MATCH_RECOGNIZE: patterns over rows. DEFINE and MEASURES are expressions over values taken out of a match, its
//! leaves: a column of the first or last row of a variable, an aggregate over a variable's rows.

use brisk_core::{DataType, Result, SqlType};
use brisk_functions::{AggregateCall, Argument, Expr};
use brisk_operators::match_recognize::{AfterMatch, Leaf, MatchExpr, Pattern, Pick};
use brisk_parser::Span;
use brisk_parser::ast::{self, FunctionArgValue, PatternKind};

use super::collect::{function_name, is_aggregate_name};
use super::expr::{argument, coerce};
use super::query::{sort_key, whole_number};
use super::scope::{Found, Scope};
use super::{Binder, Env, nothing};
use crate::logical::{Match, MatchClause, Node, Plan, PlanColumn, SortKey, TimeAttribute};

/// What names mean inside DEFINE and MEASURES. The plan of the [`Env`] is the input of the match.
#[derive(Debug, Clone, Default)]
pub struct PatternRow {
    variables: Vec<String>,
    leaves: Vec<(Leaf, SqlType)>,
    pick: Option<Pick>,
    /// Inside an aggregate: names are columns of the input, and these are the variables they were named with.
    aggregate: Option<Vec<Option<usize>>>,
}

impl Binder<'_> {
    pub(super) fn match_recognize(&mut self, clause: &ast::MatchRecognize) -> Result<Env> {
        self.check_match_clauses(clause)?;
        let mut env = self.table_ref(&clause.input)?;
        env.no_subquery = Some("MATCH_RECOGNIZE");
        let partition = self.match_partition(&mut env, clause)?;
        let order = self.match_order(&mut env, clause)?;
        let mut variables = Vec::new();
        let pattern = self.pattern(&clause.pattern, &mut variables)?;
        self.check_last(&clause.pattern)?;
        env.pattern = Some(PatternRow { variables: variables.clone(), ..PatternRow::default() });
        let mut defines = vec![None; variables.len()];
        for define in &clause.defines {
            let variable = variables.iter().position(|v| *v == define.name.value);
            let variable = variable.ok_or_else(|| self.invalid(define.name.span, format!("`{}` is not in the PATTERN", define.name.value)))?;
            let expr = self.condition(&mut env, &define.condition, "DEFINE")?;
            if defines[variable].replace(take_leaves(&mut env, expr)).is_some() {
                return Err(self.invalid(define.span, format!("`{}` is defined twice", define.name.value)));
            }
        }
        let mut measures = Vec::with_capacity(clause.measures.len());
        let mut columns: Vec<PlanColumn> = partition.iter().map(|&i| env.plan.columns[i].clone()).collect();
        for measure in &clause.measures {
            let expr = self.expr(&mut env, &measure.expr)?;
            let time = match &expr {
                Expr::Column { index, .. } => time_of_leaf(&env.pattern.as_ref().expect("set above").leaves[*index].0),
                _ => TimeAttribute::None,
            };
            columns.push(PlanColumn { time, ..PlanColumn::new(&measure.alias.value, expr.sql_type()) });
            measures.push(take_leaves(&mut env, expr));
        }
        let within_ms = match &clause.within {
            Some(written) => {
                let mut plain = Env::new(nothing(), Scope::default());
                Some(self.interval_ms(&mut plain, written, "WITHIN")?)
            }
            None => None,
        };
        let skip = self.skip(clause, &variables)?;
        let clause = MatchClause { variables, pattern, defines, measures, skip, within_ms };
        let plan = Plan::new(Node::MatchRecognize(Match { input: Box::new(env.take_plan()), partition, order, clause }), columns);
        let scope = Scope::of_plan(&plan);
        Ok(Env::new(plan, scope))
    }

    fn check_match_clauses(&self, clause: &ast::MatchRecognize) -> Result<()> {
        if clause.rows_per_match == Some(ast::RowsPerMatch::All) {
            return Err(self.unsupported(clause.span, "ALL ROWS PER MATCH is not supported").with_remedy("use ONE ROW PER MATCH"));
        }
        if let Some(subset) = clause.subsets.first() {
            return Err(self.unsupported(subset.span, "SUBSET is not supported"));
        }
        if clause.strict_start || clause.strict_end {
            return Err(self.unsupported(clause.pattern.span, "'^' and '$' in PATTERN are not supported"));
        }
        Ok(())
    }

    fn match_partition(&mut self, env: &mut Env, clause: &ast::MatchRecognize) -> Result<Vec<usize>> {
        let mut partition = Vec::with_capacity(clause.partition_by.len());
        for written in &clause.partition_by {
            match self.expr(env, written)? {
                Expr::Column { index, .. } if index < env.plan.columns.len() => partition.push(index),
                _ => return Err(self.invalid(written.span, "PARTITION BY of MATCH_RECOGNIZE takes columns only")),
            }
        }
        Ok(partition)
    }

    fn match_order(&mut self, env: &mut Env, clause: &ast::MatchRecognize) -> Result<Vec<SortKey>> {
        if clause.order_by.is_empty() {
            return Err(self.invalid(clause.span, "MATCH_RECOGNIZE needs ORDER BY a time attribute"));
        }
        let mut order = Vec::with_capacity(clause.order_by.len());
        for item in &clause.order_by {
            match self.expr(env, &item.expr)? {
                Expr::Column { index, .. } if index < env.plan.columns.len() => order.push(sort_key(item, index)),
                _ => return Err(self.invalid(item.span, "ORDER BY of MATCH_RECOGNIZE takes columns only")),
            }
        }
        let first = &env.plan.columns[order[0].column];
        if first.time == TimeAttribute::None || order[0].descending {
            let error = self
                .invalid(clause.order_by[0].span, format!("MATCH_RECOGNIZE must be ordered by a time attribute first, ascending; `{}` is none", first.name));
            return Err(error.with_remedy("declare WATERMARK FOR the column in its table"));
        }
        Ok(order)
    }

    // ---- the pattern

    fn pattern(&self, written: &ast::Pattern, variables: &mut Vec<String>) -> Result<Pattern> {
        let not_supported = |what: &str| self.unsupported(written.span, format!("{what} in PATTERN is not supported"));
        Ok(match &written.kind {
            PatternKind::Variable(name) => {
                if variables.contains(&name.value) {
                    return Err(self.unsupported(name.span, format!("pattern variable `{}` stands twice in PATTERN", name.value)));
                }
                variables.push(name.value.clone());
                Pattern::Variable(variables.len() - 1)
            }
            PatternKind::Concat(parts) => Pattern::Sequence(parts.iter().map(|p| self.pattern(p, variables)).collect::<Result<_>>()?),
            PatternKind::Repeat { pattern, min, max, greedy } => {
                if !matches!(pattern.kind, PatternKind::Variable(_)) {
                    return Err(not_supported("a quantifier of a group"));
                }
                if !greedy && (*min, *max) == (0, Some(1)) {
                    return Err(not_supported("a reluctant optional variable"));
                }
                if max.is_some_and(|m| m < *min || m == 0) {
                    return Err(self.invalid(written.span, "the quantifier allows no number of rows"));
                }
                Pattern::Repeat { pattern: Box::new(self.pattern(pattern, variables)?), min: *min, max: *max, greedy: *greedy }
            }
            PatternKind::Alternate(_) => return Err(not_supported("an alternation")),
            PatternKind::Permute(_) => return Err(not_supported("PERMUTE")),
            PatternKind::Exclude(_) => return Err(not_supported("an exclusion")),
        })
    }

    fn check_last(&self, pattern: &ast::Pattern) -> Result<()> {
        match &pattern.kind {
            PatternKind::Concat(parts) => self.check_last(parts.last().expect("at least two")),
            PatternKind::Repeat { min, max, greedy: true, .. } if *max != Some(*min) && (*min, *max) != (0, Some(1)) => {
                let error = self.unsupported(pattern.span, "greedy quantifiers are not allowed as the last element of a PATTERN");
                Err(error.with_remedy("end it with a plain variable, or with a reluctant quantifier such as A+?"))
            }
            _ => Ok(()),
        }
    }

    fn skip(&self, clause: &ast::MatchRecognize, variables: &[String]) -> Result<AfterMatch> {
        let variable = |name: &ast::Ident| {
            let found = variables.iter().position(|v| *v == name.value);
            found.ok_or_else(|| self.invalid(name.span, format!("`{}` is not in the PATTERN", name.value)))
        };
        Ok(match &clause.after_match {
            None | Some(ast::AfterMatch::NextRow) => AfterMatch::ToNextRow,
            Some(ast::AfterMatch::PastLastRow) => AfterMatch::PastLastRow,
            Some(ast::AfterMatch::First(name)) => AfterMatch::ToFirst(variable(name)?),
            Some(ast::AfterMatch::Last(name)) => AfterMatch::ToLast(variable(name)?),
        })
    }

    // ---- leaves

    /// A name inside DEFINE or MEASURES: `A.column`, or `column` of any variable.
    pub(super) fn pattern_name(&mut self, env: &mut Env, name: &ast::ObjectName) -> Result<Expr> {
        let row = env.pattern.as_mut().expect("called for patterns only");
        let parts = name.values();
        let variable = row.variables.iter().position(|v| parts.len() > 1 && *v == parts[0]);
        let rest = if variable.is_some() { &name.parts[1..] } else { &name.parts[..] };
        let found = match (env.scope.by_name(&rest[0].value), rest) {
            (Found::Nothing, [table, column, ..]) => match env.scope.in_relation(&[&table.value], &column.value) {
                Found::Nothing => None,
                found => Some((found, &rest[2..])),
            },
            (Found::Nothing, _) => None,
            (found, _) => Some((found, &rest[1..])),
        };
        let Some((Found::Expr(column @ Expr::Column { index, .. }), fields)) = found.as_ref().map(|(f, r)| (f, *r)) else {
            let what = if found.is_some() { "is ambiguous" } else { "is no column of the input" };
            return Err(self.invalid(rest[0].span, format!("`{}` {what}", rest[0].value)));
        };
        let mut bound = match &mut row.aggregate {
            Some(variables) => {
                variables.push(variable);
                column.clone()
            }
            None => {
                let leaf = Leaf::Column { variable, column: *index, pick: row.pick.unwrap_or(Pick::Last(0)) };
                leaf_column(row, leaf, column.sql_type().with_nullable(true))
            }
        };
        for field in fields {
            bound = self.field(bound, field)?;
        }
        Ok(bound)
    }

    /// FIRST, LAST, aggregates and their like inside DEFINE and MEASURES; `None` for other functions and places.
    pub(super) fn pattern_function(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall) -> Result<Option<Expr>> {
        let Some(row) = &mut env.pattern else { return Ok(None) };
        let name = function_name(call);
        match name.as_str() {
            "FIRST" | "LAST" => self.picked(env, span, call, name == "FIRST").map(Some),
            "PREV" | "NEXT" | "CLASSIFIER" | "MATCH_NUMBER" => {
                Err(self.unsupported(span, format!("{name} is not supported in MATCH_RECOGNIZE")).with_remedy("use FIRST(..) and LAST(.., n)"))
            }
            "MATCH_PROCTIME" => Ok(Some(leaf_column(row, Leaf::Proctime, SqlType::not_null(DataType::TimestampLtz(3))))),
            "MATCH_ROWTIME" => {
                let rowtime = env.plan.columns.iter().find(|c| c.time == TimeAttribute::Rowtime);
                let rowtime = rowtime.ok_or_else(|| self.invalid(span, "MATCH_ROWTIME needs an input with event time"))?;
                let sql_type = rowtime.sql_type.clone();
                Ok(Some(leaf_column(row, Leaf::Rowtime, sql_type)))
            }
            _ if is_aggregate_name(&name) => self.pattern_aggregate(env, span, call, &name).map(Some),
            _ => Ok(None),
        }
    }

    fn picked(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall, is_first: bool) -> Result<Expr> {
        let values: Option<Vec<&ast::Expr>> = call.args.iter().map(|a| if let FunctionArgValue::Expr(e) = &a.value { Some(e) } else { None }).collect();
        let (value, offset) = match values.as_deref() {
            Some([value]) => (*value, 0),
            Some([value, offset]) => {
                let bound = self.expr(env, offset)?;
                let offset = whole_number(&bound)
                    .and_then(|n| u32::try_from(n).ok())
                    .ok_or_else(|| self.invalid(offset.span, "the offset must be a whole number, 0 or more"))?;
                (*value, offset)
            }
            _ => return Err(self.invalid(span, "FIRST and LAST take a value and an offset")),
        };
        let pick = if is_first { Pick::First(offset) } else { Pick::Last(offset) };
        let row = env.pattern.as_mut().expect("called for patterns only");
        if row.pick.is_some() || row.aggregate.is_some() {
            return Err(self.unsupported(span, "FIRST and LAST cannot be nested"));
        }
        row.pick = Some(pick);
        let bound = self.expr(env, value);
        env.pattern.as_mut().expect("set above").pick = None;
        bound
    }

    fn pattern_aggregate(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall, name: &str) -> Result<Expr> {
        self.check_clauses(span, call, name)?;
        let row = env.pattern.as_mut().expect("called for patterns only");
        if row.aggregate.is_some() || row.pick.is_some() {
            return Err(self.invalid(span, "aggregate functions cannot be nested"));
        }
        row.aggregate = Some(Vec::new());
        let args = self.call_args(env, call, name);
        let variables = env.pattern.as_mut().and_then(|r| r.aggregate.take()).unwrap_or_default();
        let args = args?;
        let variable = variables.first().copied().flatten();
        if variables.iter().any(|v| *v != variable) {
            return Err(self.invalid(span, format!("the arguments of {name} must be columns of one pattern variable")));
        }
        let function = self.aggregate_function(span, name)?;
        let arguments: Vec<Argument> = args.iter().map(argument).collect();
        let signature = function.bind(&arguments).map_err(|e| e.at(self.at(span)))?;
        let needed = args.into_iter().zip(&signature.args).map(|(a, t)| ("$arg".to_string(), coerce(a, t))).collect();
        let args = env.extend(needed);
        let sql_type = function.returns(&signature, true);
        let distinct = call.quantifier == Some(ast::SetQuantifier::Distinct);
        let call = AggregateCall { function, signature, args, distinct, filter: None, name: name.to_string() };
        let row = env.pattern.as_mut().expect("called for patterns only");
        Ok(leaf_column(row, Leaf::Aggregate { variable, call }, sql_type))
    }
}

/// The column of a leaf in the row that the expression is evaluated over.
fn leaf_column(row: &mut PatternRow, leaf: Leaf, sql_type: SqlType) -> Expr {
    let shown = format!("{leaf:?}");
    let at = row.leaves.iter().position(|(l, _)| format!("{l:?}") == shown).unwrap_or_else(|| {
        row.leaves.push((leaf, sql_type.clone()));
        row.leaves.len() - 1
    });
    Expr::column(at, sql_type)
}

fn take_leaves(env: &mut Env, expr: Expr) -> MatchExpr {
    let row = env.pattern.as_mut().expect("set by the caller");
    MatchExpr { leaves: std::mem::take(&mut row.leaves).into_iter().map(|(leaf, _)| leaf).collect(), expr }
}

fn time_of_leaf(leaf: &Leaf) -> TimeAttribute {
    match leaf {
        Leaf::Rowtime => TimeAttribute::Rowtime,
        Leaf::Proctime => TimeAttribute::Proctime,
        _ => TimeAttribute::None,
    }
}
