//! Reading a checkpoint back: choosing a good one, and giving every operator what is its own.
//!
//! A chain of files is merged from the newest to the oldest, and so are the generations of a file: an entry counts unless
//! a newer one has put or deleted its key. Files of former subtasks whose key groups this subtask does not own are not opened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use arrow_array::{Array, BinaryArray, BooleanArray, RecordBatch, UInt16Array};
use arrow_select::filter::{filter, filter_record_batch};
use brisk_core::Watermark;
use brisk_core::key_group::{hash_bytes, key_group_range, mix};
use brisk_core::snapshot::{self, SnapshotReader};
use brisk_core::source::SplitState;
use brisk_core::{Error, Result};
use crossbeam_channel::Receiver;
use hashbrown::HashTable;

use super::file::{Entries, Form, SMALL_BYTES, StateFile};
use super::manifest::{Blob, FileRef, Manifest, OperatorManifest, SubtaskManifest};
use super::store::{CheckpointStore, MANIFEST};
use crate::clock::monotonic_ns;
use crate::job::Restore;
use crate::lock;
use crate::status::Restored;

/// Verified files up to this many bytes in all stay in memory until the job has its state; others are read again. Of large
/// files on this machine's disk only the directory is kept.
const CACHE_BYTES: u64 = 512 << 20;

/// A checkpoint all of whose files were found good.
pub(crate) struct RestorePoint {
    pub manifest: Manifest,
    pub info: Restored,
    /// Bytes of all files, and how long it took to read and verify them.
    pub bytes: u64,
    pub read_ns: u64,
    store: CheckpointStore,
    /// By path and offset.
    cache: Mutex<HashMap<(String, u64), StateFile>>,
}

/// The checkpoint that `restore` asks for; `None` to start empty.
pub(crate) fn find(restore: &Restore, own: Option<&CheckpointStore>) -> Result<Option<RestorePoint>> {
    match (restore, own) {
        (Restore::None, _) => Ok(None),
        (Restore::Latest, Some(store)) => newest(store, 0),
        (Restore::Latest, None) => {
            Err(Error::invalid("the latest checkpoint was asked for but the job has no checkpoint directory").with_remedy("set execution.checkpointing.dir"))
        }
        (Restore::Path(path), _) => at_path(path).map(Some),
    }
}

/// The newest checkpoint from number `first` on that is whole. Fails when there are some and all are damaged.
pub(crate) fn newest(store: &CheckpointStore, first: u64) -> Result<Option<RestorePoint>> {
    let mut skipped = Vec::new();
    for id in store.checkpoint_ids()?.into_iter().rev().filter(|id| *id >= first) {
        // A directory without a manifest is a checkpoint that never was.
        if !store.exists(&format!("{}{MANIFEST}", super::store::directory(Some(id))))? {
            continue;
        }
        let path = store.manifest_path(Some(id));
        match store.manifest(id).and_then(|m| verify(store.clone(), m, path.clone())) {
            Ok(mut point) => {
                point.info.skipped = skipped;
                return Ok(Some(point));
            }
            Err(e) => {
                tracing::warn!(checkpoint = id, path, error = %e, "damaged checkpoint passed over");
                skipped.push((path, e.message));
            }
        }
    }
    match skipped.last() {
        None => Ok(None),
        Some((path, reason)) => Err(Error::corrupt(format!("none of {} checkpoints can be restored; {path}: {reason}", skipped.len()))
            .with_remedy("restore from a savepoint, or start without state")),
    }
}

