//! The HTTP client of the exporters: sends, tries again, counts.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinError;

use super::attempt::{Failure, Transport, attempt};
use super::retry::Schedule;
use super::runtime::Ends;
use super::{Ledger, Signal, wire};

/// Delivers the requests of one signal; see [`super`].
#[derive(Debug)]
pub(crate) struct DeliveryClient {
    pub(super) signal: Signal,
    pub(super) schedule: Schedule,
    pub(super) handle: Handle,
    pub(super) transport: Transport,
    pub(super) ledger: Arc<Ledger>,
    pub(super) ends: watch::Receiver<Option<Ends>>,
    /// Goes with the client: see `LastExport`.
    pub(super) _open: watch::Receiver<()>,
}

/// Why a batch has no outcome of its last attempt.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("cut by the deadline of the shutdown")]
    Cut,
    #[error("the delivery panicked")]
    Panicked,
}

#[derive(Debug, thiserror::Error)]
enum NotDelivered {
    #[error("no answer in time")]
    Timeout,
    #[error("no connection: {0}")]
    Connection(String),
}

#[async_trait]
impl HttpClient for DeliveryClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let items = wire::items(self.signal, request.body());
        let delivering = deliver(
            self.transport.clone(),
            request,
            self.schedule,
            self.signal,
            self.ends.clone(),
        );
        // The SDK's thread has no runtime; it waits here.
        let delivered = match self.handle.spawn(delivering).await {
            Ok(delivered) => delivered,
            Err(gone) => Err(Lost::from(gone)),
        };
        // The one place where outcomes are counted, passed once per batch.
        match delivered {
            Ok(Ok(answer)) => {
                let rejected = wire::rejected(answer.body()).min(items);
                self.ledger.add(self.signal, None, items - rejected);
                self.count_lost("rejected".to_owned(), rejected);
                Ok(answer)
            }
            Ok(Err(failure)) => {
                self.count_lost(failure.error_type(), items);
                match failure {
                    Failure::Status(answer) => Ok(answer),
                    Failure::Timeout => Err(NotDelivered::Timeout.into()),
                    Failure::Connection(reason) => Err(NotDelivered::Connection(reason).into()),
                }
            }
            Err(lost) => {
                self.count_lost(lost.error_type().to_owned(), items);
                Err(lost.into())
            }
        }
    }
}

impl DeliveryClient {
    fn count_lost(&self, error: String, items: u64) {
        self.ledger.add(self.signal, Some(error), items);
    }
}

impl Lost {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Cut => "shutdown",
            Self::Panicked => "panic",
        }
    }
}

impl From<JoinError> for Lost {
    /// A task that is gone without a panic went with the runtime, at the end.
    fn from(gone: JoinError) -> Self {
        if gone.is_panic() {
            Self::Panicked
        } else {
            Self::Cut
        }
    }
}

async fn deliver(
    transport: Transport,
    request: Request<Bytes>,
    schedule: Schedule,
    signal: Signal,
    ends: watch::Receiver<Option<Ends>>,
) -> Result<Result<Response<Bytes>, Failure>, Lost> {
    let attempts = attempts(&transport, &request, schedule, ends.clone());
    tokio::select! {
        // An answer that is there counts, also at the last moment.
        biased;
        outcome = attempts => Ok(outcome),
        () = end(ends, signal) => Err(Lost::Cut),
    }
}

async fn attempts(
    transport: &Transport,
    request: &Request<Bytes>,
    schedule: Schedule,
    mut ends: watch::Receiver<Option<Ends>>,
) -> Result<Response<Bytes>, Failure> {
    // Only an end that is announced from now on may wake a pause.
    ends.mark_unchanged();
    let give_up = schedule.give_up();
    let mut failures = 0;
    loop {
        let left = give_up.saturating_duration_since(tokio::time::Instant::now());
        let limit = schedule.attempt.min(left);
        let failure = match attempt(transport, request.clone(), limit).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        failures += 1;
        let Some(pause) = schedule.pause(failures, &failure, give_up) else {
            return Err(failure);
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // The service ends: the next attempt may be the last one, it must not wait for its turn.
            Ok(()) = ends.changed() => {}
        }
    }
}

/// Returns when the shutdown's deadline for `signal` has passed; never, while there is none.
async fn end(mut ends: watch::Receiver<Option<Ends>>, signal: Signal) {
    // The sender goes only with the runtime, which takes this task along.
    let set = ends
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|ends| *ends);
    match set {
        Some(ends) => tokio::time::sleep_until(ends.of(signal)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panicked_is_not_taken_for_one_that_the_end_cut() {
        let handle = Handle::current();
        let panicked = handle.spawn(async { panic!("on purpose") }).await;
        assert_eq!(Lost::from(panicked.unwrap_err()).error_type(), "panic");
        let cut = handle.spawn(std::future::pending::<()>());
        cut.abort();
        assert_eq!(Lost::from(cut.await.unwrap_err()).error_type(), "shutdown");
    }
}
