//! The fault, and what a caller that gives up leaves behind: nothing.

use std::time::Duration;

use proto::inventory::v1::reserve_response::Outcome;
use telemetry_testing::poll_async;

use crate::service::{Inventory, SCARCE, TRACE, reservation, under};

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_on_a_slow_reservation_leaves_nothing_behind() {
    let inventory = Inventory::start();
    let mut request = under("inventory-timeout", reservation("a", &[(SCARCE, 4)]));
    request.set_timeout(Duration::from_millis(200));
    inventory.client().reserve(request).await.unwrap_err();

    // The span has ended, so the future of the call is gone: nothing can be stored after this.
    let server = inventory
        .sink
        .span("shop.inventory.v1.InventoryService/Reserve");
    let server = server.trace(TRACE).attribute("error.type", "cancelled");
    poll_async("the span of the cancelled call", || server.find()).await;
    let span = inventory
        .sink
        .span("inventory.reserve")
        .attribute("shop.fault", "inventory-timeout");
    poll_async("the span that explains it", || span.find()).await;
    let injected = inventory
        .sink
        .log()
        .event("fault.injected")
        .severity("WARN")
        .trace(TRACE);
    poll_async("the log record of the fault", || injected.find()).await;

    assert_eq!(inventory.level(SCARCE).await, 10);
    // Other lines under the same order id would be refused, had the first been stored.
    inventory.reserved("a", &[(SCARCE, 5)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_not_switched_on_does_nothing() {
    let inventory = Inventory::start_with(&[]);
    let mut request = under("inventory-timeout", reservation("a", &[(SCARCE, 4)]));
    request.set_timeout(Duration::from_secs(3));
    let answer = inventory.client().reserve(request).await.unwrap();
    assert_eq!(answer.into_inner().outcome(), Outcome::Reserved);
}

/// Four seconds long, so it also carries the test of the end: what runs at SIGTERM is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reservation_outlives_the_signal_to_stop() {
    let inventory = Inventory::start();
    let request = under("inventory-timeout", reservation("a", &[(SCARCE, 4)]));
    let mut client = inventory.client();
    let stop = async {
        let injected = inventory.sink.log().event("fault.injected");
        poll_async("the fault to act", || injected.find()).await;
        inventory.child.terminate();
    };
    let (answer, ()) = tokio::join!(client.reserve(request), stop);
    assert_eq!(answer.unwrap().into_inner().outcome(), Outcome::Reserved);

    inventory.reserve("b", &[(SCARCE, 1)]).await.unwrap_err();
    let Inventory { sink, child, .. } = inventory;
    let exit = child.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    // Flushed before the end: nothing is left to wait for.
    sink.log().event("inventory.reserved").trace(TRACE).expect();
    sink.log().event("service.stopped").expect();
}
