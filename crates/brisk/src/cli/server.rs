//! `brisk server`: jobs, ingest and live tables behind one HTTP address, until it is asked to end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::alerts::Alerts;
use crate::memory::MemoryArgs;
use crate::page::{self, Home};
use crate::server::{Extension, Server};
use crate::settings::Settings;

#[derive(Args)]
pub struct ServerArgs {
    /// Settings; without it all have their defaults, or those of ./brisk.yaml if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where HTTP is served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where catalog, jobs, checkpoints and ingested events lie.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Scripts whose jobs run from the start, besides those of the settings.
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub fn run(args: ServerArgs) -> anyhow::Result<()> {
    super::log_to_standard_error(tracing::Level::INFO);
    let memory = args.memory.clone();
    let settings = settings(args)?;
    memory.apply(&settings.memory, &settings.data_dir.join("spill"))?;
    let data_dir = settings.data_dir.clone();
    let extensions = extensions(&settings)?;
    let server = Server::start(settings, extensions)?;
    // Standard output, for whoever started it and must know the port.
    println!("brisk serves http://{} from {}", server.address(), data_dir.display());
    for job in server.state().jobs.list() {
        let why = job.error.map_or_else(String::new, |e| format!(": {e}"));
        println!("  {} {:?}{why}", job.id, job.state);
    }
    server.wait()?;
    Ok(())
}

/// What other parts of the program add to the server.
pub fn extensions(settings: &Settings) -> brisk_core::Result<Vec<Extension>> {
    Ok(extensions_with(&Alerts::open(&settings.alerts, Some(&settings.data_dir))?))
}

/// The same with alerts that the caller keeps hold of.
pub fn extensions_with(alerts: &Arc<Alerts>) -> Vec<Extension> {
    let routes = page::routes(Home::Jobs, vec![page::jobs(), page::alerts(alerts.clone())]);
    vec![alerts.extension(), Extension { routes, ..Extension::default() }]
}

fn settings(args: ServerArgs) -> anyhow::Result<Settings> {
    let default = PathBuf::from("brisk.yaml");
    let mut settings = match args.config {
        Some(path) => Settings::load(&path)?,
        None if default.exists() => Settings::load(&default)?,
        None => Settings::default(),
    };
    settings.listen = args.listen.unwrap_or(settings.listen);
    settings.data_dir = args.data_dir.unwrap_or(settings.data_dir);
    settings.scripts.extend(args.scripts);
    Ok(settings)
}
