//! The parts of the test jobs: numbers that are read split by split, sums by key, sinks that collect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch};
use brisk_core::key_group::{DEFAULT_KEY_GROUPS, hash_columns, key_group_of};
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::sink::{Committer, Guarantee, Sink, SinkWriter};
use brisk_core::snapshot::{Keys, SnapshotKind, SnapshotReader, SnapshotWriter};
use brisk_core::source::{Payload, Poll, Source, SourceData, SourceReader, SplitState, WatermarkGenerator, WatermarkStrategy, owns_split};
use brisk_core::{ChangelogBatch, Error, Result, Watermark};

use crate::lock;

pub fn batch(keys: Vec<i64>, values: Vec<i64>) -> ChangelogBatch {
    let columns: [(&str, ArrayRef); 2] = [("key", Arc::new(Int64Array::from(keys))), ("value", Arc::new(Int64Array::from(values)))];
    ChangelogBatch::append(RecordBatch::try_from_iter(columns).unwrap())
}

fn longs(batch: &ChangelogBatch, column: usize) -> &[i64] {
    batch.column(column).as_primitive::<Int64Type>().values()
}

/// `splits` splits of `rows` rows: value `i` of split `s` is `i * splits + s`, its key `value % keys`.
pub struct Numbers {
    pub splits: i64,
    pub rows: i64,
    pub keys: i64,
    pub batch: i64,
    pub pause: Duration,
    /// No more pauses.
    pub hurry: AtomicBool,
    /// Fails once, at this position of any split.
    pub fail_at: Option<i64>,
    pub failed: AtomicBool,
    /// Rows beyond this position of a split wait until it is raised.
    pub released: AtomicU64,
    pub bounded: bool,
    /// The watermark is the value.
    pub watermarks: bool,
    pub idle_timeout: Option<Duration>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            splits: 3,
            rows: 1000,
            keys: 17,
            batch: 10,
            pause: Duration::ZERO,
            hurry: AtomicBool::new(false),
            fail_at: None,
            failed: AtomicBool::new(false),
            released: AtomicU64::new(u64::MAX),
            bounded: true,
            watermarks: false,
            idle_timeout: None,
        }
    }
}

impl Numbers {
    pub fn all(&self) -> BTreeSet<i64> {
        (0..self.splits * self.rows).collect()
    }

    pub fn sums(&self) -> BTreeMap<i64, i64> {
        let mut sums = BTreeMap::new();
        self.all().into_iter().for_each(|v| *sums.entry(v % self.keys).or_default() += v);
        sums
    }
}

struct NumbersReader {
    numbers: Arc<Numbers>,
    positions: Vec<(Arc<str>, i64, i64)>,
    next: usize,
}

/// The source, which its readers share.
pub struct NumbersSource(pub Arc<Numbers>);

impl Source for NumbersSource {
    fn is_bounded(&self) -> bool {
        self.0.bounded
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let names = (0..self.0.splits).map(|s| (Arc::<str>::from(format!("split-{s}")), s));
        let own = names.filter(|(name, _)| owns_split(name, context.subtask_index, context.parallelism));
        let position = |name: &Arc<str>| {
            let state = restored.iter().find(|s| s.split == *name);
            state.map_or(0, |s| String::from_utf8(s.state.clone()).unwrap().parse().unwrap())
        };
        let positions = own.map(|(name, s)| (name.clone(), s, position(&name))).collect();
        Ok(Box::new(NumbersReader { numbers: self.0.clone(), positions, next: 0 }))
    }

    fn describe(&self) -> String {
        "numbers".to_owned()
    }
}

impl SourceReader for NumbersReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        let n = self.numbers.clone();
        if !n.hurry.load(Ordering::Relaxed) {
            std::thread::sleep(n.pause);
        }
        if n.bounded && self.positions.iter().all(|(_, _, at)| *at == n.rows) {
            return Ok(Poll::Finished);
        }
        let limit = (n.released.load(Ordering::Relaxed) as i64).min(n.rows);
        let limit = if limit < 0 { n.rows } else { limit };
        for _ in 0..self.positions.len() {
            self.next = (self.next + 1) % self.positions.len();
            let (name, split, at) = &mut self.positions[self.next];
            let end = (*at + n.batch).min(limit);
            if *at >= end {
                continue;
            }
            if n.fail_at.is_some_and(|f| (*at..end).contains(&f)) && !n.failed.swap(true, Ordering::Relaxed) {
                return Err(Error::external("the numbers ran out"));
            }
            let values: Vec<i64> = (*at..end).map(|i| i * n.splits + *split).collect();
            *at = end;
            let rows = batch(values.iter().map(|v| v % n.keys).collect(), values);
            return Ok(Poll::Data(SourceData { split: name.clone(), payload: Payload::Rows(rows), metadata: Vec::new() }));
        }
        std::thread::sleep(max_wait);
        Ok(Poll::Idle)
    }

    fn live_splits(&self) -> Vec<Arc<str>> {
        self.positions.iter().map(|(name, ..)| name.clone()).collect()
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        Ok(self.positions.iter().map(|(split, _, at)| SplitState { split: split.clone(), state: at.to_string().into_bytes() }).collect())
    }
}

impl WatermarkStrategy for Numbers {
    fn generator(&self) -> Result<Box<dyn WatermarkGenerator>> {
        Ok(Box::new(Greatest(i64::MIN)))
    }

    fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    fn every_row(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        "value".to_owned()
    }
}

struct Greatest(i64);

