//! What a job's handles and its driver share: commands in, the result out, and the run that is under way.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use brisk_core::Result;
use brisk_core::graph::NodeKind;
use crossbeam_channel::{Sender, TrySendError};

use super::{Command, Event};
use crate::build::Run;
use crate::checkpoint::coordinator::SubtaskId;
use crate::clock::monotonic_ns;
use crate::job::JobResult;
use crate::lock;
use crate::status::Board;

pub(crate) struct Shared {
    pub board: Arc<Board>,
    events: Sender<Event>,
    pub(super) run: Mutex<Running>,
    result: Mutex<Option<Result<JobResult>>>,
    done: Condvar,
}

#[derive(Default)]
pub(super) struct Running {
    pub(super) run: Option<Arc<Run>>,
    pub(super) cancelled: bool,
}

impl Shared {
    pub(super) fn new(board: Arc<Board>, events: Sender<Event>) -> Self {
        Self { board, events, run: Mutex::default(), result: Mutex::default(), done: Condvar::new() }
    }

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

    pub(super) fn finish(&self, result: Result<JobResult>) {
        lock(&self.run).run = None;
        *lock(&self.result) = Some(result);
        self.done.notify_all();
    }
}

impl Run {
    pub(super) fn stop(&self) {
        self.control.cancel();
        self.inboxes.iter().for_each(|i| i.close());
    }

    pub(super) fn wake(&self) {
        self.inboxes.iter().for_each(|i| i.wake());
    }

    /// Rows that came out of all sources so far.
    pub(super) fn rows_given(&self) -> u64 {
        let sources = (0..self.graph.nodes.len()).filter(|n| matches!(self.graph.nodes[*n].kind, NodeKind::Source(_)));
        sources.flat_map(|n| (0..self.plan.parallelism[n]).map(move |i| self.board.metrics(n, i).records_out.get())).sum()
    }

    fn is_source(&self, subtask: SubtaskId) -> bool {
        let task = self.plan.tasks.iter().rposition(|t| t.first_subtask <= subtask).expect("the first task begins at 0");
        matches!(self.graph.nodes[self.plan.tasks[task].nodes[0]].kind, NodeKind::Source(_))
    }
}
