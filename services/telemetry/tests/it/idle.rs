//! Telemetry makes no telemetry about itself.

use telemetry_testing::{Behaviour, Signal, Sink, poll};

use crate::support::greeter;

/// Waits until `more` metric exports have arrived: the time in which a feedback loop would show.
fn window(sink: &Sink, more: usize) {
    let exports = || {
        let requests = sink.requests().into_iter();
        requests
            .filter(|request| request.signal == Some(Signal::Metrics))
            .count()
    };
    let until = exports() + more;
    poll("metric exports", || match exports() {
        count if count >= until => Ok(()),
        count => Err(count),
    });
}

#[test]
fn an_idle_service_exports_nothing_about_its_own_exports() {
    let sink = Sink::start();
    // At this level every library may speak, hyper about each of our requests.
    let child = greeter(&sink.endpoint(), &[("SHOP_LOG_LEVEL", "trace")]);
    child.listening();
    sink.log().event("service.listening").eventually();
    window(&sink, 3);
    let (records, lines) = (sink.logs().len(), child.log_lines().len());
    window(&sink, 20);

    assert_eq!(sink.logs().len(), records, "{:?}", sink.logs().last());
    assert_eq!(
        child.log_lines().len(),
        lines,
        "{:?}",
        child.log_lines().last()
    );
    assert_eq!(sink.spans().len(), 0, "{:?}", sink.spans());
}

#[test]
fn a_failing_export_is_no_new_log_record_to_export() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[("SHOP_LOG_LEVEL", "trace")]);
    child.listening();
    sink.log().event("service.listening").eventually();
    sink.behave_for(
        Signal::Metrics,
        Behaviour::Refuse {
            status: 500,
            retry_after: None,
        },
    );
    window(&sink, 20);

    assert_eq!(sink.log().event("telemetry.diagnostic").matching(), []);
    assert_eq!(sink.spans().len(), 0, "{:?}", sink.spans());
}
