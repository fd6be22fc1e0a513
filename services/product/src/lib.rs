//! The catalogue: products and their prices over HTTP.
//!
//! | route | answer |
//! |---|---|
//! | `GET /products` | every product, by id |
//! | `GET /products/{id}` | one product, or 404 |
//! | `GET /healthz`, `GET /readyz` | liveness; readiness of the catalogue |
//!
//! It calls nobody but its database, and makes the span `product.lookup`.

mod catalogue;
mod config;
mod lookup;
mod routes;
mod store;

use contract::events;
use hosting::http;
use otel_tower::http::Edge;
use slog::info;
use telemetry::{Service, ServiceContext};

pub use config::Config;

use lookup::Lookup;
use store::Store;

/// The code of this service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

/// Serves the catalogue until the service is to stop.
///
/// # Errors
/// The database or the address cannot be had.
pub async fn serve(config: Config, ctx: ServiceContext) -> anyhow::Result<()> {
    let store = Store::open(&config.data_dir).await?;
    if store.is_new() {
        info!(ctx.log, "the catalogue was written into an empty database"; "event.name" => events::CATALOGUE_SEEDED);
    }
    let lookup = Lookup::new(store.clone(), config.faults, ctx.log.clone());
    let listener = hosting::bind(config.listen).await?;
    let routes = routes::all(lookup, store.clone(), &ctx);
    http::serve(listener, routes, config.limits, Edge::Internal, &ctx).await?;
    store.close().await;
    Ok(())
}
