//! Definitions: CREATE, ALTER, DROP.

use super::{DataType, Expr, Ident, ObjectName, Query, Span};

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// CREATE OR REPLACE TABLE.
    pub or_replace: bool,
    /// TEMPORARY.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The name.
    pub name: ObjectName,
    /// In the order written; empty for `CREATE TABLE t AS ..` and `LIKE`.
    pub columns: Vec<ColumnDef>,
    /// WATERMARK FOR.
    pub watermark: Option<WatermarkDef>,
    /// PRIMARY KEY and UNIQUE, those written at a column included.
    pub constraints: Vec<TableConstraint>,
    /// COMMENT.
    pub comment: Option<String>,
    /// DISTRIBUTED.
    pub distribution: Option<Distribution>,
    /// PARTITIONED BY; empty where absent.
    pub partitioned_by: Vec<Ident>,
    /// WITH; empty where absent.
    pub options: Vec<TableOption>,
    /// LIKE.
    pub like: Option<LikeClause>,
    /// AS query.
    pub query: Option<Query>,
    /// The whole statement.
    pub span: Span,
}

/// One column of CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// The name.
    pub name: Ident,
    /// What it is.
    pub kind: ColumnKind,
    /// COMMENT.
    pub comment: Option<String>,
    /// The whole definition.
    pub span: Span,
}

/// The kinds of columns.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// `c INT [NOT NULL]`.
    Physical(DataType),
    /// `c AS a + b`.
    Computed(Expr),
    /// `c INT METADATA [FROM 'k'] [VIRTUAL]`.
    Metadata {
        /// The type.
        data_type: DataType,
        /// The key; the name of the column where absent.
        key: Option<String>,
        /// VIRTUAL: not written by INSERT.
        is_virtual: bool,
    },
    /// `c` alone, which orders the columns of `CREATE TABLE t (a, b) AS query`.
    FromQuery,
}

/// `WATERMARK FOR ts AS ts - INTERVAL '1' SECOND`.
#[derive(Debug, Clone, PartialEq)]
pub struct WatermarkDef {
    /// The time column; dotted for a nested field.
    pub column: ObjectName,
    /// The watermark.
    pub expr: Expr,
    /// The whole clause.
    pub span: Span,
}

/// `[CONSTRAINT n] PRIMARY KEY (a, b) [NOT ENFORCED]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableConstraint {
    /// CONSTRAINT.
    pub name: Option<Ident>,
    /// PRIMARY KEY or UNIQUE.
    pub kind: ConstraintKind,
    /// The columns.
    pub columns: Vec<Ident>,
    /// `Some(false)` for NOT ENFORCED, `Some(true)` for ENFORCED, `None` where nothing was written.
    pub enforced: Option<bool>,
    /// The whole constraint.
    pub span: Span,
}

/// Which constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    PrimaryKey,
    Unique,
}

/// `DISTRIBUTED BY [HASH|RANGE] (a) [INTO n BUCKETS]`, `DISTRIBUTED INTO n BUCKETS`.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// HASH or RANGE.
    pub kind: Option<DistributionKind>,
    /// Empty where absent.
    pub columns: Vec<Ident>,
    /// INTO n BUCKETS.
    pub buckets: Option<u32>,
    /// The whole clause.
    pub span: Span,
}

/// How rows are dealt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistributionKind {
    Hash,
    Range,
}

/// `'key' = 'value'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOption {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
}

/// `LIKE t [(INCLUDING ALL, ...)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LikeClause {
    /// The other table.
    pub table: ObjectName,
    /// Empty where absent.
    pub options: Vec<LikeOption>,
    /// The whole clause.
    pub span: Span,
}

/// `INCLUDING OPTIONS` ...
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeOption {
    /// What to do.
    pub strategy: LikeStrategy,
    /// With what.
    pub feature: LikeFeature,
    /// The whole item.
    pub span: Span,
}

/// What LIKE does with a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeStrategy {
    Including,
    Excluding,
    Overwriting,
}

