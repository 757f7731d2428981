//! One start of the job, from the driver's side: events in, coordinator's actions carried out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use brisk_core::graph::{NodeId, NodeKind};
use brisk_core::{Barrier, Error, Result};
use crossbeam_channel::RecvTimeoutError;

use super::{Command, Driver, Event, Reply};
use crate::build::Run;
use crate::checkpoint::coordinator::{self, Action, Coordinator, Kind, Settings, SubtaskId};
use crate::checkpoint::manifest::{Blob, Manifest, OperatorManifest, SubtaskManifest, VERSION};
use crate::checkpoint::store::MANIFEST;
use crate::checkpoint::writer::{Place, Work};
use crate::checkpoint::{CheckpointStore, ahead};
use crate::clock::monotonic_ns;
use crate::control::{Preparation, Request, cancelled};
use crate::job::{CheckpointInfo, JobState, Outcome};
use crate::status::CheckpointTimes;

pub(super) struct Session<'a> {
    driver: &'a Driver,
    run: Arc<Run>,
    pub(super) coordinator: Coordinator,
    current: Option<Current>,
    requests: HashMap<u64, Asked>,
    last_request: u64,
    /// Committables that no durable checkpoint has committed yet.
    carried: HashMap<(NodeId, usize), Vec<Blob>>,
    stopped: Option<String>,
    /// When the last checkpoint was complete, or the start.
    last: Moment,
}

/// How far the sources were when.
#[derive(Debug, Clone, Copy)]
struct Moment {
    ns: u64,
    /// That came out of all sources so far.
    rows: u64,
}

impl Moment {
    fn now(run: &Run) -> Self {
        Self { ns: monotonic_ns(), rows: run.rows_given() }
    }
}

/// The checkpoint under way.
struct Current {
    id: u64,
    kind: Kind,
    started_ms: i64,
    started: Moment,
    place: Option<Arc<Place>>,
    request: Option<u64>,
    full: bool,
    parts: HashMap<(NodeId, usize), SubtaskManifest>,
    written_bytes: u64,
    times: CheckpointTimes,
}

/// A caller who waits for a checkpoint.
struct Asked {
    reply: Reply,
    /// Of a savepoint.
    place: Option<Arc<Place>>,
}

/// How a session ends.
type Over = Option<Outcome>;

impl<'a> Session<'a> {
    pub(super) fn new(driver: &'a Driver, run: Arc<Run>) -> Self {
        let has_committer = |n: &brisk_core::graph::Node| matches!(&n.kind, NodeKind::Sink(s) if s.sink.committer().is_some());
        let checkpoint = driver.options.checkpoint.as_ref();
        let millis = |d: Duration| d.as_millis().min(i64::MAX as u128 / 4) as i64;
        let settings = Settings {
            subtasks: driver.plan.subtasks(),
            interval_ms: checkpoint.and_then(|c| c.interval).map(|d| millis(d).max(1)),
            min_pause_ms: checkpoint.map_or(0, |c| millis(c.min_pause)),
            timeout_ms: checkpoint.map_or(600_000, |c| millis(c.timeout)),
            prepare_ms: ahead::LIMIT_MS,
            incremental: checkpoint.is_some_and(|c| c.incremental),
            tolerable_failures: checkpoint.map_or(0, |c| c.tolerable_failures),
            final_checkpoint: checkpoint.is_some() || driver.graph.nodes.iter().any(has_committer),
        };
        let coordinator = Coordinator::new(settings, driver.next_id, driver.options.clock.now_ms());
        let last = Moment::now(&run);
        Self { driver, run, coordinator, current: None, requests: HashMap::new(), last_request: 0, carried: HashMap::new(), stopped: None, last }
    }

    pub(super) fn run(&mut self) -> Result<Outcome> {
        loop {
            let over = match self.next_event()? {
                Some(event) => self.take(event)?,
                None => self.step(coordinator::Event::Tick)?,
            };
            if let Some(outcome) = over {
                return Ok(outcome);
            }
        }
    }

