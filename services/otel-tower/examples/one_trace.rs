//! A warp server and an HTTP client, both behind their layers, and the one trace they record.
//!
//! Run it with `cargo run -p otel-tower --example one_trace`.
#![expect(clippy::print_stdout, reason = "it shows what was recorded")]

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use opentelemetry::global;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use otel_tower::http::{ClientLayer, ServerLayer, UrlTemplate, route};
use otel_tower::{Instrumentation, PeerAddr};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), otel_tower::BoxError> {
    // A real program has an OTLP exporter here, and a meter provider for the durations.
    let exporter = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    global::set_tracer_provider(tracers);
    global::set_text_map_propagator(TraceContextPropagator::new());
    let instrumentation = Instrumentation::global();

    let routes = warp::path!("products" / String)
        .and(warp::get())
        .and(route("/products/{id}"))
        .map(|id: String| format!("one {id}"))
        .boxed();
    let server = ServerLayer::new(&instrumentation).layer(warp::service(routes));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serve = async {
        let (stream, peer) = listener.accept().await?;
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                request
            })
            .service(server);
        let connection = Builder::new(TokioExecutor::new());
        connection
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await
    };

    let call = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let client = ClientLayer::new(&instrumentation).layer(client);
        let request = Request::get(format!("http://{address}/products/espresso"))
            .extension(UrlTemplate("/products/{id}"))
            .body(Full::<Bytes>::default())?;
        let response = client.oneshot(request).await?;
        // The call ends here, with its body.
        let body = response.into_body().collect().await?.to_bytes();
        println!("body: {body:?}");
        Ok::<_, otel_tower::BoxError>(())
    };

    // The client's pool goes away after its call, and with it the connection that is served.
    let (served, called) = tokio::join!(serve, call);
    served?;
    called?;

    for span in exporter.get_finished_spans()? {
        println!("{:?} {}", span.span_kind, span.name);
        let (trace_id, parent) = (span.span_context.trace_id(), span.parent_span_id);
        println!("    trace {trace_id}, child of {parent}");
        for attribute in &span.attributes {
            println!("    {} = {}", attribute.key, attribute.value);
        }
    }
    Ok(())
}
