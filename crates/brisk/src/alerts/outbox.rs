//! What must outlive the process: deliveries that wait, what was told of every alert, silences, and the history.
//!
//! One redb file in the data directory; without one (`brisk run`) the same in memory alone. Records are JSON.
//!
//! | table | key | value |
//! |---|---|---|
//! | `pending` | delivery id | the delivery |
//! | `history` | number | how a delivery ended; the last [`HISTORY`] also say which deliveries are done |
//! | `told` | rule, NUL, alert key | the last step that was told, and when |
//! | `silences` | silence id | the silence |
//!
//! A notification's deliveries and what they tell are written in one transaction, before anything is sent. A delivery
//! leaves `pending` when the channel acknowledged it, in one transaction with its history: a crash before that sends it
//! once more, with the same id.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use brisk_core::{Error, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::message::Message;
use super::silence::Silence;
use super::state::Told;

/// A message on its way to one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: String,
    /// The rule that it came from, for checkpoints.
    pub rule: String,
    pub channel: String,
    pub created_ms: i64,
    pub message: Message,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub id: String,
    pub channel: String,
    pub at_ms: i64,
    pub attempts: u32,
    /// `sent` or `failed`.
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub message: Message,
}

pub struct Outbox {
    database: Option<Database>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    pending: BTreeMap<String, Delivery>,
    history: VecDeque<(u64, HistoryEntry)>,
    done: HashSet<String>,
    told: BTreeMap<String, Told>,
}

/// How many ended deliveries are remembered.
pub const HISTORY: usize = 500;
/// What was told of an alert that is over is forgotten after so long.
const TOLD_KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

const PENDING: TableDefinition<&str, &str> = TableDefinition::new("pending");
const ENDED: TableDefinition<u64, &str> = TableDefinition::new("history");
const TOLD: TableDefinition<&str, &str> = TableDefinition::new("told");
const SILENCES: TableDefinition<&str, &str> = TableDefinition::new("silences");

impl Outbox {
    pub fn in_memory() -> Self {
        Self { database: None, memory: Mutex::default() }
    }

    pub fn open(path: &Path, now_ms: i64) -> Result<Self> {
        let database = Database::create(path).map_err(|e| Error::external(format!("alerts {}: {e}", path.display())))?;
        let write = database.begin_write().map_err(failed)?;
        let mut memory = Memory::default();
        {
            let pending = write.open_table(PENDING).map_err(failed)?;
            for entry in pending.iter().map_err(failed)? {
                let (id, json) = entry.map_err(failed)?;
                memory.pending.insert(id.value().to_owned(), read(json.value())?);
            }
            let history = write.open_table(ENDED).map_err(failed)?;
            for entry in history.iter().map_err(failed)? {
                let (number, json) = entry.map_err(failed)?;
                memory.history.push_back((number.value(), read(json.value())?));
            }
            let mut told = write.open_table(TOLD).map_err(failed)?;
            let keep = |_: &str, json: &str| read::<Told>(json).is_ok_and(|t| t.step % 2 == 1 || t.at_ms.saturating_add(TOLD_KEPT_MS) > now_ms);
            told.retain(keep).map_err(failed)?;
            for entry in told.iter().map_err(failed)? {
                let (key, json) = entry.map_err(failed)?;
                memory.told.insert(key.value().to_owned(), read(json.value())?);
            }
            write.open_table(SILENCES).map_err(failed)?;
        }
        write.commit().map_err(failed)?;
        memory.done = memory.history.iter().map(|(_, e)| e.id.clone()).collect();
        Ok(Self { database: Some(database), memory: Mutex::new(memory) })
    }

    /// Takes deliveries and what they tell of alerts, durably. Gives those that are new: neither waiting nor done.
    pub fn put(&self, rule: &str, deliveries: Vec<Delivery>, told: &BTreeMap<String, Told>) -> Result<Vec<Delivery>> {
        let mut memory = self.lock();
        let new: Vec<Delivery> = deliveries.into_iter().filter(|d| !memory.pending.contains_key(&d.id) && !memory.done.contains(&d.id)).collect();
        let told: Vec<(String, Told)> = told.iter().map(|(key, told)| (told_key(rule, key), *told)).collect();
        let written = self.write(|transaction| {
            let mut table = transaction.open_table(PENDING).map_err(failed)?;
            for delivery in &new {
                table.insert(delivery.id.as_str(), json(delivery)?.as_str()).map_err(failed)?;
            }
            let mut table = transaction.open_table(TOLD).map_err(failed)?;
            for (key, told) in &told {
                table.insert(key.as_str(), json(told)?.as_str()).map_err(failed)?;
            }
            Ok(())
        });
        memory.told.extend(told);
        memory.pending.extend(new.iter().map(|d| (d.id.clone(), d.clone())));
        written.map(|()| new)
    }

