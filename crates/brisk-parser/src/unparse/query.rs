//! Queries.

use std::fmt::{Display, Formatter, Result};

use super::{Quoted, clause, commas, separated};
use crate::ast::{
    AfterMatch, Cte, Define, ExprKind, FrameBound, GroupBy, GroupItem, GroupItemKind, Hint, HintArgs, Ident, Join, JoinConstraint, JoinKind, MatchRecognize,
    Measure, NamedWindow, OrderItem, Pattern, PatternKind, Query, QueryBody, QueryBodyKind, RowsPerMatch, Select, SelectItem, SelectItemKind, SetOperator,
    SetQuantifier, Subset, TableAlias, TableArg, TableRef, TableRefKind, ValuesRow, WindowFrame, WindowSpec, With,
};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(with) = &self.with {
            write!(f, "{with} ")?;
        }
        write!(f, "{}", self.body)?;
        clause(f, " ORDER BY ", &self.order_by)?;
        if let Some(limit) = &self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        match &self.offset {
            Some(offset) => write!(f, " OFFSET {offset} ROWS"),
            None => Ok(()),
        }
    }
}

impl Display for With {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        clause(f, if self.recursive { "WITH RECURSIVE " } else { "WITH " }, &self.ctes)
    }
}

impl Display for Cte {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.name)?;
        columns(f, &self.columns)?;
        write!(f, " AS ({})", self.query)
    }
}

/// ` (a, b)` if there are any.
fn columns(f: &mut Formatter<'_>, columns: &[Ident]) -> Result {
    if columns.is_empty() {
        return Ok(());
    }
    clause(f, " (", columns)?;
    f.write_str(")")
}

impl Display for QueryBody {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            QueryBodyKind::Select(select) => write!(f, "{select}"),
            QueryBodyKind::Values(rows) => clause(f, "VALUES ", rows),
            QueryBodyKind::Table(name) => write!(f, "TABLE {name}"),
            QueryBodyKind::Query(query) => write!(f, "({query})"),
            QueryBodyKind::SetOperation { op, all, left, right } => {
                let all = if *all { " ALL" } else { "" };
                write!(f, "{} {op}{all} {}", SetOperand(left, *op, true), SetOperand(right, *op, false))
            }
        }
    }
}

/// One side of a set operation, in parentheses where its rank needs them.
struct SetOperand<'a>(&'a QueryBody, SetOperator, bool);

impl Display for SetOperand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(body, outer, is_left) = self;
        let needs_parentheses = match &body.kind {
            QueryBodyKind::SetOperation { op, .. } => {
                let inner_binds_tighter = *op == SetOperator::Intersect && *outer != SetOperator::Intersect;
                let same_rank = (*op == SetOperator::Intersect) == (*outer == SetOperator::Intersect);
                !(inner_binds_tighter || same_rank && *is_left)
            }
            _ => false,
        };
        if needs_parentheses { write!(f, "({body})") } else { write!(f, "{body}") }
    }
}

impl Display for SetOperator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        })
    }
}

impl Display for ValuesRow {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        // `(ROW(1, 2))` would be a row of two.
        let only_row = matches!(self.values.as_slice(), [only] if matches!(only.kind, ExprKind::Row(_)));
        f.write_str(if only_row { "ROW(" } else { "(" })?;
        commas(f, &self.values)?;
        f.write_str(")")
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("SELECT ")?;
        if !self.hints.is_empty() {
            hints(f, &self.hints)?;
            f.write_str(" ")?;
        }
        match self.quantifier {
            Some(SetQuantifier::Distinct) => f.write_str("DISTINCT ")?,
            Some(SetQuantifier::All) => f.write_str("ALL ")?,
            None => {}
        }
        commas(f, &self.items)?;
        clause(f, " FROM ", &self.from)?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if let Some(group_by) = &self.group_by {
            write!(f, " {group_by}")?;
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        clause(f, " WINDOW ", &self.windows)?;
        match &self.qualify {
            Some(qualify) => write!(f, " QUALIFY {qualify}"),
            None => Ok(()),
        }
    }
}

impl Display for SelectItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            SelectItemKind::Wildcard => f.write_str("*"),
            SelectItemKind::QualifiedWildcard(name) => write!(f, "{name}.*"),
            SelectItemKind::Expr { expr, alias: Some(alias) } => write!(f, "{expr} AS {alias}"),
            SelectItemKind::Expr { expr, alias: None } => write!(f, "{expr}"),
        }
    }
}

