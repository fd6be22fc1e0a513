//! Orders that are stored and not confirmed, and not being placed any more.
//!
//! The database knows them too, but not which of those it has are only on their way. It is asked once, at the start.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

/// A queue: whoever gives up confirming puts an order in, and the one reconciler takes it out.
#[derive(Clone)]
pub(crate) struct Backlog(Arc<Inner>);

struct Inner {
    orders: Mutex<VecDeque<Uuid>>,
    came: Notify,
}

impl Backlog {
    pub(crate) fn new(orders: Vec<Uuid>) -> Self {
        Self(Arc::new(Inner {
            orders: Mutex::new(orders.into()),
            came: Notify::new(),
        }))
    }

    /// True if no other order waits.
    pub(crate) fn push(&self, order_id: Uuid) -> bool {
        let mut orders = self.orders();
        let is_first = orders.is_empty();
        orders.push_back(order_id);
        self.0.came.notify_one();
        is_first
    }

    pub(crate) fn len(&self) -> usize {
        self.orders().len()
    }

    /// Waits for an order.
    pub(crate) async fn filled(&self) {
        while self.len() == 0 {
            self.0.came.notified().await;
        }
    }

    /// The first of them, at most so many; they stay.
    pub(crate) fn first(&self, most: usize) -> Vec<Uuid> {
        self.orders().iter().take(most).copied().collect()
    }

    /// The first one is settled.
    pub(crate) fn remove(&self) {
        self.orders().pop_front();
    }

    /// The first one becomes the last: an order that never gets through does not keep the others from it.
    pub(crate) fn postpone(&self) {
        let mut orders = self.orders();
        if let Some(order_id) = orders.pop_front() {
            orders.push_back(order_id);
        }
    }

    fn orders(&self) -> MutexGuard<'_, VecDeque<Uuid>> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
