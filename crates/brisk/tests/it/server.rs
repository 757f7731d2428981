//! The server's resources: scripts and jobs, savepoints, live tables as they change, metrics.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::process::{LIMIT, Server};

const SCRIPT: &str = "
SET 'execution.checkpointing.interval' = '100 ms';
CREATE TABLE orders (id BIGINT, item STRING) WITH ('connector' = 'http', 'format' = 'json');
CREATE TABLE totals (item STRING, n BIGINT, PRIMARY KEY (item) NOT ENFORCED) WITH ('connector' = 'live');
INSERT INTO totals SELECT item, COUNT(*) FROM orders GROUP BY item;
";

fn start(directory: &tempfile::TempDir) -> Server {
    Server::start(&directory.path().join("data"), "127.0.0.1:0", &[])
}

fn submit(server: &Server, query: &str, script: &str) -> (u16, Value) {
    let answer = server.post(&format!("/api/scripts{query}"), "", script.as_bytes());
    (answer.status, answer.json())
}

fn post_order(server: &Server, id: u64) {
    let answer = server.post("/ingest/orders", "", format!("{{\"id\":{id},\"item\":\"pen\"}}").as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.body);
}

fn wait_for_count(server: &Server, count: u64) {
    server.wait_for("/live/totals", |t| t["rows"][0]["n"] == count);
}

fn job_state(server: &Server) -> Value {
    server.get("/api/jobs/shop.totals").json()["job"]["state"].clone()
}

#[test]
fn a_script_runs_until_its_job_is_cancelled_and_again_when_resumed() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&directory);
    assert_eq!(submit(&server, "?name=shop", SCRIPT), (201, json!({ "jobs": ["shop.totals"] })));
    post_order(&server, 1);
    wait_for_count(&server, 1);
    let (status, refused) = submit(&server, "?name=shop", SCRIPT);
    assert_eq!((status, refused["remedy"].is_string()), (400, true), "{refused}");
    assert_eq!(server.post("/api/jobs/shop.totals/checkpoint", "", b"").status, 200);
    assert_eq!(server.post("/api/jobs/shop.totals/cancel", "", b"").json()["state"], "Cancelled");
    assert_eq!(server.post("/api/jobs/nothing/cancel", "", b"").status, 404);
    assert_eq!(server.post("/api/jobs/shop.totals/resume", "", b"").status, 200);
    server.wait_for("/api/jobs/shop.totals", |j| j["job"]["state"] == "Running");
    post_order(&server, 2);
    wait_for_count(&server, 2);
    let metrics = server.get("/metrics").body;
    assert!(metrics.contains("flink_taskmanager_job_task_operator_numRecordsOut{job_name=\"shop.totals\""), "{metrics}");
}

/// The newest order of every id, shown by item: the query's key is not the table's.
#[test]
fn a_row_that_moves_to_another_key_leaves_its_former_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&directory);
    let script = "
        SET 'execution.checkpointing.interval' = '100 ms';
        CREATE TABLE orders (id BIGINT, item STRING, arrived AS PROCTIME()) WITH ('connector' = 'http', 'format' = 'json');
        CREATE TABLE newest (item STRING, id BIGINT, PRIMARY KEY (item) NOT ENFORCED) WITH ('connector' = 'live');
        INSERT INTO newest SELECT item, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY arrived DESC) AS n FROM orders) WHERE n = 1;";
    assert_eq!(submit(&server, "?name=shop", script), (201, json!({ "jobs": ["shop.newest"] })));
    let post = |order: &str| assert_eq!(server.post("/ingest/orders", "", order.as_bytes()).status, 202);
    let rows = |rows: Value| server.wait_for("/live/newest", move |t| t["rows"] == rows);
    post(r#"{"id":1,"item":"pen"}"#);
    rows(json!([{ "item": "pen", "id": 1 }]));
    post(r#"{"id":1,"item":"ink"}"#);
    rows(json!([{ "item": "ink", "id": 1 }]));
    // Two claim one key: the later is shown, and the earlier again when that one has gone.
    post(r#"{"id":2,"item":"ink"}"#);
    rows(json!([{ "item": "ink", "id": 2 }]));
    post(r#"{"id":2,"item":"cup"}"#);
    rows(json!([{ "item": "ink", "id": 1 }, { "item": "cup", "id": 2 }]));
}

#[test]
fn a_stopped_job_goes_on_from_its_savepoint_with_the_events_since() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&directory);
    submit(&server, "?name=shop", SCRIPT);
    post_order(&server, 1);
    wait_for_count(&server, 1);
    // A second job keeps the table open while the first one is away.
    submit(&server, "?name=other", &SCRIPT.replace("totals", "others"));
    let savepoint = server.post("/api/jobs/shop.totals/savepoint", "", b"{\"stop\": true}").json();
    assert_eq!(savepoint["savepoint"], true, "{savepoint}");
    post_order(&server, 2);
    let address = server.address.clone();
    server.kill();
    let server = Server::start(&directory.path().join("data"), &address, &[]);
    assert_eq!(job_state(&server), "Stopped");
    post_order(&server, 3);
    assert_eq!(server.post("/api/jobs/shop.totals/resume", "", b"").status, 200);
    wait_for_count(&server, 3);
}

#[test]
fn a_wrong_script_is_refused_with_its_place_and_nothing_of_it_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&directory);
    let (status, error) = submit(&server, "", &format!("{SCRIPT}INSERT INTO totals SELECT nothing FROM orders;"));
    assert_eq!((status, &error["position"]["line"]), (400, &json!(6)), "{error}");
    assert_eq!(server.get("/api/jobs").json(), json!({ "jobs": [] }));
}

#[test]
fn readers_of_a_live_table_see_a_snapshot_and_then_changes() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&directory);
    submit(&server, "?name=shop", SCRIPT);
    post_order(&server, 1);
    wait_for_count(&server, 1);
    let mut stream = TcpStream::connect(&server.address).expect("connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    write!(stream, "GET /live/totals/stream HTTP/1.1\r\nHost: brisk\r\n\r\n").expect("asks");
    let mut lines = BufReader::new(stream).lines();
    let mut event = || {
        let name = lines.find_map(|l| l.expect("a line").strip_prefix("event: ").map(str::to_owned)).expect("an event");
        let data = lines.find_map(|l| l.expect("a line").strip_prefix("data: ").map(str::to_owned)).expect("data");
        (name, serde_json::from_str::<Value>(&data).expect("JSON"))
    };
    let (name, snapshot) = event();
    assert_eq!((name.as_str(), &snapshot["rows"], &snapshot["key"]), ("snapshot", &json!([{"item": "pen", "n": 1}]), &json!(["item"])));
    post_order(&server, 2);
    let (name, changes) = event();
    assert_eq!((name.as_str(), &changes["put"]), ("changes", &json!([{"id": snapshot["ids"][0], "row": {"item": "pen", "n": 2}}])));
}
