//! All connectors and formats of the program.

use std::sync::Arc;

use brisk_core::connector::{Connector, Registry};
use brisk_core::format::Format;

/// What scripts can name. Connectors that need the server are added to the library's.
#[derive(Clone, Default)]
pub struct ProgramRegistry {
    extra: Vec<Arc<dyn Connector>>,
}

impl ProgramRegistry {
    /// With connectors of the server (HTTP ingest, live tables, alerts) besides the library's.
    pub fn with(extra: Vec<Arc<dyn Connector>>) -> Self {
        Self { extra }
    }
}

impl Registry for ProgramRegistry {
    fn connectors(&self) -> Vec<Arc<dyn Connector>> {
        brisk_connectors::connectors().into_iter().chain(self.extra.iter().cloned()).collect()
    }

    fn formats(&self) -> Vec<Arc<dyn Format>> {
        brisk_formats::formats()
    }
}
