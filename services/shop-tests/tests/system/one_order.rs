//! One order through four services is one trace, and exactly the golden tree `order`.

use telemetry_testing::{Kind, Trace, Value, tree};

use crate::http::Reply;
use crate::shop::{CALLER, CALLER_SPAN, CALLER_TRACE, Plan, SERVICES, Shop};

#[tokio::test]
async fn an_order_is_one_tree_of_well_formed_spans_over_four_services() {
    let shop = Shop::start();
    let product = shop.product().await;
    let reply = shop.order(&product.id, 2).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body["total"]["amount"], 2 * product.price);
    shop.expect_tree(&reply.trace_id(), "order");

    let trace = Trace::new(shop.sink.trace(&reply.trace_id()));
    // Malformed ids, and ids used twice, are notes in parentheses.
    let drawn = tree::render(&trace.spans);
    assert!(!drawn.contains('('), "{drawn}");
    for span in &trace.spans {
        let title = span.title();
        assert_ne!(span.kind, Kind::Unspecified, "{title}");
        assert!(span.start <= span.end, "{title} ends before it starts");
        let mut keys: Vec<_> = span.attributes.keys().collect();
        keys.sort_unstable();
        let is_repeated = keys.windows(2).any(|pair| pair[0] == pair[1]);
        assert!(!is_repeated, "{title} has a key twice: {keys:?}");
        for (key, value) in &span.attributes.0 {
            let is_number = key == "http.response.status_code" || key.ends_with(".port");
            let is_integer = matches!(value, Value::Int(_));
            assert!(!is_number || is_integer, "{key} of {title} is {value:?}");
        }
        let namespace = span.resource.text("service.namespace");
        assert_eq!(namespace, Some("shop"), "{title}");
        // A child may end after its parent (a call that is not waited for), but it cannot start before it.
        let parent = trace.parent(span);
        let follows = parent.is_none_or(|parent| parent.start <= span.start);
        assert!(follows, "{title} starts before its parent");
    }
}

#[tokio::test]
async fn an_order_can_be_read_back_and_takes_its_stock() {
    let shop = Shop::start();
    let product = shop.product().await;
    let placed = shop.order(&product.id, 3).await;
    let id = placed.body["order_id"].as_str().unwrap();
    let read = shop.get(&format!("/api/orders/{id}")).await;
    assert_eq!(read.status, 200, "{read:?}");
    for field in ["order_id", "total", "items", "status"] {
        assert_eq!(read.body[field], placed.body[field], "{field}");
    }
    assert_eq!(shop.available(&product.id).await, product.available - 3);
    shop.whole_trace(&read.trace_id());
}

#[tokio::test]
async fn the_trace_of_an_untrusted_caller_is_linked_and_its_baggage_dropped() {
    let shop = Shop::start();
    let product = shop.product().await;
    let request = shop
        .order_request(&product.id, 1)
        .header("traceparent", CALLER)
        // Accepted, it would make product fail.
        .header("baggage", "shop.fault=product-error");
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let trace = reply.trace_id();
    assert_ne!(trace, CALLER_TRACE);
    shop.expect_tree(&trace, "order");
    let root = shop.sink.span("POST /api/orders").trace(&trace).expect();
    let links = root.links.iter().map(|l| (&*l.trace_id, &*l.span_id));
    assert_eq!(Vec::from_iter(links), [(CALLER_TRACE, CALLER_SPAN)]);
    assert!(shop.sink.trace(CALLER_TRACE).is_empty());
}

#[tokio::test]
async fn the_trace_of_a_trusted_caller_is_continued() {
    let shop = Plan::default().set("SHOP_TRUST_CALLER", "on").start();
    let product = shop.product().await;
    let request = shop.order_request(&product.id, 1);
    let reply = Reply::of(request.header("traceparent", CALLER)).await;
    assert_eq!(reply.trace_id(), CALLER_TRACE);
    shop.expect_tree(CALLER_TRACE, "order");
    let root = shop.sink.span("POST /api/orders").expect();
    assert_eq!(root.parent_span_id.as_deref(), Some(CALLER_SPAN));
}

#[tokio::test]
async fn secrets_of_a_request_are_in_no_signal() {
    let shop = Shop::start();
    let product = shop.product().await;
    let secret = "open-sesame";
    let request = shop.order_request(&product.id, 1);
    let mut request = request.query(&[("token", secret)]);
    for (header, prefix) in [
        ("authorization", "Bearer "),
        ("cookie", "session="),
        ("x-api-key", ""),
        ("idempotency-key", ""),
        ("baggage", "user="),
    ] {
        request = request.header(header, format!("{prefix}{secret}"));
    }
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    shop.whole_trace(&reply.trace_id());
    shop.sink.log().event("order.placed").eventually();
    shop.sink.metric("shop.order.value").eventually();
    let (spans, logs) = (shop.sink.spans(), shop.sink.logs());
    let exported = format!("{spans:?}{logs:?}{:?}", shop.sink.metrics());
    assert!(!exported.contains(secret), "exported over OTLP");
    for service in SERVICES {
        let child = shop.child(service);
        let written = format!("{:?}{}", child.log_lines(), child.stderr());
        assert!(!written.contains(secret), "{service} logged it");
    }
}
