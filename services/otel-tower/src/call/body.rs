use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{BodyEnd, Call, End, Guard};

/// `error.type` of a call whose response body broke off.
const BROKEN: &str = "body";

pin_project! {
    /// The response body of all four services: the call ends when it ends or is dropped.
    ///
    /// It has ended with its last frame, its trailers, an error, or once nothing more can come (it
    /// says so itself, or all of `content-length` was handed out). The call's context is current
    /// while the inner body is polled and while it is dropped.
    pub struct ResponseBody<B: Body, C: Call> {
        #[pin]
        inner: Option<B>,
        end: BodyEnd,
        guard: Guard<C>,
    }

    impl<B: Body, C: Call> PinnedDrop for ResponseBody<B, C> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let ended = this.inner.as_ref().get_ref().as_ref().is_none_or(Body::is_end_stream);
            if ended {
                this.guard.settle(End::Complete);
            }
            let _attached = this.guard.attach();
            this.inner.set(None);
        }
    }
}

impl<B: Body, C: Call> ResponseBody<B, C> {
    pub(crate) fn new(inner: B, end: BodyEnd, mut guard: Guard<C>) -> Self {
        if inner.is_end_stream() || end == BodyEnd::Length(0) {
            guard.settle(End::Complete);
        }
        Self {
            inner: Some(inner),
            end,
            guard,
        }
    }
}

impl<B: Body, C: Call> Body for ResponseBody<B, C> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(this.guard.enter(|| inner.as_mut().poll_frame(cx)));
        match &frame {
            None => this.guard.settle(End::Complete),
            Some(Err(_)) => this.guard.settle(End::Failed(BROKEN)),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.guard.trailers(trailers);
                    this.guard.settle(End::Complete);
                } else if let (Some(data), BodyEnd::Length(left)) =
                    (frame.data_ref(), &mut *this.end)
                {
                    *left = left.saturating_sub(data.remaining() as u64);
                }
                // The transport may never poll again: it knows the length, or asks the body.
                if *this.end == BodyEnd::Length(0) || inner.is_end_stream() {
                    this.guard.settle(End::Complete);
                }
            }
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

impl<B: Body, C: Call> fmt::Debug for ResponseBody<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