impl WatermarkGenerator for Greatest {
    fn after_batch(&mut self, batch: &ChangelogBatch) -> Result<Option<i64>> {
        self.0 = longs(batch, 1).iter().copied().fold(self.0, i64::max);
        Ok(Some(self.0))
    }

    fn after_rows(&mut self, batch: &ChangelogBatch) -> Result<Vec<i64>> {
        self.after_batch(batch).map(|w| vec![w.unwrap_or(i64::MIN); batch.num_rows()])
    }
}

/// Sums values by key; gives the sums out at the end of the input.
#[derive(Default)]
pub struct Sum {
    sums: BTreeMap<i64, i64>,
    changed: BTreeSet<i64>,
    /// Where the next part of a snapshot begins.
    next: i64,
}

impl Operator for Sum {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, _out: &mut Output) -> Result<()> {
        for (key, value) in longs(&batch, 0).iter().zip(longs(&batch, 1)) {
            *self.sums.entry(*key).or_default() += value;
            self.changed.insert(*key);
        }
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        if time == Watermark::MAX {
            self.changed.extend(self.sums.keys());
            let (keys, sums) = std::mem::take(&mut self.sums).into_iter().unzip();
            out.batch(batch(keys, sums))?;
        }
        out.watermark(time)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        if writer.kind() == SnapshotKind::Full {
            self.changed = self.sums.keys().copied().collect();
            self.next = i64::MIN;
        }
        // Those from the last part's end on, then from the first again.
        let part: Vec<i64> = self.changed.range(self.next..).chain(self.changed.range(..self.next)).take(writer.room()).copied().collect();
        for key in &part {
            self.changed.remove(key);
        }
        self.next = part.last().map_or(self.next, |last| last + 1);
        writer.left_out(self.changed.len());
        writer.supersede("sums");
        let (puts, deletes): (Vec<i64>, Vec<i64>) = part.into_iter().partition(|k| self.sums.contains_key(k));
        let groups = |keys: &[i64]| -> Vec<u16> {
            let column: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
            hash_columns(&[column], keys.len()).unwrap().into_iter().map(|h| key_group_of(h, DEFAULT_KEY_GROUPS)).collect()
        };
        let bytes = |keys: &[i64]| BinaryArray::from_iter_values(keys.iter().map(|k| k.to_le_bytes()));
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(puts.iter().map(|k| self.sums[k])));
        writer.put("sums", Keys::given(&groups(&puts), &bytes(&puts)), &RecordBatch::try_from_iter([("sum", column)])?)?;
        writer.delete("sums", &groups(&deletes), &bytes(&deletes))
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        for entries in reader.entries("sums") {
            let (keys, rows) = entries?;
            let sums = rows.column(0).as_primitive::<Int64Type>();
            for i in 0..keys.len() {
                let key = i64::from_le_bytes(keys.value(i).try_into().unwrap());
                assert!(self.sums.insert(key, sums.value(i)).is_none(), "key {key} is restored twice");
            }
        }
        Ok(())
    }
}

/// What a sink was given: at once, and by commits.
#[derive(Default)]
pub struct Collected {
    pub written: Mutex<Vec<(i64, i64)>>,
    pub committed: Mutex<BTreeMap<String, Vec<(i64, i64)>>>,
    pub fail_commit: AtomicBool,
    /// How long a commit takes, ms, and how many have begun.
    pub commit_ms: AtomicU64,
    pub commits: AtomicU64,
    names: AtomicU64,
}

impl Collected {
    /// All committed rows, sorted.
    pub fn rows(&self) -> Vec<(i64, i64)> {
        let mut rows: Vec<_> = lock(&self.committed).values().flatten().copied().collect();
        rows.sort_unstable();
        rows
    }

    pub fn values(&self) -> Vec<i64> {
        let mut values: Vec<i64> = self.rows().into_iter().map(|(_, v)| v).collect();
        values.sort_unstable();
        values
    }
}

struct CollectWriter {
    collected: Arc<Collected>,
    rows: Vec<(i64, i64)>,
}

pub struct CollectSink(pub Arc<Collected>);

impl Sink for CollectSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn writer(&self, _context: &SubtaskContext, _restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(CollectWriter { collected: self.0.clone(), rows: Vec::new() }))
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(CollectCommitter(self.0.clone())))
    }

    fn describe(&self) -> String {
        "collect".to_owned()
    }
}

impl SinkWriter for CollectWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        let rows = longs(batch, 0).iter().copied().zip(longs(batch, 1).iter().copied());
        self.rows.extend(rows.clone());
        lock(&self.collected.written).extend(rows);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn prepare_commit(&mut self, checkpoint_id: u64) -> Result<Vec<Vec<u8>>> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let name = format!("{checkpoint_id}-{}", self.collected.names.fetch_add(1, Ordering::Relaxed));
        let committable = serde_json::to_vec(&(name, std::mem::take(&mut self.rows))).unwrap();
        Ok(vec![committable])
    }
}

struct CollectCommitter(Arc<Collected>);

impl Committer for CollectCommitter {
    fn commit(&mut self, committables: &[Vec<u8>]) -> Result<()> {
        if self.0.fail_commit.swap(false, Ordering::Relaxed) {
            return Err(Error::external("the commit was lost"));
        }
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(self.0.commit_ms.load(Ordering::Relaxed)));
        for bytes in committables {
            let (name, rows): (String, Vec<(i64, i64)>) = serde_json::from_slice(bytes).unwrap();
            lock(&self.0.committed).insert(name, rows);
        }
        Ok(())
    }
}
