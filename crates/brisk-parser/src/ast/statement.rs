//! Statements other than definitions.

use super::{AlterTable, AlterView, CreateCatalog, CreateDatabase, CreateFunction, CreateTable, CreateView, Drop, Expr, Hint, Ident, ObjectName, Query, Span};

/// A statement of a script.
#[derive(Debug, Clone)]
pub struct Statement {
    /// What it says.
    pub kind: StatementKind,
    /// Its bytes in the script, without the semicolon.
    pub span: Span,
    /// Its text, without the semicolon. Does not count in comparisons.
    pub text: String,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// A query by itself.
    Query(Box<Query>),
    /// INSERT INTO, INSERT OVERWRITE, EXECUTE INSERT.
    Insert(Box<Insert>),
    /// `EXECUTE STATEMENT SET BEGIN ..; END`, and `BEGIN STATEMENT SET; ..; END` of a script.
    StatementSet(Vec<Insert>),
    /// `BEGIN STATEMENT SET` alone: only from [`crate::parse_statement`], scripts have [`StatementKind::StatementSet`].
    BeginStatementSet,
    /// `END` alone: only from [`crate::parse_statement`].
    EndStatementSet,
    /// CREATE TABLE, with LIKE or AS too.
    CreateTable(Box<CreateTable>),
    /// CREATE VIEW.
    CreateView(Box<CreateView>),
    /// CREATE DATABASE.
    CreateDatabase(CreateDatabase),
    /// CREATE CATALOG.
    CreateCatalog(CreateCatalog),
    /// CREATE FUNCTION.
    CreateFunction(CreateFunction),
    /// DROP TABLE, VIEW, DATABASE, CATALOG, FUNCTION.
    Drop(Drop),
    /// ALTER TABLE.
    AlterTable(Box<AlterTable>),
    /// ALTER VIEW.
    AlterView(Box<AlterView>),
    /// `USE [catalog.]database`.
    UseDatabase(ObjectName),
    /// USE CATALOG.
    UseCatalog(Ident),
    /// SHOW.
    Show(Show),
    /// DESCRIBE, DESC.
    Describe(Describe),
    /// EXPLAIN.
    Explain(Explain),
    /// `SET 'k' = 'v'`, `SET k = v`; without a pair it shows all.
    Set(Option<(String, String)>),
    /// `RESET 'k'`; without a key it resets all.
    Reset(Option<String>),
    /// STOP JOB.
    StopJob(StopJob),
    /// `QUIT`, `EXIT`, `CLEAR`, `HELP`: commands of Flink's shell, in capitals.
    Client(String),
    /// Known to Flink, unknown to brisk: refuse it with the span of the statement.
    Unsupported {
        /// The words that name the statement, in capitals: `ANALYZE TABLE`, `ADD JAR`, `UPDATE`.
        what: String,
    },
}

/// `INSERT INTO t ...`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// INSERT OVERWRITE.
    pub overwrite: bool,
    /// The table.
    pub target: ObjectName,
    /// `/*+ ... */` behind the table.
    pub hints: Vec<Hint>,
    /// `PARTITION (a = 1, b)`; empty where absent.
    pub partition: Vec<PartitionItem>,
    /// The columns that the query fills (dotted for nested fields); empty where absent.
    pub columns: Vec<ObjectName>,
    /// A query or VALUES.
    pub source: Query,
    /// The whole statement.
    pub span: Span,
}

/// `a = 1` or `a` in PARTITION.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionItem {
    /// The column.
    pub name: Ident,
    /// Its value.
    pub value: Option<Expr>,
    /// The whole item.
    pub span: Span,
}

/// SHOW.
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    /// What.
    pub what: ShowWhat,
    /// Which of them.
    pub like: Option<ShowLike>,
    /// The whole statement.
    pub span: Span,
}

/// What SHOW shows. `from` is what stands behind FROM or IN.
#[derive(Debug, Clone, PartialEq)]
pub enum ShowWhat {
    Tables { from: Option<ObjectName> },
    Views { from: Option<ObjectName> },
    MaterializedTables { from: Option<ObjectName> },
    Databases { from: Option<ObjectName> },
    Catalogs,
    Functions { user: bool, from: Option<ObjectName> },
    Procedures { from: Option<ObjectName> },
    Models { from: Option<ObjectName> },
    Columns { table: ObjectName },
    Partitions { table: ObjectName, partition: Vec<PartitionItem> },
    CreateTable(ObjectName),
    CreateView(ObjectName),
    CreateCatalog(Ident),
    CurrentCatalog,
    CurrentDatabase,
    Jobs,
    Jars,
    Modules { full: bool },
}

/// `[NOT] LIKE 'x%'`, `[NOT] ILIKE 'x%'` behind SHOW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowLike {
    /// The pattern.
    pub pattern: String,
    /// NOT LIKE.
    pub negated: bool,
    /// ILIKE.
    pub ignore_case: bool,
}

/// DESCRIBE.
#[derive(Debug, Clone, PartialEq)]
pub struct Describe {
    /// What.
    pub what: DescribeWhat,
    /// EXTENDED.
    pub extended: bool,
    /// The whole statement.
    pub span: Span,
}

/// What DESCRIBE describes.
#[derive(Debug, Clone, PartialEq)]
pub enum DescribeWhat {
    /// A table or view.
    Table(ObjectName),
    /// DATABASE.
    Database(ObjectName),
    /// CATALOG.
    Catalog(Ident),
    /// FUNCTION.
    Function(ObjectName),
    /// JOB 'id'.
    Job(String),
}

/// EXPLAIN.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// What to add to the plan; empty for PLAN FOR or nothing.
    pub details: Vec<ExplainDetail>,
    /// A query, INSERT, or statement set.
    pub statement: Box<Statement>,
    /// The whole statement.
    pub span: Span,
}

/// What EXPLAIN adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainDetail {
    EstimatedCost,
    ChangelogMode,
    JsonExecutionPlan,
    PlanAdvice,
}

/// `STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopJob {
    /// The job.
    pub id: String,
    /// WITH SAVEPOINT.
    pub with_savepoint: bool,
    /// WITH DRAIN.
    pub with_drain: bool,
    /// The whole statement.
    pub span: Span,
}
