//! Where traces are: Tempo, or the Collector's archive on a machine without one.

use std::collections::BTreeSet;
use std::time::SystemTime;

use telemetry_testing::Trace;

use super::{Archive, Tempo};

#[derive(Debug)]
pub enum Traces {
    Tempo(Tempo),
    Archive(Archive),
}

// === impl Traces ===

impl Traces {
    pub async fn trace(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        match self {
            Self::Tempo(tempo) => tempo.trace(id).await,
            Self::Archive(archive) => archive.trace(id),
        }
    }

    /// The traces with a span that links to `id`.
    pub async fn linked_to(&self, id: &str, since: SystemTime) -> anyhow::Result<BTreeSet<String>> {
        match self {
            Self::Tempo(tempo) => {
                let traceql = format!(r#"{{ link:traceID = "{id}" }}"#);
                tempo.search(&traceql, since).await
            }
            Self::Archive(archive) => {
                let spans = archive.select(|span| span.links.iter().any(|l| l.trace_id == id))?;
                Ok(spans.into_iter().map(|span| span.trace_id).collect())
            }
        }
    }

    /// How many lines and spans of an archive could not be read so far.
    pub fn skipped(&self) -> usize {
        match self {
            Self::Tempo(_) => 0,
            Self::Archive(archive) => archive.skipped(),
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Tempo(tempo) => format!("Tempo {}", tempo.base()),
            Self::Archive(archive) => format!("archive {}", archive.directory().display()),
        }
    }
}
