//! The page: a dashboard of the promotion day and a plain view of jobs and tables, served by the binary.
//!
//! ```text
//!   GET /              the dashboard in a demo, else the jobs
//!   GET /jobs          jobs and live tables of any server
//!   GET /page/{file}   style and scripts: hand-written, embedded, without a build step
//!   GET /page/stream   one stream of live tables and topics
//! ```

mod assets;
mod stream;
mod topic;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use topic::{Topic, alerts, jobs};

use crate::server::ServerState;

/// What `/` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    Jobs,
    PromotionDay,
}

/// The page's routes. Topics are pushed beside the live tables.
pub fn routes(home: Home, topics: Vec<Topic>) -> Router<Arc<ServerState>> {
    let topics: Arc<[Topic]> = topics.into();
    let index = match home {
        Home::Jobs => assets::JOBS,
        Home::PromotionDay => assets::PROMOTION_DAY,
    };
    Router::new()
        .route("/", get(async move || assets::html(index)))
        .route("/jobs", get(async || assets::html(assets::JOBS)))
        .route("/page/stream", get(move |state, query| stream::open(topics.clone(), state, query)))
        .route("/page/{*file}", get(assets::file))
}
