//! Where traces are: Tempo, or the Collector's archive on a machine without one.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::{Archive, Tempo};
use crate::trace::Trace;

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
            Self::Archive(archive) => Ok(archive
                .select(|span| span.links.iter().any(|link| link == id))?
                .into_iter()
                .map(|span| span.trace_id)
                .collect()),
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Tempo(tempo) => format!("Tempo {}", tempo.base()),
            Self::Archive(archive) => format!("archive {}", archive.directory().display()),
        }
    }
}
