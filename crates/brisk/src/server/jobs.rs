//! The server's jobs: scripts are submitted, their jobs run until they end or are stopped, and are there again after a
//! restart of the server.
//!
//! ```text
//!   submit --> plan all --> record --> start each at its newest checkpoint --> watcher: how it ended --> record
//!   server starts --> plan all scripts --> start the jobs that are wanted
//! ```
//!
//! What must stay true: a job is recorded before it starts, so that a crash in between starts it again and never loses
//! it. All scripts are planned before any job starts, so that every job holds its place in the logs that it reads before
//! another may have them trimmed.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brisk_core::clock::Clock;
use brisk_core::{Error, ErrorKind, Result};
use brisk_runtime::SystemClock;
use brisk_runtime::job::{CheckpointInfo, Job, JobHandle, JobState, JobStatus, Outcome, Restore};
use serde::{Deserialize, Serialize};

use super::catalog::{Catalog, JobRecord, Savepoint, ScriptRecord, Wanted};
use super::planning::{self, Defaults, PlannedJob};
use crate::ingest::IngestTables;
use crate::registry::ProgramRegistry;
use crate::settings::Settings;

pub struct Jobs {
    catalog: Catalog,
    registry: ProgramRegistry,
    ingest: Arc<IngestTables>,
    data_dir: PathBuf,
    checkpoint_interval: Duration,
    /// By id.
    jobs: Mutex<BTreeMap<String, Entry>>,
    /// The server is stopping: jobs that end now are not at their end.
    halting: AtomicBool,
}

#[derive(Clone)]
struct Entry {
    script: String,
    run: Run,
    /// Identities of its sources, while it may want their events again.
    sources: Vec<String>,
}

#[derive(Clone)]
enum Run {
    Started(JobHandle),
    /// It could not be planned or started, or ended in an earlier run of the server.
    Ended {
        state: JobState,
        error: Option<String>,
    },
}

/// A script to be run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptRequest {
    /// By default a free one is given.
    pub name: Option<String>,
    pub script: String,
    /// Replace `${NAME}` in the script.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Take the place of the script of this name: its jobs are stopped and go on with their state where it fits.
    #[serde(default)]
    pub replace: bool,
}

/// A job in a list.
#[derive(Debug, Clone, Serialize)]
pub struct JobInfo {
    pub id: String,
    pub script: String,
    pub state: JobState,
    pub error: Option<String>,
    pub started_ms: Option<i64>,
    pub restarts: u32,
    /// Rows read by sources and written by sinks.
    pub records_in: u64,
    pub records_out: u64,
    pub late_records: u64,
    pub bad_records: u64,
    /// The least watermark of its sources' splits.
    pub watermark_ms: Option<i64>,
    pub last_checkpoint: Option<CheckpointInfo>,
}

/// How long a job may take to end after it was cancelled.
const CANCEL_LIMIT: Duration = Duration::from_secs(10);

impl Jobs {
    pub fn open(settings: &Settings, registry: ProgramRegistry, ingest: Arc<IngestTables>) -> Result<Self> {
        Ok(Self {
            catalog: Catalog::open(&settings.data_dir.join("catalog.redb"))?,
            registry,
            ingest,
            data_dir: settings.data_dir.clone(),
            checkpoint_interval: settings.checkpoints.interval.0,
            jobs: Mutex::default(),
            halting: AtomicBool::new(false),
        })
    }

    pub fn registry(&self) -> &ProgramRegistry {
        &self.registry
    }

