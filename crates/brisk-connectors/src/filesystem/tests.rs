//! Tests of the filesystem connector as a whole: what is read and resumed, what is written and when it appears.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{BoundFormat, Connector, TableDescriptor};
use brisk_core::format::{BulkReader, BulkReaderFactory, Encoder, EncoderFactory, RandomRead};
use brisk_core::sink::{Sink, SinkWriter};
use brisk_core::source::{Payload, Poll, Source, SplitState};
use brisk_core::{ChangelogBatch, DataType, Error, Result, SqlType};

use super::FileSystem;
use crate::testing::{context, lines_batch, lines_table, read_all, read_some, schema, table};

fn table_at(path: &Path, options: &[(&str, &str)]) -> TableDescriptor {
    let mut table = lines_table(options);
    table.options.insert("path".into(), path.display().to_string());
    table
}

fn source(path: &Path, options: &[(&str, &str)]) -> Arc<dyn Source> {
    FileSystem.source(&table_at(path, options)).unwrap()
}

fn lines(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("line {i} {}", "x".repeat(i % 300))).collect()
}

fn write(path: &Path, lines: &[String]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.join("\n")).unwrap();
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("b/1"), &["3".into(), "4".into()]);
    write(&dir.path().join("a"), &["1".into(), "2".into()]);
    write(&dir.path().join("_SUCCESS"), &["no".into()]);
    let source = source(dir.path(), &[]);
    assert!(source.is_bounded());
    let mut reader = source.reader(&context(0, 1), vec![]).unwrap();
    assert_eq!(read_all(&mut *reader), ["1", "2", "3", "4"]);
    assert!(matches!(reader.poll(Duration::ZERO).unwrap(), Poll::Finished));
}

#[test]
fn subtasks_share_a_large_file_and_resume_at_any_parallelism() {
    let dir = tempfile::tempdir().unwrap();
    let (large, small) = (lines(60_000), lines(10));
    write(&dir.path().join("large"), &large);
    write(&dir.path().join("small"), &small);
    let source = source(dir.path(), &[]);
    let expected: BTreeSet<&String> = large.iter().chain(&small).collect();
    for (first, second, polls) in [(1, 1, 0), (1, 1, 3), (1, 3, 2), (3, 1, 1), (3, 2, 2), (4, 4, 100)] {
        let mut records = Vec::new();
        let mut states: Vec<SplitState> = Vec::new();
        for i in 0..first {
            let mut reader = source.reader(&context(i, first), vec![]).unwrap();
            for _ in 0..polls {
                records.extend(read_some(&mut *reader).unwrap_or_default());
            }
            states.extend(reader.snapshot().unwrap());
        }
        for i in 0..second {
            let mut reader = source.reader(&context(i, second), states.clone()).unwrap();
            records.extend(read_all(&mut *reader));
        }
        assert_eq!(records.len(), large.len() + small.len(), "{first} {second} {polls}");
        assert_eq!(records.iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn lines_are_numbered() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("f"), &lines(20_000));
    let mut reader = source(&dir.path().join("f"), &[]).reader(&context(0, 1), vec![]).unwrap();
    let mut next = 1;
    while let Poll::Data(data) = reader.poll(Duration::ZERO).unwrap() {
        let Payload::Records(chunk) = data.payload else { panic!("records were expected") };
        assert_eq!(chunk.first_record, next);
        next += chunk.data.iter().filter(|b| **b == b'\n').count() as u64;
    }
    assert_eq!(next, 20_000);
}

#[test]
fn a_watched_directory_gives_each_file_once() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a"), &["1".into()]);
    let source = source(dir.path(), &[("source.monitor-interval", "1 ms")]);
    assert!(!source.is_bounded());
    let mut reader = source.reader(&context(0, 1), vec![]).unwrap();
    assert_eq!(read_all(&mut *reader), ["1"]);
    write(&dir.path().join("b"), &["2".into()]);
    let state = reader.snapshot().unwrap();
    let mut resumed = source.reader(&context(0, 1), state).unwrap();
    assert_eq!(read_all(&mut *resumed), ["2"]);
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(read_all(&mut *reader), ["2"]);
}

#[test]
fn metadata_and_partitions_come_with_the_records() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("day=7/f"), &["1".into(), "2".into()]);
    let mut table = table_at(dir.path(), &[]);
    table.metadata = vec![
        ("file.name".into(), SqlType::not_null(DataType::STRING)),
        ("file.size".into(), SqlType::not_null(DataType::BigInt)),
        ("partition.day".into(), SqlType::nullable(DataType::Int)),
    ];
    let mut reader = FileSystem.source(&table).unwrap().reader(&context(0, 1), vec![]).unwrap();
    let Poll::Data(data) = reader.poll(Duration::ZERO).unwrap() else { panic!("data was expected") };
    assert_eq!(data.metadata[0].as_string::<i32>().value(0), "f");
    assert_eq!(data.metadata[1].as_primitive::<arrow_array::types::Int64Type>().value(0), 3);
    assert_eq!(data.metadata[2].as_primitive::<arrow_array::types::Int32Type>().value(0), 7);
}

