use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Histogram, UpDownCounter};

use crate::call::{BodyEnd, Bound, Call, End, Judge, Outcome};
use crate::grpc::status::Code;
use crate::{Instrumentation, names};

#[derive(Debug)]
pub struct ServerCall {
    pub(super) metrics: Arc<Metrics>,
    pub(super) method: &'static str,
    pub(super) http_status: Option<StatusCode>,
    /// From the headers (an answer without messages) or from the trailers.
    pub(super) code: Option<Code>,
}

#[derive(Debug)]
pub(super) struct Metrics {
    duration: Histogram<f64>,
    durations: Bound<Labels, BoundHistogram<f64>>,
    active: UpDownCounter<i64>,
    actives: Bound<&'static str, BoundUpDownCounter<i64>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Labels {
    method: &'static str,
    code: Code,
    error: Option<&'static str>,
}

// === impl ServerCall ===

impl Call for ServerCall {
    fn head(&mut self, parts: &mut Parts) -> BodyEnd {
        self.http_status = Some(parts.status);
        self.code = Code::from_headers(&parts.headers);
        BodyEnd::Unknown
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.code = Code::from_headers(trailers).or(self.code);
    }

    fn outcome(self, end: End) -> Outcome {
        let (code, error) = match (self.code, end) {
            (Some(code), _) => (code, code.is_server_error().then(|| code.name())),
            (None, End::Complete) => {
                let code = self.http_status.map_or(Code::Unknown, Code::from_http);
                (code, Some(code.name()))
            }
            // The transport resets the stream, which a client reads as INTERNAL.
            (None, End::Failed(_)) => (Code::Internal, Some(Code::Internal.name())),
            (None, End::Panicked) => (Code::Internal, Some(names::PANIC)),
            (None, End::Cancelled) => (Code::Cancelled, Some(names::CANCELLED)),
        };
        let labels = Labels {
            method: self.method,
            code,
            error,
        };
        Outcome {
            name: None,
            attributes: vec![KeyValue::new(names::RPC_RESPONSE_STATUS_CODE, code.name())],
            error: error.map(Into::into),
            duration: self.metrics.duration(labels),
        }
    }
}

impl<E> Judge<E> for ServerCall {
    type Error = E;

    fn judge(error: E) -> (&'static str, E) {
        (Code::Internal.name(), error)
    }
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(instrumentation: &Instrumentation) -> Self {
        Self {
            duration: instrumentation.duration(
                names::RPC_SERVER_CALL_DURATION,
                "Duration of inbound calls, to the end of the response body.",
            ),
            durations: Bound::new(),
            active: instrumentation.active(
                names::RPC_SERVER_ACTIVE_CALLS,
                "{call}",
                "Calls the server is working on.",
            ),
            actives: Bound::new(),
        }
    }

    pub(super) fn active(&self, method: &'static str) -> BoundUpDownCounter<i64> {
        self.actives.get(method, |method| {
            self.active.bind(&[
                KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"),
                KeyValue::new(names::RPC_METHOD, *method),
            ])
        })
    }

    fn duration(&self, labels: Labels) -> BoundHistogram<f64> {
        self.durations
            .get(labels, |labels| self.duration.bind(&labels.attributes()))
    }
}

// === impl Labels ===

impl Labels {
    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"),
            KeyValue::new(names::RPC_METHOD, self.method),
            KeyValue::new(names::RPC_RESPONSE_STATUS_CODE, self.code.name()),
        ];
        if let Some(error) = self.error {
            attributes.push(KeyValue::new(names::ERROR_TYPE, error));
        }
        attributes
    }
}
