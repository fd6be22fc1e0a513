//! How encoded telemetry reaches the Collector, and what is known about each item of it.
//!
//! `opentelemetry-otlp` encodes; every request then passes through our own `HttpClient`, which alone sees status, partial success and
//! retry hints. (The exporter logs a partial success and answers `Ok`; nothing outside this place could count the truth.)
//!
//! **Where it runs**: one runtime with one worker of its own, on threads under telemetry suppression. The SDK's threads only wait
//! for it, so a service on a current-thread runtime cannot deadlock, and what hyper says about these requests becomes no telemetry.
//!
//! **Retries**, by the OTLP specification: 429, 502, 503, 504, a failed connection and a timeout. `Retry-After` in seconds is obeyed;
//! one beyond the time of all attempts ends them, and the start of the shutdown ends any pause early, for a last attempt.
//! One number scales all of it, `OTEL_EXPORTER_OTLP_TIMEOUT`, T:
//!
//! | | | T = 10 s |
//! |---|---|---|
//! | one attempt | T | 10 s |
//! | pauses, doubled, ± 20 % | T/10 to T/2 | 1 s to 5 s |
//! | all attempts for a batch of spans or log records | 3 T | 30 s |
//! | all attempts for metrics: sums are cumulative, the next export tells more | T | 10 s |
//!
//! The SDK's worker waits no longer than that, while its bounded queue fills behind it. A shutdown cuts everything at its deadline.
//!
//! **Outcomes**: each item ends in exactly one of them, counted as `otel.sdk.exporter.{span,log,metric_data_point}.exported`, without
//! `error.type` when it was accepted, else with one of
//!
//! | `error.type` | the last attempt |
//! |---|---|
//! | a status such as `503` | was answered with it |
//! | `timeout` | was not answered in time |
//! | `connection` | found no connection, or lost it |
//! | `rejected` | was accepted, this item not (partial success) |
//! | `shutdown` | was cut by the deadline of the shutdown |
//! | `panic` | ended in a panic of the delivery, which is a mistake here |
//!
//! An item that found its queue full never comes here: the SDK counts it as `otel.sdk.processor.*.processed` with `queue_full`.

mod attempt;
mod client;
mod ledger;
mod retry;
mod runtime;
mod wire;

pub(crate) use client::DeliveryClient;
pub(crate) use ledger::Ledger;
pub use ledger::Signal;
pub(crate) use runtime::Delivery;
