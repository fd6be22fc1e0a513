//! Why an order could not be placed or found, and the one place that says what that is over gRPC.

use hosting::money::MoneyError;
use tonic::{Code, Status};
use tracing::Span;

use crate::domain::{Invalid, ProductId};
use crate::metrics::Outcome;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("product {0} does not exist")]
    UnknownProduct(ProductId),
    #[error("this order does not exist")]
    UnknownOrder,
    #[error("this idempotency key was used for another order")]
    KeyReused,
    #[error("product {product_id} could not be priced")]
    Price {
        product_id: ProductId,
        #[source]
        source: CallError,
    },
    #[error("the prices of this order do not add up")]
    Total(#[from] MoneyError),
    #[error("the stock could not be reserved")]
    Reserve(#[source] CallError),
    #[error("the order could not be stored or read")]
    Store(#[from] StoreError),
    #[error("the stock was gone before the order could be confirmed")]
    ReservationGone,
    #[error("the service is stopping")]
    Stopping,
}

/// A call to another service that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{service} {trouble}")]
pub(crate) struct CallError {
    pub(crate) service: &'static str,
    pub(crate) trouble: Trouble,
    #[source]
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

/// How a call failed, as far as our own caller is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("could not be reached")]
    Unreachable,
    /// It answered so: it is overloaded, about to stop, or lacks what it needs itself.
    #[error("cannot serve this for now")]
    Unavailable,
    #[error("was too slow")]
    TooSlow,
    #[error("answered with an error")]
    Failed,
}

// === impl OrderError ===

impl OrderError {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Invalid(_) | Self::UnknownProduct(_) | Self::UnknownOrder | Self::KeyReused => {
                Outcome::Invalid
            }
            // Not a failure: the order is there.
            Self::Store(StoreError::KeyTaken) => Outcome::Repeated,
            Self::Price { .. } | Self::Total(_) | Self::Reserve(_) | Self::Store(_) => {
                Outcome::Failed
            }
            Self::ReservationGone | Self::Stopping => Outcome::Failed,
        }
    }

    /// `error.type`: what failed, from a short list.
    fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::UnknownProduct(_) => "unknown_product",
            Self::UnknownOrder => "unknown_order",
            Self::KeyReused => "key_reused",
            Self::Price { source, .. } | Self::Reserve(source) => source.trouble.kind(),
            Self::Total(_) => "total",
            Self::Store(_) => "store",
            Self::ReservationGone => "reservation_gone",
            Self::Stopping => "stopping",
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::UnknownProduct(_) | Self::UnknownOrder => Code::NotFound,
            Self::KeyReused => Code::FailedPrecondition,
            Self::Price { source, .. } | Self::Reserve(source) => source.trouble.code(),
            // Overload passes: the client may come again.
            Self::Store(StoreError::Database(sqlx::Error::PoolTimedOut))
            | Self::ReservationGone
            | Self::Stopping => Code::Unavailable,
            Self::Total(_) | Self::Store(_) => Code::Internal,
        }
    }
}

/// The client learns which step failed and how, never the causes below: those are for the log.
impl From<&OrderError> for Status {
    fn from(error: &OrderError) -> Self {
        let message = match error {
            OrderError::Price { source, .. } | OrderError::Reserve(source) => {
                format!("{error}: {source}")
            }
            _ => error.to_string(),
        };
        Self::new(error.code(), message)
    }
}

// === impl CallError ===

impl CallError {
    /// The failed call of a gRPC service.
    pub(crate) fn grpc(service: &'static str, status: Status) -> Self {
        let trouble = match status.code() {
            Code::DeadlineExceeded => Trouble::TooSlow,
            // A status of the server has no source: this is the connection, whatever code tonic gave it.
            _ if std::error::Error::source(&status).is_some() => Trouble::Unreachable,
            Code::Unavailable | Code::ResourceExhausted => Trouble::Unavailable,
            _ => Trouble::Failed,
        };
        Self {
            service,
            trouble,
            source: Box::new(status),
        }
    }
}

