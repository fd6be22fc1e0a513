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

use hosting::Limits;
use otel_tower::http::{Edge, PublicEdge};
use telemetry::ServiceContext;
use tokio::net::TcpListener;

use crate::clients::Clients;
use crate::routes::Gateway;

pub use crate::config::{Backends, Config};

/// Serves until `ctx.stopping`, then finishes what runs.
///
/// # Errors
/// The listener is unusable.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    limits: Limits,
    ctx: ServiceContext,
) -> anyhow::Result<()> {
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
    hosting::http::serve(listener, routes, limits, edge, &ctx).await
}
