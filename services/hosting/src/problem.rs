//! Errors as RFC 9457 problem documents, with the trace id that an operator asks for first.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde::Serialize;
use serde_json::{Map, Value};

/// An answer of `application/problem+json`.
///
/// A handler returns it as its error: `Result<impl Reply, Problem>` is a reply.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(flatten)]
    members: Map<String, Value>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem that its status says all about; `type` is then `about:blank` by the RFC. Carries the id of the current trace.
    pub fn new(status: StatusCode) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: None,
            trace_id: trace_id(),
            members: Map::new(),
            retry_after: None,
        }
    }

    /// A problem that a client may want to tell apart from others of the same status.
    #[must_use]
    pub fn kind(mut self, kind: &'static str, title: impl Into<String>) -> Self {
        self.kind = kind;
        self.title = title.into();
        self
    }

    /// What went wrong this time, for the person who reads the answer. Never the text of an inner error.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// An extension member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the header `Retry-After`, in full seconds and at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer, for code outside warp.
    pub fn into_http(self) -> Response<Full<Bytes>> {
        self.complete(Response::new(Full::from(self.body())))
    }

    fn complete<B>(&self, mut response: Response<B>) -> Response<B> {
        *response.status_mut() = self.status();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        if let Some(after) = self.retry_after {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }

    fn body(&self) -> Vec<u8> {
        // Strings, numbers and a map with string keys: there is nothing JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl warp::Reply for Problem {
    fn into_response(self) -> warp::reply::Response {
        self.complete(self.body().into_response())
    }
}

/// The id of the current trace, in hex; none outside a trace.
pub fn trace_id() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| span.trace_id().to_string())
    })
}
