//! What outlives the server: its scripts, and what is wanted of their jobs. In redb, one JSON record a script.

use std::collections::BTreeMap;
use std::path::Path;

use brisk_core::{Error, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

pub struct Catalog {
    database: Database,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptRecord {
    pub name: String,
    pub text: String,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    pub submitted_ms: i64,
    /// By id. A job that is not listed is to run.
    #[serde(default)]
    pub jobs: BTreeMap<String, JobRecord>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JobRecord {
    pub wanted: Wanted,
    /// Why it ended, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where it begins at its next start, if not at its newest checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint: Option<Savepoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savepoint {
    /// Checkpoints with a greater id are newer.
    pub id: u64,
    pub path: String,
}

/// Whether a job is started with the server, and if not, how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    #[default]
    Running,
    Finished,
    Cancelled,
    Stopped,
    Failed,
}

const SCRIPTS: TableDefinition<&str, &str> = TableDefinition::new("scripts");

impl Catalog {
    pub fn open(path: &Path) -> Result<Self> {
        let context = |e: &dyn std::fmt::Display| Error::external(format!("catalog {}: {e}", path.display()));
        let database = Database::create(path).map_err(|e| match e {
            redb::DatabaseError::DatabaseAlreadyOpen => {
                context(&"another process has it open").with_remedy("stop the other server, or give this one another data directory")
            }
            other => context(&other),
        })?;
        let catalog = Self { database };
        // Makes the table, so that reading needs no special case.
        catalog.write(|_| Ok(()))?;
        Ok(catalog)
    }

    pub fn scripts(&self) -> Result<Vec<ScriptRecord>> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(SCRIPTS).map_err(failed)?;
        let mut scripts = Vec::new();
        for entry in table.iter().map_err(failed)? {
            let (name, json) = entry.map_err(failed)?;
            let record = serde_json::from_str(json.value());
            scripts.push(record.map_err(|e| Error::corrupt(format!("catalog: script {}: {e}", name.value())))?);
        }
        Ok(scripts)
    }

    pub fn script(&self, name: &str) -> Result<Option<ScriptRecord>> {
        Ok(self.scripts()?.into_iter().find(|s| s.name == name))
    }

    /// On disk when it returns.
    pub fn put(&self, script: &ScriptRecord) -> Result<()> {
        let json = serde_json::to_string(script).map_err(failed)?;
        self.write(|table| table.insert(script.name.as_str(), json.as_str()).map(|_| ()).map_err(failed))
    }

    /// Changes the record of one job.
    pub fn set_job(&self, script: &str, id: &str, job: JobRecord) -> Result<()> {
        let Some(mut record) = self.script(script)? else { return Ok(()) };
        record.jobs.insert(id.to_owned(), job);
        self.put(&record)
    }

    fn write(&self, change: impl FnOnce(&mut redb::Table<&str, &str>) -> Result<()>) -> Result<()> {
        let transaction = self.database.begin_write().map_err(failed)?;
        change(&mut transaction.open_table(SCRIPTS).map_err(failed)?)?;
        transaction.commit().map_err(failed)
    }
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::external(format!("catalog: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_what_is_wanted_of_jobs_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("catalog.redb");
        let script =
            |text: &str| ScriptRecord { name: "s".to_owned(), text: text.to_owned(), variables: BTreeMap::new(), submitted_ms: 7, jobs: BTreeMap::new() };
        let catalog = Catalog::open(&path).expect("opens");
        catalog.put(&script("one")).expect("written");
        catalog.put(&script("two")).expect("written");
        let failed = JobRecord { wanted: Wanted::Failed, error: Some("no".to_owned()), savepoint: None };
        catalog.set_job("s", "s.t", failed.clone()).expect("written");
        drop(catalog);
        let catalog = Catalog::open(&path).expect("opens");
        let expected = ScriptRecord { jobs: [("s.t".to_owned(), failed)].into(), ..script("two") };
        assert_eq!(catalog.scripts().expect("read"), [expected]);
    }
}
