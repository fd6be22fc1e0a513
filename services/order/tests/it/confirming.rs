//! Confirmations that do not get through at once, and those that never can.

use telemetry_testing::poll_async;
use tonic::Code;

use crate::shop::Shop;
use crate::stand_in::{Call, Plan};

const TEA: &[(&str, i64)] = &[("tea", 1)];

async fn state_becomes(shop: &Shop, order_id: &str, state: &str) {
    let wanted = vec![(order_id.to_owned(), state.to_owned())];
    let patience = tokio::time::Instant::now() + telemetry_testing::patience();
    loop {
        let stored = shop.stored().await;
        if stored == wanted {
            return;
        }
        assert!(
            tokio::time::Instant::now() < patience,
            "wanted {wanted:?}, last seen {stored:?}"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_stands_without_its_confirmation_which_is_repeated() {
    let shop = Shop::open().await;
    shop.inventory.on_confirm(Plan::Fail(Code::Unavailable));
    let order = shop.place(TEA).await.unwrap();
    shop.counted_one("placed").await;
    assert_eq!(
        shop.stored().await,
        [(order.order_id.clone(), "placed".to_owned())]
    );

    shop.inventory.on_confirm(Plan::Answer);
    state_becomes(&shop, &order.order_id, "confirmed").await;
    shop.inventory
        .got(&[Call::Confirm(order.order_id)])
        .unwrap();
    // A trace of its own: the call that placed the order is long over.
    let repeated = shop
        .sink
        .span("order.confirm")
        .no_error()
        .check("a root", |span| {
            span.parent_span_id.clone().map_or(Ok(()), Err)
        });
    poll_async("the reconciler's span", || repeated.find()).await;
    // The stock is never given back.
    assert!(
        !shop
            .inventory
            .calls()
            .iter()
            .any(|call| matches!(call, Call::Release(_)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_service_left_unconfirmed_is_confirmed_by_the_next() {
    let shop = Shop::open().await;
    shop.inventory.on_confirm(Plan::Hang);
    let mut client = shop.client.clone();
    crate::stand_in::start(async move {
        drop(client.place_order(crate::shop::request("", TEA)).await);
    });
    let order_id = poll_async("the confirm call", || {
        let calls = shop.inventory.calls();
        let confirm = |call: &Call| match call {
            Call::Confirm(order_id) => Some(order_id.clone()),
            _ => None,
        };
        calls.iter().find_map(confirm).ok_or(calls)
    })
    .await;
    shop.order.kill();
    shop.inventory.on_confirm(Plan::Answer);
    let (_next, _client) = shop.another().await;
    state_becomes(&shop, &order_id, "confirmed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_stock_is_gone_is_cancelled_and_its_key_is_free() {
    let shop = Shop::open().await;
    for plan in [
        Plan::Refuse,
        Plan::Fail(Code::NotFound),
        Plan::Fail(Code::Aborted),
    ] {
        shop.inventory.on_confirm(plan);
        let status = shop.place_as("key", TEA).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{plan:?}");
    }
    let stored = shop.stored().await;
    assert_eq!(stored.len(), 3);
    assert!(
        stored.iter().all(|(_, state)| state == "cancelled"),
        "{stored:?}"
    );
    let failed = || shop.orders("failed").total_is(3.0);
    poll_async("the failures to be counted", failed).await;

    shop.inventory.on_confirm(Plan::Answer);
    shop.place_as("key", TEA).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_service_makes_no_spans() {
    let shop = Shop::open().await;
    // Ten exports of the metrics: time enough for anything that runs by itself.
    let exports = || {
        shop.sink
            .requests()
            .iter()
            .filter(|it| it.path.ends_with("/metrics"))
            .count()
    };
    poll_async("some exports", || {
        if exports() >= 10 {
            Ok(())
        } else {
            Err(exports())
        }
    })
    .await;
    let spans = shop.sink.spans();
    assert!(spans.is_empty(), "{spans:?}");
}
