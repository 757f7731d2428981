//! Scripts on the command line: every statement in its turn, jobs beside one another.
//!
//! Definitions and settings take effect at once. An INSERT or a statement set becomes a job that runs on while the script
//! goes on, as in Flink's shell. A SELECT prints its rows; before it, jobs that end by themselves are waited for, so that
//! it reads what they wrote. At the end all jobs are waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use brisk_core::connector::{Registry, TimeSpan};
use brisk_core::graph::StreamGraph;
use brisk_core::{Error, Position, Result};
use brisk_parser::ast::Statement;
use brisk_runtime::job::{Job, JobHandle, JobOptions, JobResult, Outcome as JobOutcome, Restore};
use brisk_sql::explain::explain;
use brisk_sql::logical::{Insert, Plan};
use brisk_sql::physical::{PlannerContext, Target, is_updating, plan_graph};
use brisk_sql::session::{Explained, Options, Outcome, Session, parse_error};

use crate::job::SessionOptions;
use crate::output::{OutputFormat, Results};
use crate::registry::ProgramRegistry;

#[derive(Default)]
pub struct ScriptOptions {
    pub output: OutputFormat,
    pub parallelism: Option<usize>,
    pub restore: Restore,
    pub checkpoint_dir: Option<String>,
    pub checkpoint_interval: Option<String>,
    pub batch_rows: Option<usize>,
    pub summary: bool,
}

pub struct ScriptRunner {
    session: Session,
    registry: ProgramRegistry,
    options: ScriptOptions,
    jobs: Vec<RunningJob>,
    started: usize,
    /// Whether jobs go on when another one fails.
    interactive: bool,
    waited_for: Canceller,
}

/// Ends the job that a runner waits for.
#[derive(Clone, Default)]
pub struct Canceller(Arc<Mutex<Option<JobHandle>>>);

struct RunningJob {
    handle: JobHandle,
    bounded: bool,
    at: Position,
}

impl ScriptRunner {
    pub fn with_registry(options: ScriptOptions, registry: ProgramRegistry) -> Self {
        Self {
            session: Session::new(Options::default()),
            registry,
            options,
            jobs: Vec::new(),
            started: 0,
            interactive: false,
            waited_for: Canceller::default(),
        }
    }

    /// For a shell: a failure is an answer, and not the end of all jobs.
    pub fn interactive(mut self) -> Self {
        self.interactive = true;
        self
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn canceller(&self) -> Canceller {
        self.waited_for.clone()
    }

    /// How many jobs run on while nobody waits for them.
    pub fn running_jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Forgets the jobs that have ended; gives why those that failed did.
    pub fn take_ended(&mut self) -> Vec<Error> {
        let mut failed = Vec::new();
        for job in std::mem::take(&mut self.jobs) {
            match job.handle.wait_for(Duration::ZERO) {
                None => self.jobs.push(job),
                Some(Ok(result)) => self.summarize(&result),
                Some(Err(error)) => failed.push(error.at(job.at)),
            }
        }
        failed
    }

    /// Ends all jobs.
    pub fn cancel_jobs(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            job.handle.cancel();
            // That it was cancelled is no news.
            let _ = job.handle.wait();
        }
    }

    /// Runs all statements and waits for all jobs.
    pub fn run(&mut self, text: &str) -> Result<()> {
        for (number, statement) in parse(text)?.iter().enumerate() {
            self.statement(statement, number + 1, text)?;
        }
        self.wait(|_| true)
    }

    /// Prints the plan of every job instead of running it.
    pub fn explain(&mut self, text: &str) -> Result<()> {
        for (number, statement) in parse(text)?.iter().enumerate() {
            let at = place(statement, number + 1, text);
            match self.session.execute(statement, at)? {
                Outcome::Explain { plans, .. } => print!("{}", self.explain_text(&plans).map_err(|e| e.at(at))?),
                outcome => {
                    if let Some(graph) = self.job_of(&outcome).map_err(|e| e.at(at))? {
                        print!("{}", explain(&graph));
                    }
                }
            }
        }
        Ok(())
    }

