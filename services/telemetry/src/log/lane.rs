//! A bounded buffer of lines between the callers and one thread that writes them.

use std::panic::RefUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Error;
use super::dropped::DroppedLines;

/// Bytes that may wait: some 25 000 lines.
const LIMIT: usize = 8 * 1024 * 1024;

/// Bytes at which the writer is woken early.
const BATCH: usize = 64 * 1024;

/// How long lines wait for company: half of the promise, the other half is for the disk.
const DELAY: Duration = Duration::from_millis(100);

/// How long a sink that could not write is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// Where a lane's thread writes to.
pub(super) trait Sink: Send + 'static {
    /// Writes whole lines, all or none of them.
    fn write(&mut self, lines: &[u8]) -> Outcome;

    /// Makes what was written survive the machine, as far as it can.
    fn finish(&mut self) {}
}

/// What became of a batch of lines.
pub(super) enum Outcome {
    Written,
    /// Not now: the lane keeps them and asks again.
    Again,
    Lost,
}

/// One lane of lines. Callers never wait for the writer, only for one another's copy of a line.
pub(super) struct Lane {
    state: Mutex<State>,
    changed: Condvar,
    dropped: DroppedLines,
}

/// slog wants it of drains. The state is whole after each statement, and so are the SDK's instruments.
impl RefUnwindSafe for Lane {}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Set by the end: when to give up.
    deadline: Option<Instant>,
    is_ended: bool,
}

