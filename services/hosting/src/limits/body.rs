//! Bodies on both sides of a handler: the request's is counted, the response's holds the request's place.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Full};
use pin_project_lite::pin_project;

use super::service::Place;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How much of a body that is over its limit is still read. A client that is writing when the connection closes sees a broken
/// pipe instead of its refusal.
const LINGER: usize = 1024 * 1024;

/// A request body was longer than the limit.
#[derive(Debug, thiserror::Error)]
#[error("the body is longer than the limit")]
struct TooLong;

pin_project! {
    /// A request body that ends with an error after so many bytes, and remembers that this is why.
    pub(crate) struct Counted<B> {
        #[pin]
        inner: B,
        left: usize,
        linger: usize,
        is_over: Arc<AtomicBool>,
    }
}

impl<B> Counted<B> {
    /// Also returns the flag that tells whether the limit was passed: a handler makes what it likes of a body that fails, so its
    /// answer does not tell.
    pub(super) fn new(body: B, limit: u64) -> (Self, Arc<AtomicBool>) {
        let is_over = Arc::new(AtomicBool::new(false));
        let body = Self {
            inner: body,
            left: usize::try_from(limit).unwrap_or(usize::MAX),
            linger: LINGER,
            is_over: Arc::clone(&is_over),
        };
        (body, is_over)
    }
}

/// Reads and forgets what a refused client is still sending, up to [`LINGER`].
pub(super) async fn drain<B>(body: B)
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (body, _) = Counted::new(body, 0);
    let mut body = pin!(body);
    while let Some(Ok(_)) = body.frame().await {}
}

impl<B> Body for Counted<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        loop {
            let is_over = this.is_over.load(Ordering::Relaxed);
            let frame = match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                _ if is_over => return Poll::Ready(Some(Err(TooLong.into()))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            };
            let length = frame.data_ref().map_or(0, Buf::remaining);
            if is_over {
                *this.linger = this.linger.saturating_sub(length);
                if *this.linger == 0 {
                    return Poll::Ready(Some(Err(TooLong.into())));
                }
            } else if let Some(left) = this.left.checked_sub(length) {
                *this.left = left;
                return Poll::Ready(Some(Ok(frame)));
            } else {
                this.is_over.store(true, Ordering::Relaxed);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && !self.is_over.load(Ordering::Relaxed)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// A response body, the handler's or a refusal, that keeps the place of its request until it is sent or dropped.
    pub(crate) struct Held<B> {
        #[pin]
        inner: Either<Full<Bytes>, B>,
        _place: Option<Place>,
    }
}

impl<B> Held<B> {
    pub(super) fn refusal(body: Full<Bytes>) -> Self {
        Self {
            inner: Either::Left(body),
            _place: None,
        }
    }

    pub(super) fn answer(body: B, place: Place) -> Self {
        Self {
            inner: Either::Right(body),
            _place: Some(place),
        }
    }
}

impl<B> Body for Held<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