fn at_path(path: &str) -> Result<RestorePoint> {
    let plain = path.strip_prefix("file://").unwrap_or(path).trim_end_matches('/');
    let plain = plain.strip_suffix(MANIFEST).map_or(plain, |p| p.trim_end_matches('/'));
    if !path.contains("://") && !std::path::Path::new(plain).is_dir() {
        return Err(Error::invalid(format!("no checkpoint or savepoint at {path}: there is no such directory")));
    }
    let store = CheckpointStore::open(plain)?;
    if !store.exists(MANIFEST)? {
        return newest(&store, 0)?.ok_or_else(|| Error::invalid(format!("no checkpoint or savepoint at {path}: {MANIFEST} is not there")));
    }
    let manifest = Manifest::decode(&store.get(MANIFEST)?).map_err(|e| e.context(path))?;
    let holder = match store.parent() {
        Some(parent) if !manifest.savepoint => parent?,
        _ => store,
    };
    verify(holder, manifest, path.to_owned()).map_err(|e| e.context(path))
}

fn verify(store: CheckpointStore, manifest: Manifest, path: String) -> Result<RestorePoint> {
    let begin_ns = monotonic_ns();
    let files: Vec<&FileRef> = manifest.files().collect();
    let cache = verified(&store, &files)?;
    let info = Restored { id: manifest.id, path, time_ms: manifest.time_ms, skipped: Vec::new() };
    let bytes = manifest.files().map(|f| f.bytes).sum();
    Ok(RestorePoint { manifest, info, bytes, read_ns: monotonic_ns() - begin_ns, store, cache: Mutex::new(cache) })
}

/// Reads all files, several at a time, and keeps those that fit.
fn verified(store: &CheckpointStore, files: &[&FileRef]) -> Result<HashMap<(String, u64), StateFile>> {
    let (next, cached) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> Result<Vec<((String, u64), StateFile)>> {
        let mut kept = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let state = read(store, file)?;
            let bytes = state.memory_bytes() as u64;
            if cached.fetch_add(bytes, Ordering::Relaxed) + bytes <= CACHE_BYTES {
                kept.push(((file.path.clone(), file.offset), state));
            }
        }
        Ok(kept)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    if threads <= 1 {
        return Ok(work()?.into_iter().collect());
    }
    let broke_down = || Error::internal("a thread that reads a checkpoint broke down");
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let kept = readers.into_iter().map(|r| r.join().map_err(|_| broke_down())?).collect::<Result<Vec<_>>>()?;
        Ok(kept.into_iter().flatten().collect())
    })
}

fn read(store: &CheckpointStore, file: &FileRef) -> Result<StateFile> {
    if file.bytes > SMALL_BYTES as u64
        && let Some(local) = store.local_path(&file.path)
        && let Some(state) = StateFile::open_file(&local, file.offset, file.bytes, file.checksum).map_err(|e| e.context(&file.path))?
    {
        return Ok(state);
    }
    let bytes = store.get_part(&file.path, file.offset, file.bytes)?;
    StateFile::open(bytes, file.checksum).map_err(|e| e.context(&file.path))
}

impl RestorePoint {
    /// Operators with state that `known` does not have.
    pub fn unknown_operators(&self, known: &dyn Fn(&str) -> bool) -> Vec<&OperatorManifest> {
        self.manifest.operators.iter().filter(|o| o.has_state() && !known(&o.operator_id)).collect()
    }

    /// The state of one new subtask.
    pub fn reader(&self, operator_id: &str, subtask: usize, parallelism: usize) -> Result<StateReader> {
        let key_groups = self.manifest.key_groups;
        let own = key_group_range(subtask, key_groups, parallelism);
        let mut reader = StateReader { own: own.clone(), chains: Vec::new(), states: Vec::new() };
        let Some(operator) = self.manifest.operator(operator_id) else { return Ok(reader) };
        for (former, state) in operator.subtasks.iter().enumerate() {
            reader.states.push(state.states.clone());
            let theirs = operator.key_groups_of(former, key_groups);
            if theirs.start < own.end && own.start < theirs.end && !state.files.is_empty() {
                let files = state.files.iter().map(|f| self.open(f)).collect::<Result<_>>()?;
                reader.chains.push(Chain { files, key_groups: theirs });
            }
        }
        Ok(reader)
    }

