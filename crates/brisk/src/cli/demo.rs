//! `brisk demo`: the promotion day, live, on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::demo::load::{self, LoadOptions};
use crate::demo::{self, DemoOptions};
use crate::memory::MemoryArgs;
use crate::settings::MemorySettings;

#[derive(Args)]
pub struct DemoArgs {
    /// Where the page is served; the next free port is taken if this one is not.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Write the eight questions there as SQL files if there are none, and run those: edit a file and it runs anew.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where events, checkpoints and logs lie. Without it they are forgotten at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Events a second, as a multiple of the usual.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    rate: f64,
}

/// The load generator of the demo, as a process of its own.
#[derive(Args)]
pub struct DemoLoadArgs {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    logs: PathBuf,
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
}

pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.rate > 0.0 && args.rate.is_finite(), "--rate {}: give a number above 0", args.rate);
    let forgotten = args.data_dir.is_none().then(|| std::env::temp_dir().join(format!("brisk-demo-{}", std::process::id())));
    let data_dir = args.data_dir.or_else(|| forgotten.clone()).unwrap_or_default();
    MemoryArgs::default().apply(&MemorySettings::default(), &data_dir.join("spill"))?;
    let options = DemoOptions { listen: args.listen, questions: args.dir, data_dir, rate: args.rate };
    let ended = demo::run(options);
    if let Some(dir) = forgotten {
        // What cannot be removed is the system's temporary files' to clear.
        let _ = std::fs::remove_dir_all(dir);
    }
    Ok(ended?)
}

pub fn run_load(args: DemoLoadArgs) -> anyhow::Result<()> {
    Ok(load::run(LoadOptions { server: args.server, logs: args.logs, rate: args.rate })?)
}
