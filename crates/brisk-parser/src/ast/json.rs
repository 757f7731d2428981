//! The JSON functions that have a grammar of their own.

use super::{DataType, Expr, OrderItem};

/// A JSON function with its own grammar.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is always boxed in an expression")]
pub enum JsonCall {
    /// `JSON_EXISTS(a, 'path' [TRUE|FALSE|UNKNOWN|ERROR ON ERROR])`.
    Exists {
        /// The document.
        input: Expr,
        /// The path.
        path: Expr,
        /// ON ERROR.
        on_error: Option<JsonExistsOnError>,
    },
    /// `JSON_VALUE(a, 'path' [RETURNING t] [.. ON EMPTY] [.. ON ERROR])`.
    Value {
        /// The document.
        input: Expr,
        /// The path.
        path: Expr,
        /// RETURNING.
        returning: Option<DataType>,
        /// ON EMPTY.
        on_empty: Option<JsonValueBehavior>,
        /// ON ERROR.
        on_error: Option<JsonValueBehavior>,
    },
    /// `JSON_QUERY(a, 'path' [RETURNING t] [.. WRAPPER] [.. ON EMPTY] [.. ON ERROR])`.
    Query {
        /// The document.
        input: Expr,
        /// The path.
        path: Expr,
        /// RETURNING.
        returning: Option<DataType>,
        /// WRAPPER.
        wrapper: Option<JsonWrapper>,
        /// ON EMPTY.
        on_empty: Option<JsonQueryBehavior>,
        /// ON ERROR.
        on_error: Option<JsonQueryBehavior>,
    },
    /// `JSON_OBJECT([KEY k VALUE v | k VALUE v | k : v], ... [NULL|ABSENT ON NULL])`.
    Object {
        /// Keys and values.
        entries: Vec<(Expr, Expr)>,
        /// What a NULL value does.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_ARRAY(a, b [NULL|ABSENT ON NULL])`.
    Array {
        /// The elements.
        items: Vec<Expr>,
        /// What a NULL element does.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_OBJECTAGG([KEY] k VALUE v [NULL|ABSENT ON NULL])`.
    ObjectAgg {
        /// The key.
        key: Expr,
        /// The value.
        value: Expr,
        /// What a NULL value does.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_ARRAYAGG(a [ORDER BY ..] [NULL|ABSENT ON NULL])`.
    ArrayAgg {
        /// The element.
        item: Expr,
        /// ORDER BY inside, or WITHIN GROUP behind.
        order_by: Vec<OrderItem>,
        /// What a NULL element does.
        on_null: Option<JsonOnNull>,
    },
}

/// What JSON_EXISTS answers on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonExistsOnError {
    True,
    False,
    Unknown,
    Error,
}

/// What JSON_VALUE answers where there is nothing or an error.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonValueBehavior {
    Null,
    Error,
    Default(Expr),
}

/// What JSON_QUERY answers where there is nothing or an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonQueryBehavior {
    Null,
    EmptyArray,
    EmptyObject,
    Error,
}

/// Whether JSON_QUERY wraps its results in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonWrapper {
    /// `WITHOUT [ARRAY]`.
    Without,
    /// `WITH CONDITIONAL [ARRAY]`.
    Conditional,
    /// `WITH [UNCONDITIONAL] [ARRAY]`.
    Unconditional,
}

/// NULL ON NULL or ABSENT ON NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonOnNull {
    Null,
    Absent,
}
