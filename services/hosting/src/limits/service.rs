//! The tower service around a handler.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use contract::events;
use http::header::EXPECT;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use slog::{Logger, error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;

use super::Limits;
use super::body::{BoxError, Counted, Held, drain};

/// How long a client that sends too much is listened to before it is refused.
const LINGER: Duration = Duration::from_secs(1);

/// Why a request gets no answer from its handler.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    Overloaded,
    TimedOut(Duration),
    BodyTooLarge(u64),
    Panicked,
}

/// A refusal in the words of one protocol.
pub(crate) type Refuse = fn(Refusal) -> Response<Full<Bytes>>;

/// The requests of a server that are not answered to their end.
pub(crate) type Running = TaskTracker;

/// What a request holds while it runs, to the end of its response's body.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _running: TaskTrackerToken,
}

/// A handler inside its limits. A clone shares them.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    limits: Limits,
    places: Arc<Semaphore>,
    running: Running,
    refuse: Refuse,
    log: Logger,
}

impl<S> Guarded<S> {
    pub(crate) fn new(inner: S, limits: Limits, refuse: Refuse, log: Logger) -> Self {
        Self {
            inner,
            limits,
            places: Arc::new(Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS))),
            running: Running::new(),
            refuse,
            log,
        }
    }

    pub(crate) fn running(&self) -> Running {
        self.running.clone()
    }

    fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            _running: self.running.token(),
        })
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<Counted<B>>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    R: Send + 'static,
{
    type Response = Response<Held<R>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone stays behind: only the service that was polled ready may be called.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let place = self.place();
        let (limits, refuse, log) = (self.limits, self.refuse, self.log.clone());
        Box::pin(async move {
            let answer = match place {
                Some(place) => answer(inner, request, limits, &log)
                    .await
                    .map(|response| response.map(|body| Held::answer(body, place))),
                None => Err(Refusal::Overloaded),
            };
            Ok(answer.unwrap_or_else(|refusal| refuse(refusal).map(Held::refusal)))
        })
    }
}

async fn answer<S, B, R>(
    mut handler: S,
    request: Request<B>,
    limits: Limits,
    log: &Logger,
) -> Result<Response<R>, Refusal>
where
    S: Service<Request<Counted<B>>, Response = Response<R>, Error = Infallible>,
    B: Body,
    B::Error: Into<BoxError>,
{
    if request.body().size_hint().lower() > limits.body {
        // A client that asks first has not begun to send.
        if !request.headers().contains_key(EXPECT) {
            // Too slow is no worse than too long: it is refused either way.
            timeout(LINGER, drain(request.into_body())).await.ok();
        }
        return Err(Refusal::BodyTooLarge(limits.body));
    }
    let (head, body) = request.into_parts();
    let (body, is_over) = Counted::new(body, limits.body);
    let request = Request::from_parts(head, body);

    let handled = caught(async move { handler.call(request).await });
    let answer = match timeout(limits.timeout, handled).await {
        Ok(Ok(Ok(response))) => Ok(response),
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => {
            error!(log, "a handler panicked"; "event.name" => events::REQUEST_PANICKED, "exception.type" => "panic", "exception.message" => message(&*panic));
            Err(Refusal::Panicked)
        }
        Err(_) => Err(Refusal::TimedOut(limits.timeout)),
    };
    if is_over.load(Ordering::Relaxed) {
        return Err(Refusal::BodyTooLarge(limits.body));
    }
    answer
}

/// Turns a panic into a value: one broken request must not take its connection, and the others on it, along.
async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // What the panic left half done belongs to this request and is dropped with it.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "(no text)"
    }
}