/// `/*+ a, b(c) */`.
fn hints(f: &mut Formatter<'_>, hints: &[Hint]) -> Result {
    clause(f, "/*+ ", hints)?;
    f.write_str(" */")
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.name)?;
        match &self.args {
            HintArgs::None => Ok(()),
            HintArgs::KeyValues(pairs) => {
                f.write_str("(")?;
                commas(f, pairs.iter().map(|(key, value)| format!("{} = {}", Quoted(key), Quoted(value))))?;
                f.write_str(")")
            }
            HintArgs::List(items) => {
                f.write_str("(")?;
                commas(f, items.iter().map(|item| Quoted(item)))?;
                f.write_str(")")
            }
        }
    }
}

impl Display for GroupBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        clause(f, if self.distinct { "GROUP BY DISTINCT " } else { "GROUP BY " }, &self.items)
    }
}

impl Display for GroupItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            GroupItemKind::Expr(expr) => return write!(f, "{expr}"),
            GroupItemKind::Set(items) => {
                f.write_str("(")?;
                commas(f, items)?;
            }
            GroupItemKind::Rollup(items) => clause(f, "ROLLUP (", items)?,
            GroupItemKind::Cube(items) => clause(f, "CUBE (", items)?,
            GroupItemKind::GroupingSets(items) => clause(f, "GROUPING SETS (", items)?,
        }
        f.write_str(")")
    }
}

impl Display for NamedWindow {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} AS {}", self.name, self.spec)
    }
}

impl Display for WindowSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut parts = Vec::new();
        if let Some(base) = &self.base {
            parts.push(base.to_string());
        }
        if !self.partition_by.is_empty() {
            parts.push(format!("PARTITION BY {}", joined(&self.partition_by)));
        }
        if !self.order_by.is_empty() {
            parts.push(format!("ORDER BY {}", joined(&self.order_by)));
        }
        if let Some(frame) = &self.frame {
            parts.push(frame.to_string());
        }
        write!(f, "({})", parts.join(" "))
    }
}

fn joined<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for WindowFrame {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let units = if self.rows { "ROWS" } else { "RANGE" };
        match &self.end {
            Some(end) => write!(f, "{units} BETWEEN {} AND {end}", self.start),
            None => write!(f, "{units} {}", self.start),
        }
    }
}

impl Display for FrameBound {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            FrameBound::CurrentRow => f.write_str("CURRENT ROW"),
            FrameBound::UnboundedPreceding => f.write_str("UNBOUNDED PRECEDING"),
            FrameBound::UnboundedFollowing => f.write_str("UNBOUNDED FOLLOWING"),
            FrameBound::Preceding(expr) => write!(f, "{expr} PRECEDING"),
            FrameBound::Following(expr) => write!(f, "{expr} FOLLOWING"),
        }
    }
}

impl Display for OrderItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.expr)?;
        f.write_str(if self.descending { " DESC" } else { "" })?;
        f.write_str(match self.nulls_first {
            Some(true) => " NULLS FIRST",
            Some(false) => " NULLS LAST",
            None => "",
        })
    }
}

impl Display for TableRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            TableRefKind::Table { name, hints: table_hints, system_time } => {
                write!(f, "{name}")?;
                if !table_hints.is_empty() {
                    f.write_str(" ")?;
                    hints(f, table_hints)?;
                }
                if let Some(time) = system_time {
                    write!(f, " FOR SYSTEM_TIME AS OF {time}")?;
                }
            }
            TableRefKind::Query { query, lateral } => write!(f, "{}({query})", lateral_word(*lateral))?,
            TableRefKind::Function { call, lateral, hints: call_hints } => {
                write!(f, "{}TABLE({call})", lateral_word(*lateral))?;
                if !call_hints.is_empty() {
                    f.write_str(" ")?;
                    hints(f, call_hints)?;
                }
            }
            TableRefKind::Unnest { exprs, with_ordinality } => {
                clause(f, "UNNEST(", exprs)?;
                f.write_str(if *with_ordinality { ") WITH ORDINALITY" } else { ")" })?;
            }
            TableRefKind::Join(join) => write!(f, "{join}")?,
            TableRefKind::MatchRecognize(matched) => write!(f, "{matched}")?,
        }
        match &self.alias {
            Some(alias) => write!(f, " AS {alias}"),
            None => Ok(()),
        }
    }
}

fn lateral_word(lateral: bool) -> &'static str {
    if lateral { "LATERAL " } else { "" }
}

impl Display for TableAlias {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.name)?;
        columns(f, &self.columns)
    }
}

