//! Real servers and clients on loopback, port 0.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use otel_tower::{PeerAddr, grpc, http as otel_http};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use warp::filters::BoxedFilter;

use crate::health::{HealthClient, HealthServer, TestHealth};
use crate::telemetry::Telemetry;

/// A running server; it stops when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// warp, behind the layer, in an accept loop as services have it.
pub(crate) async fn warp_server<R>(
    layer: otel_http::ServerLayer,
    routes: BoxedFilter<(R,)>,
) -> Running
where
    R: warp::Reply + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = layer.layer(warp::service(routes));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let mut service = service.clone();
            let service = tower::service_fn(move |mut request: Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                service.call(request)
            });
            connections.spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let io = TokioIo::new(stream);
                // It fails when the client goes away, which some tests are about.
                drop(
                    builder
                        .serve_connection(io, TowerToHyperService::new(service))
                        .await,
                );
            });
        }
    });
    Running {
        address,
        _tasks: tasks,
    }
}

pub(crate) type HttpClient = otel_http::Client<Client<HttpConnector, Full<Bytes>>>;

pub(crate) fn http_client(telemetry: &Telemetry) -> HttpClient {
    let client = Client::builder(TokioExecutor::new()).build_http();
    otel_http::ClientLayer::new(&telemetry.instrumentation).layer(client)
}

/// Sends a request and reads the whole response.
pub(crate) async fn send(client: &HttpClient, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let response = client.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

pub(crate) fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

/// A plain client, for tests that look at a server only.
pub(crate) async fn fetch(request: Request<Full<Bytes>>) -> Response<Bytes> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// tonic's own server, behind the layer.
pub(crate) async fn tonic_server(layer: grpc::ServerLayer, health: TestHealth) -> Running {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .layer(layer)
        .add_service(HealthServer::new(health))
        .serve_with_incoming(incoming);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.await.unwrap() });
    Running {
        address,
        _tasks: tasks,
    }
}

pub(crate) async fn channel(server: &Running) -> Channel {
    let endpoint = Endpoint::from_shared(server.url("")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A generated client over tonic's channel, behind the layer.
pub(crate) async fn health_client(
    layer: grpc::ClientLayer,
    server: &Running,
) -> HealthClient<grpc::Client<Channel>> {
    let channel = channel(server).await;
    HealthClient::new(ServiceBuilder::new().layer(layer).service(channel))
}

pub(crate) fn client_layer(telemetry: &Telemetry, server: &Running) -> grpc::ClientLayer {
    let target = server.url("").parse().unwrap();
    grpc::ClientLayer::new(&telemetry.instrumentation, &target)
}
