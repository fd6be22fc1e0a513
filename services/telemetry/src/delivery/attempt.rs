//! One request to the Collector.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub(super) type Transport = Client<HttpConnector, Full<Bytes>>;

/// An answer is a few bytes; more comes from something that is no Collector.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Why an attempt did not deliver.
#[derive(Debug)]
pub(super) enum Failure {
    /// Answered with a status that is no success.
    Status(Response<Bytes>),
    /// Not answered in time.
    Timeout,
    /// No connection, or a broken one.
    Connection(String),
}

pub(super) fn transport() -> Transport {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Sends `request` once and reads the whole answer, within `limit`.
pub(super) async fn attempt(
    transport: &Transport,
    request: Request<Bytes>,
    limit: Duration,
) -> Result<Response<Bytes>, Failure> {
    let exchange = async {
        let answer = transport
            .request(request.map(Full::new))
            .await
            .map_err(|error| Failure::Connection(chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| Failure::Connection(error.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let answer = tokio::time::timeout(limit, exchange)
        .await
        .map_err(|_| Failure::Timeout)??;
    if answer.status().is_success() {
        Ok(answer)
    } else {
        Err(Failure::Status(answer))
    }
}

impl Failure {
    /// The value of `error.type`.
    pub(super) fn error_type(&self) -> String {
        match self {
            Self::Status(answer) => answer.status().as_str().to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Connection(_) => "connection".to_owned(),
        }
    }

    /// Whether the OTLP specification lets the same request be sent again.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Status(answer) => matches!(
                answer.status(),
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            Self::Timeout | Self::Connection(_) => true,
        }
    }

    /// The pause the Collector asks for. Its form as a date is not read: the usual pause is taken then.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let Self::Status(answer) = self else {
            return None;
        };
        let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }
}

/// An error with its causes: hyper's own text ends at "client error (Connect)".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
