//! What the gateway takes from outside, and what it never does.

use telemetry_testing::poll_async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shop::{Answer, Shop};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Sends these bytes and returns the whole answer.
pub(crate) async fn raw(shop: &Shop, request: &str) -> String {
    let mut stream = TcpStream::connect(shop.gateway.listening()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_asked_for_from_outside_has_no_effect() {
    let shop = Shop::open_with(&[("SHOP_FAULTS", "on")]).await;
    let asking = shop
        .ordering()
        .header("baggage", "shop.fault=product-error,tenant=a");
    assert_eq!(Answer::of(asking).await.status, 201);
    assert_eq!(shop.peers.placed()[0].baggage, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_baggage_is_let_in() {
    let shop = Shop::open_with(&[("SHOP_BAGGAGE_ALLOW", "tenant")]).await;
    Answer::of(
        shop.ordering()
            .header("baggage", "shop.fault=long-request,tenant=a,user=b"),
    )
    .await;
    assert_eq!(shop.peers.placed()[0].baggage.as_deref(), Some("tenant=a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_is_linked_and_not_continued() {
    let shop = Shop::open().await;
    let answer = Answer::of(shop.ordering().header("traceparent", TRACEPARENT)).await;
    assert_ne!(answer.trace_id(), TRACE_ID);
    let server = shop.sink.span("POST /api/orders").trace(&answer.trace_id());
    let server = poll_async("the server span", || server.find()).await;
    assert_eq!(server.parent_span_id, None);
    let linked: Vec<_> = server
        .links
        .iter()
        .map(|link| link.trace_id.as_str())
        .collect();
    assert_eq!(linked, [TRACE_ID]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_callers_trace_is_continued() {
    let shop = Shop::open_with(&[("SHOP_TRUST_CALLER", "on")]).await;
    let answer = Answer::of(shop.ordering().header("traceparent", TRACEPARENT)).await;
    assert_eq!(answer.trace_id(), TRACE_ID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_caller_without_a_trace_gets_one() {
    let shop = Shop::open_with(&[("SHOP_TRUST_CALLER", "on")]).await;
    let answer = shop.order().await;
    let server = shop.sink.span("POST /api/orders").trace(&answer.trace_id());
    let server = poll_async("the server span", || server.find()).await;
    assert_eq!(server.parent_span_id, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_traceparent_is_ignored_counted_and_served() {
    let shop = Shop::open().await;
    let broken = shop.ordering().header("traceparent", "00-nonsense");
    assert_eq!(Answer::of(broken).await.status, 201);
    let ignored = shop.sink.metric("otel_tower.context.ignored");
    let ignored = ignored.attribute("otel_tower.header", "traceparent");
    poll_async("it to be counted", || ignored.total_is(1.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matches_is_a_problem_with_a_trace_and_no_route() {
    let shop = Shop::open().await;
    let unknown = shop.get("/api/nothing/here").await;
    unknown.is_problem(404);
    shop.get("/api/orders").await.is_problem(405);
    shop.post("/api/products").await.is_problem(405);

    let span = shop
        .sink
        .span("GET")
        .trace(&unknown.trace_id())
        .without_attribute("http.route");
    poll_async("the span, named by its method alone", || span.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn query_strings_do_not_get_into_telemetry() {
    let shop = Shop::open().await;
    let answer = shop.get("/api/products?token=secret-in-the-query").await;
    let span = shop
        .sink
        .span("GET /api/products")
        .trace(&answer.trace_id());
    let span = poll_async("the server span", || span.find()).await;
    assert!(
        !format!("{span:?}").contains("secret-in-the-query"),
        "{span:?}"
    );
}
