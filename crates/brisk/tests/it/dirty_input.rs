//! Records that cannot be decoded: fail with place and cause, skip with a count, or keep them word for word.

use std::path::{Path, PathBuf};

use crate::program::{self, Run};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flink/scenarios/data/dirty_orders.ndjson")
}

const COLUMNS: &str =
    "order_id BIGINT, user_id BIGINT, item_id BIGINT, shop_id INT, price DECIMAL(10, 2), quantity INT, city STRING, channel STRING, order_time TIMESTAMP(3)";

/// Runs `query` over the orders; `tables` are created before them.
fn run(options: &str, tables: &str, query: &str) -> Run {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("script.sql");
    let orders = format!("CREATE TABLE orders ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json'{options})", data().display());
    std::fs::write(&path, format!("{tables}{orders};\n{query};\n")).expect("a writable folder");
    let mut command = program::brisk();
    command.arg("run").arg(&path).args(["-o", "tsv"]);
    program::run(command)
}

/// The lines that are no orders, counted by hand: cut off, empty, null, a word for a number, an array, no text, too large.
const BAD_LINES: [usize; 7] = [21, 22, 23, 24, 25, 26, 27];

/// These lines, word for word.
fn bad_lines() -> Vec<String> {
    let text = std::fs::read_to_string(data()).expect("the data is part of the repository");
    text.lines().enumerate().filter(|(i, _)| BAD_LINES.contains(&(i + 1))).map(|(_, l)| l.to_string()).collect()
}

#[test]
fn a_bad_record_fails_the_job_and_is_named() {
    let Run { status, stderr, .. } = run("", "", "SELECT COUNT(*) FROM orders");
    assert!(!status.success());
    assert!(stderr.contains("dirty_orders.ndjson") && stderr.contains("line"), "{stderr}");
}

#[test]
fn bad_records_can_be_skipped_and_are_counted() {
    let Run { status, stdout, stderr } = run(", 'scan.bad-records' = 'skip'", "", "SELECT order_id FROM orders");
    assert!(status.success(), "{stderr}");
    assert_eq!(stdout.lines().count(), 50, "{stdout}");
    assert!(stderr.contains("7 bad records"), "{stderr}");
}

#[test]
fn bad_records_can_be_kept_word_for_word() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let table = format!(
        "CREATE TABLE dead (raw_record STRING, reason STRING, origin STRING, record_number BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');\n",
        out.path().join("dead").display()
    );
    let Run { status, stdout, stderr } = run(", 'scan.bad-records' = 'dead-letter', 'scan.bad-records.table' = 'dead'", &table, "SELECT COUNT(*) FROM orders");
    assert!(status.success(), "{stderr}");
    assert!(stdout.lines().last().is_some_and(|l| l == "50"), "{stdout}");
    let mut kept = Vec::new();
    for file in std::fs::read_dir(out.path().join("dead")).expect("the sink made its folder") {
        let path = file.expect("a readable folder").path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_'])) {
            continue;
        }
        for line in std::fs::read_to_string(path).expect("a readable file").lines() {
            let row: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            assert!(row["reason"].as_str().is_some_and(|r| !r.is_empty()));
            kept.push(row["raw_record"].as_str().expect("raw text").to_string());
        }
    }
    let mut want = bad_lines();
    kept.sort();
    want.sort();
    assert_eq!(kept, want);
}

#[test]
fn a_null_for_a_column_that_must_have_a_value_fails_the_job_or_is_dropped() {
    let insert = |setting: &str| {
        let strict = "CREATE TABLE strict (item STRING NOT NULL) WITH ('connector' = 'print');\n";
        run("", &format!("{setting}{strict}"), "INSERT INTO strict SELECT NULLIF(city, city) FROM orders /*+ OPTIONS('scan.bad-records' = 'skip') */")
    };
    let failed = insert("");
    assert!(!failed.status.success());
    assert!(failed.stderr.contains("column `item`") && failed.stderr.contains("is NOT NULL"), "{}", failed.stderr);
    let dropped = insert("SET 'table.exec.sink.not-null-enforcer' = 'DROP';\n");
    assert!(dropped.status.success(), "{}", dropped.stderr);
    assert!(!dropped.stdout.contains("+I"), "{}", dropped.stdout);
}
