//! Rules, outbox and channels together: rows go in by the connector, a fake server sees what is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use brisk_core::connector::{PushDown, TableDescriptor};
use brisk_core::metrics::TaskMetrics;
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Column, DataType, RowKind, Schema, SqlType};

use super::message::Message;
use super::silence::{MatchOp, Matcher};
use super::testing::{HttpFake, Reply};
use super::*;

const COLUMNS: [&str; 3] = ["host", "state", "summary"];

fn table(options: &[(&str, &str)]) -> TableDescriptor {
    let column = |name: &&str| Column::new(*name, SqlType::nullable(DataType::STRING));
    TableDescriptor {
        name: "default_catalog.default_database.down".to_owned(),
        schema: Schema::new(COLUMNS.iter().map(column).collect()),
        projection: vec![0, 1, 2],
        push_down: PushDown::default(),
        metadata: Vec::new(),
        primary_key: vec![0],
        partition_keys: Vec::new(),
        options: options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        format: None,
        time_zone: "UTC".to_owned(),
    }
}

/// One run of a job: the sink lives as long as its writer.
struct Run {
    alerts: Arc<Alerts>,
    writer: Box<dyn SinkWriter>,
    _sink: Arc<dyn Sink>,
}

impl Run {
    fn start(directory: &Path, channels: &serde_json::Value, restored: Vec<Vec<u8>>) -> Self {
        let alerts = Alerts::open(&serde_json::json!({ "channels": channels }), Some(directory)).expect("opens");
        let sink = alerts.connector().sink(&table(&[("channels", "hook"), ("group-wait", "1 h"), ("group-interval", "1 h")])).expect("a sink");
        let metrics = Arc::new(TaskMetrics::default());
        let context = SubtaskContext { operator_id: "1".to_owned(), subtask_index: 0, parallelism: 1, key_groups: 128, metrics };
        let writer = sink.writer(&context, restored).expect("a writer");
        Self { alerts, writer, _sink: sink }
    }

    /// Writes lines `+I host state summary`, then tells what is due.
    fn write(&mut self, lines: &[&str]) {
        let rows: Vec<Vec<&str>> = lines.iter().map(|l| l.splitn(4, ' ').collect()).collect();
        let column = |c: usize| Arc::new(rows.iter().map(|r| r.get(c + 1).copied()).collect::<StringArray>()) as ArrayRef;
        let schema = table(&[]).schema.to_arrow();
        let batch = RecordBatch::try_new(schema, (0..3).map(column).collect()).expect("a batch");
        let kinds = rows.iter().map(|r| RowKind::from_symbol(r[0]).expect("a kind")).collect();
        self.writer.write(&ChangelogBatch::new(batch, kinds)).expect("written");
        self.writer.flush().expect("flushed");
    }

    fn drain(&self) {
        assert!(self.alerts.drain(Duration::from_secs(10)), "something still waits");
    }

    fn checkpoint(&mut self) -> Vec<Vec<u8>> {
        vec![self.writer.snapshot().expect("a snapshot").expect("state")]
    }
}

/// Titles and texts of what the fake was sent.
fn check(fake: &HttpFake, expected: &[&str]) {
    let seen: Vec<String> = fake
        .requests()
        .iter()
        .map(|r| serde_json::from_str::<Message>(&r.body).expect("a message"))
        .map(|m| format!("{} {}", m.title, m.text.replace('\n', "; ")))
        .collect();
    assert_eq!(seen, expected);
}

fn hook(fake: &HttpFake) -> serde_json::Value {
    serde_json::json!({ "hook": { "type": "webhook", "url": fake.url, "retry-pause": "5 ms" } })
}

