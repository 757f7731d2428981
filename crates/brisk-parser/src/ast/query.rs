//! Queries: SELECT, VALUES, set operations, and everything that stands in FROM.

use super::{Expr, FunctionCall, Ident, ObjectName, SetQuantifier, Span};

/// A query with its WITH, ORDER BY and LIMIT.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// WITH.
    pub with: Option<With>,
    /// What is ordered and limited.
    pub body: QueryBody,
    /// ORDER BY; empty where absent.
    pub order_by: Vec<OrderItem>,
    /// LIMIT n, or FETCH FIRST n ROWS ONLY. LIMIT ALL is `None`.
    pub limit: Option<Expr>,
    /// OFFSET n ROWS.
    pub offset: Option<Expr>,
    /// The whole query, outer parentheses not included.
    pub span: Span,
}

/// WITH.
#[derive(Debug, Clone, PartialEq)]
pub struct With {
    /// WITH RECURSIVE.
    pub recursive: bool,
    /// At least one.
    pub ctes: Vec<Cte>,
    /// The whole clause.
    pub span: Span,
}

/// `name [(a, b)] AS (query)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    /// The name.
    pub name: Ident,
    /// Names of the columns; empty where absent.
    pub columns: Vec<Ident>,
    /// What it stands for.
    pub query: Query,
    /// The whole item.
    pub span: Span,
}

/// A query without WITH, ORDER BY and LIMIT.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryBody {
    /// What it is.
    pub kind: QueryBodyKind,
    /// Where.
    pub span: Span,
}

/// The kinds of query bodies.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryBodyKind {
    /// SELECT.
    Select(Box<Select>),
    /// `VALUES (1, 2), (3, 4)`; `VALUES 1, 2` has rows of one column.
    Values(Vec<ValuesRow>),
    /// `TABLE t`.
    Table(ObjectName),
    /// `a UNION ALL b` ...
    SetOperation {
        /// Which one.
        op: SetOperator,
        /// ALL; otherwise DISTINCT.
        all: bool,
        /// The first side.
        left: Box<QueryBody>,
        /// The second side.
        right: Box<QueryBody>,
    },
    /// `(query)` with a WITH, ORDER BY or LIMIT of its own. Parentheses without them leave no trace.
    Query(Box<Query>),
}

/// One row of VALUES.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesRow {
    /// At least one.
    pub values: Vec<Expr>,
    /// The row with its parentheses.
    pub span: Span,
}

/// A set operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    /// EXCEPT or MINUS.
    Except,
}

/// `SELECT ...` up to QUALIFY.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// `/*+ ... */` behind SELECT.
    pub hints: Vec<Hint>,
    /// DISTINCT or ALL.
    pub quantifier: Option<SetQuantifier>,
    /// At least one.
    pub items: Vec<SelectItem>,
    /// FROM: the parts between commas (a comma is a cross join); empty where absent.
    pub from: Vec<TableRef>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY.
    pub group_by: Option<GroupBy>,
    /// HAVING.
    pub having: Option<Expr>,
    /// WINDOW w AS (...).
    pub windows: Vec<NamedWindow>,
    /// QUALIFY.
    pub qualify: Option<Expr>,
    /// The whole of it.
    pub span: Span,
}

/// One item behind SELECT.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    /// What it is.
    pub kind: SelectItemKind,
    /// With its alias.
    pub span: Span,
}

/// The kinds of select items.
#[derive(Debug, Clone, PartialEq)]
pub enum SelectItemKind {
    /// `*`.
    Wildcard,
    /// `t.*` or `db.t.*` (or `row_column.*`, for the binder to find out).
    QualifiedWildcard(ObjectName),
    /// `a + 1 [AS b]`.
    Expr {
        /// The value.
        expr: Expr,
        /// Its name.
        alias: Option<Ident>,
    },
}

/// GROUP BY.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupBy {
    /// GROUP BY DISTINCT.
    pub distinct: bool,
    /// At least one.
    pub items: Vec<GroupItem>,
    /// The whole clause.
    pub span: Span,
}

/// One item of GROUP BY.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupItem {
    /// What it is.
    pub kind: GroupItemKind,
    /// Where.
    pub span: Span,
}

