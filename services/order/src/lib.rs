//! Orders over gRPC: prices them, reserves their stock, stores them, confirms.
//!
//! RPCs: `shop.order.v1.OrderService/PlaceOrder`, `GetOrder`. Calls: product (HTTP, prices), inventory (gRPC, stock), SQLite.
//! Spans: `order.place` and below it `order.price`, `order.reserve`, `order.store`, `order.confirm`, and `order.release` when an
//! order ends after its stock may have been reserved; the reconciler makes `order.confirm` a trace of its own.

mod backlog;
mod clients;
mod config;
mod confirm;
mod domain;
mod error;
mod metrics;
mod place;
mod reservation;
mod service;
mod store;
mod turns;

use proto::order::v1::METHODS;
use proto::order::v1::order_service_server::OrderServiceServer;
use telemetry::{Service, ServiceContext};
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::backlog::Backlog;
use crate::clients::{Inventory, Products};
use crate::confirm::Reconciler;
use crate::metrics::Metrics;
use crate::place::Placing;
use crate::service::Orders;
use crate::store::Store;
use crate::turns::Turns;

pub use crate::config::Config;

/// The code of this service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

/// Serves until `ctx.stopping`, then finishes what runs: calls first, then what outlives them.
///
/// # Errors
/// The database cannot be opened, or the address cannot be had.
pub async fn serve(config: Config, ctx: ServiceContext) -> anyhow::Result<()> {
    let listener = hosting::bind(config.listen).await?;
    let (store, unconfirmed) = Store::open(&config.data_dir).await?;
    let placing = Placing {
        store: store.clone(),
        products: Products::new(&config.product),
        inventory: Inventory::new(&config.inventory, config.reserve_timeout),
        metrics: Metrics::new(),
        turns: Turns::default(),
        backlog: Backlog::new(unconfirmed),
        tasks: TaskTracker::new(),
        log: ctx.log.clone(),
    };
    let reconciler = Reconciler {
        inventory: placing.inventory.clone(),
        store: store.clone(),
        backlog: placing.backlog.clone(),
        log: ctx.log.clone(),
    };
    let tasks = placing.tasks.clone();
    telemetry::spawn(tasks.track_future(reconciler.run(ctx.stopping.clone())));

    let routes = Routes::new(OrderServiceServer::new(Orders { placing }));
    let served = hosting::grpc::serve(listener, routes, METHODS, config.limits, &ctx).await;
    tasks.close();
    tasks.wait().await;
    store.close().await;
    served
}
