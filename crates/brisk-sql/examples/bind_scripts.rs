//! Binds scripts, and tells which could not be and why, the most frequent reasons first.
//!
//!     cargo run -p brisk-sql --example bind_scripts -- DIR_OR_FILE...
//!
//! Variables are replaced by their own names. A file `expected.json` beside a script may hold the `types` of the last
//! INSERT's table, which are compared with those of the bound query where they are of the same kind; a file of JSON
//! lines with `sql_expr` and `type` has its expressions bound over `from`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brisk_core::{Error, Result};
use brisk_sql::session::{Outcome, Session, parse_statements, substitute};

fn main() {
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut passed, mut failed) = (0, 0);
    for path in std::env::args().skip(1).flat_map(|arg| files(Path::new(&arg))) {
        let results = if path.extension().is_some_and(|e| e == "jsonl") { expressions(&path) } else { vec![(path.display().to_string(), script(&path))] };
        for (name, result) in results {
            match result {
                Ok(()) => passed += 1,
                Err(message) => {
                    failed += 1;
                    failures.entry(message).or_default().push(name);
                }
            }
        }
    }
    let mut failures: Vec<_> = failures.into_iter().collect();
    failures.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    for (message, names) in failures {
        println!("{:5}  {message}\n       {}", names.len(), names[..names.len().min(3)].join("  "));
    }
    println!("{passed} bound, {failed} not");
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.flat_map(|e| files(&e.path())).filter(|p| p.extension().is_some_and(|e| e == "sql")).collect();
    found.sort();
    found
}

fn script(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    run(&text).map(|_| ()).map_err(|e| e.to_string())
}

/// Runs a script and gives the last outcome.
fn run(text: &str) -> Result<Option<Outcome>> {
    let text = substitute(text, |name| Some(name.to_string()))?;
    let mut session = Session::default();
    let mut last = None;
    for (statement, at) in parse_statements(&text)? {
        last = Some(session.execute(&statement, at)?);
    }
    Ok(last)
}

fn expressions(path: &Path) -> Vec<(String, Result<(), String>)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let cases = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    cases.map(|case| (case["sql_expr"].as_str().unwrap_or("?").to_string(), expression(&case))).collect()
}

fn expression(case: &serde_json::Value) -> Result<(), String> {
    let expr = case["sql_expr"].as_str().unwrap_or_default();
    let from = case["from"].as_str().map_or(String::new(), |f| format!(" FROM ({f}) AS t"));
    let must_fail = case["expect_error"].as_bool() == Some(true) && case["error_phase"] == "validation";
    let found = match run(&format!("SELECT {expr}{from};")) {
        Ok(Some(Outcome::Query(plan))) => plan.columns[0].sql_type.data_type.to_string(),
        Ok(_) => return Err("no query".into()),
        Err(_) if must_fail => return Ok(()),
        Err(Error { message, .. }) => return Err(message),
    };
    let plain = |t: &str| t.replace(" NOT NULL", "").replace("VARCHAR(2147483647)", "STRING");
    match case["type"].as_str() {
        _ if must_fail => Err(format!("must fail: {}", case["expected"].as_str().unwrap_or_default())),
        Some(expected) if plain(expected) != plain(&found) => Err(format!("type {} and not {}", plain(&found), plain(expected))),
        _ => Ok(()),
    }
}