    /// The graphs of the script's jobs, each with the place of its statement. Nothing runs.
    pub fn job_graphs(&mut self, text: &str) -> Result<Vec<(Position, StreamGraph)>> {
        let mut jobs = Vec::new();
        for (number, statement) in parse(text)?.iter().enumerate() {
            let at = place(statement, number + 1, text);
            let outcome = self.session.execute(statement, at)?;
            jobs.extend(self.job_of(&outcome).map_err(|e| e.at(at))?.map(|graph| (at, graph)));
        }
        Ok(jobs)
    }

    fn job_of(&self, outcome: &Outcome) -> Result<Option<StreamGraph>> {
        Ok(match outcome {
            Outcome::Query(plan) => {
                let results = Results::new(OutputFormat::Changelog, &plan.schema(), true, true)?;
                Some(self.graph(&[Target::Query { plan, sink: results.sink(), name: "SELECT" }])?.0)
            }
            Outcome::Inserts(inserts) => Some(self.insert_graph(inserts)?.0),
            _ => None,
        })
    }

    /// Runs one statement; waits for it if it is a SELECT.
    pub fn statement(&mut self, statement: &Statement, number: usize, text: &str) -> Result<()> {
        let at = place(statement, number, text);
        match self.session.execute(statement, at)? {
            Outcome::Ok(_) => {}
            Outcome::Rows(rows) => crate::output::print_text_rows(self.options.output, &rows)?,
            Outcome::Query(plan) => {
                self.wait(|job| job.bounded)?;
                self.query(&plan, at).map_err(|e| e.at(at))?;
            }
            Outcome::Inserts(inserts) => {
                let (graph, parallelism) = self.insert_graph(&inserts).map_err(|e| e.at(at))?;
                self.start(graph, parallelism, at).map_err(|e| e.at(at))?;
            }
            Outcome::Explain { plans, .. } => print!("{}", self.explain_text(&plans).map_err(|e| e.at(at))?),
            Outcome::Client(_) => {}
            Outcome::StopJob(_) | Outcome::ShowJobs | Outcome::DescribeJob(_) => {
                return Err(Error::unsupported("statements about jobs need a server").with_remedy("start `brisk server` and use --endpoint").at(at));
            }
        }
        Ok(())
    }

    fn query(&mut self, plan: &Plan, at: Position) -> Result<()> {
        let bounded = self.graph(&[Target::Query { plan, sink: Arc::new(crate::output::NoSink), name: "SELECT" }])?.0.is_bounded();
        let updates = is_updating(plan, &self.context(1)?)?;
        let durable = bounded && self.job_options(1)?.checkpoint.is_some();
        let results = Results::new(self.options.output, &plan.schema(), updates || durable, bounded)?;
        let (graph, parallelism) = self.graph(&[Target::Query { plan, sink: results.sink(), name: "SELECT" }])?;
        self.start(graph, parallelism, at)?;
        self.wait(|job| job.at == at)?;
        results.finish()
    }

    fn start(&mut self, graph: StreamGraph, parallelism: usize, at: Position) -> Result<()> {
        let bounded = graph.is_bounded();
        let options = self.job_options(parallelism)?;
        self.started += 1;
        // Without a place for checkpoints there is none to begin at.
        let restore = match (&self.options.restore, &options.checkpoint) {
            (Restore::Latest, None) => Restore::None,
            (restore, _) => restore.clone(),
        };
        let handle = Job::start(graph, options, restore)?;
        self.jobs.push(RunningJob { handle, bounded, at });
        Ok(())
    }

    fn job_options(&self, parallelism: usize) -> Result<JobOptions> {
        let dir = |dir: &str| checkpoint_dir(dir, self.started + 1);
        let interval = match &self.options.checkpoint_interval {
            Some(text) => Some(text.parse::<TimeSpan>().map_err(|e| Error::invalid(format!("--checkpoint-interval: {e}")))?.0),
            None => None,
        };
        let get = |key: &str| match key {
            "execution.checkpointing.dir" => self.session.options.get(key).map(dir),
            _ => self.session.options.get(key).map(str::to_string),
        };
        let fallback = self.options.checkpoint_dir.as_deref().map(dir);
        let fallback_interval = interval.or(fallback.as_ref().map(|_| Duration::from_secs(1)));
        let mut options = SessionOptions { get: &get }.job("script", parallelism, fallback.as_deref(), fallback_interval)?;
        if let Some(rows) = self.options.batch_rows {
            options.max_batch_rows = rows.max(1);
        }
        Ok(options)
    }

