//! The backends, each asked in its own query language over its public HTTP API.

mod archive;
mod collector;
mod exposition;
mod http;
mod logs;
mod loki;
mod prometheus;
mod tempo;
mod traces;

pub use archive::{Archive, LogArchive};
pub use collector::Collector;
pub use exposition::Exposition;
pub use http::{Http, root_cause};
pub use logs::Logs;
pub use loki::{Answered, LogLine, Loki};
pub use prometheus::{Exemplar, Prometheus, Sample, ScrapeTarget};
pub use tempo::Tempo;
pub use traces::Traces;

/// A backend at one base address, with the path that answers 200 when it is ready.
macro_rules! backend {
    ($name:ident, $ready:literal) => {
        #[derive(Clone, Debug)]
        pub struct $name {
            http: $crate::backend::Http,
        }

        impl $name {
            pub fn new(base: &str) -> anyhow::Result<Self> {
                let http = $crate::backend::Http::new(base)?;
                Ok(Self { http })
            }

            pub fn base(&self) -> &str {
                self.http.base()
            }

            pub async fn ready(&self) -> anyhow::Result<()> {
                self.http.text($ready).await.map(drop)
            }

            async fn get(
                &self,
                path: &str,
                query: &[(&str, &str)],
            ) -> anyhow::Result<serde_json::Value> {
                self.http.json(path, query).await
            }
        }
    };
}

use backend;
