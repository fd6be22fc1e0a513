use http::{Request, Response};
use opentelemetry::trace::SpanKind;
use otel_tower::grpc::ServerLayer;
use tonic::codegen::tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt;

use crate::health::{CHECK, HealthClient, TestHealth, WATCH, request};
use crate::servers::{Running, channel, tonic_server};
use crate::telemetry::{Telemetry, attributes, is_error};

const DURATION: &str = "rpc.server.call.duration";
const ACTIVE: &str = "rpc.server.active_calls";
const METHODS: &[&str] = &[CHECK, WATCH];

async fn client(telemetry: &Telemetry) -> (HealthClient<Channel>, Running) {
    let layer = ServerLayer::new(&telemetry.instrumentation, METHODS);
    let server = tonic_server(layer, TestHealth::default()).await;
    (HealthClient::new(channel(&server).await), server)
}

#[tokio::test]
async fn a_call_gives_a_span_and_a_duration_with_the_status_of_its_trailers() {
    let telemetry = Telemetry::new();
    let (mut client, _server) = client(&telemetry).await;
    client.check(request("")).await.unwrap();

    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.name, CHECK);
    assert!(!is_error(&span));
    let mut found = attributes(&span);
    assert!(found.remove("server.port").unwrap().starts_with("i:"));
    let expected = [
        ("rpc.method", CHECK),
        ("rpc.response.status_code", "OK"),
        ("rpc.system.name", "grpc"),
    ];
    let on_span = [expected.as_slice(), &[("server.address", "127.0.0.1")]].concat();
    let on_span = on_span
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(found, on_span.collect());

    telemetry.settled(DURATION, ACTIVE).await.assert(&expected);
    telemetry.points(ACTIVE)[0].assert(&[("rpc.method", CHECK), ("rpc.system.name", "grpc")]);
}

/// A call that fails with that code, before or after its first message: what the server recorded.
async fn check(code: Code, after_a_message: bool, error: Option<&str>) {
    let telemetry = Telemetry::new();
    let (mut client, _server) = client(&telemetry).await;
    let service = request(&i32::from(code).to_string());
    let status = if after_a_message {
        let mut messages = client.watch(service).await.unwrap().into_inner();
        messages.message().await.unwrap().unwrap();
        messages.message().await.unwrap_err()
    } else {
        client.check(service).await.unwrap_err()
    };
    assert_eq!(status.code(), code);
    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(is_error(&span), error.is_some(), "{code:?}");
    let point = telemetry.settled(DURATION, ACTIVE).await;
    for found in [attributes(&span), point.attributes] {
        assert_eq!(found.get("error.type").map(String::as_str), error);
        assert_ne!(found["rpc.response.status_code"], "OK");
    }
}

#[tokio::test]
async fn a_code_that_blames_the_server_is_an_error_and_one_that_blames_the_caller_is_none() {
    check(Code::Internal, false, Some("INTERNAL")).await;
    check(Code::Unavailable, true, Some("UNAVAILABLE")).await;
    check(Code::NotFound, false, None).await;
    check(Code::FailedPrecondition, true, None).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_trailers_and_not_with_its_first_message() {
    let telemetry = Telemetry::new();
    let (mut client, _server) = client(&telemetry).await;
    let messages = client.watch(request("")).await.unwrap().into_inner();
    let messages: Vec<Result<_, Status>> = messages.collect().await;
    assert_eq!(messages.len(), 1);
    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.name, WATCH);
    assert_eq!(attributes(&span)["rpc.response.status_code"], "OK");
    telemetry.settled(DURATION, ACTIVE).await;
}

#[tokio::test]
async fn a_method_outside_the_list_cannot_make_a_series() {
    let telemetry = Telemetry::new();
    let layer = ServerLayer::new(&telemetry.instrumentation, METHODS);
    let server = tonic_server(layer, TestHealth::default()).await;
    let call = Request::post(server.url("/made.up.Service/Method"))
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::empty())
        .unwrap();
    let response: Response<_> = channel(&server).await.oneshot(call).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "12");

    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.name, "_OTHER");
    let found = attributes(&span);
    assert_eq!(found["rpc.method"], "_OTHER");
    assert_eq!(found["rpc.method_original"], "made.up.Service/Method");
    assert_eq!(found["error.type"], "UNIMPLEMENTED");
    let point = telemetry.settled(DURATION, ACTIVE).await;
    assert_eq!(point.attributes["rpc.method"], "_OTHER");
    assert!(!point.attributes.contains_key("rpc.method_original"));
}
