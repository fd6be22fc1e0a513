//! When requests are due: a fixed rate, whatever happens to the requests.
//!
//! A thread of its own and a channel, because Tokio's timers wake in steps of a millisecond, which would enter every latency.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An arrival.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    pub number: u64,
    /// The intended start. Never in the future, and never moved because somebody was late.
    pub due: Instant,
}

/// When the arrival of this number is due, after the first. What no [`Duration`] is long enough for is never.
#[must_use]
pub fn offset(number: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX)
}

/// Sends a [`Tick`] when it is due. Dropped, it stops.
pub struct Pacer {
    ticks: UnboundedReceiver<Tick>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// The channel holds at most `arrivals` ticks: a slow reader must not slow the arrivals.
    pub fn start(first: Instant, rate: f64, arrivals: u64) -> io::Result<Self> {
        let (sender, ticks) = unbounded_channel();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let thread = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pace(first, rate, arrivals, &sender, &stopped))?;
        Ok(Self {
            ticks,
            is_stopped,
            thread: Some(thread),
        })
    }

    /// `None` after the last one.
    pub async fn next(&mut self) -> Option<Tick> {
        self.ticks.recv().await
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends by itself and has nothing to say.
            thread.join().unwrap_or_default();
        }
    }
}

fn pace(
    first: Instant,
    rate: f64,
    arrivals: u64,
    ticks: &UnboundedSender<Tick>,
    is_stopped: &AtomicBool,
) {
    for number in 0..arrivals {
        let due = first + offset(number, rate);
        // Waking up early is allowed, and being late is made up for: what is overdue leaves at once.
        loop {
            if is_stopped.load(Ordering::SeqCst) {
                return;
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        if ticks.send(Tick { number, due }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(first: Instant, rate: f64, arrivals: u64) -> Pacer {
        Pacer::start(first, rate, arrivals).unwrap()
    }

    #[tokio::test]
    async fn arrivals_are_due_at_the_fixed_rate_and_never_come_early() {
        let first = Instant::now();
        let mut pacer = pacer(first, 1_000.0, 50);
        let mut expected = 0;
        while let Some(tick) = pacer.next().await {
            assert!(tick.due <= Instant::now());
            assert_eq!(tick.number, expected);
            assert_eq!(tick.due, first + Duration::from_millis(expected));
            expected += 1;
        }
        assert_eq!(expected, 50);
    }

    #[tokio::test]
    async fn overdue_arrivals_come_at_once_with_the_times_they_were_due() {
        let now = Instant::now();
        let first = now.checked_sub(Duration::from_secs(100)).unwrap();
        let mut pacer = pacer(first, 1.0, 100);
        let mut last = None;
        while let Some(tick) = pacer.next().await {
            last = Some(tick);
        }
        assert_eq!(last.unwrap().due, first + Duration::from_secs(99));
        assert!(
            now.elapsed() < Duration::from_secs(20),
            "they were waited for"
        );
    }

    #[test]
    fn a_pacer_that_is_dropped_does_not_wait_for_the_next_arrival() {
        let now = Instant::now();
        drop(pacer(now + Duration::from_secs(1_000), 1.0, 5));
        assert!(now.elapsed() < Duration::from_secs(100));
    }
}
