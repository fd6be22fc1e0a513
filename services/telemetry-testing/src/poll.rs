//! Waiting for a condition with a deadline, and saying what was there instead when it passes.

use std::fmt::Debug;
use std::panic::Location;
use std::time::{Duration, Instant};

const PATIENCE: &str = "TEST_PATIENCE";
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);
/// Short against every interval under test (the shortest is a batch delay of some 10 ms), long against a query.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long a poll waits: `TEST_PATIENCE` in seconds (`45` or `45s`), 30 s unless set. Panics when it is set to something else.
pub fn patience() -> Duration {
    let Ok(text) = std::env::var(PATIENCE) else {
        return DEFAULT_PATIENCE;
    };
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(seconds) if seconds > 0.0 => Duration::from_secs_f64(seconds),
        _ => panic!("{PATIENCE}={text:?}: expected seconds, such as 45"),
    }
}

/// Calls `probe` until it returns `Ok`; `Err` is the state so far. Panics after [`patience`] with `what` and the last state.
///
/// Blocks the thread: in a test on a Tokio runtime that also runs what is waited for, use [`poll_async`].
#[track_caller]
pub fn poll<T, E: Debug>(what: &str, mut probe: impl FnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    let limit = patience();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(state) if started.elapsed() >= limit => give_up(what, limit, &state),
            // Unlike a sleep this may wake early, which a poll does not mind.
            Err(_) => std::thread::park_timeout(INTERVAL),
        }
    }
}

/// [`poll`] that yields to the Tokio runtime between two calls of `probe`.
#[track_caller]
pub fn poll_async<T, E: Debug>(
    what: &str,
    mut probe: impl FnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let started = Instant::now();
        let limit = patience();
        loop {
            match probe() {
                Ok(value) => return value,
                Err(state) if started.elapsed() >= limit => {
                    give_up(&format!("{what} (polled at {caller})"), limit, &state)
                }
                Err(_) => tokio::time::sleep(INTERVAL).await,
            }
        }
    }
}

#[track_caller]
fn give_up(what: &str, limit: Duration, state: &impl Debug) -> ! {
    // `Debug` of a string escapes line ends; a span tree or a list of near misses needs them.
    let state = format!("{state:#?}")
        .replace("\\n", "\n")
        .replace("\\\"", "\"");
    panic!("gave up after {limit:?} waiting for {what}; last state:\n{state}")
}
