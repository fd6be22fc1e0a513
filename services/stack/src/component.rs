//! The table: every program of the system, once.

use std::time::Duration;

use crate::error::{Error, Result};

/// One row. Texts hold `${NAME}` variables of the instance's environment.
#[derive(Debug)]
pub struct Component {
    /// As everywhere: in compose, in `just logs NAME`, in labels.
    pub name: &'static str,
    pub program: Program,
    pub arguments: &'static [&'static str],
    /// Beside what all components get.
    pub environment: &'static [(&'static str, &'static str)],
    /// What it reads at its start and not again: a change takes a restart. Of a directory, all that is below it.
    pub files: &'static [&'static str],
    /// The variables of the ports it listens on.
    pub ports: &'static [&'static str],
    /// Where a person or a test finds it.
    pub url: &'static str,
    pub ready: Ready,
    /// Where Prometheus scrapes it, if it does.
    pub metrics_port: Option<&'static str>,
    pub start_within: Duration,
    pub stop_within: Duration,
}

/// Where the executable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Built from Go modules ([`crate::TOOLS`]).
    Tool(&'static str),
    /// A file named by a variable, or found on `PATH`.
    Installed {
        binary: &'static str,
        variable: &'static str,
        remedy: &'static str,
    },
    /// `bin/NAME` in the directory that a variable names.
    Home {
        binary: &'static str,
        variable: &'static str,
        remedy: &'static str,
    },
    /// A crate of this workspace, built by cargo.
    Service,
}

/// What tells that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// `GET` on the port of a variable answers 2xx.
    Http {
        port: &'static str,
        path: &'static str,
    },
    /// The first of its ports accepts connections.
    Listening,
}

const SECOND: Duration = Duration::from_secs(1);

