//! Bad input over gRPC, straight to inventory and order: a status that says whose mistake it was, and nothing half done.

use bytes::Bytes;
use proto::inventory::v1 as inventory;
use proto::order::v1 as order;
use telemetry_testing::{Kind, poll};

use crate::grpc::{
    Answer, FAILED_PRECONDITION, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, OK, OUT_OF_RANGE,
    RESOURCE_EXHAUSTED, UNIMPLEMENTED, call, frame,
};
use crate::shop::Shop;
use crate::stock::stored_orders;

const PLACE: &str = "shop.order.v1.OrderService/PlaceOrder";
const GET_ORDER: &str = "shop.order.v1.OrderService/GetOrder";
const RESERVE: &str = "shop.inventory.v1.InventoryService/Reserve";
const CONFIRM: &str = "shop.inventory.v1.InventoryService/Confirm";
const RELEASE: &str = "shop.inventory.v1.InventoryService/Release";
const STOCK: &str = "shop.inventory.v1.InventoryService/GetStock";

#[tokio::test]
async fn order_refuses_what_is_no_order() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let id = before[0].id.as_str();
    let place = |items: &[(&str, i64)], key: &str| {
        let items = items.iter().map(|(id, quantity)| order::OrderItem {
            product_id: (*id).to_owned(),
            quantity: *quantity,
        });
        frame(&order::PlaceOrderRequest {
            items: items.collect(),
            idempotency_key: key.to_owned(),
        })
    };
    let get = |id: &str| {
        frame(&order::GetOrderRequest {
            order_id: id.to_owned(),
        })
    };
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
        (INVALID_ARGUMENT, PLACE, place(&[(id, 1)], &"x".repeat(129))),
        (NOT_FOUND, PLACE, place(&[("no-such-product", 1)], "")),
        (NOT_FOUND, GET_ORDER, get("")),
        (NOT_FOUND, GET_ORDER, get("not-a-uuid\n")),
        (
            NOT_FOUND,
            GET_ORDER,
            get("00000000-0000-0000-0000-000000000000"),
        ),
        (
            RESOURCE_EXHAUSTED,
            PLACE,
            place(&[(&"x".repeat(70 * 1024), 1)], ""),
        ),
        (
            UNIMPLEMENTED,
            "shop.order.v1.OrderService/Nothing",
            place(&[], ""),
        ),
        (UNIMPLEMENTED, "nowhere/Nothing", Bytes::new()),
    ];
    refuses(&shop, "order", &cases).await;
    assert_eq!(stored_orders(shop.child("order").data_dir()).await, 0);
    assert_eq!(shop.catalogue().await, before);
}

