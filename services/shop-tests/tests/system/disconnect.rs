//! A client that disconnects cancels its request in every service, and nothing stays counted as in progress.

use std::collections::BTreeSet;

use telemetry_testing::{Kind, poll};

use crate::http::raw_sent;
use crate::shop::{Shop, expect_total};

const ACTIVE: [&str; 4] = [
    "http.server.active_requests",
    "http.client.active_requests",
    "rpc.server.active_calls",
    "rpc.client.active_calls",
];

#[tokio::test]
async fn a_client_that_disconnects_cancels_the_request_in_every_service() {
    let shop = Shop::start();
    let head = "POST /api/scenarios/long-request HTTP/1.1\r\nhost: shop";
    let request = format!("{head}\r\ncontent-length: 0\r\n\r\n");
    let client = raw_sent(shop.child("gateway").listening(), &request);

    // Product has started, and the metrics of all three count the request.
    for (service, metric) in [
        ("gateway", ACTIVE[0]),
        ("order", ACTIVE[2]),
        ("order", ACTIVE[1]),
        ("product", ACTIVE[0]),
    ] {
        expect_total(&shop.series(metric, service), 1.0);
    }
    drop(client);
    poll("no request in progress", || {
        let mut busy = shop.sink.latest_metrics();
        busy.retain(|p| ACTIVE.contains(&p.name.as_str()) && p.value() != 0.0);
        busy.is_empty().then_some(()).ok_or(busy)
    });

    let (scenario, lookup) = ("POST /api/scenarios/{name}", "GET /products/{id}");
    let place = "shop.order.v1.OrderService/PlaceOrder";
    let mut traces = BTreeSet::new();
    for (service, kind, name, metric) in [
        ("gateway", Kind::Server, scenario, "http.server.request"),
        ("gateway", Kind::Client, place, "rpc.client.call"),
        ("order", Kind::Server, place, "rpc.server.call"),
        ("order", Kind::Client, lookup, "http.client.request"),
        ("product", Kind::Server, lookup, "http.server.request"),
    ] {
        let span = shop.sink.span(name).service(service).kind(kind);
        let span = span.attribute("error.type", "cancelled").eventually();
        assert!(span.duration().as_secs() < 5, "ran to its end: {span:?}");
        traces.insert(span.trace_id);
        let series = shop.series(&format!("{metric}.duration"), service);
        series.attribute("error.type", "cancelled").eventually();
    }
    assert_eq!(traces.len(), 1, "{traces:?}");
    shop.whole_trace(traces.first().unwrap());
    expect_total(&shop.orders("cancelled"), 1.0);

    // The shop works as before.
    let product = shop.product().await;
    assert_eq!(shop.order(&product.id, 1).await.status, 201);
}
