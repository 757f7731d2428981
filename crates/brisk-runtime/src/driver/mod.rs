//! The thread that drives a job: starts its subtasks, steps the checkpoint coordinator, restarts after failures.
//!
//! ```text
//!   start --> run (threads) --all ended, committed--> finished
//!                |  failure: stop all threads, wait as the strategy says,
//!                +--<-- start again from the newest checkpoint of this job
//! ```
//!
//! Everything reaches the driver as an [`Event`]; events of an earlier start are dropped by their attempt number.

mod session;
mod shared;

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use brisk_core::graph::{NodeId, NodeKind, StreamGraph};
use brisk_core::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::build::Run;
use crate::checkpoint::coordinator::SubtaskId;
use crate::checkpoint::manifest::SubtaskManifest;
use crate::checkpoint::restore::{self, RestorePoint};
use crate::checkpoint::writer::{WAITING_PARTS, Work, Writer};
use crate::clock::monotonic_ns;
use crate::control::{Control, cancelled};
use crate::job::{CheckpointInfo, JobOptions, JobResult, JobState, Outcome, Restore};
use crate::lock;
use crate::plan::Plan;
use crate::recovery::Backoff;
use crate::source::alignment::Groups;
use crate::status::{Board, CheckpointTimes};
use session::Session;
pub(crate) use shared::Shared;

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
    /// A subtask has written ahead what is worth it.
    Prepared {
        attempt: u32,
        id: u64,
        subtask: SubtaskId,
    },
    /// A subtask's part of a checkpoint is written, unless there is an error.
    Written {
        attempt: u32,
        id: u64,
        subtask: SubtaskId,
        times: CheckpointTimes,
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
    let capacity = WAITING_PARTS + 4 * plan.subtasks();
    let (events, received) = bounded(capacity);
    let (work, to_do) = bounded(capacity);
    let shared = Arc::new(Shared::new(board, events.clone()));
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
        .with_remedy("to leave it behind SET 'execution.state-recovery.ignore-unclaimed-state' = 'true'; to keep it, restore the statements that had it"))
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Builder::new().name(name).spawn(body).map_err(|e| Error::external(format!("cannot start a thread: {e}")))
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
            begin_ns: monotonic_ns(),
            unbuilt: AtomicUsize::new(self.plan.subtasks()),
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
