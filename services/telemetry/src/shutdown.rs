//! The end of telemetry: what is left is sent, and what is lost is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;

use crate::delivery::{Delivery, Signal};
use crate::log::{Guard, LogReport};
use crate::providers::Providers;

/// What became of the telemetry of a process, told at its end.
///
/// Its counts are those of the delivery (see [`crate::delivery`]); items that found their queue full are in
/// `otel.sdk.processor.*.processed` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Spans.
    pub spans: SignalReport,
    /// Log records.
    pub logs: SignalReport,
    /// Data points; the last export is in here and, other than those before, in no metric.
    pub metrics: SignalReport,
    /// Lines of the log file and the console.
    pub lines: LogReport,
}

/// What became of the items of one signal, from the start of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalReport {
    /// The signal.
    pub signal: Signal,
    /// Items that the Collector accepted.
    pub accepted: u64,
    /// Items that it did not, by `error.type`.
    pub lost: BTreeMap<String, u64>,
    /// `false`: the deadline came before the queue was empty, and items in it are in no count.
    pub is_complete: bool,
}

/// Ends all providers, then the log file, `within` one deadline.
///
/// Spans and log records get most of it, at the same time; then metrics, last, because they carry the outcome of the
/// others. The file comes after them, because they say there what went wrong. The providers' own timeouts are not enough: the meter's is fixed at 5 s, and theirs would add up.
/// Nothing here waits for a runtime of the caller, so a current-thread runtime may be the caller.
pub(crate) fn shutdown(providers: &Providers, guard: &Guard, within: Duration) -> Report {
    let began = Instant::now();
    let part = |percent: u32| began + within * percent / 100;
    if let Some(delivery) = &providers.delivery {
        delivery.end(part(70), part(90));
    }
    // The delivery cuts its requests some time before we stop waiting: what was cut, and the rest of the queue, is still counted.
    let limit = within * 80 / 100;
    let tracers = providers.tracers.clone();
    let loggers = providers.loggers.clone();
    let delivery = providers.delivery.as_ref();
    let spans = ending(delivery, Signal::Spans, move || {
        tracers.shutdown_with_timeout(limit)
    });
    let logs = ending(delivery, Signal::Logs, move || {
        loggers.shutdown_with_timeout(limit)
    });
    let spans = is_ended(&spans, part(80));
    let logs = is_ended(&logs, part(80));

    let meters = providers.meters.clone();
    let metrics = ending(delivery, Signal::Metrics, move || meters.shutdown());
    let metrics = is_ended(&metrics, part(97));
    let lines = guard.shutdown(part(100));

    let report = |signal, is_complete| {
        let ledger = providers
            .delivery
            .as_ref()
            .map(|delivery| delivery.ledger());
        SignalReport {
            signal,
            accepted: ledger.map_or(0, |ledger| ledger.accepted(signal)),
            lost: ledger.map(|ledger| ledger.lost(signal)).unwrap_or_default(),
            is_complete,
        }
    };
    Report {
        spans: report(Signal::Spans, spans),
        logs: report(Signal::Logs, logs),
        metrics: report(Signal::Metrics, metrics),
        lines,
    }
}

/// Calls `end` on a thread of its own, as it may block longer than we wait; tells when `signal` has been exported for the last
/// time.
///
/// What `end` returns is not told. `Ok` proves nothing, the ledger does; and it returns early: of metrics after 5 s, while the
/// SDK's thread goes on.
fn ending(
    delivery: Option<&Delivery>,
    signal: Signal,
    end: impl FnOnce() -> OTelSdkResult + Send + 'static,
) -> Receiver<()> {
    let last_export = delivery.and_then(|delivery| delivery.last_export(signal));
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("telemetry-end".to_owned());
    // Without a thread the sender is dropped, which `is_ended` reads as not ended.
    drop(thread.spawn(move || {
        drop(end());
        if let Some(last_export) = last_export {
            last_export.wait();
        }
        // Nobody listens any more if it took too long.
        sender.send(()).ok();
    }));
    receiver
}

fn is_ended(ending: &Receiver<()>, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    ending.recv_timeout(left).is_ok()
}

// === impl Report ===

impl Report {
    /// Whether every item that was exported was accepted, and every line of the log written.
    pub fn is_clean(&self) -> bool {
        let signals = [&self.spans, &self.logs, &self.metrics];
        let delivered = |signal: &&SignalReport| signal.lost.is_empty() && signal.is_complete;
        signals.iter().all(delivered) && self.lines.lost == 0 && self.lines.is_complete
    }
}

/// One line: `spans 120 accepted, 3 lost (timeout 3); log records …`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}; {}", self.spans, self.logs, self.metrics)?;
        write!(f, "; lines of the log {} lost", self.lines.lost)?;
        tell_unfinished(f, self.lines.is_complete)
    }
}

impl fmt::Display for SignalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost: u64 = self.lost.values().sum();
        write!(f, "{} {} accepted, {lost} lost", self.signal, self.accepted)?;
        if lost > 0 {
            let reasons = self
                .lost
                .iter()
                .map(|(error, items)| format!("{error} {items}"));
            write!(f, " ({})", reasons.collect::<Vec<_>>().join(", "))?;
        }
        tell_unfinished(f, self.is_complete)
    }
}

fn tell_unfinished(f: &mut fmt::Formatter<'_>, is_complete: bool) -> fmt::Result {
    if is_complete {
        Ok(())
    } else {
        f.write_str(", the queue was not emptied in time")
    }
}
