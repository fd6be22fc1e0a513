//! What the running system may cost.

use super::{SERVICES, row};
use crate::claim::{Claim, Row, Series};

/// Megabytes of a service as it is shipped: built without optimisation; more than half of it is mapped code.
const SERVICE: u64 = 40;
const SERVICE_GOAL: u64 = 20;
/// Of the services, the Collector and its backends together, a Grafana left out.
const STACK: u64 = 1500;
const EVERYTHING: &str = "sum(max by (service_name) (process_memory_usage_bytes)) \
     + sum(max by (service_name) (process_resident_memory_bytes)) + max(otelcol_process_memory_rss)";

/// Rows about memory, after the drive and at rest again.
pub(super) fn resources() -> Vec<Row> {
    let limit = |name: String, promql: String, at_most, goal| {
        let holds = Series::Megabytes { at_most, goal };
        row(name, Claim::Series { promql, holds })
    };
    let mut rows: Vec<Row> = SERVICES
        .iter()
        .map(|service| {
            limit(
                format!("{service}: at most {SERVICE} MB of memory"),
                format!(r#"max(process_memory_usage_bytes{{service_name="{service}"}})"#),
                SERVICE,
                SERVICE_GOAL,
            )
        })
        .collect();
    rows.push(limit(
        format!("the whole stack: at most {STACK} MB of memory"),
        EVERYTHING.to_owned(),
        STACK,
        STACK,
    ));
    rows
}
