//! Bad input over HTTP: refused with a problem and a whole trace, never a server error, nothing half done.

use serde_json::json;
use telemetry_testing::{Span, poll};

use crate::http::{Reply, raw, raw_cut, raw_status, raw_trace_id};
use crate::shop::{Plan, Product, Shop};
use crate::stock::stored_orders;

type Headers<'a> = Vec<(&'a str, &'a [u8])>;

#[tokio::test]
async fn a_body_that_is_no_order_is_refused() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let id = before[0].id.as_str();
    let line =
        |quantity: &str| format!(r#"{{"items":[{{"product_id":"{id}","quantity":{quantity}}}]}}"#);
    let product = |id: &str| json!({"items": [{"product_id": id, "quantity": 1}]}).to_string();
    let lines = |n: usize, quantity: i64| {
        json!({"items": vec![json!({"product_id": id, "quantity": quantity}); n]}).to_string()
    };
    let cases: Vec<(u16, Vec<u8>)> = [
        (400, String::new()),
        (400, "{".to_owned()),
        (400, "[]".to_owned()),
        (400, "null".to_owned()),
        (400, "{}".to_owned()),
        (400, r#"{"items":null}"#.to_owned()),
        (400, r#"{"items":{}}"#.to_owned()),
        (400, r#"{"items":[{}]}"#.to_owned()),
        (
            400,
            r#"{"items":[{"product_id":7,"quantity":1}]}"#.to_owned(),
        ),
        (400, line("\"2\"")),
        (400, line("1.5")),
        (400, line("null")),
        (400, line("1e400")),
        (400, line("9223372036854775808")),
        (400, line("-9223372036854775809")),
        (400, "[".repeat(10_000)),
        (422, r#"{"items":[]}"#.to_owned()),
        (422, line("0")),
        (422, line("-1")),
        (422, line("1001")),
        (422, line("9223372036854775807")),
        (422, line("-9223372036854775808")),
        (422, lines(51, 1)),
        (422, lines(2, 1000)),
        (422, product("")),
        (422, product("no-such-product")),
        (422, product("../../healthz")),
        (422, product("a\u{0}b\n\u{1b}[31m")),
        (422, product("ünïcode")),
        (422, product(&"x".repeat(65))),
    ]
    .map(|(status, text)| (status, text.into_bytes()))
    .into_iter()
    .chain([(400, b"{\"items\":[\xff\xfe]}".to_vec())])
    .collect();

    for (status, body) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let request = shop
            .post("/api/orders")
            .header("content-type", "application/json")
            .body(body);
        refused(&shop, Reply::of(request).await, status, &shown);
    }
    for (media, status) in [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
        ("application/json; charset=\u{1}", 415),
    ] {
        let Ok(media) = reqwest::header::HeaderValue::from_bytes(media.as_bytes()) else {
            continue;
        };
        let request = shop
            .post("/api/orders")
            .header("content-type", media.clone())
            .body(line("1"));
        refused(
            &shop,
            Reply::of(request).await,
            status,
            &format!("{media:?}"),
        );
    }
    nothing_happened(&shop, &before).await;
}

#[tokio::test]
async fn an_idempotency_key_that_is_none_is_refused() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    for key in [
        &b""[..],
        b"a b",
        b"a\tb",
        "schl\u{fc}ssel".as_bytes(),
        &[b'x'; 129],
        &[b'x'; 16 * 1024],
    ] {
        let request = shop
            .order_request(&before[0].id, 1)
            .header("idempotency-key", key);
        refused(
            &shop,
            Reply::of(request).await,
            400,
            &format!("{:?}", &key[..key.len().min(20)]),
        );
    }
    let twice = shop
        .order_request(&before[0].id, 1)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    refused(&shop, Reply::of(twice).await, 400, "two keys");
    nothing_happened(&shop, &before).await;
}

#[tokio::test]
async fn a_path_or_method_that_is_none_is_refused() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let long = "x".repeat(8 * 1024);
    let cases = [
        ("GET", "/api/nowhere".to_owned(), 404),
        ("GET", "/api/orders/not-a-uuid".to_owned(), 404),
        (
            "GET",
            "/api/orders/00000000-0000-0000-0000-000000000000".to_owned(),
            404,
        ),
        ("GET", "/api/orders/%00%0a%1b".to_owned(), 404),
        ("GET", "/api/orders/%ff%fe".to_owned(), 404),
        ("GET", format!("/api/orders/{long}"), 404),
        ("GET", "/api/products/no-such-product".to_owned(), 404),
        ("GET", "/api/products/..%2f..%2fhealthz".to_owned(), 404),
        ("GET", "/api/products/%00".to_owned(), 404),
        ("GET", format!("/api/products/{long}"), 404),
        ("GET", "/api/products/a'%20OR%201=1--".to_owned(), 404),
        ("POST", "/api/scenarios/meltdown".to_owned(), 404),
        ("POST", "/api/scenarios/%0d%0aset-cookie:x".to_owned(), 404),
        ("DELETE", "/api/orders".to_owned(), 405),
        ("PUT", "/api/products".to_owned(), 405),
        ("GET", "/api/scenarios/normal".to_owned(), 405),
        ("BREW", "/api/orders".to_owned(), 405),
    ];
    for (method, path, status) in cases {
        let shown = format!("{method} {}", &path[..path.len().min(80)]);
        let reply = Reply::of(shop.request(method, &path)).await;
        let spans = refused(&shop, reply, status, &shown);
        // No text of a caller becomes a name: it would be one series and one span name each.
        for span in &spans {
            assert!(
                !span.name.contains("meltdown")
                    && !span.name.contains("xxx")
                    && !span.name.contains("BREW"),
                "{}",
                span.name
            );
        }
    }
    nothing_happened(&shop, &before).await;
}

#[tokio::test]
async fn broken_context_headers_are_ignored_counted_and_harmless() {
    let shop = Shop::start();
    let product = shop.product().await;
    let huge = "x".repeat(64 * 1024);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cases: [(&str, Headers<'_>); 9] = [
        ("traceparent", vec![("traceparent", b"rubbish")]),
        (
            "traceparent",
            vec![(
                "traceparent",
                b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
            )],
        ),
        (
            "traceparent",
            vec![(
                "traceparent",
                b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )],
        ),
        ("traceparent", vec![("traceparent", "00-\u{e9}".as_bytes())]),
        ("traceparent", vec![("traceparent", huge.as_bytes())]),
        (
            "traceparent",
            vec![
                ("traceparent", parent.as_bytes()),
                ("traceparent", parent.as_bytes()),
            ],
        ),
        (
            "tracestate",
            vec![
                ("traceparent", parent.as_bytes()),
                ("tracestate", huge.as_bytes()),
            ],
        ),
        ("baggage", vec![("baggage", huge.as_bytes())]),
        ("baggage", vec![("baggage", b"shop.fault=%FF")]),
    ];
    for (header, headers) in &cases {
        let mut request = shop.order_request(&product.id, 1);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = Reply::of(request).await;
        assert_eq!(reply.status, 201, "{header}: {reply:?}");
        shop.whole_trace(&reply.trace_id());
    }
    for header in ["traceparent", "tracestate", "baggage"] {
        let times = cases.iter().filter(|(broken, _)| *broken == header).count();
        let ignored = shop
            .sink
            .metric("otel_tower.context.ignored")
            .service("gateway")
            .attribute("otel_tower.header", header);
        poll(&format!("{times} ignored {header}"), || {
            ignored.total_is(times as f64)
        });
    }
    // Control characters in a header are refused by the HTTP parser, before any code of ours.
    let gateway = shop.child("gateway").listening();
    for value in ["a\u{0}b", "a\u{1}b", "a\u{7f}b"] {
        let request = format!(
            "GET /api/products HTTP/1.1\r\nhost: x\r\nbaggage: {value}\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(
            raw_status(&raw(gateway, request.as_bytes())),
            400,
            "{value:?}"
        );
    }
    assert_eq!(shop.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_request_end_the_connection_and_nothing_else() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let head = "POST /api/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let chunked = |body: &str| format!("{head}transfer-encoding: chunked\r\n\r\n{body}");
    let chunk = format!("{:x}\r\n{}\r\n", 16 * 1024, "x".repeat(16 * 1024));
    let whole = format!("{{\"items\":[],\"padding\":\"{}\"}}", "x".repeat(70 * 1024));
    let gateway = shop.child("gateway").listening();
    // By the HTTP parser, before any code of ours.
    for request in [
        "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("{head}content-length: -1\r\n\r\n"),
        format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    ] {
        let answer = raw(gateway, request.as_bytes());
        assert_eq!(raw_status(&answer), 400, "{request:?} -> {answer:?}");
    }
    // By us: broken and endless bodies.
    for (status, request) in [
        (400, chunked("zz\r\n{}\r\n0\r\n\r\n")),
        (400, chunked("5\r\n{\"ite\r\n0\r\n\r\n")),
        (413, chunked(&format!("{}0\r\n\r\n", chunk.repeat(5)))),
        (
            413,
            format!("{head}content-length: {}\r\n\r\n{whole}", whole.len()),
        ),
        (
            413,
            format!("{head}content-length: 1048576\r\n\r\n{{\"items\""),
        ),
    ] {
        let answer = raw(gateway, request.as_bytes());
        let shown = format!("{:?} -> {answer:?}", &request[..request.len().min(160)]);
        assert_eq!(raw_status(&answer), status, "{shown}");
        assert!(answer.contains("application/problem+json"), "{shown}");
        shop.whole_trace(&raw_trace_id(&answer).unwrap());
    }
    // A body that is cut off with its connection: nobody hears the answer, and the span tells of it all the same.
    let refused = shop
        .sink
        .span("POST /api/orders")
        .attribute("http.response.status_code", 400_i64);
    let before_cut = refused.matching().len();
    raw_cut(
        gateway,
        format!("{head}content-length: 100\r\n\r\n{{\"items\"").as_bytes(),
    );
    poll("the span of the request that was cut off", || {
        let spans = refused.matching();
        if spans.len() == before_cut + 1 {
            Ok(())
        } else {
            Err(spans)
        }
    });
    nothing_happened(&shop, &before).await;
}

#[tokio::test]
async fn product_refuses_by_itself_what_the_gateway_would_not_send() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let product = shop.child("product").listening();
    for (path, status) in [
        ("/products/no-such-product", 404),
        ("/products/%00%ff", 404),
        ("/products/a/b", 404),
        ("/nowhere", 404),
    ] {
        let reply = Reply::of(crate::http::client().get(format!("http://{product}{path}"))).await;
        reply.assert_problem(status);
        let trace = reply.body["trace_id"].as_str().unwrap().to_owned();
        let root = shop
            .sink
            .span(if path == "/nowhere" || path == "/products/a/b" {
                "GET"
            } else {
                "GET /products/{id}"
            })
            .trace(&trace)
            .service("product")
            .attribute("http.response.status_code", status)
            .eventually();
        assert!(
            !root.is_error(),
            "what the caller did wrong is no error of ours: {root:?}"
        );
    }
    let reply = Reply::of(crate::http::client().post(format!("http://{product}/products"))).await;
    reply.assert_problem(405);
    nothing_happened(&shop, &before).await;
}

#[tokio::test]
async fn more_requests_than_allowed_are_shed_with_a_trace_each() {
    let shop = Plan::default().set("SHOP_MAX_IN_FLIGHT", "1").start();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(Reply::of(shop.post("/api/scenarios/long-request")));
    let active = shop
        .sink
        .metric("http.server.active_requests")
        .service("product");
    telemetry_testing::poll_async("the long request", || active.total_is(1.0)).await;
    let shed = shop.get("/api/products").await;
    shed.assert_problem(503);
    assert_eq!(shed.headers["retry-after"], "1");
    let spans = shop.whole_trace(&shed.trace_id());
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(running.join_next().await.unwrap().unwrap().status, 201);
}

/// A refusal by our code: a problem, and a whole trace in which the caller's mistake is no error of ours.
#[track_caller]
fn refused(shop: &Shop, reply: Reply, status: u16, case: &str) -> Vec<Span> {
    assert_eq!(reply.status, status, "{case}: {reply:?}");
    reply.assert_problem(status);
    let spans = shop.whole_trace(&reply.trace_id());
    let root = spans
        .iter()
        .find(|span| span.parent_span_id.is_none())
        .unwrap();
    assert_eq!(
        root.attributes.int("http.response.status_code"),
        Some(status.into()),
        "{case}"
    );
    let servers = spans
        .iter()
        .filter(|span| span.kind == telemetry_testing::Kind::Server);
    for span in servers {
        assert!(
            !span.is_error(),
            "{case}: {} of {} is an error",
            span.name,
            span.service()
        );
    }
    spans
}

/// Nothing was sold or stored, nobody fell over, and the next order works.
async fn nothing_happened(shop: &Shop, before: &[Product]) {
    assert_eq!(shop.catalogue().await, before, "stock changed");
    assert_eq!(stored_orders(shop.child("order").data_dir()).await, 0);
    for service in crate::shop::SERVICES {
        let errors: Vec<_> = shop
            .child(service)
            .log_lines()
            .into_iter()
            .filter(|l| l["level"] == "ERROR")
            .collect();
        assert!(errors.is_empty(), "{service} logged errors: {errors:#?}");
    }
    assert_eq!(shop.get("/readyz").await.status, 200);
    assert_eq!(shop.order(&before[0].id, 1).await.status, 201);
}
