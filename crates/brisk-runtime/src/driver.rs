//! The thread that drives a job: starts its subtasks, steps the checkpoint coordinator, restarts after failures.
//!
//! ```text
//!   start --> run (threads) --all ended, committed--> finished
//!                |  failure: stop all threads, wait as the strategy says,
//!                +--<-- start again from the newest checkpoint of this job
//! ```
//!
//! Everything reaches the driver as an [`Event`]; events of an earlier start are dropped by their attempt number.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use brisk_core::graph::{NodeId, NodeKind, StreamGraph};
use brisk_core::{Barrier, Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, select};

use crate::build::Run;
use crate::checkpoint::CheckpointStore;
use crate::checkpoint::coordinator::{self, Action, Coordinator, Kind, Settings, SubtaskId};
use crate::checkpoint::manifest::{Blob, Manifest, OperatorManifest, SubtaskManifest, VERSION};
use crate::checkpoint::restore::{self, RestorePoint};
use crate::checkpoint::store::MANIFEST;
use crate::checkpoint::writer::{Place, Work, Writer};
use crate::clock::monotonic_ns;
use crate::control::{Control, Request, cancelled};
use crate::job::{CheckpointInfo, JobOptions, JobResult, JobState, Outcome, Restore};
use crate::lock;
use crate::plan::Plan;
use crate::recovery::Backoff;
use crate::source::alignment::Groups;
use crate::status::Board;

/// What the user asks of a running job.
pub(crate) enum Command {
    Cancel,
    Checkpoint { reply: Reply },
    Savepoint { path: String, stop: bool, reply: Reply },
}

type Reply = Sender<Result<CheckpointInfo>>;

pub(crate) enum Event {
    Command(Command),
    /// A clock was moved.
    Wake,
    Failed {
        attempt: u32,
        error: Error,
    },
    Ended {
        attempt: u32,
        subtask: SubtaskId,
    },
    /// A subtask's part of a checkpoint is on the store, unless there is an error.
    Written {
        attempt: u32,
        id: u64,
        subtask: SubtaskId,
        parts: Vec<(NodeId, usize, SubtaskManifest)>,
        error: Option<Error>,
    },
    Stored {
        attempt: u32,
        id: u64,
        stored: Result<()>,
        committed: Result<()>,
        written_bytes: u64,
    },
}

/// What handles and driver share.
pub(crate) struct Shared {
    pub board: Arc<Board>,
    events: Sender<Event>,
    run: Mutex<Running>,
    result: Mutex<Option<Result<JobResult>>>,
    done: Condvar,
}

#[derive(Default)]
struct Running {
    run: Option<Arc<Run>>,
    cancelled: bool,
}

/// Starts the threads of a job.
pub(crate) fn start(graph: StreamGraph, mut options: JobOptions, restore: Restore) -> Result<Arc<Shared>> {
    let own = options.checkpoint.as_ref().map(|c| c.store.clone());
    let point = restore::find(&restore, own.as_ref())?;
    if let Some(point) = &point {
        options.key_groups = point.manifest.key_groups;
    }
    let plan = Plan::new(&graph, options.parallelism, options.key_groups)?;
    if let Some(point) = &point {
        check_operators(point, &plan, options.allow_non_restored_state)?;
    }
    let last_id = match &own {
        Some(store) => store.checkpoint_ids()?.last().copied().unwrap_or(0),
        None => 0,
    };
    let first_id = last_id.max(point.as_ref().map_or(0, |p| p.info.id)) + 1;
    let placement: Vec<_> = plan.task_of.iter().copied().zip(plan.parallelism.iter().copied()).collect();
    let board = Arc::new(Board::new(&options.name, &graph, &placement, options.clock.now_ms()));
    let capacity = 64 + 4 * plan.subtasks();
    let (events, received) = bounded(capacity);
    let (work, to_do) = bounded(capacity);
    let shared = Arc::new(Shared { board, events: events.clone(), run: Mutex::default(), result: Mutex::default(), done: Condvar::new() });
    let writer = Writer::new(events.clone());
    spawn(format!("{}-checkpoint", options.name), move || writer.run(&to_do))?;
    let driver = Driver {
        shared: shared.clone(),
        graph: Arc::new(graph),
        plan: Arc::new(plan),
        backoff: Backoff::new(options.restart.clone()),
        options,
        events,
        received,
        work,
        initial: point.map(Arc::new),
        first_id,
        next_id: first_id,
        attempt: 0,
    };
    spawn(format!("{}-driver", driver.options.name), move || driver.run())?;
    Ok(shared)
}