impl Display for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let natural = if self.natural { "NATURAL " } else { "" };
        let kind = match self.kind {
            JoinKind::Inner => "INNER",
            JoinKind::Left => "LEFT",
            JoinKind::Right => "RIGHT",
            JoinKind::Full => "FULL",
            JoinKind::Cross => "CROSS",
        };
        write!(f, "{} {natural}{kind} JOIN ", self.left)?;
        match self.right.kind {
            TableRefKind::Join(_) => write!(f, "({})", self.right)?,
            _ => write!(f, "{}", self.right)?,
        }
        match &self.constraint {
            JoinConstraint::None => Ok(()),
            JoinConstraint::On(condition) => write!(f, " ON {condition}"),
            JoinConstraint::Using(columns) => {
                clause(f, " USING (", columns)?;
                f.write_str(")")
            }
        }
    }
}

impl Display for TableArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.query.body.kind {
            QueryBodyKind::Table(name) if self.query.is_plain() => write!(f, "TABLE {name}")?,
            _ => write!(f, "({})", self.query)?,
        }
        one_or_parenthesized(f, " PARTITION BY ", &self.partition_by)?;
        one_or_parenthesized(f, " ORDER BY ", &self.order_by)
    }
}

fn one_or_parenthesized<T: Display>(f: &mut Formatter<'_>, before: &str, items: &[T]) -> Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "{before}(")?;
    commas(f, items)?;
    f.write_str(")")
}

impl Display for MatchRecognize {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.input.kind {
            TableRefKind::Join(_) => write!(f, "({})", self.input)?,
            _ if self.input.alias.is_some() => write!(f, "({})", self.input)?,
            _ => write!(f, "{}", self.input)?,
        }
        f.write_str(" MATCH_RECOGNIZE (")?;
        clause(f, "PARTITION BY ", &self.partition_by)?;
        clause(f, " ORDER BY ", &self.order_by)?;
        clause(f, " MEASURES ", &self.measures)?;
        f.write_str(match self.rows_per_match {
            Some(RowsPerMatch::One) => " ONE ROW PER MATCH",
            Some(RowsPerMatch::All) => " ALL ROWS PER MATCH",
            None => "",
        })?;
        match &self.after_match {
            Some(AfterMatch::NextRow) => f.write_str(" AFTER MATCH SKIP TO NEXT ROW")?,
            Some(AfterMatch::PastLastRow) => f.write_str(" AFTER MATCH SKIP PAST LAST ROW")?,
            Some(AfterMatch::First(name)) => write!(f, " AFTER MATCH SKIP TO FIRST {name}")?,
            Some(AfterMatch::Last(name)) => write!(f, " AFTER MATCH SKIP TO LAST {name}")?,
            None => {}
        }
        let start = if self.strict_start { "^ " } else { "" };
        let end = if self.strict_end { " $" } else { "" };
        write!(f, " PATTERN ({start}{}{end})", self.pattern)?;
        if let Some(within) = &self.within {
            write!(f, " WITHIN {within}")?;
        }
        clause(f, " SUBSET ", &self.subsets)?;
        clause(f, " DEFINE ", &self.defines)?;
        f.write_str(")")
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} AS {}", self.expr, self.alias)
    }
}

impl Display for Subset {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} = (", self.name)?;
        commas(f, &self.members)?;
        f.write_str(")")
    }
}

impl Display for Define {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} AS {}", self.name, self.condition)
    }
}

/// A pattern inside another: in parentheses unless it is one thing.
struct Part<'a>(&'a Pattern);

impl Display for Part<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0.kind {
            PatternKind::Concat(_) | PatternKind::Alternate(_) | PatternKind::Repeat { .. } => write!(f, "({})", self.0),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            PatternKind::Variable(name) => write!(f, "{name}"),
            PatternKind::Concat(items) => separated(f, " ", items.iter().map(Part)),
            PatternKind::Alternate(items) => separated(f, " | ", items.iter().map(Part)),
            PatternKind::Repeat { pattern, min, max, greedy } => {
                write!(f, "{}", Part(pattern))?;
                match (min, max) {
                    (0, None) => f.write_str("*")?,
                    (1, None) => f.write_str("+")?,
                    (0, Some(1)) => f.write_str("?")?,
                    (min, None) => write!(f, "{{{min},}}")?,
                    (min, Some(max)) if min == max => write!(f, "{{{min}}}")?,
                    (min, Some(max)) => write!(f, "{{{min},{max}}}")?,
                }
                f.write_str(if *greedy { "" } else { "?" })
            }
            PatternKind::Permute(items) => {
                clause(f, "PERMUTE(", items)?;
                f.write_str(")")
            }
            PatternKind::Exclude(inner) => write!(f, "{{- {inner} -}}"),
        }
    }
}
