//! A real gRPC service whose requests say how it behaves: the health protocol, since it is compiled
//! already.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;
use tonic::codegen::BoxStream;
use tonic::codegen::tokio_stream::{self, StreamExt};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

pub(crate) use tonic_health::pb::health_client::HealthClient;
pub(crate) use tonic_health::pb::health_server::HealthServer;

pub(crate) const CHECK: &str = "grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "grpc.health.v1.Health/Watch";

type Handler = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct TestHealth {
    /// Told when a call that hangs has begun.
    pub(crate) hanging: Arc<Notify>,
    /// What a call does for the service `call`.
    pub(crate) handler: Option<Handler>,
}

impl TestHealth {
    async fn behave(&self, service: &str) -> Result<(), Status> {
        match service {
            "" => Ok(()),
            "hang" => {
                self.hanging.notify_one();
                pending().await
            }
            "panic" => panic!("asked to"),
            "call" => {
                if let Some(handler) = &self.handler {
                    handler().await;
                }
                Ok(())
            }
            code => Err(Status::new(
                Code::from_i32(code.parse().unwrap()),
                "asked to",
            )),
        }
    }
}

#[tonic::async_trait]
impl Health for TestHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.behave(&request.into_inner().service).await?;
        Ok(Response::new(HealthCheckResponse::default()))
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    /// Sends one message, then does as asked.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let health = self.clone();
        let service = request.into_inner().service;
        let first = tokio_stream::once(Ok(HealthCheckResponse::default()));
        let then = tokio_stream::once(service).then(move |service| {
            let health = health.clone();
            async move { health.behave(&service).await }
        });
        let failures = then.filter_map(|result| result.err().map(Err));
        Ok(Response::new(Box::pin(first.chain(failures))))
    }
}

pub(crate) fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}
