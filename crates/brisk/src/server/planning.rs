//! From a script to jobs that can be started. Definitions take effect, every INSERT or statement set becomes a job.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use brisk_core::clock::Clock;
use brisk_core::connector::Registry;
use brisk_core::graph::{NodeKind, StreamGraph};
use brisk_core::{Error, Position, Result};
use brisk_runtime::SystemClock;
use brisk_runtime::job::{JobOptions, RestartStrategy};
use brisk_sql::logical::Insert;
use brisk_sql::physical::{PlannerContext, Target, plan_graph};
use brisk_sql::session::{Options, Outcome, Session, substitute};

use crate::job::SessionOptions;
use crate::registry::ProgramRegistry;
use crate::script;

/// A job of a script.
pub struct PlannedJob {
    /// `<script>.<table>`: stays when other statements of the script change.
    pub id: String,
    pub graph: StreamGraph,
    pub options: JobOptions,
}

/// What jobs are given that their script does not say.
pub struct Defaults<'a> {
    pub jobs_dir: &'a Path,
    pub checkpoint_interval: Duration,
}

/// Plans a script. Fails as a whole, so that nothing of a wrong script runs.
pub fn plan(name: &str, text: &str, variables: &BTreeMap<String, String>, registry: &ProgramRegistry, defaults: &Defaults) -> Result<Vec<PlannedJob>> {
    let text = substitute(text, |v| variables.get(v).cloned().or_else(|| std::env::var(v).ok()))?;
    let mut script = Script { name, session: Session::new(Options::default()), registry, defaults, jobs: Vec::new() };
    for (number, statement) in script::parse(&text)?.iter().enumerate() {
        let at = statement.span.position(&text);
        let at = Position { statement: number + 1, line: at.line, column: at.column };
        let outcome = script.session.execute(statement, at)?;
        script.take(outcome).map_err(|e| e.at(at))?;
    }
    Ok(script.jobs)
}

impl PlannedJob {
    /// The identities of its sources.
    pub fn sources(&self) -> Vec<String> {
        let sources = self.graph.nodes.iter().filter(|n| matches!(n.kind, NodeKind::Source(_)));
        sources.map(|n| n.operator_id.clone()).collect()
    }
}

struct Script<'a> {
    name: &'a str,
    session: Session,
    registry: &'a ProgramRegistry,
    defaults: &'a Defaults<'a>,
    jobs: Vec<PlannedJob>,
}

impl Script<'_> {
    fn take(&mut self, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::Inserts(inserts) => self.insert(&inserts),
            Outcome::Query(_) => Err(Error::unsupported("a query alone has nowhere to go on a server")
                .with_remedy("INSERT INTO a table WITH ('connector' = 'live'), or use `brisk run` to see rows")),
            Outcome::StopJob(_) | Outcome::ShowJobs | Outcome::DescribeJob(_) => {
                Err(Error::unsupported("a script on a server cannot ask for jobs").with_remedy("use `brisk jobs` and `brisk cancel`"))
            }
            // Answers to SHOW, DESCRIBE and EXPLAIN have no reader here.
            Outcome::Ok(_) | Outcome::Rows(_) | Outcome::Explain { .. } | Outcome::Client(_) => Ok(()),
        }
    }

    fn insert(&mut self, inserts: &[Insert]) -> Result<()> {
        let get = |key: &str| self.session.options.get(key).map(str::to_string);
        let options = SessionOptions { get: &get };
        let parallelism = options.parallelism()?;
        let settings = options.planner(parallelism, SystemClock.now_ms())?;
        let registry: &dyn Registry = self.registry;
        let context = PlannerContext { registry, settings, find_table: Box::new(|name| self.session.catalog.table(name)) };
        let targets: Vec<Target> = inserts.iter().map(Target::Insert).collect();
        let graph = plan_graph(&targets, &context)?;
        let id = self.job_id(inserts);
        let job = self.job_options(&id, parallelism)?;
        self.jobs.push(PlannedJob { id, graph, options: job });
        Ok(())
    }

    fn job_id(&self, inserts: &[Insert]) -> String {
        let table = inserts.first().map_or("job", |i| i.table.name.rsplit('.').next().unwrap_or(&i.table.name));
        let named = self.session.options.get("pipeline.name").map(slug);
        let base = named.unwrap_or_else(|| format!("{}.{}", self.name, slug(table)));
        let taken = |id: &str| self.jobs.iter().any(|j| j.id == id);
        let numbered = (2..).map(|n| format!("{base}-{n}"));
        std::iter::once(base.clone()).chain(numbered).find(|id| !taken(id)).unwrap_or(base)
    }

    fn job_options(&self, id: &str, parallelism: usize) -> Result<JobOptions> {
        let set = |key: &str| self.session.options.get(key).is_some();
        // The checkpoints of every job lie where the server finds them again.
        let dir = self.defaults.jobs_dir.join(id).join("checkpoints").display().to_string();
        let get = |key: &str| match key {
            "execution.checkpointing.dir" | "state.checkpoints.dir" => None,
            _ => self.session.options.get(key).map(str::to_string),
        };
        let mut options = SessionOptions { get: &get }.job(id, parallelism, Some(&dir), Some(self.defaults.checkpoint_interval))?;
        if !set("restart-strategy.type") && !set("restart-strategy") {
            options.restart = RestartStrategy::exponential();
        }
        // A script that was edited goes on with what is left of its state.
        options.allow_non_restored_state = true;
        Ok(options)
    }
}

/// A name for files and addresses.
pub fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}
