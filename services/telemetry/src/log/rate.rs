//! One message of a kind per interval, and the count of the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a message keeps its like away.
const INTERVAL: Duration = Duration::from_secs(10);

/// Kinds that are told apart; more share one place until some have expired.
const KINDS: usize = 256;

/// Lets one message of each kind pass per interval.
#[derive(Default)]
pub(super) struct RateLimit {
    kinds: Mutex<HashMap<(String, String), Kind>>,
}

struct Kind {
    passed: Instant,
    suppressed: u64,
}

impl RateLimit {
    /// `Some` with the number suppressed since the last one if a message may pass.
    pub(super) fn admit(&self, target: &str, message: &str, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (target.to_owned(), message.to_owned());
        if !kinds.contains_key(&key) && kinds.len() >= KINDS {
            kinds.retain(|_, kind| now.duration_since(kind.passed) < INTERVAL);
            if kinds.len() >= KINDS {
                key = Default::default();
            }
        }
        if let Some(kind) = kinds.get_mut(&key) {
            if now.duration_since(kind.passed) < INTERVAL {
                kind.suppressed += 1;
                return None;
            }
            kind.passed = now;
            return Some(std::mem::take(&mut kind.suppressed));
        }
        let kind = Kind {
            passed: now,
            suppressed: 0,
        };
        kinds.insert(key, kind);
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_passes_per_interval_and_the_next_tells_how_many_did_not() {
        let limit = RateLimit::default();
        let start = Instant::now();
        assert_eq!(limit.admit("sdk", "failed", start), Some(0));
        for _ in 0..3 {
            assert_eq!(limit.admit("sdk", "failed", start + INTERVAL / 2), None);
        }
        assert_eq!(limit.admit("sdk", "other", start), Some(0));
        assert_eq!(limit.admit("otlp", "failed", start), Some(0));
        assert_eq!(limit.admit("sdk", "failed", start + INTERVAL), Some(3));
        assert_eq!(limit.admit("sdk", "failed", start + INTERVAL), None);
        assert_eq!(limit.admit("sdk", "failed", start + INTERVAL * 3), Some(1));
    }

    #[test]
    fn endless_kinds_take_no_endless_memory() {
        let limit = RateLimit::default();
        let start = Instant::now();
        let passed = (0..10_000).filter(|n| limit.admit("sdk", &n.to_string(), start).is_some());
        assert_eq!(passed.count(), KINDS + 1);
        assert!(limit.kinds.lock().unwrap().len() <= KINDS + 1);
        assert_eq!(limit.admit("sdk", "new", start + INTERVAL), Some(0));
    }
}
