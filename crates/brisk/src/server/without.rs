//! The server's connectors where there is no server: scripts that name them can be explained; their jobs fail and say why.

use std::sync::Arc;

use brisk_core::Error;
use brisk_core::connector::Connector;

use crate::alerts::Alerts;
use crate::ingest::{HttpConnector, IngestTables};
use crate::live::{LiveConnector, LiveTables};

/// For scripts that are explained, or run without `--listen`.
pub fn connectors_without_server() -> Vec<Arc<dyn Connector>> {
    vec![
        Arc::new(HttpConnector::new(Arc::new(IngestTables::unserved()))),
        Arc::new(LiveConnector::new(Arc::new(LiveTables::unserved()))),
        Alerts::only_plans().connector(),
    ]
}

/// Why a table of the connector cannot be used.
pub fn needs_server(table: &str, connector: &str) -> Error {
    Error::invalid(format!("table `{table}`: connector '{connector}' needs an HTTP address, and none is served"))
        .with_remedy("use `brisk run --listen 127.0.0.1:8080 SCRIPT`, or `brisk server SCRIPT`")
}
