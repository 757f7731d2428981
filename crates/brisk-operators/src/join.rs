//! What the joins share: their kinds, and the shape of their rows.
//!
//! Every join has a left input (0) and a right input (1). Conditions are expressions over the columns of the left row
//! followed by those of the right row. INNER, LEFT, RIGHT and FULL give both rows' columns, SEMI and ANTI the left row's.

use brisk_core::Schema;
use brisk_functions::Expr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    /// Left rows that have a match (EXISTS, IN).
    Semi,
    /// Left rows that have none (NOT EXISTS, NOT IN).
    Anti,
}

/// One of the two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The condition of a join: equal keys, and what else must hold.
#[derive(Debug, Clone)]
pub struct JoinCondition {
    /// Positions of the key columns in the left row; as many as `right_keys`, pairwise of one type.
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// For each key whether NULL equals NULL (`IS NOT DISTINCT FROM`); otherwise a NULL key matches nothing.
    pub null_safe: Vec<bool>,
    /// A BOOLEAN over left ++ right that must be true as well.
    pub residual: Option<Expr>,
}

impl Side {
    /// The side of input `input`.
    pub fn of(input: usize) -> Self {
        if input == 0 { Side::Left } else { Side::Right }
    }

    pub fn other(self) -> Self {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

impl JoinCondition {
    pub(crate) fn keys(&self, side: Side) -> &[usize] {
        match side {
            Side::Left => &self.left_keys,
            Side::Right => &self.right_keys,
        }
    }
}

impl JoinKind {
    /// Whether a row of this side without a match appears, with nulls on the other.
    pub(crate) fn pads(self, side: Side) -> bool {
        match side {
            Side::Left => self.pads_left(),
            Side::Right => self.pads_right(),
        }
    }

    /// Whether a left row without a match appears, with nulls on the right.
    pub fn pads_left(self) -> bool {
        matches!(self, JoinKind::Left | JoinKind::Full)
    }

    /// Whether a right row without a match appears, with nulls on the left.
    pub fn pads_right(self) -> bool {
        matches!(self, JoinKind::Right | JoinKind::Full)
    }

    /// Whether only the left row's columns come out.
    pub fn is_semi_or_anti(self) -> bool {
        matches!(self, JoinKind::Semi | JoinKind::Anti)
    }

    /// The columns of the output, before any projection.
    pub fn output(self, left: &Schema, right: &Schema) -> Schema {
        let nullable = |schema: &Schema, pad: bool| {
            let mut columns = schema.columns.clone();
            if pad {
                columns.iter_mut().for_each(|c| c.sql_type = c.sql_type.with_nullable(true));
            }
            columns
        };
        if self.is_semi_or_anti() {
            return left.clone();
        }
        let mut columns = nullable(left, self.pads_right());
        columns.extend(nullable(right, self.pads_left()));
        Schema::new(columns)
    }
}
