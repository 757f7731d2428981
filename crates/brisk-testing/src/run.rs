//! One run of a script in one mode: what every block gives.

use std::sync::Arc;

use brisk_core::clock::{Clock, ManualClock};
use brisk_core::connector::Registry;
use brisk_core::graph::StreamGraph;
use brisk_core::{Error, Position, Result, RowKind, Schema};
use brisk_parser::ast::Statement;
use brisk_sql::catalog::{Table, TableColumnKind};
use brisk_sql::explain::explain;
use brisk_sql::logical::Plan;
use brisk_sql::physical::{PlannerContext, PlannerSettings, Target, plan_graph};
use brisk_sql::session::{Explained, Options, Outcome, Session, parse_error};

use crate::compare::net_rows;
use crate::connector::{Feeds, TestConnector, decode, row_decoder};
use crate::mode::Mode;
use crate::registry::TestRegistry;
use crate::rows::parse_row;
use crate::script::{Block, Command, Script};
use crate::sink::Sinks;
use crate::stream::{Lines, Stream};

/// What a block gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    Nothing,
    /// Changes of the stream.
    Changes(Lines),
    /// Rows or text, by themselves.
    Lines(Vec<String>),
}

/// Where a run could not go on.
#[derive(Debug)]
pub struct Stuck {
    pub line: usize,
    pub why: String,
}

/// Runs all blocks.
pub fn run(script: &Script, mode: Mode, base: &dyn Registry) -> Result<Vec<Observed>, Stuck> {
    let mut runner = Runner {
        base,
        mode,
        session: Session::new(Options::default()),
        feeds: Arc::default(),
        clock: Arc::new(ManualClock::new(0)),
        stream: None,
        all: Vec::new(),
    };
    let mut observed = Vec::with_capacity(script.blocks.len());
    for block in &script.blocks {
        observed.push(runner.block(block).map_err(|e| Stuck { line: block.line, why: e.to_string() })?);
    }
    Ok(observed)
}

struct Runner<'a> {
    base: &'a dyn Registry,
    mode: Mode,
    session: Session,
    feeds: Arc<Feeds>,
    clock: Arc<ManualClock>,
    stream: Option<Stream>,
    /// All changes of the stream until now.
    all: Vec<String>,
}

