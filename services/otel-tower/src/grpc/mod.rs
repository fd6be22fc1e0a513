//! gRPC servers and clients.
//!
//! When each thing starts and ends is on the [crate's page](crate#when-things-start-and-end). gRPC
//! sends its status after the messages, in trailers, or in the headers of an answer without
//! messages; the layers read both.
//!
//! ```
//! use std::time::Duration;
//!
//! use otel_tower::{Instrumentation, grpc};
//! use tonic::transport::{Channel, Server};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let instrumentation = Instrumentation::global();
//!
//! const METHODS: &[&str] = &["shop.order.v1.OrderService/PlaceOrder"];
//! let server = Server::builder().layer(grpc::ServerLayer::new(&instrumentation, METHODS));
//!
//! let target = http::Uri::from_static("http://127.0.0.1:8083");
//! let channel = ServiceBuilder::new()
//!     .layer(grpc::ClientLayer::new(&instrumentation, &target).deadline(Duration::from_secs(3)))
//!     .service(Channel::builder(target).connect_lazy());
//! // `OrderServiceClient::new(channel)`
//! # let _ = (server, channel);
//! # }
//! ```
//!
//! # What is recorded
//!
//! A span of kind `SERVER` or `CLIENT`, named by the method: `package.Service/Method`. A server
//! always continues its caller's trace and accepts its baggage: for callers that are not ours, put a
//! gateway in front.
//!
//! | attribute | server span | client span | duration | in flight | from |
//! |---|:-:|:-:|:-:|:-:|---|
//! | `rpc.system.name` | ✓ | ✓ | ✓ | ✓ | `grpc` |
//! | `rpc.method` | ✓ | ✓ | ✓ | ✓ | the path; on servers `_OTHER` where it is not in the list |
//! | `rpc.method_original` | ✓ | | | | the path, where that is `_OTHER` |
//! | `rpc.response.status_code` | ✓ | ✓ | ✓ | | the name of the status, such as `NOT_FOUND` |
//! | `error.type` | ✓ | ✓ | ✓ | | see [below](#how-a-call-ends) |
//! | `server.address`, `server.port` | ✓ | ✓ | client | client | server: the authority; client: the target |
//! | `client.address`, `network.peer.address`, `network.peer.port` | ✓ | | | | [`PeerAddr`](crate::PeerAddr), if the server inserts it |
//!
//! Metrics: `rpc.server.call.duration` and `rpc.client.call.duration` (histograms, `s`). The
//! conventions have no in-flight count for RPC; ours are `rpc.server.active_calls` and
//! `rpc.client.active_calls` (up-down counters, `{call}`).
//!
//! The names are those of the conventions' version 1.42. Later ones rename
//! `rpc.response.status_code` to `rpc.status_code`.
//!
//! # How a call ends
//!
//! An error has `error.type`, and its span the status `Error`. Otherwise there is no `error.type`,
//! and the status is left unset.
//!
//! | the call ended with | recorded status | server error | client error |
//! |---|---|---|---|
//! | `OK` | `OK` | no | no |
//! | `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS` | the same | its name | its name |
//! | `CANCELLED`, `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `PERMISSION_DENIED`, `RESOURCE_EXHAUSTED`, `FAILED_PRECONDITION`, `ABORTED`, `OUT_OF_RANGE`, `UNAUTHENTICATED` | the same | no: the caller's fault | its name |
//! | a number outside the table | `UNKNOWN` | `UNKNOWN` | `UNKNOWN` |
//! | no status, but an HTTP response (a proxy's, say) | as the gRPC documents map its code; 200 is `UNKNOWN` | the status | the status |
//! | no response, or a body that broke off | server: `INTERNAL`, client: `UNAVAILABLE` | the status | the status |
//! | nothing: future or body dropped | `CANCELLED` | `cancelled` | `cancelled` |
//! | a panic | `INTERNAL` | `panic` | `panic` |
//!
//! A handler that *answers* `CANCELLED` is no server error; a handler that is dropped is, so that
//! wasted work shows.
//!
//! # Deadlines
//!
//! [`ClientLayer::deadline`] bounds a call to the end of its body. The layer enforces it itself, as
//! tonic's own timeouts (`Endpoint::timeout`, and `grpc-timeout` on either side) answer `CANCELLED`.
//! Past the deadline it drops the call, which resets its stream: the server's layer records a
//! cancelled call, the client's `DEADLINE_EXCEEDED`.
//!
//! # Cardinality
//!
//! A caller cannot make a series of a server: it knows its methods. A client takes the method from
//! the request's path, which generated clients fill from a fixed set; a proxy that forwards paths of
//! its callers must not use this layer.

mod client;
mod method;
mod server;
mod status;

pub use client::{Client, ClientLayer, DeadlineBody, DeadlineFuture};
pub use server::{Server, ServerLayer};