fn check_operators(point: &RestorePoint, plan: &Plan, allow: bool) -> Result<()> {
    let unknown = point.unknown_operators(&|id| plan.operator_ids.iter().any(|own| own == id));
    if unknown.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = unknown.iter().map(|o| format!("{} ({})", o.name, o.operator_id)).collect();
    let names = names.join(", ");
    if allow {
        tracing::warn!(operators = names, checkpoint = point.info.path, "state left behind");
        return Ok(());
    }
    Err(Error::invalid(format!("{} holds state of operators that this job does not have: {names}", point.info.path))
        .with_remedy("allow state to be left behind, or restore the statements that had it"))
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Builder::new().name(name).spawn(body).map_err(|e| Error::external(format!("cannot start a thread: {e}")))
}

impl Shared {
    pub fn wait(&self, limit: Option<Duration>) -> Option<Result<JobResult>> {
        let result = lock(&self.result);
        let result = match limit {
            None => self.done.wait_while(result, |r| r.is_none()).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => self.done.wait_timeout_while(result, limit, |r| r.is_none()).unwrap_or_else(PoisonError::into_inner).0,
        };
        result.clone()
    }

    pub fn send(&self, command: Command) {
        if matches!(command, Command::Cancel) {
            let mut running = lock(&self.run);
            running.cancelled = true;
            running.run.iter().for_each(|run| run.stop());
        }
        self.hand_to_driver(Event::Command(command));
    }

