//! A shop without requests: metrics continue, spans and logs stop.

use std::time::Instant;

use telemetry_testing::{Request, Signal, poll};

use crate::shop::Plan;

/// Long enough for every timer in the services to have fired: metric intervals, batch delays, the sweeper.
const METRIC_EXPORTS: usize = 4 * 12;

#[test]
fn an_idle_shop_exports_metrics_but_no_span_and_no_log() {
    let shop = Plan::default().set("SHOP_RESERVATION_TTL", "1s").start();
    let wait_for_exports = |wanted: usize| {
        let since = Instant::now();
        let is_new = |r: &&Request| r.signal == Some(Signal::Metrics) && r.at > since;
        poll(&format!("{wanted} metric exports"), || {
            let exports = shop.sink.requests().iter().filter(is_new).count();
            (exports >= wanted).then_some(()).ok_or(exports)
        });
    };
    // Spans and logs of the start are sent within a batch delay; two metric exports of each service take longer.
    wait_for_exports(4 * 2);
    let idle = Instant::now();
    wait_for_exports(METRIC_EXPORTS);
    let mut exports = shop.sink.requests();
    exports.retain(|r| r.at > idle && r.signal != Some(Signal::Metrics));
    let (spans, logs) = (shop.sink.spans(), shop.sink.logs());
    let last = (spans.last(), logs.last());
    assert!(exports.is_empty(), "{exports:#?}\n{last:#?}");
}
