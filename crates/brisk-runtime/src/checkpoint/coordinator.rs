//! When checkpoints begin, end and fail: a pure state machine, `step(now, event) -> actions`.
//!
//! ```text
//!        interval, request           all prepared,         all acks            durable
//!   idle ---------------> preparing ---------------> acks --------> storing ------------> idle     (Completed)
//!    ^                     |          or long enough   |                |
//!    +---------------------+---------------------------+----------------+                (Aborted: timeout, failure)
//!   all tasks ended: one last checkpoint, which needs no preparation, then Finish
//! ```
//!
//! One checkpoint runs at a time. A full snapshot is asked of every operator after a start, after a savepoint and after a
//! checkpoint that failed, since what an operator wrote for those is not part of its chain of files.

use std::collections::{BTreeSet, VecDeque};

/// A number given to every subtask of every task.
pub(crate) type SubtaskId = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Checkpoint,
    Savepoint {
        stop: bool,
    },
    /// After all tasks have ended.
    Final,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// Time has passed.
    Tick,
    /// `request` is the caller's number for it.
    Request {
        kind: Kind,
        request: u64,
    },
    /// The subtask has written ahead what is worth it.
    Prepared {
        id: u64,
        subtask: SubtaskId,
    },
    Acked {
        id: u64,
        subtask: SubtaskId,
    },
    Stored {
        id: u64,
    },
    StoreFailed {
        id: u64,
        reason: String,
    },
    /// The subtask has seen the end of all its inputs.
    Ended {
        subtask: SubtaskId,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// A checkpoint begins: tasks may write ahead.
    Prepare {
        id: u64,
        kind: Kind,
        full: bool,
        request: Option<u64>,
    },
    Inject {
        id: u64,
        full: bool,
    },
    /// Every subtask has answered: write the manifest.
    Store {
        id: u64,
    },
    Completed {
        id: u64,
        kind: Kind,
    },
    Aborted {
        id: u64,
        kind: Kind,
        reason: String,
    },
    /// The request came too late.
    Refused {
        request: u64,
    },
    /// Too many checkpoints failed in a row, or the one that the job was to stop with.
    Fail {
        reason: String,
    },
    /// Nothing is left to do.
    Finish,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub subtasks: usize,
    pub interval_ms: Option<i64>,
    pub min_pause_ms: i64,
    pub timeout_ms: i64,
    /// The longest time of preparation.
    pub prepare_ms: i64,
    pub incremental: bool,
    pub tolerable_failures: u32,
    /// Whether a bounded job ends with a checkpoint or commit.
    pub final_checkpoint: bool,
}

#[derive(Debug)]
pub(crate) struct Coordinator {
    settings: Settings,
    next_id: u64,
    running: Option<Running>,
    waiting: VecDeque<(Kind, u64)>,
    ended: BTreeSet<SubtaskId>,
    last_start_ms: i64,
    last_end_ms: i64,
    failures: u32,
    chain_broken: bool,
    /// A stop or the final checkpoint was begun: no other follows.
    closing: bool,
    finished: bool,
}

#[derive(Debug)]
struct Running {
    id: u64,
    kind: Kind,
    started_ms: i64,
    full: bool,
    /// Who has not prepared, or not answered.
    missing: BTreeSet<SubtaskId>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preparing,
    Acks,
    Storing,
}

impl Coordinator {
    pub fn new(settings: Settings, first_id: u64, now_ms: i64) -> Self {
        Self {
            settings,
            next_id: first_id,
            running: None,
            waiting: VecDeque::new(),
            ended: BTreeSet::new(),
            last_start_ms: now_ms,
            last_end_ms: now_ms,
            failures: 0,
            chain_broken: true,
            closing: false,
            finished: false,
        }
    }

