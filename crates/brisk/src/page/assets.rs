//! The page's files, embedded in the binary.

use axum::extract::Path;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use crate::server::ApiError;

pub const PROMOTION_DAY: &str = include_str!("assets/index.html");
pub const JOBS: &str = include_str!("assets/jobs.html");

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("assets/", $name)))),*] };
}

const FILES: &[(&str, &str)] = files![
    "style.css",
    "app.js",
    "dom.js",
    "format.js",
    "jobs.js",
    "source.js",
    "charts/bars.js",
    "charts/counter.js",
    "charts/donut.js",
    "charts/line.js",
    "charts/ranking.js",
    "panels/alerts.js",
    "panels/health.js",
    "panels/hosts.js",
    "panels/lines.js",
    "panels/recommend.js",
    "panels/sales.js",
    "panels/sellers.js",
    "panels/traffic.js",
    "panels/trouble.js",
];

/// A document. It may load nothing from elsewhere.
pub fn html(text: &'static str) -> Response {
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(text)).into_response()
}

pub async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    let found = FILES.iter().find(|(file, _)| *file == name);
    let (_, text) = found.ok_or_else(|| ApiError::not_found(format!("the page has no file {name}")))?;
    let kind = if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], *text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documents and scripts load must be embedded.
    fn check(text: &str, opening: &str, base: &str) {
        for rest in text.split(opening).skip(1) {
            let name = rest.split('"').next().unwrap_or("");
            let name = name.trim_start_matches("./").trim_start_matches("../");
            let known = FILES.iter().any(|(file, _)| *file == name || *file == format!("{base}{name}"));
            assert!(known, "{name} is not embedded");
        }
    }

    #[test]
    fn everything_that_is_loaded_is_embedded() {
        check(PROMOTION_DAY, "\"/page/", "");
        check(JOBS, "\"/page/", "");
        for (name, text) in FILES {
            let base = name.rfind('/').map_or("", |end| &name[..=end]);
            check(text, " from \"", base);
        }
    }
}