impl Runner<'_> {
    fn block(&mut self, block: &Block) -> Result<Observed> {
        match &block.command {
            Command::Statement => self.statements(&block.body).map(|()| Observed::Nothing),
            Command::Stream => self.start(&block.body),
            Command::Feed { table } => {
                let rows = self.parse_rows(table, &block.body)?;
                let (table, feeds) = (self.table(table)?.name.clone(), self.feeds.clone());
                self.step(move || feeds.feed(&table, rows))
            }
            Command::Advance(by) => {
                let (clock, ms) = (self.clock.clone(), by.as_millis() as i64);
                self.step(move || clock.advance(ms))
            }
            Command::End => {
                self.feeds.end();
                let stream = self.stream.as_mut().ok_or_else(|| Error::invalid("there is no stream to end"))?;
                let lines = stream.wait()?;
                Ok(self.changes(lines))
            }
            Command::Table => Ok(Observed::Lines(net_rows(&self.all))),
            Command::Query => {
                let mut rows = self.query(&block.body)?;
                if block.sorted || !self.mode.is_exact() {
                    rows.sort();
                }
                Ok(Observed::Lines(rows))
            }
            Command::Explain => Ok(Observed::Lines(self.explain(&block.body)?.lines().map(str::to_string).collect())),
            Command::Error => Ok(Observed::Lines(vec![self.error(&block.body)])),
        }
    }

    fn step(&mut self, change: impl FnOnce()) -> Result<Observed> {
        let Some(stream) = &mut self.stream else {
            change();
            return Ok(Observed::Nothing);
        };
        let lines = stream.step(change)?;
        Ok(self.changes(lines))
    }

    fn changes(&mut self, lines: Lines) -> Observed {
        self.all.clone_from(&lines.all);
        Observed::Changes(lines)
    }

    fn statements(&mut self, text: &str) -> Result<()> {
        for (statement, at) in parse(text)? {
            match self.session.execute(&statement, at)? {
                Outcome::Ok(_) => {}
                _ => {
                    return Err(Error::invalid("a `statement` block is for definitions and settings").with_remedy("use `stream`, `query` or `explain`").at(at));
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, text: &str) -> Result<Observed> {
        self.stream = None;
        self.feeds.clear();
        let sinks: Arc<Sinks> = Arc::default();
        let outcome = self.one(text)?;
        let graph = self.graph_of(&outcome, &sinks, false)?;
        let mut stream = Stream::start(self.mode, graph, sinks, self.clock.clone())?;
        let lines = stream.lines();
        self.stream = Some(stream);
        Ok(self.changes(lines))
    }

    /// The rows of a query over what was fed, in their order.
    fn query(&mut self, text: &str) -> Result<Vec<String>> {
        let sinks: Arc<Sinks> = Arc::default();
        let outcome = self.one(text)?;
        if let Outcome::Rows(rows) = outcome {
            let cells = |row: &Vec<Option<String>>| row.iter().map(|c| c.as_deref().unwrap_or("NULL").to_string()).collect::<Vec<_>>().join(" ");
            return Ok(rows.rows.iter().map(cells).collect());
        }
        let graph = self.graph_of(&outcome, &sinks, true)?;
        let mode = if self.mode.crashes() { Mode::Written } else { self.mode };
        let mut stream = Stream::start(mode, graph, sinks, self.clock.clone())?;
        Ok(table_rows(&stream.wait()?.all))
    }

    fn explain(&mut self, text: &str) -> Result<String> {
        let outcome = self.one(text)?;
        Ok(explain(&self.graph_of(&outcome, &Arc::default(), false)?))
    }

    /// The message with which the statements fail, planned and where they end run.
    fn error(&mut self, text: &str) -> String {
        let session = self.session.clone();
        let failed = self.try_all(text).err();
        self.session = session;
        failed.map_or_else(|| "no error".to_string(), |e| e.to_string())
    }

    fn try_all(&mut self, text: &str) -> Result<()> {
        for (statement, at) in parse(text)? {
            let outcome = self.session.execute(&statement, at)?;
            if !matches!(outcome, Outcome::Query(_) | Outcome::Inserts(_) | Outcome::Explain { .. }) {
                continue;
            }
            let sinks: Arc<Sinks> = Arc::default();
            let graph = self.graph_of(&outcome, &sinks, true).map_err(|e| e.at(at))?;
            let mode = if self.mode.crashes() { Mode::Written } else { self.mode };
            let mut stream = Stream::start(mode, graph, sinks, self.clock.clone()).map_err(|e| e.at(at))?;
            if let Some(message) = stream.wait()?.all.last().and_then(|l| l.strip_prefix("error: ")) {
                return Err(Error::compute(message).at(at));
            }
        }
        Ok(())
    }

    /// What the only statement of a text asks for.
    fn one(&mut self, text: &str) -> Result<Outcome> {
        let statements = parse(text)?;
        let [(statement, at)] = statements.as_slice() else {
            return Err(Error::invalid(format!("one statement belongs here, not {}", statements.len())));
        };
        self.session.execute(statement, *at)
    }

    fn graph_of(&self, outcome: &Outcome, sinks: &Arc<Sinks>, bounded: bool) -> Result<StreamGraph> {
        let targets: Vec<Target> = match outcome {
            Outcome::Query(plan) => vec![query_target(plan, sinks)],
            Outcome::Inserts(inserts) => inserts.iter().map(Target::Insert).collect(),
            Outcome::Explain { plans, .. } => plans.iter().map(|p| explained_target(p, sinks)).collect(),
            _ => return Err(Error::invalid("a query or an INSERT belongs here")),
        };
        let test = TestConnector { feeds: self.feeds.clone(), sinks: sinks.clone(), bounded };
        let registry = TestRegistry { base: self.base, test: Arc::new(test) };
        let context = PlannerContext { registry: &registry, settings: self.settings()?, find_table: Box::new(|name| self.session.catalog.table(name)) };
        plan_graph(&targets, &context)
    }

    fn settings(&self) -> Result<PlannerSettings> {
        let options = &self.session.options;
        let mini_batch = options.get("table.exec.mini-batch.enabled").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let mini_batch_rows = if mini_batch { Some(options.number("table.exec.mini-batch.size")?.unwrap_or(5000) as usize) } else { None };
        Ok(PlannerSettings {
            time_zone: options.time_zone(),
            parallelism: self.mode.planned_parallelism(),
            state_ttl_ms: options.duration_ms("table.exec.state.ttl")?.filter(|ms| *ms > 0),
            idle_timeout_ms: options.duration_ms("table.exec.source.idle-timeout")?,
            watermark_every_row: options.duration_ms("pipeline.auto-watermark-interval")? == Some(0),
            now_ms: self.clock.now_ms(),
            mini_batch_rows,
            upsert_materialize: options.get("table.exec.sink.upsert-materialize").unwrap_or("AUTO").parse().map_err(Error::invalid)?,
            not_null_enforcer: options.get("table.exec.sink.not-null-enforcer").unwrap_or("ERROR").parse().map_err(Error::invalid)?,
            duplicate_changes: options.flag("table.exec.source.cdc-events-duplicate")?.unwrap_or(false),
        })
    }

    fn table(&self, name: &str) -> Result<Arc<Table>> {
        self.session.catalog.table(name).ok_or_else(|| Error::invalid(format!("there is no table `{name}` to feed")))
    }

    /// The lines of a feed, each checked by its table's columns.
    fn parse_rows(&self, table: &str, body: &str) -> Result<Vec<(RowKind, String)>> {
        let table = self.table(table)?;
        let physical = table.columns.iter().filter(|c| matches!(c.kind, TableColumnKind::Physical));
        let schema = Schema::new(physical.map(|c| brisk_core::Column::new(&c.name, c.sql_type.clone())).collect());
        let rows = body.lines().map(|line| parse_row(line, &schema)).collect::<Result<Vec<_>>>()?;
        decode(row_decoder(&schema)?.create().as_mut(), &rows, &table.name)?;
        Ok(rows)
    }
}

fn query_target<'a>(plan: &'a Plan, sinks: &Arc<Sinks>) -> Target<'a> {
    Target::Query { plan, sink: sinks.sink("", &plan.schema()), name: "SELECT" }
}

