//! What scripts can name: connectors and formats of a program, and the connector `test`.

use std::sync::Arc;

use brisk_core::connector::{Connector, Registry};
use brisk_core::format::Format;

use crate::connector::TestConnector;

/// All connectors and formats of the libraries, without those that need a server.
pub struct LibraryRegistry;

impl Registry for LibraryRegistry {
    fn connectors(&self) -> Vec<Arc<dyn Connector>> {
        brisk_connectors::connectors()
    }

    fn formats(&self) -> Vec<Arc<dyn Format>> {
        brisk_formats::formats()
    }
}

/// A registry with the connector `test` of one run.
pub(crate) struct TestRegistry<'a> {
    pub base: &'a dyn Registry,
    pub test: Arc<TestConnector>,
}

impl Registry for TestRegistry<'_> {
    fn connectors(&self) -> Vec<Arc<dyn Connector>> {
        let mut all = self.base.connectors();
        all.push(self.test.clone());
        all
    }

    fn formats(&self) -> Vec<Arc<dyn Format>> {
        self.base.formats()
    }
}
