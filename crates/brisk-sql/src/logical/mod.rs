//! The logical plan: what a query means, with names resolved, types settled and subqueries turned into joins.
//!
//! The binder makes it, the rules improve it, the physical planner reads it. Expressions are over the columns of the
//! node's input; over `left ++ right` in a join. A plan is a tree; a view or CTE that is used twice appears twice (the
//! physical planner finds equal parts again and shares them).

mod display;

use std::sync::Arc;

use brisk_core::SqlType;
use brisk_functions::aggregate::AggregateSignature;
use brisk_functions::table::TableFunction;
use brisk_functions::{AggregateFunction, Expr};
use brisk_operators::match_recognize::{AfterMatch, MatchExpr, Pattern};

use crate::catalog::Table;

/// A node with its output columns.
#[derive(Debug, Clone)]
pub struct Plan {
    pub node: Node,
    pub columns: Vec<PlanColumn>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlanColumn {
    pub name: String,
    pub sql_type: SqlType,
    pub time: TimeAttribute,
}

/// Whether a column is a time attribute, by which windows, OVER and joins may be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeAttribute {
    None,
    /// Event time, behind which a watermark follows.
    Rowtime,
    /// Processing time: `PROCTIME()`; read when it is used.
    Proctime,
}

#[derive(Debug, Clone)]
pub enum Node {
    /// All columns of the table, computed and metadata ones included, in its order; the watermark is assigned here.
    Scan(Arc<Table>),
    /// Constant rows.
    Values {
        rows: Vec<Vec<Expr>>,
    },
    Project {
        input: Box<Plan>,
        exprs: Vec<Expr>,
    },
    Filter {
        input: Box<Plan>,
        predicate: Expr,
    },
    Aggregate(Aggregate),
    Window(Window),
    Join(Join),
    Correlate(Correlate),
    Over(Over),
    Sort(Sort),
    /// UNION ALL. UNION is an [`Aggregate`] without calls on top.
    Union {
        inputs: Vec<Plan>,
    },
    /// INTERSECT or EXCEPT, distinct. With ALL they are plans of other nodes.
    SetOperation {
        kind: SetOperationKind,
        left: Box<Plan>,
        right: Box<Plan>,
    },
    MatchRecognize(Match),
}

/// GROUP BY: output is the keys, then the calls. DISTINCT is an aggregate without calls.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub input: Box<Plan>,
    /// Positions of the key columns in the input.
    pub keys: Vec<usize>,
    /// GROUPING SETS, CUBE, ROLLUP: for each set the positions in `keys` that it groups by; the others are NULL in the
    /// output. `None` for a plain GROUP BY.
    pub sets: Option<Vec<Vec<usize>>>,
    pub calls: Vec<LogicalCall>,
}

/// One aggregate call; arguments and filter are positions in the input.
#[derive(Debug, Clone)]
pub struct LogicalCall {
    pub function: LogicalFunction,
    pub args: Vec<usize>,
    pub distinct: bool,
    pub filter: Option<usize>,
    pub name: String,
    pub sql_type: SqlType,
}

#[derive(Debug, Clone)]
pub enum LogicalFunction {
    Aggregate {
        function: Arc<dyn AggregateFunction>,
        signature: AggregateSignature,
    },
    /// GROUPING(..) or GROUPING_ID(..): positions in the keys, first one the highest bit. BIGINT NOT NULL.
    Grouping {
        keys: Vec<usize>,
    },
    /// ROW_NUMBER, RANK, LAG ...: in OVER only. By its name in capitals.
    Ranking {
        name: String,
    },
}

/// A window table-valued function: its input's columns, then window_start, window_end (TIMESTAMP(3) NOT NULL) and
/// window_time (the rowtime or proctime attribute, of the time column's type).
#[derive(Debug, Clone)]
pub struct Window {
    pub input: Box<Plan>,
    pub kind: WindowKind,
    /// The time attribute, a position in the input.
    pub time_column: usize,
    /// SESSION's PARTITION BY; positions in the input.
    pub partition: Vec<usize>,
}

/// Lengths in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    Tumble { size: i64, offset: i64 },
    Hop { slide: i64, size: i64, offset: i64 },
    Cumulate { step: i64, size: i64, offset: i64 },
    Session { gap: i64 },
}

#[derive(Debug, Clone)]
pub struct Join {
    pub left: Box<Plan>,
    pub right: Box<Plan>,
    pub kind: JoinKind,
    /// Over `left ++ right`; TRUE for a cross join.
    pub condition: Expr,
    /// FOR SYSTEM_TIME AS OF a time attribute of the left side, by position: the right side is a versioned table as of
    /// then (`Rowtime`), or a lookup or the latest version (`Proctime`).
    pub as_of: Option<usize>,
}

