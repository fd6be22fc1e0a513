//! A shop that nobody uses says so: metrics go on, spans and logs stop.

use std::time::Instant;

use telemetry_testing::{Request, Signal, poll};

use crate::shop::Plan;

/// Long enough for every timer in the services to have fired: metric intervals, batch delays, the sweeper.
const METRIC_EXPORTS: usize = 4 * 12;

#[test]
fn an_idle_shop_exports_no_span_and_no_log() {
    let shop = Plan::default().set("SHOP_RESERVATION_TTL", "1s").start();
    // What belongs to the start is sent within a batch delay; two metric exports of each service are later than that.
    let exports = |since: Instant| metrics_since(&shop.sink.requests(), since);
    let started = Instant::now();
    poll("the start to be over", || match exports(started) {
        enough if enough >= 8 => Ok(()),
        few => Err(few),
    });
    let idle = Instant::now();
    poll("idle metric exports", || match exports(idle) {
        enough if enough >= METRIC_EXPORTS => Ok(()),
        few => Err(few),
    });
    let requests = shop.sink.requests();
    let noise: Vec<_> = requests
        .iter()
        .filter(|r| r.at > idle && r.signal != Some(Signal::Metrics))
        .collect();
    assert!(
        noise.is_empty(),
        "{noise:#?}\n{:#?}\n{:#?}",
        shop.sink.spans().last(),
        shop.sink.logs().last()
    );
}

fn metrics_since(requests: &[Request], since: Instant) -> usize {
    let metrics = requests
        .iter()
        .filter(|r| r.signal == Some(Signal::Metrics));
    metrics.filter(|r| r.at > since).count()
}
