//! Bad input over HTTP: rejected with a problem and a whole trace, never a server error, nothing half done.

use reqwest::RequestBuilder;
use serde_json::{Value as Json, json};
use telemetry_testing::{Kind, Span, poll};

use crate::http::{self, Reply, basket, raw, raw_sent, raw_status, raw_trace_id};
use crate::shop::{CALLER, CALLER_TRACE, Shop};
use crate::stock::expect_unchanged;

/// Separated by spaces.
const NOT_AN_ORDER: &str = r#"{ [] null {} {"items":null} {"items":{}} {"items":[{}]} {"items":[{"product_id":7,"quantity":1}]}"#;
const NOT_A_NUMBER: &str = r#""2" 1.5 null 1e400 9223372036854775808 -9223372036854775809"#;
const NOT_A_QUANTITY: &str = "0 -1 1001 9223372036854775807 -9223372036854775808";

/// `{long}` is 8 KiB of `x`.
const UNKNOWN_PATHS: &str = "
GET /api/nowhere 404
GET /api/orders/not-a-uuid 404
GET /api/orders/00000000-0000-0000-0000-000000000000 404
GET /api/orders/%00%0a%1b 404
GET /api/orders/%ff%fe 404
GET /api/orders/{long} 404
GET /api/products/no-such-product 404
GET /api/products/..%2f..%2fhealthz 404
GET /api/products/%00 404
GET /api/products/{long} 404
GET /api/products/a'%20OR%201=1-- 404
POST /api/scenarios/meltdown 404
POST /api/scenarios/%0d%0aset-cookie:x 404
DELETE /api/orders 405
PUT /api/products 405
GET /api/scenarios/normal 405
BREW /api/orders 405";

#[tokio::test]
async fn a_body_that_is_no_order_is_rejected() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let id = before[0].id.as_str();
    let line = |n: &str| format!(r#"{{"items":[{{"product_id":"{id}","quantity":{n}}}]}}"#);
    let item = |quantity: i64| json!({"product_id": id, "quantity": quantity});
    let items = |items: Vec<Json>| json!({"items": items}).to_string();
    let mut malformed: Vec<_> = NOT_AN_ORDER.split(' ').map(str::to_owned).collect();
    malformed.extend(NOT_A_NUMBER.split(' ').map(line));
    malformed.extend([String::new(), "[".repeat(10_000)]);
    let mut malformed: Vec<_> = malformed.into_iter().map(String::into_bytes).collect();
    malformed.push(b"{\"items\":[\xff\xfe]}".to_vec());

    let long = "x".repeat(65);
    let products = ["", "no-such-product", "../../healthz", "ünïcode", &long];
    let products = products.into_iter().chain(["a\u{0}b\n\u{1b}[31m"]);
    let mut invalid: Vec<_> = NOT_A_QUANTITY.split(' ').map(line).collect();
    invalid.extend(products.map(|product| basket(product, 1).to_string()));
    invalid.extend([vec![], vec![item(1); 51], vec![item(1000); 2]].map(items));
    let invalid = invalid.into_iter().map(String::into_bytes).collect();

    for (status, bodies) in [(400, malformed), (422, invalid)] {
        for body in bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
            let request = shop.post("/api/orders").body(body);
            let request = request.header("content-type", "application/json");
            rejected(&shop, request, status, &shown).await;
        }
    }
    for media in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request = shop.post("/api/orders").body(line("1"));
        let request = request.header("content-type", media);
        rejected(&shop, request, 415, media).await;
    }
    expect_unchanged(&shop, &before).await;
}

#[tokio::test]
async fn a_malformed_or_repeated_idempotency_key_is_rejected() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let order = || shop.order_request(&before[0].id, 1);
    let (long, huge) = ("x".repeat(129), "x".repeat(16 * 1024));
    for key in ["", "a b", "a\tb", "schl\u{fc}ssel", &long, &huge] {
        let request = order().header("idempotency-key", key.as_bytes());
        rejected(&shop, request, 400, key).await;
    }
    let twice = order().header("idempotency-key", "a");
    let twice = twice.header("idempotency-key", "b");
    rejected(&shop, twice, 400, "two keys").await;
    expect_unchanged(&shop, &before).await;
}

#[tokio::test]
async fn an_unknown_path_or_method_is_rejected_and_names_no_span() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let long = "x".repeat(8 * 1024);
    for line in UNKNOWN_PATHS.trim().lines() {
        let [method, path, status] = *Vec::from_iter(line.split(' ')) else {
            panic!("{line:?} is no `METHOD path status`");
        };
        let request = shop.request(method, &path.replace("{long}", &long));
        let spans = rejected(&shop, request, status.parse().unwrap(), line).await;
        // Text of a caller in a name would be one series and one span name for each request.
        for Span { name, .. } in &spans {
            let of_caller = ["meltdown", "xxx", "BREW"];
            assert!(!of_caller.iter().any(|text| name.contains(text)), "{name}");
        }
    }
    expect_unchanged(&shop, &before).await;
}

