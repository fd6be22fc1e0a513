//! The catalogue over HTTP.

use contract::events;
use hosting::health::{self, Check};
use hosting::problem::Problem;
use http::StatusCode;
use otel_tower::http::route;
use serde::Serialize;
use slog::{Logger, error};
use telemetry::ServiceContext;
use warp::filters::BoxedFilter;
use warp::reply::{Json, Response};
use warp::{Filter, Reply};

use crate::catalogue::{LookupError, Product, ProductId};
use crate::lookup::Lookup;
use crate::store::Store;

#[derive(Serialize)]
struct Products {
    products: Vec<Product>,
}

pub(crate) fn all(lookup: Lookup, store: Store, ctx: &ServiceContext) -> BoxedFilter<(Response,)> {
    let catalogue = store.clone();
    let check = Check::new("catalogue", move || {
        let catalogue = catalogue.clone();
        async move { Ok(catalogue.check().await?) }
    });

    let log = ctx.log.clone();
    let list = warp::path!("products")
        .and(warp::get())
        .and(route("/products"))
        .then(move || {
            let (store, log) = (store.clone(), log.clone());
            async move { list(&store, &log).await.into_response() }
        });
    let one = warp::path!("products" / String)
        .and(warp::get())
        .and(route("/products/{id}"))
        .then(move |id: String| {
            let lookup = lookup.clone();
            async move { one(&lookup, &id).await.into_response() }
        });
    list.or(one)
        .unify()
        .or(health::routes(vec![check], ctx))
        .unify()
        .boxed()
}

async fn list(store: &Store, log: &Logger) -> Result<Json, Problem> {
    match store.all().await {
        Ok(products) => Ok(warp::reply::json(&Products { products })),
        Err(failure) => {
            error!(log, "the catalogue could not be listed"; "event.name" => events::PRODUCT_LOOKUP_FAILED,
                "error.type" => "store", "error" => #&failure);
            Err(problem(&LookupError::Store(failure)))
        }
    }
}

async fn one(lookup: &Lookup, id: &str) -> Result<Json, Problem> {
    // What cannot be an id is as unknown as an id that nothing has.
    let id = ProductId::parse(id).ok_or_else(|| problem(&LookupError::Unknown))?;
    let product = lookup.product(&id).await;
    product
        .map(|product| warp::reply::json(&product))
        .map_err(|failure| problem(&failure))
}

fn problem(failure: &LookupError) -> Problem {
    match failure {
        LookupError::Unknown => {
            Problem::new(StatusCode::NOT_FOUND).detail("There is no such product.")
        }
        LookupError::Injected => Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
            .detail("The lookup failed on purpose: the fault product-error acts."),
        LookupError::Store(sqlx::Error::PoolTimedOut) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail("The catalogue is overloaded.")
        }
        LookupError::Store(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR).detail("The catalogue cannot be read.")
        }
    }
}
