//! gRPC over plain HTTP/2, so that a test can also send what no generated client would.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prost::Message;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    /// The number in `grpc-status`; `None` if the answer is none of gRPC.
    pub(crate) status: Option<i32>,
    pub(crate) text: String,
    message: Bytes,
}

pub(crate) const OK: i32 = 0;
pub(crate) const INVALID_ARGUMENT: i32 = 3;
pub(crate) const NOT_FOUND: i32 = 5;
pub(crate) const RESOURCE_EXHAUSTED: i32 = 8;
pub(crate) const OUT_OF_RANGE: i32 = 11;
pub(crate) const UNIMPLEMENTED: i32 = 12;
pub(crate) const INTERNAL: i32 = 13;

impl Answer {
    #[track_caller]
    pub(crate) fn decode<T: Message + Default>(&self) -> T {
        assert_eq!(self.status, Some(OK), "{self:?}");
        T::decode(&self.message[5..]).unwrap()
    }
}

/// A message in its frame.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    frame.extend(message.encode_to_vec());
    frame.into()
}

/// One call. An error when the connection is closed without an answer.
pub(crate) async fn call(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Answer, String> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let mut request = Request::post(format!("http://{address}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(body)).unwrap()).await;
    let (head, body) = response.map_err(|error| format!("{error:?}"))?.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let field = |name: &str| {
        let value = trailers.get(name).or_else(|| head.headers.get(name))?;
        value.to_str().ok().map(str::to_owned)
    };
    Ok(Answer {
        http: head.status.as_u16(),
        status: field("grpc-status").and_then(|text| text.parse().ok()),
        text: field("grpc-message").unwrap_or_default(),
        message: body.to_bytes(),
    })
}
