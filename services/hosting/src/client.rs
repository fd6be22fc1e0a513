//! An HTTP client between services: pooled, instrumented, with a deadline.
//!
//! Deadline and size limit sit inside the instrumentation, so that a span tells what its caller was told:
//!
//! | error | `error.type` |
//! |---|---|
//! | [`Error::Unreachable`] | `connect`, or `other` for a connection that was lost |
//! | [`Error::TimedOut`] | `timeout`, also after the head: then the span has no status |
//! | [`Error::Broken`], [`Error::TooLarge`] | `body` |

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Once, once};
use http::{Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use otel_tower::http::{ClientLayer, UrlTemplate};
use otel_tower::{BoxError, Instrumentation};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt};

/// How long a connection may take. All services are near: what does not connect at once is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Less than the servers give an idle connection, so that a request does not meet one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// A client of other services. A clone shares the connections.
#[derive(Clone)]
pub struct Client {
    transport: <ClientLayer as Layer<Exchange>>::Service,
    timeout: Duration,
}

/// The way to an answer, all of it.
#[derive(Clone)]
struct Exchange {
    pool: Pool<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

/// The body of an answer, read to its end or to where it broke off.
type Read = StreamBody<Once<Ready<Result<Frame<Bytes>, BoxError>>>>;

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
        Self::instrumented(&Instrumentation::global(), timeout)
    }

    fn instrumented(instrumentation: &Instrumentation, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self {
            transport: ClientLayer::new(instrumentation).layer(Exchange { pool, timeout }),
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
        let mut request = request.map(Full::from);
        request.extensions_mut().insert(UrlTemplate(template));
        let response = self.transport.clone().oneshot(request).await;
        let (head, body) = response
            .map_err(|error| self.no_answer(error))?
            .into_parts();
        match body.collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
            Err(error) => Err(Error::Broken(error)),
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

// === impl Exchange ===

impl Service<Request<Full<Bytes>>> for Exchange {
    type Response = Response<Read>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::poll_ready(&mut self.pool, cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let answer = self.pool.request(request);
        let whole = async {
            let (head, body) = answer.await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let read = body.map(|body| Frame::data(body.to_bytes()));
            let body = StreamBody::new(once(ready(read)));
            Ok(Response::from_parts(head, body))
        };
        let whole = timeout(self.timeout, whole);
        Box::pin(async { whole.await? })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::metrics::noop::NoopMeterProvider;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What the caller and the span are told of a server that answers so and then, if it is to, holds the connection.
    async fn told(answer: String, is_held: bool) -> (Error, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        telemetry::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            // Its reader may have had enough.
            stream.write_all(answer.as_bytes()).await.ok();
            if is_held {
                std::future::pending::<()>().await;
            }
        });
        let spans = InMemorySpanExporter::default();
        let tracers = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let propagator = TraceContextPropagator::new();
        let instrumentation = Instrumentation::new(&tracers, &NoopMeterProvider::new(), propagator);
        let limit = Duration::from_millis(if is_held { 200 } else { 20_000 });
        let client = Client::instrumented(&instrumentation, limit);
        let error = client.get(uri.parse().unwrap(), "/").await.unwrap_err();
        let spans = spans.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 1);
        let attributes = spans[0].attributes.iter();
        let of_the_end = |pair: &&KeyValue| {
            ["error.type", "http.response.status_code"].contains(&pair.key.as_str())
        };
        let pairs = attributes.filter(of_the_end);
        let mut pairs: Vec<_> = pairs.map(|pair| pair.value.to_string()).collect();
        pairs.sort();
        (error, pairs)
    }

    #[tokio::test]
    async fn a_span_tells_of_an_answer_that_was_not_read_what_the_caller_is_told() {
        let head = |length| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let (error, span) = told(head(10) + "part", true).await;
        assert!(matches!(error, Error::TimedOut(_)), "{error}");
        assert_eq!(span, ["timeout"]);

        let (error, span) = told(head(10) + "part", false).await;
        assert!(matches!(error, Error::Broken(_)), "{error}");
        assert_eq!(span, ["200", "body"]);

        let much = MAX_ANSWER + 1;
        let (error, span) = told(head(much) + &"x".repeat(much), false).await;
        assert!(matches!(error, Error::TooLarge), "{error}");
        assert_eq!(span, ["200", "body"]);
    }
}
