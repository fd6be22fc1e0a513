use otel_tower::grpc;
use otel_tower::http::ServerLayer;
use telemetry_testing::poll_async;
use warp::Filter;

use crate::health::{CHECK, TestHealth, request};
use crate::servers::{
    client_layer, get, health_client, http_client, send, tonic_server, warp_server,
};
use crate::telemetry::Telemetry;

#[tokio::test]
async fn every_metric_has_its_unit_and_every_duration_the_advised_buckets() {
    let telemetry = Telemetry::new();
    let layer = grpc::ServerLayer::new(&telemetry.instrumentation, &[CHECK]);
    let server = tonic_server(layer, TestHealth::default()).await;
    let mut client = health_client(client_layer(&telemetry, &server), &server).await;
    client.check(request("")).await.unwrap();
    let routes = warp::any().map(|| "here").boxed();
    let server = warp_server(ServerLayer::new(&telemetry.instrumentation), routes).await;
    send(&http_client(&telemetry), get(&server.url("/"))).await;

    let shapes = poll_async("nine metrics", || {
        let shapes = telemetry.shapes();
        if shapes.len() == 9 {
            Ok(shapes)
        } else {
            Err(shapes)
        }
    })
    .await;
    let seconds = [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    ];
    for (name, unit) in [
        ("http.client.active_requests", "{request}"),
        ("http.client.request.duration", "s"),
        ("http.server.active_requests", "{request}"),
        ("http.server.request.duration", "s"),
        ("otel_tower.context.ignored", "{header}"),
        ("rpc.client.active_calls", "{call}"),
        ("rpc.client.call.duration", "s"),
        ("rpc.server.active_calls", "{call}"),
        ("rpc.server.call.duration", "s"),
    ] {
        let buckets = if unit == "s" {
            seconds.to_vec()
        } else {
            Vec::new()
        };
        assert_eq!(shapes[name], (unit.to_owned(), buckets), "{name}");
    }
}
