//! Programs against an evaluation that goes row by row and value by value: whatever expressions share, whatever they leave
//! out, and where they fail.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use brisk_core::{DataType, SqlType};

use super::Program;
use super::program::Form;
use crate::scalar::scalar_function;
use crate::scalar::testing::context;
use crate::{Columnar, Expr};

const COLUMNS: usize = 3;

/// Draws numbers and expressions.
struct Draw {
    state: u64,
    /// What was drawn before: drawn again, so that expressions share parts.
    integers: Vec<Expr>,
    booleans: Vec<Expr>,
}

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.state >> 33) % n
    }

    fn integer(&mut self, depth: u32) -> Expr {
        if !self.integers.is_empty() && self.below(4) == 0 {
            let known = self.below(self.integers.len() as u64) as usize;
            return self.integers[known].clone();
        }
        let expr = match if depth == 0 { self.below(2) } else { self.below(8) } {
            0 => Expr::column(self.below(COLUMNS as u64) as usize, integer_type()),
            1 => Expr::bigint(self.below(5) as i64 - 2),
            2 | 3 => call("+", vec![self.integer(depth - 1), self.integer(depth - 1)]),
            4 => call("*", vec![self.integer(depth - 1), self.integer(depth - 1)]),
            5 => call("/", vec![self.integer(depth - 1), self.integer(depth - 1)]),
            _ => {
                let branches = (0..1 + self.below(3)).map(|_| (self.boolean(depth - 1), self.integer(depth - 1))).collect();
                let otherwise = (self.below(3) > 0).then(|| Box::new(self.integer(depth - 1)));
                Expr::Case { branches, otherwise, sql_type: integer_type() }
            }
        };
        self.integers.push(expr.clone());
        expr
    }

    fn boolean(&mut self, depth: u32) -> Expr {
        if !self.booleans.is_empty() && self.below(4) == 0 {
            let known = self.below(self.booleans.len() as u64) as usize;
            return self.booleans[known].clone();
        }
        let parts = |draw: &mut Self| (0..2 + draw.below(2)).map(|_| draw.boolean(depth - 1)).collect();
        let expr = match if depth == 0 { self.below(3) } else { self.below(7) } {
            0 => call("IS NULL", vec![self.integer(0)]),
            1 => call("<", vec![self.integer(0), self.integer(0)]),
            2 => call("=", vec![self.integer(0), self.integer(0)]),
            3 => call(">", vec![self.integer(depth - 1), self.integer(depth - 1)]),
            4 => call("NOT", vec![self.boolean(depth - 1)]),
            5 => Expr::And(parts(self)),
            _ => Expr::Or(parts(self)),
        };
        self.booleans.push(expr.clone());
        expr
    }
}

fn integer_type() -> SqlType {
    SqlType::nullable(DataType::BigInt)
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(scalar_function(name).expect("a function"), args).expect("arguments that it takes")
}

/// NULL, or a number, or 0 and 1 for a truth.
type Value = Option<i64>;

struct Failed;

fn value(expr: &Expr, row: &[Value]) -> Result<Value, Failed> {
    Ok(match expr {
        Expr::Column { index, .. } => row[*index],
        Expr::Literal { value, .. } => value.is_valid(0).then(|| match value.as_boolean_opt() {
            Some(truth) => i64::from(truth.value(0)),
            None => value.as_primitive::<Int64Type>().value(0),
        }),
        Expr::Cast { input, .. } => value(input, row)?,
        Expr::Call { function, args, .. } => {
            let args = args.iter().map(|a| value(a, row)).collect::<Result<Vec<_>, _>>()?;
            let both = || args[0].zip(args[1]);
            match function.name() {
                "IS NULL" => Some(i64::from(args[0].is_none())),
                "NOT" => args[0].map(|truth| 1 - truth),
                "+" => both().map(|(a, b)| a.wrapping_add(b)),
                "*" => both().map(|(a, b)| a.wrapping_mul(b)),
                "/" => match both() {
                    Some((_, 0)) => return Err(Failed),
                    both => both.map(|(a, b)| a.wrapping_div(b)),
                },
                "<" => both().map(|(a, b)| i64::from(a < b)),
                ">" => both().map(|(a, b)| i64::from(a > b)),
                _ => both().map(|(a, b)| i64::from(a == b)),
            }
        }
        Expr::And(parts) => logic(parts, 0, row)?,
        Expr::Or(parts) => logic(parts, 1, row)?,
        Expr::Case { branches, otherwise, .. } => {
            for (when, then) in branches {
                if value(when, row)? == Some(1) {
                    return value(then, row);
                }
            }
            otherwise.as_ref().map_or(Ok(None), |e| value(e, row))?
        }
    })
}

