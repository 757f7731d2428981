//! Tests of following files through growth, rotation, emptying and restarts.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use brisk_core::connector::Connector;
use brisk_core::source::{Source, SourceReader};

use super::LogTail;
use crate::testing::{context, lines_table, read_all};

fn source(path: &Path, options: &[(&str, &str)]) -> Arc<dyn Source> {
    let mut table = lines_table(options);
    table.options.insert("path".into(), path.display().to_string());
    table.options.insert("discovery-interval".into(), "0 ms".into());
    LogTail.source(&table).unwrap()
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn check(reader: &mut Box<dyn SourceReader>, expected: &[&str]) {
    assert_eq!(read_all(&mut **reader), expected);
}

fn fresh(source: &Arc<dyn Source>) -> Box<dyn SourceReader> {
    source.reader(&context(0, 1), vec![]).unwrap()
}

#[test]
fn a_growing_file_is_followed_and_partial_lines_wait() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let source = source(&log, &[]);
    let mut reader = fresh(&source);
    check(&mut reader, &[]);
    append(&log, "one\ntw");
    check(&mut reader, &["one"]);
    let state = reader.snapshot().unwrap();
    append(&log, "o\nthree\n");
    check(&mut reader, &["two", "three"]);
    check(&mut source.reader(&context(0, 1), state).unwrap(), &["two", "three"]);
}

#[test]
fn rotation_loses_nothing_and_reads_nothing_twice() {
    for pattern in ["app.log", "app.log*"] {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.log");
        append(&log, "1\n");
        let source = source(&dir.path().join(pattern), &[]);
        let mut reader = fresh(&source);
        check(&mut reader, &["1"]);
        append(&log, "2\n");
        fs::rename(&log, dir.path().join("app.log.1")).unwrap();
        append(&dir.path().join("app.log.1"), "3\n");
        append(&log, "4\n");
        let state = reader.snapshot().unwrap();
        let mut all = read_all(&mut *reader);
        all.sort();
        assert_eq!(all, ["2", "3", "4"], "{pattern}");
        let mut all = read_all(&mut *source.reader(&context(0, 1), state).unwrap());
        all.sort();
        assert_eq!(all, ["2", "3", "4"], "{pattern}");
    }
}

#[test]
fn an_emptied_or_replaced_file_is_read_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    append(&log, "one\ntwo\n");
    let source = source(&log, &[]);
    let mut reader = fresh(&source);
    check(&mut reader, &["one", "two"]);
    let state = reader.snapshot().unwrap();
    fs::write(&log, "x\n").unwrap();
    check(&mut reader, &["x"]);
    fs::write(&log, "another one, longer than before\n").unwrap();
    check(&mut reader, &["another one, longer than before"]);
    check(&mut source.reader(&context(0, 1), state).unwrap(), &["another one, longer than before"]);
}

#[test]
fn latest_skips_what_is_there_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    append(&log, "old\nhalf");
    let source = source(dir.path(), &[("scan.startup.mode", "latest")]);
    let mut reader = fresh(&source);
    append(&log, " new\n");
    append(&dir.path().join("later.log"), "later\n");
    let mut all = read_all(&mut *reader);
    all.sort();
    assert_eq!(all, ["half new", "later"]);
    let empty = tempfile::tempdir().unwrap();
    let source = self::source(empty.path(), &[("scan.startup.mode", "latest")]);
    let state = fresh(&source).snapshot().unwrap();
    append(&empty.path().join("first.log"), "first\n");
    check(&mut source.reader(&context(0, 1), state).unwrap(), &["first"]);
}

#[test]
fn subtasks_share_files() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..20 {
        append(&dir.path().join(format!("{i}.log")), &format!("{i}\n"));
    }
    let source = source(dir.path(), &[]);
    let mut all: Vec<i32> = (0..3).flat_map(|i| read_all(&mut *source.reader(&context(i, 3), vec![]).unwrap())).map(|l| l.parse().unwrap()).collect();
    all.sort();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
}

#[test]
fn lines_of_one_record_come_together() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let source = source(&log, &[("multiline.start-pattern", r"^\d{4}-"), ("multiline.timeout", "30 ms")]);
    let mut reader = fresh(&source);
    append(&log, "2020-01 ERROR a\n  at x\n");
    check(&mut reader, &[]);
    append(&log, "  at y\n2020-02 INFO b\n");
    check(&mut reader, &["2020-01 ERROR a\n  at x\n  at y"]);
    std::thread::sleep(Duration::from_millis(40));
    check(&mut reader, &["2020-02 INFO b"]);
}

#[test]
fn wrong_options_are_refused() {
    let error = |options: &[(&str, &str)]| LogTail.source(&lines_table(options)).err().expect("refused").to_string();
    assert!(error(&[("path", "s3://x")]).contains("s3://x"));
    assert!(error(&[("path", "/x"), ("multiline.start-pattern", "(")]).contains("multiline.start-pattern"));
    assert!(error(&[("path", "/x"), ("scan.startup.mode", "now")]).contains("now"));
}