/// What LIKE may take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeFeature {
    All,
    Constraints,
    Distribution,
    Generated,
    Metadata,
    Options,
    Partitions,
    Watermarks,
}

/// CREATE VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// TEMPORARY.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The name.
    pub name: ObjectName,
    /// Names of the columns; empty where absent.
    pub columns: Vec<Ident>,
    /// COMMENT.
    pub comment: Option<String>,
    /// What it stands for; its `span` gives the text.
    pub query: Query,
    /// The whole statement.
    pub span: Span,
}

/// CREATE DATABASE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateDatabase {
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The name.
    pub name: ObjectName,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH.
    pub options: Vec<TableOption>,
    /// The whole statement.
    pub span: Span,
}

/// CREATE CATALOG.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateCatalog {
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The name.
    pub name: Ident,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH.
    pub options: Vec<TableOption>,
    /// The whole statement.
    pub span: Span,
}

/// `CREATE FUNCTION f AS 'class' [LANGUAGE JAVA]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    /// TEMPORARY.
    pub temporary: bool,
    /// TEMPORARY SYSTEM.
    pub system: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The name.
    pub name: ObjectName,
    /// The Java class.
    pub class: String,
    /// LANGUAGE, in capitals.
    pub language: Option<String>,
    /// USING JAR, ADD JAR: the paths.
    pub resources: Vec<String>,
    /// The whole statement.
    pub span: Span,
}

/// DROP.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// What.
    pub kind: ObjectKind,
    /// TEMPORARY.
    pub temporary: bool,
    /// IF EXISTS.
    pub if_exists: bool,
    /// The name.
    pub name: ObjectName,
    /// CASCADE, of a database.
    pub cascade: bool,
    /// The whole statement.
    pub span: Span,
}

/// What DROP drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    Table,
    View,
    Database,
    Catalog,
    Function,
}

/// ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// IF EXISTS.
    pub if_exists: bool,
    /// The table.
    pub name: ObjectName,
    /// What is changed.
    pub action: AlterTableAction,
    /// The whole statement.
    pub span: Span,
}

/// What ALTER TABLE changes.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterTableAction {
    /// SET ('k' = 'v').
    SetOptions(Vec<TableOption>),
    /// RESET ('k').
    ResetOptions(Vec<String>),
    /// RENAME TO t.
    RenameTo(ObjectName),
    /// RENAME a TO b.
    RenameColumn {
        /// Dotted for a nested field.
        from: ObjectName,
        /// The new name.
        to: Ident,
    },
    /// ADD column, ADD (column, watermark, constraint ...).
    Add(SchemaChange),
    /// MODIFY, the same way.
    Modify(SchemaChange),
    /// DROP a, DROP (a, b).
    DropColumns(Vec<ObjectName>),
    /// DROP PRIMARY KEY.
    DropPrimaryKey,
    /// DROP CONSTRAINT n.
    DropConstraint(Ident),
    /// DROP WATERMARK.
    DropWatermark,
    /// DROP DISTRIBUTION.
    DropDistribution,
    /// ADD DISTRIBUTION, MODIFY DISTRIBUTION.
    SetDistribution(Distribution),
}

/// The parts of a schema that ADD or MODIFY names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaChange {
    /// Columns with the place where they go.
    pub columns: Vec<ColumnChange>,
    /// WATERMARK FOR.
    pub watermark: Option<WatermarkDef>,
    /// PRIMARY KEY and UNIQUE.
    pub constraints: Vec<TableConstraint>,
}

/// One column of ADD or MODIFY.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnChange {
    /// The column.
    pub column: ColumnDef,
    /// FIRST or AFTER.
    pub place: Option<ColumnPlace>,
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnPlace {
    /// FIRST.
    First,
    /// AFTER c.
    After(ObjectName),
}

/// ALTER VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterView {
    /// The view.
    pub name: ObjectName,
    /// What is changed.
    pub action: AlterViewAction,
    /// The whole statement.
    pub span: Span,
}

/// What ALTER VIEW changes.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterViewAction {
    /// RENAME TO v.
    RenameTo(ObjectName),
    /// AS query.
    As(Box<Query>),
}