#[tokio::test]
async fn broken_context_headers_are_ignored_counted_and_harmless() {
    let shop = Shop::start();
    let product = shop.product().await;
    let huge = "x".repeat(64 * 1024);
    let zero = CALLER.replace(CALLER_TRACE, &"0".repeat(32));
    let unknown_version = CALLER.replacen("00", "ff", 1);
    for (header, value) in [
        ("traceparent", "rubbish"),
        ("traceparent", &zero),
        ("traceparent", &unknown_version),
        ("traceparent", "00-\u{e9}"),
        ("traceparent", &huge),
        // Twice, with the header below.
        ("traceparent", CALLER),
        ("tracestate", &huge),
        ("baggage", &huge),
        ("baggage", "shop.fault=%FF"),
    ] {
        let mut request = shop.order_request(&product.id, 1);
        if header == "tracestate" || value == CALLER {
            request = request.header("traceparent", CALLER);
        }
        let reply = Reply::of(request.header(header, value.as_bytes())).await;
        assert_eq!(reply.status, 201, "{header}: {reply:?}");
        shop.whole_trace(&reply.trace_id());
    }
    for (header, times) in [("traceparent", 6.0), ("tracestate", 1.0), ("baggage", 2.0)] {
        shop.expect_ignored("gateway", header, times);
    }
    // Control characters in a header are rejected by the HTTP parser, before any code of ours.
    let gateway = shop.child("gateway").listening();
    for value in ["a\u{0}b", "a\u{1}b", "a\u{7f}b"] {
        let head = "GET /api/products HTTP/1.1\r\nhost: x\r\nconnection: close";
        let answer = raw(gateway, &format!("{head}\r\nbaggage: {value}\r\n\r\n"));
        assert_eq!(raw_status(&answer), 400, "{value:?}");
    }
    assert_eq!(shop.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_request_end_the_connection_and_nothing_else() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let head = "POST /api/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let chunked = |body: &str| format!("{head}transfer-encoding: chunked\r\n\r\n{body}");
    let sized = |length: usize, body: &str| format!("{head}content-length: {length}\r\n\r\n{body}");
    let doubled = format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab");
    let chunk = format!("{:x}\r\n{}\r\n", 16 * 1024, "x".repeat(16 * 1024));
    let whole = format!("{{\"items\":[],\"padding\":\"{}\"}}", "x".repeat(70 * 1024));
    let gateway = shop.child("gateway").listening();
    for (status, is_ours, request) in [
        // By the HTTP parser, before any code of ours.
        (400, false, "\u{0}\u{1}\u{2}\r\n\r\n".to_owned()),
        (400, false, "GET\r\n\r\n".to_owned()),
        (400, false, "GET / HTTP/9.9\r\n\r\n".to_owned()),
        (400, false, format!("{head}content-length: -1\r\n\r\n")),
        (400, false, doubled),
        // By the gateway: broken and endless bodies.
        (400, true, chunked("zz\r\n{}\r\n0\r\n\r\n")),
        (400, true, chunked("5\r\n{\"ite\r\n0\r\n\r\n")),
        (413, true, chunked(&format!("{}0\r\n\r\n", chunk.repeat(5)))),
        (413, true, sized(whole.len(), &whole)),
        (413, true, sized(1_048_576, "{\"items\"")),
    ] {
        let answer = raw(gateway, &request);
        let shown = format!("{:?} -> {answer:?}", &request[..request.len().min(160)]);
        assert_eq!(raw_status(&answer), status, "{shown}");
        if is_ours {
            assert!(answer.contains("application/problem+json"), "{shown}");
            shop.whole_trace(&raw_trace_id(&answer).unwrap());
        }
    }
    // The client disconnects within the body: there is no one to answer, but there is a span.
    let spans = shop.sink.span("POST /api/orders");
    let spans = spans.attribute("http.response.status_code", 400_i64);
    let before_cut = spans.matching().len();
    drop(raw_sent(gateway, &sized(100, "{\"items\"")));
    poll("the span of the request that was cut off", || {
        let found = spans.matching();
        let is_there = found.len() == before_cut + 1;
        is_there.then_some(()).ok_or(found)
    });
    expect_unchanged(&shop, &before).await;
}

#[tokio::test]
async fn product_rejects_by_itself_what_the_gateway_would_not_send() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let url = |path: &str| format!("http://{}{path}", shop.child("product").listening());
    for (path, name) in [
        ("/products/no-such-product", "GET /products/{id}"),
        ("/products/%00%ff", "GET /products/{id}"),
        ("/products/a/b", "GET"),
        ("/nowhere", "GET"),
    ] {
        let reply = Reply::of(http::client().get(url(path))).await;
        reply.assert_problem(404);
        // The mistake of a caller is no error of the service.
        let span = shop.sink.span(name).service("product").no_error();
        let span = span.attribute("http.response.status_code", 404_i64);
        let trace = reply.body["trace_id"].as_str().unwrap();
        span.trace(trace).eventually();
    }
    let reply = Reply::of(http::client().post(url("/products"))).await;
    reply.assert_problem(405);
    expect_unchanged(&shop, &before).await;
}

/// Sends a request that the gateway must answer with a problem and a whole trace, in which the mistake of the caller is
/// no error of a service.
async fn rejected(shop: &Shop, request: RequestBuilder, status: u16, case: &str) -> Vec<Span> {
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, status, "{case}: {reply:?}");
    reply.assert_problem(status);
    let spans = shop.whole_trace(&reply.trace_id());
    for span in spans.iter().filter(|span| span.kind == Kind::Server) {
        assert!(!span.is_error(), "{case}: {}", span.title());
        if span.parent_span_id.is_none() {
            let of_span = span.attributes.int("http.response.status_code");
            assert_eq!(of_span, Some(status.into()), "{case}");
        }
    }
    spans
}
