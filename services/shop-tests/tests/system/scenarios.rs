//! The five scenarios, each in three signals.

use std::time::Duration;

use contract::metrics;
use telemetry_testing::{Kind, poll};

use crate::http::Reply;
use crate::shop::{Plan, Shop, alone};

const PLACE: &str = "shop.order.v1.OrderService/PlaceOrder";
const RESERVE: &str = "shop.inventory.v1.InventoryService/Reserve";
const ROUTE: &str = "/api/scenarios/{name}";

#[tokio::test]
async fn normal_is_an_order_like_any_other() {
    let (shop, reply) = run("normal", 201).await;
    let trace = reply.trace_id();
    assert!(shop.whole_trace(&trace).iter().all(|span| !span.is_error()));
    shop.sink
        .log()
        .event("order.placed")
        .trace(&trace)
        .severity("INFO")
        .eventually();
    outcome(&shop, "placed");
    counted(&shop, 201);
}

#[tokio::test]
async fn product_error_fails_the_order_and_says_where() {
    let (shop, reply) = run("product-error", 502).await;
    let trace = reply.trace_id();
    shop.whole_trace(&trace);
    let span = |name: &str| shop.sink.span(name).trace(&trace);
    span("GET /products/{id}")
        .service("product")
        .kind(Kind::Server)
        .error()
        .attribute("error.type", "500")
        .expect();
    span("product.lookup").service("product").error().expect();
    span("GET /products/{id}")
        .service("order")
        .kind(Kind::Client)
        .error()
        .attribute("error.type", "500")
        .expect();
    span("order.price").service("order").error().expect();
    span(PLACE)
        .service("order")
        .kind(Kind::Server)
        .error()
        .attribute("rpc.response.status_code", "INTERNAL")
        .expect();
    span(&format!("POST {ROUTE}"))
        .service("gateway")
        .kind(Kind::Server)
        .error()
        .attribute("http.response.status_code", 502_i64)
        .expect();
    // Nothing was reserved, so nothing has to be given back.
    span(RESERVE).none();

    let log = |event: &str| shop.sink.log().event(event).trace(&trace);
    log("fault.injected")
        .service("product")
        .severity("WARN")
        .eventually();
    log("product.lookup.failed")
        .service("product")
        .severity("ERROR")
        .eventually();
    log("order.failed")
        .service("order")
        .severity("ERROR")
        .eventually();
    log("gateway.request.failed")
        .service("gateway")
        .severity("ERROR")
        .eventually();
    outcome(&shop, "failed");
    counted(&shop, 502);
    shop.sink
        .metric("http.server.request.duration")
        .unit("s")
        .service("product")
        .attribute("http.route", "/products/{id}")
        .attribute("http.response.status_code", 500_i64)
        .attribute("error.type", "500")
        .eventually();
}

#[tokio::test]
async fn inventory_timeout_is_a_deadline_on_the_client_and_a_cancelled_server() {
    let _alone = alone().await;
    let (shop, reply) = run("inventory-timeout", 504).await;
    let waited = Duration::from_millis(2900)..Duration::from_millis(4000);
    assert!(waited.contains(&reply.took), "{:?}", reply.took);
    let trace = reply.trace_id();
    shop.whole_trace(&trace);
    let span = |name: &str| shop.sink.span(name).trace(&trace);
    let client = span(RESERVE)
        .service("order")
        .kind(Kind::Client)
        .error()
        .attribute("rpc.response.status_code", "DEADLINE_EXCEEDED")
        .attribute("error.type", "DEADLINE_EXCEEDED")
        .expect();
    assert!(
        waited.contains(&client.duration()),
        "{:?}",
        client.duration()
    );
    let server = span(RESERVE)
        .service("inventory")
        .kind(Kind::Server)
        .attribute("error.type", "cancelled")
        .eventually();
    assert_eq!(server.parent_span_id, Some(client.span_id));
    span(PLACE)
        .service("order")
        .kind(Kind::Server)
        .error()
        .attribute("rpc.response.status_code", "DEADLINE_EXCEEDED")
        .expect();
    span(&format!("POST {ROUTE}"))
        .service("gateway")
        .error()
        .attribute("http.response.status_code", 504_i64)
        .expect();

    shop.sink
        .log()
        .event("order.failed")
        .service("order")
        .trace(&trace)
        .severity("ERROR")
        .eventually();
    shop.sink
        .log()
        .event("gateway.request.failed")
        .service("gateway")
        .trace(&trace)
        .severity("ERROR")
        .eventually();
    outcome(&shop, "failed");
    counted(&shop, 504);
    shop.sink
        .metric("rpc.client.call.duration")
        .unit("s")
        .service("order")
        .attribute("rpc.method", RESERVE)
        .attribute("rpc.response.status_code", "DEADLINE_EXCEEDED")
        .eventually();
    shop.sink
        .metric("rpc.server.call.duration")
        .unit("s")
        .service("inventory")
        .attribute("rpc.method", RESERVE)
        .attribute("error.type", "cancelled")
        .eventually();
    stock_comes_back(&shop).await;
}

