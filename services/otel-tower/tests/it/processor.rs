//! What a span processor of the program may do while a layer starts a span.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use opentelemetry::Context;
use opentelemetry::metrics::noop::NoopMeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use otel_tower::{Instrumentation, grpc, http as otel_http};
use tower::{Layer, ServiceExt, service_fn};

/// Attaches a context of its own, as one that logs under a suppressed scope does.
#[derive(Debug)]
struct Attaching;

impl SpanProcessor for Attaching {
    fn on_start(&self, _: &mut Span, _: &Context) {
        drop(Context::new().attach());
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[tokio::test]
async fn a_client_starts_its_span_where_a_processor_may_attach_a_context() {
    let tracers = SdkTracerProvider::builder()
        .with_span_processor(Attaching)
        .build();
    let propagator = TraceContextPropagator::new();
    let instrumentation = Instrumentation::new(&tracers, &NoopMeterProvider::new(), propagator);
    let answer = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });

    let target = Uri::from_static("http://127.0.0.1:1");
    let http = otel_http::ClientLayer::new(&instrumentation).layer(answer);
    let request = Request::get(&target).body(()).unwrap();
    assert_eq!(http.oneshot(request).await.unwrap().status(), 200);
    let grpc = grpc::ClientLayer::new(&instrumentation, &target).layer(answer);
    let request = Request::post(&target).body(()).unwrap();
    assert_eq!(grpc.oneshot(request).await.unwrap().status(), 200);
}
