//! The end: everything finished is delivered, nothing hangs, what is lost is told.

use std::time::{Duration, Instant};

use telemetry_testing::{Behaviour, Signal, Sink, poll};

use crate::support::{Isolated, begin, end, greet, greeter};

#[test]
fn sigterm_delivers_the_spans_and_records_of_all_finished_work() {
    let sink = Sink::start();
    // Nothing would leave by itself within this test.
    let slow = [
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "600000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "600000"),
    ];
    let child = greeter(&sink.endpoint(), &slow);
    let address = child.listening();
    (0..30).for_each(|_| greet(address));
    child.terminate();
    let exit = child.wait();

    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert_eq!(sink.span("greet").matching().len(), 30);
    assert_eq!(sink.log().event("greeter.greeted").matching().len(), 30);
    sink.metric("greeter.greetings").total_is(30.0).unwrap();
    for event in [
        "service.started",
        "service.listening",
        "service.stopping",
        "service.stopped",
    ] {
        sink.log().event(event).expect();
    }
}

#[test]
fn a_running_request_is_finished_before_the_end() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[]);
    let running = begin(child.listening());
    child.terminate();
    sink.log().event("service.stopping").eventually();
    end(running);

    assert_eq!(child.wait().code, Some(0));
    sink.span("greet").expect();
}

#[test]
fn a_request_past_the_drain_deadline_is_given_up_and_its_span_still_arrives() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[("SHOP_DRAIN_TIMEOUT", "50ms")]);
    let running = begin(child.listening());
    child.terminate();
    let exit = child.wait();

    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stderr.contains("still running after 50ms"),
        "{}",
        exit.stderr
    );
    sink.span("greet").expect();
    drop(running);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[("SHOP_DRAIN_TIMEOUT", "1h")]);
    let running = begin(child.listening());
    child.terminate();
    sink.log().event("service.stopping").eventually();
    child.terminate();
    assert_eq!(child.wait().code, Some(1));
    drop(running);
}

#[test]
fn a_hangup_is_no_reason_to_end() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[]);
    let address = child.listening();
    let id = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
    greet(address);
    child.terminate();
    assert_eq!(child.wait().code, Some(0));
}

#[test]
fn a_service_before_a_black_hole_ends_in_time_and_prints_its_loss() {
    let sink = Sink::start();
    sink.behave(Behaviour::Vanish);
    let child = greeter(&sink.endpoint(), &[("SHOP_FLUSH_TIMEOUT", "500ms")]);
    let address = child.listening();
    (0..10).for_each(|_| greet(address));
    child.terminate();
    let exit = child.wait();
    assert_eq!(exit.code, Some(0));
    let told = "greeter: did not deliver all of its telemetry: spans 0 accepted, 10 lost (shutdown 10); log records 0 accepted, ";
    assert!(exit.stderr.starts_with(told), "{}", exit.stderr);
    assert!(
        exit.stderr.ends_with("; lines of the log 0 lost\n"),
        "{}",
        exit.stderr
    );
}

#[test]
fn a_failed_start_is_told_and_ends_with_one() {
    let sink = Sink::start();
    let taken = sink.address().to_string();
    let child = greeter(&sink.endpoint(), &[("SHOP_LISTEN_ADDR", &taken)]);
    let exit = child.wait();
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stderr
            .contains("greeter: failed: Address already in use"),
        "{}",
        exit.stderr
    );
    sink.log()
        .event("service.stopped")
        .severity("ERROR")
        .expect();
}

#[test]
fn a_black_hole_ends_within_the_deadline_and_the_loss_is_told() {
    let sink = Sink::start();
    sink.behave(Behaviour::Vanish);
    let tested = Isolated::start(&sink, &[]);
    tested.spans(2_000);
    tested.records(2_000);
    poll("requests under way", || {
        let requests = sink.requests();
        if requests.len() >= 2 {
            Ok(())
        } else {
            Err(requests)
        }
    });
    let limit = Duration::from_secs(5);
    let began = Instant::now();
    let report = tested.telemetry.shutdown(limit);
    // Beyond the limit only what a busy machine takes to wake a thread.
    let tolerated = limit * 2;
    assert!(began.elapsed() < tolerated, "{:?}", began.elapsed());
    assert_eq!(report.spans.lost.get("shutdown"), Some(&2_000), "{report}");
    assert_eq!(report.logs.lost.get("shutdown"), Some(&2_000), "{report}");
    assert!(report.metrics.lost.contains_key("shutdown"), "{report}");
    assert!(
        report.spans.is_complete && report.logs.is_complete,
        "{report}"
    );
}

#[test]
fn a_black_hole_for_spans_does_not_keep_the_counts_from_arriving() {
    let sink = Sink::start();
    sink.behave_for(Signal::Traces, Behaviour::Vanish);
    let tested = Isolated::start(&sink, &[]);
    tested.spans(600);
    let report = tested.telemetry.shutdown(Duration::from_secs(2));
    assert_eq!(report.spans.lost.get("shutdown"), Some(&600), "{report}");
    let lost = sink
        .metric("otel.sdk.exporter.span.exported")
        .attribute("error.type", "shutdown");
    lost.total_is(600.0).unwrap();
}

/// The meter provider stops waiting after 5 s, while its thread exports for as long as it takes.
#[test]
fn the_last_metrics_are_waited_for_until_the_deadline() {
    let sink = Sink::start();
    sink.behave_for(Signal::Metrics, Behaviour::Delay(Duration::from_secs(6)));
    let tested = Isolated::start(&sink, &[]);
    let report = tested.telemetry.shutdown(Duration::from_secs(30));
    assert!(report.metrics.accepted > 0, "{report}");
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(flavor = "current_thread")]
async fn shutdown_on_a_current_thread_runtime_delivers_and_does_not_deadlock() {
    let sink = Sink::start();
    let tested = Isolated::start(&sink, &[]);
    tested.spans(1_000);
    tested.records(1_000);
    let began = Instant::now();
    let report = tested.telemetry.shutdown(Duration::from_secs(20));
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert!(report.is_clean(), "{report}");
    assert_eq!((sink.spans().len(), sink.logs().len()), (1_000, 1_000));
}
