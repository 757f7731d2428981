//! The rows of one live table, and what changed lately.
//!
//! A row has an id that grows with its arrival and stays when the row is updated by key. Every call of [`Rows::apply`]
//! raises the version; the last changes are remembered as (version, id), so that a reader learns what changed since the
//! version that it knows.
//!
//! What must stay true: `places` lists exactly the ids of `rows`, by key or, without one, by the row's own text. A row
//! belongs to the writer that put it there and is part of that writer's snapshot. A writer that removes another's row
//! remembers that in its own snapshot, since the other's may have been taken before (and may then still hold the row).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use brisk_core::{Error, Result, RowKind};
use serde::{Deserialize, Serialize};

/// Which rows stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those that the changelog says are there.
    Current { max_rows: usize },
    /// The newest.
    Last { rows: usize, time_ms: Option<i64> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriterId {
    pub sink: u64,
    pub subtask: usize,
}

/// One row of a batch.
pub struct Change<'a> {
    pub kind: RowKind,
    /// The key's columns as JSON, if the table has a key.
    pub key: Option<&'a str>,
    pub json: &'a str,
}

/// What changed after a version.
#[derive(Debug, PartialEq)]
pub enum Delta {
    Changes {
        put: Vec<(u64, Arc<str>)>,
        removed: Vec<u64>,
    },
    /// Too much has happened since: all rows.
    All(Vec<(u64, Arc<str>)>),
}

pub struct Rows {
    keep: Keep,
    rows: BTreeMap<u64, Row>,
    places: HashMap<Arc<str>, Vec<u64>>,
    next_id: u64,
    version: u64,
    changes: VecDeque<(u64, u64)>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
    removed_of_others: BTreeMap<WriterId, HashSet<u64>>,
    ended_sinks: HashSet<u64>,
}

struct Row {
    /// Key or text, as in `places`.
    place: Arc<str>,
    json: Arc<str>,
    writer: WriterId,
    arrived_ms: i64,
}

/// What a writer's snapshot holds.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    rows: Vec<StoredRow>,
    #[serde(default)]
    removed: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredRow {
    id: u64,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    row: String,
}

/// The most changes that are remembered for readers.
const REMEMBERED_CHANGES: usize = 20_000;

