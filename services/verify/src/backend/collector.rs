//! The Collector seen from outside: health, zpages, its own metrics.

use super::{Exposition, Http};

#[derive(Clone, Debug)]
pub struct Collector {
    health: Http,
    zpages: Http,
    metrics: Http,
}

// === impl Collector ===

impl Collector {
    pub fn new(health: &str, zpages: &str, metrics: &str) -> anyhow::Result<Self> {
        Ok(Self {
            health: Http::new(health)?,
            zpages: Http::new(zpages)?,
            metrics: Http::new(metrics)?,
        })
    }

    pub fn zpages_base(&self) -> &str {
        self.zpages.base()
    }

    pub fn metrics_base(&self) -> &str {
        self.metrics.base()
    }

    pub async fn ready(&self) -> anyhow::Result<()> {
        self.health.text("").await.map(drop)
    }

    /// A page of `/debug/...`, as HTML.
    pub async fn zpage(&self, path: &str) -> anyhow::Result<String> {
        self.zpages.text(path).await
    }

    pub async fn metrics(&self) -> anyhow::Result<Exposition> {
        Ok(Exposition::parse(&self.metrics.text("/metrics").await?))
    }
}
