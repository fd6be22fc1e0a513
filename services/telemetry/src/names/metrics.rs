//! Metrics: name, instrument, unit.

/// How a metric is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instrument {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// A distribution.
    Histogram,
    /// The last value.
    Gauge,
}

/// One metric that a service of the shop exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it is recorded.
    pub instrument: Instrument,
    /// Its unit, by UCUM.
    pub unit: &'static str,
    /// The keys of its attributes.
    pub attributes: &'static [&'static str],
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $instrument:ident, $unit:literal, [$($key:literal),*];)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*

        /// Every metric.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            instrument: Instrument::$instrument,
            unit: $unit,
            attributes: &[$($key),*],
        }),*];
    };
}

metrics! {
    /// Requests answered, by route.
    HTTP_SERVER_REQUEST_DURATION = "http.server.request.duration", Histogram, "s",
        ["http.request.method", "url.scheme", "http.route", "http.response.status_code", "error.type", "network.protocol.version"];
    /// Requests being answered.
    HTTP_SERVER_ACTIVE_REQUESTS = "http.server.active_requests", UpDownCounter, "{request}",
        ["http.request.method", "url.scheme"];
    /// Requests made.
    HTTP_CLIENT_REQUEST_DURATION = "http.client.request.duration", Histogram, "s",
        ["http.request.method", "url.template", "server.address", "server.port", "http.response.status_code", "error.type", "network.protocol.version"];
    /// Requests made that are not answered.
    HTTP_CLIENT_ACTIVE_REQUESTS = "http.client.active_requests", UpDownCounter, "{request}",
        ["http.request.method", "url.template", "server.address", "server.port"];
    /// Calls answered, by method.
    RPC_SERVER_CALL_DURATION = "rpc.server.call.duration", Histogram, "s",
        ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"];
    /// Calls being answered.
    RPC_SERVER_ACTIVE_CALLS = "rpc.server.active_calls", UpDownCounter, "{call}",
        ["rpc.system.name", "rpc.method"];
    /// Calls made.
    RPC_CLIENT_CALL_DURATION = "rpc.client.call.duration", Histogram, "s",
        ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type", "server.address", "server.port"];
    /// Calls made that are not answered.
    RPC_CLIENT_ACTIVE_CALLS = "rpc.client.active_calls", UpDownCounter, "{call}",
        ["rpc.system.name", "rpc.method", "server.address", "server.port"];
    /// Inbound context headers that could not be read.
    OTEL_TOWER_CONTEXT_IGNORED = "otel_tower.context.ignored", Counter, "{header}",
        ["otel_tower.header"];
    /// Queries.
    DB_CLIENT_OPERATION_DURATION = "db.client.operation.duration", Histogram, "s",
        ["db.system.name", "db.namespace", "db.operation.name", "db.collection.name", "db.response.status_code", "error.type"];
    /// Orders, by how they ended.
    ORDERS = "shop.orders", Counter, "{order}", ["shop.order.outcome"];
    /// What placed orders are worth.
    ORDER_VALUE = "shop.order.value", Histogram, "EUR", [];
    /// Reservations, by what became of them.
    RESERVATIONS = "shop.inventory.reservations", Counter, "{reservation}", ["shop.reservation.outcome"];
    /// Reservations that hold stock and are not final.
    OPEN_RESERVATIONS = "shop.inventory.open_reservations", UpDownCounter, "{reservation}", [];
    /// Log records that did not reach a lane.
    LOG_DROPPED = "shop.log.dropped", Counter, "{record}", ["lane", "reason"];
    /// Processor time.
    PROCESS_CPU_TIME = "process.cpu.time", Counter, "s", ["cpu.mode"];
    /// Resident memory.
    PROCESS_MEMORY_USAGE = "process.memory.usage", UpDownCounter, "By", [];
    /// Open file descriptors.
    PROCESS_UNIX_FILE_DESCRIPTOR_COUNT = "process.unix.file_descriptor.count", UpDownCounter, "{file_descriptor}", [];
    /// Threads.
    PROCESS_THREAD_COUNT = "process.thread.count", UpDownCounter, "{thread}", [];
    /// Time since the process began.
    PROCESS_UPTIME = "process.uptime", Gauge, "s", [];
    /// Spans by what became of their export.
    SPAN_EXPORTED = "otel.sdk.exporter.span.exported", Counter, "{span}",
        ["otel.component.type", "otel.component.name", "error.type"];
    /// Log records by what became of their export.
    LOG_EXPORTED = "otel.sdk.exporter.log.exported", Counter, "{log_record}",
        ["otel.component.type", "otel.component.name", "error.type"];
    /// Data points by what became of their export.
    METRIC_DATA_POINT_EXPORTED = "otel.sdk.exporter.metric_data_point.exported", Counter, "{data_point}",
        ["otel.component.type", "otel.component.name", "error.type"];
    /// Spans that left their queue, or found no place in it.
    SPAN_PROCESSED = "otel.sdk.processor.span.processed", Counter, "{span}",
        ["otel.component.type", "otel.component.name", "error.type"];
    /// Log records that left their queue, or found no place in it.
    LOG_PROCESSED = "otel.sdk.processor.log.processed", Counter, "{log_record}",
        ["otel.component.type", "otel.component.name", "error.type"];
    /// Log records handed to the SDK.
    LOG_CREATED = "otel.sdk.log.created", Counter, "{log_record}", [];
    /// Places in the queue of log records.
    LOG_QUEUE_CAPACITY = "otel.sdk.processor.log.queue.capacity", UpDownCounter, "{log_record}",
        ["otel.component.type", "otel.component.name"];
}
