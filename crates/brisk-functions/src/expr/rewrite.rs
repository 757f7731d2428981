//! Walks over expressions: which columns are used, what is constant, and copies with other columns.

use std::collections::BTreeSet;

use crate::Expr;

impl Expr {
    /// The positions of the columns that are used.
    pub fn columns(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.visit(&mut |e| {
            if let Expr::Column { index, .. } = e {
                found.insert(*index);
            }
        });
        found
    }

    /// A copy with other column positions.
    pub fn map_columns(&self, f: &mut dyn FnMut(usize) -> usize) -> Expr {
        self.transform(&mut |e| match e {
            Expr::Column { index, sql_type } => Expr::Column { index: f(index), sql_type },
            other => other,
        })
    }

    /// A copy in which column `i` is `with[i]`: an expression over a projection, put over the projection's input.
    pub fn substitute(&self, with: &[Expr]) -> Expr {
        self.transform(&mut |e| match e {
            Expr::Column { index, .. } => with[index].clone(),
            other => other,
        })
    }

    /// No columns, and the same at every time: it can be computed once.
    pub fn is_constant(&self) -> bool {
        self.is_deterministic() && self.columns().is_empty()
    }

    /// Whether equal rows always give equal results.
    pub fn is_deterministic(&self) -> bool {
        let mut all = true;
        self.visit(&mut |e| {
            if let Expr::Call { function, .. } = e {
                all &= function.is_deterministic();
            }
        });
        all
    }

    /// Calls `f` on this expression and all below it, parents first.
    pub fn visit(&self, f: &mut dyn FnMut(&Expr)) {
        f(self);
        for child in self.children() {
            child.visit(f);
        }
    }

    /// A copy, rebuilt by `f` from the leaves up.
    pub fn transform(&self, f: &mut dyn FnMut(Expr) -> Expr) -> Expr {
        let copy = match self {
            Expr::Column { .. } | Expr::Literal { .. } => self.clone(),
            Expr::Call { function, args, sql_type } => Expr::Call { function: function.clone(), args: transform_all(args, f), sql_type: sql_type.clone() },
            Expr::Cast { input, sql_type, try_cast } => Expr::Cast { input: Box::new(input.transform(f)), sql_type: sql_type.clone(), try_cast: *try_cast },
            Expr::And(parts) => Expr::And(transform_all(parts, f)),
            Expr::Or(parts) => Expr::Or(transform_all(parts, f)),
            Expr::Case { branches, otherwise, sql_type } => Expr::Case {
                branches: branches.iter().map(|(when, then)| (when.transform(f), then.transform(f))).collect(),
                otherwise: otherwise.as_ref().map(|e| Box::new(e.transform(f))),
                sql_type: sql_type.clone(),
            },
        };
        f(copy)
    }

    pub(super) fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => Vec::new(),
            Expr::Call { args, .. } => args.iter().collect(),
            Expr::Cast { input, .. } => vec![input],
            Expr::And(parts) | Expr::Or(parts) => parts.iter().collect(),
            Expr::Case { branches, otherwise, .. } => branches.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()).collect(),
        }
    }
}

fn transform_all(parts: &[Expr], f: &mut dyn FnMut(Expr) -> Expr) -> Vec<Expr> {
    parts.iter().map(|p| p.transform(f)).collect()
}
