//! [slog](https://docs.rs/slog) records as OpenTelemetry logs.
//!
//! Three pieces, each usable alone:
//!
//! - [`OtelDrain`] emits every record through an OpenTelemetry `LoggerProvider`, on the caller's thread, so that
//!   the record belongs to the caller's span;
//! - [`Stamp`] puts the time and the trace ids of the call on a record before it hops to another thread, and gives
//!   an [`OtelDrain`] below it the very same values;
//! - [`Fields`] is the list of attributes that [`OtelDrain`] emits, for a drain of yours that must write the same.
//!
//! The crate depends on the OpenTelemetry API; any SDK with a `LoggerProvider` does.
//!
//! ```
//! use opentelemetry_sdk::logs::SdkLoggerProvider;
//! use otel_slog::{OtelDrain, Stamp};
//! use slog::{Drain, Logger, info, o};
//!
//! // In a service, with a batch processor and an OTLP exporter.
//! let provider = SdkLoggerProvider::builder().build();
//! let log = Logger::root(Stamp::new(OtelDrain::new(&provider)).fuse(), o!("component" => "checkout"));
//!
//! info!(log, "order placed"; "event.name" => "order.placed", "shop.order.items" => 3);
//! # provider.shutdown().unwrap();
//! ```
//!
//! # Severity
//!
//! | slog | number | text |
//! |---|---|---|
//! | `Critical` | 21 | `FATAL` |
//! | `Error` | 17 | `ERROR` |
//! | `Warning` | 13 | `WARN` |
//! | `Info` | 9 | `INFO` |
//! | `Debug` | 5 | `DEBUG` |
//! | `Trace` | 1 | `TRACE` |
//!
//! # Record
//!
//! | OpenTelemetry | from |
//! |---|---|
//! | body | the message, always a string |
//! | timestamp | the [`Stamp`] above, else the time of the call |
//! | trace id, span id, flags | the [`Stamp`] above, else what the SDK finds in the current context |
//! | attribute `target` | the tag (`info!(log, # "tag", "…")`), else the module; a key `target` overrides it |
//! | attributes `code.file.path`, `code.line.number` | the place of the call; left out where slog has none |
//! | other attributes | the record's keys and those of its logger chain |
//! | scope | always `otel-slog` and its version |
//! | event name | not set: the API wants a `'static` name, so a key `event.name` stays an attribute |
//!
//! The OpenTelemetry field `target` stays unset on purpose: exporters put it in the place of the scope's name.
//!
//! A key that occurs more than once is emitted once, and the newest wins: the record's over its logger's, a child
//! logger's over its parent's, the later of one statement over the earlier.
//! Below a [`Stamp`], the names `timestamp`, `trace_id`, `span_id` and `trace_flags` belong to the stamp and are
//! never attributes.
//!
//! # Values
//!
//! | slog value | attribute value |
//! |---|---|
//! | `bool` | Boolean |
//! | `i8` … `i64`, `isize`, `u8`, `u16`, `u32` | Int |
//! | `u64`, `usize`, `u128`, `i128` | Int if it fits an `i64`, else String in decimal |
//! | `f64`; `f32`, widened exactly | Double |
//! | `&str`, `String`, `char` | String |
//! | `%display`, `?debug`, `format_args!` | String |
//! | bytes | Bytes |
//! | `()`, `None` | no attribute |
//! | [`slog::Serde`] | the tree of the next table |
//! | `#error`, `&dyn Error`, `io::Error` | see [errors](#errors) |
//!
//! | serde value | attribute value |
//! |---|---|
//! | scalars, strings, bytes | as above |
//! | sequence, tuple, tuple struct | List |
//! | map, struct | Map; keys become strings |
//! | unit variant | String, its name |
//! | other variants | Map with one entry, named for the variant |
//! | `None`, unit, unit struct | left out of its map or list; no attribute at the top |
//! | a `Serialize` that fails | String `unserializable: …` |
//!
//! # Errors
//!
//! | attribute | from |
//! |---|---|
//! | `exception.message` | `Display` of the error, then of each source, joined by `: `; a source that its error already printed is not repeated |
//! | `exception.type` | `std::io::Error`, or the type or variant name that starts the error's `Debug`; left out where there is none |
//!
//! Rust keeps no type name behind `dyn Error`, hence `Debug`: a derived one starts with the name (`NotFound`, `Timeout { .. }`).
//! The key of the error itself (`"error" => #err`) is not emitted. Of two errors on one record the newest wins.
//!
//! # What is enabled
//!
//! [`slog::Drain::is_enabled`] asks the provider (`event_enabled`), and so does every record before anything is
//! collected. Inside suppressed telemetry nothing is emitted, hence an exporter that logs does not feed itself.
#![warn(missing_docs)]

mod drain;
mod stamp;

mod fields;
mod values;

mod errors;
mod tree;

pub use drain::{OtelDrain, severity};
pub use fields::Fields;
pub use stamp::{Stamp, Stamped};
