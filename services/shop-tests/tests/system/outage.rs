//! A backend in trouble: no order is slower, and each span and log record is counted in exactly one outcome.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use telemetry_testing::{Behaviour, Point, Signal, Sink, poll};

use crate::shop::{Plan, SERVICES, Shop, alone};

/// In a debug build, with three other services on the machine; an order that waits for an export takes at least a second.
const QUICK: Duration = Duration::from_millis(900);
const ORDERS: usize = 5;

#[tokio::test]
async fn what_a_sink_rejects_for_good_is_counted_as_lost() {
    in_trouble(refuse(400, None), Some("400")).await;
}

#[tokio::test]
async fn an_overloaded_sink_receives_everything_once_it_accepts_again() {
    in_trouble(refuse(503, Some(Duration::from_secs(1))), None).await;
}

#[tokio::test]
async fn what_a_partial_success_rejects_is_counted_as_rejected() {
    in_trouble(Behaviour::Partial { rejected: 1 }, Some("rejected")).await;
}

#[tokio::test]
async fn a_sink_that_does_not_answer_costs_an_attempt_and_no_order() {
    in_trouble(Behaviour::Vanish, None).await;
}

#[tokio::test]
async fn a_sink_that_is_absent_at_the_start_and_again_later_receives_everything_in_between() {
    let _alone = alone().await;
    let sink = Sink::start();
    sink.pause();
    let shop = plan().sink(sink).start();
    let product = shop.product().await;
    let mut traces = Vec::new();
    for _ in 0..2 {
        orders(&shop, &product.id, &mut traces).await;
        shop.sink.resume();
        for trace in &traces {
            shop.expect_tree(trace, "order");
        }
        accounted(&shop, None);
        shop.sink.pause();
    }
    // Absent for good: a stop ends within its time and logs what was lost.
    orders(&shop, &product.id, &mut traces).await;
    let mut shop = shop;
    let started = Instant::now();
    for (service, exit) in shop.stop() {
        assert_eq!(exit.code, Some(0), "{service}: {}", exit.stderr);
        let mut events = exit.log_lines.iter().map(|line| &line["event.name"]);
        let is_logged = events.any(|event| event == "telemetry.diagnostic");
        assert!(is_logged, "{service}: {:#?}", exit.log_lines.last());
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

fn refuse(status: u16, retry_after: Option<Duration>) -> Behaviour {
    Behaviour::Refuse {
        status,
        retry_after,
    }
}

/// Orders while the sink treats spans and logs like this; it accepts metrics, for the counts are in them. `lost` is the
/// `error.type` that the behaviour must lead to; without one everything arrives in the end.
async fn in_trouble(behaviour: Behaviour, lost: Option<&str>) {
    let _alone = alone().await;
    let shop = plan().start();
    let product = shop.product().await;
    let mut traces = Vec::new();
    for signal in [Signal::Traces, Signal::Logs] {
        shop.sink.behave_for(signal, behaviour);
    }
    let before = shop.sink.requests().len();
    orders(&shop, &product.id, &mut traces).await;
    // Every service has exported before the sink accepts again.
    poll("an export of each service", || {
        let requests = shop.sink.requests();
        let exports = requests[before..].iter();
        let exports = exports.filter(|r| r.signal == Some(Signal::Traces));
        let is_enough = exports.count() >= SERVICES.len();
        is_enough.then_some(()).ok_or(requests)
    });
    shop.sink.behave(Behaviour::Accept);
    orders(&shop, &product.id, &mut traces).await;
    if lost.is_none() {
        for trace in &traces {
            shop.expect_tree(trace, "order");
        }
    }
    accounted(&shop, lost);
}

fn plan() -> Plan {
    // One attempt, and a third of all the time there is for retries.
    Plan::default()
        .set("OTEL_EXPORTER_OTLP_TIMEOUT", "2000")
        .set("SHOP_FLUSH_TIMEOUT", "2s")
}

/// Places orders, none slower than without trouble, and adds their traces.
async fn orders(shop: &Shop, product: &str, traces: &mut Vec<String>) {
    for _ in 0..ORDERS {
        let reply = shop.order(product, 1).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert!(reply.took < QUICK, "an order took {:?}", reply.took);
        traces.push(reply.trace_id());
    }
}

/// Waits until, in every service, what was created is what was exported plus what was lost, and what was exported is
/// what the sink has.
fn accounted(shop: &Shop, lost: Option<&str>) {
    poll("every item to have one outcome", || {
        let points = shop.sink.latest_metrics();
        let (spans, logs) = (shop.sink.spans(), shop.sink.logs());
        for service in SERVICES {
            let count = |name: &str| by_error(&points, service, &format!("otel.sdk.{name}"));
            let spans = spans.iter().filter(|s| s.service() == service).count();
            let logs = logs.iter().filter(|l| l.service() == service).count();
            let exported = count("exporter.span.exported");
            let failed = exported.iter().filter(|(_, n)| **n > 0.0);
            let failed = failed.map(|(error, _)| error.as_str());
            let errors: Vec<_> = failed.filter(|error| !error.is_empty()).collect();
            if errors != Vec::from_iter(lost) {
                let state = format!("{service}: {exported:?}");
                return Err(format!("{state}, expected losses by {lost:?}"));
            }
            for (exported, created, received) in [
                (exported, count("processor.span.processed"), spans),
                (count("exporter.log.exported"), count("log.created"), logs),
            ] {
                let sum = |counts: &BTreeMap<_, f64>| counts.values().sum::<f64>();
                let is_received = exported.get("") == Some(&(received as f64));
                if sum(&exported) != sum(&created) || !is_received {
                    return Err(format!(
                        "{service}: created {created:?}, exported {exported:?}, received {received}"
                    ));
                }
            }
        }
        Ok(())
    });
}

/// The newest counts of one service by `error.type`, the empty one for success.
fn by_error(points: &[Point], service: &str, name: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for point in points {
        if point.service() == service && point.name == name {
            let error = point.attributes.text("error.type").unwrap_or_default();
            *counts.entry(error.to_owned()).or_default() += point.value();
        }
    }
    counts
}
