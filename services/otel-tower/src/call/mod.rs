//! One call, whatever its protocol and direction: what starts with it and how it ends, exactly once.
//!
//! The four layers differ in what they read from a request and a response. They share the rest: the
//! [`Guard`](guard::Guard) that settles span, duration and in-flight count, the future and the body
//! that carry it, and the bounded cache of bound instruments.

mod body;
mod bound;
mod future;
mod guard;

use std::borrow::Cow;

use http::HeaderMap;
use http::response::Parts;
use opentelemetry::KeyValue;
use opentelemetry::metrics::BoundHistogram;

pub use body::ResponseBody;
pub(crate) use bound::Bound;
pub use future::ResponseFuture;
pub(crate) use guard::Guard;

/// What one protocol and direction knows about its call.
pub trait Call: Unpin {
    /// The response head has arrived; says how the end of the body can be told.
    fn head(&mut self, parts: &mut Parts) -> BodyEnd;

    /// The body ended with these trailers.
    fn trailers(&mut self, trailers: &HeaderMap);

    /// The call is over: what to record.
    fn outcome(self, end: End) -> Outcome;
}

/// A call that can judge the transport's errors of type `E`.
pub trait Judge<E>: Call {
    /// The error as handed to the caller.
    type Error;

    /// The class of the error (few, fixed words), and the error itself.
    fn judge(error: E) -> (&'static str, Self::Error);
}

/// How the end of a response body can be told, beyond the body saying so itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BodyEnd {
    /// After this many bytes: the transport stops reading the body there and drops it.
    Length(u64),
    /// Only by the body.
    Unknown,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The body ended as it should.
    Complete,
    /// There is no response, or its body broke off: the class of the error.
    Failed(&'static str),
    /// The future or the body was dropped before its end.
    Cancelled,
    /// The service panicked.
    Panicked,
}

/// What is recorded at the end of a call.
#[derive(Debug)]
pub struct Outcome {
    /// The span's final name, where it was not known at the start.
    pub(crate) name: Option<String>,
    pub(crate) attributes: Vec<KeyValue>,
    /// `error.type`; its presence makes the span an error.
    pub(crate) error: Option<ErrorType>,
    pub(crate) duration: BoundHistogram<f64>,
}

pub(crate) type ErrorType = Cow<'static, str>;
