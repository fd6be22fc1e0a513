use std::sync::Arc;

use http::HeaderMap;
use http::Method;
use http::response::Parts;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Histogram, UpDownCounter};

use super::class::class;
use crate::call::{BodyEnd, Bound, Call, End, ErrorType, Judge, Outcome};
use crate::http::message::{body_end, version};
use crate::{BoxError, Instrumentation, names};

#[derive(Debug)]
pub struct ClientCall {
    pub(super) metrics: Arc<Metrics>,
    pub(super) target: Target,
    /// Known with the response: before, the transport has not chosen one.
    pub(super) version: Option<&'static str>,
    pub(super) status: Option<u16>,
}

/// What is called: span attributes, and the attribute set of the in-flight count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) method: &'static str,
    pub(super) template: Option<&'static str>,
    /// Empty where the request has no authority.
    pub(super) address: String,
    pub(super) port: u16,
}

#[derive(Debug)]
pub(super) struct Metrics {
    duration: Histogram<f64>,
    durations: Bound<Labels, BoundHistogram<f64>>,
    active: UpDownCounter<i64>,
    actives: Bound<Target, BoundUpDownCounter<i64>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Labels {
    target: Target,
    version: Option<&'static str>,
    status: Option<u16>,
    error: Option<ErrorType>,
}

// === impl ClientCall ===

impl Call for ClientCall {
    fn head(&mut self, parts: &mut Parts) -> BodyEnd {
        self.status = Some(parts.status.as_u16());
        self.version = version(parts.version);
        body_end(self.target.method == Method::HEAD.as_str(), parts)
    }

    fn trailers(&mut self, _: &HeaderMap) {}

    fn outcome(self, end: End) -> Outcome {
        let error = match (self.status, end) {
            // Also when the body is dropped unread: many callers do so with a refusal.
            (Some(status @ 400..), _) => Some(status.to_string().into()),
            (_, End::Complete) => None,
            (_, End::Failed(class)) => Some(class.into()),
            (_, End::Cancelled) => Some(names::CANCELLED.into()),
            (_, End::Panicked) => Some(names::PANIC.into()),
        };
        let labels = Labels {
            target: self.target,
            version: self.version,
            status: self.status,
            error: error.clone(),
        };
        Outcome {
            name: None,
            attributes: labels.response_attributes(),
            error,
            duration: self.metrics.duration(labels),
        }
    }
}

impl<E: Into<BoxError>> Judge<E> for ClientCall {
    type Error = BoxError;

    fn judge(error: E) -> (&'static str, BoxError) {
        let error = error.into();
        (class(&error), error)
    }
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(instrumentation: &Instrumentation) -> Self {
        Self {
            duration: instrumentation.duration(
                names::HTTP_CLIENT_REQUEST_DURATION,
                "Duration of HTTP client requests, to the end of the response body.",
            ),
            durations: Bound::new(),
            active: instrumentation.active(
                names::HTTP_CLIENT_ACTIVE_REQUESTS,
                "{request}",
                "HTTP requests the client is waiting for.",
            ),
            actives: Bound::new(),
        }
    }

    pub(super) fn active(&self, target: &Target) -> BoundUpDownCounter<i64> {
        self.actives.get(target.clone(), |target| {
            self.active.bind(&target.attributes())
        })
    }

    fn duration(&self, labels: Labels) -> BoundHistogram<f64> {
        self.durations
            .get(labels, |labels| self.duration.bind(&labels.attributes()))
    }
}

// === impl Target, Labels ===

impl Target {
    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![KeyValue::new(names::HTTP_REQUEST_METHOD, self.method)];
        if !self.address.is_empty() {
            attributes.push(KeyValue::new(names::SERVER_ADDRESS, self.address.clone()));
            attributes.push(KeyValue::new(names::SERVER_PORT, i64::from(self.port)));
        }
        if let Some(template) = self.template {
            attributes.push(KeyValue::new(names::URL_TEMPLATE, template));
        }
        attributes
    }
}

impl Labels {
    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = self.target.attributes();
        attributes.extend(self.response_attributes());
        if let Some(error) = &self.error {
            attributes.push(KeyValue::new(names::ERROR_TYPE, error.clone()));
        }
        attributes
    }

    fn response_attributes(&self) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        if let Some(version) = self.version {
            attributes.push(KeyValue::new(names::NETWORK_PROTOCOL_VERSION, version));
        }
        if let Some(status) = self.status {
            let status = i64::from(status);
            attributes.push(KeyValue::new(names::HTTP_RESPONSE_STATUS_CODE, status));
        }
        attributes
    }
}
