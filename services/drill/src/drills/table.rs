//! Every drill: what breaks, which alert fires and clears within what time. What to ask is on its page.

use std::fmt;
use std::time::Duration;

use super::ask::Alert;
use super::traffic::Load;

#[derive(Debug)]
pub struct Drill {
    /// Of the command and of the page, `docs/drills/NAME.md`.
    pub name: &'static str,
    pub breaks: &'static str,
    pub how: How,
    /// Beside two good orders a second.
    pub load: Load,
    /// What the rules of `grafana/prometheus/rules` make of it.
    pub alert: Expect,
    pub fix: &'static str,
}

/// The way to break it; the way back is the shipped start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum How {
    /// The load alone does it.
    Load,
    Stopped(&'static str),
    /// Started with other variables.
    Started(&'static str, &'static [(&'static str, &'static str)]),
    /// What order sends to inventory arrives late.
    SlowLink(Duration),
    /// Tempo is killed; where the Collector keeps the traces itself, its exporter is led nowhere.
    TracesAway,
    /// Loki is stopped and the Collector's queue for it holds this many lines.
    SmallQueue(u32),
    /// The Collector may take this much memory, in MiB.
    LittleMemory(u32),
}

/// Times are those of the drill's own stack, whose error budgets look at windows a thirtieth as long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expect {
    Alert {
        name: &'static str,
        /// A label that tells it from its siblings.
        of: (&'static str, &'static str),
        fires: Duration,
        clears: Duration,
    },
    /// No alert: what happens is no fault. Watched for so long.
    Quiet(Duration),
    /// Nobody is left to alert: the doctor names this hop.
    Doctor(&'static str),
}

// === impl How ===

impl How {
    /// It takes telemetry away and nothing that a request needs.
    pub fn is_of_telemetry(self) -> bool {
        match self {
            Self::Stopped(name) | Self::Started(name, _) => {
                ["otel-collector", "tempo", "loki", "prometheus", "promtail"].contains(&name)
            }
            Self::TracesAway | Self::SmallQueue(_) | Self::LittleMemory(_) => true,
            Self::Load | Self::SlowLink(_) => false,
        }
    }
}

// === impl Expect ===

impl Expect {
    pub fn is(&self, alert: &Alert) -> bool {
        matches!(*self, Self::Alert { name, of, .. } if alert.is(name, of))
    }