    fn insert_graph(&self, inserts: &[Insert]) -> Result<(StreamGraph, usize)> {
        let targets: Vec<Target> = inserts.iter().map(Target::Insert).collect();
        self.graph(&targets)
    }

    fn graph(&self, targets: &[Target]) -> Result<(StreamGraph, usize)> {
        let parallelism = self.parallelism()?;
        Ok((plan_graph(targets, &self.context(parallelism)?)?, parallelism))
    }

    fn parallelism(&self) -> Result<usize> {
        let get = |key: &str| self.session.options.get(key).map(str::to_string);
        match self.options.parallelism {
            Some(n) => Ok(n.max(1)),
            None => SessionOptions { get: &get }.parallelism(),
        }
    }

    fn context(&self, parallelism: usize) -> Result<PlannerContext<'_>> {
        let get = |key: &str| self.session.options.get(key).map(str::to_string);
        let settings = SessionOptions { get: &get }.planner(parallelism, now_ms())?;
        Ok(PlannerContext { registry: &self.registry as &dyn Registry, settings, find_table: Box::new(|name| self.session.catalog.table(name)) })
    }

    fn explain_text(&self, plans: &[Explained]) -> Result<String> {
        let targets: Vec<Target> = plans
            .iter()
            .map(|p| match p {
                Explained::Query(plan) => Target::Query { plan, sink: Arc::new(crate::output::NoSink), name: "SELECT" },
                Explained::Insert(insert) => Target::Insert(insert),
            })
            .collect();
        Ok(explain(&self.graph(&targets)?.0))
    }

    fn wait(&mut self, which: impl Fn(&RunningJob) -> bool) -> Result<()> {
        let (waited, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.jobs).into_iter().partition(which);
        self.jobs = rest;
        for job in waited {
            self.waited_for.set(Some(job.handle.clone()));
            let result = job.handle.wait();
            self.waited_for.set(None);
            match result {
                Ok(result) => self.summarize(&result),
                Err(error) if self.interactive => return Err(error.at(job.at)),
                Err(error) => {
                    self.jobs.iter().for_each(|j| j.handle.cancel());
                    return Err(error.at(job.at));
                }
            }
        }
        Ok(())
    }

    fn summarize(&self, result: &JobResult) {
        if let Some(restored) = &result.restored {
            eprintln!("restored from checkpoint {} ({})", restored.id, restored.path);
            for (path, why) in &restored.skipped {
                eprintln!("warning: skipped the damaged checkpoint {path}: {why}");
            }
        }
        let status = &result.status;
        let (bad, late) = (status.bad_records(), status.late_records());
        if bad > 0 {
            eprintln!("{bad} bad record{}", if bad == 1 { "" } else { "s" });
        }
        if self.options.summary || (late > 0 && result.outcome == JobOutcome::Finished) {
            eprintln!("{late} late row{} dropped", if late == 1 { "" } else { "s" });
        }
    }
}

impl Canceller {
    pub fn cancel(&self) {
        if let Some(handle) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.cancel();
        }
    }

    fn set(&self, handle: Option<JobHandle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }
}

/// Every job of a script has checkpoints of its own: the first in `dir`, the others below it.
pub fn checkpoint_dir(dir: &str, job: usize) -> String {
    if job == 1 { dir.to_string() } else { format!("{dir}/job-{job}") }
}

/// The statements of a script; a syntax error names its place.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    brisk_parser::parse_script(text).map_err(|e| parse_error(&e, statement_number(text, e.span.start)))
}

/// How many statements begin before `offset`, roughly: by the semicolons that end a line.
fn statement_number(text: &str, offset: usize) -> usize {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    1 + before.lines().filter(|line| line.trim_end().ends_with(';')).count()
}

fn place(statement: &Statement, number: usize, text: &str) -> Position {
    let position = statement.span.position(text);
    Position { statement: number, line: position.line, column: position.column }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
