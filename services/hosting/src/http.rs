//! A warp server: instrumented, limited, drained.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use otel_tower::http::{Edge, ServerLayer};
use otel_tower::{Instrumentation, PeerAddr};
use telemetry::ServiceContext;
use tokio::net::TcpListener;
use tower::{Layer, Service};
use warp::filters::BoxedFilter;
use warp::{Filter, Reply};

use crate::limits::{Guarded, Limits, Refusal};
use crate::listener;
use crate::problem::Problem;
use crate::recover::recover;

/// Serves `routes` on `listener` until the service is to stop; returns once every running request has ended, and those that were
/// on their way. Connections that are open without a request are closed 500 ms after that.
///
/// From the outside: instrumentation, panic, time, admission, body size, warp. A refusal is a problem document: 503 with
/// `Retry-After` when `limits.in_flight` requests run, 504 after `limits.timeout`, 413 for a body over `limits.body` (declared or
/// chunked), 500 after a panic; what warp rejects is mapped by status.
///
/// # Errors
/// The listener is unusable.
pub async fn serve<R>(
    listener: TcpListener,
    routes: BoxedFilter<(R,)>,
    limits: Limits,
    edge: Edge,
    ctx: &ServiceContext,
) -> anyhow::Result<()>
where
    R: Reply + 'static,
{
    // Boxed, because the type of a chain of filters cannot be proven `Send` in a spawned task.
    let handler = warp::service(routes.recover(recover).map(Reply::into_response).boxed());
    let guarded = Guarded::new(handler, limits, refuse, ctx.log.clone());
    let running = guarded.running();
    let service = ServerLayer::new(&Instrumentation::global())
        .edge(edge)
        .layer(guarded);

    // HTTP/1.1 only: detection of HTTP/2 waits without limit for a client's first bytes.
    let mut connection = http1::Builder::new();
    connection
        .timer(TokioTimer::new())
        .header_read_timeout(limits.timeout);
    listener::run(listener, running, ctx, |io, peer: SocketAddr| {
        let service = service.clone();
        let serve = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(peer));
            service.clone().call(request)
        });
        connection.serve_connection(io, serve)
    })
    .await
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let problem = match refusal {
        Refusal::Overloaded => Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("Too many requests are being answered.")
            .retry_after(Duration::from_secs(1)),
        Refusal::TimedOut(limit) => Problem::new(StatusCode::GATEWAY_TIMEOUT).detail(format!(
            "There was no answer within {}.",
            humantime::format_duration(limit)
        )),
        Refusal::BodyTooLarge(limit) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .detail(format!("The body is larger than {limit} bytes.")),
        Refusal::Panicked => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
    };
    problem.into_http()
}
