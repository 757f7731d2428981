//! What names mean: the columns that expressions may use, and the relations they come from.
//!
//! Column `i` of a scope is column `i` of the plan that expressions are bound over. While binding, positions carry two
//! more meanings, told apart by their high bits and gone when the query block is done:
//!
//! ```text
//!   i             column i of the plan
//!   RAW | i       after GROUP BY: column i of what was grouped; must become a key
//!   level<<32 | i column i of the level-th enclosing query (correlation)
//! ```

use std::ops::Range;

use brisk_core::SqlType;
use brisk_functions::Expr;

use crate::logical::{Plan, PlanColumn};

/// Marks a column of the input of an aggregation.
pub const RAW: usize = 1 << 31;

const LEVEL_SHIFT: u32 = 32;

/// Column `index` of the `level`-th enclosing query; level 0 is the query itself.
pub fn outer_index(level: usize, index: usize) -> usize {
    level << LEVEL_SHIFT | index
}

pub fn level_of(index: usize) -> usize {
    index >> LEVEL_SHIFT
}

pub fn index_in_level(index: usize) -> usize {
    index & ((1 << LEVEL_SHIFT) - 1)
}

/// Whether an expression uses columns of an enclosing query.
pub fn is_correlated(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |e| found |= matches!(e, Expr::Column { index, .. } if level_of(*index) > 0));
    found
}

#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub relations: Vec<Relation>,
    pub columns: Vec<ScopeColumn>,
    /// Columns that USING or NATURAL made one.
    pub merged: Vec<Merged>,
}

#[derive(Debug, Clone)]
pub struct Relation {
    /// What may stand before a column's name, last part first needed: `[catalog, database, table]` or an alias.
    /// Empty for a relation without a name.
    pub path: Vec<String>,
    pub columns: Range<usize>,
}

#[derive(Debug, Clone)]
pub struct ScopeColumn {
    pub name: String,
    pub sql_type: SqlType,
}

/// One column for two that USING equates.
#[derive(Debug, Clone)]
pub struct Merged {
    pub name: String,
    pub expr: Expr,
    pub of: Vec<usize>,
}

/// What a name means.
pub enum Found {
    Expr(Expr),
    Ambiguous,
    Nothing,
}

impl Scope {
    /// The scope of one relation.
    pub fn of(path: Vec<String>, columns: &[PlanColumn]) -> Self {
        let columns: Vec<_> = columns.iter().map(ScopeColumn::from).collect();
        Self { relations: vec![Relation { path, columns: 0..columns.len() }], columns, merged: Vec::new() }
    }

    pub fn of_plan(plan: &Plan) -> Self {
        Self::of(Vec::new(), &plan.columns)
    }

    /// The relations of both sides of a join.
    pub fn join(mut self, right: Scope) -> Self {
        let base = self.columns.len();
        self.relations.extend(right.relations.into_iter().map(|r| Relation { path: r.path, columns: r.columns.start + base..r.columns.end + base }));
        self.columns.extend(right.columns);
        let shift = |m: Merged| Merged { name: m.name, expr: m.expr.map_columns(&mut |i| i + base), of: m.of.iter().map(|i| i + base).collect() };
        self.merged.extend(right.merged.into_iter().map(shift));
        self
    }

    pub fn column(&self, index: usize) -> Expr {
        Expr::column(index, self.columns[index].sql_type.clone())
    }

    /// The column of this plain name.
    pub fn by_name(&self, name: &str) -> Found {
        let mut merged = self.merged.iter().filter(|m| m.name == name);
        let hidden = |i: usize| self.merged.iter().any(|m| m.name == name && m.of.contains(&i));
        let mut plain = (0..self.columns.len()).filter(|&i| self.columns[i].name == name && !hidden(i));
        match (merged.next(), plain.next()) {
            (Some(m), None) if merged.next().is_none() => Found::Expr(m.expr.clone()),
            (None, Some(i)) if plain.next().is_none() => Found::Expr(self.column(i)),
            (None, None) => Found::Nothing,
            _ => Found::Ambiguous,
        }
    }

    /// Column `name` of the relation called `path`.
    pub fn in_relation(&self, path: &[&str], name: &str) -> Found {
        let mut found = Found::Nothing;
        for relation in self.relations_called(path) {
            for i in relation.columns.clone().filter(|&i| self.columns[i].name == name) {
                if !matches!(found, Found::Nothing) {
                    return Found::Ambiguous;
                }
                found = Found::Expr(self.column(i));
            }
        }
        found
    }

    /// The relations that a qualifier may mean.
    pub fn relations_called(&self, path: &[&str]) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(move |r| r.path.len() >= path.len() && r.path[r.path.len() - path.len()..].iter().zip(path).all(|(a, b)| a == b))
    }

    /// What `*` stands for: the merged columns once, at the place of the first of each.
    pub fn star(&self) -> Vec<(String, Expr)> {
        let mut items = Vec::with_capacity(self.columns.len());
        let mut merged: Vec<&Merged> = self.merged.iter().collect();
        // NATURAL and USING columns come first.
        merged.sort_by_key(|m| m.of.iter().min().copied());
        items.extend(merged.iter().map(|m| (m.name.clone(), m.expr.clone())));
        for (i, c) in self.columns.iter().enumerate() {
            if !self.merged.iter().any(|m| m.of.contains(&i)) {
                items.push((c.name.clone(), self.column(i)));
            }
        }
        items
    }
}

impl From<&PlanColumn> for ScopeColumn {
    fn from(column: &PlanColumn) -> Self {
        Self { name: column.name.clone(), sql_type: column.sql_type.clone() }
    }
}
