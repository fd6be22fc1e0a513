//! What a call leaves in the sink.

use std::time::Duration;

use telemetry_testing::{PointKind, poll_async};
use tonic::Code;

use crate::service::{Inventory, PLENTY, SCARCE, TRACE, reservation};

const OUTCOMES: [&str; 5] = ["reserved", "rejected", "confirmed", "released", "expired"];

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_one_branch_of_the_callers_trace() {
    let inventory = Inventory::start();
    inventory.reserved("a", &[(PLENTY, 1), (SCARCE, 1)]).await;
    inventory
        .has_tree(
            "\
(parent not received)
  SERVER shop.inventory.v1.InventoryService/Reserve [inventory]
    INTERNAL inventory.reserve [inventory]
      CLIENT COMMIT stock [inventory]
      CLIENT INSERT reservation_lines [inventory]
      CLIENT INSERT reservations [inventory]
      CLIENT SELECT reservations [inventory]
      CLIENT SELECT stock [inventory]
      CLIENT UPDATE stock [inventory]
",
        )
        .await;
    let server = inventory
        .sink
        .span("shop.inventory.v1.InventoryService/Reserve");
    server.attribute("client.address", "127.0.0.1").expect();
    let span = inventory.sink.span("inventory.reserve").no_error();
    let span = span
        .attribute("shop.order.id", "a")
        .attribute("shop.reservation.outcome", "reserved");
    span.expect();
    let reserved = inventory
        .sink
        .log()
        .event("inventory.reserved")
        .severity("INFO")
        .trace(TRACE);
    let reserved = reserved.attribute("shop.order.id", "a");
    poll_async("the log record", || reserved.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expected_refusal_is_no_error() {
    let inventory = Inventory::start();
    inventory.reserve("a", &[(SCARCE, 11)]).await.unwrap();
    inventory
        .has_tree(
            "\
(parent not received)
  SERVER shop.inventory.v1.InventoryService/Reserve [inventory]
    INTERNAL inventory.reserve [inventory]
      CLIENT SELECT reservations [inventory]
      CLIENT SELECT stock [inventory]
",
        )
        .await;
    let span = inventory
        .sink
        .span("inventory.reserve")
        .attribute("shop.reservation.outcome", "rejected");
    span.expect();
    let rejected = inventory
        .sink
        .log()
        .event("inventory.reservation.rejected")
        .severity("INFO")
        .trace(TRACE);
    poll_async("the log record", || rejected.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_is_counted_once_and_from_zero() {
    let inventory = Inventory::start();
    for outcome in OUTCOMES {
        let counter = inventory.reservations(outcome).kind(PointKind::Counter);
        poll_async("a series that starts at zero", || counter.total_is(0.0)).await;
    }
    inventory.reserved("a", &[(SCARCE, 1)]).await;
    inventory.reserved("a", &[(SCARCE, 1)]).await;
    inventory.reserved("b", &[(SCARCE, 1)]).await;
    inventory.reserve("c", &[(SCARCE, 11)]).await.unwrap();
    for _ in 0..2 {
        inventory.confirm("a").await.unwrap();
        inventory.release("b").await.unwrap();
        inventory.release("never-reserved").await.unwrap();
    }
    for (outcome, count) in OUTCOMES.into_iter().zip([2.0, 1.0, 1.0, 1.0, 0.0]) {
        let counter = inventory.reservations(outcome);
        poll_async("the count", || counter.total_is(count)).await;
    }
    let open = inventory.open_reservations();
    poll_async("none open", || open.total_is(0.0)).await;
    let released = inventory.sink.log().event("inventory.released");
    poll_async("the log record of the one release", || {
        match released.matching().len() {
            1 => Ok(()),
            count => Err(count),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_process_has_reserved_is_open() {
    let before = Inventory::start();
    before.reserved("a", &[(SCARCE, 1)]).await;
    before.reserved("b", &[(SCARCE, 1)]).await;
    before.confirm("b").await.unwrap();
    let open = before.open_reservations();
    poll_async("one open", || open.total_is(1.0)).await;

    let data = before.child.data_dir().display().to_string();
    before.child.kill();
    let after = Inventory::start_with(&[("SHOP_DATA_DIR", &data)]);
    let open = after.open_reservations();
    poll_async("the same one", || open.total_is(1.0)).await;
    after.confirm("a").await.unwrap();
    poll_async("none", || open.total_is(0.0)).await;
}

/// Under overload callers give up all the time. One of them missed would be open, or less than none, for good.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_that_goes_away_has_reserved_is_counted() {
    const CALLS: u32 = 400;
    let inventory = Inventory::start();
    let mut client = inventory.client();
    inventory.level(PLENTY).await;
    for number in 0..CALLS {
        let mut request = reservation(&format!("order-{number}"), &[(PLENTY, 1)]);
        // Dropped wherever it stands then: before, inside or after its transaction.
        request.set_timeout(Duration::from_micros((20 * number).into()));
        client.reserve(request).await.ok();
    }
    for number in 0..CALLS {
        inventory.release(&format!("order-{number}")).await.unwrap();
    }
    assert_eq!(inventory.level(PLENTY).await, 1_000_000);
    // All is counted by now. The next export may have been on its way before; the one after it has all.
    let exports = || {
        let requests = inventory.sink.requests();
        let metrics = requests.iter().filter(|it| it.path.ends_with("/metrics"));
        metrics.count()
    };
    let before = exports();
    poll_async("two more exports", || match exports() {
        now if now >= before + 2 => Ok(()),
        now => Err(now),
    })
    .await;
    let total = |outcome| inventory.reservations(outcome).total().unwrap();
    assert_eq!(total("reserved"), total("released"));
    assert!(total("released") > 0.0);
    assert_eq!(inventory.open_reservations().total().unwrap(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_timed_by_method_and_status() {
    let inventory = Inventory::start();
    inventory.level(PLENTY).await;
    let refused = inventory.reserve("", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for (method, status) in [("GetStock", "OK"), ("Reserve", "INVALID_ARGUMENT")] {
        let calls = inventory.sink.metric("rpc.server.call.duration").unit("s");
        let calls = calls
            .attribute(
                "rpc.method",
                format!("shop.inventory.v1.InventoryService/{method}"),
            )
            .attribute("rpc.response.status_code", status);
        poll_async("the call to be counted", || calls.total_is(1.0)).await;
    }
    // The caller's mistake, not the server's.
    inventory
        .sink
        .span("shop.inventory.v1.InventoryService/Reserve")
        .error()
        .none();
}
