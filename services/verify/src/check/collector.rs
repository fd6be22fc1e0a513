//! What the Collector accepted against what it sent, by its own counts.

use std::collections::BTreeMap;

use super::{Baseline, Scene};
use crate::backend::Exposition;
use crate::claim::Signal;
use crate::poll::Look;

/// Where a signal is counted, coming in and going out.
struct Meter {
    accepted: &'static str,
    sent: &'static str,
    exporter: &'static str,
}

fn meter(signal: Signal) -> Meter {
    match signal {
        Signal::Spans => Meter {
            accepted: "otelcol_receiver_accepted_spans",
            sent: "otelcol_exporter_sent_spans",
            exporter: "otlp_http/tempo",
        },
        Signal::Logs => Meter {
            accepted: "otelcol_receiver_accepted_log_records",
            sent: "otelcol_exporter_sent_log_records",
            exporter: "otlp_http/loki",
        },
        Signal::Metrics => Meter {
            accepted: "otelcol_receiver_accepted_metric_points",
            sent: "otelcol_exporter_sent_metric_points",
            exporter: "prometheus_remote_write",
        },
    }
}

// === impl Baseline ===

impl Baseline {
    /// Takes gaps and losses; `false` while a queue still holds something, as a gap is only then what was lost or is missing.
    pub fn take_gaps(&mut self, scrape: &Exposition) -> bool {
        for signal in [Signal::Spans, Signal::Logs, Signal::Metrics] {
            self.gaps
                .insert(meter(signal).accepted, gap(scrape, &meter(signal)));
        }
        self.losses = losses(scrape);
        queued(scrape) == 0.0
    }
}

fn gap(scrape: &Exposition, meter: &Meter) -> f64 {
    // Connectors make metric points of spans: what they put into a pipeline is accepted like what a service sends.
    let derived = if meter.exporter == "prometheus_remote_write" {
        derived_points(scrape)
    } else {
        0.0
    };
    scrape.sum(meter.accepted, &[("receiver", "otlp")]) + derived
        - scrape.sum(meter.sent, &[("exporter", meter.exporter)])
}

fn derived_points(scrape: &Exposition) -> f64 {
    let derived = [
        ("otel_signal", "metrics"),
        ("processor", "transform/derived"),
    ];
    scrape.sum("otelcol_processor_outgoing_items", &derived)
}

fn queued(scrape: &Exposition) -> f64 {
    scrape.sum("otelcol_exporter_queue_size", &[])
        + scrape.sum("otelcol_exporter_in_flight_requests", &[])
}

/// What came in since the baseline went out.
pub(super) async fn conserved(scene: &Scene, signal: Signal) -> anyhow::Result<Look> {
    let meter = meter(signal);
    let scrape = scene.collector.metrics().await?;
    let Some(before) = scene.baseline.gaps.get(meter.accepted) else {
        return Ok(Look::Broken(
            "no baseline: the Collector's metrics did not answer before the drive".to_owned(),
        ));
    };
    let accepted = scrape.sum(meter.accepted, &[("receiver", "otlp")]);
    let missing = gap(&scrape, &meter) - before;
    Ok(if accepted == 0.0 {
        Look::NotYet(format!("{} is 0", meter.accepted))
    } else if missing != 0.0 {
        Look::NotYet(format!(
            "{missing} of {accepted} accepted are not sent, {} queued",
            queued(&scrape)
        ))
    } else {
        Look::Holds(format!(
            "{accepted} accepted in its lifetime, none missing since the drive began"
        ))
    })
}

pub(super) async fn nothing_refused(scene: &Scene) -> anyhow::Result<Look> {
    let scrape = scene.collector.metrics().await?;
    for (name, count) in losses(&scrape) {
        // A Collector that was started since counts from 0 again.
        let before = scene
            .baseline
            .losses
            .get(&name)
            .copied()
            .unwrap_or_default();
        if count > before {
            return Ok(Look::Broken(format!(
                "{name} rose from {before} to {count}"
            )));
        }
    }
    Ok(Look::Holds(
        "refused, failed, send_failed and enqueue_failed did not move".to_owned(),
    ))
}

fn losses(scrape: &Exposition) -> BTreeMap<String, f64> {
    let mut losses = BTreeMap::new();
    for item in ["spans", "metric_points", "log_records"] {
        for what in [
            "receiver_refused",
            "receiver_failed",
            "exporter_send_failed",
            "exporter_enqueue_failed",
        ] {
            let name = format!("otelcol_{what}_{item}");
            let count = scrape.sum(&name, &[]);
            losses.insert(name, count);
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(accepted: f64, sent: f64, queued: f64) -> Exposition {
        Exposition::parse(&format!(
            "otelcol_receiver_accepted_spans{{receiver=\"otlp\",transport=\"http\"}} {accepted}\n\
             otelcol_receiver_accepted_spans{{receiver=\"otlp/archive\",transport=\"http\"}} 900\n\
             otelcol_exporter_sent_spans{{exporter=\"otlp_http/tempo\"}} {sent}\n\
             otelcol_exporter_queue_size{{exporter=\"otlp_http/tempo\"}} {queued}\n"
        ))
    }

    #[test]
    fn the_gap_counts_the_services_receiver_and_the_trace_exporter_only() {
        assert_eq!(gap(&scrape(10.0, 7.0, 0.0), &meter(Signal::Spans)), 3.0);
    }

    #[test]
    fn a_baseline_waits_for_empty_queues() {
        let mut baseline = Baseline::default();
        assert!(!baseline.take_gaps(&scrape(10.0, 7.0, 3.0)));
        assert!(baseline.take_gaps(&scrape(10.0, 10.0, 0.0)));
        assert_eq!(baseline.gaps["otelcol_receiver_accepted_spans"], 0.0);
    }
}
