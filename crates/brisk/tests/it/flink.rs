//! Programs out of Flink's own tests give Flink's final tables.
//!
//! Values are compared in a form of their own: times without `T`, `Z` and trailing zeros, numbers in seven digits, the
//! fields of a ROW and the entries of a MAP in the order of their texts (JSON objects have none).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::program;

/// What is known to differ, with the reason in `tests/flink/known_differences.txt`.
fn known_differences() -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder().join("known_differences.txt")).expect("the list is part of the repository");
    text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_whitespace().next()).map(str::to_string).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flink")
}

#[test]
fn programs_answer_as_flink_does() {
    let text = std::fs::read_to_string(folder().join("programs.jsonl")).expect("the programs are part of the repository");
    let programs: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("a JSON line")).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(program) {
                        let id = program["id"].as_str().expect("an id").to_string();
                        failures.lock().expect("no thread panics").insert(id, why);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panics");
    let known = known_differences();
    let new: Vec<_> = failures.iter().filter(|(id, _)| !known.contains(*id)).collect();
    let mended: Vec<_> = known.iter().filter(|id| !failures.contains_key(*id)).collect();
    assert!(new.is_empty(), "{} of {} programs differ: {new:#?}", new.len(), programs.len());
    assert!(mended.is_empty(), "these agree now, take them off the list: {mended:?}");
}

fn check(program: &Value) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    std::fs::create_dir(&data).map_err(|e| e.to_string())?;
    for (name, text) in program["data"].as_object().ok_or("no data")? {
        std::fs::write(data.join(name), text.as_str().ok_or("no text")?).map_err(|e| e.to_string())?;
    }
    let path = |p: &Path| p.display().to_string();
    let script = program["script"].as_str().ok_or("no script")?.replace("${DATA}", &path(&data)).replace("${OUT}", &path(&out));
    std::fs::write(dir.path().join("script.sql"), script).map_err(|e| e.to_string())?;
    let mut command = program::brisk();
    command.arg("run").arg(dir.path().join("script.sql"));
    let run = program::run(command);
    if !run.status.success() {
        return Err(run.stderr.trim().to_string());
    }
    let columns: Vec<&str> = program["columns"].as_array().ok_or("no columns")?.iter().filter_map(Value::as_str).collect();
    let key: Vec<&str> = program["primary_key"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let got = final_table(&out, &columns, &key)?;
    let mut want = BTreeMap::new();
    for row in program["rows"].as_array().ok_or("no rows")? {
        let cells: Vec<String> = row.as_array().ok_or("no row")?.iter().map(form).collect();
        *want.entry(cells.join("|")).or_insert(0) += 1;
    }
    if got == want {
        return Ok(());
    }
    let missing: Vec<_> = want.iter().filter(|(r, n)| got.get(*r) != Some(n)).take(2).collect();
    let unasked: Vec<_> = got.iter().filter(|(r, n)| want.get(*r) != Some(n)).take(2).collect();
    Err(format!("missing {missing:?}, unasked {unasked:?}"))
}

/// The rows that are left when all changes are applied: by key where the sink has one.
fn final_table(out: &Path, columns: &[&str], key: &[&str]) -> Result<BTreeMap<String, i64>, String> {
    let (mut table, mut by_key) = (BTreeMap::new(), BTreeMap::new());
    let mut files: Vec<PathBuf> = std::fs::read_dir(out).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files.iter().filter(|f| !f.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_']))) {
        for line in std::fs::read_to_string(file).map_err(|e| e.to_string())?.lines() {
            let change: Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
            for (side, sign) in [("before", -1), ("after", 1)] {
                let Some(row) = change[side].as_object() else { continue };
                let cells = |names: &[&str]| names.iter().map(|c| form(row.get(*c).unwrap_or(&Value::Null))).collect::<Vec<_>>().join("|");
                if key.is_empty() {
                    *table.entry(cells(columns)).or_insert(0) += sign;
                } else if sign > 0 {
                    by_key.insert(cells(key), cells(columns));
                } else {
                    by_key.remove(&cells(key));
                }
            }
        }
    }
    by_key.into_values().for_each(|row| *table.entry(row).or_insert(0) += 1);
    table.retain(|_, n| *n != 0);
    Ok(table)
}

/// A value in the form in which both sides are compared.
fn form(value: &Value) -> String {
    match value {
        Value::String(text) => time_form(text).or_else(|| number_form(text)).unwrap_or_else(|| text.clone()),
        Value::Number(number) => number_form(&number.to_string()).unwrap_or_else(|| number.to_string()),
        Value::Array(items) => format!("[{}]", items.iter().map(form).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => match fields.iter().next() {
            Some((tag, inner)) if tag.starts_with('$') => tagged(tag, inner),
            _ => set_form(fields.iter().map(|(key, value)| (form(&Value::from(key.as_str())), form(value)))),
        },
        other => other.to_string(),
    }
}

fn tagged(tag: &str, inner: &Value) -> String {
    match (tag, inner) {
        ("$map", Value::Array(entries)) => set_form(entries.iter().map(|e| (form(&e[0]), form(&e[1])))),
        // A row's field names are not part of the answer; the other side's names are dropped in the same way.
        ("$row", Value::Array(values)) => set_form(values.iter().map(|v| (String::new(), form(v)))),
        _ => form(inner),
    }
}

/// Values in the order of their texts; names are left out.
fn set_form(entries: impl Iterator<Item = (String, String)>) -> String {
    let mut values: Vec<String> = entries.map(|(_, value)| value).collect();
    values.sort();
    format!("{{{}}}", values.join(","))
}

/// `2020-10-10T00:05` and `2020-10-10 00:05:00.000` alike; `None` for what is no date or time.
fn time_form(text: &str) -> Option<String> {
    let plain = text.strip_suffix('Z').unwrap_or(text).replace('T', " ");
    let (date, time) = match plain.split_once(' ') {
        Some((date, time)) => (Some(date), time),
        None => (None, plain.as_str()),
    };
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let is_date = |d: &str| d.split('-').count() == 3 && d.split('-').all(|p| digits(p, 4) || digits(p, 2));
    if date.is_none() || !date.is_some_and(is_date) {
        let parts: Vec<&str> = time.split(':').collect();
        let is_time = date.is_none() && (2..=3).contains(&parts.len()) && parts[..2].iter().all(|p| digits(p, 2));
        return is_time.then(|| clock_form(time));
    }
    Some(format!("{} {}", date.unwrap_or_default(), clock_form(time)))
}

fn clock_form(time: &str) -> String {
    let full = if time.matches(':').count() == 1 { format!("{time}:00") } else { time.to_string() };
    if full.contains('.') { full.trim_end_matches('0').trim_end_matches('.').to_string() } else { full }
}

fn number_form(text: &str) -> Option<String> {
    let looks = text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number: f64 = text.parse().ok().filter(|_| looks)?;
    Some(format!("{:.5e}", if number == 0.0 { 0.0 } else { number }))
}