#[test]
fn a_crash_neither_repeats_nor_forgets() {
    let directory = tempfile::tempdir().expect("a directory");
    let fake = HttpFake::start(vec![Reply::ok("")]);
    let mut run = Run::start(directory.path(), &hook(&fake), vec![]);
    run.write(&["+I web-1 firing web-1 is down", "+I web-2 firing web-2 is down"]);
    run.drain();
    check(&fake, &["[FIRING:2] down [warning] web-1 is down; [warning] web-2 is down"]);
    let checkpoint = run.checkpoint();
    run.write(&["+U web-1 resolved web-1 is back"]);
    run.drain();
    check(&fake, &["[RESOLVED:1] down [warning] resolved: web-1 is back"]);
    drop(run);
    // Rows after the checkpoint come again and tell nothing; what comes then does.
    let mut run = retry_start(directory.path(), &hook(&fake), &checkpoint);
    run.write(&["+U web-1 resolved web-1 is back"]);
    run.drain();
    check(&fake, &[]);
    assert_eq!(run.alerts.active().iter().map(|(view, _)| view.key.as_str()).collect::<Vec<_>>(), ["web-2"]);
    run.write(&["-D web-2 firing web-2 is down", "+I web-1 firing web-1 is down again"]);
    run.drain();
    check(&fake, &["[FIRING:1, RESOLVED:1] down [warning] web-1 is down again; [warning] resolved: web-2 is down"]);
    assert_eq!(run.alerts.history().len(), 3);
}

#[test]
fn what_was_not_acknowledged_is_sent_by_the_next_run() {
    let directory = tempfile::tempdir().expect("a directory");
    // Nothing listens there any more.
    let gone = HttpFake::start(vec![Reply::status(503, "")]);
    let mut run = Run::start(directory.path(), &hook(&gone), vec![]);
    run.write(&["+I web-1 firing web-1 is down"]);
    assert!(!run.alerts.drain(Duration::from_millis(50)));
    let checkpoint = run.checkpoint();
    let id = run.alerts.pending()[0].message.id.clone();
    drop(run);
    let fake = HttpFake::start(vec![Reply::status(500, ""), Reply::status(500, ""), Reply::ok("")]);
    let run = retry_start(directory.path(), &hook(&fake), &checkpoint);
    run.drain();
    let requests = fake.wait_for(3);
    assert_eq!(requests.iter().filter_map(|r| r.header("x-brisk-delivery")).collect::<Vec<_>>(), [id.as_str(); 3]);
    assert_eq!(run.alerts.history()[0].attempts, 3);
}

/// The threads of the run before may hold the file a moment longer.
fn retry_start(directory: &Path, channels: &serde_json::Value, checkpoint: &[Vec<u8>]) -> Run {
    for _ in 0..500 {
        if Alerts::open(&serde_json::Value::Null, Some(directory)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Run::start(directory, channels, checkpoint.to_vec())
}

#[test]
fn an_update_is_no_end_and_half_an_update_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let fake = HttpFake::start(vec![Reply::ok("")]);
    let mut run = Run::start(directory.path(), &hook(&fake), vec![]);
    run.write(&["+I a firing 1", "+I b firing 1"]);
    run.drain();
    check(&fake, &["[FIRING:2] down [warning] 1; [warning] 1"]);
    run.write(&["-U a firing 1", "+U a firing 2", "-U b firing 1"]);
    run.drain();
    check(&fake, &["[RESOLVED:1] down [warning] resolved: 1"]);
    assert_eq!(run.alerts.active().iter().map(|(view, _)| (view.key.as_str(), view.summary.as_str())).collect::<Vec<_>>(), [("a", "2")]);
}

#[test]
fn silenced_alerts_are_told_when_the_silence_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let fake = HttpFake::start(vec![Reply::ok("")]);
    let mut run = Run::start(directory.path(), &hook(&fake), vec![]);
    let matchers = vec![Matcher { name: "host".to_owned(), op: MatchOp::Equal, value: "web-1".to_owned() }];
    let silence = Silence { id: "1".to_owned(), matchers, starts_ms: 0, ends_ms: i64::MAX, comment: String::new(), created_by: String::new() };
    run.alerts.put_silence(silence.clone()).expect("on disk");
    run.write(&["+I web-1 firing web-1 is down", "+I web-2 firing web-2 is down"]);
    run.drain();
    check(&fake, &["[FIRING:1] down [warning] web-2 is down"]);
    let mut silenced: Vec<(String, bool)> = run.alerts.active().into_iter().map(|(view, silenced)| (view.key, silenced)).collect();
    silenced.sort();
    assert_eq!(silenced, [("web-1".to_owned(), true), ("web-2".to_owned(), false)]);
    assert_eq!(run.alerts.outbox.silences().expect("read"), [silence]);
    assert!(run.alerts.remove_silence("1").expect("on disk"));
    run.drain();
    check(&fake, &["[FIRING:1] down [warning] web-1 is down"]);
}

