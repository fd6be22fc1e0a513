use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{Call, End, Guard, Judge, ResponseBody};

pin_project! {
    /// The response future of all four services.
    ///
    /// The call's context is current while the inner future is polled and while it is dropped.
    /// Dropped before it is ready, it ends the call as cancelled.
    pub struct ResponseFuture<F, C: Call> {
        // `None` once ready: the inner future is dropped in the call's context, not after it.
        #[pin]
        inner: Option<F>,
        guard: Guard<C>,
    }

    impl<F, C: Call> PinnedDrop for ResponseFuture<F, C> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _attached = this.guard.attach();
            this.inner.set(None);
        }
    }
}

impl<F, C: Call> ResponseFuture<F, C> {
    /// `call` starts the inner future, in the context of the call.
    pub(crate) fn start(mut guard: Guard<C>, call: impl FnOnce() -> F) -> Self {
        Self {
            inner: Some(guard.enter(call)),
            guard,
        }
    }
}

impl<F, B, E, C> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    C: Judge<E>,
{
    type Output = Result<Response<ResponseBody<B, C>>, C::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = ready!(this.guard.enter(|| {
            let Some(inner) = this.inner.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            let polled = inner.poll(cx);
            if polled.is_ready() {
                this.inner.set(None);
            }
            polled
        }));
        match result {
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                let end = this.guard.head(&mut parts);
                let body = ResponseBody::new(body, end, this.guard.hand_over());
                Poll::Ready(Ok(Response::from_parts(parts, body)))
            }
            Err(error) => {
                let (class, error) = C::judge(error);
                this.guard.settle(End::Failed(class));
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F, C: Call> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
