use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanKind};
use tower::Service;

use super::call::{Metrics, ServerCall};
use crate::address::{clipped, default_port, host_and_port, scheme};
use crate::call::{Guard, ResponseBody, ResponseFuture};
use crate::grpc::method;
use crate::{Instrumentation, PeerAddr, names, propagation};

/// A gRPC service behind a [`ServerLayer`](super::ServerLayer).
#[derive(Clone, Debug)]
pub struct Server<S> {
    pub(super) inner: S,
    pub(super) instrumentation: Instrumentation,
    pub(super) metrics: Arc<Metrics>,
    pub(super) methods: &'static [&'static str],
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let requested = method::requested(request.uri());
        let method = method::known(self.methods, requested).unwrap_or(names::OTHER);

        let caller = propagation::extract(&self.instrumentation, request.headers());
        let span = SpanBuilder::from_name(method)
            .with_kind(SpanKind::Server)
            .with_attributes(attributes(&request, method));
        let context = self.instrumentation.start(span, &caller);

        let call = ServerCall {
            metrics: Arc::clone(&self.metrics),
            method,
            http_status: None,
            code: None,
        };
        let guard = Guard::start(context, self.metrics.active(method), call);
        ResponseFuture::start(guard, || self.inner.call(request))
    }
}

fn attributes<B>(request: &Request<B>, method: &'static str) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"),
        KeyValue::new(names::RPC_METHOD, method),
    ];
    if method == names::OTHER {
        let original = clipped(method::requested(request.uri()));
        attributes.push(KeyValue::new(names::RPC_METHOD_ORIGINAL, original));
    }
    if let Some(authority) = request.uri().authority() {
        let (host, port) = host_and_port(authority);
        let port = port.unwrap_or_else(|| default_port(scheme(request.uri())));
        attributes.push(KeyValue::new(names::SERVER_ADDRESS, host));
        attributes.push(KeyValue::new(names::SERVER_PORT, i64::from(port)));
    }
    if let Some(PeerAddr(peer)) = request.extensions().get() {
        attributes.extend(PeerAddr(*peer).attributes());
    }
    attributes
}
