//! Stock is never sold twice, never lost, and an idempotency key identifies one order.

use std::collections::BTreeMap;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::task::JoinSet;

use crate::http::Reply;
use crate::shop::{Plan, Product, SERVICES, Shop, alone, expect_total};

const SCARCE: i64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_orders_at_once_for_ten_pieces_are_ten_orders() {
    let _alone = alone().await;
    let shop = Shop::start();
    let product = scarce(&shop).await;
    let mut orders = JoinSet::new();
    for _ in 0..100 {
        orders.spawn(Reply::of(shop.order_request(&product.id, 1)));
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for reply in orders.join_all().await {
        *statuses.entry(reply.status).or_default() += 1;
        if reply.status == 409 {
            reply.assert_problem(409);
            let missing = &reply.body["shortages"][0]["product_id"];
            assert_eq!(*missing, *product.id, "{reply:?}");
        }
    }
    assert_eq!(statuses, BTreeMap::from([(201, 10), (409, 90)]));
    assert_eq!(shop.available(&product.id).await, 0);
    expect_total(&shop.orders("placed"), 10.0);
    expect_total(&shop.orders("rejected"), 90.0);
    assert_eq!(stored_orders(&shop).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_twice_at_once_is_one_order_and_with_another_body_422() {
    let shop = Shop::start();
    let product = scarce(&shop).await;
    let with_key = |quantity| {
        shop.order_request(&product.id, quantity)
            .header("idempotency-key", "twice-at-once")
    };
    let mut both = JoinSet::new();
    for _ in 0..2 {
        both.spawn(Reply::of(with_key(2)));
    }
    let both = both.join_all().await;
    for reply in &both {
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!(reply.body["order_id"], both[0].body["order_id"]);
        shop.whole_trace(&reply.trace_id());
    }
    assert_ne!(both[0].trace_id(), both[1].trace_id());
    assert_eq!(shop.available(&product.id).await, SCARCE - 2);
    assert_eq!(stored_orders(&shop).await, 1);

    let other = Reply::of(with_key(3)).await;
    other.assert_problem(422);
    shop.whole_trace(&other.trace_id());
    assert_eq!(shop.available(&product.id).await, SCARCE - 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_killed_between_reserve_and_store_leaks_no_stock() {
    let mut shop = Plan::default().set("SHOP_RESERVATION_TTL", "1s").start();
    let product = scarce(&shop).await;
    // With its database locked, order gets as far as the reservation, and no further.
    let lock = locked(&shop).await;
    let mut running = JoinSet::new();
    running.spawn(Reply::of(shop.order_request(&product.id, 4)));
    expect_total(&shop.reservations("reserved"), 1.0);
    let order = shop.take("order");
    order.kill();
    assert_eq!(order.wait().signal, Some(9));

    let reply = running.join_next().await.unwrap().unwrap();
    reply.assert_problem(503);
    drop(lock);
    expect_total(&shop.reservations("expired"), 1.0);
    assert_eq!(shop.available(&product.id).await, SCARCE);
    let expired = shop.sink.log().event("inventory.reservation.expired");
    expired.severity("WARN").eventually();
}

#[tokio::test]
async fn an_order_that_cannot_be_stored_gives_its_stock_back() {
    let shop = Plan::default().set("SHOP_REQUEST_TIMEOUT", "2s").start();
    let product = scarce(&shop).await;
    let lock = locked(&shop).await;
    let reply = shop.order(&product.id, 4).await;
    assert!(reply.status >= 500, "{reply:?}");
    drop(lock);
    expect_total(&shop.reservations("released"), 1.0);
    assert_eq!(shop.available(&product.id).await, SCARCE);
    assert_eq!(stored_orders(&shop).await, 0);
    assert_eq!(shop.order(&product.id, SCARCE).await.status, 201);
}

/// The product with a stock of [`SCARCE`].
async fn scarce(shop: &Shop) -> Product {
    let mut all = shop.catalogue().await.into_iter();
    let scarce = all.find(|product| product.available == SCARCE);
    scarce.unwrap()
}

/// Nothing was sold, stored or logged as an error, and the next order is accepted.
pub(crate) async fn expect_unchanged(shop: &Shop, before: &[Product]) {
    assert_eq!(shop.catalogue().await, before, "stock changed");
    assert_eq!(stored_orders(shop).await, 0);
    for service in SERVICES {
        let mut errors = shop.child(service).log_lines();
        errors.retain(|line| line["level"] == "ERROR");
        assert!(errors.is_empty(), "{service}: {errors:#?}");
    }
    assert_eq!(shop.get("/readyz").await.status, 200);
    assert_eq!(shop.order(&before[0].id, 1).await.status, 201);
}

async fn database(shop: &Shop) -> SqliteConnection {
    let file = shop.child("order").data_dir().join("orders.db");
    let file = SqliteConnectOptions::new().filename(file);
    file.connect().await.unwrap()
}

/// The number of stored orders, whatever their state.
pub(crate) async fn stored_orders(shop: &Shop) -> i64 {
    let query = sqlx::query_scalar("SELECT count(*) FROM orders");
    query.fetch_one(&mut database(shop).await).await.unwrap()
}

/// Another transaction, which blocks the writes of order until it is dropped.
async fn locked(shop: &Shop) -> SqliteConnection {
    let mut connection = database(shop).await;
    let begin = sqlx::query("BEGIN IMMEDIATE");
    begin.execute(&mut connection).await.unwrap();
    connection
}
