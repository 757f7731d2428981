//! Expressions.

use super::{DataType, Ident, IntervalExpr, IntervalLiteral, IntervalQualifier, JsonCall, ObjectName, OrderItem, Query, Span, TableArg, TimeUnit, WindowSpec};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it was written; parentheses around it are not part of it.
    pub span: Span,
}

impl Expr {
    /// An expression of this kind at this place.
    pub fn new(kind: ExprKind, span: Span) -> Self {
        Self { kind, span }
    }

    /// The name, where this expression is a plain or dotted name.
    pub fn as_name(&self) -> Option<&ObjectName> {
        match &self.kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The literal, where this expression is one.
    pub fn as_literal(&self) -> Option<&Literal> {
        match &self.kind {
            ExprKind::Literal(literal) => Some(literal),
            _ => None,
        }
    }
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `a`, `t.a`, `t.row.field`: which part is what is for the binder to find out.
    Name(ObjectName),
    /// A constant.
    Literal(Literal),
    /// `?`, counted from 0 within its statement.
    Parameter(usize),
    /// `DEFAULT`, as a value of INSERT or an argument.
    Default,
    /// `-a`, `+a`, `NOT a`.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// The operand.
        expr: Box<Expr>,
    },
    /// `a + b`, `a AND b`, `a OVERLAPS b` ...
    Binary {
        /// The operator.
        op: BinaryOp,
        /// The operand before it.
        left: Box<Expr>,
        /// The operand behind it.
        right: Box<Expr>,
    },
    /// `a IS [NOT] NULL`, `TRUE`, `JSON OBJECT` ...
    Is {
        /// What is tested.
        expr: Box<Expr>,
        /// IS NOT.
        negated: bool,
        /// For what.
        test: IsTest,
    },
    /// `a IS [NOT] DISTINCT FROM b`.
    IsDistinctFrom {
        /// One side.
        left: Box<Expr>,
        /// The other.
        right: Box<Expr>,
        /// IS NOT DISTINCT FROM.
        negated: bool,
    },
    /// `a [NOT] BETWEEN [SYMMETRIC] low AND high`.
    Between {
        /// What is tested.
        expr: Box<Expr>,
        /// NOT BETWEEN.
        negated: bool,
        /// Either bound may be the lower one. ASYMMETRIC, the default, is `false`.
        symmetric: bool,
        /// The first bound.
        low: Box<Expr>,
        /// The second bound.
        high: Box<Expr>,
    },
    /// `a [NOT] IN (1, 2)`.
    InList {
        /// What is looked for.
        expr: Box<Expr>,
        /// NOT IN.
        negated: bool,
        /// At least one.
        list: Vec<Expr>,
    },
    /// `a [NOT] IN (SELECT ...)`; `(a, b) IN ...` has a [`ExprKind::Row`] as `expr`.
    InQuery {
        /// What is looked for.
        expr: Box<Expr>,
        /// NOT IN.
        negated: bool,
        /// Where.
        query: Box<Query>,
    },
    /// `a > ALL (SELECT ...)`, `a = SOME (1, 2)`.
    Quantified {
        /// One side.
        left: Box<Expr>,
        /// A comparison.
        op: BinaryOp,
        /// SOME (also written ANY) or ALL.
        quantifier: Quantifier,
        /// The other side.
        right: QuantifiedOperand,
    },
    /// `EXISTS (SELECT ...)`. `NOT EXISTS` is a [`UnaryOp::Not`] around it.
    Exists(Box<Query>),
    /// `UNIQUE (SELECT ...)`.
    Unique(Box<Query>),
    /// `(SELECT ...)` as a value.
    Subquery(Box<Query>),
    /// `a [NOT] LIKE 'x%' [ESCAPE '\']`, SIMILAR TO, RLIKE.
    Like {
        /// What is matched.
        expr: Box<Expr>,
        /// NOT LIKE.
        negated: bool,
        /// Which kind of pattern.
        op: LikeOp,
        /// The pattern.
        pattern: Box<Expr>,
        /// Behind ESCAPE.
        escape: Option<Box<Expr>>,
    },
    /// `a AT TIME ZONE 'x'`, or `a AT LOCAL` with no zone.
    AtTimeZone {
        /// A timestamp.
        expr: Box<Expr>,
        /// `None` is AT LOCAL.
        zone: Option<Box<Expr>>,
    },
    /// `CASE [a] WHEN b THEN c ... [ELSE d] END`.
    Case {
        /// The value that is compared; without it the branches are conditions.
        operand: Option<Box<Expr>>,
        /// At least one.
        branches: Vec<CaseBranch>,
        /// Behind ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(a AS INT)`, `TRY_CAST(a AS INT)`.
    Cast {
        /// The value.
        expr: Box<Expr>,
        /// The target.
        data_type: DataType,
        /// TRY_CAST: NULL where it fails.
        is_try: bool,
    },
    /// `f(a, b)`, with everything that may follow it; also `CURRENT_DATE` and its like without parentheses.
    Function(Box<FunctionCall>),
    /// `EXTRACT(DAY FROM a)`.
    Extract {
        /// What to take.
        unit: TimeUnit,
        /// From what.
        expr: Box<Expr>,
    },
    /// `FLOOR(a TO DAY)`, `CEIL(a TO DAY)`. Without TO they are ordinary functions.
    RoundTo {
        /// CEIL; otherwise FLOOR.
        ceil: bool,
        /// A date or time.
        expr: Box<Expr>,
        /// Behind TO.
        unit: TimeUnit,
    },
    /// `TIMESTAMPADD(DAY, n, ts)`.
    TimestampAdd {
        /// What `amount` counts.
        unit: TimeUnit,
        /// How many.
        amount: Box<Expr>,
        /// To what.
        expr: Box<Expr>,
    },
    /// `TIMESTAMPDIFF(DAY, from, to)`.
    TimestampDiff {
        /// What to count.
        unit: TimeUnit,
        /// The earlier one, if the result is to be positive.
        from: Box<Expr>,
        /// The later one.
        to: Box<Expr>,
    },
    /// `TRIM([[BOTH|LEADING|TRAILING] [what] FROM] a)`.
    Trim {
        /// BOTH where nothing is written.
        side: TrimSide,
        /// What is cut off; a blank where nothing is written.
        what: Option<Box<Expr>>,
        /// From what.
        expr: Box<Expr>,
    },
    /// `POSITION(needle IN haystack [FROM start])`.
    Position {
        /// What is looked for.
        needle: Box<Expr>,
        /// In what.
        haystack: Box<Expr>,
        /// From which character.
        from: Option<Box<Expr>>,
    },
    /// `OVERLAY(a PLACING b FROM start [FOR length])`.
    Overlay {
        /// The text.
        expr: Box<Expr>,
        /// What is put into it.
        placing: Box<Expr>,
        /// At which character.
        from: Box<Expr>,
        /// Instead of how many.
        length: Option<Box<Expr>>,
    },
    /// `ROW(a, b)` or `(a, b)`.
    Row(Vec<Expr>),
    /// `ARRAY[a, b]`.
    Array(Vec<Expr>),
    /// `ARRAY(SELECT ...)`.
    ArrayQuery(Box<Query>),
    /// `MAP[k, v, k, v]`.
    Map(Vec<(Expr, Expr)>),
    /// `MAP(SELECT k, v ...)`.
    MapQuery(Box<Query>),
    /// `MULTISET[a, b]`.
    Multiset(Vec<Expr>),
    /// `MULTISET(SELECT ...)`.
    MultisetQuery(Box<Query>),
    /// `a[i]`: an array, a map, or a row by position or name.
    Element {
        /// The collection.
        expr: Box<Expr>,
        /// Position or key.
        index: Box<Expr>,
    },
    /// `(a).f`, `f(x).y`, `a[1].b`. Plain dotted names are [`ExprKind::Name`].
    Field {
        /// The row.
        expr: Box<Expr>,
        /// The field.
        name: Ident,
    },
    /// `(a).*`, `f(x).*`, as a select item or argument.
    AllFields(Box<Expr>),
    /// `INTERVAL a DAY` with something else than a quoted literal.
    Interval(Box<IntervalExpr>),
    /// `FINAL x`, `RUNNING x` in MATCH_RECOGNIZE.
    Semantics {
        /// FINAL; otherwise RUNNING.
        is_final: bool,
        /// What it governs.
        expr: Box<Expr>,
    },
    /// `PERIOD (a, b)`, an operand of OVERLAPS and its like.
    Period {
        /// The start.
        start: Box<Expr>,
        /// The end, or how long.
        end: Box<Expr>,
    },
    /// `(a - b) DAY`: the time between two points as an interval.
    DateDifference {
        /// The later one.
        left: Box<Expr>,
        /// The earlier one.
        right: Box<Expr>,
        /// What the interval counts in.
        qualifier: IntervalQualifier,
    },
    /// JSON_EXISTS, JSON_VALUE and their like.
    Json(Box<JsonCall>),
}

/// A constant, as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `NULL`.
    Null,
    /// `TRUE`, `FALSE`.
    Boolean(bool),
    /// `UNKNOWN`: a BOOLEAN that is NULL.
    Unknown,
    /// `12`, `1.50`: an exact number (INT, BIGINT or DECIMAL by its digits). Signs are [`UnaryOp`]s.
    Exact(String),
    /// `1e3`, `1.5E-2`: a DOUBLE.
    Approximate(String),
    /// `'text'`, `U&'...'`, `_utf8'...'`: quotes and escapes are resolved.
    String {
        /// The text.
        value: String,
        /// The name behind the underscore, in capitals.
        charset: Option<String>,
    },
    /// `X'CAFE'`.
    Binary(Vec<u8>),
    /// `DATE '2020-01-01'`.
    Date(String),
    /// `TIME '12:00:00'`.
    Time(String),
    /// `TIMESTAMP '2020-01-01 12:00:00'`.
    Timestamp(String),
    /// `TIMESTAMP WITH LOCAL TIME ZONE '...'`.
    TimestampLtz(String),
    /// `INTERVAL '1' DAY`.
    Interval(IntervalLiteral),
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    Plus,
    Minus,
    Not,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    /// `<>`.
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Plus,
    Minus,
    Multiply,
    Divide,
    /// `%`.
    Modulo,
    /// `||`.
    Concat,
    /// `OVERLAPS` and the period predicates below.
    Overlaps,
    Contains,
    Equals,
    Precedes,
    Succeeds,
    ImmediatelyPrecedes,
    ImmediatelySucceeds,
    MemberOf,
    SubmultisetOf,
    MultisetUnion,
    MultisetUnionAll,
    MultisetIntersect,
    MultisetIntersectAll,
    MultisetExcept,
    MultisetExceptAll,
}

