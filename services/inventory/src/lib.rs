//! Stock levels and reservations over gRPC.
//!
//! It answers `shop.inventory.v1.InventoryService`, calls nobody but its database, and makes the spans `inventory.reserve`,
//! `inventory.release`, `inventory.confirm` and, whenever reservations expire, `inventory.sweep`.
//!
//! ```text
//!             Reserve             Confirm
//!   (nothing) -------> reserved ---------> confirmed
//!       |              |     | sweep          ^
//!       | Release      |     v                | Confirm or Reserve, if the stock
//!       v              |   expired -----------+ is still there
//!    released <--------+-----+
//!              Release
//! ```
//!
//! A released reservation never comes back, even if the release came before it.

mod config;
mod error;
mod metrics;
mod reservation;
mod service;
mod store;
mod sweeper;

use hosting::grpc;
use proto::inventory::v1::METHODS;
use proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use telemetry::{Service, ServiceContext};
use tonic::service::Routes;

pub use config::Config;

use metrics::Metrics;
use service::Inventory;
use store::Store;

/// The code of this service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

/// Serves the inventory until the service is to stop.
///
/// # Errors
/// The database or the address cannot be had.
pub async fn serve(config: Config, ctx: ServiceContext) -> anyhow::Result<()> {
    // The other half is for who has reserved: without it, waiting Reserves would keep every Confirm out.
    let reserving = (config.limits.in_flight / 2).max(1);
    let metrics = Metrics::new();
    let ttl = config.reservation_ttl;
    let store = Store::open(&config.data_dir, ttl, reserving, metrics.clone()).await?;
    metrics.found_open(store.open_reservations().await?);
    let listener = hosting::bind(config.listen).await?;
    let sweeping = telemetry::spawn(sweeper::run(store.clone(), ttl, ctx.clone()));
    let inventory = Inventory::new(store.clone(), metrics, config.faults, ctx.log.clone());
    let routes = Routes::new(InventoryServiceServer::new(inventory));
    grpc::serve(listener, routes, METHODS, config.limits, &ctx).await?;
    sweeping.await?;
    store.close().await;
    Ok(())
}
