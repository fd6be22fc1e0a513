//! A drill, as the front matter of its page says it: what is broken, what must be seen within what time, how it is fixed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::Fault;
use super::fault::time;

/// Of `docs/drills/NAME.md`. Times are those of the drill's own stack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// In words.
    pub breaks: String,
    #[serde(default, rename = "break")]
    pub fault: Fault,
    /// Requests between break and fix, in addition to two good orders a second.
    #[serde(default)]
    pub load: Load,
    /// So many orders are placed after the break. After the fix each must be one whole tree, with the same lines in both
    /// log pipelines.
    #[serde(default)]
    pub orders: usize,
    /// A second fault, after the orders.
    #[serde(default)]
    pub then: Fault,
    pub alert: Option<AlertPlan>,
    /// Where a component that the fault stops is not part of the stack, the Collector sends to an address without a
    /// listener: this is the alert of it.
    pub alert_if_absent: Option<AlertPlan>,
    /// No alert fires for so long: what happens is no fault.
    #[serde(default, deserialize_with = "optional_time")]
    pub quiet: Option<Duration>,
    /// No alert can fire, but `just doctor` names this hop.
    pub doctor: Option<String>,
    /// In words.
    pub fix: String,
    /// Components without which the drill is skipped.
    #[serde(default)]
    pub needs: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Of the scenario page; without one, good orders.
    pub scenario: Option<String>,
    pub per_second: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AlertPlan {
    pub name: String,
    /// Labels that distinguish it from its siblings.
    pub of: BTreeMap<String, String>,
    #[serde(deserialize_with = "time")]
    pub fires: Duration,
    #[serde(deserialize_with = "time")]
    pub clears: Duration,
}

// === impl Plan ===

impl Plan {
    /// Reads front matter. An unknown key is an error that names its line.
    pub fn parse(yaml: &str) -> anyhow::Result<Self> {
        let plan: Self = yaml_serde::from_str(yaml).context("front matter")?;
        let expected = [
            plan.alert.is_some(),
            plan.quiet.is_some(),
            plan.doctor.is_some(),
        ];
        match expected.into_iter().filter(|is_given| *is_given).count() {
            1 => Ok(plan),
            0 if plan.orders > 0 => Ok(plan),
            _ => bail!("front matter: expected one of `alert`, `quiet` and `doctor`, or `orders`"),
        }
    }
}

fn optional_time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    time(from).map(Some)
}

// === impl AlertPlan ===

impl fmt::Display for AlertPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<&str> = self.of.values().map(String::as_str).collect();
        write!(f, "{} of {}", self.name, labels.join(", "))
    }
}
