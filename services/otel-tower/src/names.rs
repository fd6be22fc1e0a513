//! Every name this crate puts on the wire: the conventions' where they exist, ours where they do not.
//!
//! The public constants are the metric names, for views and tests. Units and buckets:
//! durations are in seconds with the buckets the conventions advise, counts in `{request}` and
//! `{call}`.

pub(crate) use opentelemetry_semantic_conventions::SCHEMA_URL;
pub(crate) use opentelemetry_semantic_conventions::attribute::{
    CLIENT_ADDRESS, ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT,
    NETWORK_PROTOCOL_VERSION, RPC_METHOD, RPC_METHOD_ORIGINAL, RPC_SYSTEM_NAME, SERVER_ADDRESS,
    SERVER_PORT, URL_FULL, URL_PATH, URL_SCHEME, URL_TEMPLATE, USER_AGENT_ORIGINAL,
};
pub use opentelemetry_semantic_conventions::metric::{
    HTTP_CLIENT_ACTIVE_REQUESTS, HTTP_CLIENT_REQUEST_DURATION, HTTP_SERVER_ACTIVE_REQUESTS,
    HTTP_SERVER_REQUEST_DURATION, RPC_CLIENT_CALL_DURATION, RPC_SERVER_CALL_DURATION,
};

/// Calls a gRPC server is working on. Ours: the conventions have no in-flight count for RPC.
pub const RPC_SERVER_ACTIVE_CALLS: &str = "rpc.server.active_calls";
/// Calls a gRPC client is waiting for. Ours: the conventions have no in-flight count for RPC.
pub const RPC_CLIENT_ACTIVE_CALLS: &str = "rpc.client.active_calls";
/// Requests whose context header was broken and therefore ignored, by header.
pub const CONTEXT_IGNORED: &str = "otel_tower.context.ignored";

/// Renamed `rpc.status_code` upstream after 1.44; this is the only place that spells it.
pub(crate) const RPC_RESPONSE_STATUS_CODE: &str =
    opentelemetry_semantic_conventions::attribute::RPC_RESPONSE_STATUS_CODE;
/// The attribute of [`CONTEXT_IGNORED`]: `traceparent`, `tracestate` or `baggage`.
pub(crate) const HEADER: &str = "otel_tower.header";

/// What stands for a method outside the known set, so that a caller cannot invent series.
pub(crate) const OTHER: &str = "_OTHER";
/// `error.type` of work whose future or body was dropped before its end.
pub(crate) const CANCELLED: &str = "cancelled";
/// `error.type` of work that ended by a panic.
pub(crate) const PANIC: &str = "panic";

/// Buckets, in seconds, that the conventions advise for HTTP and RPC durations.
pub(crate) const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
