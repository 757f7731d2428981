//! Expressions.

use std::fmt::{Display, Formatter, Result};

use super::{Quoted, clause, commas};
use crate::ast::{
    BinaryOp, CaseBranch, Expr, ExprKind, FunctionArg, FunctionArgValue, FunctionCall, IntervalLiteral, IsTest, LikeOp, Literal, NullTreatment, Over,
    QuantifiedOperand, Quantifier, SetQuantifier, TrimSide, UnaryOp,
};
use crate::keywords::{is_context_variable, is_reserved_function};

/// An operand: in parentheses where it binds looser than `rank`.
struct Operand<'a>(&'a Expr, u8);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.0.kind.rank() < self.1 {
            return write!(f, "({})", self.0);
        }
        write!(f, "{}", self.0)
    }
}

/// What `[i]` or `.f` stands behind. A number there would swallow the dot.
struct Base<'a>(&'a Expr);

impl Display for Base<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0.kind {
            ExprKind::Literal(_) => write!(f, "({})", self.0),
            _ => write!(f, "{}", Operand(self.0, u8::MAX)),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.kind)
    }
}

impl Display for ExprKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let rank = self.rank();
        let above = rank.saturating_add(1);
        match self {
            ExprKind::Name(name) => write!(f, "{name}"),
            ExprKind::Literal(literal) => write!(f, "{literal}"),
            ExprKind::Parameter(_) => f.write_str("?"),
            ExprKind::Default => f.write_str("DEFAULT"),
            ExprKind::Unary { op, expr } => unary(f, *op, expr, rank),
            ExprKind::Binary { op, left, right } => write!(f, "{} {op} {}", Operand(left, rank), Operand(right, above)),
            ExprKind::Is { expr, negated, test } => write!(f, "{} IS {}{test}", Operand(expr, rank), not(*negated)),
            ExprKind::IsDistinctFrom { left, right, negated } => {
                let (left, right) = (Operand(left, rank), Operand(right, above));
                write!(f, "{left} IS {}DISTINCT FROM {right}", not(*negated))
            }
            ExprKind::Between { expr, negated, symmetric, low, high } => {
                write!(f, "{} {}BETWEEN ", Operand(expr, rank), not(*negated))?;
                f.write_str(if *symmetric { "SYMMETRIC " } else { "" })?;
                write!(f, "{} AND {}", Operand(low, above), Operand(high, above))
            }
            ExprKind::InList { expr, negated, list } => {
                write!(f, "{} {}IN (", Operand(expr, rank), not(*negated))?;
                commas(f, list)?;
                f.write_str(")")
            }
            ExprKind::InQuery { expr, negated, query } => {
                write!(f, "{} {}IN ({query})", Operand(expr, rank), not(*negated))
            }
            ExprKind::Quantified { left, op, quantifier, right } => {
                write!(f, "{} {op} {quantifier} {right}", Operand(left, rank))
            }
            ExprKind::Exists(query) => write!(f, "EXISTS ({query})"),
            ExprKind::Unique(query) => write!(f, "UNIQUE ({query})"),
            ExprKind::Subquery(query) => write!(f, "({query})"),
            ExprKind::Like { expr, negated, op, pattern, escape } => {
                write!(f, "{} {}{op} {}", Operand(expr, rank), not(*negated), Operand(pattern, above))?;
                match escape {
                    Some(escape) => write!(f, " ESCAPE {}", Operand(escape, u8::MAX)),
                    None => Ok(()),
                }
            }
            ExprKind::AtTimeZone { expr, zone: Some(zone) } => {
                write!(f, "{} AT TIME ZONE {}", Operand(expr, rank), Operand(zone, above))
            }
            ExprKind::AtTimeZone { expr, zone: None } => write!(f, "{} AT LOCAL", Operand(expr, rank)),
            ExprKind::Case { operand, branches, otherwise } => case(f, operand.as_deref(), branches, otherwise.as_deref()),
            ExprKind::Cast { expr, data_type, is_try } => {
                write!(f, "{}CAST({expr} AS {data_type})", if *is_try { "TRY_" } else { "" })
            }
            ExprKind::Function(call) => write!(f, "{call}"),
            ExprKind::Extract { unit, expr } => write!(f, "EXTRACT({unit} FROM {expr})"),
            ExprKind::RoundTo { ceil, expr, unit } => {
                write!(f, "{}({expr} TO {unit})", if *ceil { "CEIL" } else { "FLOOR" })
            }
            ExprKind::TimestampAdd { unit, amount, expr } => write!(f, "TIMESTAMPADD({unit}, {amount}, {expr})"),
            ExprKind::TimestampDiff { unit, from, to } => write!(f, "TIMESTAMPDIFF({unit}, {from}, {to})"),
            ExprKind::Trim { side, what, expr } => trim(f, *side, what.as_deref(), expr),
            ExprKind::Position { needle, haystack, from } => {
                write!(f, "POSITION({} IN {haystack}", Operand(needle, u8::MAX))?;
                optional(f, " FROM ", from.as_deref())?;
                f.write_str(")")
            }
            ExprKind::Overlay { expr, placing, from, length } => {
                write!(f, "OVERLAY({expr} PLACING {placing} FROM {from}")?;
                optional(f, " FOR ", length.as_deref())?;
                f.write_str(")")
            }
            ExprKind::Row(items) => list(f, "ROW(", items, ")"),
            ExprKind::Array(items) => list(f, "ARRAY[", items, "]"),
            ExprKind::ArrayQuery(query) => write!(f, "ARRAY({query})"),
            ExprKind::Map(entries) => {
                f.write_str("MAP[")?;
                commas(f, entries.iter().flat_map(|(key, value)| [key, value]))?;
                f.write_str("]")
            }
            ExprKind::MapQuery(query) => write!(f, "MAP({query})"),
            ExprKind::Multiset(items) => list(f, "MULTISET[", items, "]"),
            ExprKind::MultisetQuery(query) => write!(f, "MULTISET({query})"),
            ExprKind::Element { expr, index } => write!(f, "{}[{index}]", Base(expr)),
            ExprKind::Field { expr, name } if matches!(expr.kind, ExprKind::Name(_)) => write!(f, "({expr}).{name}"),
            ExprKind::Field { expr, name } => write!(f, "{}.{name}", Base(expr)),
            ExprKind::AllFields(expr) => write!(f, "({expr}).*"),
            ExprKind::Interval(interval) => write!(f, "INTERVAL ({}) {}", interval.value, interval.qualifier),
            ExprKind::Semantics { is_final, expr } => {
                write!(f, "{} {expr}", if *is_final { "FINAL" } else { "RUNNING" })
            }
            ExprKind::Period { start, end } => write!(f, "PERIOD ({start}, {end})"),
            ExprKind::DateDifference { left, right, qualifier } => {
                let minus = BinaryOp::Minus.rank();
                write!(f, "({} - {}) {qualifier}", Operand(left, minus), Operand(right, minus + 1))
            }
            ExprKind::Json(call) => write!(f, "{call}"),
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn optional(f: &mut Formatter<'_>, before: &str, expr: Option<&Expr>) -> Result {
    match expr {
        Some(expr) => write!(f, "{before}{expr}"),
        None => Ok(()),
    }
}

fn list(f: &mut Formatter<'_>, before: &str, items: &[Expr], after: &str) -> Result {
    f.write_str(before)?;
    commas(f, items)?;
    f.write_str(after)
}

fn unary(f: &mut Formatter<'_>, op: UnaryOp, expr: &Expr, rank: u8) -> Result {
    let sign = match op {
        UnaryOp::Not => return write!(f, "NOT {}", Operand(expr, rank)),
        UnaryOp::Minus => "-",
        UnaryOp::Plus => "+",
    };
    // Two signs in a row would be a comment.
    write!(f, "{sign}{}", Operand(expr, rank + 1))
}

fn case(f: &mut Formatter<'_>, operand: Option<&Expr>, branches: &[CaseBranch], otherwise: Option<&Expr>) -> Result {
    f.write_str("CASE")?;
    optional(f, " ", operand)?;
    for branch in branches {
        clause(f, " WHEN ", &branch.conditions)?;
        write!(f, " THEN {}", branch.result)?;
    }
    optional(f, " ELSE ", otherwise)?;
    f.write_str(" END")
}

fn trim(f: &mut Formatter<'_>, side: TrimSide, what: Option<&Expr>, expr: &Expr) -> Result {
    let side = match side {
        TrimSide::Both => "BOTH",
        TrimSide::Leading => "LEADING",
        TrimSide::Trailing => "TRAILING",
    };
    write!(f, "TRIM({side}")?;
    optional(f, " ", what)?;
    write!(f, " FROM {expr})")
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Boolean(true) => f.write_str("TRUE"),
            Literal::Boolean(false) => f.write_str("FALSE"),
            Literal::Unknown => f.write_str("UNKNOWN"),
            Literal::Exact(text) | Literal::Approximate(text) => f.write_str(text),
            Literal::String { value, charset: None } => write!(f, "{}", Quoted(value)),
            Literal::String { value, charset: Some(charset) } => write!(f, "_{charset}{}", Quoted(value)),
            Literal::Binary(bytes) => {
                f.write_str("X'")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
                f.write_str("'")
            }
            Literal::Date(text) => write!(f, "DATE {}", Quoted(text)),
            Literal::Time(text) => write!(f, "TIME {}", Quoted(text)),
            Literal::Timestamp(text) => write!(f, "TIMESTAMP {}", Quoted(text)),
            Literal::TimestampLtz(text) => write!(f, "TIMESTAMP WITH LOCAL TIME ZONE {}", Quoted(text)),
            Literal::Interval(interval) => write!(f, "{interval}"),
        }
    }
}

