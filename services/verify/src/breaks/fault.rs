//! What is broken, as drill pages and `checks/mutations.yaml` say it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use yaml_serde::Value;

/// A fault of a running stack. Several keys act in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Variables with which a component is started again.
    pub set: BTreeMap<String, BTreeMap<String, String>>,
    /// Merged into `collector/config.yaml` as the Collector merges files: keys are added, lists replaced.
    pub collector: Option<Value>,
    pub slow_link: Option<SlowLink>,
    pub stop: Vec<String>,
    pub kill: Vec<String>,
    /// Killed and started again.
    pub crash: Vec<String>,
    /// Everything is stopped and started again; its data is kept.
    pub restart_all: bool,
}

/// A connection between two services that delivers each byte late.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SlowLink {
    pub from: String,
    pub to: String,
    #[serde(deserialize_with = "time")]
    pub delay: Duration,
}

/// A change of a shipped file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// From the top of the repository.
    pub path: PathBuf,
    pub replace: String,
    pub by: String,
}

// === impl Fault ===

impl Fault {
    /// The components that it changes.
    pub fn components(&self) -> BTreeSet<&str> {
        let stopped = self.stop.iter().chain(&self.kill).chain(&self.crash);
        let mut names: BTreeSet<&str> =
            stopped.chain(self.set.keys()).map(String::as_str).collect();
        names.extend(self.slow_link.iter().map(|link| link.from.as_str()));
        names.extend(self.collector.iter().map(|_| "otel-collector"));
        names
    }

    /// Whether it breaks telemetry only: no request may fail because of it.
    pub fn is_of_telemetry(&self, is_service: impl Fn(&str) -> bool) -> bool {
        let names = self.components();
        !self.restart_all && !names.is_empty() && !names.into_iter().any(is_service)
    }
}

/// `45s` or `800ms`.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let milliseconds = |number: &str, factor: u64| number.parse::<u64>().ok().map(|n| n * factor);
    let time = match text.strip_suffix("ms") {
        Some(number) => milliseconds(number, 1),
        None => text
            .strip_suffix('s')
            .and_then(|number| milliseconds(number, 1000)),
    };
    let time = time.map(Duration::from_millis);
    time.ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?}: expected a time such as 45s or 800ms"))
    })
}
