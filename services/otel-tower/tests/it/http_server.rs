use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioExecutor;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, SpanId, TraceId};
use otel_tower::http::{ServerLayer, route};
use tower::{Layer, ServiceExt, service_fn};
use warp::Filter;
use warp::filters::BoxedFilter;

use crate::servers::{fetch, get, warp_server};
use crate::telemetry::{Telemetry, attributes, is_error};

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn routes() -> BoxedFilter<(warp::reply::Response,)> {
    let product = warp::path!("products" / u64)
        .and(warp::get())
        .and(route("/products/{id}"))
        .map(|id: u64| {
            let status = StatusCode::from_u16(id as u16).unwrap();
            let mut response = Response::new("a product".into());
            *response.status_mut() = status;
            response
        });
    let rejected = warp::path!("twice")
        .and(route("/first"))
        .and(warp::header::<String>("x-absent"))
        .map(|_| Response::new("first".into()));
    let second = warp::path!("twice")
        .and(route("/second"))
        .map(|| Response::new("second".into()));
    product.or(rejected).unify().or(second).unify().boxed()
}

/// One request to the routes above: its span and its duration.
async fn check(telemetry: &Telemetry, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let server = warp_server(ServerLayer::new(&telemetry.instrumentation), routes()).await;
    let (mut parts, body) = request.into_parts();
    parts.uri = server.url(&parts.uri.to_string()).parse().unwrap();
    fetch(Request::from_parts(parts, body)).await
}

