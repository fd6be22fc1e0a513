//! Each item ends in exactly one outcome, counted and exported, whatever the Collector does.

use std::time::{Duration, Instant};

use opentelemetry::logs::{LogRecord, Logger, LoggerProvider};
use telemetry_testing::{Behaviour, Signal, Sink, poll};

use crate::support::{Isolated, begin, end, greet, greeter};

const FLUSH: Duration = Duration::from_secs(5);
const SPANS: &str = "otel.sdk.exporter.span.exported";
const LOGS: &str = "otel.sdk.exporter.log.exported";

/// The exported count of one outcome; `None`: accepted.
fn count(sink: &Sink, metric: &str, error: Option<&str>) -> f64 {
    let series = sink.metric(metric);
    let series = match error {
        None => series.without_attribute("error.type"),
        Some(error) => series.attribute("error.type", error),
    };
    series.total().unwrap_or(0.0)
}

/// The exported sum over all outcomes.
fn all(sink: &Sink, metric: &str) -> f64 {
    sink.metric(metric).total().unwrap()
}

#[test]
fn an_accepting_collector_gets_everything_and_the_counts_say_so() {
    let sink = Sink::start();
    let tested = Isolated::start(&sink, &[]);
    tested.spans(700);
    tested.records(300);
    let report = tested.telemetry.shutdown(FLUSH);

    assert_eq!((sink.spans().len(), sink.logs().len()), (700, 300));
    assert_eq!(
        (count(&sink, SPANS, None), all(&sink, SPANS)),
        (700.0, 700.0)
    );
    assert_eq!((count(&sink, LOGS, None), all(&sink, LOGS)), (300.0, 300.0));
    assert_eq!((report.spans.accepted, report.logs.accepted), (700, 300));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn every_known_outcome_is_exported_as_zero_from_the_start() {
    let sink = Sink::start();
    let tested = Isolated::start(&sink, &[]);
    tested.telemetry.meters().force_flush().unwrap();
    for metric in [SPANS, LOGS, "otel.sdk.exporter.metric_data_point.exported"] {
        for error in ["timeout", "connection", "rejected", "shutdown", "503"] {
            let series = sink.metric(metric).attribute("error.type", error).expect();
            assert_eq!(series.value(), 0.0, "{metric} {error}");
        }
    }
}

#[test]
fn a_refused_batch_is_sent_again_and_counted_once() {
    let sink = Sink::start();
    sink.behave_for(
        Signal::Traces,
        Behaviour::Refuse {
            status: 503,
            retry_after: None,
        },
    );
    let tested = Isolated::start(&sink, &[]);
    tested.spans(5);
    poll("a first refusal", || answered(&sink, 503));
    sink.behave(Behaviour::Accept);
    poll("the second attempt", || answered(&sink, 200));
    drop(tested.telemetry.shutdown(FLUSH));

    assert_eq!(sink.spans().len(), 5);
    assert_eq!((count(&sink, SPANS, None), all(&sink, SPANS)), (5.0, 5.0));
}

#[test]
fn retry_after_is_obeyed() {
    let sink = Sink::start();
    let wait = Duration::from_secs(1);
    sink.behave(Behaviour::Refuse {
        status: 429,
        retry_after: Some(wait),
    });
    // Its own pause would be 50 ms.
    let tested = Isolated::start(&sink, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
    tested.spans(1);
    poll("a first refusal", || answered(&sink, 429));
    sink.behave(Behaviour::Accept);
    poll("the second attempt", || answered(&sink, 200));

    let at: Vec<_> = sink.requests().iter().map(|request| request.at).collect();
    assert!(at[1] - at[0] >= wait, "{:?}", at[1] - at[0]);
    assert_eq!(at.len(), 2);
}

#[test]
fn a_bad_request_is_not_sent_again_and_counted_with_its_status() {
    let sink = Sink::start();
    sink.behave_for(
        Signal::Logs,
        Behaviour::Refuse {
            status: 400,
            retry_after: None,
        },
    );
    let tested = Isolated::start(&sink, &[]);
    tested.records(7);
    poll("the refusal", || answered(&sink, 400));
    let report = tested.telemetry.shutdown(FLUSH);

    let requests = sink.requests().into_iter();
    let logs = requests.filter(|request| request.signal == Some(Signal::Logs));
    assert_eq!(logs.count(), 1);
    assert_eq!(
        (count(&sink, LOGS, Some("400")), all(&sink, LOGS)),
        (7.0, 7.0)
    );
    assert_eq!(report.logs.lost.get("400"), Some(&7));
    assert!(!report.is_clean());
}

/// The exporter's own limit is 64 MiB; what it refused would be in no count.
#[test]
fn a_batch_larger_than_the_exporter_likes_is_sent_and_counted_all_the_same() {
    let nobody = Sink::start().stop();
    let settings = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "600000"),
    ];
    let tested = Isolated::start_at(&format!("http://{nobody}"), &settings);
    let logger = tested.telemetry.loggers().logger("test");
    for _ in 0..17 {
        let mut record = logger.create_log_record();
        record.set_body("x".repeat(4 * 1024 * 1024).into());
        logger.emit(record);
    }
    let report = tested.telemetry.shutdown(FLUSH);
    assert_eq!(report.logs.lost.get("connection"), Some(&17), "{report}");
}

