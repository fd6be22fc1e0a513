use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HOST, USER_AGENT};
use http::uri::Authority;
use http::{Request, Response};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt};
use tower::Service;

use super::call::{Metrics, ServerCall};
use crate::address::{clipped, default_port, host_and_port, scheme};
use crate::call::{Guard, ResponseBody, ResponseFuture};
use crate::http::message::{known_method, span_name, version};
use crate::http::{Edge, RouteSlot};
use crate::{Instrumentation, PeerAddr, names, propagation};

/// An HTTP service behind a [`ServerLayer`](super::ServerLayer).
#[derive(Clone, Debug)]
pub struct Server<S> {
    pub(super) inner: S,
    pub(super) instrumentation: Instrumentation,
    pub(super) metrics: Arc<Metrics>,
    pub(super) edge: Arc<Edge>,
}

impl<S, B, RB> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    RB: Body,
{
    type Response = Response<ResponseBody<RB, ServerCall>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ServerCall>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let method = known_method(request.method()).unwrap_or(names::OTHER);
        let scheme = scheme(request.uri());

        let caller = propagation::extract(&self.instrumentation, request.headers());
        let (parent, links) = self.edge.admit(caller);
        let span = SpanBuilder::from_name(span_name(method, None))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes(&request, method, scheme))
            .with_links(links);
        let context = self.instrumentation.start(span, &parent);

        let route = RouteSlot::default();
        request.extensions_mut().insert(route.clone());
        let public = self.edge.is_public();
        let call = ServerCall {
            metrics: Arc::clone(&self.metrics),
            method,
            scheme,
            version: version(request.version()),
            route,
            status: None,
            traceresponse: public
                .then(|| propagation::traceresponse(context.span().span_context()))
                .flatten(),
        };
        let guard = Guard::start(context, self.metrics.active(method, scheme), call);
        ResponseFuture::start(guard, || self.inner.call(request))
    }
}

fn attributes<B>(
    request: &Request<B>,
    method: &'static str,
    scheme: &'static str,
) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new(names::HTTP_REQUEST_METHOD, method),
        KeyValue::new(names::URL_SCHEME, scheme),
        KeyValue::new(names::URL_PATH, clipped(request.uri().path())),
    ];
    if method == names::OTHER {
        let original = clipped(request.method().as_str());
        attributes.push(KeyValue::new(names::HTTP_REQUEST_METHOD_ORIGINAL, original));
    }
    if let Some(version) = version(request.version()) {
        attributes.push(KeyValue::new(names::NETWORK_PROTOCOL_VERSION, version));
    }
    if let Some((host, port)) = addressed_host(request) {
        let port = port.unwrap_or_else(|| default_port(scheme));
        attributes.push(KeyValue::new(names::SERVER_ADDRESS, host));
        attributes.push(KeyValue::new(names::SERVER_PORT, i64::from(port)));
    }
    if let Some(PeerAddr(peer)) = request.extensions().get() {
        attributes.extend(PeerAddr(*peer).attributes());
    }
    if let Some(agent) = header_text(request, &USER_AGENT) {
        attributes.push(KeyValue::new(names::USER_AGENT_ORIGINAL, clipped(agent)));
    }
    attributes
}

/// What the caller took for our address: the authority of the URI (HTTP/2), else `Host`.
fn addressed_host<B>(request: &Request<B>) -> Option<(String, Option<u16>)> {
    if let Some(authority) = request.uri().authority() {
        return Some(host_and_port(authority));
    }
    let host: Authority = header_text(request, &HOST)?.parse().ok()?;
    Some(host_and_port(&host))
}

fn header_text<'a, B>(request: &'a Request<B>, name: &http::HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