/// What IS asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsTest {
    Null,
    True,
    False,
    Unknown,
    /// `IS JSON`, `IS JSON VALUE`.
    JsonValue,
    JsonObject,
    JsonArray,
    JsonScalar,
    /// `IS A SET`.
    ASet,
    /// `IS EMPTY`.
    Empty,
}

/// SOME (ANY) or ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    Some,
    All,
}

/// What stands behind SOME or ALL.
#[derive(Debug, Clone, PartialEq)]
pub enum QuantifiedOperand {
    /// `(SELECT ...)`.
    Query(Box<Query>),
    /// `(1, 2)`.
    List(Vec<Expr>),
}

/// Which pattern language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeOp {
    Like,
    SimilarTo,
    Rlike,
}

/// Which end TRIM cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimSide {
    Both,
    Leading,
    Trailing,
}

/// `WHEN a [, b] THEN c`.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseBranch {
    /// At least one; several (`CASE x WHEN 1, 2 THEN`) only where CASE has an operand.
    pub conditions: Vec<Expr>,
    /// The result.
    pub result: Expr,
    /// The whole branch.
    pub span: Span,
}

/// A call of a named function: scalar, aggregate, window or table function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// As written; built-in names compare without case.
    pub name: ObjectName,
    /// `f(DISTINCT a)`, `f(ALL a)`.
    pub quantifier: Option<SetQuantifier>,
    /// The arguments. `SUBSTRING(a FROM b FOR c)` arrives as three plain ones, `CEILING` as `CEIL`.
    pub args: Vec<FunctionArg>,
    /// ORDER BY inside the parentheses.
    pub order_by: Vec<OrderItem>,
    /// WITHIN GROUP (ORDER BY ...).
    pub within_group: Vec<OrderItem>,
    /// FILTER (WHERE ...).
    pub filter: Option<Expr>,
    /// RESPECT NULLS or IGNORE NULLS.
    pub nulls: Option<NullTreatment>,
    /// OVER.
    pub over: Option<Over>,
    /// Written with parentheses: `CURRENT_DATE` is not, `CURRENT_TIMESTAMP(3)` and `NOW()` are.
    pub parentheses: bool,
    /// The whole call.
    pub span: Span,
}

/// One argument of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionArg {
    /// `name => value`.
    pub name: Option<Ident>,
    /// The value.
    pub value: FunctionArgValue,
    /// The whole argument.
    pub span: Span,
}

/// What an argument may be.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionArgValue {
    /// A plain value ([`ExprKind::Default`] for DEFAULT).
    Expr(Expr),
    /// `*`, in COUNT(*).
    Wildcard,
    /// `TABLE t`, `(SELECT ...)` in a table function, with PARTITION BY and ORDER BY. A subquery without them
    /// arrives here too where the call stands in FROM; elsewhere it is a [`ExprKind::Subquery`].
    Table(Box<TableArg>),
    /// `DESCRIPTOR(a, b)`.
    Descriptor(Vec<Ident>),
    /// `MODEL m`.
    Model(ObjectName),
}

/// DISTINCT or ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetQuantifier {
    Distinct,
    All,
}

/// Whether NULLs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullTreatment {
    Respect,
    Ignore,
}

/// What stands behind OVER.
#[derive(Debug, Clone, PartialEq)]
pub enum Over {
    /// `OVER w`, defined by WINDOW.
    Named(Ident),
    /// `OVER (...)`.
    Window(WindowSpec),
}