#[test]
fn silences_are_managed_by_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let alerts = Alerts::open(&serde_json::Value::Null, Some(directory.path())).expect("opens");
    let settings = crate::settings::Settings { listen: ([127, 0, 0, 1], 0).into(), data_dir: directory.path().to_owned(), ..Default::default() };
    let server = crate::server::Server::start(settings, vec![alerts.extension()]).expect("serves");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let url = |path: &str| format!("http://{}/api/alerts{path}", server.address());
    let text = |reply: Result<ureq::http::Response<ureq::Body>, ureq::Error>| {
        let mut reply = reply.expect("an answer");
        format!("{} {}", reply.status().as_u16(), reply.body_mut().read_to_string().expect("text"))
    };
    let json = "application/json";
    let ask = r#"{"matchers": [{"name": "host", "op": "=~", "value": "web-.*"}], "starts_ms": 5, "ends_ms": 9, "comment": "works"}"#;
    let made = text(agent.post(url("/silences")).header("content-type", json).send(ask));
    assert!(made.starts_with("201 ") && made.contains(r#""id":"1""#) && made.contains(r#""state":"expired""#), "{made}");
    let wrong =
        text(agent.post(url("/silences")).header("content-type", json).send(r#"{"matchers": [{"name": "a", "op": "=~", "value": "("}], "duration": "1 h"}"#));
    assert!(wrong.starts_with("400 ") && wrong.contains("matcher a"), "{wrong}");
    let replaced =
        text(agent.put(url("/silences/1")).header("content-type", json).send(r#"{"matchers": [{"name": "host", "value": "a"}], "duration": "1 h"}"#));
    assert!(replaced.starts_with("200 ") && replaced.contains(r#""state":"active""#), "{replaced}");
    let listed = text(agent.get(url("/silences")).call());
    assert_eq!(listed.matches(r#""id""#).count(), 1, "{listed}");
    assert_eq!(text(agent.delete(url("/silences/1")).call()), "204 ");
    assert!(text(agent.get(url("/silences/1")).call()).starts_with("404 "));
    assert_eq!(text(agent.get(url("")).call()), r#"200 {"alerts":[],"channels":[],"rules":[]}"#);
    assert_eq!(text(agent.get(url("/history?limit=1")).call()), r#"200 {"history":[],"pending":[]}"#);
}

#[test]
fn tables_are_checked_when_they_are_planned() {
    let alerts = Alerts::only_plans();
    let error = |alerts: &Arc<Alerts>, options: &[(&str, &str)]| alerts.connector().sink(&table(options)).map_or_else(|e| e.to_string(), |s| s.describe());
    assert_eq!(error(&alerts, &[("channels", "ops-mail, own"), ("channel.own.type", "log")]), "alert(down, ops-mail, down.own)");
    assert!(error(&alerts, &[("group-by", "city")]).contains("'group-by' names `city`"));
    assert!(error(&alerts, &[("channel.own.type", "pigeon")]).contains("no channel type 'pigeon'"));
    assert!(error(&alerts, &[("repeat", "1 h")]).contains("unknown field `repeat`"));
    let alerts = Alerts::open(&serde_json::Value::Null, None).expect("opens");
    assert!(error(&alerts, &[("channels", "ops-mail")]).contains("'channels' names 'ops-mail', which is not defined"));
    let secret = error(&alerts, &[("channel.own.type", "dingtalk"), ("channel.own.url", "https://oapi.dingtalk.com/robot/send?access_token=geheim")]);
    assert_eq!(secret, "alert(down, down.own)");
    let told: BTreeMap<String, Options> = BTreeMap::new();
    assert_eq!(alerts.defined, told);
}
