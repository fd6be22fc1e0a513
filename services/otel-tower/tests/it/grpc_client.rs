use opentelemetry::trace::SpanKind;
use otel_tower::grpc::{ClientLayer, ServerLayer};
use tonic::Code;
use tonic::transport::Endpoint;
use tower::Layer;

use crate::health::{CHECK, HealthClient, TestHealth, WATCH, request};
use crate::servers::{Running, client_layer, health_client, tonic_server};
use crate::telemetry::{Telemetry, attributes, is_error};

const DURATION: &str = "rpc.client.call.duration";
const ACTIVE: &str = "rpc.client.active_calls";

/// A server with its own telemetry, which nobody reads.
async fn server() -> Running {
    let layer = ServerLayer::new(&Telemetry::new().instrumentation, &[]);
    tonic_server(layer, TestHealth::default()).await
}

#[tokio::test]
async fn a_call_gives_a_client_span_and_a_duration_with_the_target() {
    let telemetry = Telemetry::new();
    let server = server().await;
    let mut client = health_client(client_layer(&telemetry, &server), &server).await;
    client.check(request("")).await.unwrap();

    let span = telemetry.span(SpanKind::Client).await;
    assert_eq!(span.name, CHECK);
    assert!(!is_error(&span));
    let port = format!("i:{}", server.address.port());
    let target = [
        ("rpc.method", CHECK),
        ("rpc.system.name", "grpc"),
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
    ];
    let expected = [target.as_slice(), &[("rpc.response.status_code", "OK")]].concat();
    let on_span = expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    assert_eq!(attributes(&span), on_span.collect());
    telemetry.settled(DURATION, ACTIVE).await.assert(&expected);
    telemetry.points(ACTIVE)[0].assert(&target);
}

#[tokio::test]
async fn every_code_but_ok_is_an_error_in_headers_and_in_trailers() {
    for (code, name) in [(Code::NotFound, "NOT_FOUND"), (Code::Internal, "INTERNAL")] {
        for method in [CHECK, WATCH] {
            let telemetry = Telemetry::new();
            let server = server().await;
            let mut client = health_client(client_layer(&telemetry, &server), &server).await;
            let service = request(&i32::from(code).to_string());
            let status = if method == CHECK {
                client.check(service).await.unwrap_err()
            } else {
                let mut messages = client.watch(service).await.unwrap().into_inner();
                messages.message().await.unwrap().unwrap();
                messages.message().await.unwrap_err()
            };
            assert_eq!(status.code(), code);

            let span = telemetry.span(SpanKind::Client).await;
            assert!(is_error(&span), "{name} by {method}");
            let point = telemetry.settled(DURATION, ACTIVE).await;
            for found in [attributes(&span), point.attributes] {
                assert_eq!(found["rpc.response.status_code"], name);
                assert_eq!(found["error.type"], name);
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_unavailable() {
    let telemetry = Telemetry::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let channel = Endpoint::from_shared(target.clone())
        .unwrap()
        .connect_lazy();
    let layer = ClientLayer::new(&telemetry.instrumentation, &target.parse().unwrap());
    let mut client = HealthClient::new(layer.layer(channel));
    let status = client.check(request("")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);

    let found = attributes(&telemetry.span(SpanKind::Client).await);
    assert_eq!(found["rpc.response.status_code"], "UNAVAILABLE");
    assert_eq!(found["error.type"], "UNAVAILABLE");
    telemetry.settled(DURATION, ACTIVE).await;
}
