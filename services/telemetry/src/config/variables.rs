//! The table of every `SHOP_*` variable.

use std::cmp::Reverse;

/// What every variable of the shop starts with.
pub(super) const PREFIX: &str = "SHOP_";

/// One `SHOP_*` variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Who reads it: `all` or the services, separated by commas.
    pub read_by: &'static str,
    /// The value when it is not set.
    pub default: &'static str,
    /// What it sets.
    pub meaning: &'static str,
}

const fn variable(
    name: &'static str,
    read_by: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable {
        name,
        read_by,
        default,
        meaning,
    }
}

/// Every variable of the shop. One environment is shared by all services of `just run`, so each accepts the names of the others;
/// a name that is not here ends the start. The table in `TELEMETRY.md` is generated from this one.
pub const VARIABLES: &[Variable] = &[
    variable(
        "SHOP_ENVIRONMENT",
        "all",
        "local",
        "resource attribute deployment.environment.name",
    ),
    variable(
        "SHOP_LISTEN_ADDR",
        "all",
        "127.0.0.1 and the port of the service",
        "address to listen on",
    ),
    variable(
        "SHOP_LOG_DIR",
        "all",
        "/tmp/otel-shop",
        "directory of the JSON log file",
    ),
    variable(
        "SHOP_LOG_LEVEL",
        "all",
        "info",
        "trace, debug, info, warn or error",
    ),
    variable(
        "SHOP_LOG_CONSOLE",
        "all",
        "auto",
        "on, off, or auto: on when stderr is a terminal",
    ),
    variable(
        "SHOP_LOG_FILE_MAX",
        "all",
        "64MiB",
        "size at which the log file is rotated",
    ),
    variable("SHOP_LOG_FILE_KEEP", "all", "3", "rotated log files kept"),
    variable(
        "SHOP_DRAIN_TIMEOUT",
        "all",
        "10s",
        "longest wait for running requests at the end",
    ),
    variable(
        "SHOP_FLUSH_TIMEOUT",
        "all",
        "5s",
        "longest wait for telemetry at the end, all signals together",
    ),
    variable(
        "SHOP_FAULTS",
        "gateway, product, inventory",
        "off",
        "on: faults asked for by baggage act",
    ),
    variable(
        "SHOP_REQUEST_TIMEOUT",
        "all",
        "20s",
        "longest handling of one request",
    ),
    variable(
        "SHOP_MAX_IN_FLIGHT",
        "all",
        "512",
        "requests handled at once; more are shed",
    ),
    variable("SHOP_MAX_BODY", "all", "64KiB", "largest request body"),
    variable(
        "SHOP_DATA_DIR",
        "product, inventory, order",
        "/tmp/otel-shop/data",
        "directory of the database file",
    ),
    variable(
        "SHOP_RESERVATION_TTL",
        "inventory",
        "60s",
        "age at which an unconfirmed reservation expires",
    ),
    variable(
        "SHOP_RESERVE_TIMEOUT",
        "order",
        "3s",
        "deadline of the reservation call",
    ),
    variable(
        "SHOP_PRODUCT_URL",
        "gateway, order",
        "http://127.0.0.1:8081",
        "address of product",
    ),
    variable(
        "SHOP_INVENTORY_URL",
        "gateway, order",
        "http://127.0.0.1:8082",
        "address of inventory",
    ),
    variable(
        "SHOP_ORDER_URL",
        "gateway",
        "http://127.0.0.1:8083",
        "address of order",
    ),
    variable(
        "SHOP_TRUST_CALLER",
        "gateway",
        "off",
        "on: continue the caller's trace instead of linking it",
    ),
    variable(
        "SHOP_BAGGAGE_ALLOW",
        "gateway",
        "none",
        "inbound baggage keys let in, separated by commas",
    ),
    variable(
        "SHOP_GRAFANA_URL",
        "gateway",
        "none",
        "Grafana, for links of the scenario page",
    ),
    variable(
        "SHOP_TEMPO_URL",
        "gateway",
        "http://127.0.0.1:3200",
        "Tempo, for links of the scenario page; the word none where none runs",
    ),
    variable(
        "SHOP_LOKI_URL",
        "gateway",
        "http://127.0.0.1:3100",
        "Loki, for links of the scenario page; the word none where none runs",
    ),
    variable(
        "SHOP_PROMETHEUS_URL",
        "gateway",
        "http://127.0.0.1:9090",
        "Prometheus, for links of the scenario page",
    ),
];

/// The known name that takes the fewest edits to reach from `name`; among equals the one that begins like it longest.
pub(super) fn nearest(name: &str) -> &'static str {
    VARIABLES
        .iter()
        .map(|known| known.name)
        .min_by_key(|known| (distance(name, known), Reverse(common(name, known))))
        .unwrap_or_default()
}

fn common(left: &str, right: &str) -> usize {
    let pairs = left.bytes().zip(right.bytes());
    pairs.take_while(|(l, r)| l == r).count()
}

/// Levenshtein's distance, by bytes: the names are ASCII.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        assert_eq!(nearest("SHOP_LOG_LEVLE"), "SHOP_LOG_LEVEL");
        assert_eq!(nearest("SHOP_DRAIN_TIME"), "SHOP_DRAIN_TIMEOUT");
        assert_eq!(nearest("SHOP_LOKI"), "SHOP_LOKI_URL");
    }

    #[test]
    fn each_name_is_in_the_table_once() {
        for variable in VARIABLES {
            let same = VARIABLES.iter().filter(|other| other.name == variable.name);
            assert_eq!(same.count(), 1, "{}", variable.name);
            assert!(variable.name.starts_with(PREFIX), "{}", variable.name);
        }
    }
}
