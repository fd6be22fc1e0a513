//! Values of `event.name` of log records.
//!
//! Generated from `services/contract/registry`; do not edit. `UPDATE=1 cargo test --workspace --test generated`

/// Telemetry is initialised; the service starts.
pub const SERVICE_STARTED: &str = "service.started";
/// The service accepts connections.
pub const SERVICE_LISTENING: &str = "service.listening";
/// A signal was received; running requests may finish.
pub const SERVICE_STOPPING: &str = "service.stopping";
/// The service has stopped, with `exception.message` if it failed.
pub const SERVICE_STOPPED: &str = "service.stopped";
/// A connection could not be accepted.
pub const SERVICE_ACCEPT_FAILED: &str = "service.accept.failed";
/// A connection was closed before its request ended, or at the shutdown of the service.
pub const SERVICE_CONNECTION_ENDED: &str = "service.connection.ended";
/// A handler panicked; the caller received an error, the service continues.
pub const REQUEST_PANICKED: &str = "request.panicked";
/// The database failed.
pub const STORE_FAILED: &str = "store.failed";
/// An order is stored.
pub const ORDER_PLACED: &str = "order.placed";
/// An order was rejected: stock is insufficient or the order is not valid.
pub const ORDER_REJECTED: &str = "order.rejected";
/// An order failed, or was cancelled after it was answered.
pub const ORDER_FAILED: &str = "order.failed";
/// The reservation of a failed order was returned.
pub const ORDER_RELEASED: &str = "order.released";
/// The reservation of a stored order is not confirmed yet; the confirmation is retried.
pub const ORDER_UNCONFIRMED: &str = "order.unconfirmed";
/// The reservation of a failed order could not be returned; it will expire.
pub const ORDER_RELEASE_FAILED: &str = "order.release.failed";
/// Stock was reserved for an order.
pub const INVENTORY_RESERVED: &str = "inventory.reserved";
/// Stock was insufficient.
pub const INVENTORY_RESERVATION_REJECTED: &str = "inventory.reservation.rejected";
/// A reservation was not confirmed in time.
pub const INVENTORY_RESERVATION_EXPIRED: &str = "inventory.reservation.expired";
/// Stock was returned.
pub const INVENTORY_RELEASED: &str = "inventory.released";
/// A product could not be read.
pub const PRODUCT_LOOKUP_FAILED: &str = "product.lookup.failed";
/// The catalogue was written to an empty database.
pub const CATALOGUE_SEEDED: &str = "catalogue.seeded";
/// The catalogue was returned without stock levels, because inventory did not answer.
pub const CATALOGUE_WITHOUT_STOCK: &str = "catalogue.without_stock";
/// A request was answered with a server error.
pub const GATEWAY_REQUEST_FAILED: &str = "gateway.request.failed";
/// A fault that was requested by baggage is injected.
pub const FAULT_INJECTED: &str = "fault.injected";
/// Telemetry reports about itself, and a panic with its location; messages of the SDK and panics go to file and console only.
pub const TELEMETRY_DIAGNOSTIC: &str = "telemetry.diagnostic";
/// A library logged through `tracing` or `log`, with its own severity.
pub const LIBRARY_MESSAGE: &str = "library.message";
