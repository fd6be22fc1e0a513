//! `GET /api/products`, `GET /api/products/{id}`.

use std::sync::Arc;

use http::StatusCode;
use otel_tower::http::route;
use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::{Gateway, answer};
use crate::catalogue;
use crate::failure::Failure;

const PRODUCTS: &str = "/api/products";
const PRODUCT: &str = "/api/products/{id}";

pub(super) fn list(gateway: &Arc<Gateway>) -> BoxedFilter<(Response,)> {
    let gateway = Arc::clone(gateway);
    warp::path!("api" / "products")
        .and(warp::get())
        .and(route(PRODUCTS))
        .then(move || {
            let gateway = Arc::clone(&gateway);
            async move {
                match catalogue::all(&gateway.clients, &gateway.log).await {
                    Ok(products) => answer::json(StatusCode::OK, &json!({"products": products})),
                    Err(failure) => answer::failed(&gateway.log, PRODUCTS, &failure),
                }
            }
        })
        .boxed()
}

pub(super) fn get(gateway: &Arc<Gateway>) -> BoxedFilter<(Response,)> {
    let gateway = Arc::clone(gateway);
    warp::path!("api" / "products" / String)
        .and(warp::get())
        .and(route(PRODUCT))
        .then(move |id: String| {
            let gateway = Arc::clone(&gateway);
            async move {
                let found = match is_plain(&id) {
                    true => catalogue::one(&gateway.clients, &gateway.log, &id).await,
                    false => Err(Failure::NotFound("product")),
                };
                match found {
                    Ok(product) => answer::json(StatusCode::OK, &product),
                    Err(failure) => answer::failed(&gateway.log, PRODUCT, &failure),
                }
            }
        })
        .boxed()
}

/// What can go into a path as it stands. No product has any other id.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}