    /// What all former subtasks wrote besides keyed state.
    pub fn subtasks(&self, operator_id: &str) -> &[SubtaskManifest] {
        self.manifest.operator(operator_id).map_or(&[], |o| &o.subtasks)
    }

    pub fn splits(&self, operator_id: &str) -> Vec<SplitState> {
        let sources = self.subtasks(operator_id).iter().filter_map(|s| s.source.as_ref());
        let state = |(split, state): (&String, &Blob)| SplitState { split: Arc::from(split.as_str()), state: state.0.clone() };
        sources.flat_map(|s| s.splits.iter().map(state)).collect()
    }

    /// The restored watermark of every split, and the one that the whole source had given out.
    pub fn watermarks(&self, operator_id: &str) -> (BTreeMap<String, i64>, Option<i64>) {
        let sources: Vec<_> = self.subtasks(operator_id).iter().filter_map(|s| s.source.as_ref()).collect();
        let splits = sources.iter().flat_map(|s| s.watermarks.clone()).collect();
        // A subtask without a watermark holds the others back, as it did before; one without splits held back nobody.
        let reading = || sources.iter().filter(|s| !s.splits.is_empty());
        let combined = match reading().next() {
            Some(_) => reading().map(|s| s.watermark).min().flatten(),
            None => sources.iter().map(|s| s.watermark).min().flatten(),
        };
        (splits, combined)
    }

    /// The watermarks that every former subtask of an operator had been given and had given out at least.
    pub fn operator_watermarks(&self, operator_id: &str) -> (i64, i64) {
        let least = |of: fn(&SubtaskManifest) -> Option<i64>| self.subtasks(operator_id).iter().map(of).min().flatten().unwrap_or(Watermark::MIN);
        (least(|s| s.watermark), least(|s| s.watermark_out))
    }

    pub fn writer_states(&self, operator_id: &str) -> Vec<Vec<u8>> {
        self.subtasks(operator_id).iter().filter_map(|s| s.writer_state.as_ref()).map(|b| b.0.clone()).collect()
    }

    pub fn committables(&self, operator_id: &str) -> Vec<Vec<u8>> {
        self.subtasks(operator_id).iter().flat_map(|s| &s.committables).map(|b| b.0.clone()).collect()
    }

    fn open(&self, file: &FileRef) -> Result<StateFile> {
        let cached = lock(&self.cache).get(&(file.path.clone(), file.offset)).cloned();
        cached.map_or_else(|| read(&self.store, file), Ok)
    }

    /// Frees what is kept of the files: the job has its state.
    pub fn forget_files(&self) {
        lock(&self.cache).clear();
    }
}

/// The state of one subtask: chains of files, one a former subtask, oldest first.
pub(crate) struct StateReader {
    own: Range<u16>,
    chains: Vec<Chain>,
    states: Vec<BTreeMap<String, Blob>>,
}

/// The files of a former subtask, oldest first, and the key groups that it owned.
#[derive(Clone)]
struct Chain {
    files: Vec<StateFile>,
    key_groups: Range<u16>,
}

impl Chain {
    /// The live entries of the key groups `own`.
    fn entries<'a>(&'a self, table: &'a str, own: &'a Range<u16>) -> impl Iterator<Item = Batch> + 'a {
        logged(&self.files, table, own).chain(Merge::new(&self.files, table, own))
    }
}

/// Keys and rows.
type Batch = Result<(BinaryArray, RecordBatch)>;

/// The entries of a chain, decoded and merged by a thread of their own while the operator takes in what came before.
struct ReadAhead {
    batches: Option<Receiver<Batch>>,
    thread: Option<JoinHandle<()>>,
    /// Why there is no thread, until it is told.
    failure: Option<Error>,
}

