//! One request, from its first byte to the last of the answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, LOCATION};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Of a body that is read rather than counted.
const MAX_BODY: usize = 1024 * 1024;

/// Sends requests over as many connections as are needed at once, and keeps those that are idle.
#[derive(Debug, Clone)]
pub struct Client {
    inner: HyperClient<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// From `traceresponse`.
    pub trace_id: Option<String>,
    /// Where an order that was placed is.
    pub location: Option<String>,
}

/// Why there is no answer, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection.
    Connect,
    /// No whole answer in time.
    Timeout,
    /// The connection ended, or what it carried was not HTTP.
    Broken,
    /// The run was ended before the answer came: no fault of the shop.
    CutOff,
    /// Not sent, because too many requests were in flight.
    Shed,
}

impl Failure {
    /// In the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::CutOff => "cut off",
            Self::Shed => "shed",
        }
    }
}

impl Client {
    /// `timeout` is for a whole request, connecting and reading included.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        let inner = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { inner, timeout }
    }

    /// The answer, when all of it has arrived.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let whole = async {
            let response = self.inner.request(request).await;
            let response = response.map_err(|error| match error.is_connect() {
                true => Failure::Connect,
                false => Failure::Broken,
            })?;
            let (head, mut body) = response.into_parts();
            // Dropped as it comes: a large answer costs no memory here.
            while let Some(frame) = body.frame().await {
                frame.map_err(|_| Failure::Broken)?;
            }
            Ok(Answer {
                status: head.status.as_u16(),
                trace_id: trace_id(&head.headers),
                location: text(&head.headers, LOCATION.as_str()),
            })
        };
        let timed = tokio::time::timeout(self.timeout, whole).await;
        timed.unwrap_or(Err(Failure::Timeout))
    }

    /// A document to read, outside the figures.
    pub(crate) async fn get(&self, uri: Uri) -> anyhow::Result<(StatusCode, Bytes)> {
        let whole = async {
            let response = self.inner.get(uri).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(self.timeout, whole).await?
    }
}

fn trace_id(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, "traceresponse")?;
    let id = value.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_a_whole_trace_id_is_kept() {
        let read = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            let name = http::HeaderName::from_static("traceresponse");
            trace_id(&HeaderMap::from_iter([(name, value)]))
        };
        let id = "0af7651916cd43dd8448eb211c80319c";
        let whole = format!("00-{id}-b7ad6b7169203331-01");
        assert_eq!(read(&whole).as_deref(), Some(id));
        for broken in ["", "00", "00-short-b7ad6b7169203331-01"] {
            assert_eq!(read(broken), None);
        }
        assert_eq!(trace_id(&HeaderMap::new()), None);
    }
}