    /// Once there is a result nobody takes events any more: a command is then dropped, and its reply with it.
    fn hand_to_driver(&self, mut event: Event) {
        loop {
            {
                let result = lock(&self.result);
                if result.is_some() {
                    return;
                }
                match self.events.try_send(event) {
                    Err(TrySendError::Full(back)) => event = back,
                    Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn wake(&self) {
        lock(&self.run).run.iter().for_each(|run| run.wake());
        let _ = self.events.try_send(Event::Wake);
    }

    /// Passes in which every source has twice had nothing to give, and all inboxes were then empty and their readers at
    /// rest, until one in which no source gave a row (one that waits for its group may have gone on).
    pub fn settle(&self, limit: Duration) -> bool {
        let deadline = monotonic_ns() + limit.as_nanos() as u64;
        let Some(run) = self.started_run(deadline) else { return lock(&self.result).is_some() };
        run.control.settling.fetch_add(1, Ordering::Relaxed);
        let mut given = None;
        let settled = loop {
            if !self.settle_once(&run, deadline) {
                break false;
            }
            let now = run.rows_given();
            if given.replace(now) == Some(now) {
                break true;
            }
        };
        run.control.settling.fetch_sub(1, Ordering::Relaxed);
        settled
    }

    fn settle_once(&self, run: &Run, deadline: u64) -> bool {
        let from: Vec<u64> = run.progress.iter().map(|p| p.idle_polls.load(Ordering::Acquire)).collect();
        let rested = |i: usize| run.progress[i].idle_polls.load(Ordering::Acquire) >= from[i] + 2;
        let is_settled = |i: usize| run.inboxes[i].is_settled() || (run.is_source(i) && rested(i));
        loop {
            if lock(&self.result).is_some() || (0..run.inboxes.len()).all(is_settled) {
                return true;
            }
            if monotonic_ns() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn started_run(&self, deadline: u64) -> Option<Arc<Run>> {
        loop {
            if let Some(run) = &lock(&self.run).run {
                return Some(run.clone());
            }
            if lock(&self.result).is_some() || monotonic_ns() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn finish(&self, result: Result<JobResult>) {
        lock(&self.run).run = None;
        *lock(&self.result) = Some(result);
        self.done.notify_all();
    }
}

impl Run {
    fn stop(&self) {
        self.control.cancel();
        self.inboxes.iter().for_each(|i| i.close());
    }

    fn wake(&self) {
        self.inboxes.iter().for_each(|i| i.wake());
    }

    /// Rows that came out of all sources so far.
    fn rows_given(&self) -> u64 {
        let sources = (0..self.graph.nodes.len()).filter(|n| matches!(self.graph.nodes[*n].kind, NodeKind::Source(_)));
        sources.flat_map(|n| (0..self.plan.parallelism[n]).map(move |i| self.board.metrics(n, i).records_out.get())).sum()
    }

    fn is_source(&self, subtask: SubtaskId) -> bool {
        let task = self.plan.tasks.iter().rposition(|t| t.first_subtask <= subtask).expect("the first task begins at 0");
        matches!(self.graph.nodes[self.plan.tasks[task].nodes[0]].kind, NodeKind::Source(_))
    }
}

struct Driver {
    shared: Arc<Shared>,
    graph: Arc<StreamGraph>,
    plan: Arc<Plan>,
    options: JobOptions,
    backoff: Backoff,
    events: Sender<Event>,
    received: Receiver<Event>,
    work: Sender<Work>,
    initial: Option<Arc<RestorePoint>>,
    /// The first checkpoint of this job: older ones on the store belong to an earlier run.
    first_id: u64,
    next_id: u64,
    attempt: u32,
}

impl Driver {
    fn run(mut self) {
        let outcome = self.run_until_over();
        let state = match &outcome {
            Ok(Outcome::Finished) => JobState::Finished,
            Ok(Outcome::Cancelled) => JobState::Cancelled,
            Ok(Outcome::Stopped { .. }) => JobState::Stopped,
            Err(_) => JobState::Failed,
        };
        let board = &self.shared.board;
        board.set_state(state);
        if let Err(e) = &outcome {
            board.set_error(e);
            tracing::error!(job = self.options.name, error = %e, "job failed");
        }
        let status = board.status();
        self.shared.finish(outcome.map(|outcome| JobResult { outcome, restored: status.restored.clone(), restarts: status.restarts, status }));
        // Commands that came before the result was there are dropped with their replies; later ones are not sent.
        self.received.try_iter().for_each(drop);
    }

    fn run_until_over(&mut self) -> Result<Outcome> {
        let mut point = self.initial.clone();
        loop {
            let started_ms = self.options.clock.now_ms();
            self.shared.board.set_restored(point.as_ref().map(|p| p.info.clone()));
            let error = match self.run_once(point.clone()) {
                Ok(outcome) => return Ok(outcome),
                Err(_) if lock(&self.shared.run).cancelled => return Ok(Outcome::Cancelled),
                Err(e) if !e.is_retryable() => return Err(e),
                Err(e) => e,
            };
            let ran_ms = self.options.clock.now_ms() - started_ms;
            let Some(delay) = self.backoff.after_failure(ran_ms) else { return Err(error) };
            self.shared.board.set_error(&error);
            self.shared.board.add_restart();
            self.shared.board.set_state(JobState::Restarting);
            tracing::warn!(job = self.options.name, error = %error, delay_ms = delay.as_millis() as u64, "job restarts");
            if self.is_cancelled_within(delay) {
                return Ok(Outcome::Cancelled);
            }
            point = self.newest_point()?;
        }
    }

    fn newest_point(&self) -> Result<Option<Arc<RestorePoint>>> {
        let Some(checkpoint) = &self.options.checkpoint else { return Ok(self.initial.clone()) };
        Ok(restore::newest(&checkpoint.store, self.first_id)?.map(Arc::new).or_else(|| self.initial.clone()))
    }

    /// Waits before a restart; commands that cannot be served meanwhile are refused.
    fn is_cancelled_within(&self, delay: Duration) -> bool {
        let deadline = monotonic_ns() + delay.as_nanos() as u64;
        while !lock(&self.shared.run).cancelled {
            let left = deadline.saturating_sub(monotonic_ns());
            if left == 0 {
                return false;
            }
            self.received.recv_timeout(Duration::from_nanos(left)).into_iter().for_each(refuse);
        }
        true
    }

    fn run_once(&mut self, point: Option<Arc<RestorePoint>>) -> Result<Outcome> {
        self.attempt += 1;
        self.begin_writer(point.as_deref())?;
        let run = Arc::new(Run {
            attempt: self.attempt,
            graph: self.graph.clone(),
            plan: self.plan.clone(),
            key_groups: self.options.key_groups,
            options: self.options.clone(),
            point,
            control: Arc::new(Control::default()),
            inboxes: Run::inboxes(&self.graph, &self.plan, &self.options),
            progress: (0..self.plan.subtasks()).map(|_| Arc::default()).collect(),
            alignment: Groups::new(&self.graph, &self.plan.parallelism),
            board: self.shared.board.clone(),
            events: self.events.clone(),
            work: self.work.clone(),
        });
        {
            let mut running = lock(&self.shared.run);
            if running.cancelled {
                return Err(cancelled());
            }
            running.run = Some(run.clone());
        }
        let (threads, mut outcome) = match spawn_subtasks(&run) {
            (threads, None) => {
                self.shared.board.set_state(JobState::Running);
                let mut session = Session::new(self, run.clone());
                let outcome = session.run();
                session.refuse_all();
                self.next_id = session.coordinator.next_id();
                (threads, outcome)
            }
            (threads, Some(e)) => (threads, Err(e)),
        };
        match &outcome {
            Ok(_) => run.control.set_exit(),
            Err(_) => run.stop(),
        }
        run.wake();
        for thread in threads {
            if thread.join().is_err() {
                outcome = Err(Error::internal("a thread of the job broke down"));
            }
        }
        lock(&self.shared.run).run = None;
        self.drain_writer();
        outcome
    }

    /// Waits until the checkpoint thread has done all that this start gave it: a checkpoint must not become durable, and
    /// a sink not be committed, after the next start has chosen what it restores.
    fn drain_writer(&self) {
        let (reply, answer) = bounded(1);
        if self.work.send(Work::Drain { reply }).is_err() {
            return;
        }
        loop {
            select! {
                recv(answer) -> _ => return,
                recv(self.received) -> event => event.into_iter().for_each(refuse),
            }
        }
    }

    /// Gives the checkpoint thread this start's committers, and has it commit what the restored checkpoint left.
    fn begin_writer(&self, point: Option<&RestorePoint>) -> Result<()> {
        let mut committers = HashMap::new();
        let mut commit = Vec::new();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            let NodeKind::Sink(sink) = &node.kind else { continue };
            commit.extend(point.map(|p| (id, p.committables(&self.plan.operator_ids[id]))));
            committers.extend(sink.sink.committer().map(|c| (id, c)));
        }
        let (reply, answer) = bounded(1);
        let gone = || Error::internal("the checkpoint thread broke down");
        self.work.send(Work::Begin { committers, commit, reply }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

/// Answers a caller who asks between two starts.
fn refuse(event: Event) {
    if let Event::Command(Command::Checkpoint { reply } | Command::Savepoint { reply, .. }) = event {
        let _ = reply.send(Err(Error::external("the job does not run at the moment").with_remedy("try again when it runs")));
    }
}

fn spawn_subtasks(run: &Arc<Run>) -> (Vec<JoinHandle<()>>, Option<Error>) {
    let mut threads = Vec::with_capacity(run.plan.subtasks());
    for (task, plan) in run.plan.tasks.iter().enumerate() {
        let name = &run.graph.nodes[plan.nodes[0]].name;
        for index in 0..plan.parallelism {
            let own = run.clone();
            match spawn(format!("{name}-{index}"), move || run_subtask(&own, task, index)) {
                Ok(thread) => threads.push(thread),
                Err(e) => return (threads, Some(e)),
            }
        }
    }
    (threads, None)
}

fn run_subtask(run: &Arc<Run>, task: usize, index: usize) {
    let result = catch_unwind(AssertUnwindSafe(|| run.build(task, index)?.run()));
    let error = match result {
        Ok(Ok(())) => return,
        Ok(Err(e)) => e,
        Err(panic) => {
            let names: Vec<_> = run.plan.tasks[task].nodes.iter().map(|n| run.graph.nodes[*n].name.as_str()).collect();
            Error::internal(format!("subtask {index} of {} broke down: {}", names.join(" -> "), panic_text(&*panic)))
                .with_remedy("this is a fault of brisk: please report it")
        }
    };
    if !(error.kind == ErrorKind::Cancelled && run.control.is_cancelled()) {
        // Without a driver there is nobody to tell.
        let _ = run.events.send(Event::Failed { attempt: run.attempt, error });
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no message",
    }
}

/// One start of the job, from the driver's side.
struct Session<'a> {
    driver: &'a Driver,
    run: Arc<Run>,
    coordinator: Coordinator,
    current: Option<Current>,
    requests: HashMap<u64, Asked>,
    last_request: u64,
    /// Committables that no durable checkpoint has committed yet.
    carried: HashMap<(NodeId, usize), Vec<Blob>>,
    stopped: Option<String>,
}

/// The checkpoint under way.
struct Current {
    id: u64,
    kind: Kind,
    started_ms: i64,
    place: Option<Arc<Place>>,
    request: Option<u64>,
    parts: HashMap<(NodeId, usize), SubtaskManifest>,
    written_bytes: u64,
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
    fn new(driver: &'a Driver, run: Arc<Run>) -> Self {
        let has_committer = |n: &brisk_core::graph::Node| matches!(&n.kind, NodeKind::Sink(s) if s.sink.committer().is_some());
        let checkpoint = driver.options.checkpoint.as_ref();
        let millis = |d: Duration| d.as_millis().min(i64::MAX as u128 / 4) as i64;
        let settings = Settings {
            subtasks: driver.plan.subtasks(),
            interval_ms: checkpoint.and_then(|c| c.interval).map(|d| millis(d).max(1)),
            min_pause_ms: checkpoint.map_or(0, |c| millis(c.min_pause)),
            timeout_ms: checkpoint.map_or(600_000, |c| millis(c.timeout)),
            incremental: checkpoint.is_some_and(|c| c.incremental),
            tolerable_failures: checkpoint.map_or(0, |c| c.tolerable_failures),
            final_checkpoint: checkpoint.is_some() || driver.graph.nodes.iter().any(has_committer),
        };
        let coordinator = Coordinator::new(settings, driver.next_id, driver.options.clock.now_ms());
        Self { driver, run, coordinator, current: None, requests: HashMap::new(), last_request: 0, carried: HashMap::new(), stopped: None }
    }

    fn run(&mut self) -> Result<Outcome> {
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
            Event::Written { attempt, id, subtask, parts, error } if attempt == now => self.written(id, subtask, parts, error),
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
                Action::Inject { id, kind, full, request } => self.inject(id, kind, full, request),
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

    fn inject(&mut self, id: u64, kind: Kind, full: bool, request: Option<u64>) {
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
        self.current = Some(Current { id, kind, started_ms: self.now_ms(), place: place.clone(), request, parts: HashMap::new(), written_bytes: 0 });
        let barrier = Barrier { checkpoint_id: id, last: kind == Kind::Savepoint { stop: true } };
        self.run.control.inject(Request { barrier, full, place });
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
    fn refuse_all(&mut self) {
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