impl ReadAhead {
    fn start(chain: Chain, table: String, own: Range<u16>) -> Self {
        let (sender, batches) = crossbeam_channel::bounded(READ_AHEAD);
        let read = move || {
            for batch in chain.entries(&table, &own) {
                if sender.send(batch).is_err() {
                    // Nobody wants more.
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("restore".to_owned()).spawn(read) {
            Ok(thread) => Self { batches: Some(batches), thread: Some(thread), failure: None },
            Err(e) => Self { batches: None, thread: None, failure: Some(Error::external(format!("cannot start a thread to read a checkpoint: {e}"))) },
        }
    }
}

impl Iterator for ReadAhead {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if let Some(failure) = self.failure.take() {
            return Some(Err(failure));
        }
        match self.batches.as_ref()?.recv() {
            Ok(batch) => Some(batch),
            Err(_) => {
                self.batches = None;
                let failed = self.thread.take()?.join().is_err();
                failed.then(|| Err(Error::internal("the thread that reads a checkpoint broke down")))
            }
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// So many entries are worth a thread that reads them.
const MANY_ENTRIES: usize = 100_000;
/// Batches that it may be ahead.
const READ_AHEAD: usize = 4;

impl SnapshotReader for StateReader {
    fn entries<'a>(&'a self, table: &'a str) -> snapshot::Entries<'a> {
        let chains = self.chains.iter();
        if self.count(table) < MANY_ENTRIES {
            return Box::new(chains.flat_map(|chain| chain.entries(table, &self.own)));
        }
        Box::new(chains.flat_map(|chain| ReadAhead::start(chain.clone(), table.to_owned(), self.own.clone())))
    }

    fn count(&self, table: &str) -> usize {
        let own = |chain: &Chain| {
            let both = chain.key_groups.end.min(self.own.end).saturating_sub(chain.key_groups.start.max(self.own.start));
            // Most is in one file, which is whole; the others say much of the same keys.
            let put = chain.files.iter().map(|f| f.count(table, Form::Put)).max().unwrap_or(0);
            let rows = put + chain.files.iter().map(|f| f.count(table, Form::Append)).sum::<usize>();
            rows * usize::from(both) / chain.key_groups.len().max(1)
        };
        self.chains.iter().map(own).sum()
    }

    fn operator_state(&mut self, name: &str) -> Result<Vec<Vec<u8>>> {
        Ok(self.states.iter().filter_map(|s| s.get(name)).map(|b| b.0.clone()).collect())
    }
}

/// The entries of a log, in the order in which they were added.
fn logged<'a>(chain: &'a [StateFile], table: &'a str, own: &'a Range<u16>) -> impl Iterator<Item = Batch> + 'a {
    let batches = chain.iter().flat_map(move |file| file.read(table, Form::Append, 0));
    batches.filter_map(move |entries| entries.and_then(|e| live_entries(&e, own, &HiddenKeys::default())).transpose())
}

/// The live entries of a chain of files, from the newest generation to the oldest.
struct Merge<'a> {
    table: &'a str,
    own: &'a Range<u16>,
    /// Those still to be read, oldest first.
    generations: Vec<(&'a StateFile, u32)>,
    current: Option<Current<'a>>,
    hidden: HiddenKeys,
    /// At most so many keys are put by all but the oldest file.
    newer_keys: usize,
}

/// The generation that is being read.
struct Current<'a> {
    file: &'a StateFile,
    generation: u32,
    batches: Box<dyn Iterator<Item = Result<Entries>> + 'a>,
    /// The keys that it spoke of, if anything older is still to be read.
    spoken: Vec<(UInt16Array, BinaryArray)>,
}

impl<'a> Merge<'a> {
    fn new(chain: &'a [StateFile], table: &'a str, own: &'a Range<u16>) -> Self {
        let generations = chain.iter().flat_map(|f| (0..f.generations(table)).map(move |g| (f, g))).collect();
        let newer_keys = chain.iter().skip(1).map(|f| f.count(table, Form::Put)).sum();
        Self { table, own, generations, current: None, hidden: HiddenKeys::default(), newer_keys }
    }

    /// The next live entries; `None` at the end.
    fn advance(&mut self) -> Result<Option<(BinaryArray, RecordBatch)>> {
        loop {
            let Some(current) = &mut self.current else {
                let Some((file, generation)) = self.generations.pop() else { return Ok(None) };
                let batches = Box::new(file.read(self.table, Form::Put, generation));
                self.current = Some(Current { file, generation, batches, spoken: Vec::new() });
                continue;
            };
            if let Some(entries) = current.batches.next().transpose()? {
                if !self.generations.is_empty() {
                    current.spoken.push((entries.key_groups.clone(), entries.keys.clone()));
                }
                if let Some(live) = live_entries(&entries, self.own, &self.hidden)? {
                    return Ok(Some(live));
                }
                continue;
            }
            let Current { file, generation, spoken, .. } = self.current.take().expect("it is being read");
            if !self.generations.is_empty() {
                self.hidden.expect(self.newer_keys);
                spoken.into_iter().for_each(|(groups, keys)| self.hidden.add(groups, keys));
                for entries in file.read(self.table, Form::Delete, generation) {
                    let Entries { key_groups, keys, .. } = entries?;
                    self.hidden.add(key_groups, keys);
                }
                for entries in file.read(self.table, Form::DeletePrefix, generation) {
                    self.hidden.add_prefixes(&entries?.keys);
                }
            }
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.advance().transpose()
    }
}

fn live_entries(entries: &Entries, own: &Range<u16>, hidden: &HiddenKeys) -> Result<Option<(BinaryArray, RecordBatch)>> {
    let groups = entries.key_groups.values();
    let visible = hidden.visible(&entries.key_groups, &entries.keys);
    let live = |i: usize| own.contains(&groups[i]) && visible.as_ref().is_none_or(|visible| visible[i]);
    let mask = BooleanArray::from_iter((0..groups.len()).map(|i| Some(live(i))));
    match mask.true_count() {
        0 => Ok(None),
        n if n == groups.len() => Ok(Some((entries.keys.clone(), entries.rows.clone()))),
        _ => {
            let keys = filter(&entries.keys, &mask)?;
            let keys = keys.as_any().downcast_ref::<BinaryArray>().expect("a filter keeps the type").clone();
            Ok(Some((keys, filter_record_batch(&entries.rows, &mask)?)))
        }
    }
}

/// Keys that newer files have spoken of, by reference into their arrays.
#[derive(Default)]
struct HiddenKeys {
    blocks: Vec<(UInt16Array, BinaryArray)>,
    table: HashTable<HiddenKey>,
    /// By length: what hidden keys begin with.
    prefixes: BTreeMap<usize, HashSet<Box<[u8]>>>,
}

/// Where a key is. With its hash, so that neither a growing table nor most look-ups read the key.
struct HiddenKey {
    hash: u32,
    block: u32,
    row: u32,
}

impl HiddenKeys {
    fn add_prefixes(&mut self, prefixes: &BinaryArray) {
        for prefix in prefixes.iter().flatten() {
            self.prefixes.entry(prefix.len()).or_default().insert(prefix.into());
        }
    }

    /// Makes room for so many keys in all, at once: a table that grows moves all it has again and again.
    fn expect(&mut self, keys: usize) {
        self.table.reserve(keys.saturating_sub(self.table.len()), |known| spread(known.hash));
    }

    fn add(&mut self, groups: UInt16Array, keys: BinaryArray) {
        let hashes = key_hashes(&groups, &keys);
        let block = self.blocks.len() as u32;
        self.blocks.push((groups, keys));
        let Self { blocks, table, .. } = self;
        let at = |block: u32, row: u32| (blocks[block as usize].0.value(row as usize), blocks[block as usize].1.value(row as usize));
        table.reserve(hashes.len(), |known| spread(known.hash));
        for (row, hash) in (0u32..).zip(hashes) {
            let same = |known: &HiddenKey| known.hash == hash && at(known.block, known.row) == at(block, row);
            if table.find(spread(hash), same).is_none() {
                table.insert_unique(spread(hash), HiddenKey { hash, block, row }, |known| spread(known.hash));
            }
        }
    }

    /// For every key whether it is not hidden; `None` if none is.
    fn visible(&self, groups: &UInt16Array, keys: &BinaryArray) -> Option<Vec<bool>> {
        if self.table.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let at =
            |known: &HiddenKey| (self.blocks[known.block as usize].0.value(known.row as usize), self.blocks[known.block as usize].1.value(known.row as usize));
        let begins_so = |key: &[u8]| self.prefixes.iter().any(|(length, prefixes)| key.get(..*length).is_some_and(|start| prefixes.contains(start)));
        let is_visible = |(row, hash): (usize, u32)| {
            let (group, key) = (groups.value(row), keys.value(row));
            let is_known = self.table.find(spread(hash), |known| known.hash == hash && at(known) == (group, key)).is_some();
            !is_known && !begins_so(key)
        };
        Some(key_hashes(groups, keys).into_iter().enumerate().map(is_visible).collect())
    }
}

/// The hash that the table wants, whose highest and lowest bits it looks at.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn key_hashes(groups: &UInt16Array, keys: &BinaryArray) -> Vec<u32> {
    (0..keys.len()).map(|row| mix(hash_bytes(keys.value(row)), u64::from(groups.value(row))) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::capture::Capture;
    use crate::checkpoint::file::{Content, FileBuilder};
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use brisk_core::snapshot::{Keys, SnapshotKind, SnapshotWriter};

    /// Each file is written as `a=1 b=2 -c ~d` (deletes `c` and what begins with `d`), with `|` between generations; the key's first
    /// letter is its key group (a is 0). Newest file last.
    fn check(files: &[&str], own: Range<u16>, expected: &str) {
        let chain: Vec<_> = files.iter().map(|text| file(text)).collect();
        let out: Vec<_> = Merge::new(&chain, "t", &own).collect::<Result<_>>().unwrap();
        let mut rows: Vec<String> = Vec::new();
        for (keys, batch) in &out {
            let values = batch.column(0).as_primitive::<Int64Type>();
            rows.extend((0..keys.len()).map(|i| format!("{}={}", String::from_utf8_lossy(keys.value(i)), values.value(i))));
        }
        rows.sort();
        assert_eq!(rows.join(" "), expected, "{files:?}");
    }

    fn file(text: &str) -> StateFile {
        let mut file = FileBuilder::new(None);
        text.split('|').for_each(|part| file.add(&capture(part)).unwrap());
        opened(file)
    }

    fn opened(file: FileBuilder) -> StateFile {
        let file = file.finish().unwrap().unwrap();
        let Content::Memory(bytes) = file.content else { panic!("there is no place for it but memory") };
        StateFile::open(bytes.as_slice().to_vec().into(), file.checksum).unwrap()
    }

    #[test]
    fn a_log_is_read_in_its_order() {
        let part = |values: &[i64]| {
            let keys = BinaryArray::from_iter_values(values.iter().map(|v| [(v % 3) as u8]));
            let groups: Vec<u16> = values.iter().map(|v| (v % 3) as u16).collect();
            let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            let mut capture = Capture::new(SnapshotKind::Incremental);
            capture.append("t", Keys::given(&groups, &keys), &RecordBatch::try_from_iter([("v", column)]).unwrap()).unwrap();
            capture
        };
        let chain: Vec<StateFile> = [[1, 2, 3], [4, 5, 6]]
            .iter()
            .map(|values| {
                let mut file = FileBuilder::new(None);
                file.add(&part(values)).unwrap();
                file.add_last(&part(&[values[0] + 10])).unwrap();
                opened(file)
            })
            .collect();
        let reader = StateReader { own: 1..3, chains: vec![Chain { files: chain, key_groups: 0..3 }], states: Vec::new() };
        assert_eq!(reader.count("t"), 5);
        let values = reader.entries("t").flat_map(|e| e.unwrap().1.column(0).as_primitive::<Int64Type>().values().to_vec());
        assert_eq!(values.collect::<Vec<_>>(), [1, 2, 11, 4, 5, 14]);
    }

    fn capture(text: &str) -> Capture {
        let mut capture = Capture::new(SnapshotKind::Incremental);
        capture.supersede("t");
        for word in text.split_whitespace() {
            let (key, value) = word.trim_start_matches('-').split_once('=').unwrap_or((&word[1..], ""));
            let (group, keys) = (u16::from(key.as_bytes()[0] - b'a'), BinaryArray::from(vec![key.as_bytes()]));
            if word.starts_with('-') {
                capture.delete("t", &[group], &keys).unwrap();
            } else if word.starts_with('~') {
                capture.delete_prefix("t", key.as_bytes()).unwrap();
            } else {
                let column: ArrayRef = Arc::new(Int64Array::from(vec![value.parse::<i64>().unwrap()]));
                capture.put("t", Keys::given(&[group], &keys), &RecordBatch::try_from_iter([("v", column)]).unwrap()).unwrap();
            }
        }
        capture
    }

    #[test]
    fn the_newest_word_on_a_key_counts() {
        check(&["a=1 b=2"], 0..26, "a=1 b=2");
        check(&["a=1 b=2 c=3", "b=7 -c"], 0..26, "a=1 b=7");
        check(&["a=1", "-a", "a=2 a=3"], 0..26, "a=2 a=3");
        check(&["a=1 a=2 b=5", "a=9"], 0..26, "a=9 b=5");
        check(&["a=1", "-a a=4"], 0..26, "a=4");
        check(&["ax=1 ay=2 bx=3", "~a az=4"], 0..26, "az=4 bx=3");
        check(&["ax=1 bxa=2 bxb=3 by=4", "~bx ~c | by=5", "ax=6"], 0..26, "ax=6 by=5");
        check(&["ax=1", "~a | ax=2 | ~a"], 0..26, "");
        check(&["a=1 b=2 c=3", "c=4"], 1..3, "b=2 c=4");
        check(&["a=1 b=2 | a=3 | -b c=1 | c=2 c=3"], 0..26, "a=3 c=2 c=3");
        check(&["a=1 b=2 c=3", "-a b=4 | a=5 -b | b=6 -a"], 0..26, "b=6 c=3");
    }

    #[test]
    fn many_entries_are_read_ahead() {
        let written = |from: u32, to: u32, v: i64| {
            let keys = BinaryArray::from_iter_values((from..to).map(u32::to_be_bytes));
            let groups: Vec<u16> = (from..to).map(|k| (k % 4) as u16).collect();
            let column: ArrayRef = Arc::new(Int64Array::from(vec![v; groups.len()]));
            let mut capture = Capture::new(SnapshotKind::Incremental);
            capture.put("t", Keys::given(&groups, &keys), &RecordBatch::try_from_iter([("v", column)]).unwrap()).unwrap();
            let mut file = FileBuilder::new(None);
            file.add(&capture).unwrap();
            opened(file)
        };
        let many = MANY_ENTRIES as u32 + 5;
        let chain = Chain { files: vec![written(0, many, 1), written(100, 300, 2)], key_groups: 0..4 };
        let reader = StateReader { own: 0..3, chains: vec![chain.clone(), chain.clone()], states: Vec::new() };
        assert!(reader.count("t") >= MANY_ENTRIES);
        let direct: Vec<_> = chain.entries("t", &(0..3)).collect::<Result<_>>().unwrap();
        let ahead: Vec<_> = reader.entries("t").collect::<Result<_>>().unwrap();
        assert_eq!(ahead, [direct.clone(), direct].concat());
        assert_eq!(ahead.iter().map(|(keys, _)| keys.len()).sum::<usize>(), 2 * (0..many).filter(|k| k % 4 < 3).count());
        let mut given_up = reader.entries("t");
        assert!(given_up.next().is_some());
    }
}
