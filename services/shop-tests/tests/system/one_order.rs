//! One order through four services is one trace, and exactly this one.

use telemetry_testing::{Kind, Value, tree};

use crate::shop::{SERVICES, Shop};

/// Every hop is a CLIENT span with the SERVER span of the other side in it; every query is a CLIENT span.
pub(crate) const ORDER: &str = "
SERVER POST /api/orders [gateway]
  CLIENT shop.order.v1.OrderService/PlaceOrder [gateway]
    SERVER shop.order.v1.OrderService/PlaceOrder [order]
      INTERNAL order.place [order]
        INTERNAL order.confirm [order]
          CLIENT UPDATE orders [order]
          CLIENT shop.inventory.v1.InventoryService/Confirm [order]
            SERVER shop.inventory.v1.InventoryService/Confirm [inventory]
              INTERNAL inventory.confirm [inventory]
                CLIENT COMMIT stock [inventory]
                CLIENT INSERT reservations [inventory]
                CLIENT SELECT reservations [inventory]
        INTERNAL order.price [order]
          CLIENT GET /products/{id} [order]
            SERVER GET /products/{id} [product]
              INTERNAL product.lookup [product]
                CLIENT SELECT products [product]
        INTERNAL order.reserve [order]
          CLIENT shop.inventory.v1.InventoryService/Reserve [order]
            SERVER shop.inventory.v1.InventoryService/Reserve [inventory]
              INTERNAL inventory.reserve [inventory]
                CLIENT COMMIT stock [inventory]
                CLIENT INSERT reservation_lines [inventory]
                CLIENT INSERT reservations [inventory]
                CLIENT SELECT reservations [inventory]
                CLIENT SELECT stock [inventory]
                CLIENT UPDATE stock [inventory]
        INTERNAL order.store [order]
          CLIENT COMMIT orders [order]
          CLIENT INSERT order_lines [order]
          CLIENT INSERT orders [order]
";

#[tokio::test]
async fn an_order_is_one_tree_over_four_services() {
    let shop = Shop::start();
    let product = shop.product().await;
    let reply = shop.order(&product.id, 2).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body["total"]["amount"], 2 * product.price);
    shop.expect_tree(&reply.trace_id(), ORDER);

    let spans = shop.sink.trace(&reply.trace_id());
    assert!(spans.len() >= 12, "{}", tree::render(&spans));
    for span in &spans {
        assert_ne!(span.kind, Kind::Unspecified, "{}", span.name);
        assert!(
            span.start <= span.end,
            "{} ends before it starts",
            span.name
        );
        let mut keys: Vec<_> = span.attributes.keys().collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(
            keys.len(),
            span.attributes.0.len(),
            "{} has a key twice: {}",
            span.name,
            span.attributes
        );
        for key in [
            "http.response.status_code",
            "server.port",
            "network.peer.port",
        ] {
            let value = span.attributes.get(key);
            assert!(
                matches!(value, None | Some(Value::Int(_))),
                "{key} of {} is no integer: {value:?}",
                span.name
            );
        }
        assert_eq!(
            span.resource.text("service.namespace"),
            Some("shop"),
            "{}",
            span.name
        );
        // A child may end after its parent (what outlives a call), but it cannot begin before.
        if let Some(parent) = spans
            .iter()
            .find(|p| Some(&p.span_id) == span.parent_span_id.as_ref())
        {
            assert!(
                parent.start <= span.start,
                "{} began before {}",
                span.name,
                parent.name
            );
        }
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
async fn a_strangers_trace_is_linked_and_their_baggage_dropped() {
    let shop = Shop::start();
    let product = shop.product().await;
    let theirs = "0af7651916cd43dd8448eb211c80319c";
    let request = shop
        .order_request(&product.id, 1)
        .header("traceparent", format!("00-{theirs}-b7ad6b7169203331-01"))
        // Let in, it would make product fail.
        .header("baggage", "shop.fault=product-error");
    let reply = shop.send(request).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_ne!(reply.trace_id(), theirs);
    shop.expect_tree(&reply.trace_id(), ORDER);
    let root = shop
        .sink
        .span("POST /api/orders")
        .trace(&reply.trace_id())
        .expect();
    let links: Vec<_> = root
        .links
        .iter()
        .map(|l| (l.trace_id.as_str(), l.span_id.as_str()))
        .collect();
    assert_eq!(links, [(theirs, "b7ad6b7169203331")]);
    assert!(shop.sink.trace(theirs).is_empty());
}

#[tokio::test]
async fn a_trusted_callers_trace_is_continued() {
    let shop = crate::shop::Plan::default()
        .set("SHOP_TRUST_CALLER", "on")
        .start();
    let product = shop.product().await;
    let theirs = "0af7651916cd43dd8448eb211c80319c";
    let request = shop
        .order_request(&product.id, 1)
        .header("traceparent", format!("00-{theirs}-b7ad6b7169203331-01"));
    let reply = shop.send(request).await;
    assert_eq!(reply.trace_id(), theirs);
    // Their own span is theirs to export.
    let under_theirs = ORDER.trim_start().lines().map(|line| format!("  {line}\n"));
    let expected = format!(
        "(parent not received)\n{}",
        under_theirs.collect::<String>()
    );
    shop.expect_tree(theirs, &expected);
}

#[tokio::test]
async fn nothing_secret_of_a_request_leaves_in_any_signal() {
    let shop = Shop::start();
    let product = shop.product().await;
    let secret = "open-sesame";
    let request = shop
        .order_request(&product.id, 1)
        .query(&[("token", secret)])
        .header("authorization", format!("Bearer {secret}"))
        .header("cookie", format!("session={secret}"))
        .header("x-api-key", secret)
        .header("idempotency-key", secret)
        .header("baggage", format!("user={secret}"));
    let reply = shop.send(request).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    shop.whole_trace(&reply.trace_id());
    shop.sink.log().event("order.placed").eventually();
    shop.sink.metric("shop.order.value").eventually();
    let otlp = format!(
        "{:?}{:?}{:?}",
        shop.sink.spans(),
        shop.sink.logs(),
        shop.sink.metrics()
    );
    assert!(!otlp.contains(secret), "it left over OTLP");
    for service in SERVICES {
        let child = shop.child(service);
        let told = format!("{:?}{}", child.log_lines(), child.stderr());
        assert!(!told.contains(secret), "{service} wrote it down");
    }
}
