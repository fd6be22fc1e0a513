//! Start, readiness and end of the process.

use std::path::Path;

use telemetry_testing::Child;

use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_when_all_it_depends_on_answers() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/healthz").await.status, 200);
    let ready = shop.get("/readyz").await;
    assert_eq!(ready.status, 200, "{ready:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_alive_but_not_ready_without_one_of_them_and_names_it() {
    for (variable, name) in [
        ("SHOP_PRODUCT_URL", "product"),
        ("SHOP_INVENTORY_URL", "inventory"),
        ("SHOP_ORDER_URL", "order"),
    ] {
        let shop = Shop::open_with(&[(variable, "http://127.0.0.1:1")]).await;
        assert_eq!(shop.get("/healthz").await.status, 200);
        let checks = shop.get("/readyz").await.is_problem(503)["checks"].clone();
        for (check, outcome) in checks.as_object().unwrap() {
            assert_eq!(outcome == "ok", check != name, "{name}: {checks}");
        }
        assert_eq!(checks.as_object().unwrap().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_cleanly() {
    let shop = Shop::open().await;
    shop.order().await;
    shop.gateway.terminate();
    let Shop { gateway, sink, .. } = shop;
    let exit = tokio::task::spawn_blocking(|| gateway.wait())
        .await
        .unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    sink.span("POST /api/orders").expect();
}

#[test]
fn an_invalid_setting_ends_the_start_with_64_and_is_named() {
    for (variable, value) in [
        ("SHOP_TRUST_CALLER", "yes"),
        ("SHOP_GRAFANA_URL", "javascript:alert(1)"),
        ("SHOP_BAGGAGE_ALLOW", "tenant,shop.fault"),
    ] {
        let binary = Path::new(env!("CARGO_BIN_EXE_gateway"));
        let exit = Child::spawn(binary, &[(variable, value.to_owned())]).wait();
        assert_eq!(exit.code, Some(64), "{variable}={value}: {}", exit.stderr);
        assert!(
            exit.stderr.contains(variable) && exit.stderr.contains(value),
            "{}",
            exit.stderr
        );
    }
}