#[test]
fn wrong_tables_are_refused() {
    let error = |path: &str, options: &[(&str, &str)]| {
        let table = table_at(Path::new(path), options);
        FileSystem.source(&table).err().or_else(|| FileSystem.sink(&table).err()).expect("refused").to_string()
    };
    assert!(error("/no/such/file", &[]).contains("there is no file or directory /no/such/file"));
    assert!(error("s3://bucket/x", &[]).contains("scheme 's3'"));
    assert!(error("/", &[("source.monitor-intervall", "1 s")]).contains("source.monitor-intervall"));
}

/// The lines of all visible files.
fn visible(dir: &Path) -> Vec<String> {
    if !dir.exists() {
        return Vec::new();
    }
    let mut lines = read_all(&mut *source(dir, &[]).reader(&context(0, 1), vec![]).unwrap());
    lines.sort();
    lines
}

fn hidden_files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".inprogress")).count()
}

fn commit(sink: &Arc<dyn Sink>, committables: &[Vec<u8>]) {
    sink.committer().unwrap().commit(committables).unwrap();
}

fn writer(sink: &Arc<dyn Sink>, restored: Vec<Vec<u8>>) -> Box<dyn SinkWriter> {
    sink.writer(&context(0, 1), restored).unwrap()
}

#[test]
fn rows_appear_with_their_commit() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    let sink = FileSystem.sink(&table_at(&out, &[("sink.rolling-policy.file-size", "8 b")])).unwrap();
    let mut w = writer(&sink, vec![]);
    for line in ["one", "two", "three"] {
        w.write(&lines_batch(&[line])).unwrap();
    }
    w.flush().unwrap();
    assert!(visible(&out).is_empty());
    let committables = w.prepare_commit(1).unwrap();
    assert_eq!(committables.len(), 2);
    assert!(visible(&out).is_empty());
    commit(&sink, &committables);
    commit(&sink, &committables);
    assert_eq!(visible(&out), ["one", "three", "two"]);
    assert!(w.prepare_commit(2).unwrap().is_empty());
    assert_eq!(w.snapshot().unwrap(), None);
    drop(w);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn a_crash_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let sink = FileSystem.sink(&table_at(&out, &[])).unwrap();
    let mut first = writer(&sink, vec![]);
    first.write(&lines_batch(&["a"])).unwrap();
    let committables = first.prepare_commit(1).unwrap();
    let state = first.snapshot().unwrap().unwrap();
    first.write(&lines_batch(&["after the checkpoint"])).unwrap();
    first.flush().unwrap();
    // A live writer's files are nobody's leftovers.
    drop(writer(&sink, vec![]));
    assert_eq!(hidden_files(&out), 2);
    drop(first);
    // The crash came before the commit: the restored writer keeps what the checkpoint names, and nothing else.
    let mut second = writer(&sink, vec![state]);
    assert_eq!(hidden_files(&out), 1);
    commit(&sink, &committables);
    second.write(&lines_batch(&["after the checkpoint"])).unwrap();
    let committables = second.prepare_commit(2).unwrap();
    commit(&sink, &committables);
    assert_eq!(visible(&out), ["a", "after the checkpoint"]);
}

#[test]
fn a_missed_commit_goes_into_the_next_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let sink = FileSystem.sink(&table_at(dir.path(), &[])).unwrap();
    let mut w = writer(&sink, vec![]);
    w.write(&lines_batch(&["a"])).unwrap();
    assert_eq!(w.prepare_commit(1).unwrap().len(), 1);
    w.write(&lines_batch(&["b"])).unwrap();
    let committables = w.prepare_commit(2).unwrap();
    assert_eq!(committables.len(), 2);
    commit(&sink, &committables);
    assert_eq!(visible(dir.path()), ["a", "b"]);
}

#[test]
fn partitions_are_directories() {
    let dir = tempfile::tempdir().unwrap();
    let schema = schema(&[("line", DataType::STRING), ("city", DataType::STRING)]);
    let mut table = table(schema.clone(), &[("sink.partition-commit.policy.kind", "success-file")]);
    table.options.insert("path".into(), dir.path().display().to_string());
    table.partition_keys = vec![1];
    let sink = FileSystem.sink(&table).unwrap();
    let columns: Vec<arrow_array::ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["1", "2", "3"])), Arc::new(StringArray::from(vec![Some("上海"), None, Some("上海")]))];
    let mut w = writer(&sink, vec![]);
    w.write(&ChangelogBatch::append(RecordBatch::try_new(schema.to_arrow(), columns).unwrap())).unwrap();
    commit(&sink, &w.prepare_commit(1).unwrap());
    assert_eq!(visible(&dir.path().join("city=上海")), ["1", "3"]);
    assert_eq!(visible(&dir.path().join("city=__DEFAULT_PARTITION__")), ["2"]);
    assert!(dir.path().join("city=上海/_SUCCESS").exists());
}

/// A bulk format of texts: groups separated by `\n\n`, rows by `\n`, and at the end `.` and the number of rows.
struct Groups;

/// How many rows the reader gives at once.
const ROWS_AT_ONCE: usize = 3;