    /// Plans a script, records it and starts its jobs. Gives their ids.
    pub fn submit(self: &Arc<Self>, request: ScriptRequest) -> Result<Vec<String>> {
        let name = match &request.name {
            Some(name) => planning::slug(name),
            None => self.free_name()?,
        };
        let jobs = match self.catalog.script(&name)? {
            Some(known) if request.replace => {
                known.jobs.into_iter().map(|(id, job)| (id, JobRecord { savepoint: job.savepoint, ..JobRecord::default() })).collect()
            }
            _ => BTreeMap::new(),
        };
        let record = ScriptRecord { name, text: request.script, variables: request.variables, submitted_ms: SystemClock.now_ms(), jobs };
        let planned = self.plan(&record)?;
        self.check_free(&record.name, &planned)?;
        // Only now that the new script is known to be good.
        self.make_room(&record.name, request.replace)?;
        // What an earlier script of this name left must not come back into a new one that was not asked to replace it.
        if !request.replace {
            self.forget_checkpoints(&planned)?;
        }
        self.catalog.put(&record)?;
        let ids = planned.iter().map(|job| job.id.clone()).collect();
        let started: Vec<Result<()>> = planned.into_iter().map(|job| self.start_or_list(&record, job)).collect();
        self.release_logs();
        started.into_iter().collect::<Result<()>>()?;
        Ok(ids)
    }

