//! The API. What each state allows is tested in `store`; here is what a caller gets to see of it.

use std::sync::Arc;

use proto::inventory::v1::reserve_response::Outcome;
use proto::inventory::v1::{GetStockRequest, Shortage, confirm_response};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use telemetry_testing::poll_async;
use tokio::task::JoinSet;
use tonic::Code;

use crate::service::{Inventory, PLENTY, SCARCE, call};

#[tokio::test(flavor = "multi_thread")]
async fn stock_levels_are_those_of_the_known_products() {
    let inventory = Inventory::start();
    let product_ids = [SCARCE, "unheard-of", PLENTY].map(str::to_owned).to_vec();
    let request = call(GetStockRequest { product_ids });
    let levels = inventory
        .client()
        .get_stock(request)
        .await
        .unwrap()
        .into_inner()
        .levels;
    let levels: Vec<_> = levels
        .iter()
        .map(|level| (&*level.product_id, level.available))
        .collect();
    assert_eq!(levels, [(PLENTY, 1_000_000), (SCARCE, 10)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_stock_is_an_answer_that_says_how_little() {
    let inventory = Inventory::start();
    let answer = inventory
        .reserve("a", &[(SCARCE, 6), (PLENTY, 1), (SCARCE, 5)])
        .await
        .unwrap();
    assert_eq!(answer.outcome(), Outcome::Rejected);
    let shortage = Shortage {
        product_id: SCARCE.to_owned(),
        requested: 11,
        available: 10,
    };
    assert_eq!(answer.shortages, [shortage]);
    assert_eq!(inventory.level(PLENTY).await, 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_made_confirmed_and_kept() {
    let inventory = Inventory::start();
    inventory.reserved("a", &[(SCARCE, 4)]).await;
    inventory.reserved("a", &[(SCARCE, 4)]).await;
    let other = inventory.reserve("a", &[(SCARCE, 3)]).await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition);

    for _ in 0..2 {
        let outcome = inventory.confirm("a").await.unwrap();
        assert_eq!(outcome, confirm_response::Outcome::Confirmed);
    }
    let late = inventory.release("a").await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    assert_eq!(inventory.level(SCARCE).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_holds_whether_it_comes_before_or_after() {
    let inventory = Inventory::start();
    inventory.reserved("after", &[(SCARCE, 4)]).await;
    for order in ["after", "before"] {
        inventory.release(order).await.unwrap();
        let again = inventory.reserve(order, &[(SCARCE, 4)]).await.unwrap_err();
        assert_eq!(again.code(), Code::Aborted, "{order}");
        let confirmed = inventory.confirm(order).await.unwrap_err();
        assert_eq!(confirmed.code(), Code::Aborted, "{order}");
    }
    assert_eq!(inventory.level(SCARCE).await, 10);
    assert_eq!(
        inventory.confirm("never").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_an_invalid_argument() {
    let inventory = Inventory::start();
    let requests: [(&str, &[(&str, i64)]); 8] = [
        ("", &[(PLENTY, 1)]),
        ("a/b", &[(PLENTY, 1)]),
        ("a", &[]),
        ("a", &[(PLENTY, 1); 51]),
        ("a", &[(PLENTY, 0)]),
        ("a", &[(PLENTY, -1)]),
        ("a", &[(PLENTY, 1001)]),
        ("a", &[("", 1)]),
    ];
    for (order, lines) in requests {
        let refused = inventory.reserve(order, lines).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{order:?} {lines:?}");
    }
    for refused in [
        inventory.release("").await,
        inventory.confirm("").await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    let too_many = GetStockRequest {
        product_ids: vec!["x".to_owned(); 201],
    };
    let refused = inventory
        .client()
        .get_stock(call(too_many))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_share_ten() {
    let inventory = Arc::new(Inventory::start());
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let inventory = Arc::clone(&inventory);
        calls.spawn(async move {
            let answer = inventory
                .reserve(&format!("order-{number}"), &[(SCARCE, 1)])
                .await;
            answer.unwrap().outcome()
        });
    }
    let outcomes = calls.join_all().await;
    let reserved = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Reserved);
    assert_eq!(reserved.count(), 10);
    assert_eq!(inventory.level(SCARCE).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_too_many_is_refused_and_a_confirmation_beside_it_is_not() {
    // One Reserve at a time may wait, and one other call.
    let inventory = Arc::new(Inventory::start_with(&[("SHOP_MAX_IN_FLIGHT", "2")]));
    inventory.reserved("a", &[(SCARCE, 1)]).await;
    // Another process writes: nobody here comes to the writer.
    let file = inventory.child.data_dir().join("stock.db");
    let mut other = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut first = JoinSet::new();
    let reserving = Arc::clone(&inventory);
    first.spawn(async move { reserving.reserve("first", &[(SCARCE, 1)]).await });
    let active = inventory
        .sink
        .metric("rpc.server.active_calls")
        .attribute("rpc.method", "shop.inventory.v1.InventoryService/Reserve");
    poll_async("the first to wait", || active.total_is(1.0)).await;

    let refused = inventory.reserve("second", &[(SCARCE, 1)]).await;
    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
    let confirming = inventory.confirm("a");
    let free = async {
        other.execute("ROLLBACK").await.unwrap();
    };
    let (confirmed, ()) = tokio::join!(confirming, free);
    assert_eq!(confirmed.unwrap(), confirm_response::Outcome::Confirmed);
    let first = first.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(first.outcome(), Outcome::Reserved);
    assert_eq!(inventory.level(SCARCE).await, 8);
}
