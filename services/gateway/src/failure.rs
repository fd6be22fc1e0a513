//! Why a request did not get what it asked for, and the one place that says what that is over HTTP.

use std::time::Duration;

use hosting::problem::Problem;
use http::StatusCode;
use serde::Serialize;
use tonic::{Code, Status};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// When a client may try again after a dependency was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request cannot be understood.
    #[error("{0}")]
    Malformed(String),
    #[error("the body must be application/json")]
    MediaType,
    /// The request is understood, and no such order can be placed.
    #[error("{0}")]
    Unprocessable(String),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("there is not enough stock")]
    OutOfStock(Vec<Shortage>),
    #[error("faults are switched off here: start every service with SHOP_FAULTS=on")]
    FaultsOff,
    #[error("{service} {trouble}")]
    Upstream {
        service: &'static str,
        trouble: Trouble,
        #[source]
        source: Cause,
    },
}

/// How a dependency failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("answered with an error")]
    Failed,
    #[error("could not be reached")]
    Unreachable,
    /// It answered so: it is overloaded, about to stop, or lacks what it needs itself.
    #[error("cannot serve this for now")]
    Unavailable,
    #[error("was too slow")]
    TooSlow,
}

/// Too little of one product.
#[derive(Debug, Serialize)]
pub(crate) struct Shortage {
    pub(crate) product_id: String,
    pub(crate) requested: i64,
    pub(crate) available: i64,
}

impl Failure {
    /// What a gRPC status of `service` means for our caller.
    ///
    /// | code | HTTP |
    /// |---|---|
    /// | INVALID_ARGUMENT, FAILED_PRECONDITION | 422 |
    /// | NOT_FOUND | 404; [`Failure::placing`] makes it 422 |
    /// | UNAVAILABLE, RESOURCE_EXHAUSTED | 503 |
    /// | DEADLINE_EXCEEDED | 504 |
    /// | any other | 502 |
    pub(crate) fn grpc(service: &'static str, status: Status) -> Self {
        let trouble = match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition => {
                return Self::Unprocessable(status.message().to_owned());
            }
            Code::NotFound => return Self::NotFound(service),
            Code::DeadlineExceeded => Trouble::TooSlow,
            // A status of the server has no source: this is the connection, whatever code tonic gave it.
            _ if std::error::Error::source(&status).is_some() => Trouble::Unreachable,
            Code::Unavailable | Code::ResourceExhausted => Trouble::Unavailable,
            _ => Trouble::Failed,
        };
        Self::Upstream {
            service,
            trouble,
            source: Box::new(status),
        }
    }

    /// [`Failure::grpc`] of order for PlaceOrder: what was not found there is a product inside the request, not the resource.
    pub(crate) fn placing(status: Status) -> Self {
        match status.code() {
            Code::NotFound => Self::Unprocessable(status.message().to_owned()),
            _ => Self::grpc("order", status),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::OutOfStock(_) => StatusCode::CONFLICT,
            Self::FaultsOff => StatusCode::FORBIDDEN,
            Self::Upstream { trouble, .. } => match trouble {
                Trouble::Failed => StatusCode::BAD_GATEWAY,
                Trouble::Unreachable | Trouble::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                Trouble::TooSlow => StatusCode::GATEWAY_TIMEOUT,
            },
        }
    }

    /// The answer. It says which step failed and how; the causes below stay in the log.
    pub(crate) fn problem(&self) -> Problem {
        let problem = Problem::new(self.status()).detail(sentence(&self.to_string()));
        match self {
            Self::OutOfStock(shortages) => {
                // A list of plain structs has no way to fail.
                problem.with(
                    "shortages",
                    serde_json::to_value(shortages).unwrap_or_default(),
                )
            }
            Self::Upstream {
                trouble: Trouble::Unreachable | Trouble::Unavailable,
                ..
            } => problem.retry_after(RETRY_AFTER),
            _ => problem,
        }
    }
}

/// Errors are fragments; a detail is read by people.
fn sentence(fragment: &str) -> String {
    let mut letters = fragment.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let mut text: String = first.chain(letters).collect();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grpc_code_has_its_http_status() {
        let table = [
            (Code::InvalidArgument, 422, 422),
            (Code::FailedPrecondition, 422, 422),
            (Code::NotFound, 404, 422),
            (Code::Internal, 502, 502),
            (Code::Unknown, 502, 502),
            (Code::Cancelled, 502, 502),
            (Code::Unimplemented, 502, 502),
            (Code::Unauthenticated, 502, 502),
            (Code::Unavailable, 503, 503),
            (Code::ResourceExhausted, 503, 503),
            (Code::DeadlineExceeded, 504, 504),
        ];
        for (code, reading, placing) in table {
            let status = || Status::new(code, "as order says");
            assert_eq!(
                Failure::grpc("order", status()).status(),
                reading,
                "{code:?}"
            );
            assert_eq!(Failure::placing(status()).status(), placing, "{code:?}");
        }
    }

    #[test]
    fn who_answers_that_it_has_no_room_is_not_out_of_reach() {
        let answered = Status::unavailable("too many calls are being answered");
        let told = Failure::grpc("order", answered).to_string();
        assert_eq!(told, "order cannot serve this for now");
    }

    #[test]
    fn the_client_does_not_see_the_causes() {
        let source = "tcp connect error to 10.0.0.7".into();
        let failure = Failure::Upstream {
            service: "order",
            trouble: Trouble::Unreachable,
            source,
        };
        let answer = serde_json::to_value(failure.problem()).unwrap();
        assert_eq!(answer["status"], 503);
        assert_eq!(answer["detail"], "Order could not be reached.");
    }
}
