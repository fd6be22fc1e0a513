//! A backend in trouble: no order notices, and each span and log record ends in exactly one counted outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use telemetry_testing::{Behaviour, Point, Signal, Sink, poll};

use crate::one_order::ORDER;
use crate::shop::{Plan, SERVICES, Shop, alone};

/// In a debug build beside three other services; an order that waits for an export takes at least a second.
const QUICK: Duration = Duration::from_millis(900);
const ORDERS: usize = 5;

#[tokio::test]
async fn a_sink_that_refuses_for_good_loses_what_it_refused_and_it_is_counted() {
    let refuse = Behaviour::Refuse {
        status: 400,
        retry_after: None,
    };
    in_trouble(refuse, Some("400")).await;
}

#[tokio::test]
async fn a_sink_that_is_overloaded_gets_everything_once_it_is_back() {
    let retry_after = Some(Duration::from_secs(1));
    in_trouble(
        Behaviour::Refuse {
            status: 503,
            retry_after,
        },
        None,
    )
    .await;
}

#[tokio::test]
async fn what_a_partial_success_rejects_is_counted_as_rejected() {
    in_trouble(Behaviour::Partial { rejected: 1 }, Some("rejected")).await;
}

#[tokio::test]
async fn a_sink_that_falls_silent_costs_an_attempt_and_no_order() {
    in_trouble(Behaviour::Vanish, None).await;
}

#[tokio::test]
async fn a_sink_that_is_absent_at_the_start_and_goes_away_later_loses_nothing_in_between() {
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
            shop.expect_tree(trace, ORDER);
        }
        accounted(&shop, None);
        shop.sink.pause();
    }
    // Gone once more, and never back: a stop takes the time that it is given, says what was lost, and no more.
    orders(&shop, &product.id, &mut traces).await;
    let mut shop = shop;
    let started = std::time::Instant::now();
    for (service, exit) in shop.stop() {
        assert_eq!(exit.code, Some(0), "{service}: {}", exit.stderr);
        let said = exit
            .log_lines
            .iter()
            .any(|line| line["event.name"] == "telemetry.diagnostic");
        assert!(
            said,
            "{service} did not say what was lost: {:#?}",
            exit.log_lines.last()
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

/// Orders while spans and logs are treated so; metrics go on, so that the counts can be seen. `lost` is the outcome
/// that the behaviour must lead to; without one everything arrives in the end.
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
    // Every service has met the trouble before it ends.
    poll("exports to meet the trouble", || {
        let requests = shop.sink.requests();
        let met = requests[before..]
            .iter()
            .filter(|r| r.signal == Some(Signal::Traces))
            .count();
        if met >= SERVICES.len() {
            Ok(())
        } else {
            Err(requests)
        }
    });
    shop.sink.behave(Behaviour::Accept);
    orders(&shop, &product.id, &mut traces).await;
    if lost.is_none() {
        for trace in &traces {
            shop.expect_tree(trace, ORDER);
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

async fn orders(shop: &Shop, product: &str, traces: &mut Vec<String>) {
    for _ in 0..ORDERS {
        let reply = shop.order(product, 1).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert!(reply.took < QUICK, "an order took {:?}", reply.took);
        traces.push(reply.trace_id());
    }
}

/// Waits until, in every service, what was created is what was accepted plus what was lost, and what was accepted is
/// what the sink has.
fn accounted(shop: &Shop, lost: Option<&str>) {
    let processed = "otel.sdk.processor";
    poll("every item in one outcome", || {
        let points = shop.sink.latest_metrics();
        for service in SERVICES {
            let of = |name: &str| by_error(&points, service, name);
            let spans = of("otel.sdk.exporter.span.exported");
            let logs = of("otel.sdk.exporter.log.exported");
            let state = format!("{service}: spans {spans:?}, logs {logs:?}");
            let sum = |counts: &BTreeMap<String, f64>| counts.values().sum::<f64>();
            let in_sink = shop
                .sink
                .spans()
                .iter()
                .filter(|s| s.service() == service)
                .count();
            let logs_in_sink = shop
                .sink
                .logs()
                .iter()
                .filter(|l| l.service() == service)
                .count();
            let ended = of(&format!("{processed}.span.processed"));
            let emitted = of("otel.sdk.log.created");
            if sum(&spans) != sum(&ended) || sum(&logs) != sum(&emitted) {
                return Err(format!("{state}, but ended {ended:?}, created {emitted:?}"));
            }
            if spans.get("") != Some(&(in_sink as f64))
                || logs.get("") != Some(&(logs_in_sink as f64))
            {
                return Err(format!(
                    "{state}, but the sink has {in_sink} and {logs_in_sink}"
                ));
            }
            let failed: Vec<_> = spans
                .iter()
                .filter(|(e, n)| !e.is_empty() && **n > 0.0)
                .map(|(e, _)| e.as_str())
                .collect();
            if failed != Vec::from_iter(lost) {
                return Err(format!("{state}, but expected losses by {lost:?}"));
            }
        }
        Ok(())
    });
}

/// The newest counts of one service by `error.type`, the empty one for success.
fn by_error(points: &[Point], service: &str, name: &str) -> BTreeMap<String, f64> {
    let of = points
        .iter()
        .filter(|p| p.service() == service && p.name == name);
    of.fold(BTreeMap::new(), |mut counts, point| {
        let error = point
            .attributes
            .text("error.type")
            .unwrap_or_default()
            .to_owned();
        *counts.entry(error).or_default() += point.value();
        counts
    })
}
