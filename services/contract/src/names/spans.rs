//! Names of business spans: INTERNAL, made by `#[tracing::instrument]`.
//!
//! Generated from `services/contract/registry`; do not edit. `UPDATE=1 cargo test --workspace --test generated`

/// Queries product and inventory concurrently.
pub const CATALOGUE_JOIN: &str = "catalogue.join";
/// Places one order with an injected fault.
pub const SCENARIO_RUN: &str = "scenario.run";
/// All of `PlaceOrder`.
pub const ORDER_PLACE: &str = "order.place";
/// Gets the price of each line from product.
pub const ORDER_PRICE: &str = "order.price";
/// Reserves the stock of each line at inventory.
pub const ORDER_RESERVE: &str = "order.reserve";
/// Writes the order and its lines to the database.
pub const ORDER_STORE: &str = "order.store";
/// Makes the reservation final.
pub const ORDER_CONFIRM: &str = "order.confirm";
/// Returns the reservation after a failure.
pub const ORDER_RELEASE: &str = "order.release";
/// Reads one product by its id.
pub const PRODUCT_LOOKUP: &str = "product.lookup";
/// Reserves stock for an order.
pub const INVENTORY_RESERVE: &str = "inventory.reserve";
/// Returns the stock of a reservation.
pub const INVENTORY_RELEASE: &str = "inventory.release";
/// Makes a reservation final.
pub const INVENTORY_CONFIRM: &str = "inventory.confirm";
/// Returns the stock of expired reservations.
pub const INVENTORY_SWEEP: &str = "inventory.sweep";
