//! What tests and tools need of telemetry: an in-process OTLP [`Sink`], one model of spans, log records and metric points, matchers
//! that explain a mismatch, a [`Trace`] and its [`tree`] as text, a [`poll`] that reports its last state, and a [`Child`] process.
//!
//! ```
//! use telemetry_testing::{Behaviour, Sink, poll};
//!
//! let sink = Sink::start();
//! // Point a service at it: OTEL_EXPORTER_OTLP_ENDPOINT=<sink.endpoint()>. Then, once it has exported:
//! let found = sink
//!     .metric("http.server.request.duration")
//!     .unit("s")
//!     .attribute("http.route", "/api/orders")
//!     .find();
//! assert!(found.is_err(), "nothing was sent here, and the error says so");
//!
//! // A backend in trouble is one line away.
//! sink.behave(Behaviour::Refuse { status: 503, retry_after: None });
//! poll("an empty sink", || if sink.spans().is_empty() { Ok(()) } else { Err(sink.spans()) });
//! ```
//!
//! [`Matcher::eventually`] polls the sink until an item matches; [`poll`] polls any closure; [`poll_async`] does the same on a Tokio
//! runtime, where blocking the thread would stop what is waited for. All give up after `TEST_PATIENCE` seconds (30 unless set) and
//! panic with the last state they saw.
#![expect(
    clippy::expect_used,
    reason = "test support: a panic with a reason ends a test that cannot go on"
)]

mod child;
mod matcher;
mod model;
mod poll;
mod sink;
pub mod terminal;
pub mod trace;
pub mod tree;

/// OTLP/JSON, read tolerantly.
pub mod json {
    pub use crate::model::{Decoded, logs_of_json as logs, spans_of_json as spans};
}

pub use child::{Child, Exit};
pub use matcher::{Item, Matcher, Mismatch};
pub use model::{
    Attributes, Data, Event, Kind, Link, Log, Point, PointKind, Scope, Signal, Span, Status,
    Temporality, Value,
};
pub use poll::{patience, poll, poll_async};
pub use sink::{Behaviour, Request, Sink};
pub use trace::Trace;
