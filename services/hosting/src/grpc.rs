//! A tonic server and its clients: instrumented, limited, drained.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use otel_tower::grpc::{ClientLayer, ServerLayer};
use otel_tower::{BoxError, Instrumentation, PeerAddr};
use telemetry::ServiceContext;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Endpoint;
use tower::{Layer, Service};

use crate::health;
use crate::limits::{Guarded, Limits, Refusal};
use crate::listener;

/// How long a client waits for a connection. All services are near: what does not connect at once is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often an idle connection is asked whether its other end is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

type Instrumented = <ClientLayer as Layer<tonic::transport::Channel>>::Service;

/// The instrumented way to another service; generated clients take it.
#[derive(Clone)]
pub struct Channel(Instrumented);

/// Serves `routes` on `listener` until the service is to stop; returns once every running call has ended, and those that were on
/// their way. Connections that are open without a call are closed 500 ms after that.
///
/// `methods` are the full names of the methods that `routes` answer (`METHODS` of the crate `proto`). The health service is
/// added: it says SERVING for each service of `methods` until the service is to stop.
///
/// A refusal is a status: UNAVAILABLE when `limits.in_flight` calls run, DEADLINE_EXCEEDED after `limits.timeout`,
/// RESOURCE_EXHAUSTED for a message over `limits.body`, INTERNAL after a panic.
///
/// # Errors
/// The listener is unusable.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    methods: &'static [&'static str],
    limits: Limits,
    ctx: &ServiceContext,
) -> anyhow::Result<()> {
    let (routes, known) = health::grpc(routes, methods, ctx).await;
    // tonic's own limits sit outside every layer a user adds; these are ours, inside the instrumentation.
    let guarded = Guarded::new(routes.prepare(), limits, refuse, ctx.log.clone());
    let running = guarded.running();
    let service = ServerLayer::new(&Instrumentation::global(), known).layer(guarded);

    let mut connection = http2::Builder::new(TokioExecutor::new());
    connection
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        // A client multiplexes all its calls on one connection: admission refuses them, not the transport's window.
        .max_concurrent_streams(None);
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

/// A channel to `target` that connects at the first call, and again after a loss. `deadline` bounds each call: it travels as
/// `grpc-timeout`, and the caller gets DEADLINE_EXCEEDED when it is over, whether or not the server keeps to it.
///
/// A call that gets no answer is UNAVAILABLE, as its span says: tonic would tell the caller CANCELLED or UNKNOWN for a connection
/// that is lost, and so blame the caller.
///
/// Needs the Tokio runtime to be running.
pub fn channel(target: &Uri, deadline: Duration) -> Channel {
    let endpoint = Endpoint::from(target.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let layer = ClientLayer::new(&Instrumentation::global(), target).deadline(deadline);
    Channel(layer.layer(endpoint.connect_lazy()))
}

impl Service<Request<Body>> for Channel {
    type Response = <Instrumented as Service<Request<Body>>>::Response;
    type Error = Status;
    // Boxed: a mapping future that names a function of the error is not provably `Send` in a spawned task.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx).map_err(unanswered)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async { answer.await.map_err(unanswered) })
    }
}

fn unanswered(error: BoxError) -> Status {
    let mut status = Status::unavailable("the service could not be reached");
    status.set_source(Arc::from(error));
    status
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let status = match refusal {
        Refusal::Overloaded => Status::unavailable("too many calls are being answered"),
        Refusal::TimedOut(limit) => Status::deadline_exceeded(format!(
            "there was no answer within {}",
            humantime::format_duration(limit)
        )),
        Refusal::BodyTooLarge(limit) => {
            Status::resource_exhausted(format!("the message is larger than {limit} bytes"))
        }
        Refusal::Panicked => Status::internal("the call failed"),
    };
    status.into_http()
}
