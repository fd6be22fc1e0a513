use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{SpanBuilder, SpanKind};
use tower::Service;

use super::call::{ClientCall, Metrics, Target};
use super::deadline::{DeadlineBody, DeadlineFuture};
use super::timeout;
use crate::address::clipped;
use crate::call::{Guard, ResponseBody, ResponseFuture};
use crate::grpc::method;
use crate::{BoxError, Instrumentation, propagation};

/// A gRPC client behind a [`ClientLayer`](super::ClientLayer).
#[derive(Clone, Debug)]
pub struct Client<S> {
    pub(super) inner: S,
    pub(super) instrumentation: Instrumentation,
    pub(super) metrics: Arc<Metrics>,
    pub(super) target: Arc<Target>,
    pub(super) deadline: Option<Duration>,
}

impl<S, B, RB> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    RB: Body,
{
    type Response = Response<ResponseBody<DeadlineBody<RB>, ClientCall>>;
    type Error = BoxError;
    type Future = ResponseFuture<DeadlineFuture<S::Future>, ClientCall>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let method: Arc<str> = clipped(method::requested(request.uri())).into();
        let span = SpanBuilder::from_name(method.to_string())
            .with_kind(SpanKind::Client)
            .with_attributes(self.target.attributes(&method));
        // Not within `map_current`: a sampler or span processor that attaches a context would panic there.
        let context = self.instrumentation.start(span, &OtelContext::current());
        propagation::inject(&self.instrumentation, &context, request.headers_mut());
        let limit = timeout::agree(request.headers_mut(), self.deadline);

        let active = self.metrics.active(&self.target, &method);
        let call = ClientCall {
            metrics: Arc::clone(&self.metrics),
            target: Arc::clone(&self.target),
            method,
            http_status: None,
            code: None,
        };
        let guard = Guard::start(context, active, call);
        ResponseFuture::start(guard, || {
            DeadlineFuture::new(self.inner.call(request), limit)
        })
    }
}
