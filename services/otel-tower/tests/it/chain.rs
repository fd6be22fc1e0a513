//! HTTP to gRPC to HTTP, each hop a real server on loopback: one trace.

use std::sync::Arc;

use http::{HeaderMap, Response};
use opentelemetry::baggage::{Baggage, BaggageExt};
use opentelemetry::trace::{FutureExt, SpanId};
use opentelemetry::{Context, trace::SpanKind};
use opentelemetry_sdk::trace::SpanData;
use otel_tower::grpc;
use otel_tower::http::{ServerLayer, UrlTemplate, route};
use telemetry_testing::poll_async;
use warp::Filter;

use crate::health::{CHECK, TestHealth, request};
use crate::servers::{
    client_layer, get, health_client, http_client, send, tonic_server, warp_server,
};
use crate::telemetry::Telemetry;

#[tokio::test]
async fn a_request_over_three_hops_is_one_trace_and_its_baggage_arrives() {
    let telemetry = Arc::new(Telemetry::new());

    // The last server answers with the baggage header that reached it.
    let last = warp::path!("products" / u64)
        .and(warp::get())
        .and(route("/products/{id}"))
        .and(warp::header::headers_cloned())
        .map(|_, headers: HeaderMap| headers["baggage"].to_str().unwrap().to_owned())
        .boxed();
    let last = warp_server(ServerLayer::new(&telemetry.instrumentation), last).await;

    let (sender, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let health = TestHealth {
        handler: Some(Arc::new({
            let telemetry = Arc::clone(&telemetry);
            let url = last.url("/products/7");
            move || {
                let (telemetry, url, sender) =
                    (Arc::clone(&telemetry), url.clone(), sender.clone());
                Box::pin(async move {
                    let mut request = get(&url);
                    request
                        .extensions_mut()
                        .insert(UrlTemplate("/products/{id}"));
                    let response = send(&http_client(&telemetry), request).await;
                    sender.send(response.into_body()).unwrap();
                })
            }
        })),
        ..TestHealth::default()
    };
    let layer = grpc::ServerLayer::new(&telemetry.instrumentation, &[CHECK]);
    let middle = tonic_server(layer, health).await;
    let client = health_client(client_layer(&telemetry, &middle), &middle).await;

    let first = warp::path!("orders")
        .and(warp::post())
        .and(route("/orders"))
        .then(move || {
            let mut client = client.clone();
            async move {
                client.check(request("call")).await.unwrap();
                Response::new("done".to_owned().into())
            }
        })
        .boxed();
    let layer = ServerLayer::new(&telemetry.instrumentation);
    let first = warp_server::<warp::reply::Response>(layer, first).await;

    let mut order = get(&first.url("/orders"));
    *order.method_mut() = http::Method::POST;
    let mut baggage = Baggage::new();
    baggage.insert("shop.fault", "product-error");
    let context = Context::new().with_baggage(baggage);
    let response = send(&http_client(&telemetry), order)
        .with_context(context)
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(arrived.recv().await.unwrap(), "shop.fault=product-error");

    let spans = poll_async("six spans", || {
        let spans = telemetry.spans();
        if spans.len() == 6 {
            Ok(spans)
        } else {
            Err(spans)
        }
    })
    .await;
    let expected = [
        (SpanKind::Client, "POST"),
        (SpanKind::Server, "POST /orders"),
        (SpanKind::Client, CHECK),
        (SpanKind::Server, CHECK),
        (SpanKind::Client, "GET /products/{id}"),
        (SpanKind::Server, "GET /products/{id}"),
    ];
    let mut parent = SpanId::INVALID;
    for (kind, name) in expected {
        let span = child_of(&spans, parent);
        assert_eq!((span.span_kind.clone(), &*span.name), (kind.clone(), name));
        assert_eq!(
            span.span_context.trace_id(),
            spans[0].span_context.trace_id()
        );
        assert_eq!(
            span.parent_span_is_remote,
            kind == SpanKind::Server,
            "{name}"
        );
        parent = span.span_context.span_id();
    }
}

fn child_of(spans: &[SpanData], parent: SpanId) -> &SpanData {
    let mut children = spans.iter().filter(|span| span.parent_span_id == parent);
    let child = children.next().unwrap();
    assert!(children.next().is_none(), "two children of {parent}");
    child
}