impl Lane {
    pub(super) fn new(dropped: DroppedLines) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            dropped,
        })
    }

    /// Starts the thread that writes into `sink`.
    pub(super) fn start(self: &Arc<Self>, name: &str, sink: impl Sink) -> Result<(), Error> {
        let lane = Arc::clone(self);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || lane.run(sink))
            .map(drop)
            .map_err(Error::Thread)
    }

    /// Adds a line, which ends in a newline, or drops it if too much waits already.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.is_ended {
            return;
        }
        let waiting = state.lines.len();
        if waiting + line.len() > LIMIT {
            drop(state);
            self.dropped.full();
            return;
        }
        state.lines.extend_from_slice(line);
        let is_first = waiting == 0;
        let is_batch = waiting < BATCH && state.lines.len() >= BATCH;
        drop(state);
        if is_first || is_batch {
            self.changed.notify_all();
        }
    }

    /// Tells the writer to write what waits and to end, at the latest at `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        self.lock().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// Whether [`Self::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().deadline.is_some()
    }

    /// Waits until the writer has ended.
    pub(super) fn is_ended_by(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while !state.is_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.wait(state, left);
        }
        true
    }

    /// Lines that were not written, for whatever reason.
    pub(super) fn lost(&self) -> u64 {
        self.dropped.total()
    }

    /// The lines that wait, for tests of what makes them.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<u8> {
        self.lock().lines.clone()
    }

    fn run(&self, mut sink: impl Sink) {
        let _ending = Ending(self);
        let mut batch = Vec::new();
        loop {
            let deadline = self.next(&mut batch);
            if batch.is_empty() {
                break;
            }
            match sink.write(&batch) {
                Outcome::Written => batch.clear(),
                Outcome::Lost => self.dropped.unwritten(&mut batch),
                Outcome::Again if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    self.dropped.unwritten(&mut batch);
                }
                Outcome::Again => {}
            }
        }
        sink.finish();
    }

    /// Fills `batch`, unless it still holds lines to try again, and returns the deadline if there is one.
    /// An empty batch is the end.
    fn next(&self, batch: &mut Vec<u8>) -> Option<Instant> {
        let mut state = self.lock();
        if !batch.is_empty() {
            let pause = match state.deadline {
                Some(deadline) => PAUSE.min(deadline.saturating_duration_since(Instant::now())),
                None => PAUSE,
            };
            state = self.wait(state, pause);
            return state.deadline;
        }
        while state.lines.is_empty() && state.deadline.is_none() {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + DELAY;
        while state.lines.len() < BATCH && state.deadline.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        // After a burst the buffers would stay at its size.
        batch.shrink_to(4 * BATCH);
        std::mem::swap(batch, &mut state.lines);
        // Under the same lock, so that no line comes between the last batch and the end.
        state.is_ended = batch.is_empty();
        state.deadline
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        match self.changed.wait_timeout(state, limit) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// A panic elsewhere must not end the log.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the lane as ended when its thread ends, whatever ends it.
struct Ending<'a>(&'a Lane);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.lock().is_ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use opentelemetry::KeyValue;
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

    use super::super::dropped::Dropped;
    use super::*;

    /// A lane, its metrics, and a sink that tells what it was given and does what it is told.
    struct Tested {
        lane: Arc<Lane>,
        meters: SdkMeterProvider,
        metrics: InMemoryMetricExporter,
        given: Receiver<Vec<u8>>,
        answers: SyncSender<Outcome>,
    }

    struct Scripted {
        given: SyncSender<Vec<u8>>,
        answers: Receiver<Outcome>,
    }

    impl Sink for Scripted {
        fn write(&mut self, lines: &[u8]) -> Outcome {
            self.given.send(lines.to_vec()).unwrap();
            self.answers.recv().expect("no answer: a panic of the sink")
        }
    }

    impl Tested {
        fn start() -> Self {
            let metrics = InMemoryMetricExporter::default();
            let meters = SdkMeterProvider::builder()
                .with_periodic_exporter(metrics.clone())
                .build();
            let lane = Lane::new(Dropped::new(&meters.meter("test")).lane("file"));
            let (tell, given) = sync_channel(100);
            let (answers, listen) = sync_channel(100);
            let sink = Scripted {
                given: tell,
                answers: listen,
            };
            lane.start("tested", sink).unwrap();
            Self {
                lane,
                meters,
                metrics,
                given,
                answers,
            }
        }

        fn dropped(&self, reason: &str) -> u64 {
            self.meters.force_flush().unwrap();
            let exported = self.metrics.get_finished_metrics().unwrap();
            let metric = exported.last().unwrap().scope_metrics().next().unwrap();
            let metric = metric
                .metrics()
                .find(|metric| metric.name() == "shop.log.dropped");
            let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.unwrap().data() else {
                panic!("a counter");
            };
            let has = |key: &str, value: &str| {
                let pair = KeyValue::new(key.to_owned(), value.to_owned());
                move |found: &KeyValue| *found == pair
            };
            let mut points = sum.data_points().filter(|point| {
                point.attributes().any(has("reason", reason))
                    && point.attributes().any(has("lane", "file"))
            });
            points
                .next()
                .expect("the reason is exported from the start")
                .value()
        }

        /// The next batch the sink is given.
        fn given(&self) -> Vec<u8> {
            self.given.recv_timeout(PATIENCE).unwrap()
        }

        fn end(self) -> bool {
            self.lane.close(soon());
            self.lane.is_ended_by(soon())
        }
    }

    /// Enough for a machine that does much else.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn soon() -> Instant {
        Instant::now() + PATIENCE
    }

    #[test]
    fn lines_arrive_in_order_and_the_end_writes_what_waits() {
        let tested = Tested::start();
        tested.lane.push(b"one\n");
        assert_eq!(tested.given(), b"one\n");
        tested.lane.push(b"two\n");
        tested.lane.push(b"three\n");
        tested.answers.send(Outcome::Written).unwrap();
        tested.answers.send(Outcome::Written).unwrap();
        let lane = Arc::clone(&tested.lane);
        lane.close(soon());
        assert_eq!(tested.given(), b"two\nthree\n");
        assert!(lane.is_ended_by(soon()));
        assert_eq!(lane.lost(), 0);
    }

    #[test]
    fn a_stuck_sink_costs_lines_and_never_the_callers_time() {
        let tested = Tested::start();
        assert_eq!(tested.dropped("queue_full"), 0);
        tested.lane.push(b"first\n");
        // From here on the sink holds the writer.
        tested.given();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..LIMIT / 1024 + 5 {
            tested.lane.push(&line);
        }
        assert_eq!(tested.dropped("queue_full"), 5);
        assert_eq!(tested.lane.lost(), 5);
        tested.answers.send(Outcome::Written).unwrap();
        tested.answers.send(Outcome::Written).unwrap();
        assert_eq!(tested.given().len(), LIMIT, "the oldest are kept");
        assert!(tested.end());
    }

    #[test]
    fn lines_of_a_failed_write_are_kept_and_tried_again() {
        let tested = Tested::start();
        tested.lane.push(b"kept\n");
        assert_eq!(tested.given(), b"kept\n");
        tested.answers.send(Outcome::Again).unwrap();
        assert_eq!(tested.given(), b"kept\n");
        tested.answers.send(Outcome::Written).unwrap();
        assert_eq!(tested.dropped("write_failed"), 0);
        assert!(tested.end());
    }

    #[test]
    fn lines_that_cannot_be_written_by_the_deadline_are_counted() {
        let tested = Tested::start();
        tested.lane.push(b"one\ntwo\n");
        tested.given();
        tested.lane.close(Instant::now());
        // One for the write that is under way, one for the last try.
        tested.answers.send(Outcome::Again).unwrap();
        tested.answers.send(Outcome::Again).unwrap();
        assert!(tested.lane.is_ended_by(soon()));
        assert_eq!(tested.dropped("write_failed"), 2);
    }

    #[test]
    fn lines_a_sink_loses_are_counted() {
        let tested = Tested::start();
        tested.lane.push(b"one\ntwo\nthree\n");
        tested.given();
        tested.answers.send(Outcome::Lost).unwrap();
        let lane = Arc::clone(&tested.lane);
        lane.close(soon());
        assert!(lane.is_ended_by(soon()));
        assert_eq!(tested.dropped("write_failed"), 3);
    }

    #[test]
    fn an_end_that_takes_too_long_is_told() {
        let tested = Tested::start();
        tested.lane.push(b"stuck\n");
        tested.given();
        tested.lane.close(Instant::now());
        assert!(!tested.lane.is_ended_by(Instant::now()));
    }

    #[test]
    fn a_panic_of_the_writer_ends_the_lane_and_no_caller() {
        let Tested {
            lane,
            given,
            answers,
            ..
        } = Tested::start();
        drop(answers);
        lane.push(b"one\n");
        given.recv_timeout(PATIENCE).unwrap();
        assert!(lane.is_ended_by(soon()));
        lane.push(b"two\n");
        assert!(lane.waiting().is_empty(), "nobody would ever take it");
    }
}