fn explained_target<'a>(explained: &'a Explained, sinks: &Arc<Sinks>) -> Target<'a> {
    match explained {
        Explained::Query(plan) => query_target(plan, sinks),
        Explained::Insert(insert) => Target::Insert(insert),
    }
}

/// The statements of a text with their places.
fn parse(text: &str) -> Result<Vec<(Statement, Position)>> {
    let number = |offset: usize| 1 + text.get(..offset).map_or(0, |before| before.lines().filter(|l| l.trim_end().ends_with(';')).count());
    let statements = brisk_parser::parse_script(text).map_err(|e| parse_error(&e, number(e.span.start)))?;
    let place = |(i, s): (usize, Statement)| {
        let position = s.span.position(text);
        (s, Position { statement: i + 1, line: position.line, column: position.column })
    };
    Ok(statements.into_iter().enumerate().map(place).collect())
}

/// A changelog as a table, rows in the order in which they came.
fn table_rows(changes: &[String]) -> Vec<String> {
    let mut rows: Vec<&str> = Vec::new();
    for line in changes {
        let (kind, row) = line.split_once(' ').unwrap_or((line, ""));
        match RowKind::from_symbol(kind) {
            Some(kind) if !kind.is_add() => {
                if let Some(at) = rows.iter().rposition(|r| *r == row) {
                    rows.remove(at);
                }
            }
            Some(_) => rows.push(row),
            None => rows.push(line),
        }
    }
    rows.into_iter().map(str::to_string).collect()
}
