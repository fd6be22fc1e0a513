//! Start and end of the process.

use std::path::Path;

use telemetry_testing::Child;

use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_cleanly() {
    let shop = Shop::open().await;
    shop.place(&[("tea", 1)]).await.unwrap();
    shop.order.terminate();
    let Shop { order, sink, .. } = shop;
    let exit = tokio::task::spawn_blocking(|| order.wait()).await.unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    sink.span("order.place").expect();
    sink.log().event("service.stopped").expect();
}

#[test]
fn an_invalid_setting_ends_the_start_with_64_and_is_named() {
    for (variable, value) in [
        ("SHOP_RESERVE_TIMEOUT", "3"),
        ("SHOP_PRODUCT_URL", "product:8081"),
        ("SHOP_INVENTORY_URL", "https://inventory"),
    ] {
        let order = Child::spawn(
            Path::new(env!("CARGO_BIN_EXE_order")),
            &[(variable, value.to_owned())],
        );
        let exit = order.wait();
        assert_eq!(exit.code, Some(64), "{variable}={value}: {}", exit.stderr);
        assert!(
            exit.stderr.contains(variable) && exit.stderr.contains(value),
            "{}",
            exit.stderr
        );
    }
}