/// Marks the span of a step that failed. What the caller did wrong is no failure of ours.
pub(crate) fn mark(span: &Span, error: &OrderError) {
    if error.outcome() == Outcome::Failed {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", Status::from(error).message());
        span.record("error.type", error.kind());
    }
}

// === impl Trouble ===

impl Trouble {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::TooSlow => "timeout",
            Self::Failed => "dependency_error",
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Unreachable | Self::Unavailable => Code::Unavailable,
            Self::TooSlow => Code::DeadlineExceeded,
            Self::Failed => Code::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(trouble: Trouble) -> CallError {
        let source = "10.0.0.7:8082 refused: secret".into();
        CallError {
            service: "inventory",
            trouble,
            source,
        }
    }

    #[test]
    fn each_error_has_its_code_and_outcome() {
        let product = || ProductId::parse("tea").unwrap();
        let priced = |trouble| OrderError::Price {
            product_id: product(),
            source: call(trouble),
        };
        let reserved = |trouble| OrderError::Reserve(call(trouble));
        let table = [
            (
                OrderError::Invalid(Invalid::Empty),
                Code::InvalidArgument,
                Outcome::Invalid,
            ),
            (
                OrderError::UnknownProduct(product()),
                Code::NotFound,
                Outcome::Invalid,
            ),
            (OrderError::UnknownOrder, Code::NotFound, Outcome::Invalid),
            (
                OrderError::KeyReused,
                Code::FailedPrecondition,
                Outcome::Invalid,
            ),
            (priced(Trouble::Failed), Code::Internal, Outcome::Failed),
            (
                priced(Trouble::TooSlow),
                Code::DeadlineExceeded,
                Outcome::Failed,
            ),
            (
                priced(Trouble::Unreachable),
                Code::Unavailable,
                Outcome::Failed,
            ),
            (reserved(Trouble::Failed), Code::Internal, Outcome::Failed),
            (
                reserved(Trouble::TooSlow),
                Code::DeadlineExceeded,
                Outcome::Failed,
            ),
            (
                reserved(Trouble::Unreachable),
                Code::Unavailable,
                Outcome::Failed,
            ),
            (
                OrderError::Total(MoneyError::Overflow),
                Code::Internal,
                Outcome::Failed,
            ),
            (
                OrderError::ReservationGone,
                Code::Unavailable,
                Outcome::Failed,
            ),
            (OrderError::Stopping, Code::Unavailable, Outcome::Failed),
            (
                OrderError::Store(StoreError::Database(sqlx::Error::PoolTimedOut)),
                Code::Unavailable,
                Outcome::Failed,
            ),
            (
                OrderError::Store(StoreError::Database(sqlx::Error::PoolClosed)),
                Code::Internal,
                Outcome::Failed,
            ),
        ];
        for (error, code, outcome) in table {
            assert_eq!(Status::from(&error).code(), code, "{error}");
            assert_eq!(error.outcome(), outcome, "{error}");
        }
    }

    #[test]
    fn who_answers_that_it_has_no_room_is_not_out_of_reach() {
        let told = |status| CallError::grpc("inventory", status).to_string();
        for code in [Code::Unavailable, Code::ResourceExhausted] {
            let answered = Status::new(code, "too many calls are being answered");
            assert_eq!(told(answered), "inventory cannot serve this for now");
        }
        let mut lost = Status::unavailable("tcp connect error");
        lost.set_source(std::sync::Arc::new(std::io::Error::other("refused")));
        assert_eq!(told(lost), "inventory could not be reached");
    }

    #[test]
    fn the_client_does_not_see_the_causes() {
        let status = Status::from(&OrderError::Reserve(call(Trouble::Unreachable)));
        let expected = "the stock could not be reserved: inventory could not be reached";
        assert_eq!(status.message(), expected);
    }
}
