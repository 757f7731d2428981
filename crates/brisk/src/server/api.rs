//! The REST resources of jobs and scripts.
//!
//! | route | |
//! |---|---|
//! | `GET /health` | answers when the server does |
//! | `GET /api/jobs` | all jobs, briefly |
//! | `GET /api/jobs/{id}` | one, with its nodes, splits and checkpoints, and `why` it gives what it gives |
//! | `POST /api/jobs/{id}/cancel`, `/resume`, `/checkpoint` | |
//! | `POST /api/jobs/{id}/savepoint` | `{"path": .., "stop": false}`, both optional |
//! | `GET /api/jobs/{id}/checkpoints` | the last ones |
//! | `POST /api/scripts` | runs a script: as text (`?name=`), or `{"name", "script", "variables", "replace"}` |
//! | `POST /api/explain` | the plans of a script, as text or in `{"script", ..}` |

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ApiError, JobInfo, ScriptRequest, ServerState, blocking};
use crate::why::findings;

type App = State<Arc<ServerState>>;

/// Scripts and requests about jobs are small.
const MAX_REQUEST_BYTES: usize = 4 << 20;

pub(super) fn routes() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/api/jobs", get(jobs))
        .route("/api/jobs/{id}", get(job))
        .route("/api/jobs/{id}/cancel", post(cancel))
        .route("/api/jobs/{id}/resume", post(resume))
        .route("/api/jobs/{id}/checkpoint", post(checkpoint))
        .route("/api/jobs/{id}/savepoint", post(savepoint))
        .route("/api/jobs/{id}/checkpoints", get(checkpoints))
        .route("/api/scripts", post(submit))
        .route("/api/explain", post(explain))
        .fallback(async |uri: axum::http::Uri| ApiError::not_found(format!("there is nothing at {}", uri.path())))
}

async fn jobs(State(state): App) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "jobs": state.jobs.list() }))
}

async fn job(State(state): App, Path(id): Path<String>) -> Result<Json<serde_json::Value>, ApiError> {
    let (info, status) = (state.jobs.info(&id).map_err(no_such_job)?, state.jobs.status(&id).map_err(no_such_job)?);
    let holding_back = status.as_ref().and_then(|s| s.holding_back(None)).cloned();
    let why = status.as_ref().map(|s| findings(s, SystemClock.now_ms()));
    Ok(Json(serde_json::json!({ "job": info, "status": status, "holding_back": holding_back, "why": why })))
}

async fn cancel(State(state): App, Path(id): Path<String>) -> Result<Json<JobInfo>, ApiError> {
    known(&state, &id)?;
    blocking(move || state.jobs.cancel(&id)).await.map(Json)
}

async fn resume(State(state): App, Path(id): Path<String>) -> Result<Json<JobInfo>, ApiError> {
    known(&state, &id)?;
    blocking(move || state.jobs.resume(&id)).await.map(Json)
}

async fn checkpoint(State(state): App, Path(id): Path<String>) -> Result<impl IntoResponse, ApiError> {
    known(&state, &id)?;
    blocking(move || state.jobs.checkpoint(&id)).await.map(Json)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SavepointRequest {
    path: Option<String>,
    stop: bool,
}

async fn savepoint(State(state): App, Path(id): Path<String>, body: Body) -> Result<impl IntoResponse, ApiError> {
    known(&state, &id)?;
    let text = text(body).await?;
    let request: SavepointRequest = if text.trim().is_empty() { SavepointRequest::default() } else { parse(&text)? };
    blocking(move || state.jobs.savepoint(&id, request.path, request.stop)).await.map(Json)
}

async fn checkpoints(State(state): App, Path(id): Path<String>) -> Result<Json<serde_json::Value>, ApiError> {
    let status = state.jobs.status(&id).map_err(no_such_job)?;
    let (checkpoints, restored) = status.map(|s| (s.checkpoints, s.restored)).unwrap_or_default();
    Ok(Json(serde_json::json!({ "checkpoints": checkpoints, "restored": restored })))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SubmitQuery {
    name: Option<String>,
    replace: bool,
}

async fn submit(State(state): App, Query(query): Query<SubmitQuery>, headers: HeaderMap, body: Body) -> Result<impl IntoResponse, ApiError> {
    let mut request = script_request(&headers, body).await?;
    request.name = query.name.or(request.name);
    request.replace |= query.replace;
    let ids = blocking(move || state.jobs.submit(request)).await?;
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "jobs": ids }))))
}

async fn explain(State(state): App, headers: HeaderMap, body: Body) -> Result<Json<serde_json::Value>, ApiError> {
    let request = script_request(&headers, body).await?;
    let plans = blocking(move || state.jobs.explain(&request)).await?;
    let plans: Vec<_> = plans.into_iter().map(|(id, plan)| serde_json::json!({ "job": id, "plan": plan })).collect();
    Ok(Json(serde_json::json!({ "plans": plans })))
}

/// A script comes as it is, or in JSON with what belongs to it.
async fn script_request(headers: &HeaderMap, body: Body) -> Result<ScriptRequest, ApiError> {
    let text = text(body).await?;
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    if is_json { parse(&text) } else { Ok(ScriptRequest { script: text, ..ScriptRequest::default() }) }
}

async fn text(body: Body) -> Result<String, ApiError> {
    let too_large = || ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {MAX_REQUEST_BYTES} bytes"));
    let bytes = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await.map_err(|_| too_large())?;
    String::from_utf8(bytes.into()).map_err(|_| ApiError::bad_request("the request is not UTF-8"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|e| ApiError::bad_request(format!("the request cannot be read: {e}")))
}

fn known(state: &ServerState, id: &str) -> Result<(), ApiError> {
    state.jobs.info(id).map(|_| ()).map_err(no_such_job)
}

fn no_such_job(e: super::jobs::NoSuchJob) -> ApiError {
    ApiError { status: StatusCode::NOT_FOUND, ..ApiError::from(brisk_core::Error::from(e)) }
}
