//! Tower layers that instrument HTTP and gRPC servers and clients with OpenTelemetry: one span and
//! one duration per call, a count of the calls in flight, and the caller's context passed on.
//!
//! | | server | client |
//! |---|---|---|
//! | HTTP | [`http::ServerLayer`] | [`http::ClientLayer`] |
//! | gRPC | [`grpc::ServerLayer`] | [`grpc::ClientLayer`] |
//!
//! The layers wrap any `tower::Service` of `http` requests. They are tried with warp behind hyper,
//! hyper-util's client, and tonic's server and channel. They need the OpenTelemetry API only; which
//! SDK records, and where it exports to, is up to the program.
//!
//! ```
//! use otel_tower::{Instrumentation, http};
//! use tower::{Layer, ServiceExt};
//! use warp::Filter;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // After the providers and the propagator of the process have been installed.
//! let instrumentation = Instrumentation::global();
//!
//! let routes = warp::path!("products" / String)
//!     .and(warp::get())
//!     .and(http::route("/products/{id}"))
//!     .map(|id: String| id)
//!     .boxed();
//! let service = http::ServerLayer::new(&instrumentation).layer(warp::service(routes));
//!
//! // A server loop does this for each request of a connection: see `examples/one_trace.rs`.
//! let request = ::http::Request::get("/products/espresso").body(String::new()).unwrap();
//! let response = service.oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 200);
//! # }
//! ```
//!
//! # When things start and end
//!
//! For all four layers alike:
//!
//! 1. `Service::call` reads the caller's context (server) or takes the current one (client), starts
//!    the span, counts the call as in flight and starts the clock. Time spent in `poll_ready`, for
//!    instance waiting for a connection, is not part of the call.
//! 2. The call's context is current whenever the inner service works: in `call`, in each poll of its
//!    future and of the response body, and while these are dropped. It never stays on a thread
//!    across an await. So log records and further spans find their parent, and clients inside a
//!    server find the caller's baggage, without any help. A task that is spawned does *not* inherit
//!    it: use `opentelemetry::trace::FutureExt`.
//! 3. With the response head, status and route become known.
//! 4. The call ends when the response **body** ends: at its last frame, at its trailers, at an error,
//!    or when nothing more can come (the body says so; or, for HTTP, there is none, as in answers to
//!    `HEAD`, or all of `content-length` was handed out). Then, in this order, the span gets its
//!    final name, attributes and status and ends, the duration is recorded, and the in-flight count
//!    goes down. For a server this is the moment the transport took the last frame, not the moment
//!    the peer received it.
//!
//! # Work that is cut short
//!
//! Each of the three ends exactly once, whatever happens. A call that did not come to its end says
//! how in `error.type`, on the span (whose status is then `Error`) and on the duration:
//!
//! | what happened | `error.type` |
//! |---|---|
//! | The future or the body was dropped before its end: the peer went away, or a timeout further out gave up. | `cancelled` |
//! | The inner service or the body panicked; the panic goes on. | `panic` |
//! | The body broke off with an error. | HTTP: `body`; gRPC: [the status](grpc#how-a-call-ends) |
//! | There was no response. | HTTP: [the class](http#errors); gRPC: [the status](grpc#how-a-call-ends) |
//!
//! A response that had already failed keeps its own `error.type`, also when its body is dropped
//! unread. Cancellation is an error on servers too: the work was for nothing, and whoever looks for
//! wasted work finds it. A filter on `error.type` tells it apart.
//!
//! # Context
//!
//! Servers read `traceparent`, `tracestate` and `baggage` with the propagator they are given, and
//! clients write them, in place of any that a request already carries. What is broken (an invalid or
//! repeated `traceparent`; a `tracestate` or `baggage` that cannot be parsed, has a key that is no
//! token, or is larger than the W3C's limits) is ignored as a whole, and counted by header in
//! `otel_tower.context.ignored`; the request is served. Properties of baggage members are left out.
//! What a server believes of the rest is its [`Edge`](http::Edge).
//!
//! # What is not recorded
//!
//! No header is copied, `user-agent` on HTTP servers excepted. Query strings and credentials in URLs
//! never are. Messages of errors, gRPC status messages included, are not: they quote user data.
//! Text that a peer chooses is cut to 1024 bytes, and never becomes an attribute of a metric, except
//! where the pages of [`http`] and [`grpc`] say so.
//!
//! # Cost
//!
//! Instruments are bound once per set of attributes, up to 256 sets per layer and metric, and per
//! call beyond. Build a layer once and clone it, or the service it made: clones share them.

#![warn(missing_docs)]

mod address;
mod call;
pub mod grpc;
pub mod http;
mod instrumentation;
pub mod names;
mod propagation;

pub use address::PeerAddr;
pub use call::{ResponseBody, ResponseFuture};
pub use instrumentation::Instrumentation;

/// The error of client services: what the transport said, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
