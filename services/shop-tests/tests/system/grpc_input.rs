//! Bad input over gRPC, straight to inventory and order: a status that names the cause, and nothing half done.

use bytes::Bytes;
use proto::inventory::v1::{self as inventory, reserve_response::Outcome};
use proto::order::v1 as order;
use telemetry_testing::Kind;

use crate::grpc::{
    Answer, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, OK, OUT_OF_RANGE, RESOURCE_EXHAUSTED,
    UNIMPLEMENTED, call, frame,
};
use crate::shop::{CALLER, CALLER_TRACE, Shop};
use crate::stock::{expect_unchanged, stored_orders};

const PLACE: &str = "shop.order.v1.OrderService/PlaceOrder";
const GET_ORDER: &str = "shop.order.v1.OrderService/GetOrder";
const RESERVE: &str = "shop.inventory.v1.InventoryService/Reserve";
const CONFIRM: &str = "shop.inventory.v1.InventoryService/Confirm";
const RELEASE: &str = "shop.inventory.v1.InventoryService/Release";
const STOCK: &str = "shop.inventory.v1.InventoryService/GetStock";

#[tokio::test]
async fn order_rejects_what_is_no_order() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let id = before[0].id.as_str();
    let (long, huge) = ("x".repeat(129), "x".repeat(70 * 1024));
    let no_uuid = "00000000-0000-0000-0000-000000000000";
    let unknown = "shop.order.v1.OrderService/Nothing";
    let cases = [
        (INVALID_ARGUMENT, PLACE, place(&[], "")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, 0)], "")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, -1)], "")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, i64::MAX)], "")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, i64::MIN)], "")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, 1000), (id, 1)], "")),
        (INVALID_ARGUMENT, PLACE, place(&vec![(id, 1); 51], "")),
        (INVALID_ARGUMENT, PLACE, place(&[("", 1)], "")),
        (INVALID_ARGUMENT, PLACE, place(&[("../x\u{0}", 1)], "")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, 1)], "with space")),
        (INVALID_ARGUMENT, PLACE, place(&[(id, 1)], &long)),
        (NOT_FOUND, PLACE, place(&[("no-such-product", 1)], "")),
        (NOT_FOUND, GET_ORDER, get_order("")),
        (NOT_FOUND, GET_ORDER, get_order("not-a-uuid\n")),
        (NOT_FOUND, GET_ORDER, get_order(no_uuid)),
        (RESOURCE_EXHAUSTED, PLACE, place(&[(&huge, 1)], "")),
        (UNIMPLEMENTED, unknown, place(&[], "")),
        (UNIMPLEMENTED, "nowhere/Nothing", Bytes::new()),
    ];
    expect_rejected(&shop, "order", &cases).await;
    expect_unchanged(&shop, &before).await;
}

