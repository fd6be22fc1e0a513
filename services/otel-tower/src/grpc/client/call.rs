use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Histogram, UpDownCounter};

use crate::call::{BodyEnd, Bound, Call, End, Judge, Outcome};
use crate::grpc::status::Code;
use crate::{BoxError, Instrumentation, names};

#[derive(Debug)]
pub struct ClientCall {
    pub(super) metrics: Arc<Metrics>,
    pub(super) target: Arc<Target>,
    pub(super) method: Arc<str>,
    pub(super) http_status: Option<StatusCode>,
    /// From the headers (an answer without messages) or from the trailers.
    pub(super) code: Option<Code>,
}

/// What the channel connects to.
#[derive(Debug)]
pub(super) struct Target {
    /// Empty where the target has no authority.
    pub(super) address: String,
    pub(super) port: u16,
}

/// The instruments of one layer, hence of one target: it is no part of their cache keys.
#[derive(Debug)]
pub(super) struct Metrics {
    duration: Histogram<f64>,
    durations: Bound<Labels, BoundHistogram<f64>>,
    active: UpDownCounter<i64>,
    actives: Bound<Arc<str>, BoundUpDownCounter<i64>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Labels {
    method: Arc<str>,
    code: Code,
    error: Option<&'static str>,
}

// === impl ClientCall ===

impl Call for ClientCall {
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
            (Some(code), _) => (code, code.is_client_error().then(|| code.name())),
            (None, End::Complete) => {
                let code = self.http_status.map_or(Code::Unknown, Code::from_http);
                (code, Some(code.name()))
            }
            // No status came from the server, and clients take that for an unavailable one.
            (None, End::Failed(_)) => (Code::Unavailable, Some(Code::Unavailable.name())),
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
            duration: self.metrics.duration(&self.target, labels),
        }
    }
}

impl<E: Into<BoxError>> Judge<E> for ClientCall {
    type Error = BoxError;

    fn judge(error: E) -> (&'static str, BoxError) {
        (Code::Unavailable.name(), error.into())
    }
}

// === impl Target ===

impl Target {
    pub(super) fn attributes(&self, method: &Arc<str>) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"),
            KeyValue::new(names::RPC_METHOD, Arc::clone(method)),
        ];
        if !self.address.is_empty() {
            attributes.push(KeyValue::new(names::SERVER_ADDRESS, self.address.clone()));
            attributes.push(KeyValue::new(names::SERVER_PORT, i64::from(self.port)));
        }
        attributes
    }
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(instrumentation: &Instrumentation) -> Self {
        Self {
            duration: instrumentation.duration(
                names::RPC_CLIENT_CALL_DURATION,
                "Duration of outbound calls, to the end of the response body.",
            ),
            durations: Bound::new(),
            active: instrumentation.active(
                names::RPC_CLIENT_ACTIVE_CALLS,
                "{call}",
                "Calls the client is waiting for.",
            ),
            actives: Bound::new(),
        }
    }

    pub(super) fn active(&self, target: &Target, method: &Arc<str>) -> BoundUpDownCounter<i64> {
        self.actives.get(Arc::clone(method), |method| {
            self.active.bind(&target.attributes(method))
        })
    }

    fn duration(&self, target: &Target, labels: Labels) -> BoundHistogram<f64> {
        self.durations.get(labels, |labels| {
            self.duration.bind(&labels.attributes(target))
        })
    }
}

// === impl Labels ===

impl Labels {
    fn attributes(&self, target: &Target) -> Vec<KeyValue> {
        let mut attributes = target.attributes(&self.method);
        let code = self.code.name();
        attributes.push(KeyValue::new(names::RPC_RESPONSE_STATUS_CODE, code));
        if let Some(error) = self.error {
            attributes.push(KeyValue::new(names::ERROR_TYPE, error));
        }
        attributes
    }
}
