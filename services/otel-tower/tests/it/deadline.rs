use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};
use opentelemetry::trace::SpanKind;
use otel_tower::grpc::{ClientLayer, ServerLayer};
use tonic::Code;
use tower::{Layer, ServiceExt, service_fn};

use crate::health::{CHECK, TestHealth, WATCH, request};
use crate::servers::{client_layer, health_client, tonic_server};
use crate::telemetry::{Telemetry, attributes, is_error};

const SHORT: Duration = Duration::from_millis(50);
const CLIENT: (&str, &str) = ("rpc.client.call.duration", "rpc.client.active_calls");
const SERVER: (&str, &str) = ("rpc.server.call.duration", "rpc.server.active_calls");

/// A call that is too slow, before or after its first message.
async fn check(method: &'static str) {
    let telemetry = Telemetry::new();
    let served = Telemetry::new();
    let layer = ServerLayer::new(&served.instrumentation, &[CHECK, WATCH]);
    let server = tonic_server(layer, TestHealth::default()).await;
    let layer = client_layer(&telemetry, &server).deadline(SHORT);
    let mut client = health_client(layer, &server).await;

    let began = Instant::now();
    let status = if method == CHECK {
        client.check(request("hang")).await.unwrap_err()
    } else {
        let mut messages = client.watch(request("hang")).await.unwrap().into_inner();
        messages.message().await.unwrap().unwrap();
        messages.message().await.unwrap_err()
    };
    assert!(began.elapsed() >= SHORT);
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "deadline exceeded");

    let span = telemetry.span(SpanKind::Client).await;
    assert_eq!(span.name, method);
    assert!(is_error(&span));
    let point = telemetry.settled(CLIENT.0, CLIENT.1).await;
    for found in [attributes(&span), point.attributes] {
        assert_eq!(found["rpc.response.status_code"], "DEADLINE_EXCEEDED");
        assert_eq!(found["error.type"], "DEADLINE_EXCEEDED");
    }

    // tonic's server watches `grpc-timeout` too, outside our layer: either way the call is dropped.
    let span = served.span(SpanKind::Server).await;
    assert_eq!(attributes(&span)["error.type"], "cancelled");
    served.settled(SERVER.0, SERVER.1).await;
}

#[tokio::test]
async fn past_the_deadline_a_call_without_an_answer_is_deadline_exceeded() {
    check(CHECK).await;
}

#[tokio::test]
async fn past_the_deadline_a_stream_that_has_begun_is_deadline_exceeded() {
    check(WATCH).await;
}

#[tokio::test]
async fn a_call_within_its_deadline_is_left_alone() {
    let telemetry = Telemetry::new();
    let layer = ServerLayer::new(&Telemetry::new().instrumentation, &[]);
    let server = tonic_server(layer, TestHealth::default()).await;
    let layer = client_layer(&telemetry, &server).deadline(Duration::from_secs(60));
    let mut client = health_client(layer, &server).await;
    client.check(request("")).await.unwrap();
    let span = telemetry.span(SpanKind::Client).await;
    assert_eq!(attributes(&span)["rpc.response.status_code"], "OK");
    telemetry.settled(CLIENT.0, CLIENT.1).await;
}

#[tokio::test]
async fn a_callers_own_shorter_timeout_holds_and_is_not_reported_as_cancelled() {
    let telemetry = Telemetry::new();
    let layer = ServerLayer::new(&Telemetry::new().instrumentation, &[]);
    let server = tonic_server(layer, TestHealth::default()).await;
    let layer = client_layer(&telemetry, &server).deadline(Duration::from_secs(60));
    let mut client = health_client(layer, &server).await;
    let mut call = tonic::Request::new(request("hang"));
    call.set_timeout(SHORT);
    let status = client.check(call).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_server_is_told_the_deadline() {
    let telemetry = Telemetry::new();
    let (sender, mut headers) = tokio::sync::mpsc::unbounded_channel::<HeaderMap>();
    let transport = service_fn(move |request: Request<()>| {
        sender.send(request.headers().clone()).unwrap();
        async {
            Ok::<_, std::io::Error>(Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
        }
    });
    let target = http::Uri::from_static("http://127.0.0.1:1");
    let layer = ClientLayer::new(&telemetry.instrumentation, &target).deadline(SHORT);
    let call = Request::post("/a.B/C").body(()).unwrap();
    drop(layer.layer(transport).oneshot(call).await.unwrap());
    assert_eq!(headers.recv().await.unwrap()["grpc-timeout"], "50000u");
}
