//! The sweeper.

use proto::inventory::v1::confirm_response::Outcome;
use telemetry_testing::{poll_async, tree};

use crate::service::{Inventory, SCARCE, TRACE};

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_reservation_gives_its_stock_back_in_a_trace_of_its_own() {
    let inventory = Inventory::start_with(&[("SHOP_RESERVATION_TTL", "200ms")]);
    inventory.reserved("a", &[(SCARCE, 4)]).await;
    let expired = inventory
        .sink
        .log()
        .event("inventory.reservation.expired")
        .severity("WARN");
    let expired = poll_async("the log record", || expired.find()).await;
    assert_eq!(expired.attributes.text("shop.order.id"), Some("a"));
    assert_eq!(inventory.level(SCARCE).await, 10);

    let sweep = expired.trace_id.unwrap();
    assert_ne!(sweep, TRACE);
    let expected = "\
INTERNAL inventory.sweep [inventory]
  CLIENT COMMIT stock [inventory]
  CLIENT UPDATE reservations [inventory]
  CLIENT UPDATE stock [inventory]
";
    poll_async("the spans of the sweep", || {
        match tree::render(&inventory.sink.trace(&sweep)) {
            tree if tree == expected => Ok(()),
            tree => Err(tree),
        }
    })
    .await;
    let count = inventory.reservations("expired");
    poll_async("the expiry to be counted", || count.total_is(1.0)).await;

    // Nobody has taken it meanwhile.
    assert_eq!(inventory.confirm("a").await.unwrap(), Outcome::Confirmed);
    assert_eq!(inventory.level(SCARCE).await, 6);
    // Taken twice, and it ended twice: none is open.
    for (outcome, count) in [
        ("reserved", 2.0),
        ("expired", 1.0),
        ("confirmed", 1.0),
        ("released", 0.0),
    ] {
        let counter = inventory.reservations(outcome);
        poll_async("the count", || counter.total_is(count)).await;
    }
    let open = inventory.open_reservations();
    poll_async("none open", || open.total_is(0.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_service_makes_no_spans() {
    let inventory = Inventory::start_with(&[("SHOP_RESERVATION_TTL", "200ms")]);
    let exports = || {
        let requests = inventory.sink.requests();
        let exports = requests
            .iter()
            .filter(|request| request.path.ends_with("/metrics"));
        exports.count()
    };
    // A second, in exports of the metrics: the sweeper has looked ten times.
    poll_async("some exports", || {
        if exports() >= 10 {
            Ok(())
        } else {
            Err(exports())
        }
    })
    .await;
    let spans = inventory.sink.spans();
    assert!(spans.is_empty(), "{spans:?}");
}
