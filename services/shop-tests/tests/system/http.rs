//! Requests to the gateway, and raw bytes where a client would refuse to send them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::{Value as Json, json};

/// Longer than any limit of the shop: an answer after it is a defect.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// `null` if it is not JSON.
    pub(crate) body: Json,
    pub(crate) took: Duration,
}

pub(crate) fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    client.build().unwrap()
}

pub(crate) fn basket(product: &str, quantity: i64) -> Json {
    json!({"items": [{"product_id": product, "quantity": quantity}]})
}

impl Reply {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.unwrap()
    }

    /// An error when there was no whole answer.
    pub(crate) async fn try_of(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        let started = Instant::now();
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        Ok(Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            took: started.elapsed(),
        })
    }

    /// The trace of this request, by the header that every response has.
    #[track_caller]
    pub(crate) fn trace_id(&self) -> String {
        let header = self.headers["traceresponse"].to_str().unwrap();
        let id = header.split('-').nth(1).unwrap();
        if let Some(of_body) = self.body.get("trace_id") {
            assert_eq!(of_body, id, "body and header name different traces");
        }
        id.to_owned()
    }

    /// A problem as the API documents it.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let media = &self.headers["content-type"];
        assert_eq!(media, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert!(self.body["title"].is_string(), "{self:?}");
        assert!(self.body["trace_id"].is_string(), "{self:?}");
    }
}

/// Sends bytes as they are and reads until the other end closes; what came back, as text.
pub(crate) fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = raw_sent(address, request);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    // Closed with unread bytes, a connection is reset after its answer.
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes as they are; dropped, the connection is closed.
pub(crate) fn raw_sent(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    // A server may answer and close before it has read all of a request that it rejects.
    stream.write_all(request.as_bytes()).ok();
    stream
}

/// The status in a raw answer; 0 if the connection was closed without one.
pub(crate) fn raw_status(answer: &str) -> u16 {
    let rest = answer.strip_prefix("HTTP/1.1 ");
    rest.map_or(0, |rest| rest[..3].parse().unwrap())
}

/// The trace id of a raw answer; `None` if the HTTP parser answered.
pub(crate) fn raw_trace_id(answer: &str) -> Option<String> {
    let (_, after) = answer.split_once("traceresponse: ")?;
    after.split('-').nth(1).map(str::to_owned)
}
