//! `/demo`: trouble on request, the webhook that alerts are posted to, and what the page shows of both.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::inbox::Inbox;
use super::trouble::{TROUBLES, Troubles};
use crate::page::Topic;
use crate::server::{ApiError, ServerState};

pub fn routes(inbox: Arc<Inbox>, troubles: Arc<Troubles>) -> Router<Arc<ServerState>> {
    let (list, listed) = (inbox.clone(), troubles.clone());
    Router::new()
        .route("/demo", get(async move || Json(value(&list, &listed))))
        .route("/demo/trouble/{name}", post(async move |Path(name): Path<String>| cause(&troubles, &name)))
        .route("/demo/webhook", post(async move |Json(body): Json<Value>| take(&inbox, &body)))
}

/// Mailbox, webhook and trouble, for the page.
pub fn topic(inbox: Arc<Inbox>, troubles: Arc<Troubles>) -> Topic {
    Topic::new("demo", move |_| value(&inbox, &troubles))
}

fn value(inbox: &Inbox, troubles: &Troubles) -> Value {
    let (mails, hooks) = inbox.all();
    json!({ "troubles": troubles.list(), "mails": mails, "hooks": hooks })
}

fn cause(troubles: &Troubles, name: &str) -> Result<StatusCode, ApiError> {
    let caused = troubles.cause(name).ok_or_else(|| {
        let names: Vec<&str> = TROUBLES.iter().map(|t| t.name).collect();
        ApiError::not_found(format!("there is no trouble `{name}`")).with_remedy(format!("there are {}", names.join(", ")))
    })?;
    Ok(caused.map(|()| StatusCode::ACCEPTED)?)
}

fn take(inbox: &Inbox, body: &Value) -> StatusCode {
    let text = |names: &[&str]| names.iter().find_map(|name| body[*name].as_str()).unwrap_or("").to_owned();
    let resolved = matches!(text(&["status", "state"]).as_str(), "resolved");
    inbox.add_hook(&text(&["title", "summary", "name"]), &text(&["text", "message"]), resolved);
    StatusCode::NO_CONTENT
}
