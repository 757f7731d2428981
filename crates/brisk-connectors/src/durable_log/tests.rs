//! Tests of the log as a whole: torn ends at every byte, limits, consumers, and the source over it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use brisk_core::source::Source;

use super::*;
use crate::testing::{context, read_all, read_some};

fn open(directory: &Path) -> DurableLog {
    DurableLog::open(directory, LogOptions { segment_bytes: 200, bytes_max: 10_000, pending_bytes_max: 1000 }).unwrap()
}

fn append(log: &DurableLog, records: &[&str]) {
    log.append(records.iter().map(|r| r.as_bytes())).unwrap().wait().unwrap();
}

fn read_from(log: &DurableLog, position: u64) -> Result<Vec<String>, LogError> {
    let mut reader = log.reader(position);
    let mut records = Vec::new();
    while let Some(chunk) = reader.read(Duration::ZERO)? {
        assert_eq!(chunk.first, position + records.len() as u64);
        let starts = std::iter::once(0).chain(chunk.ends.iter().copied());
        records.extend(starts.zip(&chunk.ends).map(|(s, e)| String::from_utf8(chunk.data[s as usize..*e as usize].to_vec()).unwrap()));
    }
    Ok(records)
}

fn record(i: u64) -> String {
    format!("record {i} {}", "x".repeat(i as usize % 40))
}

fn fill(log: &DurableLog, count: u64) {
    for i in (0..count).step_by(3) {
        let records: Vec<String> = (i..(i + 3).min(count)).map(record).collect();
        append(log, &records.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn check(log: &DurableLog, from: u64, to: u64) {
    assert_eq!(log.end(), to);
    assert_eq!(read_from(log, from).unwrap(), (from..to).map(record).collect::<Vec<_>>());
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "log")).collect();
    paths.sort();
    paths
}

#[test]
fn records_are_read_from_any_position_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 50);
    assert!(segments(dir.path()).len() > 3);
    for position in 0..=50 {
        check(&log, position, 50);
    }
    drop(log);
    let log = open(dir.path());
    check(&log, 7, 50);
    append(&log, &[&record(50)]);
    check(&log, 49, 51);
}

#[test]
fn a_torn_end_is_cut_at_every_byte() {
    let whole = tempfile::tempdir().unwrap();
    let log = DurableLog::open(whole.path(), LogOptions::default()).unwrap();
    fill(&log, 9);
    drop(log);
    let path = segments(whole.path()).remove(0);
    let content = fs::read(&path).unwrap();
    let mut least = 0;
    for length in 0..=content.len() {
        let garbage = [&b""[..], b"\0\0\0\0", &[0xff; 40]][length % 3];
        if length < 16 && length + garbage.len() >= 16 {
            // No kill makes this: a head is synced before anything follows.
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(path.file_name().unwrap()), [&content[..length], garbage].concat()).unwrap();
        let log = open(dir.path());
        let end = log.end();
        // Whole batches are kept, and never fewer for a longer file.
        assert!(end.is_multiple_of(3) && end >= least && end <= 9, "{length}: {end}");
        least = end;
        check(&log, 0, end);
        append(&log, &[&record(end)]);
        check(&log, 0, end + 1);
        drop(log);
        check(&open(dir.path()), 0, end + 1);
    }
    assert_eq!(least, 9);
}

#[test]
fn damage_that_was_acknowledged_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 30);
    drop(log);
    let path = segments(dir.path()).remove(1);
    let mut content = fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&path, content).unwrap();
    assert!(matches!(read_from(&open(dir.path()), 0), Err(LogError::Corrupt(..))));
}

#[test]
fn space_is_limited_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut appended = 0;
    let full = loop {
        match log.append([record(appended).as_bytes()]) {
            Ok(ticket) => ticket.wait().unwrap(),
            Err(e) => break e,
        }
        appended += 1;
    };
    assert!(matches!(full, LogError::Full(_)));
    let (ours, other) = (log.consumer("ours", 0), log.consumer("other", 0));
    ours.passed(appended).unwrap();
    assert_eq!(log.first(), 0);
    other.passed(50).unwrap();
    let first = log.first();
    assert!(first > 0 && first <= 50);
    assert!(matches!(read_from(&log, first - 1), Err(LogError::Trimmed(..))));
    check(&log, first, appended);
    append(&log, &[&record(appended)]);
    // A consumer that is away holds its records, also after a restart.
    drop((ours, other, log));
    let log = open(dir.path());
    assert_eq!(log.consumers(), [("other".to_string(), 50), ("ours".to_string(), appended)]);
    log.consumer("ours", appended).passed(appended + 1).unwrap();
    assert_eq!(log.first(), first);
    log.forget_consumer("other").unwrap();
    assert!(log.first() > first);
}

#[test]
fn many_writers_share_syncs_and_all_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(DurableLog::open(dir.path(), LogOptions::default()).unwrap());
    let (told, heard) = mpsc::channel();
    let writers: Vec<_> = (0..4)
        .map(|w| {
            let (log, told) = (log.clone(), told.clone());
            std::thread::spawn(move || {
                for i in 0..100 {
                    let ticket = log.append([format!("{w} {i}").as_bytes()]).unwrap();
                    if i % 10 == 0 {
                        ticket.wait().unwrap();
                    }
                    let told = told.clone();
                    ticket.on_durable(move |outcome| told.send(outcome).unwrap());
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|w| w.join().unwrap());
    drop(told);
    assert_eq!(heard.iter().filter(|o| o.is_ok()).count(), 400);
    let records = read_from(&log, 0).unwrap();
    for w in 0..4 {
        let own: Vec<_> = records.iter().filter(|r| r.starts_with(&format!("{w} "))).collect();
        assert_eq!(own, (0..100).map(|i| format!("{w} {i}")).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    }
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let _log = open(dir.path());
    let second = DurableLog::open(dir.path(), LogOptions::default());
    assert!(second.err().unwrap().to_string().contains("another process"));
}

#[test]
fn a_source_resumes_and_gives_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(open(dir.path()));
    fill(&log, 40);
    let source = LogSource::new("http", vec![("http-0".into(), log.clone())], &[]).unwrap();
    let mut reader = source.reader(&context(0, 1), vec![]).unwrap();
    let mut records = read_some(&mut *reader).unwrap();
    let state = reader.snapshot().unwrap();
    assert!(read_some(&mut *reader).is_some());
    reader.checkpoint_complete(1).unwrap();
    assert!(log.first() > 0 && log.first() as usize <= records.len());
    drop(reader);
    let mut resumed = source.reader(&context(0, 1), state).unwrap();
    records.extend(read_all(&mut *resumed));
    assert_eq!(records, (0..40).map(record).collect::<Vec<_>>());
}

/// Jobs that share a log take their checkpoints when they like.
#[test]
fn consumers_move_on_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let consumer = log.consumer(name, 0);
            scope.spawn(move || (1..=200).for_each(|position| consumer.passed(position).unwrap()));
        }
    });
    drop(log);
    assert!(open(dir.path()).consumers().iter().all(|(_, position)| *position == 200));
}
