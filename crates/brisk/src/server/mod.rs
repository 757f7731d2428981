//! The server: one HTTP listener over jobs, ingest, live tables and whatever else is mounted.
//!
//! ```text
//!   Server::start(settings, extensions)
//!      |  ServerState: settings, jobs, ingest, live tables           (Arc, given to every route)
//!      |  routes: each part has `fn routes() -> Router<Arc<ServerState>>`, merged here
//!      |  the socket is bound, jobs of the last run and scripts of the settings start, then requests are answered
//!      v
//!   Server: address(), state(), wait(), stop()
//! ```
//!
//! HTTP has a few threads of its own; jobs compute on theirs, so neither holds the other up. What may block (planning, the
//! disk, waiting for a savepoint) is moved off the HTTP threads by [`blocking`].

mod api;
mod catalog;
mod error;
mod jobs;
mod metrics;
mod planning;
mod without;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use brisk_core::connector::Connector;
use brisk_core::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use error::ApiError;
pub use jobs::{JobInfo, Jobs, ScriptRequest};
pub use without::{connectors_without_server, needs_server};

use crate::ingest::{HttpConnector, IngestTables};
use crate::live::{LiveConnector, LiveTables};
use crate::registry::ProgramRegistry;
use crate::settings::Settings;

/// What every route may use.
pub struct ServerState {
    pub settings: Settings,
    pub jobs: Arc<Jobs>,
    pub ingest: Arc<IngestTables>,
    pub live: Arc<LiveTables>,
    /// Becomes true when the server stops: streams that never end must look at it.
    pub stopping: watch::Receiver<bool>,
}

/// What a part of the program adds to the server: connectors for scripts, and routes. A part with state of its own gives
/// its routes by `Router::with_state`.
#[derive(Default)]
pub struct Extension {
    pub connectors: Vec<Arc<dyn Connector>>,
    pub routes: Router<Arc<ServerState>>,
}

/// A running server. Dropping it stops it.
pub struct Server {
    state: Arc<ServerState>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Taken when it stops.
    runtime: Option<tokio::runtime::Runtime>,
    serving: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// Starts the jobs of the last run and of the settings' scripts, and serves. A job that cannot start is listed as failed.
    pub fn start(settings: Settings, extensions: Vec<Extension>) -> Result<Self> {
        Self::launch(settings, extensions, |jobs, settings| {
            jobs.adopt(&settings.scripts)?;
            jobs.restore()
        })
    }

    /// Serves for jobs that somebody else runs with [`Server::registry`].
    pub fn without_jobs(settings: Settings, extensions: Vec<Extension>) -> Result<Self> {
        Self::launch(settings, extensions, |_, _| Ok(()))
    }

    fn launch(settings: Settings, extensions: Vec<Extension>, begin: impl FnOnce(&Arc<Jobs>, &Settings) -> Result<()>) -> Result<Self> {
        let data_dir = &settings.data_dir;
        std::fs::create_dir_all(data_dir).map_err(|e| Error::external(format!("data directory {}: {e}", data_dir.display())))?;
        let ingest = Arc::new(IngestTables::new(data_dir.join("ingest"), settings.ingest.clone()));
        let live = Arc::new(LiveTables::served());
        let mut connectors: Vec<Arc<dyn Connector>> = vec![Arc::new(HttpConnector::new(ingest.clone())), Arc::new(LiveConnector::new(live.clone()))];
        let mut routes = routes();
        for extension in extensions {
            connectors.extend(extension.connectors);
            routes = routes.merge(extension.routes);
        }
        let jobs = Arc::new(Jobs::open(&settings, ProgramRegistry::with(connectors), ingest.clone())?);
        let (stop, stopping) = watch::channel(false);
        let state = Arc::new(ServerState { jobs, ingest, live, stopping: stopping.clone(), settings });
        let runtime = runtime(state.settings.http_threads)?;
        let listener = listen(&runtime, state.settings.listen)?;
        let address = listener.local_addr()?;
        begin(&state.jobs, &state.settings)?;
        let app = routes.with_state(state.clone());
        let serving = runtime.spawn(async move {
            let mut stopping = stopping;
            let stopped = async move {
                // An error means that the server was dropped.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            axum::serve(listener, app).with_graceful_shutdown(stopped).await
        });
        Ok(Self { state, address, stop, runtime: Some(runtime), serving: Some(serving) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn state(&self) -> &Arc<ServerState> {
        &self.state
    }

    /// All connectors and formats, those of the server among them.
    pub fn registry(&self) -> ProgramRegistry {
        self.state.jobs.registry().clone()
    }

    /// Serves until the process is asked to end (Ctrl-C or SIGTERM), then stops the jobs where they are: they go on from
    /// their last checkpoint when the server starts again.
    pub fn wait(mut self) -> Result<()> {
        let (Some(runtime), Some(serving)) = (&self.runtime, self.serving.take()) else { return Ok(()) };
        let ended = runtime.block_on(async {
            tokio::select! {
                served = serving => served.map_err(|e| Error::internal(e.to_string()))?.map_err(Error::from),
                () = asked_to_end() => Ok(()),
            }
        });
        self.stop();
        ended
    }

    /// Stops serving and the jobs; they are restored by the next start.
    pub fn stop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        // An error means that nobody listens any more.
        let _ = self.stop.send(true);
        self.state.jobs.halt();
        runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The routes of the server's own parts.
fn routes() -> Router<Arc<ServerState>> {
    Router::new().merge(api::routes()).merge(metrics::routes()).merge(crate::ingest::routes()).merge(crate::live::routes())
}

/// Runs what may block away from the threads that serve HTTP.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| ApiError::from(Error::internal(format!("the request failed: {e}"))))?.map_err(ApiError::from)
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads.max(1)).max_blocking_threads(64).thread_name("brisk-http").enable_io().enable_time();
    builder.build().map_err(Error::from)
}

fn listen(runtime: &tokio::runtime::Runtime, address: SocketAddr) -> Result<TcpListener> {
    runtime
        .block_on(TcpListener::bind(address))
        .map_err(|e| Error::external(format!("cannot listen on {address}: {e}")).with_remedy("set `listen` in brisk.yaml or --listen to a free address"))
}

async fn asked_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals there is nothing to wait for but the end of the process.
    let _ = interrupt.await;
}
