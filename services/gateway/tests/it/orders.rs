//! `POST /api/orders` and `GET /api/orders/{id}`.

use serde_json::json;
use telemetry_testing::{poll_async, tree};
use tonic::Code;

use crate::shop::{Answer, Shop};
use crate::stand_in::{ORDER_ID, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_201_with_its_total_and_its_trace() {
    let shop = Shop::open().await;
    let answer = shop.order().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("location"), format!("/api/orders/{ORDER_ID}"));
    let expected = json!({
        "order_id": ORDER_ID,
        "status": "placed",
        "total": {"amount": 2500, "currency": "EUR"},
        "items": [{"product_id": "tea", "quantity": 2, "unit_price": {"amount": 1250, "currency": "EUR"}}],
        "created_at": "2026-01-01T00:00:00.000Z",
        "trace_id": answer.trace_id(),
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(shop.peers.placed()[0].items, [("tea".to_owned(), 2)]);

    let trace_id = answer.trace_id();
    let server = shop
        .sink
        .span("POST /api/orders")
        .trace(&trace_id)
        .no_error();
    poll_async("the server span", || server.find()).await;
    let expected = "\
SERVER POST /api/orders [gateway]
  CLIENT shop.order.v1.OrderService/PlaceOrder [gateway]
";
    assert_eq!(tree::render(&shop.sink.trace(&trace_id)), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_order_has_its_status_and_only_5xx_are_logged_once_with_causes() {
    let shop = Shop::open().await;
    let table = [
        (Plan::OutOfStock, 409),
        (Plan::Fail(Code::InvalidArgument), 422),
        (Plan::Fail(Code::FailedPrecondition), 422),
        (Plan::Fail(Code::NotFound), 422),
        (Plan::Fail(Code::Internal), 502),
        (Plan::Fail(Code::Unknown), 502),
        (Plan::Fail(Code::Unavailable), 503),
        (Plan::Fail(Code::ResourceExhausted), 503),
        (Plan::Fail(Code::DeadlineExceeded), 504),
    ];
    for (plan, status) in table {
        shop.peers.plan(plan);
        let answer = shop.order().await;
        let problem = answer.is_problem(status);
        assert!(problem["detail"].is_string(), "{plan:?}: {problem}");
        assert_eq!(
            answer.headers.contains_key("retry-after"),
            status == 503,
            "{plan:?}"
        );

        let span = shop.sink.span("POST /api/orders").trace(&answer.trace_id());
        let span = poll_async("the server span", || span.find()).await;
        assert_eq!(span.is_error(), status >= 500, "{plan:?}");
        let log = shop
            .sink
            .log()
            .event("gateway.request.failed")
            .trace(&answer.trace_id());
        if status >= 500 {
            let log = log.severity("ERROR").attribute("http.route", "/api/orders");
            poll_async("the log record", || log.find()).await;
            let records = log.matching();
            assert_eq!(records.len(), 1, "{plan:?}");
            let causes = records[0].attributes.text("exception.message").unwrap();
            assert!(causes.contains("as the test says"), "{causes}");
            assert!(
                !answer.text.contains("as the test says"),
                "an inner error left: {answer:?}"
            );
        }
    }
    // All later records have arrived by now, so what was not logged would be here.
    assert_eq!(
        shop.sink
            .log()
            .event("gateway.request.failed")
            .matching()
            .len(),
        5
    );
    shop.peers.plan(Plan::OutOfStock);
    let shortage = json!([{"product_id": "tea", "requested": 2, "available": 1}]);
    assert_eq!(shop.order().await.json()["shortages"], shortage);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_reached_is_503() {
    let shop = Shop::open_with(&[("SHOP_ORDER_URL", "http://127.0.0.1:1")]).await;
    let answer = shop.order().await;
    assert_eq!(
        answer.is_problem(503)["detail"],
        "Order could not be reached."
    );
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_order_never_reaches_order() {
    let shop = Shop::open().await;
    let send = |content_type: &'static str, body: &'static str| {
        let request = shop.client.post(shop.url("/api/orders"));
        Answer::of(request.header("content-type", content_type).body(body))
    };
    const JSON: &str = "application/json";
    let problem = send(JSON, r#"{"items":[],"coupon":"x"}"#)
        .await
        .is_problem(400);
    assert!(
        problem["detail"].as_str().unwrap().contains("`coupon`"),
        "{problem}"
    );
    send(JSON, "not json").await.is_problem(400);
    send(JSON, r#"{"items":[{"product_id":"tea","quantity":"two"}]}"#)
        .await
        .is_problem(400);
    send(JSON, "").await.is_problem(400);
    send("text/plain", r#"{"items":[]}"#).await.is_problem(415);
    let long = "x".repeat(129);
    for key in ["", "two words", long.as_str()] {
        Answer::of(shop.ordering().header("idempotency-key", key))
            .await
            .is_problem(400);
    }
    assert!(shop.peers.placed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_whether_or_not_it_says_its_length() {
    let shop = Shop::open_with(&[("SHOP_MAX_BODY", "1KiB")]).await;
    let request = || {
        let request = shop.client.post(shop.url("/api/orders"));
        request.header("content-type", "application/json")
    };
    let declared = Answer::of(request().body(" ".repeat(1025))).await;
    declared.is_problem(413);
    let span = shop.sink.span("POST").trace(&declared.trace_id());
    let span = span.attribute("http.response.status_code", 413_i64);
    poll_async("the refusal's span", || span.find()).await;

    let chunked = crate::edge::raw(
        &shop,
        &format!(
            "POST /api/orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n401\r\n{}\r\n0\r\n\r\n",
            " ".repeat(1025)
        ),
    )
    .await;
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    assert!(shop.peers.placed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_passed_on() {
    let shop = Shop::open().await;
    let answer = Answer::of(shop.ordering().header("Idempotency-Key", "order-1!")).await;
    assert_eq!(answer.status, 201);
    shop.order().await;
    let keys: Vec<_> = shop
        .peers
        .placed()
        .into_iter()
        .map(|placed| placed.key)
        .collect();
    assert_eq!(keys, ["order-1!", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_order_can_be_read_and_an_unknown_one_is_404() {
    let shop = Shop::open().await;
    let answer = shop.get(&format!("/api/orders/{ORDER_ID}")).await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &json!("placed"))
    );
    assert_eq!(answer.json()["trace_id"], answer.trace_id());
    let unknown = shop.get("/api/orders/unknown").await;
    assert_eq!(unknown.is_problem(404)["detail"], "There is no such order.");
    let span = shop
        .sink
        .span("GET /api/orders/{id}")
        .trace(&unknown.trace_id())
        .no_error();
    poll_async("the span of the 404", || span.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_its_time_is_504_and_one_too_many_is_503() {
    let limits = [
        ("SHOP_REQUEST_TIMEOUT", "700ms"),
        ("SHOP_MAX_IN_FLIGHT", "1"),
    ];
    let shop = Shop::open_with(&limits).await;
    shop.peers.plan(Plan::Hang);
    let slow = shop.ordering();
    let waiting = async {
        poll_async("the slow order to arrive", || {
            match shop.peers.placed().len() {
                1 => Ok(()),
                other => Err(other),
            }
        })
        .await;
        shop.get("/healthz").await
    };
    let (slow, shed) = tokio::join!(Answer::of(slow), waiting);
    slow.is_problem(504);
    shed.is_problem(503);
    assert_eq!(shed.header("retry-after"), "1");
}
