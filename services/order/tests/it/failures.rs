//! What happens when a dependency, the database or the caller lets an order down.

use std::time::Duration;

use proto::order::v1::order_service_client::OrderServiceClient;
use sqlx::Executor;
use telemetry_testing::poll_async;
use tonic::transport::Channel;
use tonic::{Code, Status};
use warp::http::StatusCode;

use crate::shop::{PLACE, Shop, request};
use crate::stand_in::{Call, Plan, start};

const TEA: &[(&str, i64)] = &[("tea", 1)];

/// The one order that was reserved is released, and nothing is stored.
async fn released(shop: &Shop) {
    poll_async("the stock to be released", || {
        match shop.inventory.reserved().as_slice() {
            [order_id] => shop.inventory.got(&[Call::Release(order_id.clone())]),
            _ => Err(shop.inventory.calls()),
        }
    })
    .await;
    assert_eq!(shop.stored().await, []);
}

/// A failure of ours: counted, logged once with its causes, and the steps it went through are marked.
async fn failed(shop: &Shop, spans: &[&str]) {
    shop.counted_one("failed").await;
    for name in spans.iter().chain(&["order.place", PLACE]) {
        let span = shop.sink.span(name).error().has_attribute("error.type");
        poll_async(&format!("{name} to be marked"), || span.find()).await;
    }
    let log = shop
        .sink
        .log()
        .event("order.failed")
        .severity("ERROR")
        .has_attribute("exception.message");
    poll_async("the log record", || log.find()).await;
    assert_eq!(log.matching().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_product_answers_with_an_error_is_internal_and_reserves_nothing() {
    let shop = Shop::open().await;
    shop.product.fail(StatusCode::INTERNAL_SERVER_ERROR);
    let status = shop.place(TEA).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(
        status.message(),
        "product tea could not be priced: product answered with an error"
    );
    assert!(shop.inventory.calls().is_empty());
    failed(&shop, &["GET /products/{id}", "order.price"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_does_not_exist_is_the_callers_mistake() {
    let shop = Shop::open().await;
    shop.product.fail(StatusCode::NOT_FOUND);
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::NotFound);
    shop.counted_one("invalid").await;
    let place = shop.sink.span("order.place").no_error();
    poll_async("the span", || place.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_down_or_overloaded_is_unavailable() {
    let shop = Shop::open_with(&[("SHOP_PRODUCT_URL", "http://127.0.0.1:1")]).await;
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::Unavailable);
    failed(&shop, &["order.price"]).await;

    let shop = Shop::open().await;
    shop.product.fail(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_is_too_slow_is_a_deadline_and_its_stock_is_released() {
    let shop = Shop::open_with(&[("SHOP_RESERVE_TIMEOUT", "200ms")]).await;
    shop.inventory.on_reserve(Plan::Hang);
    let status = shop.place(TEA).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.message(),
        "the stock could not be reserved: inventory was too slow"
    );
    released(&shop).await;
    failed(&shop, &["order.reserve"]).await;

    let reserve = shop
        .sink
        .span("shop.inventory.v1.InventoryService/Reserve")
        .error();
    let reserve = reserve
        .attribute("rpc.response.status_code", "DEADLINE_EXCEEDED")
        .find()
        .unwrap();
    // The release belongs to the same trace, and a log record of it too.
    let release = shop
        .sink
        .span("order.release")
        .no_error()
        .trace(&reserve.trace_id);
    poll_async("the release's span", || release.find()).await;
    let log = shop
        .sink
        .log()
        .event("order.released")
        .trace(&reserve.trace_id);
    poll_async("the release's log record", || log.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_loses_the_connection_is_unavailable_and_its_stock_is_released() {
    let shop = Shop::open().await;
    shop.inventory.on_reserve(Plan::Fail(Code::Unavailable));
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::Unavailable);
    released(&shop).await;
    failed(&shop, &["order.reserve"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_is_down_is_unavailable() {
    let shop = Shop::open_with(&[("SHOP_INVENTORY_URL", "http://127.0.0.1:1")]).await;
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::Unavailable);
    failed(&shop, &["order.reserve", "order.release"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_says_no_is_internal_and_is_not_asked_to_release() {
    let shop = Shop::open().await;
    shop.inventory
        .on_reserve(Plan::Fail(Code::FailedPrecondition));
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::Internal);
    failed(&shop, &["order.reserve"]).await;
    assert_eq!(shop.inventory.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_stored_is_internal_and_its_stock_is_released() {
    let shop = Shop::open().await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON order_lines
                BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    shop.database().await.execute(full).await.unwrap();
    let status = shop.place(TEA).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.message(), "the order could not be stored or read");
    released(&shop).await;
    failed(&shop, &["order.store", "INSERT order_lines"]).await;
    let log = shop.sink.log().event("order.failed").expect();
    let causes = log.attributes.text("exception.message").unwrap_or_default();
    assert!(causes.contains("disk is full"), "{causes}");
}

/// A call of its own, that ends when it is dropped.
fn place_and_leave(
    client: &OrderServiceClient<Channel>,
) -> (
    tokio::sync::oneshot::Sender<()>,
    tokio::sync::oneshot::Receiver<Result<(), Status>>,
) {
    let (leave, left) = tokio::sync::oneshot::channel();
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut client = client.clone();
    start(async move {
        tokio::select! {
            answer = client.place_order(request("", TEA)) => drop(tell.send(answer.map(drop))),
            _ = left => {}
        }
    });
    (leave, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_while_stock_is_being_reserved_leaves_none_behind() {
    let shop = Shop::open().await;
    shop.inventory.on_reserve(Plan::Hang);
    let (leave, _told) = place_and_leave(&shop.client);
    poll_async("the reserve call", || {
        match shop.inventory.reserved().len() {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    leave.send(()).unwrap();
    released(&shop).await;
    shop.counted_one("cancelled").await;
    let server = shop.sink.span(PLACE).attribute("error.type", "cancelled");
    let server = poll_async("the server span", || server.find()).await;
    let release = shop.sink.span("order.release").trace(&server.trace_id);
    poll_async("the release's span", || release.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_after_the_reservation_gets_neither_order_nor_stock() {
    let shop = Shop::open().await;
    let mut other = shop.database().await;
    // Another process writes: the order waits for its turn with its stock reserved.
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let (leave, _told) = place_and_leave(&shop.client);
    let reserve = shop
        .sink
        .span("shop.inventory.v1.InventoryService/Reserve")
        .no_error();
    poll_async("the reservation", || reserve.find()).await;
    leave.send(()).unwrap();
    poll_async("the stock to be released", || {
        let order_id = shop.inventory.reserved().swap_remove(0);
        shop.inventory.got(&[Call::Release(order_id)])
    })
    .await;
    other.execute("ROLLBACK").await.unwrap();
    shop.counted_one("cancelled").await;
    // The writer is free again, and the abandoned transaction left nothing.
    let order = shop.place(TEA).await.unwrap();
    assert_eq!(
        shop.stored().await,
        [(order.order_id, "confirmed".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_fails_after_its_caller_left_is_counted_and_logged_as_failed() {
    let shop = Shop::open().await;
    shop.inventory.on_confirm(Plan::Hang);
    let (leave, _told) = place_and_leave(&shop.client);
    poll_async("the confirm call", || {
        match shop.inventory.confirmed().len() {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    leave.send(()).unwrap();
    let server = shop.sink.span(PLACE).attribute("error.type", "cancelled");
    let server = poll_async("the end of the call", || server.find()).await;
    shop.inventory.on_confirm(Plan::Refuse);
    shop.counted_one("failed").await;
    let log = shop
        .sink
        .log()
        .event("order.failed")
        .trace(&server.trace_id);
    poll_async("the log record", || log.find()).await;
    assert_eq!(shop.sink.log().event("order.failed").matching().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_is_overloaded_is_unavailable_and_is_not_burdened_with_a_release() {
    let shop = Shop::open().await;
    shop.inventory
        .on_reserve(Plan::Fail(Code::ResourceExhausted));
    assert_eq!(shop.place(TEA).await.unwrap_err().code(), Code::Unavailable);
    failed(&shop, &["order.reserve"]).await;
    assert_eq!(shop.inventory.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_outlives_the_end_of_the_service() {
    let shop = Shop::open_with(&[("SHOP_RESERVE_TIMEOUT", "500ms")]).await;
    shop.inventory.on_reserve(Plan::Hang);
    // Longer than the drain of connections takes, so that only waiting for the release itself sees its end.
    shop.inventory
        .slow_down_release(Duration::from_millis(1200));
    let status = shop.place(TEA).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    shop.order.terminate();
    let Shop { order, sink, .. } = shop;
    let exit = tokio::task::spawn_blocking(|| order.wait()).await.unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    sink.span("order.release").no_error().expect();
    sink.log().event("order.released").expect();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_product_inside_the_limits_is_only_slow() {
    let shop = Shop::open().await;
    shop.product.delay(Duration::from_millis(700));
    shop.place(TEA).await.unwrap();
    let price = shop.sink.span("order.price").no_error();
    let price = poll_async("the span", || price.find()).await;
    assert!(
        price.duration() >= Duration::from_millis(700),
        "{:?}",
        price.duration()
    );
}
