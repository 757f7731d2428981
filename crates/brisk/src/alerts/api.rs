//! The REST resources of alerts.
//!
//! | route | |
//! |---|---|
//! | `GET /api/alerts` | what fires, each with whether it is silenced; rules; channels |
//! | `GET /api/alerts/history` | how the last deliveries ended, and those that wait (`?limit=`) |
//! | `GET`, `POST /api/alerts/silences` | all; adds one |
//! | `GET`, `PUT`, `DELETE /api/alerts/silences/{id}` | one |

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Alerts;
use super::message::iso_time;
use super::silence::{Matcher, Silence};
use crate::server::{ApiError, ServerState, blocking};

type App = State<Arc<Alerts>>;

pub fn routes(alerts: Arc<Alerts>) -> Router<Arc<ServerState>> {
    Router::new()
        .route("/api/alerts", get(active))
        .route("/api/alerts/history", get(history))
        .route("/api/alerts/silences", get(silences).post(add_silence))
        .route("/api/alerts/silences/{id}", get(silence).put(replace_silence).delete(remove_silence))
        .with_state(alerts)
}

async fn active(State(alerts): App) -> Json<Value> {
    let shown: Vec<Value> = alerts.active().into_iter().map(|(view, silenced)| with(json!(view), "silenced", json!(silenced))).collect();
    let channels: Vec<Value> = alerts.channels().into_iter().map(|(name, kind, waiting)| json!({ "name": name, "type": kind, "waiting": waiting })).collect();
    Json(json!({ "alerts": shown, "rules": alerts.rule_views(), "channels": channels }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    limit: Option<usize>,
}

async fn history(State(alerts): App, Query(query): Query<HistoryQuery>) -> Json<Value> {
    let limit = query.limit.unwrap_or(usize::MAX);
    let ended: Vec<Value> = alerts.history().into_iter().take(limit).map(|entry| with(json!(entry), "at", json!(iso_time(entry.at_ms)))).collect();
    Json(json!({ "history": ended, "pending": alerts.pending() }))
}

/// A silence as it is asked for: times in ms since 1970, or how long it lasts from now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceRequest {
    matchers: Vec<Matcher>,
    starts_ms: Option<i64>,
    ends_ms: Option<i64>,
    /// Such as `2 h`; instead of `ends_ms`.
    duration: Option<brisk_core::connector::TimeSpan>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    created_by: String,
}

async fn silences(State(alerts): App) -> Json<Value> {
    let now_ms = alerts.now_ms();
    let shown: Vec<Value> = alerts.silences().iter().map(|silence| shown(silence, now_ms)).collect();
    Json(json!({ "silences": shown }))
}

async fn silence(State(alerts): App, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = alerts.silences().into_iter().find(|s| s.id == id);
    found.map(|silence| Json(shown(&silence, alerts.now_ms()))).ok_or_else(|| no_such_silence(&id))
}

async fn add_silence(State(alerts): App, Json(request): Json<SilenceRequest>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let number = |silence: &Silence| silence.id.parse::<u64>().ok();
    let id = alerts.silences().iter().filter_map(number).max().unwrap_or(0) + 1;
    put(alerts, id.to_string(), request).await.map(|silence| (StatusCode::CREATED, silence))
}

async fn replace_silence(State(alerts): App, Path(id): Path<String>, Json(request): Json<SilenceRequest>) -> Result<Json<Value>, ApiError> {
    put(alerts, id, request).await
}

async fn remove_silence(State(alerts): App, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let asked = id.clone();
    let was = blocking(move || alerts.remove_silence(&asked)).await?;
    if was { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_silence(&id)) }
}

async fn put(alerts: Arc<Alerts>, id: String, request: SilenceRequest) -> Result<Json<Value>, ApiError> {
    let now_ms = alerts.now_ms();
    let starts_ms = request.starts_ms.unwrap_or(now_ms);
    let ends_ms = match (request.ends_ms, request.duration) {
        (Some(ends), None) => ends,
        (None, Some(duration)) => starts_ms.saturating_add(i64::try_from(duration.0.as_millis()).unwrap_or(i64::MAX)),
        _ => return Err(ApiError::bad_request("a silence needs either 'ends_ms' or 'duration'")),
    };
    let silence = Silence { id, matchers: request.matchers, starts_ms, ends_ms, comment: request.comment, created_by: request.created_by };
    let answer = shown(&silence, now_ms);
    blocking(move || alerts.put_silence(silence)).await?;
    Ok(Json(answer))
}

fn shown(silence: &Silence, now_ms: i64) -> Value {
    let state = match () {
        () if now_ms < silence.starts_ms => "pending",
        () if now_ms < silence.ends_ms => "active",
        () => "expired",
    };
    let value = with(json!(silence), "state", json!(state));
    with(with(value, "starts_at", json!(iso_time(silence.starts_ms))), "ends_at", json!(iso_time(silence.ends_ms)))
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Value::Object(entries) = &mut object {
        entries.insert(name.to_owned(), value);
    }
    object
}

fn no_such_silence(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no silence {id}"))
}
