use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use otel_tower::http::{ClientLayer, Edge, PublicEdge, ServerLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::servers::{fetch, get, warp_server};
use crate::telemetry::Telemetry;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Served {
    telemetry: Telemetry,
    span: SpanData,
    traceresponse: Option<String>,
    /// What the handler saw.
    baggage: Vec<(String, String)>,
    /// What a client inside the handler sends on.
    passed_on: Option<String>,
}

/// One request with these headers through a server with that edge.
async fn serve(edge: Edge, headers: &[(&str, &str)]) -> Served {
    let telemetry = Telemetry::new();
    let baggage = Arc::new(Mutex::new(Vec::new()));
    let passed_on = Arc::new(Mutex::new(None));
    let next_hop = service_fn({
        let passed_on = Arc::clone(&passed_on);
        move |request: Request<()>| {
            let header = request.headers().get("baggage");
            *passed_on.lock().unwrap() = header.map(|value| value.to_str().unwrap().to_owned());
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        }
    });
    let client = ClientLayer::new(&telemetry.instrumentation).layer(next_hop);
    let service = service_fn({
        let baggage = Arc::clone(&baggage);
        move |request: Request<()>| {
            Context::map_current(|cx| {
                let pairs = cx.baggage().iter();
                let pairs = pairs.map(|(key, (value, _))| (key.to_string(), value.to_string()));
                baggage.lock().unwrap().extend(pairs);
            });
            client.clone().oneshot(request)
        }
    });
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let layer = ServerLayer::new(&telemetry.instrumentation).edge(edge);
    let request = request.body(()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let header = response.headers().get("traceresponse");
    Served {
        traceresponse: header.map(|value| value.to_str().unwrap().to_owned()),
        span: telemetry.span(SpanKind::Server).await,
        baggage: Arc::try_unwrap(baggage).map_or_else(
            |shared| shared.lock().unwrap().clone(),
            |alone| alone.into_inner().unwrap(),
        ),
        passed_on: passed_on.lock().unwrap().take(),
        telemetry,
    }
}

fn public(edge: PublicEdge) -> Edge {
    Edge::Public(edge)
}

#[tokio::test]
async fn a_public_server_starts_a_new_trace_and_links_its_caller() {
    let headers = [
        ("traceparent", PARENT),
        ("baggage", "shop.fault=long-request"),
    ];
    let served = serve(public(PublicEdge::default()), &headers).await;
    let context = &served.span.span_context;
    assert_ne!(context.trace_id().to_string(), TRACE_ID);
    assert_eq!(served.span.parent_span_id.to_string(), "0".repeat(16));
    let [link] = served.span.links.links.as_slice() else {
        panic!("not one link: {:?}", served.span.links);
    };
    assert_eq!(link.span_context.trace_id().to_string(), TRACE_ID);
    assert_eq!(link.span_context.span_id().to_string(), SPAN_ID);
    assert_eq!(served.baggage, []);
    let expected = format!("00-{}-{}-01", context.trace_id(), context.span_id());
    assert_eq!(served.traceresponse, Some(expected));
}

#[tokio::test]
async fn a_public_server_that_trusts_its_caller_continues_the_trace_and_still_drops_baggage() {
    let edge = PublicEdge {
        trust_caller: true,
        ..PublicEdge::default()
    };
    let headers = [
        ("traceparent", PARENT),
        ("baggage", "shop.fault=long-request"),
    ];
    let served = serve(public(edge), &headers).await;
    assert_eq!(served.span.span_context.trace_id().to_string(), TRACE_ID);
    assert_eq!(served.span.parent_span_id.to_string(), SPAN_ID);
    assert!(served.span.links.links.is_empty());
    assert_eq!(served.baggage, []);
    assert!(
        served
            .traceresponse
            .unwrap()
            .starts_with(&format!("00-{TRACE_ID}-"))
    );
}

#[tokio::test]
async fn a_trusted_caller_without_a_trace_gets_a_new_one() {
    let edge = PublicEdge {
        trust_caller: true,
        ..PublicEdge::default()
    };
    let served = serve(public(edge), &[]).await;
    assert!(served.span.span_context.is_sampled());
    assert_eq!(served.span.parent_span_id.to_string(), "0000000000000000");
}

#[tokio::test]
async fn a_public_server_accepts_the_baggage_keys_of_its_list_only() {
    let edge = PublicEdge {
        baggage_allow: vec!["tenant".to_owned()],
        ..PublicEdge::default()
    };
    let served = serve(
        public(edge),
        &[("baggage", "tenant=a,shop.fault=long-request")],
    )
    .await;
    assert_eq!(served.baggage, [("tenant".to_owned(), "a".to_owned())]);
}

#[tokio::test]
async fn no_member_gets_past_the_list_inside_a_property() {
    let edge = PublicEdge {
        baggage_allow: vec!["tenant".to_owned()],
        ..PublicEdge::default()
    };
    let smuggled = "tenant=a;p=%2Cshop.fault%3Dinventory-timeout";
    let served = serve(public(edge), &[("baggage", smuggled)]).await;
    assert_eq!(served.passed_on.as_deref(), Some("tenant=a"));
}

#[tokio::test]
async fn a_property_costs_the_next_hop_no_baggage() {
    for property in ["%2Cb%3D2", "%0A", "%C3%A9", "%FF"] {
        let header = format!("tenant=a;p={property}");
        let served = serve(Edge::Internal, &[("baggage", &header)]).await;
        assert_eq!(served.passed_on.as_deref(), Some("tenant=a"), "{property}");
    }
}

#[tokio::test]
async fn a_public_server_without_a_caller_makes_a_root_without_links() {
    let served = serve(public(PublicEdge::default()), &[]).await;
    assert!(served.span.links.links.is_empty());
    assert!(served.traceresponse.is_some());
}

#[tokio::test]
async fn an_internal_server_continues_the_trace_and_accepts_all_baggage() {
    let headers = [
        ("traceparent", PARENT),
        ("baggage", "shop.fault=long-request"),
    ];
    let served = serve(Edge::Internal, &headers).await;
    assert_eq!(served.span.span_context.trace_id().to_string(), TRACE_ID);
    assert_eq!(served.span.parent_span_id.to_string(), SPAN_ID);
    assert_eq!(
        served.baggage,
        [("shop.fault".to_owned(), "long-request".to_owned())]
    );
    assert_eq!(served.traceresponse, None);
}

#[tokio::test]
async fn broken_context_is_ignored_and_counted_and_the_request_is_served() {
    let oversized = format!("key={}", "x".repeat(64 * 1024));
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("traceparent", &[("traceparent", "00-zz-zz-01")]),
        (
            "tracestate",
            &[("traceparent", PARENT), ("tracestate", "no pair")],
        ),
        (
            "baggage",
            &[("traceparent", PARENT), ("baggage", &oversized)],
        ),
        ("", &[("traceparent", PARENT)]),
    ];
    for edge in [Edge::Internal, public(PublicEdge::default())] {
        for (broken, headers) in cases {
            let served = serve(edge.clone(), headers).await;
            let points = served.telemetry.points("otel_tower.context.ignored");
            assert_eq!(points.len(), 3, "each series is there from the start");
            for point in points {
                let header = &point.attributes["otel_tower.header"];
                assert_eq!(
                    point.value,
                    i64::from(header == broken),
                    "{header} for {broken}"
                );
            }
        }
    }
}

#[tokio::test]
async fn every_response_of_a_public_server_names_its_trace_also_a_refusal() {
    let telemetry = Telemetry::new();
    let layer = ServerLayer::new(&telemetry.instrumentation).edge(public(PublicEdge::default()));
    let never = warp::Filter::boxed(warp::path!("only"));
    let never = warp::Filter::boxed(warp::Filter::map(never, || "here"));
    let server = warp_server(layer, never).await;
    let response = fetch(get(&server.url("/nowhere"))).await;
    assert_eq!(response.status(), 404);
    let trace_id = telemetry
        .span(SpanKind::Server)
        .await
        .span_context
        .trace_id();
    let header = response.headers()["traceresponse"].to_str().unwrap();
    assert!(header.starts_with(&format!("00-{trace_id}-")), "{header}");
}
