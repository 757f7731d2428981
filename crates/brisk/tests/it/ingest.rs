//! HTTP push: what is answered, and that acknowledged events are counted exactly once whatever happens to the process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{LIMIT, Server, request, script};

const TABLES: &str = "
SET 'execution.checkpointing.interval' = '100 ms';
CREATE TABLE orders (id BIGINT, item STRING) WITH ('connector' = 'http', 'path' = '/ingest/orders', 'format' = 'json', 'body.max-size' = '1 kb');
CREATE TABLE totals (item STRING, n BIGINT, ids BIGINT, PRIMARY KEY (item) NOT ENFORCED) WITH ('connector' = 'live');
INSERT INTO totals SELECT item, COUNT(*), SUM(id) FROM orders GROUP BY item;
";

fn check(server: &Server, headers: &str, body: &[u8], status: u16, part: &str) {
    let answer = server.post("/ingest/orders", headers, body);
    assert_eq!((answer.status, answer.body.contains(part)), (status, true), "{} {}", answer.status, answer.body);
}

#[test]
fn bodies_are_taken_whole_or_refused_with_a_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&directory.path().join("data"), "127.0.0.1:0", &[script(directory.path(), TABLES)]);
    check(&server, "", br#"{"id": 1, "item": "pen"}"#, 202, r#""accepted":1"#);
    check(&server, "", br#"[{"id": 2, "item": "pen"}, {"id": 3, "item": "ink"}]"#, 202, r#""accepted":2"#);
    check(&server, "", b"{\"id\": 4,\n \"item\": \"pen\"}\n{\"id\": 5, \"item\": \"pen\"}\n", 202, r#""accepted":2"#);
    check(&server, "", br#"{"id": 6, "item": "pen"} {"id": "#, 400, "line 1 column");
    check(&server, "", b"[1]", 400, "event 1 is no JSON object");
    check(&server, "", br#"[{"id": 8, "item": "pen"}, {"id": "eight", "item": "pen"}]"#, 400, "event 2 of 2");
    check(&server, "", br#"[{"id": 8, "item": "pen"}, {"id": "eight", "item": "pen"}]"#, 400, r#""event":2"#);
    check(&server, "", &[b' '; 2000], 413, "larger than 1024 bytes");
    check(&server, "Content-Encoding: br\r\n", b"{}", 415, "br is not read");
    check(&server, "Idempotency-Key: a\r\n", br#"{"id": 7, "item": "pen"}"#, 202, r#""accepted":1"#);
    check(&server, "Idempotency-Key: a\r\n", br#"{"id": 7, "item": "pen"}"#, 202, r#""repeated":true"#);
    let unknown = server.post("/ingest/nothing", "", b"{}");
    assert_eq!((unknown.status, unknown.json()["remedy"].is_string()), (404, true));
    let table = server.wait_for("/live/totals?order=item", |t| t["rows"][1]["n"] == 5);
    assert_eq!(table["rows"], serde_json::json!([{"item": "ink", "n": 1, "ids": 3}, {"item": "pen", "n": 5, "ids": 19}]));
    assert_eq!(server.get("/live/totals?format=csv&order=-n&limit=1").body, "item,n,ids\r\npen,5,19\r\n");
}

#[test]
fn a_table_that_keeps_bad_records_takes_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "
        CREATE TABLE dead (raw_record STRING, reason STRING) WITH ('connector' = 'live', 'mode' = 'last');
        CREATE TABLE orders (id BIGINT) WITH ('connector' = 'http', 'format' = 'json', 'scan.bad-records' = 'dead-letter', 'scan.bad-records.table' = 'dead');
        CREATE TABLE ids (id BIGINT) WITH ('connector' = 'live');
        INSERT INTO ids SELECT id FROM orders;";
    let server = Server::start(&directory.path().join("data"), "127.0.0.1:0", &[script(directory.path(), text)]);
    check(&server, "", br#"[{"id": "eight"}, {"id": 9}]"#, 202, r#""accepted":2"#);
    server.wait_for("/live/ids", |t| t["rows"] == serde_json::json!([{"id": 9}]));
    server.wait_for("/live/dead", |t| t["rows"][0]["raw_record"] == r#"{"id": "eight"}"#);
}

#[test]
fn a_table_takes_no_more_than_its_rate_and_its_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let limited = TABLES.replace("'body.max-size' = '1 kb'", "'rate-limit' = '2'");
    let server = Server::start(&directory.path().join("data"), "127.0.0.1:0", &[script(directory.path(), &limited)]);
    check(&server, "", br#"{"id":1,"item":"pen"}{"id":2,"item":"pen"}"#, 202, "accepted");
    let refused = server.post("/ingest/orders", "", br#"{"id":3,"item":"pen"}"#);
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.headers.contains("retry-after: 1"), "{}", refused.headers);
}

/// What became of events by the answer to their request.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    /// No answer came: either is right.
    unknown: BTreeSet<u64>,
}

struct Load {
    address: String,
    ledger: Mutex<Ledger>,
    acknowledged: AtomicU64,
    next_id: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Posts until it is told to stop. With `keys` a request without an answer is sent again until there is one.
    fn run(&self, keys: bool, seed: u64) {
        let mut random = Random(seed);
        while !self.stop.load(Ordering::Acquire) {
            let count = 1 + random.below(20);
            let first = self.next_id.fetch_add(count, Ordering::Relaxed);
            let spoiled = random.below(10) == 0;
            let mut body: String = (first..first + count).map(|id| format!("{{\"id\":{id},\"item\":\"i{}\"}}\n", id % 3)).collect();
            if spoiled {
                body.push_str("{\"id\":");
            }
            let headers = if keys { format!("Idempotency-Key: k{first}\r\n") } else { String::new() };
            self.post(first..first + count, &headers, body.as_bytes(), keys);
        }
    }

    fn post(&self, ids: std::ops::Range<u64>, headers: &str, body: &[u8], again: bool) {
        let until = Instant::now() + LIMIT;
        loop {
            let answer = request(&self.address, "POST", "/ingest/orders", headers, body);
            let mut ledger = self.ledger.lock().expect("no holder panics");
            match answer.map(|a| a.status) {
                Ok(202) => {
                    self.acknowledged.fetch_add(ids.end - ids.start, Ordering::Release);
                    return ledger.acknowledged.extend(ids);
                }
                Ok(_) => return ledger.refused.extend(ids),
                Err(_) if !again => return ledger.unknown.extend(ids),
                Err(e) => assert!(Instant::now() < until, "no answer: {e}"),
            }
            drop(ledger);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A small generator: the moments of the kills differ from run to run anyway, by the machine's load.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn acknowledged_events_are_counted_once_through_twenty_kills() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let text = format!(
        "{}
        CREATE TABLE copies (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
        INSERT INTO copies SELECT id FROM orders;",
        TABLES.replace("'1 kb'", "'1 mb'"),
        out.display()
    );
    let (data, scripts) = (directory.path().join("data"), [script(directory.path(), &text)]);
    let mut server = Server::start(&data, "127.0.0.1:0", &scripts);
    let address = server.address.clone();
    let load = Arc::new(Load {
        address: address.clone(),
        ledger: Mutex::default(),
        acknowledged: AtomicU64::new(0),
        next_id: AtomicU64::new(1),
        stop: AtomicBool::new(false),
    });
    let clients: Vec<_> = (0..4)
        .map(|n| {
            let load = load.clone();
            std::thread::spawn(move || load.run(n % 2 == 0, n))
        })
        .collect();
    let mut random = Random(42);
    for _ in 0..20 {
        let target = load.acknowledged.load(Ordering::Acquire) + 1 + random.below(600);
        let until = Instant::now() + LIMIT;
        while load.acknowledged.load(Ordering::Acquire) < target {
            assert!(Instant::now() < until, "the load does not get on");
            std::thread::sleep(Duration::from_millis(1));
        }
        server.kill();
        server = Server::start(&data, &address, &scripts);
    }
    load.stop.store(true, Ordering::Release);
    for client in clients {
        client.join().expect("the client ends");
    }
    check_counts(&server, &load.ledger.lock().expect("no holder panics"), &out);
}

fn check_counts(server: &Server, ledger: &Ledger, out: &Path) {
    assert!(!ledger.refused.is_empty());
    eprintln!("{} events acknowledged, {} refused, {} without an answer", ledger.acknowledged.len(), ledger.refused.len(), ledger.unknown.len());
    // Everything that is in the log is counted when the checkpoint after its end is done.
    let least = ledger.acknowledged.len() as u64;
    server.wait_for("/live/totals", |t| sum(t, "n") >= least);
    let until = Instant::now() + LIMIT;
    let copies = loop {
        server.post("/api/jobs/script.copies/checkpoint", "", b"");
        let copies = read_ids(out);
        if copies.values().sum::<u64>() >= sum(&server.get("/live/totals").json(), "n") && copies.len() as u64 >= least {
            break copies;
        }
        assert!(Instant::now() < until, "{} copies of {least}", copies.len());
    };
    let twice: Vec<_> = copies.iter().filter(|(_, n)| **n != 1).collect();
    assert!(twice.is_empty(), "counted more than once: {twice:?}");
    let lost: Vec<_> = ledger.acknowledged.iter().filter(|id| !copies.contains_key(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let counted: Vec<_> = copies.keys().filter(|id| ledger.refused.contains(id)).collect();
    assert!(counted.is_empty(), "refused and counted: {counted:?}");
    assert!(copies.keys().all(|id| ledger.acknowledged.contains(id) || ledger.unknown.contains(id)));
    let totals = server.get("/live/totals").json();
    assert_eq!((sum(&totals, "n"), sum(&totals, "ids")), (copies.len() as u64, copies.keys().sum()));
}

fn sum(table: &Value, column: &str) -> u64 {
    table["rows"].as_array().into_iter().flatten().filter_map(|row| row[column].as_u64()).sum()
}

/// How often each id is in the committed files.
fn read_ids(directory: &Path) -> BTreeMap<u64, u64> {
    let mut ids = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_'])) || path.is_dir() {
            continue;
        }
        for line in std::fs::read_to_string(&path).expect("read").lines() {
            let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}: {line}", path.display()));
            *ids.entry(row["id"].as_u64().expect("an id")).or_default() += 1;
        }
    }
    ids
}
