//! HTTP servers and clients.
//!
//! When each thing starts and ends is on the [crate's page](crate#when-things-start-and-end).
//!
//! # Server
//!
//! [`ServerLayer`] makes a `SERVER` span named `{METHOD} {route}`, or `{METHOD}` where no route
//! matched, with `HTTP` for an unknown method. A span is started as `{METHOD}`, which is what a
//! sampler sees, and renamed at its end.
//!
//! | attribute | span | duration | in flight | from |
//! |---|:-:|:-:|:-:|---|
//! | `http.request.method` | ✓ | ✓ | ✓ | the nine known methods, else `_OTHER` |
//! | `http.request.method_original` | ✓ | | | the method, where that is `_OTHER` |
//! | `url.scheme` | ✓ | ✓ | ✓ | `https` if the URI says so, else `http` |
//! | `url.path` | ✓ | | | the URI |
//! | `http.route` | ✓ | ✓ | | [`route`], [`RouteSlot`] |
//! | `http.response.status_code` | ✓ | ✓ | | the response; absent if there was none |
//! | `error.type` | ✓ | ✓ | | see [below](#errors) |
//! | `network.protocol.version` | ✓ | ✓ | | `1.0`, `1.1`, `2`, `3` |
//! | `server.address`, `server.port` | ✓ | | | the URI's authority, else `Host` |
//! | `client.address`, `network.peer.address`, `network.peer.port` | ✓ | | | [`PeerAddr`](crate::PeerAddr), if the server inserts it |
//! | `user_agent.original` | ✓ | | | the header |
//!
//! Metrics: `http.server.request.duration` (histogram, `s`) and `http.server.active_requests`
//! (up-down counter, `{request}`).
//!
//! **Who the caller is.** An internal server continues its caller's trace and accepts its baggage. A
//! [`PublicEdge`] starts a new trace that links the caller's span, drops baggage, and adds
//! `traceresponse` to every response.
//!
//! **Where to put it.** Outermost: limits, timeouts and panic handlers belong inside, so that what
//! they answer has its span. A panic handler outside would see the panic end the span as `panic`.
//!
//! # Client
//!
//! [`ClientLayer`] makes a `CLIENT` span, child of the current one, named `{METHOD} {template}` with
//! the request's [`UrlTemplate`], else `{METHOD}`.
//!
//! | attribute | span | duration | in flight | from |
//! |---|:-:|:-:|:-:|---|
//! | `http.request.method` | ✓ | ✓ | ✓ | the nine known methods, else `_OTHER` |
//! | `http.request.method_original` | ✓ | | | the method, where that is `_OTHER` |
//! | `url.full` | ✓ | | | the URI; credentials and query read `REDACTED` |
//! | `url.template` | ✓ | ✓ | ✓ | [`UrlTemplate`], if the request has it |
//! | `server.address`, `server.port` | ✓ | ✓ | ✓ | the URI |
//! | `http.response.status_code` | ✓ | ✓ | | the response; absent if there was none |
//! | `network.protocol.version` | ✓ | ✓ | | the response |
//! | `error.type` | ✓ | ✓ | | see [below](#errors) |
//!
//! Metrics: `http.client.request.duration` (histogram, `s`) and `http.client.active_requests`
//! (up-down counter, `{request}`).
//!
//! Read the body of a response, or at least of a successful one: to drop it half read is to cancel
//! the request, and is recorded as that. The service's error is a [`BoxError`](crate::BoxError) that
//! holds the transport's.
//!
//! # Errors
//!
//! An error has `error.type`, and its span the status `Error`. Otherwise there is no `error.type`,
//! and the status is left unset.
//!
//! | | server | client |
//! |---|---|---|
//! | status 100 to 399 | | |
//! | status 400 to 499 | no error: the caller's fault | the status, such as `404` |
//! | status 500 to 599 | the status, such as `500` | the status |
//! | no response: no connection, or no such host | | `connect` |
//! | no response: a timeout inside the layer | | `timeout` |
//! | no response: anything else | `other` | `other` |
//! | cut short | [`body`, `cancelled`, `panic`](crate#work-that-is-cut-short) | likewise |
//!
//! `timeout` is an error of `tokio::time`, of `tower::timeout` or of the socket. A timeout *around*
//! the client drops the request, which is `cancelled`.
//!
//! # Cardinality
//!
//! A caller cannot make a series of a server: methods, schemes, versions and routes are from fixed
//! sets, and the status is the server's own. A client's series grow with the hosts it calls, so do
//! not let callers choose them; templates are `'static`, so that no path becomes one.

mod client;
mod edge;
mod message;
mod route;
mod server;

pub use client::{Client, ClientLayer, UrlTemplate};
pub use edge::{Edge, PublicEdge};
pub use route::{RouteSlot, route};
pub use server::{Server, ServerLayer};
