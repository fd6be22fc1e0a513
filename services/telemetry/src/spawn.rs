//! Tasks that stay in the trace that started them.

use std::future::Future;

use opentelemetry::context::FutureExt;
use tokio::task::JoinHandle;
use tracing::Instrument;

/// `tokio::spawn` that keeps the caller's OpenTelemetry context (parent, baggage) and `tracing` span.
///
/// A bare `tokio::spawn` loses both: what the task does becomes a trace of its own, and its log records carry no ids.
/// The span stays open until the task ends.
///
/// # Panics
/// Outside a Tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let future = future
        .with_current_context()
        .instrument(tracing::Span::current());
    #[expect(
        clippy::disallowed_methods,
        reason = "this is what carries the context over"
    )]
    tokio::spawn(future)
}
