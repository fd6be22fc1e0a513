//! From a request to its answer, by the behaviour the test asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::trace::v1 as traces;
use prost::Message;

use super::state::{Items, Request, State};
use crate::model::{self, Signal};

const PROTOBUF: &str = "application/x-protobuf";
const REASON: &str = "refused by the test";

/// How the sink treats a signal. Refused, rejected and unanswered items are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Behaviour {
    /// 200, everything kept. The default.
    #[default]
    Accept,
    /// A status other than 200, with `Retry-After` in whole seconds if given.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// For how long the sender is told to wait.
        retry_after: Option<Duration>,
    },
    /// 200, everything kept, but that much later. Nothing is kept if the sender hangs up before.
    Delay(Duration),
    /// 200 with a partial success: the last `rejected` items of each request are refused (at most all it has).
    Partial {
        /// How many items of each request.
        rejected: i64,
    },
    /// Takes the connection and the request and never answers.
    Vanish,
}

/// The connection is to be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the test asked for silence")]
pub(super) struct Silence;

/// `google.rpc.Status`, the body OTLP/HTTP gives to a refusal.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
}

pub(super) async fn answer(
    state: Arc<State>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Silence> {
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(Silence),
    };
    let path = head.uri.path().to_owned();
    let signal = Signal::ALL.into_iter().find(|s| s.path() == path);
    let mut arrival = Request {
        at: Instant::now(),
        path,
        signal,
        items: 0,
        rejected: 0,
        status: None,
    };

    let (signal, items) = match decode(signal, &head, body) {
        Ok(decoded) => decoded,
        Err(Refusal(status, reason)) => {
            let number = state.arrived(arrival);
            state.answered(number, status.as_u16(), 0, None);
            return Ok(refuse(status, &reason, None));
        }
    };
    arrival.items = items.len();
    let number = state.arrived(arrival);
    behave(&state, number, signal, items).await
}

struct Refusal(StatusCode, String);

/// A sink that took anything would hide a sender's mistake until it meets a real Collector.
fn decode(
    signal: Option<Signal>,
    head: &http::request::Parts,
    body: Bytes,
) -> Result<(Signal, Items), Refusal> {
    let refusal = |status, reason: &str| Refusal(status, reason.to_owned());
    let Some(signal) = signal else {
        return Err(refusal(StatusCode::NOT_FOUND, "no such OTLP path"));
    };
    if head.method != Method::POST {
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "POST only"));
    }
    if head
        .headers
        .get(CONTENT_TYPE)
        .is_none_or(|value| value != PROTOBUF)
    {
        let reason = "expected content-type: application/x-protobuf";
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let items = match signal {
        Signal::Traces => traces::ExportTraceServiceRequest::decode(body)
            .map(|request| Items::Spans(model::spans(request.resource_spans))),
        Signal::Metrics => metrics::ExportMetricsServiceRequest::decode(body)
            .map(|request| Items::Points(model::points(request.resource_metrics))),
        Signal::Logs => logs::ExportLogsServiceRequest::decode(body)
            .map(|request| Items::Logs(model::logs(request.resource_logs))),
    };
    match items {
        Ok(items) => Ok((signal, items)),
        Err(error) => Err(refusal(StatusCode::BAD_REQUEST, &error.to_string())),
    }
}

async fn behave(
    state: &State,
    number: usize,
    signal: Signal,
    mut items: Items,
) -> Result<Response<Full<Bytes>>, Silence> {
    let mut rejected = 0;
    match state.behaviour(signal) {
        Behaviour::Accept => {}
        Behaviour::Delay(delay) => tokio::time::sleep(delay).await,
        Behaviour::Vanish => {
            state.until_back(signal).await;
            return Err(Silence);
        }
        Behaviour::Refuse {
            status,
            retry_after,
        } => {
            state.answered(number, status, 0, None);
            let status = StatusCode::from_u16(status).expect("a test refuses with an HTTP status");
            return Ok(refuse(status, REASON, retry_after));
        }
        Behaviour::Partial { rejected: asked } => {
            rejected = asked.min(items.len() as i64);
            items.truncate(items.len() - rejected as usize);
        }
    }
    state.answered(number, 200, rejected, Some(items));
    Ok(respond(StatusCode::OK, success(rejected)))
}

/// The three responses have the same fields, so that the one of traces serves all.
fn success(rejected: i64) -> Vec<u8> {
    let partial = traces::ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: REASON.to_owned(),
    };
    traces::ExportTraceServiceResponse {
        partial_success: (rejected != 0).then_some(partial),
    }
    .encode_to_vec()
}

fn refuse(
    status: StatusCode,
    reason: &str,
    retry_after: Option<Duration>,
) -> Response<Full<Bytes>> {
    let body = RpcStatus {
        message: reason.to_owned(),
    };
    let mut response = respond(status, body.encode_to_vec());
    if let Some(wait) = retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, wait.as_secs().into());
    }
    response
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(PROTOBUF));
    response
}
