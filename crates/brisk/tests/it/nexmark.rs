//! The queries of the Nexmark benchmark give real Flink's answers over the same events: as they are, in parallel and in
//! one-row batches. The answers, and the program that asked Flink for them, are in `tests/nexmark`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::{self, Run};

/// The run of which `tests/nexmark/expected` tells: two days meet in it.
const GENERATOR: &str = "'connector' = 'nexmark', 'events.num' = '20000', 'first-event.rate' = '200', 'base-time' = '1700006350000', \
     'person.proportion' = '5', 'auction.proportion' = '3', 'bid.proportion' = '42'";
/// The queries with a fixed answer. q6 is refused by Flink; q12 has windows of the wall clock, and is only run.
const QUERIES: [u32; 22] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
/// Whole rows are part of an answer up to this size.
const FEW: usize = 200;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/nexmark")
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// With the events in files.
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        let side: String = (0..10_000).map(|n| format!("{n},text {n}\n")).collect();
        fs::write(bench.path("side.csv"), side).expect("written");
        bench.run("events", GENERATOR, &bench.files("events", "json"), &[]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn files(&self, name: &str, format: &str) -> String {
        format!("'connector' = 'filesystem', 'path' = '{}', 'format' = '{format}'", self.path(name).display())
    }

    fn run(&self, query: &str, source: &str, sink: &str, extra: &[&str]) {
        let read = |name: &str| fs::read_to_string(folder().join(name)).expect("part of the repository");
        let text = (read("ddl.sql") + &read(&format!("{query}.sql")))
            .replace("${SOURCE}", source)
            .replace("${SINK}", sink)
            .replace("${OUT}", &self.path(query).display().to_string())
            .replace("${SIDE}", &self.path("side.csv").display().to_string());
        let script = self.path(&format!("{query}.sql"));
        fs::write(&script, text).expect("written");
        let mut command = program::brisk();
        command.arg("run").arg(script).args(extra);
        let Run { status, stderr, .. } = program::run(command);
        assert!(status.success(), "{query} {extra:?}: {stderr}");
    }

    fn answer(&self, query: u32, extra: &[&str]) -> String {
        let name = format!("q{query}");
        let out = self.path(&name);
        if out.exists() {
            fs::remove_dir_all(&out).expect("removed");
        }
        self.run(&name, &self.files("events", "json"), &self.files(&name, "debezium-json"), extra);
        summary(match query {
            10 => partitioned(&out),
            // Flink gives no update-before here: the last row of a key counts.
            9 => last_by(&changes(&out), "id"),
            _ => applied(&changes(&out)),
        })
    }
}

/// The visible files below a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|e| e.expect("readable").path()) {
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_']));
        match path.is_dir() {
            _ if hidden => {}
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("text").lines().map(str::to_owned).collect()
}

fn changes(folder: &Path) -> Vec<Value> {
    let texts = files(folder).into_iter().flat_map(|f| lines(&f));
    texts.map(|l| serde_json::from_str(&l).expect("JSON")).collect()
}

fn applied(changes: &[Value]) -> Vec<String> {
    let mut table: BTreeMap<String, i64> = BTreeMap::new();
    for change in changes {
        for (side, n) in [("before", -1), ("after", 1)] {
            if change[side].is_object() {
                *table.entry(line_of(&change[side])).or_default() += n;
            }
        }
    }
    let wrong = table.iter().find(|(_, n)| **n < 0);
    assert!(wrong.is_none(), "taken back, never given: {wrong:?}");
    table.into_iter().flat_map(|(row, n)| std::iter::repeat_n(row, n as usize)).collect()
}

fn last_by(changes: &[Value], key: &str) -> Vec<String> {
    let mut last = BTreeMap::new();
    for change in changes {
        let row = if change["after"].is_object() { &change["after"] } else { &change["before"] };
        last.insert(row[key].to_string(), &change["after"]);
    }
    last.values().filter(|row| row.is_object()).map(|row| line_of(row)).collect()
}

/// The lines of files in folders `dt=../hm=..`, with the names of the folders.
fn partitioned(folder: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for path in files(folder) {
        let shown = path.display().to_string().replace("%3A", ":");
        let parts = shown.split('/').filter_map(|p| p.split_once('=')).map(|(_, value)| value.to_owned());
        let parts: Vec<String> = parts.collect();
        for line in lines(&path) {
            let cells = line.split(',').map(|c| without_zeros(c.trim_matches('"')));
            rows.push(cells.chain(parts.iter().cloned()).collect::<Vec<_>>().join("\t"));
        }
    }
    rows
}

/// The cells by the names of their columns.
fn line_of(row: &Value) -> String {
    let cells: BTreeMap<&String, String> = row.as_object().expect("an object").iter().map(|(name, v)| (name, cell(v))).collect();
    cells.into_values().collect::<Vec<_>>().join("\t")
}

/// One form for what engines write differently: 1.50 and 1.5, a time with and without zeros.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => without_zeros(text),
        Value::Number(n) if n.to_string().contains(['.', 'e', 'E']) => {
            let x = n.as_f64().expect("a number");
            if x.fract() == 0.0 { format!("{}", x as i64) } else { format!("{x:.3}") }
        }
        other => other.to_string(),
    }
}

/// `2023-11-14 23:59:10.250` without the zeros that may end it; other texts as they are.
fn without_zeros(text: &str) -> String {
    let shape: String = text.chars().take(19).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if !matches!(shape.as_str(), "0000-00-00 00:00:00" | "0000-00-00T00:00:00") {
        return text.to_owned();
    }
    let text = text.replace('T', " ");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What `make_answers.py` writes: how many rows, the sum of their hashes, and the rows when they are few.
fn summary(mut rows: Vec<String>) -> String {
    rows.sort();
    let hash = rows.iter().fold(0u64, |sum, row| sum.wrapping_add(hash64(row)));
    let mut text = format!("rows {}\nhash {hash:016x}\n", rows.len());
    if rows.len() <= FEW {
        rows.iter().for_each(|row| text.extend([row, "\n"]));
    }
    text
}

/// FNV-1a.
fn hash64(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn check(extra: &[&str]) {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    for query in QUERIES {
        let want = fs::read_to_string(folder().join(format!("expected/q{query}.txt"))).expect("the answer is part of the repository");
        let got = bench.answer(query, extra);
        if got != want {
            let start = |text: &str| text.lines().take(4).collect::<Vec<_>>().join(" | ");
            wrong.push(format!("q{query}: {} instead of {}", start(&got), start(&want)));
        }
    }
    assert!(wrong.is_empty(), "{extra:?}\n{}", wrong.join("\n"));
}

#[test]
fn nexmark_gives_the_answers_of_flink() {
    check(&[]);
}

#[test]
fn nexmark_gives_them_in_parallel() {
    check(&["--parallelism", "2"]);
}

#[test]
fn nexmark_gives_them_row_by_row() {
    check(&["--batch-rows", "1"]);
}

#[test]
fn the_query_of_the_wall_clock_runs() {
    let bench = Bench::new();
    bench.run("q12", &bench.files("events", "json"), &bench.files("q12", "json"), &[]);
    let counted: i64 = changes(&bench.path("q12")).iter().map(|row| row["bid_count"].as_i64().expect("a count")).sum();
    // What the end of the input does to an open window of the wall clock is not fixed; no bid may count twice.
    assert!(counted <= 20_000 * 42 / 50, "{counted} bids were counted");
}
