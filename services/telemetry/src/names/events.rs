//! Values of the key `event.name`: what a log record tells, apart from its words.

super::names! {
    /// Telemetry stands; `serve` begins.
    SERVICE_STARTED = "service.started";
    /// The listener is bound: `server.address`, `server.port`.
    SERVICE_LISTENING = "service.listening";
    /// A signal came; running requests may end.
    SERVICE_STOPPING = "service.stopping";
    /// `serve` has returned, or was given up; telemetry is flushed next.
    SERVICE_STOPPED = "service.stopped";
    /// An order is stored.
    ORDER_PLACED = "order.placed";
    /// An order was refused: out of stock, or not valid.
    ORDER_REJECTED = "order.rejected";
    /// An order could not be decided.
    ORDER_FAILED = "order.failed";
    /// The reservation of a failed order was given back.
    ORDER_RELEASED = "order.released";
    /// Stock was taken for an order.
    INVENTORY_RESERVED = "inventory.reserved";
    /// Stock did not suffice.
    INVENTORY_RESERVATION_REJECTED = "inventory.reservation.rejected";
    /// A reservation was never confirmed in its time.
    INVENTORY_RESERVATION_EXPIRED = "inventory.reservation.expired";
    /// Stock was given back.
    INVENTORY_RELEASED = "inventory.released";
    /// A product could not be looked up.
    PRODUCT_LOOKUP_FAILED = "product.lookup.failed";
    /// The catalogue was written into an empty database.
    CATALOGUE_SEEDED = "catalogue.seeded";
    /// The gateway answered with a server error.
    GATEWAY_REQUEST_FAILED = "gateway.request.failed";
    /// A fault asked for by baggage acts.
    FAULT_INJECTED = "fault.injected";
    /// Telemetry speaks about itself: file and console only, never OTLP.
    TELEMETRY_DIAGNOSTIC = "telemetry.diagnostic";
    /// A library spoke through `tracing` or `log`.
    LIBRARY_MESSAGE = "library.message";
}
