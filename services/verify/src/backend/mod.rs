//! The backends, each asked in its own query language over its public HTTP API.

mod archive;
mod collector;
mod exposition;
mod http;
mod loki;
mod prometheus;
mod tempo;
mod traces;

pub use archive::Archive;
pub use collector::Collector;
pub use exposition::Exposition;
pub use http::{Http, root_cause};
pub use loki::{Answered, LogLine, Loki};
pub use prometheus::{Exemplar, Prometheus, Sample, ScrapeTarget};
pub use tempo::Tempo;
pub use traces::Traces;