    /// Whether it is their requests that it judges.
    pub fn is_about_users(&self) -> bool {
        matches!(self, Self::Alert { of: ("slo", _), .. })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert { name, of, .. } => write!(f, "{name} of {}", of.1),
            Self::Quiet(_) => write!(f, "no alert"),
            Self::Doctor(hop) => write!(f, "the hop {hop:?}"),
        }
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn alert(
    name: &'static str,
    of: (&'static str, &'static str),
    fires: u64,
    clears: u64,
) -> Expect {
    Expect::Alert {
        name,
        of,
        fires: seconds(fires),
        clears: seconds(clears),
    }
}

const FAILED: (&str, &str) = ("slo", "order-availability");
const SLOW: (&str, &str) = ("slo", "order-latency");

pub const DRILLS: &[Drill] = &[
    // First: the slow alerts that the others leave behind would disturb it.
    Drill {
        name: "out-of-stock",
        breaks: "nothing: customers ask for more than there is",
        how: How::Load,
        load: Load::Scenario {
            name: "out-of-stock",
            per_second: 5.0,
        },
        alert: Expect::Quiet(seconds(45)),
        fix: "nothing to fix",
    },
    // Second: it compares two minutes, which the drills that stop a part of a lane disturb.
    Drill {
        name: "file-lane",
        breaks: "Promtail runs and reads another directory: nothing of it is down",
        how: How::Started("promtail", &[("SHOP_LOG_DIR", "/nowhere")]),
        load: Load::Nothing,
        alert: alert("LogLaneParityBroken", ("lane", "file"), 240, 150),
        fix: "start Promtail with the services' directory",
    },
    Drill {
        name: "product-error",
        breaks: "product fails the price lookup of most orders",
        how: How::Load,
        load: Load::Scenario {
            name: "product-error",
            per_second: 5.0,
        },
        alert: alert("ErrorBudgetFastBurn", FAILED, 60, 90),
        fix: "stop the scenario",
    },
    Drill {
        name: "inventory-timeout",
        breaks: "inventory takes longer to reserve than order waits",
        how: How::Load,
        load: Load::Scenario {
            name: "inventory-timeout",
            per_second: 4.0,
        },
        alert: alert("ErrorBudgetFastBurn", FAILED, 60, 90),
        fix: "stop the scenario",
    },
    Drill {
        name: "long-request",
        breaks: "product takes five seconds for most orders, inside every limit",
        how: How::Load,
        load: Load::Scenario {
            name: "long-request",
            per_second: 4.0,
        },
        alert: alert("ErrorBudgetFastBurn", SLOW, 60, 90),
        fix: "stop the scenario",
    },
    Drill {
        name: "error-burst",
        breaks: "order takes one request at a time and sheds the others",
        how: How::Started("order", &[("SHOP_MAX_IN_FLIGHT", "1")]),
        load: Load::Orders { per_second: 40.0 },
        alert: alert("ErrorBudgetFastBurn", FAILED, 60, 90),
        fix: "start order with its shipped limit",
    },
    Drill {
        name: "slow-inventory",
        breaks: "what order sends to inventory arrives 800 ms late",
        how: How::SlowLink(Duration::from_millis(800)),
        load: Load::Nothing,
        alert: alert("ErrorBudgetFastBurn", SLOW, 60, 90),
        fix: "give order its direct way to inventory back",
    },
    Drill {
        name: "service-stopped",
        breaks: "product is stopped",
        how: How::Stopped("product"),
        load: Load::Nothing,
        alert: alert("ServiceDown", ("service_name", "product"), 75, 45),
        fix: "start product",
    },
    Drill {
        name: "collector-stopped",
        breaks: "the Collector is stopped",
        how: How::Stopped("otel-collector"),
        load: Load::Nothing,
        alert: alert("CollectorDown", ("service_name", "otel-collector"), 45, 45),
        fix: "start the Collector",
    },
    Drill {
        name: "loki-stopped",
        breaks: "Loki is stopped",
        how: How::Stopped("loki"),
        load: Load::Nothing,
        alert: alert("TargetDown", ("service_name", "loki"), 60, 60),
        fix: "start Loki",
    },
    Drill {
        name: "tempo-stopped",
        breaks: "nobody takes the Collector's traces",
        how: How::TracesAway,
        load: Load::Nothing,
        alert: alert(
            "CollectorExporterFailing",
            ("exporter", "otlp_http/tempo"),
            90,
            90,
        ),
        fix: "start Tempo, or give the exporter its address back",
    },
    Drill {
        name: "prometheus-stopped",
        breaks: "Prometheus is stopped, and with it every alert",
        how: How::Stopped("prometheus"),
        load: Load::Nothing,
        alert: Expect::Doctor("prometheus runs"),
        fix: "start Prometheus",
    },
    Drill {
        name: "promtail-stopped",
        breaks: "Promtail is stopped: the file lane is dead",
        how: How::Stopped("promtail"),
        load: Load::Nothing,
        alert: alert("TargetDown", ("service_name", "promtail"), 60, 60),
        fix: "start Promtail",
    },
    Drill {
        name: "spans-dropped",
        breaks: "order has room for four waiting spans",
        how: How::Started("order", &[("OTEL_BSP_MAX_QUEUE_SIZE", "4")]),
        load: Load::Orders { per_second: 5.0 },
        alert: alert("TelemetryDropped", ("service_name", "order"), 30, 150),
        fix: "start order with its shipped queue",
    },
    Drill {
        name: "memory-limit",
        breaks: "the Collector may take less memory than it needs",
        how: How::LittleMemory(5),
        load: Load::Nothing,
        alert: alert("CollectorRefusing", ("signal", "traces"), 45, 150),
        fix: "start the Collector with its shipped limit",
    },
    Drill {
        name: "full-queue",
        breaks: "Loki is stopped, and the Collector's queue for it is small",
        how: How::SmallQueue(200),
        load: Load::Orders { per_second: 15.0 },
        alert: alert(
            "CollectorQueueFilling",
            ("exporter", "otlp_http/loki"),
            90,
            90,
        ),
        fix: "start Loki, and the Collector with its shipped queue",
    },
];

/// A row by its name.
pub fn drill(name: &str) -> Option<&'static Drill> {
    DRILLS.iter().find(|drill| drill.name == name)
}