/// A semi or anti join gives the left columns only. `NullAwareAnti` is NOT IN: a NULL on either side is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
    NullAwareAnti,
}

/// LATERAL TABLE(f(..)) and UNNEST: the input's columns, then the function's.
#[derive(Debug, Clone)]
pub struct Correlate {
    pub input: Box<Plan>,
    pub function: Arc<dyn TableFunction>,
    pub args: Vec<Expr>,
    /// WITH ORDINALITY: behind the function's columns an INT that counts its rows from 1.
    pub ordinality: bool,
    /// LEFT JOIN: a row without results is kept, with NULLs.
    pub outer: bool,
}

/// OVER windows: the input's columns, then the calls. All calls of one node share partition and order.
#[derive(Debug, Clone)]
pub struct Over {
    pub input: Box<Plan>,
    pub partition: Vec<usize>,
    pub order: Vec<SortKey>,
    pub calls: Vec<OverCall>,
}

#[derive(Debug, Clone)]
pub struct OverCall {
    pub call: LogicalCall,
    pub frame: Frame,
}

/// From so many rows, or so long, before the current row up to it (Flink streams have no FOLLOWING end).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    /// ROWS; otherwise RANGE.
    pub rows: bool,
    /// Rows, or for RANGE milliseconds; `None`: UNBOUNDED PRECEDING.
    pub preceding: Option<i64>,
    /// Whether the frame runs to the end of the partition (FIRST_VALUE .. UNBOUNDED FOLLOWING); batch only.
    pub unbounded_following: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    pub column: usize,
    pub descending: bool,
    /// Flink's default: NULLs are the smallest.
    pub nulls_first: bool,
}

/// ORDER BY, OFFSET and LIMIT, at least one of them.
#[derive(Debug, Clone)]
pub struct Sort {
    pub input: Box<Plan>,
    pub keys: Vec<SortKey>,
    pub offset: u64,
    pub limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetOperationKind {
    Intersect,
    Except,
}

/// MATCH_RECOGNIZE: the partition columns, then the measures.
#[derive(Debug, Clone)]
pub struct Match {
    pub input: Box<Plan>,
    pub partition: Vec<usize>,
    pub order: Vec<SortKey>,
    pub clause: MatchClause,
}

/// The clauses of MATCH_RECOGNIZE that say what a match is; columns are positions in the input.
#[derive(Debug, Clone)]
pub struct MatchClause {
    /// The pattern variables' names; a variable is its position here.
    pub variables: Vec<String>,
    pub pattern: Pattern,
    /// For each variable its DEFINE condition.
    pub defines: Vec<Option<MatchExpr>>,
    pub measures: Vec<MatchExpr>,
    pub skip: AfterMatch,
    pub within_ms: Option<i64>,
}

/// INSERT INTO: `source` has the sink's columns to be written (physical and persisted metadata, in the table's order),
/// cast to their types.
#[derive(Debug, Clone)]
pub struct Insert {
    pub table: Arc<Table>,
    pub source: Plan,
    pub overwrite: bool,
    /// The statement's number in the script, from 1.
    pub statement: usize,
    /// Columns of `source` that the sink declares NOT NULL but that may be NULL: a NULL in one of them fails the job, or
    /// is dropped with `table.exec.sink.not-null-enforcer` = 'DROP'.
    pub not_null: Vec<usize>,
}

impl PlanColumn {
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> Self {
        Self { name: name.into(), sql_type, time: TimeAttribute::None }
    }
}

impl Plan {
    pub fn new(node: Node, columns: Vec<PlanColumn>) -> Self {
        Self { node, columns }
    }

    /// The inputs, left to right.
    pub fn inputs(&self) -> Vec<&Plan> {
        match &self.node {
            Node::Scan(_) | Node::Values { .. } => vec![],
            Node::Project { input, .. } | Node::Filter { input, .. } => vec![input],
            Node::Aggregate(n) => vec![&n.input],
            Node::Window(n) => vec![&n.input],
            Node::Join(n) => vec![&n.left, &n.right],
            Node::Correlate(n) => vec![&n.input],
            Node::Over(n) => vec![&n.input],
            Node::Sort(n) => vec![&n.input],
            Node::Union { inputs } => inputs.iter().collect(),
            Node::SetOperation { left, right, .. } => vec![left, right],
            Node::MatchRecognize(n) => vec![&n.input],
        }
    }

    /// The columns as a schema.
    pub fn schema(&self) -> brisk_core::Schema {
        brisk_core::Schema::new(self.columns.iter().map(|c| brisk_core::Column::new(&c.name, c.sql_type.clone())).collect())
    }
}
