//! The deadline of a call: an answer of our own in place of one that comes too late.
//!
//! It sits inside the instrumentation, which therefore sees the same status as the caller.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

/// Boxed, because it moves from the future to the body.
type Timer = Option<Pin<Box<Sleep>>>;

pin_project! {
    /// Waits for the response head, until the deadline.
    pub struct DeadlineFuture<F> {
        #[pin]
        inner: F,
        timer: Timer,
    }
}

pin_project! {
    /// Waits for each frame of the response body, until the deadline.
    pub struct DeadlineBody<B> {
        // `None` past the deadline: to drop it resets the stream.
        #[pin]
        inner: Option<B>,
        timer: Timer,
    }
}

// === impl DeadlineFuture ===

impl<F> DeadlineFuture<F> {
    pub(super) fn new(inner: F, limit: Option<Duration>) -> Self {
        Self {
            inner,
            timer: limit.map(|limit| Box::pin(tokio::time::sleep(limit))),
        }
    }
}

impl<F, B, E> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<DeadlineBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The timer first: a transport that watches the same `grpc-timeout` gives up in the same
        // moment, with an answer of its own.
        if is_over(this.timer, cx) {
            return Poll::Ready(Ok(too_late()));
        }
        let response = ready!(this.inner.poll(cx))?;
        let timer = this.timer.take();
        Poll::Ready(Ok(response.map(|body| DeadlineBody {
            inner: Some(body),
            timer,
        })))
    }
}

impl<F> fmt::Debug for DeadlineFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture").finish_non_exhaustive()
    }
}

// === impl DeadlineBody ===

impl<B: Body> Body for DeadlineBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        if is_over(this.timer, cx) {
            this.inner.set(None);
            return Poll::Ready(Some(Ok(Frame::trailers(deadline_exceeded()))));
        }
        let frame = ready!(inner.poll_frame(cx));
        if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
            // The status is known: from here on there is nothing to be late for.
            *this.timer = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for DeadlineBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineBody").finish_non_exhaustive()
    }
}

fn is_over(timer: &mut Timer, cx: &mut Context<'_>) -> bool {
    timer
        .as_mut()
        .is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
}

/// An answer without messages, its status in the headers: generated clients read it as the status.
fn too_late<B>() -> Response<DeadlineBody<B>> {
    let mut response = Response::new(DeadlineBody {
        inner: None,
        timer: None,
    });
    *response.headers_mut() = deadline_exceeded();
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

fn deadline_exceeded() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut insert = |name, value| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    };
    insert("grpc-status", "4");
    insert("grpc-message", "deadline exceeded");
    headers
}