    /// The id that the next checkpoint will have.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// When [`Event::Tick`] is due.
    pub fn next_tick_ms(&self) -> Option<i64> {
        match &self.running {
            Some(running) if running.stage == Stage::Preparing => Some(running.started_ms + self.settings.prepare_ms),
            Some(running) => Some(running.started_ms + self.settings.timeout_ms),
            None if self.closing => None,
            None => self.next_start_ms(),
        }
    }

    pub fn step(&mut self, now_ms: i64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => self.expire(now_ms, &mut actions),
            Event::Request { request, .. } if self.closing => actions.push(Action::Refused { request }),
            Event::Request { kind, request } => self.waiting.push_back((kind, request)),
            Event::Prepared { id, subtask } => self.prepared(id, subtask, &mut actions),
            Event::Acked { id, subtask } => self.acked(id, subtask, &mut actions),
            Event::Stored { id } => self.stored(now_ms, id, &mut actions),
            Event::StoreFailed { id, reason } => self.abort(now_ms, id, reason, &mut actions),
            Event::Ended { subtask } => {
                self.ended.insert(subtask);
                if let Some(running) = &self.running {
                    self.prepared(running.id, subtask, &mut actions);
                }
            }
        }
        self.start_next(now_ms, &mut actions);
        actions
    }

    fn next_start_ms(&self) -> Option<i64> {
        let interval = self.settings.interval_ms?;
        Some((self.last_start_ms + interval).max(self.last_end_ms + self.settings.min_pause_ms))
    }

    fn expire(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        let Some(running) = &self.running else { return };
        if running.stage == Stage::Preparing && now_ms >= running.started_ms + self.settings.prepare_ms {
            return self.inject(actions);
        }
        if now_ms >= running.started_ms + self.settings.timeout_ms {
            let (id, missing) = (running.id, running.missing.len());
            self.abort(now_ms, id, format!("not complete within {} ms; {missing} subtasks have not answered", self.settings.timeout_ms), actions);
        }
    }

    fn prepared(&mut self, id: u64, subtask: SubtaskId, actions: &mut Vec<Action>) {
        let Some(running) = self.running.as_mut().filter(|r| r.id == id && r.stage == Stage::Preparing) else { return };
        running.missing.remove(&subtask);
        if running.missing.is_empty() {
            self.inject(actions);
        }
    }

    fn acked(&mut self, id: u64, subtask: SubtaskId, actions: &mut Vec<Action>) {
        let Some(running) = self.running.as_mut().filter(|r| r.id == id && r.stage == Stage::Acks) else { return };
        running.missing.remove(&subtask);
        if running.missing.is_empty() {
            running.stage = Stage::Storing;
            actions.push(Action::Store { id });
        }
    }

    fn stored(&mut self, now_ms: i64, id: u64, actions: &mut Vec<Action>) {
        let Some(running) = self.running.take_if(|r| r.id == id) else { return };
        self.last_end_ms = now_ms;
        self.failures = 0;
        self.chain_broken = matches!(running.kind, Kind::Savepoint { .. });
        actions.push(Action::Completed { id, kind: running.kind });
        if running.kind == Kind::Final {
            self.finish(actions);
        }
    }

    fn abort(&mut self, now_ms: i64, id: u64, reason: String, actions: &mut Vec<Action>) {
        let Some(running) = self.running.take_if(|r| r.id == id) else { return };
        self.last_end_ms = now_ms;
        self.chain_broken = true;
        self.failures += 1;
        let fatal = self.closing || self.failures > self.settings.tolerable_failures;
        actions.push(Action::Aborted { id, kind: running.kind, reason: reason.clone() });
        if fatal {
            actions.push(Action::Fail { reason: format!("checkpoint {id} failed: {reason}") });
            self.finished = true;
        }
    }

    fn start_next(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        if self.running.is_some() || self.finished {
            return;
        }
        if self.ended.len() == self.settings.subtasks {
            self.end(now_ms, actions);
        } else if self.closing {
            // A stop: the savepoint is complete, the tasks are about to end.
        } else if let Some((kind, request)) = self.waiting.pop_front() {
            self.begin(now_ms, kind, Some(request), actions);
        } else if self.next_start_ms().is_some_and(|due| now_ms >= due) {
            self.begin(now_ms, Kind::Checkpoint, None, actions);
        }
    }

    /// All tasks have ended and no checkpoint runs.
    fn end(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        if !self.closing {
            if let Some((kind, request)) = self.waiting.pop_front() {
                return self.begin(now_ms, kind, Some(request), actions);
            }
            if self.settings.final_checkpoint {
                return self.begin(now_ms, Kind::Final, None, actions);
            }
        }
        self.finish(actions);
    }

    fn finish(&mut self, actions: &mut Vec<Action>) {
        self.finished = true;
        self.closing = true;
        actions.extend(self.waiting.drain(..).map(|(_, request)| Action::Refused { request }));
        actions.push(Action::Finish);
    }

    fn begin(&mut self, now_ms: i64, kind: Kind, request: Option<u64>, actions: &mut Vec<Action>) {
        let id = self.next_id;
        self.next_id += 1;
        self.last_start_ms = now_ms;
        self.closing |= matches!(kind, Kind::Final | Kind::Savepoint { stop: true });
        let full = self.chain_broken || !self.settings.incremental || matches!(kind, Kind::Savepoint { .. });
        let missing: BTreeSet<SubtaskId> = (0..self.settings.subtasks).filter(|s| !self.ended.contains(s)).collect();
        let ended = missing.is_empty();
        self.running = Some(Running { id, kind, started_ms: now_ms, full, missing, stage: Stage::Preparing });
        actions.push(Action::Prepare { id, kind, full, request });
        if ended {
            self.inject(actions);
        }
    }

    /// Lets the barrier go.
    fn inject(&mut self, actions: &mut Vec<Action>) {
        let Some(running) = self.running.as_mut() else { return };
        running.stage = Stage::Acks;
        running.missing = (0..self.settings.subtasks).collect();
        actions.push(Action::Inject { id: running.id, full: running.full });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `time event -> actions`, for two subtasks.
    fn check(settings: Settings, script: &str) {
        let mut coordinator = Coordinator::new(settings, 1, 0);
        for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (left, expected) = line.split_once("->").expect("an arrow");
            let words: Vec<&str> = left.split_whitespace().collect();
            let number = |i: usize| words[i].parse::<u64>().expect("a number");
            let event = match words[1] {
                "tick" => Event::Tick,
                "checkpoint" => Event::Request { kind: Kind::Checkpoint, request: number(2) },
                "savepoint" => Event::Request { kind: Kind::Savepoint { stop: false }, request: number(2) },
                "stop" => Event::Request { kind: Kind::Savepoint { stop: true }, request: number(2) },
                "prepared" => Event::Prepared { id: number(2), subtask: number(3) as usize },
                "ack" => Event::Acked { id: number(2), subtask: number(3) as usize },
                "stored" => Event::Stored { id: number(2) },
                "failed" => Event::StoreFailed { id: number(2), reason: "disk".into() },
                "ended" => Event::Ended { subtask: number(2) as usize },
                other => panic!("no event {other}"),
            };
            let actions: Vec<String> = coordinator.step(number(0) as i64, event).iter().map(show).collect();
            assert_eq!(actions.join(", "), expected.trim(), "{line}");
        }
    }

    fn show(action: &Action) -> String {
        let form = |kind: &Kind| match kind {
            Kind::Checkpoint => "",
            Kind::Savepoint { stop: false } => " savepoint",
            Kind::Savepoint { stop: true } => " stop",
            Kind::Final => " final",
        };
        match action {
            Action::Prepare { id, kind, full, .. } => format!("prepare {id}{}{}", form(kind), if *full { " full" } else { "" }),
            Action::Inject { id, full } => format!("inject {id}{}", if *full { " full" } else { "" }),
            Action::Store { id } => format!("store {id}"),
            Action::Completed { id, .. } => format!("completed {id}"),
            Action::Aborted { id, reason, .. } => format!("aborted {id} ({})", reason.split(';').next().expect("a first part")),
            Action::Refused { request } => format!("refused {request}"),
            Action::Fail { .. } => "fail".to_owned(),
            Action::Finish => "finish".to_owned(),
        }
    }

    fn settings() -> Settings {
        Settings {
            subtasks: 2,
            interval_ms: Some(100),
            min_pause_ms: 50,
            timeout_ms: 1000,
            prepare_ms: 30,
            incremental: true,
            tolerable_failures: 1,
            final_checkpoint: true,
        }
    }

    #[test]
    fn checkpoints_follow_one_another() {
        check(
            settings(),
            "50 tick ->
             100 tick -> prepare 1 full
             101 prepared 1 1 ->
             102 ack 1 0 ->
             103 prepared 1 0 -> inject 1 full
             104 prepared 1 0 ->
             110 ack 1 0 ->
             120 ack 1 1 -> store 1
             180 stored 1 -> completed 1
             200 tick ->
             230 tick -> prepare 2
             231 prepared 2 1 ->
             231 prepared 1 0 ->
             259 tick ->
             260 tick -> inject 2
             265 ack 2 1 ->
             265 ack 1 0 ->
             266 ack 2 0 -> store 2
             267 stored 2 -> completed 2",
        );
    }

    #[test]
    fn after_a_failure_the_next_is_full_and_after_too_many_the_job_fails() {
        check(
            settings(),
            "100 tick -> prepare 1 full
             130 tick -> inject 1 full
             1100 tick -> aborted 1 (not complete within 1000 ms)
             1150 tick -> prepare 2 full
             1151 prepared 2 0 ->
             1151 prepared 2 1 -> inject 2 full
             1160 ack 1 0 ->
             1160 ack 2 0 ->
             1170 ack 2 1 -> store 2
             1180 failed 2 -> aborted 2 (disk), fail",
        );
    }

    #[test]
    fn a_savepoint_waits_for_the_checkpoint_and_breaks_the_chain() {
        check(
            settings(),
            "100 tick -> prepare 1 full
             101 prepared 1 0 ->
             101 prepared 1 1 -> inject 1 full
             101 savepoint 7 ->
             102 ack 1 0 ->
             103 ack 1 1 -> store 1
             104 stored 1 -> completed 1, prepare 2 savepoint full
             134 tick -> inject 2 full
             135 ack 2 0 ->
             136 ack 2 1 -> store 2
             137 stored 2 -> completed 2
             204 tick -> prepare 3 full",
        );
    }

    #[test]
    fn a_stop_ends_the_job_without_another_checkpoint() {
        check(
            settings(),
            "10 stop 1 -> prepare 1 stop full
             10 prepared 1 0 ->
             10 prepared 1 1 -> inject 1 full
             11 checkpoint 2 -> refused 2
             12 ack 1 0 ->
             12 ended 0 ->
             13 ack 1 1 -> store 1
             13 ended 1 ->
             14 stored 1 -> completed 1, finish",
        );
    }

    #[test]
    fn a_bounded_job_ends_with_a_final_checkpoint() {
        check(
            settings(),
            "10 ended 0 ->
             100 tick -> prepare 1 full
             110 ended 1 -> inject 1 full
             111 ack 1 0 ->
             112 ack 1 1 -> store 1
             113 stored 1 -> completed 1, prepare 2 final, inject 2
             114 ack 2 0 ->
             114 ack 2 1 -> store 2
             115 stored 2 -> completed 2, finish",
        );
        check(Settings { interval_ms: None, final_checkpoint: false, ..settings() }, "1 ended 1 ->\n 2 ended 0 -> finish");
    }
}
