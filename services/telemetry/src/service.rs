//! What a service says about itself, and what it is given.

use tokio_util::sync::CancellationToken;

/// The code of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name: `service.name` unless the environment says otherwise, and the crate whose `tracing` spans are exported.
    pub name: &'static str,
    /// Its version: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
}

/// What [`crate::run`] gives to `serve`.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// The root logger: narrow it with `log.new(o!(..))` per component and per request.
    pub log: slog::Logger,
    /// Cancelled when the service is to end: stop listening, finish what runs, return.
    pub stopping: CancellationToken,
}
