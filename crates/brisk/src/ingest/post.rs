//! `POST /ingest/{table}`: 202 when the events are on disk.
//!
//! | status | when |
//! |---|---|
//! | 202 | all events of the body are on disk: `{"accepted": 3}`; with `"repeated": true` they were before |
//! | 400 | the body is not what the format reads, an event would fail a job (with its number), or a header is wrong |
//! | 404 | no running job reads a table at this path |
//! | 413, 415 | the body is too large, or of an encoding other than gzip |
//! | 429 | more events a second than the table takes, with Retry-After |
//! | 503 | the jobs have not caught up, or the disk fails, with Retry-After |

use std::io::Read;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;
use bytes::Bytes;

use super::body;
use super::table::{Accepted, IngestTable, Refused};
use crate::server::{ApiError, ServerState};

/// The longest idempotency key.
const MAX_KEY_BYTES: usize = 255;

pub(super) async fn receive(State(state): State<Arc<ServerState>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let Some(table) = state.ingest.get(uri.path()) else { return unknown(uri.path()).into_response() };
    match accept(&table, &headers, body).await {
        Ok(response) => response,
        Err(refused) => {
            table.counts.requests_refused.add(1);
            refused.into_response()
        }
    }
}

pub(super) async fn list(State(state): State<Arc<ServerState>>) -> Json<serde_json::Value> {
    let table = |t: &Arc<IngestTable>| {
        serde_json::json!({
            "path": t.path,
            "events_accepted": t.counts.events_accepted.get(),
            "bytes_accepted": t.counts.bytes_accepted.get(),
            "requests_repeated": t.counts.requests_repeated.get(),
            "requests_refused": t.counts.requests_refused.get(),
            "log_bytes": t.log.bytes(),
            "log_first": t.log.first(),
            "log_end": t.log.end(),
        })
    };
    Json(serde_json::json!({ "tables": state.ingest.all().iter().map(table).collect::<Vec<_>>() }))
}

fn unknown(path: &str) -> ApiError {
    ApiError::not_found(format!("no running job reads a table at {path}"))
        .with_remedy("GET /ingest lists the paths; CREATE TABLE ... WITH ('connector' = 'http', 'path' = '...') and a job that reads it make one")
}

async fn accept(table: &IngestTable, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let key = idempotency_key(headers)?;
    let body = read_body(table, headers, body).await?;
    let events = body::events(&body, table.options.shape).map_err(ApiError::bad_request)?;
    judge(table, &events)?;
    let answer = table.append(&events, key, SystemClock.now_ms()).map_err(refused)?;
    let accepted = answer.await.map_err(|_| refused(Refused::Failed("the log has stopped".to_owned())))?.map_err(refused)?;
    let count = events.len();
    let answer = match accepted {
        Accepted::New => {
            table.counts.events_accepted.add(count as u64);
            table.counts.bytes_accepted.add(body.len() as u64);
            serde_json::json!({ "accepted": count })
        }
        Accepted::Repeated => {
            table.counts.requests_repeated.add(1);
            serde_json::json!({ "accepted": count, "repeated": true })
        }
    };
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn judge(table: &IngestTable, events: &[&[u8]]) -> Result<(), ApiError> {
    match table.judges.judge(&table.path, events)? {
        None => Ok(()),
        Some(rejected) => Err(ApiError::bad_request(format!("event {} of {}: {}", rejected.event, events.len(), rejected.reason))
            .with_remedy("mend it and send the body again; a table with 'scan.bad-records' = 'skip' or 'dead-letter' takes such events")
            .about_event(rejected.event)),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY_BYTES => Ok(Some(key)),
        _ => Err(ApiError::bad_request(format!("Idempotency-Key must be 1 to {MAX_KEY_BYTES} printable ASCII characters"))),
    }
}

async fn read_body(table: &IngestTable, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let limit = table.options.max_body_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    // What fails for another reason is a connection that was cut: nobody reads the answer.
    let body = axum::body::to_bytes(body, limit).await.map_err(|_| too_large(limit))?;
    match headers.get(header::CONTENT_ENCODING).map(|v| v.as_bytes()) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => unzip(&body, limit),
        Some(other) => Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Content-Encoding {} is not read", String::from_utf8_lossy(other)))
            .with_remedy("send gzip or no encoding")),
    }
}

fn unzip(body: &[u8], limit: usize) -> Result<Bytes, ApiError> {
    let mut out = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut out);
    match read {
        Ok(length) if length > limit => Err(too_large(limit)),
        Ok(_) => Ok(out.into()),
        Err(e) => Err(ApiError::bad_request(format!("the body is not gzip: {e}"))),
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes")).with_remedy("send fewer events at once")
}

fn refused(refused: Refused) -> ApiError {
    match refused {
        Refused::TooFast(wait) => {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "more events a second than 'rate-limit' allows").retry_after(seconds)
        }
        Refused::Full => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too many events wait for the jobs that read this table")
            .with_remedy("try again later; GET /api/jobs shows whether they run")
            .retry_after(1),
        Refused::TooLarge(reason) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, reason),
        Refused::Failed(reason) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, format!("the events cannot be kept: {reason}")).retry_after(5),
    }
}