impl Rows {
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            rows: BTreeMap::new(),
            places: HashMap::new(),
            next_id: 1,
            version: 1,
            changes: VecDeque::new(),
            forgotten: 0,
            removed_of_others: BTreeMap::new(),
            ended_sinks: HashSet::new(),
        }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn all(&self) -> Vec<(u64, Arc<str>)> {
        self.rows.iter().map(|(id, row)| (*id, row.json.clone())).collect()
    }

    /// Rows of former runs of this writer and of ended sinks go; those of the checkpoint come back.
    pub fn begin(&mut self, writer: WriterId, restored: &[Vec<u8>]) -> Result<()> {
        self.ended_sinks.remove(&writer.sink);
        self.version += 1;
        let stale: Vec<u64> = self.rows.iter().filter(|(_, r)| r.writer == writer || self.ended_sinks.contains(&r.writer.sink)).map(|(id, _)| *id).collect();
        for id in stale {
            self.remove(id);
        }
        self.removed_of_others.remove(&writer);
        self.restore(writer, restored)
    }

    pub fn sink_ended(&mut self, sink: u64) {
        self.ended_sinks.insert(sink);
    }

    pub fn apply<'a>(&mut self, writer: WriterId, changes: impl Iterator<Item = Change<'a>>, now_ms: i64) -> Result<()> {
        self.version += 1;
        for change in changes {
            match (self.keep, change.key) {
                (Keep::Last { .. }, _) => self.append(writer, change.json.into(), change.json.into(), now_ms),
                (_, Some(key)) => self.apply_by_key(writer, key, &change, now_ms),
                (_, None) if change.kind.is_add() => self.append(writer, change.json.into(), change.json.into(), now_ms),
                (_, None) => self.take_away(writer, change.json),
            }
        }
        self.evict(now_ms);
        self.forget_changes();
        match self.keep {
            Keep::Current { max_rows } if self.rows.len() > max_rows => Err(Error::compute(format!("the live table would hold more than {max_rows} rows"))
                .with_remedy("raise 'max-rows', or aggregate or limit what is inserted")),
            _ => Ok(()),
        }
    }

    /// Drops what is too old or too much in a table of the last rows.
    pub fn evict(&mut self, now_ms: i64) {
        let Keep::Last { rows, time_ms } = self.keep else { return };
        let oldest = time_ms.map_or(i64::MIN, |t| now_ms.saturating_sub(t));
        let mut first = true;
        while let Some((&id, row)) = self.rows.first_key_value() {
            if self.rows.len() <= rows && row.arrived_ms >= oldest {
                break;
            }
            // Readers learn of evictions like of any change.
            if std::mem::take(&mut first) {
                self.version += 1;
            }
            self.remove(id);
        }
    }

    /// What a reader that has `version` must be told.
    pub fn since(&self, version: u64) -> Delta {
        if version < self.forgotten || version > self.version {
            return Delta::All(self.all());
        }
        let from = self.changes.partition_point(|(v, _)| *v <= version);
        let ids: HashSet<u64> = self.changes.range(from..).map(|(_, id)| *id).collect();
        let mut ids: Vec<u64> = ids.into_iter().collect();
        ids.sort_unstable();
        let (present, removed): (Vec<u64>, Vec<u64>) = ids.into_iter().partition(|id| self.rows.contains_key(id));
        Delta::Changes { put: present.into_iter().map(|id| (id, self.rows[&id].json.clone())).collect(), removed }
    }

    pub fn snapshot(&self, writer: WriterId) -> Result<Vec<u8>> {
        let own = self.rows.iter().filter(|(_, r)| r.writer == writer);
        let stored = |(id, r): (&u64, &Row)| StoredRow {
            id: *id,
            at: r.arrived_ms,
            key: (!Arc::ptr_eq(&r.place, &r.json)).then(|| r.place.to_string()),
            row: r.json.to_string(),
        };
        let mut removed: Vec<u64> = self.removed_of_others.get(&writer).into_iter().flatten().copied().collect();
        removed.sort_unstable();
        let stored = Stored { rows: own.map(stored).collect(), removed };
        serde_json::to_vec(&stored).map_err(|e| Error::internal(format!("state of a live table: {e}")))
    }

    fn restore(&mut self, writer: WriterId, restored: &[Vec<u8>]) -> Result<()> {
        let read = |bytes: &Vec<u8>| serde_json::from_slice::<Stored>(bytes).map_err(|e| Error::corrupt(format!("state of a live table: {e}")));
        let states: Vec<Stored> = restored.iter().map(read).collect::<Result<_>>()?;
        let removed: HashSet<u64> = states.iter().flat_map(|s| &s.removed).copied().collect();
        let mut rows: Vec<StoredRow> = states.into_iter().flat_map(|s| s.rows).filter(|r| !removed.contains(&r.id)).collect();
        // A key that moved between writers may be in two of their states: the later id counts.
        rows.sort_by_key(|r| r.id);
        for row in rows {
            let json: Arc<str> = row.row.into();
            let place = row.key.map_or_else(|| json.clone(), Arc::from);
            let keyed = !Arc::ptr_eq(&place, &json);
            let before = if keyed { self.places.get(&place).and_then(|ids| ids.first().copied()) } else { None };
            if let Some(id) = before {
                self.remove(id);
            }
            self.next_id = self.next_id.max(row.id);
            self.append(writer, place, json, row.at);
        }
        self.forget_changes();
        Ok(())
    }

    fn apply_by_key(&mut self, writer: WriterId, key: &str, change: &Change<'_>, now_ms: i64) {
        let known = self.places.get(key).and_then(|ids| ids.first().copied());
        match (change.kind, known) {
            // Its +U follows and replaces the row.
            (RowKind::UpdateBefore, _) | (RowKind::Delete, None) => {}
            (RowKind::Delete, Some(id)) => self.remove_by(writer, id),
            (_, None) => self.append(writer, key.into(), change.json.into(), now_ms),
            (_, Some(id)) => {
                let foreign = self.rows.get(&id).is_some_and(|r| r.writer != writer);
                if foreign {
                    // It moves to this writer under a new id, so that a former snapshot of the other cannot win.
                    self.remove_by(writer, id);
                    self.append(writer, key.into(), change.json.into(), now_ms);
                } else if let Some(row) = self.rows.get_mut(&id) {
                    row.json = change.json.into();
                    row.arrived_ms = now_ms;
                    self.changes.push_back((self.version, id));
                }
            }
        }
    }

    fn append(&mut self, writer: WriterId, place: Arc<str>, json: Arc<str>, arrived_ms: i64) {
        let place = if *place == *json { json.clone() } else { place };
        let id = self.next_id;
        self.next_id += 1;
        // The last rows are never looked up.
        if matches!(self.keep, Keep::Current { .. }) {
            self.places.entry(place.clone()).or_default().push(id);
        }
        self.rows.insert(id, Row { place, json, writer, arrived_ms });
        self.changes.push_back((self.version, id));
    }

    /// Takes one of the equal rows away, the writer's own before another's. After a restore it may be gone already.
    fn take_away(&mut self, writer: WriterId, json: &str) {
        let Some(ids) = self.places.get(json) else { return };
        let own = ids.iter().rev().copied().find(|id| self.rows.get(id).is_some_and(|r| r.writer == writer));
        if let Some(id) = own.or_else(|| ids.last().copied()) {
            self.remove_by(writer, id);
        }
    }

    fn remove_by(&mut self, writer: WriterId, id: u64) {
        if self.rows.get(&id).is_some_and(|r| r.writer != writer) {
            self.removed_of_others.entry(writer).or_default().insert(id);
        }
        self.remove(id);
    }

    fn remove(&mut self, id: u64) {
        let Some(row) = self.rows.remove(&id) else { return };
        if let Some(ids) = self.places.get_mut(&row.place) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.places.remove(&row.place);
            }
        }
        self.changes.push_back((self.version, id));
    }

    fn forget_changes(&mut self) {
        let excess = self.changes.len().saturating_sub(REMEMBERED_CHANGES);
        if let Some((version, _)) = self.changes.drain(..excess).next_back() {
            self.forgotten = version;
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::Current { .. } => f.write_str("current rows"),
            Keep::Last { rows, time_ms: None } => write!(f, "last {rows} rows"),
            Keep::Last { rows, time_ms: Some(ms) } => write!(f, "last {rows} rows of {ms} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W0: WriterId = WriterId { sink: 1, subtask: 0 };
    const W1: WriterId = WriterId { sink: 1, subtask: 1 };

    /// Applies lines such as `+U a=1` (with a key) or `+I 7` (without), a batch a call.
    fn apply(rows: &mut Rows, writer: WriterId, changes: &[&str]) {
        let parsed: Vec<(RowKind, Option<&str>, &str)> = changes
            .iter()
            .map(|line| {
                let (kind, row) = line.split_once(' ').expect("kind and row");
                (RowKind::from_symbol(kind).expect("a kind"), row.split_once('=').map(|(k, _)| k), row)
            })
            .collect();
        rows.apply(writer, parsed.iter().map(|(kind, key, json)| Change { kind: *kind, key: *key, json }), 1000).expect("applies");
    }

    fn check(rows: &Rows, expected: &[&str]) {
        let seen: Vec<String> = rows.all().iter().map(|(_, json)| json.to_string()).collect();
        assert_eq!(seen, expected);
    }

    fn current() -> Rows {
        Rows::new(Keep::Current { max_rows: 100 })
    }

    #[test]
    fn rows_are_kept_by_key_in_the_order_of_their_first_arrival() {
        let mut rows = current();
        apply(&mut rows, W0, &["+I a=1", "+I b=1", "-U a=1", "+U a=2", "-D b=1", "-D z=9"]);
        check(&rows, &["a=2"]);
    }

    #[test]
    fn without_a_key_equal_rows_count() {
        let mut rows = current();
        apply(&mut rows, W0, &["+I 7", "+I 7", "+I 8", "-D 7", "-U 8", "+U 9"]);
        check(&rows, &["7", "9"]);
    }

    #[test]
    fn the_last_rows_stay_by_number_and_time() {
        let mut rows = Rows::new(Keep::Last { rows: 2, time_ms: Some(500) });
        apply(&mut rows, W0, &["+I 1", "+I 2", "+I 3"]);
        check(&rows, &["2", "3"]);
        let before = rows.version();
        rows.evict(1501);
        check(&rows, &[]);
        assert_eq!(rows.since(before), Delta::Changes { put: vec![], removed: vec![2, 3] });
    }

    #[test]
    fn readers_learn_what_changed_since_their_version() {
        let mut rows = current();
        apply(&mut rows, W0, &["+I a=1", "+I b=1"]);
        let version = rows.version();
        apply(&mut rows, W0, &["+U a=2", "-D b=1", "+I c=1", "+U a=3"]);
        assert_eq!(rows.since(version), Delta::Changes { put: vec![(1, "a=3".into()), (3, "c=1".into())], removed: vec![2] });
        assert_eq!(rows.since(rows.version()), Delta::Changes { put: vec![], removed: vec![] });
    }

    #[test]
    fn a_reader_too_far_behind_is_given_all() {
        let mut rows = current();
        let version = rows.version();
        for _ in 0..=REMEMBERED_CHANGES {
            apply(&mut rows, W0, &["+U a=1"]);
        }
        assert_eq!(rows.since(version), Delta::All(vec![(1, "a=1".into())]));
    }

    #[test]
    fn a_restored_table_holds_what_the_snapshots_hold() {
        let mut rows = current();
        apply(&mut rows, W0, &["+I a=1", "+I b=1", "+I c=1"]);
        let old = rows.snapshot(W0).expect("snapshot");
        // Writer 1 takes over one key and deletes another before its own, later barrier.
        apply(&mut rows, W1, &["+U a=2", "-D b=1", "+I d=1"]);
        let states = [old, rows.snapshot(W1).expect("snapshot")];
        let mut restored = current();
        apply(&mut restored, W0, &["+I x=1"]);
        restored.begin(W0, &states).expect("restores");
        check(&restored, &["c=1", "a=2", "d=1"]);
    }

    #[test]
    fn what_an_ended_sink_left_goes_when_the_next_begins() {
        let mut rows = current();
        apply(&mut rows, W0, &["+I 7"]);
        rows.sink_ended(1);
        check(&rows, &["7"]);
        rows.begin(WriterId { sink: 2, subtask: 0 }, &[]).expect("begins");
        check(&rows, &[]);
    }
}
