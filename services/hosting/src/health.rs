//! Liveness and readiness: `/healthz` and `/readyz` over HTTP, the standard health service over gRPC.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use otel_tower::http::route;
use serde_json::{Value, json};
use telemetry::ServiceContext;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::problem::Problem;

/// A dependency that takes longer than this is not ready; whoever asks waits only little longer.
const PATIENCE: Duration = Duration::from_secs(2);

const HEALTH_METHODS: [&str; 2] = ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"];

type Outcome = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// One thing that a service needs in order to do its work.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    run: Arc<dyn Fn() -> Outcome + Send + Sync>,
}

impl Check {
    /// `run` asks the dependency `name` for a sign of life.
    pub fn new<F, Fut>(name: &'static str, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self {
            name,
            run: Arc::new(move || Box::pin(run())),
        }
    }

    /// `ok`, or why not.
    async fn outcome(&self) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, (self.run)()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err(format!(
                "no answer within {}",
                humantime::format_duration(PATIENCE)
            )),
        }
    }
}

/// `GET /healthz`: 200 as long as the process answers. `GET /readyz`: 200 if all `checks` pass, else a 503 problem that names
/// those that do not; 503 also once the service is to stop, so that a balancer looks elsewhere.
pub fn routes(checks: Vec<Check>, ctx: &ServiceContext) -> BoxedFilter<(Response,)> {
    let live = warp::path!("healthz")
        .and(warp::get())
        .and(route("/healthz"))
        .map(|| warp::reply::json(&json!({"status": "ok"})).into_response());

    let checks: Arc<[Check]> = checks.into();
    let stopping = ctx.stopping.clone();
    let ready = warp::path!("readyz")
        .and(warp::get())
        .and(route("/readyz"))
        .then(move || {
            let (checks, stopping) = (Arc::clone(&checks), stopping.clone());
            async move { readiness(&checks, &stopping).await.into_response() }
        });
    live.or(ready).unify().boxed()
}

async fn readiness(checks: &[Check], stopping: &CancellationToken) -> Result<impl Reply, Problem> {
    let mut outcomes = serde_json::Map::new();
    let mut is_ready = !stopping.is_cancelled();
    // All at the same time: whoever asks waits for the slowest, not for their sum.
    let found = join_all(checks.iter().map(Check::outcome)).await;
    for (check, outcome) in checks.iter().zip(found) {
        is_ready &= outcome.is_ok();
        outcomes.insert(
            check.name.to_owned(),
            Value::from(outcome.err().unwrap_or_else(|| "ok".to_owned())),
        );
    }
    if is_ready {
        Ok(warp::reply::json(
            &json!({"status": "ready", "checks": outcomes}),
        ))
    } else {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("The service is not ready.")
            .with("checks", outcomes)
            .retry_after(Duration::from_secs(1)))
    }
}

/// Adds the health service to `routes`, and its methods to `methods`.
pub(crate) async fn grpc(
    routes: Routes,
    methods: &'static [&'static str],
    ctx: &ServiceContext,
) -> (Routes, &'static [&'static str]) {
    let (mut reporter, server) = tonic_health::server::health_reporter();
    let services: BTreeSet<_> = methods
        .iter()
        .filter_map(|method| Some(method.split_once('/')?.0))
        .chain([""])
        .collect();
    for service in &services {
        reporter
            .set_service_status(service, ServingStatus::Serving)
            .await;
    }
    let stopping = ctx.stopping.clone();
    telemetry::spawn(async move {
        stopping.cancelled().await;
        for service in services {
            reporter
                .set_service_status(service, ServingStatus::NotServing)
                .await;
            // Ends the streams of those who watch; they would hold up the drain for as long as they like.
            reporter.clear_service_status(service).await;
        }
    });
    // Once per process: the instrumentation keeps the names for as long as it lives.
    let known: Vec<_> = methods.iter().copied().chain(HEALTH_METHODS).collect();
    (routes.add_service(server), known.leak())
}
