//! What is written back parses to an equal tree.

use brisk_parser::ast::{ColumnKind, DataType, Expr, Query, Statement, StatementKind};
use brisk_parser::{parse_expression, parse_query, parse_script, parse_type};

use crate::SCRIPTS;

fn query(query: &Query) {
    let text = query.to_string();
    match parse_query(&text) {
        Ok(again) => assert_eq!(again, *query, "{text}"),
        Err(error) => panic!("{error}: {text}"),
    }
}

fn expr(expr: &Expr) {
    let text = expr.to_string();
    match parse_expression(&text) {
        Ok(again) => assert_eq!(again, *expr, "{text}"),
        Err(error) => panic!("{error}: {text}"),
    }
}

fn data_type(data_type: &DataType) {
    let text = data_type.to_string();
    match parse_type(&text) {
        Ok(again) => assert_eq!(again, *data_type, "{text}"),
        Err(error) => panic!("{error}: {text}"),
    }
}

/// Checks all queries, expressions and types of a statement; says how many there were.
pub fn statement(statement: &Statement) -> usize {
    match &statement.kind {
        StatementKind::Query(it) => query(it),
        StatementKind::Insert(insert) => query(&insert.source),
        StatementKind::StatementSet(inserts) => inserts.iter().for_each(|insert| query(&insert.source)),
        StatementKind::CreateView(view) => query(&view.query),
        StatementKind::CreateTable(table) => {
            for column in &table.columns {
                match &column.kind {
                    ColumnKind::Physical(it) | ColumnKind::Metadata { data_type: it, .. } => data_type(it),
                    ColumnKind::Computed(it) => expr(it),
                    ColumnKind::FromQuery => {}
                }
            }
            table.watermark.iter().for_each(|watermark| expr(&watermark.expr));
            table.query.iter().for_each(query);
        }
        _ => return 0,
    }
    1
}

#[test]
fn our_scripts() {
    for script in SCRIPTS {
        for parsed in parse_script(script).expect("valid") {
            statement(&parsed);
        }
    }
}

/// The conformance scripts, where they are at hand.
#[test]
fn shared_scripts() {
    let Some(folder) = std::env::var_os("BRISK_SQL_SCRIPTS") else {
        eprintln!("SKIPPED shared_scripts: BRISK_SQL_SCRIPTS names no folder with .sql files");
        return;
    };
    let mut checked = 0;
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                let script = std::fs::read_to_string(&path).expect("a readable script");
                match parse_script(&script) {
                    Ok(statements) => checked += statements.iter().map(statement).sum::<usize>(),
                    Err(error) => panic!("{}: {error}", path.display()),
                }
            }
        }
    }
    assert!(checked > 0, "no statement found");
}