impl Display for IntervalLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "INTERVAL {sign}{} {}", Quoted(&self.value), self.qualifier)
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            BinaryOp::Or => "OR",
            BinaryOp::And => "AND",
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
            BinaryOp::Overlaps => "OVERLAPS",
            BinaryOp::Contains => "CONTAINS",
            BinaryOp::Equals => "EQUALS",
            BinaryOp::Precedes => "PRECEDES",
            BinaryOp::Succeeds => "SUCCEEDS",
            BinaryOp::ImmediatelyPrecedes => "IMMEDIATELY PRECEDES",
            BinaryOp::ImmediatelySucceeds => "IMMEDIATELY SUCCEEDS",
            BinaryOp::MemberOf => "MEMBER OF",
            BinaryOp::SubmultisetOf => "SUBMULTISET OF",
            BinaryOp::MultisetUnion => "MULTISET UNION",
            BinaryOp::MultisetUnionAll => "MULTISET UNION ALL",
            BinaryOp::MultisetIntersect => "MULTISET INTERSECT",
            BinaryOp::MultisetIntersectAll => "MULTISET INTERSECT ALL",
            BinaryOp::MultisetExcept => "MULTISET EXCEPT",
            BinaryOp::MultisetExceptAll => "MULTISET EXCEPT ALL",
        })
    }
}

