use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use http_body::Body;
use opentelemetry::trace::{SpanBuilder, SpanKind};
use opentelemetry::{Context as OtelContext, KeyValue};
use tower::Service;

use super::call::{ClientCall, Metrics, Target};
use crate::address::{clipped, default_port, host_and_port, scheme};
use crate::call::{Guard, ResponseBody, ResponseFuture};
use crate::http::message::{known_method, span_name};
use crate::{BoxError, Instrumentation, names, propagation};

/// The template of the URL a request goes to, as a request extension: `url.template`, and the second
/// half of the span name. Without it the span is named by the method alone.
///
/// ```
/// let request = http::Request::get("http://127.0.0.1:8081/products/espresso")
///     .extension(otel_tower::http::UrlTemplate("/products/{id}"))
///     .body(())?;
/// # let _ = request;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlTemplate(pub &'static str);

/// An HTTP client behind a [`ClientLayer`](super::ClientLayer).
#[derive(Clone, Debug)]
pub struct Client<S> {
    pub(super) inner: S,
    pub(super) instrumentation: Instrumentation,
    pub(super) metrics: Arc<Metrics>,
}

impl<S, B, RB> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    RB: Body,
{
    type Response = Response<ResponseBody<RB, ClientCall>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, ClientCall>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let target = target(&request);
        let span = SpanBuilder::from_name(span_name(target.method, target.template))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes(&request, &target));
        // Not within `map_current`: a sampler or span processor that attaches a context would panic there.
        let context = self.instrumentation.start(span, &OtelContext::current());
        propagation::inject(&self.instrumentation, &context, request.headers_mut());

        let active = self.metrics.active(&target);
        let call = ClientCall {
            metrics: Arc::clone(&self.metrics),
            target,
            version: None,
            status: None,
        };
        let guard = Guard::start(context, active, call);
        ResponseFuture::start(guard, || self.inner.call(request))
    }
}

fn target<B>(request: &Request<B>) -> Target {
    let (address, port) = match request.uri().authority() {
        Some(authority) => host_and_port(authority),
        None => (String::new(), None),
    };
    Target {
        method: known_method(request.method()).unwrap_or(names::OTHER),
        template: request
            .extensions()
            .get()
            .map(|UrlTemplate(template)| *template),
        address,
        port: port.unwrap_or_else(|| default_port(scheme(request.uri()))),
    }
}

fn attributes<B>(request: &Request<B>, target: &Target) -> Vec<KeyValue> {
    let mut attributes = target.attributes();
    attributes.push(KeyValue::new(names::URL_FULL, redacted(request.uri())));
    if target.method == names::OTHER {
        let original = clipped(request.method().as_str());
        attributes.push(KeyValue::new(names::HTTP_REQUEST_METHOD_ORIGINAL, original));
    }
    attributes
}

/// The URL without what may be secret: the credentials and the query are replaced, never copied.
fn redacted(uri: &Uri) -> String {
    let mut url = String::new();
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        url.push_str(scheme);
        url.push_str("://");
        match authority.as_str().rsplit_once('@') {
            Some((_, host)) => {
                url.push_str("REDACTED:REDACTED@");
                url.push_str(host);
            }
            None => url.push_str(authority.as_str()),
        }
    }
    url.push_str(uri.path());
    if uri.query().is_some() {
        url.push_str("?REDACTED");
    }
    clipped(&url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_query_never_reach_the_span() {
        let check = |uri: &'static str, expected| {
            assert_eq!(redacted(&Uri::from_static(uri)), expected);
        };
        check("http://shop.example/a/b", "http://shop.example/a/b");
        check(
            "https://user:secret@shop.example:8443/a?token=secret",
            "https://REDACTED:REDACTED@shop.example:8443/a?REDACTED",
        );
        check("/relative?token=secret", "/relative?REDACTED");
    }
}