#[tokio::test]
async fn inventory_rejects_what_is_no_reservation() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let id = before[0].id.as_str();
    let (long, huge) = ("x".repeat(10_000), "x".repeat(70 * 1024));
    let unknown = "shop.inventory.v1.InventoryService/Nothing";
    let overflow = [(id, i64::MAX), (id, i64::MAX)];
    let cases = [
        (INVALID_ARGUMENT, RESERVE, reserve("", &[(id, 1)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[(id, 0)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[(id, -5)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[(id, i64::MAX)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &overflow)),
        (INVALID_ARGUMENT, RESERVE, reserve(&long, &[(id, 1)])),
        // Confirm and Release have the same message: an order id.
        (NOT_FOUND, CONFIRM, get_order("never-reserved")),
        (INVALID_ARGUMENT, CONFIRM, get_order("")),
        (INVALID_ARGUMENT, RELEASE, get_order("")),
        (RESOURCE_EXHAUSTED, RESERVE, reserve(&huge, &[(id, 1)])),
        (UNIMPLEMENTED, unknown, Bytes::new()),
    ];
    expect_rejected(&shop, "inventory", &cases).await;
    // An unknown product is out of stock, which is an answer.
    let address = shop.child("inventory").listening();
    let unknown = reserve("o-2", &[("no-such-product", 1)]);
    let answer = call(address, RESERVE, &[], unknown).await.unwrap();
    let answer: inventory::ReserveResponse = answer.decode();
    assert_eq!(answer.outcome(), Outcome::Rejected);
    expect_unchanged(&shop, &before).await;
}

#[tokio::test]
async fn bytes_that_are_no_message_break_nothing() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let bodies: [&'static [u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        // An incomplete frame, bytes that are no message, a length of 4 GiB, a compression that was not negotiated.
        &[0, 0, 0, 0, 200, 1, 2],
        &[0, 0, 0, 0, 3, 0xff, 0xff, 0xff],
        &[0, 0xff, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0, 1, 0],
    ];
    // gRPC's own codes for a message that cannot be read.
    let expected = [INTERNAL, OUT_OF_RANGE, UNIMPLEMENTED, RESOURCE_EXHAUSTED];
    let mut traces = traces();
    for method in [STOCK, RESERVE, PLACE] {
        let service = if method == PLACE {
            "order"
        } else {
            "inventory"
        };
        let address = shop.child(service).listening();
        for body in bodies {
            let (trace, parent) = traces.next().unwrap();
            let headers = [("traceparent", parent.as_str())];
            let answer = call(address, method, &headers, Bytes::from_static(body)).await;
            let answer = answer.unwrap();
            assert_eq!(answer.http, 200, "{answer:?}");
            let is_expected = answer.status.is_some_and(|is| expected.contains(&is));
            assert!(is_expected, "{method} {body:?}: {answer:?}");
            let span = shop.sink.span(method).service(service).trace(&trace);
            span.has_attribute("rpc.response.status_code").eventually();
        }
    }
    assert_eq!(shop.catalogue().await, before);
    assert_eq!(stored_orders(&shop).await, 0);
}

#[tokio::test]
async fn broken_context_metadata_is_ignored_and_counted() {
    let shop = Shop::start();
    let address = shop.child("inventory").listening();
    let body = || frame(&inventory::GetStockRequest::default());
    // The HTTP/2 server rejects a longer head before any code of ours.
    let long = "x".repeat(9 * 1024);
    let valid = ("traceparent", CALLER);
    for headers in [
        &[("traceparent", "rubbish")][..],
        &[("traceparent", &long)],
        &[("baggage", &long)],
        &[valid, ("tracestate", &long)],
        &[],
    ] {
        let answer = call(address, STOCK, headers, body()).await.unwrap();
        assert_eq!(answer.status, Some(OK), "{answer:?}");
    }
    for (header, times) in [("traceparent", 2.0), ("baggage", 1.0), ("tracestate", 1.0)] {
        shop.expect_ignored("inventory", header, times);
    }
    let huge = "x".repeat(64 * 1024);
    let answer = call(address, STOCK, &[("traceparent", &huge)], body()).await;
    let is_rejected = |a: &Answer| a.http == 431 || a.status == Some(RESOURCE_EXHAUSTED);
    assert!(answer.as_ref().map_or(true, is_rejected), "{answer:?}");
    let answer = call(address, STOCK, &[], body()).await.unwrap();
    assert_eq!(answer.status, Some(OK), "{answer:?}");
}

/// Each call gets its status, and a server span that is no error.
async fn expect_rejected(shop: &Shop, service: &str, cases: &[(i32, &str, Bytes)]) {
    let address = shop.child(service).listening();
    for ((status, method, body), (trace, parent)) in cases.iter().zip(traces()) {
        let headers = [("traceparent", parent.as_str())];
        let answer = call(address, method, &headers, body.clone()).await.unwrap();
        let shown = format!("{method} {:?}: {answer:?}", &body[..body.len().min(80)]);
        assert_eq!(answer.status, Some(*status), "{shown}");
        assert!(!answer.text.contains("sql"), "{shown}");
        // An unknown method is an error of the deployment, and no name of a span.
        let is_known = *status != UNIMPLEMENTED;
        let name = if is_known { *method } else { "_OTHER" };
        let span = shop.sink.span(name).service(service).kind(Kind::Server);
        let span = span.trace(&trace).eventually();
        assert_eq!(span.is_error(), !is_known, "{shown}: {span:?}");
    }
}

/// Trace ids, each with its `traceparent`.
fn traces() -> impl Iterator<Item = (String, String)> {
    let ids = (0xabc0_0000_u32..).map(|n| format!("{n:032x}"));
    ids.map(|id| (id.clone(), CALLER.replace(CALLER_TRACE, &id)))
}

fn place(items: &[(&str, i64)], key: &str) -> Bytes {
    let items = items.iter().map(|(id, quantity)| order::OrderItem {
        product_id: (*id).to_owned(),
        quantity: *quantity,
    });
    frame(&order::PlaceOrderRequest {
        items: items.collect(),
        idempotency_key: key.to_owned(),
    })
}

fn get_order(id: &str) -> Bytes {
    frame(&order::GetOrderRequest {
        order_id: id.to_owned(),
    })
}

fn reserve(order_id: &str, lines: &[(&str, i64)]) -> Bytes {
    let lines = lines.iter().map(|(id, n)| inventory::ReservationLine {
        product_id: (*id).to_owned(),
        quantity: *n,
    });
    frame(&inventory::ReserveRequest {
        order_id: order_id.to_owned(),
        lines: lines.collect(),
    })
}
