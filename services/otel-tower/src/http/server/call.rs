use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Histogram, UpDownCounter};

use crate::call::{BodyEnd, Bound, Call, End, ErrorType, Judge, Outcome};
use crate::http::RouteSlot;
use crate::http::message::{body_end, span_name};
use crate::{Instrumentation, names};

const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

#[derive(Debug)]
pub struct ServerCall {
    pub(super) metrics: Arc<Metrics>,
    pub(super) method: &'static str,
    pub(super) scheme: &'static str,
    pub(super) version: Option<&'static str>,
    pub(super) route: RouteSlot,
    pub(super) status: Option<u16>,
    /// The header that a public server adds to its response.
    pub(super) traceresponse: Option<HeaderValue>,
}

#[derive(Debug)]
pub(super) struct Metrics {
    duration: Histogram<f64>,
    durations: Bound<Labels, BoundHistogram<f64>>,
    active: UpDownCounter<i64>,
    actives: Bound<(&'static str, &'static str), BoundUpDownCounter<i64>>,
}

/// The attribute set of the duration: every field has few values, whatever callers send.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Labels {
    method: &'static str,
    scheme: &'static str,
    version: Option<&'static str>,
    route: Option<&'static str>,
    status: Option<u16>,
    error: Option<ErrorType>,
}

// === impl ServerCall ===

impl Call for ServerCall {
    fn head(&mut self, parts: &mut Parts) -> BodyEnd {
        self.status = Some(parts.status.as_u16());
        if let Some(value) = self.traceresponse.take() {
            parts.headers.insert(TRACERESPONSE, value);
        }
        body_end(self.method == Method::HEAD.as_str(), parts)
    }

    fn trailers(&mut self, _: &HeaderMap) {}

    fn outcome(self, end: End) -> Outcome {
        let route = self.route.get();
        let error = match (self.status, end) {
            (Some(status @ 500..), _) => Some(status.to_string().into()),
            (_, End::Complete) => None,
            (_, End::Failed(class)) => Some(class.into()),
            (_, End::Cancelled) => Some(names::CANCELLED.into()),
            (_, End::Panicked) => Some(names::PANIC.into()),
        };
        let mut attributes = Vec::new();
        if let Some(route) = route {
            attributes.push(KeyValue::new(names::HTTP_ROUTE, route));
        }
        if let Some(status) = self.status {
            let status = i64::from(status);
            attributes.push(KeyValue::new(names::HTTP_RESPONSE_STATUS_CODE, status));
        }
        let labels = Labels {
            method: self.method,
            scheme: self.scheme,
            version: self.version,
            route,
            status: self.status,
            error: error.clone(),
        };
        Outcome {
            name: route.map(|route| span_name(self.method, Some(route))),
            attributes,
            error,
            duration: self.metrics.duration(labels),
        }
    }
}

impl<E> Judge<E> for ServerCall {
    type Error = E;

    fn judge(error: E) -> (&'static str, E) {
        ("other", error)
    }
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(instrumentation: &Instrumentation) -> Self {
        Self {
            duration: instrumentation.duration(
                names::HTTP_SERVER_REQUEST_DURATION,
                "Duration of HTTP server requests, to the end of the response body.",
            ),
            durations: Bound::new(),
            active: instrumentation.active(
                names::HTTP_SERVER_ACTIVE_REQUESTS,
                "{request}",
                "HTTP requests the server is working on.",
            ),
            actives: Bound::new(),
        }
    }

    pub(super) fn active(
        &self,
        method: &'static str,
        scheme: &'static str,
    ) -> BoundUpDownCounter<i64> {
        self.actives.get((method, scheme), |_| {
            self.active.bind(&[
                KeyValue::new(names::HTTP_REQUEST_METHOD, method),
                KeyValue::new(names::URL_SCHEME, scheme),
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
            KeyValue::new(names::HTTP_REQUEST_METHOD, self.method),
            KeyValue::new(names::URL_SCHEME, self.scheme),
        ];
        if let Some(version) = self.version {
            attributes.push(KeyValue::new(names::NETWORK_PROTOCOL_VERSION, version));
        }
        if let Some(route) = self.route {
            attributes.push(KeyValue::new(names::HTTP_ROUTE, route));
        }
        if let Some(status) = self.status {
            let status = i64::from(status);
            attributes.push(KeyValue::new(names::HTTP_RESPONSE_STATUS_CODE, status));
        }
        if let Some(error) = &self.error {
            attributes.push(KeyValue::new(names::ERROR_TYPE, error.clone()));
        }
        attributes
    }
}