/// In the order of their start; they are stopped in the opposite one.
pub const COMPONENTS: &[Component] = &[
    Component {
        name: "otel-collector",
        program: Program::Tool("otelcol"),
        arguments: &["--config=${STACK_ROOT}/collector/config.yaml"],
        // 80 % of the memory_limiter's hard limit: the garbage collector works before the limiter has to refuse.
        environment: &[("GOMEMLIMIT", "320MiB")],
        files: &["${STACK_ROOT}/collector/config.yaml"],
        ports: &[
            "OTLP_GRPC_PORT",
            "OTLP_HTTP_PORT",
            "OTELCOL_METRICS_PORT",
            "OTELCOL_HEALTH_PORT",
            "OTELCOL_ZPAGES_PORT",
        ],
        url: "http://${COLLECTOR_HOST}:${OTLP_HTTP_PORT}",
        ready: Ready::Http {
            port: "OTELCOL_HEALTH_PORT",
            path: "/ready",
        },
        metrics_port: Some("OTELCOL_METRICS_PORT"),
        start_within: SECOND.saturating_mul(60),
        stop_within: SECOND.saturating_mul(20),
    },
    Component {
        name: "tempo",
        program: Program::Installed {
            binary: "tempo",
            variable: "TEMPO_BIN",
            remedy: "put a `tempo` binary on PATH or name it in TEMPO_BIN",
        },
        arguments: &[
            "-config.file=${STACK_ROOT}/grafana/tempo/tempo.yaml",
            "-config.expand-env=true",
        ],
        environment: &[],
        files: &["${STACK_ROOT}/grafana/tempo/tempo.yaml"],
        ports: &[
            "TEMPO_PORT",
            "TEMPO_GRPC_PORT",
            "TEMPO_OTLP_GRPC_PORT",
            "TEMPO_OTLP_HTTP_PORT",
            "TEMPO_GOSSIP_PORT",
        ],
        url: "http://${TEMPO_HOST}:${TEMPO_PORT}",
        ready: Ready::Http {
            port: "TEMPO_PORT",
            path: "/ready",
        },
        metrics_port: Some("TEMPO_PORT"),
        start_within: SECOND.saturating_mul(90),
        // It needs 31 s, each time.
        stop_within: SECOND.saturating_mul(60),
    },
    Component {
        name: "prometheus",
        program: Program::Tool("prometheus"),
        arguments: &[
            "--config.file=${STACK_HOME}/prometheus/prometheus.yaml",
            "--storage.tsdb.path=${STACK_DATA}/prometheus",
            "--web.listen-address=${BIND_HOST}:${PROMETHEUS_PORT}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage",
        ],
        environment: &[],
        files: &[
            "${STACK_HOME}/prometheus/prometheus.yaml",
            "${STACK_HOME}/prometheus/rules",
        ],
        ports: &["PROMETHEUS_PORT"],
        url: "http://${PROMETHEUS_HOST}:${PROMETHEUS_PORT}",
        ready: Ready::Http {
            port: "PROMETHEUS_PORT",
            path: "/-/ready",
        },
        metrics_port: Some("PROMETHEUS_PORT"),
        start_within: SECOND.saturating_mul(60),
        stop_within: SECOND.saturating_mul(20),
    },
    Component {
        name: "loki",
        program: Program::Tool("loki"),
        arguments: &[
            "-config.file=${STACK_ROOT}/grafana/loki/loki.yaml",
            "-config.expand-env=true",
        ],
        environment: &[],
        files: &["${STACK_ROOT}/grafana/loki/loki.yaml"],
        ports: &["LOKI_PORT", "LOKI_GRPC_PORT"],
        url: "http://${LOKI_HOST}:${LOKI_PORT}",
        // 503 for its first 15 s.
        ready: Ready::Http {
            port: "LOKI_PORT",
            path: "/ready",
        },
        metrics_port: Some("LOKI_PORT"),
        start_within: SECOND.saturating_mul(90),
        stop_within: SECOND.saturating_mul(30),
    },
    Component {
        name: "promtail",
        program: Program::Tool("promtail"),
        arguments: &[
            "-config.file=${STACK_ROOT}/grafana/promtail/promtail.yaml",
            "-config.expand-env=true",
        ],
        environment: &[],
        files: &["${STACK_ROOT}/grafana/promtail/promtail.yaml"],
        ports: &["PROMTAIL_PORT"],
        url: "http://${BIND_HOST}:${PROMTAIL_PORT}",
        ready: Ready::Http {
            port: "PROMTAIL_PORT",
            path: "/ready",
        },
        metrics_port: Some("PROMTAIL_PORT"),
        start_within: SECOND.saturating_mul(60),
        // With Loki away it hangs in its retries, and there is nothing to win by waiting longer.
        stop_within: SECOND.saturating_mul(10),
    },
    Component {
        name: "grafana",
        program: Program::Home {
            binary: "grafana",
            variable: "GRAFANA_HOME",
            remedy: "name an unpacked Grafana in GRAFANA_HOME",
        },
        arguments: &["server", "--homepath=${GRAFANA_HOME}"],
        environment: &[
            ("GF_PATHS_DATA", "${STACK_DATA}/grafana"),
            (
                "GF_PATHS_PROVISIONING",
                "${STACK_ROOT}/grafana/provisioning",
            ),
            ("GRAFANA_DASHBOARDS", "${STACK_ROOT}/grafana/dashboards"),
            ("GF_SERVER_HTTP_ADDR", "${BIND_HOST}"),
            ("GF_SERVER_HTTP_PORT", "${GRAFANA_PORT}"),
            ("GF_ANALYTICS_REPORTING_ENABLED", "false"),
            ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false"),
            ("GF_PLUGINS_PREINSTALL_DISABLED", "true"),
        ],
        // The dashboards it looks at again by itself.
        files: &["${STACK_ROOT}/grafana/provisioning"],
        ports: &["GRAFANA_PORT"],
        url: "http://${BIND_HOST}:${GRAFANA_PORT}",
        ready: Ready::Http {
            port: "GRAFANA_PORT",
            path: "/api/health",
        },
        metrics_port: Some("GRAFANA_PORT"),
        start_within: SECOND.saturating_mul(90),
        stop_within: SECOND.saturating_mul(20),
    },
    Component {
        name: "product",
        environment: &[("SHOP_LISTEN_ADDR", "${BIND_HOST}:${PRODUCT_PORT}")],
        ports: &["PRODUCT_PORT"],
        url: "http://${BIND_HOST}:${PRODUCT_PORT}",
        ready: Ready::Http {
            port: "PRODUCT_PORT",
            path: "/readyz",
        },
        ..SERVICE
    },
    Component {
        name: "inventory",
        environment: &[("SHOP_LISTEN_ADDR", "${BIND_HOST}:${INVENTORY_PORT}")],
        ports: &["INVENTORY_PORT"],
        url: "http://${BIND_HOST}:${INVENTORY_PORT}",
        ..SERVICE
    },
    Component {
        name: "order",
        environment: &[("SHOP_LISTEN_ADDR", "${BIND_HOST}:${ORDER_PORT}")],
        ports: &["ORDER_PORT"],
        url: "http://${BIND_HOST}:${ORDER_PORT}",
        ..SERVICE
    },
    Component {
        name: "gateway",
        environment: &[("SHOP_LISTEN_ADDR", "${BIND_HOST}:${GATEWAY_PORT}")],
        ports: &["GATEWAY_PORT"],
        url: "http://${BIND_HOST}:${GATEWAY_PORT}",
        // It asks the three others.
        ready: Ready::Http {
            port: "GATEWAY_PORT",
            path: "/readyz",
        },
        ..SERVICE
    },
];

