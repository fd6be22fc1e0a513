//! Confirmations that do not get through at once, and those that never can.

use std::time::{Duration, Instant};

use proto::order::v1::{GetOrderRequest, OrderStatus};
use sqlx::Executor;
use telemetry_testing::{Mismatch, Span, poll_async};
use tokio::task::JoinSet;
use tonic::Code;

use crate::shop::{Shop, request};
use crate::stand_in::{Call, Plan, start};

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

/// A round of the reconciler that is over: a trace of its own, as the call that placed the order is long over.
fn round(shop: &Shop) -> Result<Span, Mismatch> {
    let span = shop.sink.span("order.confirm").no_error();
    let root = span.check("a root", |span| {
        span.parent_span_id.clone().map_or(Ok(()), Err)
    });
    root.find()
}

async fn status(shop: &Shop, order_id: &str) -> OrderStatus {
    let order_id = order_id.to_owned();
    let mut client = shop.client.clone();
    let answer = client.get_order(GetOrderRequest { order_id }).await;
    answer.unwrap().into_inner().order.unwrap().status()
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
    poll_async("the reconciler's span", || round(&shop)).await;
    let log = shop.sink.log().event("order.unconfirmed").severity("WARN");
    poll_async("the log record", || log.find()).await;
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
    start(async move {
        drop(client.place_order(request("", TEA)).await);
    });
    let order_id = poll_async("the confirm call", || {
        shop.inventory.confirmed().pop().ok_or(())
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
    let logged = shop.sink.log().event("order.failed");
    poll_async("a log record for each", || match logged.matching().len() {
        3 => Ok(()),
        other => Err(other),
    })
    .await;

    shop.inventory.on_confirm(Plan::Answer);
    shop.place_as("key", TEA).await.unwrap();
}

/// Where everything waits for the same writer, a Confirm must not be given up before a Reserve is.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_may_take_as_long_as_a_reservation() {
    let shop = Shop::open_with(&[("SHOP_RESERVE_TIMEOUT", "4s")]).await;
    let takes = Duration::from_secs(3);
    shop.inventory.slow_down_reserve(takes);
    shop.inventory.slow_down_confirm(takes);
    let order = shop.place(TEA).await.unwrap();
    let confirmed = vec![(order.order_id.clone(), "confirmed".to_owned())];
    assert_eq!(shop.stored().await, confirmed);
    assert_eq!(shop.inventory.confirmed(), [order.order_id]);
}

/// Under trouble there are hundreds a second, and the spans have them all.
#[tokio::test(flavor = "multi_thread")]
async fn that_orders_wait_for_their_confirmation_is_logged_for_the_first_and_by_round() {
    let shop = Shop::open().await;
    shop.inventory.on_confirm(Plan::Fail(Code::Unavailable));
    for _ in 0..10 {
        shop.place(TEA).await.unwrap();
    }
    // Each of them after what is said about its confirmation.
    let placed = shop.sink.log().event("order.placed");
    poll_async("the log records", || match placed.matching().len() {
        10 => Ok(()),
        other => Err(other),
    })
    .await;
    let each = shop.sink.log().event("order.unconfirmed");
    let each = each.body("order is not confirmed yet").matching();
    assert_eq!(each.len(), 1, "{each:?}");
}

/// Its caller heard that it is placed: an order in its name, and another under the same key, would be one too many.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cancelled_after_its_call_keeps_its_key_and_is_told() {
    let shop = Shop::open().await;
    shop.inventory
        .on_next_confirms([Plan::Fail(Code::Unavailable), Plan::Refuse]);
    let order = shop.place_as("key", TEA).await.unwrap();
    state_becomes(&shop, &order.order_id, "cancelled").await;
    assert_eq!(status(&shop, &order.order_id).await, OrderStatus::Cancelled);
    let again = shop.place_as("key", TEA).await.unwrap();
    assert_eq!(again.order_id, order.order_id);
    assert_eq!(again.status(), OrderStatus::Cancelled);
    let log = shop.sink.log().event("order.failed").severity("ERROR");
    let log = log.attribute("shop.order.id", order.order_id);
    poll_async("the log record", || log.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_being_placed_are_not_confirmed_by_somebody_else_too() {
    // Time enough to look at calls that hang.
    let shop = Shop::open_with(&[("SHOP_RESERVE_TIMEOUT", "15s")]).await;
    shop.inventory.on_confirm(Plan::Hang);
    let mut placing = JoinSet::new();
    for _ in 0..20 {
        let mut client = shop.client.clone();
        placing.spawn(async move { client.place_order(request("", TEA)).await });
    }
    poll_async("the confirm calls", || {
        match shop.inventory.confirmed().len() {
            20 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    shop.inventory
        .on_next_confirms([Plan::Fail(Code::Unavailable), Plan::Answer]);
    let failed = shop.place(TEA).await.unwrap();
    poll_async("the end of the round", || round(&shop)).await;
    let mut confirmed = shop.inventory.confirmed();
    assert_eq!(confirmed.split_off(20), [&*failed.order_id; 2]);
    confirmed.sort();
    confirmed.dedup();
    assert_eq!(confirmed.len(), 20);

    shop.inventory.on_confirm(Plan::Answer);
    for answer in placing.join_all().await {
        answer.unwrap();
    }
    assert_eq!(shop.inventory.confirmed().len(), 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_another_confirmation_came_before_is_none() {
    let shop = Shop::open().await;
    shop.inventory.on_confirm(Plan::Refuse);
    shop.inventory
        .on_release(Plan::Fail(Code::FailedPrecondition));
    let order = shop.place(TEA).await.unwrap();
    state_becomes(&shop, &order.order_id, "confirmed").await;

    // Nothing is refused for good before inventory has said that it remembers.
    shop.inventory.on_release(Plan::Fail(Code::Unavailable));
    shop.inventory.on_next_confirms([Plan::Refuse]);
    let order = shop.place(TEA).await.unwrap();
    assert_eq!(status(&shop, &order.order_id).await, OrderStatus::Placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_has_stored_about_an_order_is_what_its_caller_hears() {
    let shop = Shop::open().await;
    shop.inventory.on_confirm(Plan::Hang);
    let mut client = shop.client.clone();
    let mut placing = JoinSet::new();
    placing.spawn(async move { client.place_order(request("", TEA)).await });
    poll_async("the confirm call", || {
        shop.inventory.confirmed().pop().ok_or(())
    })
    .await;
    let other = "UPDATE orders SET state = 'cancelled'";
    shop.database().await.execute(other).await.unwrap();
    shop.inventory.on_confirm(Plan::Answer);
    let answer = placing.join_next().await.unwrap().unwrap();
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_round_before_its_last_order() {
    let shop = Shop::open().await;
    let many =
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
        INSERT INTO orders (order_id, state, total, currency, created_at)
        SELECT printf('01999999-0000-7000-8000-%012d', n), 'placed', 1, 'EUR', n FROM number";
    shop.database().await.execute(many).await.unwrap();
    shop.inventory.slow_down_confirm(Duration::from_millis(50));
    let (next, _client) = shop.another().await;
    poll_async("the first confirmation", || {
        shop.inventory.confirmed().pop().ok_or(())
    })
    .await;
    let started = Instant::now();
    next.terminate();
    let exit = tokio::task::spawn_blocking(|| next.wait()).await.unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
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
