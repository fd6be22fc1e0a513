//! `GET /api/products` and `GET /api/products/{id}`.

use serde_json::json;
use telemetry_testing::{poll_async, tree};
use warp::http::StatusCode;

use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn product_and_inventory_are_asked_at_the_same_time() {
    let shop = Shop::open().await;
    // Asked one after the other, the first would wait for the second for ever.
    shop.peers.meet();
    let answer = shop.get("/api/products").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let product = |id: &str, available: i64| {
        json!({"id": id, "name": id, "description": "fine",
            "price": {"amount": 1250, "currency": "EUR"}, "available": available})
    };
    let expected = json!({"products": [product("cup", 5), product("tea", 3)]});
    assert_eq!(answer.json(), expected);

    let one = shop.get("/api/products/cup").await;
    assert_eq!((one.status, one.json()), (200, product("cup", 5)));

    let trace_id = answer.trace_id();
    let server = shop.sink.span("GET /api/products").trace(&trace_id);
    poll_async("the server span", || server.find()).await;
    let expected = "\
SERVER GET /api/products [gateway]
  INTERNAL catalogue.join [gateway]
    CLIENT GET /products [gateway]
    CLIENT shop.inventory.v1.InventoryService/GetStock [gateway]
";
    assert_eq!(tree::render(&shop.sink.trace(&trace_id)), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_inventory_never_had_is_out_of_stock() {
    let shop = Shop::open().await;
    shop.peers.stock(&[]);
    assert_eq!(shop.get("/api/products/cup").await.json()["available"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_product_is_404() {
    let shop = Shop::open().await;
    let answer = shop.get("/api/products/pot").await;
    assert_eq!(
        answer.is_problem(404)["detail"],
        "There is no such product."
    );
    // What no product is called is not asked for: it would have to be escaped.
    for id in ["a%2Fb", "..%2f", &"x".repeat(65)] {
        shop.get(&format!("/api/products/{id}"))
            .await
            .is_problem(404);
    }
    assert_eq!(shop.peers.lookups(), ["/products/pot"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_without_inventory_has_no_stock_levels_and_says_so() {
    let shop = Shop::open_with(&[("SHOP_INVENTORY_URL", "http://127.0.0.1:1")]).await;
    let answer = shop.get("/api/products").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.json()["products"][0]["available"].is_null(),
        "{answer:?}"
    );
    let warning = shop.sink.log().severity("WARN").trace(&answer.trace_id());
    poll_async("the warning", || warning.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_without_product_is_an_error() {
    let shop = Shop::open().await;
    for (status, expected) in [(500, 502), (418, 502), (503, 503), (504, 504)] {
        shop.peers
            .fail_product(StatusCode::from_u16(status).unwrap());
        shop.get("/api/products").await.is_problem(expected);
        shop.get("/api/products/cup").await.is_problem(expected);
    }
    let shop = Shop::open_with(&[("SHOP_PRODUCT_URL", "http://127.0.0.1:1")]).await;
    shop.get("/api/products").await.is_problem(503);
}