/// The kinds of grouping.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupItemKind {
    /// One expression.
    Expr(Expr),
    /// `(a, b)`: together; `()` is empty.
    Set(Vec<Expr>),
    /// `ROLLUP (a, (b, c))`: each item an [`GroupItemKind::Expr`] or [`GroupItemKind::Set`].
    Rollup(Vec<GroupItem>),
    /// `CUBE (a, b)`.
    Cube(Vec<GroupItem>),
    /// `GROUPING SETS ((a, b), (a), (), ROLLUP (a))`.
    GroupingSets(Vec<GroupItem>),
}

/// `w AS (...)` behind WINDOW.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedWindow {
    /// The name.
    pub name: Ident,
    /// What it stands for.
    pub spec: WindowSpec,
    /// The whole item.
    pub span: Span,
}

/// `([w] PARTITION BY .. ORDER BY .. ROWS ..)`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSpec {
    /// A named window that this one extends.
    pub base: Option<Ident>,
    /// PARTITION BY; empty where absent.
    pub partition_by: Vec<Expr>,
    /// ORDER BY; empty where absent.
    pub order_by: Vec<OrderItem>,
    /// ROWS or RANGE.
    pub frame: Option<WindowFrame>,
    /// With the parentheses.
    pub span: Span,
}

/// `ROWS BETWEEN a AND b`, `RANGE a`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    /// ROWS; otherwise RANGE.
    pub rows: bool,
    /// The first bound.
    pub start: FrameBound,
    /// Behind AND; CURRENT ROW where absent.
    pub end: Option<FrameBound>,
    /// The whole frame.
    pub span: Span,
}

/// One end of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameBound {
    CurrentRow,
    UnboundedPreceding,
    UnboundedFollowing,
    Preceding(Box<Expr>),
    Following(Box<Expr>),
}

/// `a [ASC|DESC] [NULLS FIRST|LAST]`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderItem {
    /// By what.
    pub expr: Expr,
    /// DESC.
    pub descending: bool,
    /// `Some(true)` for NULLS FIRST; `None` where nothing was written (Flink: first ascending, last descending).
    pub nulls_first: Option<bool>,
    /// The whole item.
    pub span: Span,
}

/// Something in FROM.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRef {
    /// What it is.
    pub kind: TableRefKind,
    /// `[AS] t [(a, b)]`. Joins have none.
    pub alias: Option<TableAlias>,
    /// With its alias.
    pub span: Span,
}

/// `[AS] t [(a, b)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableAlias {
    /// The name.
    pub name: Ident,
    /// Names of the columns; empty where absent.
    pub columns: Vec<Ident>,
    /// The whole alias.
    pub span: Span,
}

/// What may stand in FROM.
#[derive(Debug, Clone, PartialEq)]
pub enum TableRefKind {
    /// `t [/*+ OPTIONS(..) */] [FOR SYSTEM_TIME AS OF e]`, also `TABLE t`.
    Table {
        /// The name.
        name: ObjectName,
        /// `/*+ ... */` behind the name.
        hints: Vec<Hint>,
        /// FOR SYSTEM_TIME AS OF.
        system_time: Option<Expr>,
    },
    /// `[LATERAL] (SELECT ...)`.
    Query {
        /// The query.
        query: Box<Query>,
        /// LATERAL: it may use columns of what stands before it.
        lateral: bool,
    },
    /// `TABLE(f(..))`, `LATERAL TABLE(f(..))`, or `f(..)` alone.
    Function {
        /// The call.
        call: Box<FunctionCall>,
        /// LATERAL: its arguments may use columns of what stands before it.
        lateral: bool,
        /// Hints behind it.
        hints: Vec<Hint>,
    },
    /// `UNNEST(a [, b]) [WITH ORDINALITY]`. It may use columns of what stands before it.
    Unnest {
        /// The collections.
        exprs: Vec<Expr>,
        /// WITH ORDINALITY.
        with_ordinality: bool,
    },
    /// `a JOIN b ON ..`.
    Join(Box<Join>),
    /// `t MATCH_RECOGNIZE (...)`.
    MatchRecognize(Box<MatchRecognize>),
}

/// A join. Commas in FROM are not joins here: see [`Select::from`].
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The table before it.
    pub left: TableRef,
    /// Which rows without a partner are kept.
    pub kind: JoinKind,
    /// NATURAL.
    pub natural: bool,
    /// The table behind it.
    pub right: TableRef,
    /// ON or USING.
    pub constraint: JoinConstraint,
    /// The whole join.
    pub span: Span,
}

