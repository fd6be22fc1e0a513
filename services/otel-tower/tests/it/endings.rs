//! However work ends, each thing it started ends once: every way, for each of the four layers.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use opentelemetry::trace::SpanKind;
use otel_tower::{grpc, http as otel_http};
use tokio::task::JoinSet;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::health::{CHECK, HealthClient, TestHealth, request};
use crate::servers::{channel, get, tonic_server, warp_server};
use crate::telemetry::{Telemetry, attributes, is_error};

/// How the inner service, or whoever waits for it, ends the work.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    FutureDropped,
    BodyDropped,
    ServicePanics,
    BodyPanics,
    ServiceFails,
    BodyFails,
    /// All of `content-length` is read and the body dropped, as transports do.
    LengthReached,
}

use Way::*;

type Frames = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;

async fn inner(way: Way) -> io::Result<Response<StreamBody<Frames>>> {
    match way {
        FutureDropped => return pending().await,
        ServicePanics => panic!("asked to"),
        ServiceFails => return Err(io::Error::other("asked to")),
        _ => {}
    }
    let first = tokio_stream::once(Ok(Frame::data(Bytes::from_static(b"data"))));
    let failure = tokio_stream::once(()).map(move |()| {
        assert_ne!(way, BodyPanics, "asked to");
        Err(io::Error::other("asked to"))
    });
    let frames: Frames = match way {
        BodyPanics | BodyFails => Box::pin(first.chain(failure)),
        _ => Box::pin(first.chain(tokio_stream::pending())),
    };
    let mut response = Response::new(StreamBody::new(frames));
    if way == LengthReached {
        response.headers_mut().insert("content-length", 4.into());
    }
    Ok(response)
}

/// Runs one request to its end, in a task, so that a panic ends where a server's would.
async fn run<S, B>(service: S, way: Way)
where
    S: Service<Request<()>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body<Data = Bytes> + Send,
    B::Error: Send,
{
    let mut task = JoinSet::new();
    task.spawn(async move {
        let request = Request::post("http://shop.example/grpc.health.v1.Health/Check");
        let mut call = pin!(service.oneshot(request.body(()).unwrap()));
        if way == FutureDropped {
            let polled = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            return;
        }
        let Ok(response) = call.await else { return };
        let mut body = pin!(response.into_body());
        assert!(body.frame().await.unwrap().is_ok());
        if let BodyFails | BodyPanics = way {
            assert!(body.frame().await.unwrap().is_err());
        }
    });
    let panicked = task.join_next().await.unwrap().is_err();
    assert_eq!(
        panicked,
        matches!(way, ServicePanics | BodyPanics),
        "{way:?}"
    );
}

/// What the span and the duration must say: `error.type` and, for gRPC, the status.
async fn settled(telemetry: &Telemetry, kind: SpanKind, prefix: &str, expected: &[Option<&str>]) {
    let [duration, active] = match prefix {
        "http" => ["request.duration", "active_requests"],
        _ => ["call.duration", "active_calls"],
    };
    let side = if kind == SpanKind::Server {
        "server"
    } else {
        "client"
    };
    let span = telemetry.span(kind).await;
    assert_eq!(is_error(&span), expected[0].is_some());
    let metric = |name| format!("{prefix}.{side}.{name}");
    let point = telemetry.settled(&metric(duration), &metric(active)).await;
    for found in [attributes(&span), point.attributes] {
        let keys = ["error.type", "rpc.response.status_code"];
        for (key, expected) in keys.into_iter().zip(expected) {
            assert_eq!(found.get(key).map(String::as_str), *expected, "{key}");
        }
    }
}

#[tokio::test]
async fn an_http_server_request_ends_once_whichever_way() {
    for (way, error) in [
        (FutureDropped, Some("cancelled")),
        (BodyDropped, Some("cancelled")),
        (ServicePanics, Some("panic")),
        (BodyPanics, Some("panic")),
        (ServiceFails, Some("other")),
        (BodyFails, Some("body")),
        (LengthReached, None),
    ] {
        let telemetry = Telemetry::new();
        let layer = otel_http::ServerLayer::new(&telemetry.instrumentation);
        run(layer.layer(service_fn(move |_| inner(way))), way).await;
        settled(&telemetry, SpanKind::Server, "http", &[error]).await;
    }
}

#[tokio::test]
async fn an_http_client_request_ends_once_whichever_way() {
    for (way, error) in [
        (FutureDropped, Some("cancelled")),
        (BodyDropped, Some("cancelled")),
        (ServicePanics, Some("panic")),
        (BodyPanics, Some("panic")),
        (ServiceFails, Some("other")),
        (BodyFails, Some("body")),
        (LengthReached, None),
    ] {
        let telemetry = Telemetry::new();
        let layer = otel_http::ClientLayer::new(&telemetry.instrumentation);
        run(layer.layer(service_fn(move |_| inner(way))), way).await;
        settled(&telemetry, SpanKind::Client, "http", &[error]).await;
    }
}

