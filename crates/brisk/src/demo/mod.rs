//! `brisk demo`: the promotion day on this machine, with nothing else installed.
//!
//! ```text
//!   load process ("brisk demo-load")                 this process
//!     shop: orders, views, searches, visits --HTTP-->  server: ingest --> jobs (the eight questions) --> live tables --> page
//!     fleet: heartbeats of simulated hosts  --HTTP-->    |                  |
//!     application: writes and rotates app.log <--tail----'                  `--> alerts --SMTP--> mailbox --> page
//!        ^                                                                          `---HTTP--> webhook --> page
//!        `---------- trouble, one line each on its standard input <---- POST /demo/trouble/{name}
//! ```

mod inbox;
pub mod load;
mod mailbox;
mod questions;
mod routes;
mod trouble;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;

use brisk_core::{Error, Result};

use crate::alerts::Alerts;
use crate::page::{self, Home};
use crate::server::{Extension, Server};
use crate::settings::Settings;

use inbox::Inbox;
use questions::{Questions, Source};
use trouble::Troubles;

/// What the demo is told.
pub struct DemoOptions {
    pub listen: SocketAddr,
    /// The questions are read from here; they are written there first if it has none.
    pub questions: Option<PathBuf>,
    /// Where events, checkpoints and logs lie.
    pub data_dir: PathBuf,
    /// Events a second, as a multiple of the usual.
    pub rate: f64,
}

/// Runs until the process is asked to end.
pub fn run(options: DemoOptions) -> Result<()> {
    let source = Source::open(options.questions.as_deref())?;
    let logs = options.data_dir.join("logs");
    std::fs::create_dir_all(&logs)?;
    let logs = logs.canonicalize()?;
    let inbox = Arc::new(Inbox::default());
    let mailbox = mailbox::start(inbox.clone())?;
    let troubles = Arc::new(Troubles::default());
    let listen = free_address(options.listen)?;
    let settings = Settings { listen, data_dir: options.data_dir.join("server"), alerts: channels(mailbox, listen), ..Settings::default() };
    let alerts = Alerts::open(&settings.alerts, Some(&settings.data_dir))?;
    let server = Server::start(settings, vec![alerts.extension(), extension(inbox, troubles.clone(), alerts)])?;
    let questions = Questions::start(source, server.state().jobs.clone(), &logs)?;
    troubles.tell(start_load(server.address(), &logs, options.rate)?);
    announce(server.address(), &options);
    let ended = server.wait();
    questions.stop();
    ended
}

/// Page, mailbox, webhook and trouble.
fn extension(inbox: Arc<Inbox>, troubles: Arc<Troubles>, alerts: Arc<Alerts>) -> Extension {
    let topics = vec![page::jobs(), page::alerts(alerts), routes::topic(inbox.clone(), troubles.clone())];
    let pages = page::routes(Home::PromotionDay, topics);
    Extension { connectors: Vec::new(), routes: pages.merge(routes::routes(inbox, troubles)) }
}

/// Where alerts go: a mailbox and a webhook of the demo's own.
fn channels(mailbox: SocketAddr, listen: SocketAddr) -> serde_json::Value {
    serde_json::json!({ "channels": {
        "mail": { "type": "smtp", "host": mailbox.ip().to_string(), "port": mailbox.port(), "from": "brisk@localhost", "to": ["on-call@localhost"] },
        "hook": { "type": "webhook", "url": format!("http://{listen}/demo/webhook") },
    }})
}

/// The address itself, or the next free one: the first that a newcomer tries may be taken.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr> {
    const TRIES: u16 = 20;
    let tried = (0..TRIES).map(|more| SocketAddr::new(wanted.ip(), if wanted.port() == 0 { 0 } else { wanted.port().saturating_add(more) }));
    for address in tried {
        if let Ok(listener) = TcpListener::bind(address) {
            return Ok(listener.local_addr()?);
        }
    }
    Err(Error::external(format!("no free port from {wanted} on")).with_remedy("give another one with --listen"))
}

fn announce(address: SocketAddr, options: &DemoOptions) {
    println!("The promotion day is at  http://{address}/");
    println!("Jobs and tables          http://{address}/jobs");
    match &options.questions {
        Some(dir) => println!("Edit the questions in    {} (a file that changes runs at once)", dir.display()),
        None => println!("Edit the questions:      brisk demo --dir DIR"),
    }
    println!("Ctrl-C ends it.");
}

/// Starts the load generator. It ends when its input does, so that it never outlives this process.
fn start_load(server: SocketAddr, logs: &Path, rate: f64) -> Result<ChildStdin> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("demo-load").arg("--server").arg(server.to_string()).arg("--logs").arg(logs).arg("--rate").arg(rate.to_string());
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(|e| Error::external(format!("cannot start the load generator: {e}")))?;
    child.stdin.take().ok_or_else(|| Error::internal("the load generator has no input"))
}