#[tokio::test]
async fn inventory_refuses_what_is_no_reservation() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let id = before[0].id.as_str();
    let reserve = |order_id: &str, lines: &[(&str, i64)]| {
        let lines = lines
            .iter()
            .map(|(id, quantity)| inventory::ReservationLine {
                product_id: (*id).to_owned(),
                quantity: *quantity,
            });
        frame(&inventory::ReserveRequest {
            order_id: order_id.to_owned(),
            lines: lines.collect(),
        })
    };
    let confirm = |id: &str| {
        frame(&inventory::ConfirmRequest {
            order_id: id.to_owned(),
        })
    };
    let cases = [
        (INVALID_ARGUMENT, RESERVE, reserve("", &[(id, 1)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[(id, 0)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[(id, -5)])),
        (INVALID_ARGUMENT, RESERVE, reserve("o-1", &[(id, i64::MAX)])),
        (
            INVALID_ARGUMENT,
            RESERVE,
            reserve("o-1", &[(id, i64::MAX), (id, i64::MAX)]),
        ),
        (
            INVALID_ARGUMENT,
            RESERVE,
            reserve(&"x".repeat(10_000), &[(id, 1)]),
        ),
        (NOT_FOUND, CONFIRM, confirm("never-reserved")),
        (INVALID_ARGUMENT, CONFIRM, confirm("")),
        (
            INVALID_ARGUMENT,
            RELEASE,
            frame(&inventory::ReleaseRequest {
                order_id: String::new(),
            }),
        ),
        (
            RESOURCE_EXHAUSTED,
            RESERVE,
            reserve(&"x".repeat(70 * 1024), &[(id, 1)]),
        ),
        (
            UNIMPLEMENTED,
            "shop.inventory.v1.InventoryService/Nothing",
            Bytes::new(),
        ),
    ];
    refuses(&shop, "inventory", &cases).await;
    assert_eq!(
        shop.catalogue().await,
        before,
        "a refused reservation took stock"
    );

    // A product that inventory does not have is too little stock, which is an answer.
    let address = shop.child("inventory").listening();
    let answer = call(
        address,
        RESERVE,
        &[],
        reserve("o-2", &[("no-such-product", 1)]),
    )
    .await
    .unwrap();
    let answer: inventory::ReserveResponse = answer.decode();
    assert_eq!(
        answer.outcome(),
        inventory::reserve_response::Outcome::Rejected
    );
    // The same order with other lines is not the same reservation.
    for (status, lines) in [
        (OK, &[(id, 1)][..]),
        (OK, &[(id, 1)]),
        (FAILED_PRECONDITION, &[(id, 2)]),
    ] {
        let answer = call(address, RESERVE, &[], reserve("o-3", lines))
            .await
            .unwrap();
        assert_eq!(answer.status, Some(status), "{answer:?}");
    }
    assert_eq!(shop.catalogue().await[0].available, before[0].available - 1);
}

#[tokio::test]
async fn bytes_that_are_no_message_break_nothing() {
    let shop = Shop::start();
    let before = shop.catalogue().await;
    let bodies: [&'static [u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        // A frame cut short, a message that is none, a length of 4 GiB, a compression nobody agreed on.
        &[0, 0, 0, 0, 200, 1, 2],
        &[0, 0, 0, 0, 3, 0xff, 0xff, 0xff],
        &[0, 0xff, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0, 1, 0],
    ];
    // gRPC's own codes for a message that cannot be read.
    let expected = [INTERNAL, OUT_OF_RANGE, UNIMPLEMENTED, RESOURCE_EXHAUSTED];
    let mut n = 0xabc0_0000_u32;
    for (service, method) in [
        ("inventory", STOCK),
        ("inventory", RESERVE),
        ("order", PLACE),
    ] {
        let address = shop.child(service).listening();
        for body in bodies {
            n += 1;
            let trace = format!("{n:032x}");
            let parent = format!("00-{trace}-b7ad6b7169203331-01");
            let headers = [("traceparent", parent.as_str())];
            let answer = call(address, method, &headers, Bytes::from_static(body)).await;
            let answer = answer.unwrap();
            assert_eq!(answer.http, 200, "{answer:?}");
            let is_named = answer
                .status
                .is_some_and(|status| expected.contains(&status));
            assert!(is_named, "{method} {body:?}: {answer:?}");
            shop.sink
                .span(method)
                .service(service)
                .trace(&trace)
                .has_attribute("rpc.response.status_code")
                .eventually();
        }
    }
    assert_eq!(shop.catalogue().await, before);
    assert_eq!(stored_orders(shop.child("order").data_dir()).await, 0);
}

#[tokio::test]
async fn broken_context_metadata_is_ignored_and_counted() {
    let shop = Shop::start();
    let address = shop.child("inventory").listening();
    // Above this the HTTP/2 server refuses the head before any code of ours.
    let long = "x".repeat(9 * 1024);
    let body = || frame(&inventory::GetStockRequest::default());
    let parent = (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    for headers in [
        &[("traceparent", "rubbish")][..],
        &[("traceparent", &long)],
        &[("baggage", &long)],
        &[parent, ("tracestate", &long)],
    ] {
        let answer = call(address, STOCK, headers, body()).await.unwrap();
        assert_eq!(answer.status, Some(OK), "{answer:?}");
    }
    for (header, times) in [("traceparent", 2.0), ("baggage", 1.0), ("tracestate", 1.0)] {
        let ignored = shop
            .sink
            .metric("otel_tower.context.ignored")
            .service("inventory")
            .attribute("otel_tower.header", header);
        poll(&format!("{times} ignored {header}"), || {
            ignored.total_is(times)
        });
    }
    let huge = "x".repeat(64 * 1024);
    let answer = call(address, STOCK, &[("traceparent", &huge)], body()).await;
    let is_refused = |a: &Answer| a.http == 431 || a.status == Some(RESOURCE_EXHAUSTED);
    assert!(answer.as_ref().map_or(true, is_refused), "{answer:?}");
    assert_eq!(
        call(address, STOCK, &[], body()).await.unwrap().status,
        Some(OK)
    );
}

/// Each case gets its status, and a server span that has it too and is not an error.
async fn refuses(shop: &Shop, service: &str, cases: &[(i32, &str, Bytes)]) {
    let address = shop.child(service).listening();
    for (n, (status, method, body)) in cases.iter().enumerate() {
        let trace = format!("{:032x}", 0xabc0_0000 + n);
        let parent = format!("00-{trace}-b7ad6b7169203331-01");
        let answer = call(address, method, &[("traceparent", &parent)], body.clone())
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            Some(*status),
            "case {n}, {method}: {answer:?}"
        );
        assert!(!answer.text.contains("sql"), "{answer:?}");
        let is_known = *status != UNIMPLEMENTED;
        // An unknown method is no name of ours.
        let name = if is_known { *method } else { "_OTHER" };
        let span = shop
            .sink
            .span(name)
            .service(service)
            .kind(Kind::Server)
            .trace(&trace)
            .eventually();
        assert_eq!(span.is_error(), !is_known, "case {n}: {span:?}");
    }
}