/// What the four services have in common.
const SERVICE: Component = Component {
    name: "",
    program: Program::Service,
    arguments: &[],
    environment: &[],
    files: &[],
    ports: &[],
    url: "",
    ready: Ready::Listening,
    metrics_port: None,
    start_within: SECOND.saturating_mul(30),
    // Their own limits: 10 s for requests, 5 s for telemetry.
    stop_within: SECOND.saturating_mul(20),
};

/// Settings of all four services. A variable of the shell wins.
pub(crate) const SERVICE_ENVIRONMENT: &[(&str, &str)] = &[
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://${COLLECTOR_HOST}:${OTLP_HTTP_PORT}",
    ),
    ("SHOP_PRODUCT_URL", "http://${BIND_HOST}:${PRODUCT_PORT}"),
    (
        "SHOP_INVENTORY_URL",
        "http://${BIND_HOST}:${INVENTORY_PORT}",
    ),
    ("SHOP_ORDER_URL", "http://${BIND_HOST}:${ORDER_PORT}"),
    ("SHOP_TEMPO_URL", "http://${TEMPO_HOST}:${TEMPO_PORT}"),
    ("SHOP_LOKI_URL", "http://${LOKI_HOST}:${LOKI_PORT}"),
    (
        "SHOP_PROMETHEUS_URL",
        "http://${PROMETHEUS_HOST}:${PROMETHEUS_PORT}",
    ),
    ("SHOP_DATA_DIR", "${STACK_DATA}/shop"),
    // The scenarios are what this is for; a bare binary has them off.
    ("SHOP_FAULTS", "on"),
];

/// The Collector's second configuration where there is no Tempo.
pub(crate) const ARCHIVE_ARGUMENT: &str = "--config=${STACK_ROOT}/collector/archive-traces.yaml";

/// The file in it.
pub(crate) const ARCHIVE_FILE: &str = "${STACK_ROOT}/collector/archive-traces.yaml";

/// The port that the archive listens on in Tempo's place.
pub(crate) const ARCHIVE_PORT: &str = "TEMPO_OTLP_HTTP_PORT";

/// A row by its name.
pub fn component(name: &str) -> Result<&'static Component> {
    COMPONENTS
        .iter()
        .find(|component| component.name == name)
        .ok_or_else(|| {
            let known: Vec<_> = COMPONENTS.iter().map(|component| component.name).collect();
            Error::UnknownComponent {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
}

// === impl Component ===

impl Component {
    /// One of the four services, rather than of the stack they report to.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.program == Program::Service
    }
}
