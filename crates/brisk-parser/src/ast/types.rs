//! SQL types as written.

use super::{Expr, Ident, ObjectName, Span};

/// A type with its nullability.
#[derive(Debug, Clone, PartialEq)]
pub struct DataType {
    /// Which type.
    pub kind: TypeKind,
    /// `Some(false)` for NOT NULL, `Some(true)` for an explicit NULL, `None` where nothing was written (nullable).
    pub nullable: Option<bool>,
    /// The type with its nullability.
    pub span: Span,
}

impl DataType {
    /// Whether NULL is allowed: everything but NOT NULL.
    pub fn is_nullable(&self) -> bool {
        self.nullable.unwrap_or(true)
    }
}

/// Which type. Absent lengths and precisions are `None`: their defaults are the binder's.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// `CHAR`, `CHARACTER`, with `(n)`.
    Char(Option<u32>),
    /// `VARCHAR`, `CHARACTER VARYING`, `CHAR VARYING`, with `(n)`.
    Varchar(Option<u32>),
    /// `STRING`.
    String,
    /// `BINARY(n)`.
    Binary(Option<u32>),
    /// `VARBINARY(n)`, `BINARY VARYING(n)`.
    Varbinary(Option<u32>),
    /// `BYTES`.
    Bytes,
    /// `BOOLEAN`.
    Boolean,
    /// `DECIMAL`, `DEC`, `NUMERIC`, with `(precision[, scale])`.
    Decimal {
        /// Digits in all.
        precision: Option<u32>,
        /// Digits behind the point.
        scale: Option<u32>,
    },
    /// `TINYINT`.
    TinyInt,
    /// `SMALLINT`.
    SmallInt,
    /// `INT`, `INTEGER`.
    Int,
    /// `BIGINT`.
    BigInt,
    /// `FLOAT`.
    Float,
    /// `REAL` (Flink treats it as FLOAT).
    Real,
    /// `DOUBLE [PRECISION]`.
    Double,
    /// `DATE`.
    Date,
    /// `TIME[(p)] [WITHOUT TIME ZONE]`.
    Time(Option<u32>),
    /// `TIMESTAMP[(p)] [WITHOUT TIME ZONE]`.
    Timestamp(Option<u32>),
    /// `TIMESTAMP[(p)] WITH LOCAL TIME ZONE`, `TIMESTAMP_LTZ[(p)]`.
    TimestampLtz(Option<u32>),
    /// `TIMESTAMP[(p)] WITH TIME ZONE`.
    TimestampTz(Option<u32>),
    /// `INTERVAL DAY(2) TO SECOND(3)` and so on.
    Interval(IntervalQualifier),
    /// `ARRAY<T>` or `T ARRAY`.
    Array(Box<DataType>),
    /// `MULTISET<T>` or `T MULTISET`.
    Multiset(Box<DataType>),
    /// `MAP<K, V>`.
    Map(Box<DataType>, Box<DataType>),
    /// `ROW<name T 'comment', ...>` or `ROW(name T, ...)`.
    Row(Vec<RowField>),
    /// `RAW('class', 'serializer snapshot in base64')`.
    Raw {
        /// The Java class.
        class: String,
        /// Its serializer.
        snapshot: String,
    },
    /// `STRUCTURED<'class', name T 'comment', ...>`.
    Structured {
        /// The Java class.
        class: String,
        /// Its fields.
        fields: Vec<RowField>,
    },
    /// `VARIANT`.
    Variant,
    /// `NULL`.
    Null,
    /// Any other name: a user-defined type.
    UserDefined(ObjectName),
}

/// One field of a ROW or STRUCTURED type.
#[derive(Debug, Clone, PartialEq)]
pub struct RowField {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub data_type: DataType,
    /// Its comment, a string literal behind the type.
    pub comment: Option<String>,
    /// The whole field.
    pub span: Span,
}

/// `DAY(2) TO SECOND(3)`: what an interval counts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalQualifier {
    /// The leading (or only) unit.
    pub start: TimeUnit,
    /// Digits of the leading unit.
    pub precision: Option<u32>,
    /// The unit behind TO.
    pub end: Option<TimeUnit>,
    /// Digits behind the point of the seconds.
    pub fraction: Option<u32>,
    /// The whole qualifier.
    pub span: Span,
}

/// A unit of time in EXTRACT, FLOOR, TIMESTAMPADD and intervals. Plurals and `SQL_TSI_` prefixes are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    /// Day of the week, Sunday is 1.
    Dow,
    /// Day of the week, Monday is 1.
    IsoDow,
    /// Day of the year.
    Doy,
    IsoYear,
    /// Seconds since 1970.
    Epoch,
}

/// `INTERVAL '1' DAY`: the text is as written, not yet checked against the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalLiteral {
    /// A minus before the quotes; a minus inside them stays in `value`.
    pub negative: bool,
    /// What stands between the quotes.
    pub value: String,
    /// The unit or units.
    pub qualifier: IntervalQualifier,
}

/// `INTERVAL <expression> DAY`: an interval whose amount is not a quoted literal.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalExpr {
    /// The amount, a sign included.
    pub value: Expr,
    /// The unit or units.
    pub qualifier: IntervalQualifier,
}