#[test]
fn a_partial_success_splits_the_batch_between_two_outcomes() {
    let sink = Sink::start();
    sink.behave_for(Signal::Traces, Behaviour::Partial { rejected: 3 });
    let tested = Isolated::start(&sink, &[("OTEL_BSP_SCHEDULE_DELAY", "600000")]);
    tested.spans(10);
    let report = tested.telemetry.shutdown(FLUSH);

    assert_eq!(sink.spans().len(), 7);
    assert_eq!(count(&sink, SPANS, None), 7.0);
    assert_eq!(count(&sink, SPANS, Some("rejected")), 3.0);
    assert_eq!(all(&sink, SPANS), 10.0);
    assert_eq!(report.spans.lost.get("rejected"), Some(&3));
}

#[test]
fn a_black_hole_costs_the_caller_nothing_and_every_item_is_counted() {
    let sink = Sink::start();
    sink.behave_for(Signal::Traces, Behaviour::Vanish);
    let tested = Isolated::start(&sink, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "200")]);
    let began = Instant::now();
    tested.spans(5_000);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    poll("a batch to be given up", || {
        tested.telemetry.meters().force_flush().unwrap();
        let lost = count(&sink, SPANS, Some("timeout"));
        if lost > 0.0 { Ok(()) } else { Err(lost) }
    });
    drop(tested.telemetry.shutdown(FLUSH));

    assert_eq!(sink.spans().len(), 0);
    assert_eq!(all(&sink, SPANS), 5_000.0);
}

#[test]
fn an_absent_collector_that_comes_late_gets_what_waited() {
    let address = Sink::start().stop();
    let tested = Isolated::start_at(&format!("http://{address}"), &[]);
    tested.spans(20);
    tested.records(20);
    let sink = Sink::start_on(address);
    poll("what waited", || {
        match (sink.spans().len(), sink.logs().len()) {
            (20, 20) => Ok(()),
            other => Err(other),
        }
    });
    drop(tested.telemetry.shutdown(FLUSH));
    assert_eq!((count(&sink, SPANS, None), all(&sink, SPANS)), (20.0, 20.0));
    assert_eq!((count(&sink, LOGS, None), all(&sink, LOGS)), (20.0, 20.0));
}

#[test]
fn a_collector_lost_for_good_is_counted_as_connection() {
    let gone = Sink::start();
    let metrics = Sink::start();
    let spans_to = format!("{}/v1/traces", gone.endpoint());
    let tested = Isolated::start(
        &metrics,
        &[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &spans_to),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "100"),
        ],
    );
    tested.spans(1);
    gone.span("work").eventually();
    drop(gone);
    tested.spans(4);
    poll("the loss", || {
        tested.telemetry.meters().force_flush().unwrap();
        let lost = count(&metrics, SPANS, Some("connection"));
        if lost == 4.0 { Ok(()) } else { Err(lost) }
    });
    assert_eq!(
        (count(&metrics, SPANS, None), all(&metrics, SPANS)),
        (1.0, 5.0)
    );
}

/// A span that finds its queue full is counted by the SDK and by nobody else.
#[test]
fn exported_and_queue_full_add_up_to_all_finished_requests() {
    let sink = Sink::start();
    sink.behave_for(Signal::Traces, Behaviour::Vanish);
    let queue = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "60000"),
    ];
    let child = greeter(&sink.endpoint(), &queue);
    let address = child.listening();
    (0..40).for_each(|_| greet(address));
    let full = || {
        sink.metric("otel.sdk.processor.span.processed")
            .attribute("error.type", "queue_full")
    };
    poll("a full queue", || match full().total() {
        Ok(dropped) if dropped > 0.0 => Ok(()),
        other => Err(other),
    });
    sink.behave(Behaviour::Accept);
    child.terminate();
    assert_eq!(child.wait().code, Some(0));

    let exported = all(&sink, SPANS);
    assert_eq!(
        exported,
        sink.spans().len() as f64 + count(&sink, SPANS, Some("connection"))
    );
    assert_eq!(exported + full().total().unwrap(), 40.0);
    sink.metric("greeter.greetings").total_is(40.0).unwrap();
}

#[test]
fn requests_are_answered_while_the_collector_comes_and_goes() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[]);
    let address = child.listening();
    greet(address);
    sink.span("greet").eventually();
    sink.pause();
    let under_way = begin(address);
    (0..10).for_each(|_| greet(address));
    sink.resume();
    end(under_way);
    poll("all spans", || match sink.spans().len() {
        12 => Ok(()),
        other => Err(other),
    });
    child.terminate();
    assert_eq!(child.wait().code, Some(0));
    assert_eq!((count(&sink, SPANS, None), all(&sink, SPANS)), (12.0, 12.0));
}

fn answered(sink: &Sink, status: u16) -> Result<(), Vec<telemetry_testing::Request>> {
    let requests = sink.requests();
    let answered = requests
        .iter()
        .any(|request| request.status == Some(status));
    if answered { Ok(()) } else { Err(requests) }
}