impl BulkReaderFactory for Groups {
    fn open(&self, file: Arc<dyn RandomRead>, origin: &Arc<str>) -> Result<Box<dyn BulkReader>> {
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (rows, count) = text.rsplit_once('.').ok_or_else(|| Error::corrupt(format!("{origin}: no end")))?;
        let groups: Vec<Vec<String>> = rows.split("\n\n").map(|g| g.lines().map(str::to_owned).collect()).collect();
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), count.parse::<usize>().unwrap());
        Ok(Box::new(GroupsReader { groups, at: (0, 0) }))
    }
}

struct GroupsReader {
    groups: Vec<Vec<String>>,
    at: (usize, usize),
}

impl BulkReader for GroupsReader {
    fn groups(&self) -> u64 {
        self.groups.len() as u64
    }

    fn seek(&mut self, group: u64, row: u64) -> Result<()> {
        self.at = (group as usize, row as usize);
        assert!(self.at.1 <= self.groups[self.at.0].len());
        Ok(())
    }

    fn read(&mut self) -> Result<Option<ChangelogBatch>> {
        let rest = &self.groups[self.at.0][self.at.1..];
        let rows: Vec<&str> = rest.iter().take(ROWS_AT_ONCE).map(String::as_str).collect();
        self.at.1 += rows.len();
        Ok((!rows.is_empty()).then(|| lines_batch(&rows)))
    }
}

struct GroupsEncoder(usize);

impl EncoderFactory for Groups {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(GroupsEncoder(0))
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

impl Encoder for GroupsEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        self.0 += batch.num_rows();
        for line in batch.column(0).as_string::<i32>().iter() {
            out.extend_from_slice(line.unwrap().as_bytes());
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(format!(".{}", self.0).as_bytes());
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.0 * 1000
    }
}

fn bulk_table(path: &Path, options: &[(&str, &str)]) -> TableDescriptor {
    let mut table = table_at(path, options);
    table.format =
        Some(BoundFormat { name: "groups".into(), decoder: None, bulk_reader: Some(Arc::new(Groups)), encoder: Some(Arc::new(Groups)), judge: None });
    table
}

/// The rows of the next `polls` polls that give any.
fn bulk_rows(reader: &mut dyn brisk_core::source::SourceReader, polls: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut left = polls;
    while left > 0 {
        match reader.poll(Duration::ZERO).unwrap() {
            Poll::Data(data) => {
                let Payload::Rows(batch) = data.payload else { panic!("rows were expected") };
                assert_eq!(data.metadata[0].as_string::<i32>().value(0), "f");
                rows.extend(batch.column(0).as_string::<i32>().iter().map(|l| l.unwrap().to_owned()));
                left -= 1;
            }
            Poll::SplitFinished(_) => {}
            Poll::Idle | Poll::Finished => break,
        }
    }
    rows
}

#[test]
fn groups_of_rows_are_shared_and_resumed_at_any_parallelism() {
    let dir = tempfile::tempdir().unwrap();
    // Large enough for several stripes.
    let rows: Vec<String> = (0..40).map(|i| format!("row {i} {}", "x".repeat(50_000))).collect();
    let groups: Vec<String> = rows.chunks(7).map(|g| g.join("\n")).collect();
    fs::write(dir.path().join("f"), format!("{}.{}", groups.join("\n\n"), rows.len())).unwrap();
    let mut table = bulk_table(dir.path(), &[]);
    table.metadata = vec![("file.name".into(), SqlType::not_null(DataType::STRING))];
    let source = FileSystem.source(&table).unwrap();
    let expected: BTreeSet<&String> = rows.iter().collect();
    for (first, second, polls) in [(1, 1, 0), (1, 1, 2), (1, 1, 3), (1, 3, 4), (3, 1, 1), (3, 2, 3), (2, 2, 100)] {
        let (mut read, mut states) = (Vec::new(), Vec::new());
        for i in 0..first {
            let mut reader = source.reader(&context(i, first), vec![]).unwrap();
            read.extend(bulk_rows(&mut *reader, polls));
            states.extend(reader.snapshot().unwrap());
        }
        for i in 0..second {
            let mut reader = source.reader(&context(i, second), states.clone()).unwrap();
            read.extend(bulk_rows(&mut *reader, usize::MAX));
        }
        assert_eq!(read.len(), rows.len(), "{first} {second} {polls}");
        assert_eq!(read.iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn a_file_of_a_bulk_format_is_ended_before_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let sink = FileSystem.sink(&bulk_table(dir.path(), &[("sink.rolling-policy.file-size", "2500 b")])).unwrap();
    let mut writer = sink.writer(&context(0, 1), vec![]).unwrap();
    for i in 0..5 {
        writer.write(&lines_batch(&[&format!("{i}")])).unwrap();
        writer.flush().unwrap();
    }
    let prepared = writer.prepare_commit(1).unwrap();
    sink.committer().unwrap().commit(&prepared).unwrap();
    let mut files: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    files.sort();
    // What the encoder holds counts for the size at which a file is rolled.
    assert_eq!(files, ["0\n1\n2\n.3", "3\n4\n.2"]);
}
