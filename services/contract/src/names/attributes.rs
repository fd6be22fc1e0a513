//! Keys of attributes that the semantic conventions do not define, and the values of the enumerated ones.
//!
//! Generated from `services/contract/registry`; do not edit. `UPDATE=1 cargo test --workspace --test generated`

/// How an order ended.
pub const ORDER_OUTCOME: &str = "shop.order.outcome";
/// Values of [`ORDER_OUTCOME`].
pub const ORDER_OUTCOMES: &[&str] = &["placed", "rejected", "invalid", "failed", "cancelled"];
/// How a reservation changed.
pub const RESERVATION_OUTCOME: &str = "shop.reservation.outcome";
/// Values of [`RESERVATION_OUTCOME`].
pub const RESERVATION_OUTCOMES: &[&str] =
    &["reserved", "rejected", "confirmed", "released", "expired"];
/// Identifier of the order.
pub const ORDER_ID: &str = "shop.order.id";
/// Number of lines of an order.
pub const ORDER_ITEMS: &str = "shop.order.items";
/// Value of an order, in minor units.
pub const ORDER_TOTAL: &str = "shop.order.total";
/// Number of products of an order with insufficient stock.
pub const ORDER_SHORTAGES: &str = "shop.order.shortages";
/// Identifier of the product.
pub const PRODUCT_ID: &str = "shop.product.id";
/// The injected fault; also the baggage key.
pub const FAULT: &str = "shop.fault";
/// The scenario that runs.
pub const SCENARIO: &str = "shop.scenario";
/// The log pipeline that dropped a record.
pub const LANE: &str = "lane";
/// Values of [`LANE`].
pub const LANES: &[&str] = &["file", "console", "bridge"];
/// Why a log record was dropped, or an order rejected.
pub const REASON: &str = "reason";
/// The Rust module that logged the record.
pub const TARGET: &str = "target";
/// The inbound header that could not be read.
pub const OTEL_TOWER_HEADER: &str = "otel_tower.header";
/// Values of [`OTEL_TOWER_HEADER`].
pub const OTEL_TOWER_HEADERS: &[&str] = &["traceparent", "tracestate", "baggage"];
