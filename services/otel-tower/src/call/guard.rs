use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use http::HeaderMap;
use http::response::Parts;
use opentelemetry::metrics::BoundUpDownCounter;
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue};

use super::{BodyEnd, Call, End};
use crate::names;

/// Ends what a call has started, exactly once: when told to, else when dropped.
///
/// First the future owns it, then the response body.
pub(crate) struct Guard<C: Call>(Option<Running<C>>);

struct Running<C> {
    context: Context,
    started: Instant,
    active: BoundUpDownCounter<i64>,
    call: C,
}

impl<C: Call> Guard<C> {
    /// Counts the call as in flight; its span is the one in `context`.
    pub(crate) fn start(context: Context, active: BoundUpDownCounter<i64>, call: C) -> Self {
        active.add(1);
        Self(Some(Running {
            context,
            started: Instant::now(),
            active,
            call,
        }))
    }

    /// Makes the call's context current, for as long as the call runs and the result lives.
    pub(crate) fn attach(&self) -> Option<ContextGuard> {
        self.0.as_ref().map(|run| run.context.clone().attach())
    }

    /// Runs one step of the call in its context, and settles the call if that step panics.
    pub(crate) fn enter<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let attached = self.attach();
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(value) => value,
            Err(panic) => {
                drop(attached);
                self.settle(End::Panicked);
                resume_unwind(panic)
            }
        }
    }

    pub(crate) fn head(&mut self, parts: &mut Parts) -> BodyEnd {
        match &mut self.0 {
            Some(run) => run.call.head(parts),
            None => BodyEnd::Unknown,
        }
    }

    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        if let Some(run) = &mut self.0 {
            run.call.trailers(trailers);
        }
    }

    /// Moves the duty to settle the call to the returned guard.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self(self.0.take())
    }

    pub(crate) fn settle(&mut self, end: End) {
        let Some(run) = self.0.take() else { return };
        let elapsed = run.started.elapsed();
        let outcome = run.call.outcome(end);
        let span = run.context.span();
        if let Some(name) = outcome.name {
            span.update_name(name);
        }
        span.set_attributes(outcome.attributes);
        if let Some(error) = outcome.error {
            span.set_attribute(KeyValue::new(names::ERROR_TYPE, error));
            // No description: it would repeat `error.type`, or leak what the peer wrote.
            span.set_status(Status::error(""));
        }
        span.end();
        outcome.duration.record(elapsed.as_secs_f64());
        run.active.add(-1);
    }
}

impl<C: Call> Drop for Guard<C> {
    fn drop(&mut self) {
        self.settle(if std::thread::panicking() {
            End::Panicked
        } else {
            End::Cancelled
        });
    }
}
