//! `POST /api/orders`, `GET /api/orders/{id}`.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use otel_tower::http::route;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::{Gateway, answer};
use crate::failure::Failure;
use crate::orders::{View, parse};

const ORDERS: &str = "/api/orders";
const ORDER: &str = "/api/orders/{id}";

pub(super) fn place(gateway: &Arc<Gateway>) -> BoxedFilter<(Response,)> {
    let gateway = Arc::clone(gateway);
    warp::path!("api" / "orders")
        .and(warp::post())
        .and(route(ORDERS))
        .and(warp::header::headers_cloned())
        .and(warp::body::bytes())
        .then(move |headers: HeaderMap, body: Bytes| {
            let gateway = Arc::clone(&gateway);
            async move {
                match placed(&gateway, &headers, &body).await {
                    Ok(response) => response,
                    Err(failure) => answer::failed(&gateway.log, ORDERS, &failure),
                }
            }
        })
        .boxed()
}

async fn placed(gateway: &Gateway, headers: &HeaderMap, body: &[u8]) -> Result<Response, Failure> {
    let order = gateway.clients.place(parse(headers, body)?).await?;
    let order = View::from(order);
    let mut response = answer::json(StatusCode::CREATED, &order);
    // The id of an order is a UUID, which no header refuses.
    if let Ok(location) = HeaderValue::try_from(format!("{ORDERS}/{}", order.order_id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

pub(super) fn get(gateway: &Arc<Gateway>) -> BoxedFilter<(Response,)> {
    let gateway = Arc::clone(gateway);
    warp::path!("api" / "orders" / String)
        .and(warp::get())
        .and(route(ORDER))
        .then(move |id| {
            let gateway = Arc::clone(&gateway);
            async move {
                match gateway.clients.order(id).await {
                    Ok(order) => answer::json(StatusCode::OK, &View::from(order)),
                    Err(failure) => answer::failed(&gateway.log, ORDER, &failure),
                }
            }
        })
        .boxed()
}
