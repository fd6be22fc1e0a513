//! How a Reserve comes to the writer.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use crate::error::Error;

/// Reserves queue here, and only the first of them for the writer: a Confirm or Release, whose stock is taken already, waits behind
/// that one and not behind all. More than the lane holds are refused at once and leave nothing to release, so that under overload
/// what was begun is finished.
#[derive(Clone)]
pub(super) struct Lane(Arc<Inner>);

struct Inner {
    places: Semaphore,
    turn: Mutex<()>,
}

/// The right to ask for the writer, until dropped.
pub(super) struct Turn<'a> {
    _turn: MutexGuard<'a, ()>,
    _place: SemaphorePermit<'a>,
}

impl Lane {
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Inner {
            places: Semaphore::new(places.min(Semaphore::MAX_PERMITS)),
            turn: Mutex::new(()),
        }))
    }

    pub(super) async fn turn(&self) -> Result<Turn<'_>, Error> {
        let place = self.0.places.try_acquire();
        Ok(Turn {
            _place: place.map_err(|_| Error::Overloaded)?,
            _turn: self.0.turn.lock().await,
        })
    }
}
