//! Why a call fails, and what gRPC calls it.

use tonic::Status;

use crate::reservation::InvalidRequest;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    #[error("the order holds a reservation of other lines")]
    OtherLines,
    #[error("the reservation was released")]
    Released,
    #[error("the reservation is confirmed")]
    Confirmed,
    #[error("the order never held a reservation")]
    Unknown,
    #[error("too many reservations are being made")]
    Overloaded,
    #[error("the stock cannot be read or changed")]
    Store(#[from] sqlx::Error),
}

impl Error {
    /// True if it is ours and not the caller's.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// The one mapping to gRPC. The text of an inner error stays inside: it is in the log.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::invalid_argument(text),
            Error::OtherLines | Error::Confirmed => Self::failed_precondition(text),
            Error::Released => Self::aborted(text),
            Error::Unknown => Self::not_found(text),
            // Not UNAVAILABLE, which is also a lost connection: who hears this knows that nothing is held.
            Error::Overloaded => Self::resource_exhausted(text),
            Error::Store(sqlx::Error::PoolTimedOut) => Self::unavailable("the stock is overloaded"),
            Error::Store(_) => Self::internal(text),
        }
    }
}