#[tokio::test]
async fn a_request_gives_a_span_and_a_duration_with_the_route() {
    let telemetry = Telemetry::new();
    let mut request = get("/products/200?token=secret");
    let headers = request.headers_mut();
    headers.insert("user-agent", "a browser".parse().unwrap());
    headers.insert("authorization", "secret".parse().unwrap());
    let response = check(&telemetry, request).await;
    assert!(!response.headers().contains_key("traceresponse"));

    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.name, "GET /products/{id}");
    assert!(!is_error(&span));
    let mut found = attributes(&span);
    assert!(found.remove("server.port").unwrap().starts_with("i:"));
    assert!(found.remove("network.peer.port").unwrap().starts_with("i:"));
    let expected = [
        ("client.address", "127.0.0.1"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "i:200"),
        ("http.route", "/products/{id}"),
        ("network.peer.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("url.path", "/products/200"),
        ("url.scheme", "http"),
        ("user_agent.original", "a browser"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(found, expected.into_iter().collect());
    assert!(!format!("{span:?}").contains("secret"));
    assert_eq!(span.instrumentation_scope.name(), "otel-tower");

    let point = telemetry.settled(DURATION, ACTIVE).await;
    point.assert(&[
        ("http.request.method", "GET"),
        ("http.response.status_code", "i:200"),
        ("http.route", "/products/{id}"),
        ("network.protocol.version", "1.1"),
        ("url.scheme", "http"),
    ]);
    telemetry.points(ACTIVE)[0].assert(&[("http.request.method", "GET"), ("url.scheme", "http")]);
}

#[tokio::test]
async fn a_5xx_is_an_error_and_a_4xx_is_none() {
    for (status, error) in [
        (404, None),
        (499, None),
        (500, Some("500")),
        (503, Some("503")),
    ] {
        let telemetry = Telemetry::new();
        check(&telemetry, get(&format!("/products/{status}"))).await;
        let span = telemetry.span(SpanKind::Server).await;
        assert_eq!(is_error(&span), error.is_some(), "{status}");
        assert_eq!(
            attributes(&span).get("error.type").map(String::as_str),
            error
        );
        let point = telemetry.settled(DURATION, ACTIVE).await;
        assert_eq!(
            point.attributes.get("error.type").map(String::as_str),
            error
        );
    }
}

#[tokio::test]
async fn what_no_route_matches_is_named_by_its_method_and_has_no_route() {
    let telemetry = Telemetry::new();
    let response = check(&telemetry, get("/nowhere")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.name, "GET");
    assert_eq!(attributes(&span).get("http.route"), None);
    let point = telemetry.settled(DURATION, ACTIVE).await;
    assert_eq!(point.attributes.get("http.route"), None);
}

#[tokio::test]
async fn a_later_match_in_an_or_chain_overwrites_the_route_of_one_that_rejected() {
    let telemetry = Telemetry::new();
    check(&telemetry, get("/twice")).await;
    assert_eq!(telemetry.span(SpanKind::Server).await.name, "GET /second");
}

#[tokio::test]
async fn an_unknown_method_cannot_make_a_series() {
    let telemetry = Telemetry::new();
    let mut request = get("/products/200");
    *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
    check(&telemetry, request).await;
    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.name, "HTTP");
    let found = attributes(&span);
    assert_eq!(found["http.request.method"], "_OTHER");
    assert_eq!(found["http.request.method_original"], "BREW");
    let point = telemetry.settled(DURATION, ACTIVE).await;
    assert_eq!(point.attributes["http.request.method"], "_OTHER");
    assert!(
        !point
            .attributes
            .contains_key("http.request.method_original")
    );
}

#[tokio::test]
async fn the_answer_to_head_ends_although_its_body_is_never_read() {
    let telemetry = Telemetry::new();
    let any = warp::any().map(|| Response::new("a body".into())).boxed();
    let layer = ServerLayer::new(&telemetry.instrumentation);
    let server = warp_server::<warp::reply::Response>(layer, any).await;
    let mut request = get(&server.url("/"));
    *request.method_mut() = Method::HEAD;
    fetch(request).await;
    assert!(!is_error(&telemetry.span(SpanKind::Server).await));
    telemetry.settled(DURATION, ACTIVE).await;
}

type Current = (TraceId, SpanId, Option<String>);

/// The span and the baggage that are current.
fn current() -> Current {
    Context::map_current(|cx| {
        let span = cx.span().span_context().clone();
        let fault = cx.baggage().get("shop.fault").map(ToString::to_string);
        (span.trace_id(), span.span_id(), fault)
    })
}

#[tokio::test]
async fn inside_the_service_and_its_body_the_span_and_the_callers_baggage_are_current() {
    let telemetry = Telemetry::new();
    let seen: Arc<Mutex<Vec<Current>>> = Arc::default();
    let look = {
        let seen = Arc::clone(&seen);
        move || seen.lock().unwrap().push(current())
    };
    let service = service_fn(move |_: Request<()>| {
        let look = look.clone();
        async move {
            look();
            tokio::task::yield_now().await;
            look();
            let body = Full::new(Bytes::from_static(b"body")).map_frame(move |frame| {
                look();
                frame
            });
            Ok::<_, Infallible>(Response::new(body))
        }
    });
    let request = Request::get("/")
        .header("traceparent", PARENT)
        .header("baggage", "shop.fault=long-request")
        .body(())
        .unwrap();
    let layer = ServerLayer::new(&telemetry.instrumentation);
    let response = layer.layer(service).oneshot(request).await.unwrap();
    assert_eq!(current().0, TraceId::INVALID, "left behind on the thread");
    response.into_body().collect().await.unwrap();

    let span = telemetry.span(SpanKind::Server).await;
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert!(span.parent_span_is_remote);
    let trace_id = TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
    let expected = (
        trace_id,
        span.span_context.span_id(),
        Some("long-request".to_owned()),
    );
    assert_eq!(*seen.lock().unwrap(), vec![expected; 3]);
}

#[tokio::test]
async fn what_a_cancelled_service_does_while_it_is_dropped_belongs_to_its_span() {
    struct OnDrop(Arc<Mutex<Vec<Current>>>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(current());
        }
    }

    let telemetry = Telemetry::new();
    let seen: Arc<Mutex<Vec<Current>>> = Arc::default();
    let held = Arc::clone(&seen);
    let service = service_fn(move |_: Request<()>| {
        let held = OnDrop(Arc::clone(&held));
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let layer = ServerLayer::new(&telemetry.instrumentation);
    let call = layer.layer(service).oneshot(Request::new(()));
    let mut call = Box::pin(call);
    assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    drop(call);
    let span = telemetry.span(SpanKind::Server).await;
    let ids = (span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(*seen.lock().unwrap(), [(ids.0, ids.1, None)]);
}

#[tokio::test]
async fn over_http_2_version_and_authority_are_recorded() {
    let telemetry = Telemetry::new();
    let server = warp_server(ServerLayer::new(&telemetry.instrumentation), routes()).await;
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let client = builder.http2_only(true).build_http();
    let response = client.request(get(&server.url("/products/200"))).await;
    response.unwrap().into_body().collect().await.unwrap();
    let found = attributes(&telemetry.span(SpanKind::Server).await);
    assert_eq!(found["network.protocol.version"], "2");
    assert_eq!(found["server.address"], "127.0.0.1");
    assert_eq!(found["server.port"], format!("i:{}", server.address.port()));
    telemetry.settled(DURATION, ACTIVE).await;
}
