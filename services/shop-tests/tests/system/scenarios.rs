//! The five scenarios, each in three signals: its golden tree, its log events and its metrics.

use std::time::Duration;

use contract::metrics;
use telemetry_testing::{Trace, poll};

use crate::http::Reply;
use crate::shop::{Shop, alone, expect_total};

const RESERVE: &str = "shop.inventory.v1.InventoryService/Reserve";

#[tokio::test]
async fn normal_is_an_order_like_any_other() {
    run("normal", 201, "placed", "order INFO order.placed").await;
}

#[tokio::test]
async fn product_error_fails_the_order_with_the_error_of_product() {
    let logs = "product WARN fault.injected
        product ERROR product.lookup.failed
        order ERROR order.failed
        gateway ERROR gateway.request.failed";
    let (shop, _) = run("product-error", 502, "failed", logs).await;
    shop.series("http.server.request.duration", "product")
        .unit("s")
        .attribute("http.route", "/products/{id}")
        .attribute("http.response.status_code", 500_i64)
        .attribute("error.type", "500")
        .eventually();
}

#[tokio::test]
async fn inventory_timeout_is_a_deadline_on_the_client_and_a_cancelled_server() {
    let _alone = alone().await;
    let logs = "order ERROR order.failed
        gateway ERROR gateway.request.failed";
    let (shop, reply) = run("inventory-timeout", 504, "failed", logs).await;
    let expected = Duration::from_millis(2900)..Duration::from_millis(4000);
    assert!(expected.contains(&reply.took), "{:?}", reply.took);
    let calls = |metric: &str, service: &str| {
        let calls = shop.series(metric, service).unit("s");
        calls.attribute("rpc.method", RESERVE)
    };
    calls("rpc.client.call.duration", "order")
        .attribute("rpc.response.status_code", "DEADLINE_EXCEEDED")
        .eventually();
    calls("rpc.server.call.duration", "inventory")
        .attribute("error.type", "cancelled")
        .eventually();
    // Whatever inventory did after order had given up, no unit stays reserved.
    poll("no reservation to be left", || {
        let count = |outcome: &str| shop.reservations(outcome).total().unwrap_or(0.0);
        let ended = count("released") + count("expired") + count("confirmed");
        match count("reserved") - ended {
            0.0 => Ok(()),
            left => Err(format!("{left} reservations")),
        }
    });
}

#[tokio::test]
async fn long_request_takes_its_time_in_one_span() {
    let logs = "product WARN fault.injected";
    let (shop, reply) = run("long-request", 201, "placed", logs).await;
    let is_slow = |duration: Duration| duration >= Duration::from_secs(5);
    assert!(is_slow(reply.took), "{:?}", reply.took);
    // Of all slow spans without a slow child there is one: the lookup itself.
    let trace = Trace::new(shop.sink.trace(&reply.trace_id()));
    let slow = trace.spans.iter().filter(|span| {
        let mut children = trace.children(&span.span_id);
        is_slow(span.duration()) && !children.any(|child| is_slow(child.duration()))
    });
    let titles: Vec<_> = slow.map(|span| span.title()).collect();
    assert_eq!(titles, ["INTERNAL product.lookup [product]"]);
}

#[tokio::test]
async fn out_of_stock_is_an_expected_outcome_and_no_error() {
    let logs = "order INFO order.rejected
        inventory INFO inventory.reservation.rejected";
    let (shop, reply) = run("out-of-stock", 409, "rejected", logs).await;
    let mut spans = shop.sink.trace(&reply.trace_id());
    spans.retain(|span| span.attributes.contains_key("error.type"));
    assert!(spans.is_empty(), "{spans:?}");
    expect_total(&shop.reservations("rejected"), 1.0);
}

/// Runs a scenario and checks its answer, its golden tree, the outcome of its one order and its log events, given as
/// `service SEVERITY event` on a line each.
async fn run(name: &str, status: u16, outcome: &str, logs: &str) -> (Shop, Reply) {
    let shop = Shop::start();
    let reply = shop.scenario(name).await;
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.body["scenario"], name, "{reply:?}");
    assert_eq!(reply.body["status"], status, "{reply:?}");
    assert!(reply.body["duration_ms"].is_number(), "{reply:?}");
    for link in ["trace", "logs", "metrics"] {
        let link = reply.body["links"][link].as_str().unwrap();
        assert!(link.starts_with("http://"), "{link}");
    }
    let trace = reply.trace_id();
    shop.expect_tree(&trace, name);
    for line in logs.lines() {
        let [service, severity, event] = *Vec::from_iter(line.split_whitespace()) else {
            panic!("{line:?} is no `service SEVERITY event`");
        };
        let log = shop.sink.log().service(service).event(event);
        log.severity(severity).trace(&trace).eventually();
    }
    expect_total(&shop.orders(outcome), 1.0);
    expect_total(&shop.sink.metric(metrics::ORDERS), 1.0);
    let requests = shop.series("http.server.request.duration", "gateway");
    let requests = requests.attribute("http.route", "/api/scenarios/{name}");
    let requests = requests
        .unit("s")
        .attribute("http.response.status_code", status);
    expect_total(&requests, 1.0);
    (shop, reply)
}
