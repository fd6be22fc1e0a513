//! The edge of the shop: the HTTP API, the scenario page, and the calls to product, inventory and order.
//!
//! Routes: `GET /`, `GET /api/products`, `GET /api/products/{id}`, `POST /api/orders`, `GET /api/orders/{id}`,
//! `POST /api/scenarios/{name}`, `GET /healthz`, `GET /readyz`. Spans: `catalogue.join`, `scenario.run`.

mod catalogue;
mod clients;
mod config;
mod failure;
mod links;
mod orders;
mod routes;
mod scenario;

use std::sync::Arc;

use otel_tower::http::{Edge, PublicEdge};
use telemetry::{Service, ServiceContext};

use crate::clients::Clients;
use crate::routes::Gateway;

pub use crate::config::{Backends, Config};

/// The code of this service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

/// Serves until `ctx.stopping`, then finishes what runs.
///
/// # Errors
/// The address cannot be had.
pub async fn serve(config: Config, ctx: ServiceContext) -> anyhow::Result<()> {
    let listener = hosting::bind(config.listen).await?;
    let checks = clients::checks(&config);
    let gateway = Arc::new(Gateway {
        clients: Clients::new(&config),
        backends: config.backends,
        faults: config.faults,
        log: ctx.log.clone(),
    });
    let routes = routes::all(&gateway, checks, &ctx);
    let edge = Edge::Public(PublicEdge {
        trust_caller: config.trust_caller,
        baggage_allow: config.baggage_allow,
    });
    hosting::http::serve(listener, routes, config.limits, edge, &ctx).await
}