#[tokio::test]
async fn a_grpc_server_call_ends_once_whichever_way() {
    for (way, error, status) in [
        (FutureDropped, "cancelled", "CANCELLED"),
        (BodyDropped, "cancelled", "CANCELLED"),
        (ServicePanics, "panic", "INTERNAL"),
        (BodyPanics, "panic", "INTERNAL"),
        (ServiceFails, "INTERNAL", "INTERNAL"),
        (BodyFails, "INTERNAL", "INTERNAL"),
        // A length says nothing about the trailers, which are still to come.
        (LengthReached, "cancelled", "CANCELLED"),
    ] {
        let telemetry = Telemetry::new();
        let layer = grpc::ServerLayer::new(&telemetry.instrumentation, &[CHECK]);
        run(layer.layer(service_fn(move |_| inner(way))), way).await;
        settled(
            &telemetry,
            SpanKind::Server,
            "rpc",
            &[Some(error), Some(status)],
        )
        .await;
    }
}

#[tokio::test]
async fn a_grpc_client_call_ends_once_whichever_way() {
    for (way, error, status) in [
        (FutureDropped, "cancelled", "CANCELLED"),
        (BodyDropped, "cancelled", "CANCELLED"),
        (ServicePanics, "panic", "INTERNAL"),
        (BodyPanics, "panic", "INTERNAL"),
        (ServiceFails, "UNAVAILABLE", "UNAVAILABLE"),
        (BodyFails, "UNAVAILABLE", "UNAVAILABLE"),
        (LengthReached, "cancelled", "CANCELLED"),
    ] {
        let telemetry = Telemetry::new();
        let target = http::Uri::from_static("http://shop.example");
        let layer = grpc::ClientLayer::new(&telemetry.instrumentation, &target);
        run(layer.layer(service_fn(move |_| inner(way))), way).await;
        settled(
            &telemetry,
            SpanKind::Client,
            "rpc",
            &[Some(error), Some(status)],
        )
        .await;
    }
}

/// A body that learns after its last frame that there are no more, as HTTP/2 bodies do.
struct LateEnd(Arc<AtomicBool>);

impl Body for LateEnd {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data")))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_body_dropped_after_its_last_frame_is_complete_also_if_its_end_shows_late() {
    let telemetry = Telemetry::new();
    let ended = Arc::new(AtomicBool::new(false));
    let body = LateEnd(Arc::clone(&ended));
    let mut response = Some(Response::new(body));
    let service = service_fn(move |_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(response.take().unwrap()))
    });
    let layer = otel_http::ClientLayer::new(&telemetry.instrumentation);
    let response = layer.layer(service).oneshot(Request::new(())).await;
    let mut body = response.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    ended.store(true, Ordering::Relaxed);
    drop(body);
    settled(&telemetry, SpanKind::Client, "http", &[None]).await;
}

#[tokio::test]
async fn an_http_caller_that_disconnects_cancels_the_request() {
    let telemetry = Telemetry::new();
    let hanging = Arc::new(tokio::sync::Notify::new());
    let begun = Arc::clone(&hanging);
    let routes = warp::Filter::then(warp::path!("hang"), move || {
        begun.notify_one();
        pending::<String>()
    });
    let layer = otel_http::ServerLayer::new(&telemetry.instrumentation);
    let server = warp_server(layer, warp::Filter::boxed(routes)).await;

    let mut caller = JoinSet::new();
    caller.spawn(crate::servers::fetch(get(&server.url("/hang"))));
    hanging.notified().await;
    assert_eq!(telemetry.counted("http.server.active_requests")[0].value, 1);
    caller.shutdown().await;
    settled(&telemetry, SpanKind::Server, "http", &[Some("cancelled")]).await;
}

#[tokio::test]
async fn a_grpc_caller_that_gives_up_cancels_the_call_on_both_sides() {
    let telemetry = Telemetry::new();
    let health = TestHealth::default();
    let layer = grpc::ServerLayer::new(&telemetry.instrumentation, &[CHECK]);
    let server = tonic_server(layer, health.clone()).await;
    let called = Telemetry::new();
    let layer = crate::servers::client_layer(&called, &server);
    let mut client = HealthClient::new(layer.layer(channel(&server).await));

    let mut caller = JoinSet::new();
    caller.spawn(async move { drop(client.check(request("hang")).await) });
    health.hanging.notified().await;
    assert_eq!(telemetry.counted("rpc.server.active_calls")[0].value, 1);
    assert_eq!(called.counted("rpc.client.active_calls")[0].value, 1);
    caller.shutdown().await;
    let cancelled = [Some("cancelled"), Some("CANCELLED")];
    settled(&telemetry, SpanKind::Server, "rpc", &cancelled).await;
    settled(&called, SpanKind::Client, "rpc", &cancelled).await;
}

#[tokio::test]
async fn a_panic_in_a_grpc_handler_settles_the_call() {
    let telemetry = Telemetry::new();
    let layer = grpc::ServerLayer::new(&telemetry.instrumentation, &[CHECK]);
    let server = tonic_server(layer, TestHealth::default()).await;
    let mut client = HealthClient::new(channel(&server).await);
    client.check(request("panic")).await.unwrap_err();
    settled(
        &telemetry,
        SpanKind::Server,
        "rpc",
        &[Some("panic"), Some("INTERNAL")],
    )
    .await;
}