    /// `None` when the coordinator's time has come.
    fn next_event(&self) -> Result<Option<Event>> {
        let gone = || Error::internal("nobody is left to drive the job");
        let received = &self.driver.received;
        let Some(due_ms) = self.coordinator.next_tick_ms() else { return received.recv().map(Some).map_err(|_| gone()) };
        let wait = due_ms.saturating_sub(self.now_ms()).max(0) as u64;
        match received.recv_timeout(Duration::from_millis(wait)) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    fn take(&mut self, event: Event) -> Result<Over> {
        let now = self.run.attempt;
        match event {
            Event::Command(command) => self.command(command),
            Event::Wake => self.step(coordinator::Event::Tick),
            Event::Failed { attempt, error } if attempt == now => Err(error),
            Event::Ended { attempt, subtask } if attempt == now => self.step(coordinator::Event::Ended { subtask }),
            Event::Prepared { attempt, id, subtask } if attempt == now => self.step(coordinator::Event::Prepared { id, subtask }),
            Event::Written { attempt, id, subtask, times, parts, error } if attempt == now => {
                if let Some(current) = self.current.as_mut().filter(|c| c.id == id) {
                    current.times = current.times.max(times);
                }
                self.written(id, subtask, parts, error)
            }
            Event::Stored { attempt, id, stored, committed, written_bytes } if attempt == now => {
                committed?;
                if let Some(current) = self.current.as_mut().filter(|c| c.id == id) {
                    current.written_bytes = written_bytes;
                }
                match stored {
                    Ok(()) => self.step(coordinator::Event::Stored { id }),
                    Err(e) => self.step(coordinator::Event::StoreFailed { id, reason: e.to_string() }),
                }
            }
            _ => Ok(None),
        }
    }

    fn command(&mut self, command: Command) -> Result<Over> {
        let (kind, place, reply) = match command {
            Command::Cancel => return Err(cancelled()),
            Command::Checkpoint { reply } if self.driver.options.checkpoint.is_none() => {
                let error = Error::invalid("the job keeps no checkpoints").with_remedy("set execution.checkpointing.dir, or take a savepoint");
                let _ = reply.send(Err(error));
                return Ok(None);
            }
            Command::Checkpoint { reply } => (Kind::Checkpoint, None, reply),
            Command::Savepoint { path, stop, reply } => match savepoint_place(&path) {
                Ok(place) => (Kind::Savepoint { stop }, Some(Arc::new(place)), reply),
                Err(e) => {
                    let _ = reply.send(Err(e));
                    return Ok(None);
                }
            },
        };
        self.last_request += 1;
        self.requests.insert(self.last_request, Asked { reply, place });
        self.step(coordinator::Event::Request { kind, request: self.last_request })
    }

    fn step(&mut self, event: coordinator::Event) -> Result<Over> {
        let mut over = None;
        for action in self.coordinator.step(self.now_ms(), event) {
            match action {
                Action::Prepare { id, kind, full, request } => self.prepare(id, kind, full, request),
                Action::Inject { id, full } => self.inject(id, full),
                Action::Store { id } => self.store(id)?,
                Action::Completed { id, kind } => self.completed(id, kind),
                Action::Aborted { id, reason, .. } => self.aborted(id, &reason),
                Action::Refused { request } => self.answer(Some(request), &Err(Error::invalid("the job is ending: no further checkpoint is taken"))),
                Action::Fail { reason } => return Err(Error::external(reason)),
                Action::Finish => over = Some(self.stopped.take().map_or(Outcome::Finished, |savepoint| Outcome::Stopped { savepoint })),
            }
        }
        Ok(over)
    }

    fn prepare(&mut self, id: u64, kind: Kind, full: bool, request: Option<u64>) {
        if kind == Kind::Final {
            self.driver.shared.board.set_state(JobState::Finishing);
        }
        let place = match kind {
            Kind::Savepoint { .. } => request.and_then(|r| self.requests.get(&r)).and_then(|asked| asked.place.clone()),
            Kind::Checkpoint | Kind::Final => {
                let own = self.driver.options.checkpoint.as_ref();
                own.map(|c| Arc::new(Place { store: c.store.clone(), id: Some(id), retained: Some(c.retained) }))
            }
        };
        // Sent before the tasks know of it, so that it comes before their parts. If the thread is gone the job ends by that.
        let _ = self.driver.work.send(Work::Prepare { attempt: self.run.attempt, id, place: place.clone() });
        let (started, parts, times) = (Moment::now(&self.run), HashMap::new(), CheckpointTimes::default());
        self.current = Some(Current { id, kind, started_ms: self.now_ms(), started, place, request, full, parts, written_bytes: 0, times });
        if kind != Kind::Final {
            self.run.control.prepare(Preparation { id, full });
            self.run.wake();
        }
    }

    fn inject(&mut self, id: u64, full: bool) {
        let Some(current) = self.current.as_ref().filter(|c| c.id == id) else { return };
        let barrier = Barrier { checkpoint_id: id, last: current.kind == Kind::Savepoint { stop: true } };
        self.run.control.inject(Request { barrier, full, place: current.place.clone(), injected_ns: monotonic_ns() });
        self.run.wake();
    }

    fn written(&mut self, id: u64, subtask: SubtaskId, parts: Vec<(NodeId, usize, SubtaskManifest)>, error: Option<Error>) -> Result<Over> {
        match self.current.as_mut().filter(|c| c.id == id) {
            Some(current) => current.parts.extend(parts.into_iter().map(|(node, index, part)| ((node, index), part))),
            // Too late for its checkpoint, which was given up; what sinks prepared is for the next one.
            None => parts.into_iter().for_each(|(node, index, part)| self.carry((node, index), part.committables)),
        }
        match error {
            None => self.step(coordinator::Event::Acked { id, subtask }),
            Some(e) => self.step(coordinator::Event::StoreFailed { id, reason: e.to_string() }),
        }
    }

    /// All parts are there: the manifest and the commits are the checkpoint thread's.
    fn store(&mut self, id: u64) -> Result<()> {
        let carried = std::mem::take(&mut self.carried);
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        for (key, mut former) in carried {
            let part = current.parts.entry(key).or_default();
            former.append(&mut part.committables);
            part.committables = former;
        }
        // A savepoint that the job outlives commits nothing: a restart may go back behind it.
        let commits = current.kind != Kind::Savepoint { stop: false };
        let mut commit = Vec::new();
        let mut operators = Vec::new();
        for (node, n) in self.driver.graph.nodes.iter().enumerate() {
            let subtasks: Vec<_> = (0..self.driver.plan.parallelism[node]).map(|i| current.parts.get(&(node, i)).cloned().unwrap_or_default()).collect();
            if commits {
                commit.push((node, subtasks.iter().flat_map(|s| &s.committables).map(|b| b.0.clone()).collect()));
            }
            operators.push(OperatorManifest { operator_id: self.driver.plan.operator_ids[node].clone(), name: n.name.clone(), subtasks });
        }
        let manifest = Manifest {
            version: VERSION,
            id,
            savepoint: matches!(current.kind, Kind::Savepoint { .. }),
            time_ms: current.started_ms,
            key_groups: self.driver.options.key_groups,
            operators,
        };
        let work = Work::Store { attempt: self.run.attempt, id, place: current.place.clone(), manifest, commit };
        self.driver.work.send(work).map_err(|_| Error::internal("the checkpoint thread broke down"))
    }

    fn completed(&mut self, id: u64, kind: Kind) {
        let Some(current) = self.current.take_if(|c| c.id == id) else { return };
        let info = self.info(&current, None);
        let now = Moment::now(&self.run);
        let last = std::mem::replace(&mut self.last, now);
        if kind == (Kind::Savepoint { stop: false }) {
            current.parts.into_iter().for_each(|(key, part)| self.carry(key, part.committables));
        } else {
            self.run.control.complete(id);
            self.run.wake();
        }
        if kind == (Kind::Savepoint { stop: true }) {
            self.stopped = Some(info.path.clone());
        }
        if current.place.is_some() {
            let micros = |ns: u64| ns / 1000;
            tracing::debug!(
                job = self.driver.options.name,
                checkpoint = id,
                full = current.full,
                duration_us = micros(now.ns - current.started.ns),
                source_rows = now.rows - current.started.rows,
                before_us = micros(current.started.ns - last.ns),
                source_rows_before = current.started.rows - last.rows,
                bytes = info.written_bytes,
                stop_us = micros(info.times.stop_ns),
                sync_us = micros(info.times.sync_ns),
                start_delay_us = micros(info.times.start_delay_ns),
                alignment_us = micros(info.times.alignment_ns),
                "checkpoint completed"
            );
            self.driver.shared.board.add_checkpoint(info.clone());
        }
        self.answer(current.request, &Ok(info));
    }

    fn aborted(&mut self, id: u64, reason: &str) {
        self.run.control.withdraw();
        let Some(current) = self.current.take_if(|c| c.id == id) else { return };
        let info = self.info(&current, Some(reason.to_owned()));
        tracing::warn!(job = self.driver.options.name, checkpoint = id, reason, "checkpoint failed");
        self.driver.shared.board.add_checkpoint(info);
        self.answer(current.request, &Err(Error::external(format!("checkpoint {id} failed: {reason}"))));
        current.parts.into_iter().for_each(|(key, part)| self.carry(key, part.committables));
    }

    fn info(&self, current: &Current, failure: Option<String>) -> CheckpointInfo {
        CheckpointInfo {
            id: current.id,
            path: current.place.as_ref().map_or_else(String::new, |p| p.store.manifest_path(p.id)),
            savepoint: matches!(current.kind, Kind::Savepoint { .. }),
            triggered_ms: current.started_ms,
            duration_ms: self.now_ms() - current.started_ms,
            written_bytes: current.written_bytes,
            times: current.times,
            failure,
        }
    }

    fn carry(&mut self, key: (NodeId, usize), committables: Vec<Blob>) {
        if !committables.is_empty() {
            self.carried.entry(key).or_default().extend(committables);
        }
    }

    fn answer(&mut self, request: Option<u64>, answer: &Result<CheckpointInfo>) {
        if let Some(asked) = request.and_then(|r| self.requests.remove(&r)) {
            // The caller may have gone away.
            let _ = asked.reply.send(answer.clone());
        }
    }

    /// The start is over: nobody is left waiting.
    pub(super) fn refuse_all(&mut self) {
        for (_, asked) in self.requests.drain() {
            let _ = asked.reply.send(Err(Error::external("the job stopped before the checkpoint was complete")));
        }
    }

    fn now_ms(&self) -> i64 {
        self.driver.options.clock.now_ms()
    }
}

fn savepoint_place(path: &str) -> Result<Place> {
    let store = CheckpointStore::open(path)?;
    if store.exists(MANIFEST)? {
        return Err(Error::invalid(format!("{path} already holds a savepoint")).with_remedy("name another directory"));
    }
    Ok(Place { store, id: None, retained: None })
}
