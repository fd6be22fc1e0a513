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
    /// A connection could not be accepted.
    SERVICE_ACCEPT_FAILED = "service.accept.failed";
    /// A connection ended before its time, or was cut at the end of the service.
    SERVICE_CONNECTION_ENDED = "service.connection.ended";
    /// A handler panicked; its caller got an error, the service goes on.
    REQUEST_PANICKED = "request.panicked";
    /// A database failed where nobody was promised an answer of it, or the answer was an error.
    STORE_FAILED = "store.failed";
    /// An order is stored.
    ORDER_PLACED = "order.placed";
    /// An order was refused: out of stock, or not valid.
    ORDER_REJECTED = "order.rejected";
    /// An order could not be decided.
    ORDER_FAILED = "order.failed";
    /// The reservation of a failed order was given back.
    ORDER_RELEASED = "order.released";
    /// A stored order's reservation is not confirmed yet; it is tried again.
    ORDER_UNCONFIRMED = "order.unconfirmed";
    /// The reservation of a failed order could not be given back; it will expire.
    ORDER_RELEASE_FAILED = "order.release.failed";
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
    /// The catalogue was answered without stock levels, because inventory did not answer.
    CATALOGUE_WITHOUT_STOCK = "catalogue.without_stock";
    /// The gateway answered with a server error.
    GATEWAY_REQUEST_FAILED = "gateway.request.failed";
    /// A fault asked for by baggage acts.
    FAULT_INJECTED = "fault.injected";
    /// Telemetry speaks about itself: file and console only, never OTLP.
    TELEMETRY_DIAGNOSTIC = "telemetry.diagnostic";
    /// A library spoke through `tracing` or `log`.
    LIBRARY_MESSAGE = "library.message";
}