    /// Records the scripts of the settings: those that are known and unchanged go on as they are.
    pub fn adopt(&self, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            let text = std::fs::read_to_string(path).map_err(|e| Error::invalid(format!("script {}: {e}", path.display())))?;
            let name = planning::slug(&path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned()));
            let known = self.catalog.script(&name)?;
            if known.as_ref().is_some_and(|k| k.text == text) {
                continue;
            }
            self.catalog.put(&ScriptRecord { name, text, variables: BTreeMap::new(), submitted_ms: SystemClock.now_ms(), jobs: BTreeMap::new() })?;
        }
        Ok(())
    }

    /// Starts what is wanted. A job that cannot start is listed with the reason; the others run.
    pub fn restore(self: &Arc<Self>) -> Result<()> {
        let planned: Vec<_> = self.catalog.scripts()?.into_iter().map(|script| (self.plan(&script), script)).collect();
        for (jobs, script) in planned {
            match jobs {
                Err(e) => self.not_started(&script.name, &script.name, &e),
                Ok(jobs) => {
                    for job in jobs {
                        self.restore_one(&script, job);
                    }
                }
            }
        }
        self.release_logs();
        Ok(())
    }

    pub fn list(&self) -> Vec<JobInfo> {
        self.lock().clone().into_iter().map(|(id, entry)| info(id, &entry)).collect()
    }

    pub fn info(&self, id: &str) -> Result<JobInfo, NoSuchJob> {
        self.entry(id).map(|entry| info(id.to_owned(), &entry))
    }

    /// `None` for a job that does not run since the server started.
    pub fn status(&self, id: &str) -> Result<Option<JobStatus>, NoSuchJob> {
        Ok(match self.entry(id)?.run {
            Run::Started(handle) => Some(handle.status()),
            Run::Ended { .. } => None,
        })
    }

    /// The status of every job that runs or ran since the server started.
    pub fn statuses(&self) -> Vec<(String, JobStatus)> {
        let started = |(id, entry): (String, Entry)| match entry.run {
            Run::Started(handle) => Some((id, handle.status())),
            Run::Ended { .. } => None,
        };
        self.lock().clone().into_iter().filter_map(started).collect()
    }

    /// Ends a job for good. Waits for its end.
    pub fn cancel(&self, id: &str) -> Result<JobInfo> {
        let entry = self.entry(id)?;
        // Kept open, so that the events kept for this job can be given back.
        let tables = self.ingest.all();
        self.catalog.set_job(&entry.script, id, JobRecord { wanted: Wanted::Cancelled, ..JobRecord::default() })?;
        if let Run::Started(handle) = &entry.run {
            handle.cancel();
            if handle.wait_for(CANCEL_LIMIT).is_none() {
                return Err(Error::external(format!("job {id} does not end; it is being cancelled")));
            }
        }
        // Also one that had failed or stopped before: it does not come back now.
        self.set_ended(id, &entry.script, JobState::Cancelled, None);
        self.release_logs();
        drop(tables);
        Ok(self.info(id)?)
    }

    /// Takes a savepoint, by default in the data directory; `stop` ends the job there.
    pub fn savepoint(&self, id: &str, path: Option<String>, stop: bool) -> Result<CheckpointInfo> {
        let entry = self.entry(id)?;
        let Run::Started(handle) = &entry.run else { return Err(not_running(id)) };
        let fallback = || self.data_dir.join("savepoints").join(format!("{id}-{}", SystemClock.now_ms())).display().to_string();
        let path = path.unwrap_or_else(fallback);
        if !stop {
            return handle.savepoint(&path);
        }
        let taken = handle.stop_with_savepoint(&path)?;
        let record = JobRecord { wanted: Wanted::Stopped, savepoint: Some(Savepoint { id: taken.id, path: taken.path.clone() }), error: None };
        self.catalog.set_job(&entry.script, id, record)?;
        Ok(taken)
    }

    /// Takes a checkpoint now.
    pub fn checkpoint(&self, id: &str) -> Result<CheckpointInfo> {
        match self.entry(id)?.run {
            Run::Started(handle) => handle.trigger_checkpoint(),
            Run::Ended { .. } => Err(not_running(id)),
        }
    }

    /// Starts a job again that failed, was cancelled or stopped: at its savepoint, or its newest checkpoint.
    pub fn resume(self: &Arc<Self>, id: &str) -> Result<JobInfo> {
        let entry = self.entry(id)?;
        if let Run::Started(handle) = &entry.run
            && handle.wait_for(Duration::ZERO).is_none()
        {
            return Err(Error::invalid(format!("job {id} is running")));
        }
        let gone = || Error::invalid(format!("script {} is not known any more", entry.script));
        let mut script = self.catalog.script(&entry.script)?.ok_or_else(gone)?;
        let planned = self.plan(&script)?.into_iter().find(|job| job.id == id).ok_or_else(gone)?;
        let savepoint = script.jobs.get(id).and_then(|job| job.savepoint.clone());
        script.jobs.insert(id.to_owned(), JobRecord { savepoint, ..JobRecord::default() });
        self.catalog.put(&script)?;
        self.start(&script, planned)?;
        Ok(self.info(id)?)
    }

    /// The plans of a script's jobs, for people. Nothing runs.
    pub fn explain(&self, request: &ScriptRequest) -> Result<Vec<(String, String)>> {
        let planned = self.plan_text("explain", &request.script, &request.variables)?;
        Ok(planned.into_iter().map(|job| (job.id, brisk_sql::explain::explain(&job.graph))).collect())
    }

    /// Ends all jobs as they are: the next start of the server goes on from their newest checkpoints.
    pub fn halt(&self) {
        self.halting.store(true, Ordering::Release);
        let running: Vec<JobHandle> = self.lock().values().filter_map(|e| if let Run::Started(h) = &e.run { Some(h.clone()) } else { None }).collect();
        for job in &running {
            // Less is to be done again after the restart. One that is at its end has nothing to save.
            let _ = job.trigger_checkpoint();
            job.cancel();
        }
        for job in &running {
            // What does not end in time ends with the process.
            let _ = job.wait_for(CANCEL_LIMIT);
        }
    }

    fn plan(&self, script: &ScriptRecord) -> Result<Vec<PlannedJob>> {
        self.plan_text(&script.name, &script.text, &script.variables)
    }

    fn plan_text(&self, name: &str, text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<PlannedJob>> {
        let jobs_dir = self.data_dir.join("jobs");
        planning::plan(name, text, variables, &self.registry, &Defaults { jobs_dir: &jobs_dir, checkpoint_interval: self.checkpoint_interval })
    }

    fn free_name(&self) -> Result<String> {
        let taken: HashSet<String> = self.catalog.scripts()?.into_iter().map(|s| s.name).collect();
        let mut names = (1..).map(|n| format!("script-{n}"));
        names.find(|name| !taken.contains(name)).ok_or_else(|| Error::internal("no free name"))
    }

    /// The jobs of a script that is to be submitted again are stopped, if that is wanted.
    fn make_room(&self, script: &str, replace: bool) -> Result<()> {
        let running: Vec<(String, JobHandle)> = self.running_of(script);
        if !running.is_empty() && !replace {
            let ids: Vec<&str> = running.iter().map(|(id, _)| id.as_str()).collect();
            return Err(Error::invalid(format!("script {script} is running: {}", ids.join(", ")))
                .with_remedy("give another name, cancel its jobs, or submit it with \"replace\": true"));
        }
        for (_, handle) in &running {
            // The newest state is carried over; without a checkpoint the one before it counts.
            let _ = handle.trigger_checkpoint();
            handle.cancel();
        }
        for (id, handle) in &running {
            if handle.wait_for(CANCEL_LIMIT).is_none() {
                return Err(Error::external(format!("job {id} does not end; it is being cancelled")));
            }
        }
        self.lock().retain(|_, entry| entry.script != script);
        Ok(())
    }

    fn running_of(&self, script: &str) -> Vec<(String, JobHandle)> {
        let jobs = self.lock();
        let of_script = jobs.iter().filter(|(_, e)| e.script == script);
        let running = |(id, entry): (&String, &Entry)| match &entry.run {
            Run::Started(handle) if handle.wait_for(Duration::ZERO).is_none() => Some((id.clone(), handle.clone())),
            _ => None,
        };
        of_script.filter_map(running).collect()
    }

    /// `pipeline.name` may give a job the id of another script's.
    fn check_free(&self, script: &str, planned: &[PlannedJob]) -> Result<()> {
        let jobs = self.lock();
        for job in planned {
            if let Some(other) = jobs.get(&job.id).filter(|e| e.script != script) {
                return Err(Error::invalid(format!("there is a job {} already, of script {}", job.id, other.script)).with_remedy("SET another 'pipeline.name'"));
            }
        }
        Ok(())
    }

    fn forget_checkpoints(&self, planned: &[PlannedJob]) -> Result<()> {
        for job in planned {
            match std::fs::remove_dir_all(self.data_dir.join("jobs").join(&job.id)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn restore_one(self: &Arc<Self>, script: &ScriptRecord, job: PlannedJob) {
        let record = script.jobs.get(&job.id).cloned().unwrap_or_default();
        let id = job.id.clone();
        let sources = job.sources();
        let ended = match record.wanted {
            Wanted::Running => {
                // An error is in the list.
                let _ = self.start_or_list(script, job);
                return;
            }
            Wanted::Finished => JobState::Finished,
            Wanted::Cancelled => JobState::Cancelled,
            Wanted::Stopped => JobState::Stopped,
            Wanted::Failed => JobState::Failed,
        };
        // One that stopped or failed may be resumed: its events are kept.
        let keeps = matches!(ended, JobState::Stopped | JobState::Failed);
        let run = Run::Ended { state: ended, error: record.error };
        self.lock().insert(id, Entry { script: script.name.clone(), run, sources: if keeps { sources } else { Vec::new() } });
    }

    /// Starts a job; one that cannot be started is listed with the reason.
    fn start_or_list(self: &Arc<Self>, script: &ScriptRecord, job: PlannedJob) -> Result<()> {
        let id = job.id.clone();
        self.start(script, job).inspect_err(|e| self.not_started(&script.name, &id, e))
    }

    fn start(self: &Arc<Self>, script: &ScriptRecord, job: PlannedJob) -> Result<()> {
        let newest = match &job.options.checkpoint {
            Some(options) => options.store.manifests()?.last().map_or(0, |m| m.id),
            None => 0,
        };
        let restore = match script.jobs.get(&job.id).and_then(|record| record.savepoint.as_ref()) {
            Some(savepoint) if savepoint.id >= newest => Restore::Path(savepoint.path.clone()),
            _ => Restore::Latest,
        };
        let (id, sources) = (job.id.clone(), job.sources());
        let handle = Job::start(job.graph, job.options, restore)?;
        self.lock().insert(id.clone(), Entry { script: script.name.clone(), run: Run::Started(handle.clone()), sources });
        self.watch(script.name.clone(), id, handle)
    }

    /// A thread that waits for the job's end and records it.
    fn watch(self: &Arc<Self>, script: String, id: String, handle: JobHandle) -> Result<()> {
        let jobs = self.clone();
        let watcher = std::thread::Builder::new().name(format!("watch-{id}")).stack_size(256 << 10);
        watcher.spawn(move || jobs.record_end(&script, &id, &handle))?;
        Ok(())
    }

    fn record_end(&self, script: &str, id: &str, handle: &JobHandle) {
        let ended = handle.wait();
        if self.halting.load(Ordering::Acquire) {
            return;
        }
        let record = match ended {
            Ok(result) => match result.outcome {
                Outcome::Finished => JobRecord { wanted: Wanted::Finished, ..JobRecord::default() },
                // Whoever ended it has recorded what that means.
                Outcome::Stopped { .. } | Outcome::Cancelled => return,
            },
            Err(e) if e.kind == ErrorKind::Cancelled => return,
            Err(e) => JobRecord { wanted: Wanted::Failed, error: Some(e.to_string()), savepoint: None },
        };
        if let Err(e) = self.catalog.set_job(script, id, record) {
            tracing::error!(job = id, error = %e, "cannot record how a job ended");
        }
    }

    fn not_started(&self, script: &str, id: &str, error: &Error) {
        tracing::error!(job = id, error = %error, "cannot start");
        self.set_ended(id, script, JobState::Failed, Some(error.to_string()));
    }

    fn set_ended(&self, id: &str, script: &str, state: JobState, error: Option<String>) {
        self.lock().insert(id.to_owned(), Entry { script: script.to_owned(), run: Run::Ended { state, error }, sources: Vec::new() });
    }

    /// Events that are kept for jobs that will not come back are given back.
    fn release_logs(&self) {
        let jobs = self.lock();
        // A script that could not be planned may want anything.
        if jobs.iter().any(|(id, e)| *id == e.script && e.sources.is_empty() && matches!(e.run, Run::Ended { .. })) {
            return;
        }
        let wanted: HashSet<String> = jobs.values().flat_map(|e| e.sources.iter().cloned()).collect();
        drop(jobs);
        for table in self.ingest.all() {
            if let Err(e) = table.retain_consumers(|name| wanted.contains(name)) {
                tracing::warn!(table = %table.path, error = %e, "cannot forget jobs that have ended; their events are kept");
            }
        }
    }

    fn entry(&self, id: &str) -> Result<Entry, NoSuchJob> {
        self.lock().get(id).cloned().ok_or_else(|| NoSuchJob(id.to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is no job of this id.
#[derive(Debug)]
pub struct NoSuchJob(pub String);

impl From<NoSuchJob> for Error {
    fn from(e: NoSuchJob) -> Self {
        Error::invalid(format!("there is no job {}", e.0)).with_remedy("`brisk jobs` lists those there are")
    }
}

fn not_running(id: &str) -> Error {
    Error::new(ErrorKind::Cancelled, format!("job {id} does not run"))
}

fn info(id: String, entry: &Entry) -> JobInfo {
    let empty = JobInfo {
        id,
        script: entry.script.clone(),
        state: JobState::Failed,
        error: None,
        started_ms: None,
        restarts: 0,
        records_in: 0,
        records_out: 0,
        late_records: 0,
        bad_records: 0,
        watermark_ms: None,
        last_checkpoint: None,
    };
    match &entry.run {
        Run::Ended { state, error } => JobInfo { state: *state, error: error.clone(), ..empty },
        Run::Started(handle) => running_info(empty, handle.status()),
    }
}

fn running_info(empty: JobInfo, status: JobStatus) -> JobInfo {
    let subtasks = || status.nodes.iter().flat_map(|n| &n.subtasks);
    JobInfo {
        state: status.state,
        error: status.last_error.clone(),
        started_ms: Some(status.started_ms),
        restarts: status.restarts,
        // A source takes nothing in from another node, a sink gives nothing out.
        records_in: status.nodes.iter().filter(|n| n.name.starts_with("Source")).flat_map(|n| &n.subtasks).map(|s| s.records_out).sum(),
        records_out: status.nodes.iter().filter(|n| n.name.starts_with("Sink")).flat_map(|n| &n.subtasks).map(|s| s.records_in).sum(),
        late_records: subtasks().map(|s| s.late_records_dropped).sum(),
        bad_records: subtasks().map(|s| s.bad_records).sum(),
        watermark_ms: status.splits.iter().filter(|s| !s.idle).filter_map(|s| s.watermark_ms).min(),
        last_checkpoint: status.checkpoints.iter().rev().find(|c| c.failure.is_none()).cloned(),
        ..empty
    }
}
