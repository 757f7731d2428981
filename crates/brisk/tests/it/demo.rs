//! The demo: every question moves, every trouble makes its alert fire and recover.

use serde_json::Value;

use crate::process::Server;

/// What every question shows.
const TABLES: [&str; 8] = ["gmv_today", "traffic", "top_items", "sales_by_minute", "host_load", "error_lines", "city_sales", "recommendations"];

/// A trouble and a part of the title of its alert.
const TROUBLES: [(&str, &str); 5] =
    [("heartbeat", "pay-1 is silent"), ("errors", "Errors in order-service"), ("sweep", "sweep by user"), ("card", "was probed"), ("calls", "calls too often")];

#[test]
fn questions_move_and_alerts_fire_and_recover() {
    let directory = tempfile::tempdir().expect("a directory");
    let demo = Server::start_demo(directory.path());
    for table in TABLES {
        let seen = demo.wait_for(&format!("/live/{table}"), |t| !rows(t).is_empty());
        let before = seen["version"].as_u64();
        demo.wait_for(&format!("/live/{table}"), |t| t["version"].as_u64() > before);
    }
    assert_eq!(demo.post("/demo/trouble/weather", "", b"").status, 404);
    for (trouble, _) in TROUBLES {
        assert_eq!(demo.post(&format!("/demo/trouble/{trouble}"), "", b"").status, 202);
    }
    for (_, title) in TROUBLES {
        demo.wait_for("/demo", |d| [&d["mails"], &d["hooks"]].iter().all(|inbox| has(inbox, title, false)));
    }
    demo.wait_for("/demo", |d| [&d["mails"], &d["hooks"]].iter().all(|inbox| TROUBLES.iter().all(|(_, title)| recovered(inbox, title))));
}

#[test]
fn a_threshold_that_is_posted_counts_from_then_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let demo = Server::start_demo(directory.path());
    let order = |t: &Value, threshold: i64| rows(t).iter().any(|r| r["host"] == "order-1" && r["threshold"] == threshold);
    demo.wait_for("/live/host_load", |t| order(t, 80));
    assert_eq!(demo.post("/ingest/thresholds", "", br#"{"host": "order-1", "threshold": 5}"#).status, 202);
    demo.wait_for("/live/host_load", |t| order(t, 5));
    demo.wait_for("/demo", |d| has(&d["mails"], "order-1: CPU over 5%", false));
    assert_eq!(demo.post("/ingest/thresholds", "", br#"{"host": "order-1", "threshold": 99}"#).status, 202);
    demo.wait_for("/demo", |d| has(&d["mails"], "order-1: CPU over 5%", true));
}

#[test]
fn the_page_is_served_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(directory.path(), "127.0.0.1:0", &[]);
    for path in ["/", "/jobs", "/page/style.css", "/page/app.js", "/page/panels/sales.js"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert_eq!(server.get("/page/nothing.js").status, 404);
}

fn rows(table: &Value) -> &[Value] {
    table["rows"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether an alert was told: by itself, or in a mail that tells of several.
fn has(inbox: &Value, title: &str, resolved: bool) -> bool {
    let text = |m: &Value, name: &str| m[name].as_str().unwrap_or_default().to_owned();
    let among_others = if resolved { "[resolved] " } else { "[firing] " };
    let is = |m: &Value| {
        (text(m, "title").contains(title) && m["resolved"] == resolved)
            || text(m, "text").lines().any(|line| line.strip_prefix(among_others).is_some_and(|told| told.contains(title)))
    };
    inbox.as_array().is_some_and(|all| all.iter().any(is))
}

/// A host that is back is told so in other words.
fn recovered(inbox: &Value, title: &str) -> bool {
    has(inbox, title, true) || title.starts_with("pay-1") && has(inbox, "pay-1 is back", true)
}
