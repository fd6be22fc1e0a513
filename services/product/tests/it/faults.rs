//! Faults act where they are switched on, and say so.

use std::time::Duration;

use reqwest::StatusCode;
use telemetry_testing::poll_async;

use crate::service::{Product, TRACE};

#[tokio::test(flavor = "multi_thread")]
async fn a_product_error_fails_the_lookup_in_all_three_signals() {
    let product = Product::start();
    product
        .get_under("product-error", "/products/p-1001")
        .await
        .assert_problem(500);

    let lookup = product.sink.span("product.lookup").trace(TRACE).error();
    let lookup = lookup
        .attribute("shop.fault", "product-error")
        .attribute("error.type", "injected");
    poll_async("the span of the lookup", || lookup.find()).await;
    let server = product.sink.span("GET /products/{id}").trace(TRACE).error();
    let server = server.attribute("http.response.status_code", 500_u16);
    poll_async("the span of the request", || server.find()).await;

    let failed = product
        .sink
        .log()
        .event("product.lookup.failed")
        .severity("ERROR")
        .trace(TRACE);
    let failed = failed.attribute("shop.product.id", "p-1001");
    poll_async("the log record of the failure", || failed.find()).await;
    let injected = product
        .sink
        .log()
        .event("fault.injected")
        .severity("WARN")
        .trace(TRACE);
    poll_async("the log record of the fault", || injected.find()).await;

    let failures = product.sink.metric("http.server.request.duration");
    let failures = failures.attribute("http.response.status_code", 500_u16);
    poll_async("the failure to be counted", || failures.total_is(1.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_not_switched_on_does_nothing() {
    let product = Product::start_with(&[]);
    let found = product.get_under("product-error", "/products/p-1001").await;
    assert_eq!(found.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_for_another_service_does_nothing_here() {
    let product = Product::start();
    let found = product
        .get_under("inventory-timeout", "/products/p-1001")
        .await;
    assert_eq!(found.status, StatusCode::OK);
    let span = product
        .sink
        .span("product.lookup")
        .without_attribute("shop.fault");
    poll_async("the span of the lookup", || span.find()).await;
}

/// Five seconds long, so it also carries the test of the end: what runs at SIGTERM is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_request_explains_its_time_and_outlives_the_signal_to_stop() {
    let product = Product::start();
    let request = product.get_under("long-request", "/products/p-1001");
    let stop = async {
        let injected = product.sink.log().event("fault.injected");
        poll_async("the fault to act", || injected.find()).await;
        product.child.terminate();
    };
    let (found, ()) = tokio::join!(request, stop);
    assert_eq!(found.status, StatusCode::OK);

    let Product { sink, child } = product;
    let exit = child.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    // Flushed before the end: nothing is left to wait for.
    let span = sink.span("product.lookup").trace(TRACE).no_error();
    let span = span.attribute("shop.fault", "long-request").expect();
    assert!(Duration::from_nanos(span.end - span.start) >= Duration::from_secs(5));
    assert_eq!(span.events[0].name, "fault.injected");
    sink.log().event("service.stopped").expect();
}