impl Display for IsTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            IsTest::Null => "NULL",
            IsTest::True => "TRUE",
            IsTest::False => "FALSE",
            IsTest::Unknown => "UNKNOWN",
            IsTest::JsonValue => "JSON VALUE",
            IsTest::JsonObject => "JSON OBJECT",
            IsTest::JsonArray => "JSON ARRAY",
            IsTest::JsonScalar => "JSON SCALAR",
            IsTest::ASet => "A SET",
            IsTest::Empty => "EMPTY",
        })
    }
}

impl Display for LikeOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            LikeOp::Like => "LIKE",
            LikeOp::SimilarTo => "SIMILAR TO",
            LikeOp::Rlike => "RLIKE",
        })
    }
}

impl Display for Quantifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Quantifier::Some => "SOME",
            Quantifier::All => "ALL",
        })
    }
}

impl Display for QuantifiedOperand {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            QuantifiedOperand::Query(query) => write!(f, "({query})"),
            QuantifiedOperand::List(items) => list(f, "(", items, ")"),
        }
    }
}

impl Display for FunctionCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        function_name(f, self)?;
        if !self.parentheses {
            return Ok(());
        }
        f.write_str("(")?;
        match self.quantifier {
            Some(SetQuantifier::Distinct) => f.write_str("DISTINCT ")?,
            Some(SetQuantifier::All) => f.write_str("ALL ")?,
            None => {}
        }
        commas(f, &self.args)?;
        clause(f, " ORDER BY ", &self.order_by)?;
        f.write_str(")")?;
        match self.nulls {
            Some(NullTreatment::Respect) => f.write_str(" RESPECT NULLS")?,
            Some(NullTreatment::Ignore) => f.write_str(" IGNORE NULLS")?,
            None => {}
        }
        if !self.within_group.is_empty() {
            clause(f, " WITHIN GROUP (ORDER BY ", &self.within_group)?;
            f.write_str(")")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " FILTER (WHERE {filter})")?;
        }
        match &self.over {
            Some(Over::Named(name)) => write!(f, " OVER {name}"),
            Some(Over::Window(spec)) => write!(f, " OVER {spec}"),
            None => Ok(()),
        }
    }
}

/// Reserved words name functions without backticks, where they were written so.
fn function_name(f: &mut Formatter<'_>, call: &FunctionCall) -> Result {
    if let [only] = call.name.parts.as_slice() {
        let upper = only.value.to_uppercase();
        let reserved = if call.parentheses { is_reserved_function(&upper) } else { is_context_variable(&upper) };
        if reserved && !only.quoted {
            return f.write_str(&only.value);
        }
        // In backticks these are plain functions; without, some begin a grammar of their own.
        if only.quoted {
            return write!(f, "`{}`", only.value.replace('`', "``"));
        }
    }
    write!(f, "{}", call.name)
}

impl Display for FunctionArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(name) = &self.name {
            write!(f, "{name} => ")?;
        }
        match &self.value {
            FunctionArgValue::Expr(expr) => write!(f, "{expr}"),
            FunctionArgValue::Wildcard => f.write_str("*"),
            FunctionArgValue::Table(table) => write!(f, "{table}"),
            FunctionArgValue::Descriptor(columns) => {
                clause(f, "DESCRIPTOR(", columns)?;
                f.write_str(")")
            }
            FunctionArgValue::Model(name) => write!(f, "MODEL {name}"),
        }
    }
}