/// Stops at the value that decides.
fn logic(parts: &[Expr], decides: i64, row: &[Value]) -> Result<Value, Failed> {
    let mut all_known = true;
    for part in parts {
        match value(part, row)? {
            Some(truth) if truth == decides => return Ok(Some(decides)),
            Some(_) => {}
            None => all_known = false,
        }
    }
    Ok(all_known.then_some(1 - decides))
}

/// The rows that the filter keeps, with their results; `None` where one fails.
fn expected(filter: Option<&Expr>, outputs: &[Expr], rows: &[Vec<Value>]) -> Option<Vec<(usize, Vec<Value>)>> {
    let kept = |row: &Vec<Value>| filter.map_or(Ok(true), |f| value(f, row).map(|truth| truth == Some(1)));
    let mut results = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if kept(row).ok()? {
            results.push((number, outputs.iter().map(|e| value(e, row)).collect::<Result<Vec<_>, _>>().ok()?));
        }
    }
    Some(results)
}

fn found(filter: Option<&Expr>, outputs: &[Expr], rows: &[Vec<Value>]) -> Option<Vec<(usize, Vec<Value>)>> {
    let column = |c: usize| Arc::new(rows.iter().map(|row| row[c]).collect::<Int64Array>()) as ArrayRef;
    let names = ["a", "b", "c"];
    let batch = RecordBatch::try_from_iter((0..COLUMNS).map(|c| (names[c], column(c)))).expect("a batch");
    let outcome = Program::new(filter, outputs).run(&batch, &context()).ok()?;
    let numbers: Vec<usize> = match &outcome.kept {
        Some(mask) => mask.set_indices().collect(),
        None => (0..rows.len()).collect(),
    };
    assert_eq!(numbers.len(), outcome.rows);
    let read = |array: &ArrayRef, row: usize| {
        array.is_valid(row).then(|| match array.as_boolean_opt() {
            Some(truth) => i64::from(truth.value(row)),
            None => array.as_primitive::<Int64Type>().value(row),
        })
    };
    Some(numbers.into_iter().enumerate().map(|(row, number)| (number, outcome.columns.iter().map(|c| read(c, row)).collect())).collect())
}

#[test]
fn programs_answer_as_row_by_row() {
    let mut failed = 0;
    for seed in 0..3000 {
        let mut draw = Draw { state: seed, integers: Vec::new(), booleans: Vec::new() };
        let count = [1, 7, 60][draw.below(3) as usize];
        // Few values in some columns, so that conditions hold for nearly all or nearly no row.
        let range = 1 + draw.below(6);
        let rows: Vec<Vec<Value>> = (0..count).map(|_| (0..COLUMNS).map(|_| (draw.below(9) > 0).then(|| draw.below(range) as i64 - 1)).collect()).collect();
        let filter = (draw.below(3) > 0).then(|| draw.boolean(3));
        let outputs: Vec<Expr> = (0..3).map(|i| if i == 0 { draw.boolean(3) } else { draw.integer(4) }).collect();
        let want = expected(filter.as_ref(), &outputs, &rows);
        failed += usize::from(want.is_none());
        assert_eq!(found(filter.as_ref(), &outputs, &rows), want, "seed {seed}: {outputs:?} where {filter:?}");
    }
    // Both kinds of outcome must have been seen.
    assert!((300..2500).contains(&failed), "{failed} of 3000 fail");
}

#[test]
fn what_is_shared_is_one_node() {
    let column = || Expr::column(0, integer_type());
    let double = call("*", vec![column(), Expr::bigint(2)]);
    let filter = call(">", vec![double.clone(), Expr::bigint(3)]);
    let program = Program::new(Some(&filter), &[double.clone(), call("+", vec![double, column()])]);
    let shared: Vec<usize> = (0..program.nodes.len()).filter(|&n| program.nodes[n].is_shared && matches!(program.nodes[n].form, Form::Call { .. })).collect();
    assert_eq!(shared.len(), 1);
    let rand = || call("RAND", vec![]);
    assert!(Program::new(None, &[rand(), rand()]).nodes.iter().all(|n| !n.is_shared));
}

#[test]
fn a_constant_stays_one_value() {
    let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)]).expect("a batch");
    let sum = call("+", vec![Expr::bigint(1), Expr::bigint(2)]);
    assert!(matches!(sum.evaluate(&batch, &context()).expect("a sum"), Columnar::Scalar(_)));
}
