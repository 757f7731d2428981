//! `brisk run SCRIPT.sql`

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use brisk_runtime::job::Restore;
use clap::Args;

use crate::alerts::Alerts;
use crate::memory::{self, MemoryArgs};
use crate::output::OutputFormat;
use crate::registry::ProgramRegistry;
use crate::script::{ScriptOptions, ScriptRunner};
use crate::server::{Server, connectors_without_server};
use crate::settings::{MemorySettings, Settings};

#[derive(Args)]
pub struct RunArgs {
    /// The script, or - for standard input.
    script: PathBuf,
    #[command(flatten)]
    pub variables: VariableArgs,
    /// How the rows of a SELECT are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// How many subtasks operators have, unless the script says.
    #[arg(short, long)]
    parallelism: Option<usize>,
    /// Where to begin: `latest` checkpoint, `none`, or the path of a checkpoint or savepoint.
    #[arg(long, default_value = "latest")]
    from: String,
    /// Where checkpoints go. Without it the script's `execution.checkpointing.dir` counts; without both none are taken.
    #[arg(long, value_name = "DIR")]
    checkpoint_dir: Option<PathBuf>,
    /// How often a checkpoint is taken, such as `500 ms`.
    #[arg(long, value_name = "TIME")]
    checkpoint_interval: Option<String>,
    /// The most rows of one batch.
    #[arg(long, value_name = "ROWS")]
    batch_rows: Option<usize>,
    /// Serve HTTP at this address while the script runs: for tables with the connectors `http` and `live`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// With --listen: where ingested events lie.
    #[arg(long, value_name = "DIR", default_value = "./brisk-data")]
    data_dir: PathBuf,
    /// Say on standard error what happens, such as each checkpoint with `debug`.
    #[arg(long, value_name = "LEVEL")]
    log: Option<tracing::Level>,
    /// At the end, say on standard error what was read, written, late and bad.
    #[arg(long)]
    summary: bool,
    #[command(flatten)]
    memory: MemoryArgs,
}

#[derive(Args)]
pub struct VariableArgs {
    /// Sets a script variable, written `${NAME}` in the script. The environment is asked next.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
}

/// How long the end of a script waits for its last alerts to be sent.
const LAST_ALERTS: Duration = Duration::from_secs(20);

pub fn run(args: RunArgs) -> anyhow::Result<()> {
    if let Some(level) = args.log {
        super::log_to_standard_error(level);
    }
    args.memory.apply(&MemorySettings::default(), Path::new(memory::TEMPORARY_DIR))?;
    let text = args.variables.substitute(&read_script(&args.script)?)?;
    let options = ScriptOptions {
        output: args.output,
        parallelism: args.parallelism,
        restore: match args.from.as_str() {
            "latest" => Restore::Latest,
            "none" => Restore::None,
            path => Restore::Path(path.to_string()),
        },
        checkpoint_dir: args.checkpoint_dir.map(|p| p.display().to_string()),
        checkpoint_interval: args.checkpoint_interval,
        batch_rows: args.batch_rows,
        summary: args.summary,
    };
    // Alerts need no HTTP address: without a server they are told all the same, by the channels that the script defines.
    let alerts = Alerts::open(&serde_json::Value::Null, args.listen.map(|_| args.data_dir.as_path()))?;
    let server = match args.listen {
        Some(listen) => Some(serve(listen, args.data_dir, &alerts)?),
        None => None,
    };
    let alone = || ProgramRegistry::with([alerts.connector()].into_iter().chain(connectors_without_server()).collect());
    let registry = server.as_ref().map_or_else(alone, Server::registry);
    ScriptRunner::with_registry(options, registry).run(&text)?;
    if !alerts.drain(LAST_ALERTS) {
        eprintln!("alerts that could not be sent within {} s are given up", LAST_ALERTS.as_secs());
    }
    for lost in alerts.lost() {
        eprintln!("an alert was not sent by channel {}: {}", lost.channel, lost.error.as_deref().unwrap_or_default());
    }
    Ok(())
}

fn serve(listen: SocketAddr, data_dir: PathBuf, alerts: &Arc<Alerts>) -> anyhow::Result<Server> {
    let settings = Settings { listen, data_dir, ..Settings::default() };
    let server = Server::without_jobs(settings, super::server::extensions_with(alerts))?;
    eprintln!("serving http://{}", server.address());
    Ok(server)
}

pub fn read_script(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the script from standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read the script {}", path.display()))
}

impl VariableArgs {
    /// The script with its variables replaced.
    pub fn substitute(&self, text: &str) -> anyhow::Result<String> {
        let mut pairs = Vec::new();
        for pair in &self.variables {
            let (name, value) = pair.split_once('=').with_context(|| format!("--var {pair}: write --var NAME=VALUE"))?;
            pairs.push((name, value));
        }
        let find = |name: &str| pairs.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()).or_else(|| std::env::var(name).ok());
        Ok(brisk_sql::session::substitute(text, find)?)
    }
}
