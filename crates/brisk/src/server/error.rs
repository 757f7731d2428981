//! Errors as HTTP answers: `{"error": .., "remedy": .., "position": {..}}` with the status that fits.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use brisk_core::{Error, ErrorKind, Position};
use serde::Serialize;

/// What a route answers when it cannot do what it was asked.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub message: String,
    pub remedy: Option<String>,
    pub position: Option<Position>,
    /// Which event of a body, from 1.
    pub event: Option<usize>,
    /// Seconds after which another try may succeed.
    pub retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<BodyPosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<usize>,
}

#[derive(Serialize)]
struct BodyPosition {
    statement: usize,
    line: usize,
    column: usize,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), remedy: None, position: None, event: None, retry_after: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub fn about_event(mut self, event: usize) -> Self {
        self.event = Some(event);
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Error> for ApiError {
    fn from(e: Error) -> Self {
        let status = match e.kind {
            ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::BadRecord | ErrorKind::Compute => StatusCode::BAD_REQUEST,
            ErrorKind::Cancelled => StatusCode::CONFLICT,
            ErrorKind::External | ErrorKind::Corrupt => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, message: e.message, remedy: e.remedy, position: e.position, event: None, retry_after: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let position = self.position.map(|p| BodyPosition { statement: p.statement, line: p.line, column: p.column });
        let body = Body { error: &self.message, remedy: self.remedy.as_deref(), position, event: self.event };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