#[tokio::test]
async fn long_request_is_one_slow_span_that_explains_the_time() {
    let (shop, reply) = run("long-request", 201).await;
    assert!(reply.took >= Duration::from_secs(5), "{:?}", reply.took);
    let trace = reply.trace_id();
    let spans = shop.whole_trace(&trace);
    assert!(spans.iter().all(|span| !span.is_error()));
    // Of all spans without a child as slow, there is one: the lookup itself.
    let is_slow = |d: Duration| d >= Duration::from_secs(5);
    let has_slow_child = |id: &str| {
        spans
            .iter()
            .any(|s| s.parent_span_id.as_deref() == Some(id) && is_slow(s.duration()))
    };
    let slowest: Vec<_> = spans
        .iter()
        .filter(|s| is_slow(s.duration()) && !has_slow_child(&s.span_id))
        .collect();
    let names: Vec<_> = slowest
        .iter()
        .map(|s| (s.service(), s.name.as_str()))
        .collect();
    assert_eq!(names, [("product", "product.lookup")]);
    shop.sink
        .log()
        .event("fault.injected")
        .service("product")
        .trace(&trace)
        .eventually();
    outcome(&shop, "placed");
    counted(&shop, 201);
}

#[tokio::test]
async fn out_of_stock_is_an_expected_outcome_and_no_error() {
    let (shop, reply) = run("out-of-stock", 409).await;
    let trace = reply.trace_id();
    let spans = shop.whole_trace(&trace);
    let errors: Vec<_> = spans
        .iter()
        .filter(|s| s.is_error() || s.attributes.get("error.type").is_some())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    shop.sink
        .span(RESERVE)
        .trace(&trace)
        .kind(Kind::Server)
        .attribute("rpc.response.status_code", "OK")
        .expect();
    shop.sink
        .span(PLACE)
        .trace(&trace)
        .kind(Kind::Server)
        .attribute("rpc.response.status_code", "OK")
        .expect();
    shop.sink
        .log()
        .event("order.rejected")
        .service("order")
        .trace(&trace)
        .severity("INFO")
        .eventually();
    shop.sink
        .log()
        .event("inventory.reservation.rejected")
        .trace(&trace)
        .severity("INFO")
        .eventually();
    outcome(&shop, "rejected");
    counted(&shop, 409);
    let rejected = shop
        .sink
        .metric("shop.inventory.reservations")
        .service("inventory")
        .attribute("shop.reservation.outcome", "rejected");
    poll("one rejected reservation", || rejected.total_is(1.0));
}

#[tokio::test]
async fn faults_act_only_where_they_are_switched_on() {
    let shop = Plan::default().set("SHOP_FAULTS", "off").start();
    let reply = shop.scenario("product-error").await;
    reply.assert_problem(403);
    assert_eq!(
        shop.whole_trace(&reply.trace_id()).len(),
        1,
        "nobody behind the gateway was asked"
    );
    let normal = shop.scenario("normal").await;
    assert_eq!(normal.status, 201, "{normal:?}");
}

async fn run(name: &str, status: u16) -> (Shop, Reply) {
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
    (shop, reply)
}

/// The one order of the scenario ended so, and in no other way.
fn outcome(shop: &Shop, outcome: &str) {
    poll(&format!("one {outcome} order"), || {
        shop.orders(outcome).total_is(1.0)?;
        shop.sink.metric(metrics::ORDERS).total_is(1.0)
    });
}

fn counted(shop: &Shop, status: u16) {
    let requests = shop
        .sink
        .metric("http.server.request.duration")
        .unit("s")
        .service("gateway")
        .attribute("http.route", ROUTE)
        .attribute("http.response.status_code", status);
    poll("the request in the metrics", || requests.total_is(1.0));
}

/// Whatever inventory did after order had given up, no unit stays reserved.
async fn stock_comes_back(shop: &Shop) {
    let released = shop
        .sink
        .metric("shop.inventory.reservations")
        .service("inventory");
    poll("nothing reserved", || {
        let of = |outcome: &str| released_of(&released, outcome);
        let held = of("reserved") - of("released") - of("expired") - of("confirmed");
        if held == 0.0 {
            Ok(())
        } else {
            Err(format!("{held} reservations are held"))
        }
    });
}

fn released_of(
    points: &telemetry_testing::Matcher<telemetry_testing::Point>,
    outcome: &str,
) -> f64 {
    let of = points.matching();
    let of = of
        .iter()
        .filter(|p| p.attributes.text("shop.reservation.outcome") == Some(outcome));
    of.map(telemetry_testing::Point::value).sum()
}
