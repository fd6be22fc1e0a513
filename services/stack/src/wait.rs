//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// How often a condition is looked at: short against a human, long against a file in `/proc`.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// Looks at `condition` until it holds (true) or the time is over (false).
pub(crate) fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause();
    }
}

/// One interval between two looks.
pub(crate) fn pause() {
    std::thread::park_timeout(INTERVAL);
}
