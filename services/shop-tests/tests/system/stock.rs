//! Stock is never sold twice, never lost, and an idempotency key stands for one order.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use telemetry_testing::poll;
use tokio::task::JoinSet;

use crate::http::Reply;
use crate::shop::{Plan, Product, Shop, alone};

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
            assert_eq!(
                reply.body["shortages"][0]["product_id"], *product.id,
                "{reply:?}"
            );
        }
    }
    assert_eq!(statuses, BTreeMap::from([(201, 10), (409, 90)]));
    assert_eq!(shop.available(&product.id).await, 0);
    poll("ten placed orders", || shop.orders("placed").total_is(10.0));
    poll("ninety rejected orders", || {
        shop.orders("rejected").total_is(90.0)
    });
    assert_eq!(stored_orders(shop.child("order").data_dir()).await, 10);
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
    assert_eq!(stored_orders(shop.child("order").data_dir()).await, 1);

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
    let lock = locked(shop.child("order").data_dir()).await;
    let mut running = JoinSet::new();
    running.spawn(Reply::of(shop.order_request(&product.id, 4)));
    let reserved = shop
        .sink
        .metric("shop.inventory.reservations")
        .attribute("shop.reservation.outcome", "reserved");
    poll("the reservation", || reserved.total_is(1.0));
    let order = shop.take("order");
    order.kill();
    assert_eq!(order.wait().signal, Some(9));

    let reply = running.join_next().await.unwrap().unwrap();
    reply.assert_problem(503);
    drop(lock);
    let expired = shop
        .sink
        .metric("shop.inventory.reservations")
        .attribute("shop.reservation.outcome", "expired");
    poll("the reservation to expire", || expired.total_is(1.0));
    assert_eq!(shop.available(&product.id).await, SCARCE);
    shop.sink
        .log()
        .event("inventory.reservation.expired")
        .severity("WARN")
        .eventually();
}

#[tokio::test]
async fn an_order_that_cannot_be_stored_gives_its_stock_back() {
    let shop = Plan::default().set("SHOP_REQUEST_TIMEOUT", "2s").start();
    let product = scarce(&shop).await;
    let lock = locked(shop.child("order").data_dir()).await;
    let reply = shop.order(&product.id, 4).await;
    assert!(reply.status >= 500, "{reply:?}");
    drop(lock);
    let released = shop
        .sink
        .metric("shop.inventory.reservations")
        .attribute("shop.reservation.outcome", "released");
    poll("the reservation to be released", || released.total_is(1.0));
    assert_eq!(shop.available(&product.id).await, SCARCE);
    assert_eq!(stored_orders(shop.child("order").data_dir()).await, 0);
    assert_eq!(shop.order(&product.id, SCARCE).await.status, 201);
}

/// The product of which there are ten.
async fn scarce(shop: &Shop) -> Product {
    let all = shop.catalogue().await;
    let scarce = all.iter().find(|product| product.available == SCARCE);
    scarce
        .unwrap_or_else(|| panic!("no product has {SCARCE}: {all:?}"))
        .clone()
}

async fn database(data_dir: &Path) -> SqliteConnection {
    let file = SqliteConnectOptions::new().filename(data_dir.join("orders.db"));
    file.connect().await.unwrap()
}

/// How many orders are stored, whatever their state.
pub(crate) async fn stored_orders(data_dir: &Path) -> i64 {
    let mut connection = database(data_dir).await;
    sqlx::query_scalar("SELECT count(*) FROM orders")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

/// A transaction of somebody else that keeps order from writing, until it is dropped.
async fn locked(data_dir: &Path) -> SqliteConnection {
    let mut connection = database(data_dir).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}
