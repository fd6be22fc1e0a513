//! Names of metrics.
//!
//! Generated from `services/contract/registry`; do not edit. `UPDATE=1 cargo test --workspace --test generated`

/// Duration of HTTP requests served. (histogram, `s`)
pub const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";
/// HTTP requests being served. (updowncounter, `{request}`)
pub const HTTP_SERVER_ACTIVE_REQUESTS: &str = "http.server.active_requests";
/// Duration of HTTP requests sent. (histogram, `s`)
pub const HTTP_CLIENT_REQUEST_DURATION: &str = "http.client.request.duration";
/// HTTP requests waiting for a response. (updowncounter, `{request}`)
pub const HTTP_CLIENT_ACTIVE_REQUESTS: &str = "http.client.active_requests";
/// Duration of gRPC calls served. (histogram, `s`)
pub const RPC_SERVER_CALL_DURATION: &str = "rpc.server.call.duration";
/// gRPC calls being served. Not in the semantic conventions. (updowncounter, `{call}`)
pub const RPC_SERVER_ACTIVE_CALLS: &str = "rpc.server.active_calls";
/// Duration of gRPC calls sent. (histogram, `s`)
pub const RPC_CLIENT_CALL_DURATION: &str = "rpc.client.call.duration";
/// gRPC calls waiting for a response. Not in the semantic conventions. (updowncounter, `{call}`)
pub const RPC_CLIENT_ACTIVE_CALLS: &str = "rpc.client.active_calls";
/// Inbound context headers that could not be read. (counter, `{header}`)
pub const OTEL_TOWER_CONTEXT_IGNORED: &str = "otel_tower.context.ignored";
/// Duration of database queries. (histogram, `s`)
pub const DB_CLIENT_OPERATION_DURATION: &str = "db.client.operation.duration";
/// Orders, by how they ended. (counter, `{order}`)
pub const ORDERS: &str = "shop.orders";
/// Value of placed orders. (histogram, `EUR`)
pub const ORDER_VALUE: &str = "shop.order.value";
/// Reservations, by how they changed. (counter, `{reservation}`)
pub const INVENTORY_RESERVATIONS: &str = "shop.inventory.reservations";
/// Reservations that hold stock and are not final. (updowncounter, `{reservation}`)
pub const INVENTORY_OPEN_RESERVATIONS: &str = "shop.inventory.open_reservations";
/// Log records that a log pipeline dropped. (counter, `{record}`)
pub const LOG_DROPPED: &str = "shop.log.dropped";
/// CPU time used by the process. (counter, `s`)
pub const PROCESS_CPU_TIME: &str = "process.cpu.time";
/// Resident memory of the process. (updowncounter, `By`)
pub const PROCESS_MEMORY_USAGE: &str = "process.memory.usage";
/// Open file descriptors of the process. (updowncounter, `{file_descriptor}`)
pub const PROCESS_UNIX_FILE_DESCRIPTOR_COUNT: &str = "process.unix.file_descriptor.count";
/// Threads of the process. (updowncounter, `{thread}`)
pub const PROCESS_THREAD_COUNT: &str = "process.thread.count";
/// Time since the process started. (gauge, `s`)
pub const PROCESS_UPTIME: &str = "process.uptime";
/// Spans by the result of their export. (counter, `{span}`)
pub const OTEL_SDK_EXPORTER_SPAN_EXPORTED: &str = "otel.sdk.exporter.span.exported";
/// Log records by the result of their export. (counter, `{log_record}`)
pub const OTEL_SDK_EXPORTER_LOG_EXPORTED: &str = "otel.sdk.exporter.log.exported";
/// Metric data points by the result of their export. (counter, `{data_point}`)
pub const OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED: &str =
    "otel.sdk.exporter.metric_data_point.exported";
/// Spans that left their queue or did not fit into it. (counter, `{span}`)
pub const OTEL_SDK_PROCESSOR_SPAN_PROCESSED: &str = "otel.sdk.processor.span.processed";
/// Log records that left their queue or did not fit into it. (counter, `{log_record}`)
pub const OTEL_SDK_PROCESSOR_LOG_PROCESSED: &str = "otel.sdk.processor.log.processed";
/// Log records passed to the SDK. (counter, `{log_record}`)
pub const OTEL_SDK_LOG_CREATED: &str = "otel.sdk.log.created";
/// Capacity of the queue of log records. (updowncounter, `{log_record}`)
pub const OTEL_SDK_PROCESSOR_LOG_QUEUE_CAPACITY: &str = "otel.sdk.processor.log.queue.capacity";
