//! The API.

use reqwest::StatusCode;
use serde_json::json;

use crate::service::Product;

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_has_twelve_products_in_the_order_of_their_ids() {
    let product = Product::start();
    let catalogue = product.get("/products").await;
    assert_eq!(catalogue.status, StatusCode::OK);
    let products = catalogue.body["products"].as_array().unwrap();
    let ids: Vec<_> = products
        .iter()
        .map(|product| product["id"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (1001..=1012).map(|number| format!("p-{number}")).collect();
    assert_eq!(ids, expected);
    for product in products {
        assert!(
            product["price"]["amount"].as_i64().unwrap() > 0,
            "{product}"
        );
        assert_eq!(product["price"]["currency"], "EUR");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_found_by_its_id() {
    let product = Product::start();
    let jug = product.get("/products/p-1007").await;
    let expected = json!({
        "id": "p-1007",
        "name": "Milk jug",
        "description": "Stainless steel, 350 ml.",
        "price": {"amount": 1999, "currency": "EUR"},
    });
    assert_eq!(jug.body, expected);
    assert_eq!(jug.content_type, "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_problem_with_the_trace_of_the_request() {
    let product = Product::start();
    let too_long = format!("/products/{}", "x".repeat(65));
    for path in [
        "/products/p-9999",
        "/products/%27%20or%201=1",
        &too_long,
        "/nowhere",
    ] {
        product.get(path).await.assert_problem(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_live_and_ready() {
    let product = Product::start();
    let live = product.get("/healthz").await;
    assert_eq!(live.body, json!({"status": "ok"}));
    let ready = product.get("/readyz").await;
    assert_eq!(
        ready.body,
        json!({"status": "ready", "checks": {"catalogue": "ok"}})
    );
}