    /// The deliveries of these ids have ended alike.
    pub fn ended(&self, ids: &[String], at_ms: i64, attempts: u32, error: Option<&str>) -> Result<()> {
        let mut memory = self.lock();
        let mut number = memory.history.back().map_or(0, |(number, _)| number + 1);
        let mut entries = Vec::new();
        for id in ids {
            let Some(delivery) = memory.pending.remove(id) else { continue };
            let outcome = if error.is_some() { "failed" } else { "sent" }.to_owned();
            let entry = HistoryEntry {
                id: delivery.id,
                channel: delivery.channel,
                at_ms,
                attempts,
                outcome,
                error: error.map(str::to_owned),
                message: delivery.message,
            };
            memory.done.insert(id.clone());
            memory.history.push_back((number, entry.clone()));
            entries.push((number, entry));
            number += 1;
        }
        let excess = memory.history.len().saturating_sub(HISTORY);
        let dropped: Vec<(u64, HistoryEntry)> = memory.history.drain(..excess).collect();
        for (_, entry) in &dropped {
            memory.done.remove(&entry.id);
        }
        self.write(|transaction| {
            let mut pending = transaction.open_table(PENDING).map_err(failed)?;
            let mut history = transaction.open_table(ENDED).map_err(failed)?;
            for (number, entry) in &entries {
                pending.remove(entry.id.as_str()).map_err(failed)?;
                history.insert(number, json(entry)?.as_str()).map_err(failed)?;
            }
            for (number, _) in &dropped {
                history.remove(number).map_err(failed)?;
            }
            Ok(())
        })
    }

    pub fn pending(&self) -> Vec<Delivery> {
        self.lock().pending.values().cloned().collect()
    }

    /// The newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.lock().history.iter().rev().map(|(_, entry)| entry.clone()).collect()
    }

    /// What was told of the alerts of one rule.
    pub fn told(&self, rule: &str) -> BTreeMap<String, Told> {
        let prefix = told_key(rule, "");
        self.lock()
            .told
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(key, told)| (key[prefix.len()..].to_owned(), *told))
            .collect()
    }

    pub fn silences(&self) -> Result<Vec<Silence>> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        let transaction = database.begin_read().map_err(failed)?;
        let table = transaction.open_table(SILENCES).map_err(failed)?;
        let mut silences = Vec::new();
        for entry in table.iter().map_err(failed)? {
            silences.push(read(entry.map_err(failed)?.1.value())?);
        }
        Ok(silences)
    }

    pub fn put_silence(&self, silence: &Silence) -> Result<()> {
        self.write(|t| t.open_table(SILENCES).map_err(failed)?.insert(silence.id.as_str(), json(silence)?.as_str()).map(|_| ()).map_err(failed))
    }

    pub fn remove_silence(&self, id: &str) -> Result<()> {
        self.write(|t| t.open_table(SILENCES).map_err(failed)?.remove(id).map(|_| ()).map_err(failed))
    }

    fn write(&self, change: impl FnOnce(&redb::WriteTransaction) -> Result<()>) -> Result<()> {
        let Some(database) = &self.database else { return Ok(()) };
        let transaction = database.begin_write().map_err(failed)?;
        change(&transaction)?;
        transaction.commit().map_err(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told_key(rule: &str, key: &str) -> String {
    format!("{rule}\0{key}")
}

fn json(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::internal(format!("alerts: {e}")))
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| Error::corrupt(format!("alerts: {e}")))
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::external(format!("alerts: {e}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn delivery(id: &str, channel: &str, created_ms: i64) -> Delivery {
        let message = Message {
            id: id.to_owned(),
            table: "t".to_owned(),
            state: "firing".to_owned(),
            severity: "warning".to_owned(),
            title: format!("title {id}"),
            text: format!("text {id}"),
            repeated: false,
            alerts: Vec::new(),
        };
        Delivery { id: id.to_owned(), rule: "r".to_owned(), channel: channel.to_owned(), created_ms, message }
    }

    /// What waits and what is done, as ids, after the file was opened again.
    fn check(path: &Path, expected: (&[&str], &[&str])) {
        let outbox = Outbox::open(path, 0).expect("opens");
        let pending = outbox.pending();
        let history = outbox.history();
        assert_eq!(
            (pending.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), history.iter().map(|e| e.id.as_str()).collect::<Vec<_>>()),
            (expected.0.to_vec(), expected.1.to_vec())
        );
    }

    #[test]
    fn deliveries_survive_until_they_are_acknowledged() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("alerts.redb");
        let told: BTreeMap<String, Told> = [("a".to_owned(), Told { step: 1, at_ms: 5 })].into();
        {
            let outbox = Outbox::open(&path, 0).expect("opens");
            let new = outbox.put("r", vec![delivery("1", "c", 0), delivery("2", "c", 0)], &told).expect("written");
            assert_eq!(new.len(), 2);
        }
        check(&path, (&["1", "2"], &[]));
        {
            let outbox = Outbox::open(&path, 0).expect("opens");
            assert_eq!(outbox.told("r"), told);
            outbox.ended(&["1".to_owned()], 7, 1, None).expect("written");
            let again = outbox.put("r", vec![delivery("1", "c", 0), delivery("2", "c", 0)], &BTreeMap::new()).expect("written");
            assert_eq!(again, [], "neither what is done nor what waits is taken again");
        }
        check(&path, (&["2"], &["1"]));
    }
}
