//! Attribute keys of the shop, and the values that a metric's attribute may take.
//!
//! Keys of the semantic conventions are taken from `opentelemetry-semantic-conventions`.

super::names! {
    /// How an order ended: [`ORDER_OUTCOMES`].
    ORDER_OUTCOME = "shop.order.outcome";
    /// What became of a reservation: [`RESERVATION_OUTCOMES`].
    RESERVATION_OUTCOME = "shop.reservation.outcome";
    /// The order, on spans and log records.
    ORDER_ID = "shop.order.id";
    /// How many lines an order has.
    ORDER_ITEMS = "shop.order.items";
    /// What an order is worth, in minor units.
    ORDER_TOTAL = "shop.order.total";
    /// How many products of an order were short.
    ORDER_SHORTAGES = "shop.order.shortages";
    /// The product, on spans and log records.
    PRODUCT_ID = "shop.product.id";
    /// The fault that acts: baggage key, and attribute of what it touches.
    FAULT = "shop.fault";
    /// The scenario that runs.
    SCENARIO = "shop.scenario";
    /// The lane that lost a log record: `file`, `console` or `bridge`.
    LANE = "lane";
    /// Why a log record was lost.
    REASON = "reason";
}

/// Values of [`ORDER_OUTCOME`].
pub const ORDER_OUTCOMES: &[&str] = &["placed", "rejected", "invalid", "failed", "cancelled"];

/// Values of [`RESERVATION_OUTCOME`].
pub const RESERVATION_OUTCOMES: &[&str] =
    &["reserved", "rejected", "confirmed", "released", "expired"];
