//! An HTTP client between services: pooled, instrumented, with a deadline.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use otel_tower::http::{ClientLayer, UrlTemplate};
use otel_tower::{BoxError, Instrumentation};
use tokio::time::{Instant, timeout_at};
use tower::timeout::{Timeout, error::Elapsed};
use tower::{Layer, ServiceExt};

/// How long a connection may take. All services are near: what does not connect at once is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Less than the servers give an idle connection, so that a request does not meet one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;

// The timeout is inside, so that the span ends with it as its error and not as cancelled.
type Transport = <ClientLayer as Layer<Timeout<Pool<HttpConnector, Full<Bytes>>>>>::Service;

/// A client of other services. A clone shares the connections.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    timeout: Duration,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the service could not be reached")]
    Unreachable(#[source] BoxError),
    #[error("the service did not answer within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
    #[error("the answer broke off")]
    Broken(#[source] BoxError),
    #[error("the answer is larger than {MAX_ANSWER} bytes")]
    TooLarge,
}

impl Client {
    /// `timeout` bounds each request, from its start to the last byte of the answer.
    pub fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self {
            transport: ClientLayer::new(&Instrumentation::global())
                .layer(Timeout::new(pool, timeout)),
            timeout,
        }
    }

    /// `GET uri`; `template` is its path with placeholders, as in the name of the span: `/products/{id}`.
    ///
    /// # Errors
    /// There was no whole answer. An answer of any status is `Ok`.
    pub async fn get(&self, uri: Uri, template: &'static str) -> Result<Response<Bytes>, Error> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        self.send(request, template).await
    }

    /// Sends `request`; see [`Client::get`].
    ///
    /// # Errors
    /// There was no whole answer. An answer of any status is `Ok`.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        template: &'static str,
    ) -> Result<Response<Bytes>, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut request = request.map(Full::from);
        request.extensions_mut().insert(UrlTemplate(template));
        let response = self.transport.clone().oneshot(request).await;
        let (head, body) = response
            .map_err(|error| self.no_answer(error))?
            .into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect();
        match timeout_at(deadline, body).await {
            Ok(Ok(body)) => Ok(Response::from_parts(head, body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
            Ok(Err(error)) => Err(Error::Broken(error)),
            Err(_) => Err(Error::TimedOut(self.timeout)),
        }
    }

    fn no_answer(&self, error: BoxError) -> Error {
        if error.is::<Elapsed>() {
            Error::TimedOut(self.timeout)
        } else {
            Error::Unreachable(error)
        }
    }
}
