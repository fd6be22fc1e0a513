//! The same idempotency key more than once.

use std::time::Duration;

use proto::order::v1::place_order_response;
use telemetry_testing::poll_async;
use tonic::Code;
use warp::http::StatusCode;

use crate::shop::{Shop, request};
use crate::stand_in::Call;

const TEA: &[(&str, i64)] = &[("tea", 1)];

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_many_times_at_once_gives_one_order_and_one_answer() {
    let shop = Shop::open().await;
    // Long enough that all have arrived before the first is done.
    shop.product.delay(Duration::from_millis(200));
    let at_once = || shop.place_as("key", TEA);
    let (a, b, c, d) = tokio::join!(at_once(), at_once(), at_once(), at_once());
    let first = a.unwrap();
    assert_eq!(
        [b.unwrap(), c.unwrap(), d.unwrap()],
        [first.clone(), first.clone(), first.clone()]
    );

    assert_eq!(shop.inventory.reserved(), [first.order_id]);
    assert_eq!(shop.product.lookups().len(), 1);
    shop.counted_one("placed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_means_its_items_in_any_order_and_no_others() {
    let shop = Shop::open().await;
    let first = shop
        .place_as("key", &[("cup", 1), ("tea", 2)])
        .await
        .unwrap();
    let again = shop
        .place_as("key", &[("tea", 1), ("cup", 1), ("tea", 1)])
        .await
        .unwrap();
    assert_eq!(first, again);
    for other in [
        &[("cup", 1), ("tea", 3)][..],
        &[("cup", 1)],
        &[("cup", 1), ("tea", 2), ("pot", 1)],
    ] {
        let refused = shop.place_as("key", other).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{other:?}");
    }
    let invalid = || shop.orders("invalid").total_is(3.0);
    poll_async("the refusals to be counted", invalid).await;
    assert_eq!(shop.inventory.reserved().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_without_a_key_are_each_their_own() {
    let shop = Shop::open().await;
    let first = shop.place(TEA).await.unwrap();
    assert_ne!(first.order_id, shop.place(TEA).await.unwrap().order_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_failed_leaves_its_key_free() {
    let shop = Shop::open().await;
    shop.product.fail(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        shop.place_as("key", TEA).await.unwrap_err().code(),
        Code::Internal
    );
    shop.product.heal();
    shop.place_as("key", &[("cup", 1)]).await.unwrap();
}

/// Two processes do not know of each other's turns: what keeps them apart is the database.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_over_one_database_give_one_order_and_the_loser_releases() {
    let shop = Shop::open().await;
    let (_other, mut client) = shop.another().await;
    shop.product.delay(Duration::from_millis(200));
    let (here, there) = tokio::join!(
        shop.place_as("key", TEA),
        client.place_order(request("key", TEA))
    );
    let there = match there.unwrap().into_inner().outcome {
        Some(place_order_response::Outcome::Placed(order)) => order,
        other => panic!("{other:?}"),
    };
    let order = here.unwrap();
    assert_eq!(order, there);

    let reserved = shop.inventory.reserved();
    assert_eq!(reserved.len(), 2, "they did not meet: {reserved:?}");
    let loser = reserved
        .into_iter()
        .find(|id| *id != order.order_id)
        .unwrap();
    let calls = [Call::Release(loser), Call::Confirm(order.order_id.clone())];
    poll_async("the loser's stock to be released", || {
        shop.inventory.got(&calls)
    })
    .await;
    assert_eq!(
        shop.stored().await,
        [(order.order_id, "confirmed".to_owned())]
    );
    // Losing a race is no failure: no span and no log record says so.
    let failed = shop.sink.log().event("order.failed").matching();
    assert!(failed.is_empty(), "{failed:?}");
    poll_async("the loser's span", || {
        shop.sink
            .span("order.store")
            .all()
            .and_then(|_| shop.sink.span("order.release").find())
    })
    .await;
    shop.sink.span("order.store").error().none();
}
