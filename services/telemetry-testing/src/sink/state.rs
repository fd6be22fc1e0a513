//! What the server and the test share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::Behaviour;
use crate::model::{Log, Point, Signal, Span};

/// One request as the sink saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// When its body was complete.
    pub at: Instant,
    /// Where it was posted to.
    pub path: String,
    /// The signal of that path; `None` when there is no such path.
    pub signal: Option<Signal>,
    /// Spans, log records or metric points in it.
    pub items: usize,
    /// How many of them a partial success refused.
    pub rejected: i64,
    /// The HTTP status it got; `None` while, or because, it was not answered.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    received: Mutex<Received>,
    behaviours: watch::Sender<[Behaviour; Signal::ALL.len()]>,
}

#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) requests: Vec<Request>,
    pub(super) spans: Vec<Span>,
    pub(super) logs: Vec<Log>,
    pub(super) points: Vec<Point>,
    pub(super) latest: Vec<Point>,
}

/// The decoded items of one request.
pub(super) enum Items {
    Spans(Vec<Span>),
    Points(Vec<Point>),
    Logs(Vec<Log>),
}

impl State {
    pub(super) fn read<T>(&self, view: impl FnOnce(&Received) -> T) -> T {
        view(&self.lock())
    }

    /// Notes a request before it is answered, so that one which never is can be seen too.
    pub(super) fn arrived(&self, request: Request) -> usize {
        let mut received = self.lock();
        received.requests.push(request);
        received.requests.len() - 1
    }

    /// Notes the answer and keeps the items in one step: a test that sees the status sees the items.
    pub(super) fn answered(&self, request: usize, status: u16, rejected: i64, kept: Option<Items>) {
        let mut received = self.lock();
        received.requests[request].status = Some(status);
        received.requests[request].rejected = rejected;
        match kept {
            None => {}
            Some(Items::Spans(spans)) => received.spans.extend(spans),
            Some(Items::Logs(logs)) => received.logs.extend(logs),
            Some(Items::Points(points)) => points.into_iter().for_each(|p| received.keep(p)),
        }
    }

    pub(super) fn set_behaviour(&self, signal: Signal, behaviour: Behaviour) {
        self.behaviours
            .send_modify(|all| all[signal as usize] = behaviour);
    }

    pub(super) fn behaviour(&self, signal: Signal) -> Behaviour {
        self.behaviours.borrow()[signal as usize]
    }

    /// Returns once the signal is treated other than by silence.
    pub(super) async fn until_back(&self, signal: Signal) {
        let is_back =
            |all: &[Behaviour; Signal::ALL.len()]| all[signal as usize] != Behaviour::Vanish;
        // The sender lives in `self`, so this cannot fail before the caller is gone.
        self.behaviours.subscribe().wait_for(is_back).await.ok();
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Received {
    fn keep(&mut self, point: Point) {
        match self.latest.iter_mut().find(|p| p.is_same_series(&point)) {
            Some(newest) if newest.time <= point.time => *newest = point.clone(),
            Some(_) => {}
            None => self.latest.push(point.clone()),
        }
        self.points.push(point);
    }
}

impl Items {
    pub(super) fn len(&self) -> usize {
        match self {
            Items::Spans(items) => items.len(),
            Items::Points(items) => items.len(),
            Items::Logs(items) => items.len(),
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        match self {
            Items::Spans(items) => items.truncate(len),
            Items::Points(items) => items.truncate(len),
            Items::Logs(items) => items.truncate(len),
        }
    }
}
