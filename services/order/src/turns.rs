//! One at a time per idempotency key: the second caller with a key waits for the first one's answer.
//!
//! This only spares work. What makes two orders with one key impossible is the UNIQUE column of the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::domain::IdempotencyKey;

type Locks = HashMap<IdempotencyKey, Arc<tokio::sync::Mutex<()>>>;

#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Locks>>);

/// The right to work on a key, until dropped.
pub(crate) struct Turn {
    turns: Turns,
    key: IdempotencyKey,
    lock: Arc<tokio::sync::Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(crate) async fn take(&self, key: &IdempotencyKey) -> Turn {
        let lock = Arc::clone(self.locks().entry(key.clone()).or_default());
        // Made before the wait: whoever gives up waiting cleans up as well.
        let mut turn = Turn {
            turns: self.clone(),
            key: key.clone(),
            lock,
            held: None,
        };
        turn.held = Some(Arc::clone(&turn.lock).lock_owned().await);
        turn
    }

    fn locks(&self) -> MutexGuard<'_, Locks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut locks = self.turns.locks();
        self.held = None;
        // Ours and the map's: nobody else waits, and nobody can begin to while the map is locked.
        if Arc::strong_count(&self.lock) == 2 {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text).unwrap().unwrap()
    }

    #[tokio::test]
    async fn the_second_taker_of_a_key_waits_and_other_keys_do_not() {
        let turns = Turns::default();
        let first = turns.take(&key("a")).await;
        turns.take(&key("b")).await;
        let again = key("a");
        let mut second = Box::pin(turns.take(&again));
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx)));
        assert!(waits.await.is_pending());
        drop(first);
        drop(second.await);
        assert!(turns.locks().is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take(&key("a")).await;
        let again = key("a");
        let mut second = Box::pin(turns.take(&again));
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx)));
        assert!(waits.await.is_pending());
        drop(first);
        drop(second);
        assert!(turns.locks().is_empty());
    }
}