/// Which join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

/// What joins two rows.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinConstraint {
    None,
    On(Expr),
    Using(Vec<Ident>),
}

/// `TABLE t [PARTITION BY ..] [ORDER BY ..]` or `(SELECT ..)` as an argument of a table function.
#[derive(Debug, Clone, PartialEq)]
pub struct TableArg {
    /// The table or query (a [`QueryBodyKind::Table`] for `TABLE t`).
    pub query: Query,
    /// PARTITION BY; empty where absent.
    pub partition_by: Vec<Expr>,
    /// ORDER BY; empty where absent.
    pub order_by: Vec<OrderItem>,
    /// The whole argument.
    pub span: Span,
}

/// One hint of `/*+ a, b(c), d('k' = 'v') */`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// The name, as written: `OPTIONS`, `BROADCAST`, `STATE_TTL` ...
    pub name: Ident,
    /// What stands between its parentheses.
    pub args: HintArgs,
    /// The whole hint.
    pub span: Span,
}

/// The arguments of a hint.
#[derive(Debug, Clone, PartialEq)]
pub enum HintArgs {
    /// None.
    None,
    /// `'key' = 'value'` pairs; a key without quotes is a dotted name.
    KeyValues(Vec<(String, String)>),
    /// Names or literals, quotes removed.
    List(Vec<String>),
}

/// `t MATCH_RECOGNIZE (...)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchRecognize {
    /// The table before it.
    pub input: TableRef,
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<OrderItem>,
    /// MEASURES.
    pub measures: Vec<Measure>,
    /// ONE ROW PER MATCH or ALL ROWS PER MATCH.
    pub rows_per_match: Option<RowsPerMatch>,
    /// AFTER MATCH.
    pub after_match: Option<AfterMatch>,
    /// `^` at the start of the pattern.
    pub strict_start: bool,
    /// `$` at the end of the pattern.
    pub strict_end: bool,
    /// PATTERN.
    pub pattern: Pattern,
    /// WITHIN.
    pub within: Option<Expr>,
    /// SUBSET.
    pub subsets: Vec<Subset>,
    /// DEFINE.
    pub defines: Vec<Define>,
    /// From MATCH_RECOGNIZE to its closing parenthesis.
    pub span: Span,
}

/// `expr AS name` in MEASURES.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// The value.
    pub expr: Expr,
    /// Its name.
    pub alias: Ident,
    /// The whole item.
    pub span: Span,
}

/// How many rows a match gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsPerMatch {
    One,
    All,
}

/// Where matching goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum AfterMatch {
    /// SKIP TO NEXT ROW.
    NextRow,
    /// SKIP PAST LAST ROW.
    PastLastRow,
    /// SKIP TO FIRST a.
    First(Ident),
    /// `SKIP TO [LAST] a`.
    Last(Ident),
}

/// A row pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// Where.
    pub span: Span,
}

/// The kinds of row patterns.
#[derive(Debug, Clone, PartialEq)]
pub enum PatternKind {
    /// `A`.
    Variable(Ident),
    /// `A B C`; at least two.
    Concat(Vec<Pattern>),
    /// `A | B`; at least two.
    Alternate(Vec<Pattern>),
    /// `A*`, `A+?`, `A{1,3}`.
    Repeat {
        /// What is repeated.
        pattern: Box<Pattern>,
        /// At least so often.
        min: u32,
        /// At most so often.
        max: Option<u32>,
        /// Take as many as possible; `false` for the reluctant forms with `?` behind.
        greedy: bool,
    },
    /// `PERMUTE(A, B)`.
    Permute(Vec<Pattern>),
    /// `{- A -}`.
    Exclude(Box<Pattern>),
}

/// `name = (A, B)` in SUBSET.
#[derive(Debug, Clone, PartialEq)]
pub struct Subset {
    /// The name.
    pub name: Ident,
    /// What it unites.
    pub members: Vec<Ident>,
    /// The whole item.
    pub span: Span,
}

/// `A AS condition` in DEFINE.
#[derive(Debug, Clone, PartialEq)]
pub struct Define {
    /// The pattern variable.
    pub name: Ident,
    /// When a row may be it.
    pub condition: Expr,
    /// The whole item.
    pub span: Span,
}
