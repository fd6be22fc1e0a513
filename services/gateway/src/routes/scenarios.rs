//! `POST /api/scenarios/{name}`: `normal`, `product-error`, `inventory-timeout`, `long-request`, `out-of-stock`.

use std::sync::Arc;
use std::time::SystemTime;

use hosting::problem::trace_id;
use http::StatusCode;
use otel_tower::http::route;
use serde::Serialize;
use serde_json::Value;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::{Gateway, answer};
use crate::failure::Failure;
use crate::links::Links;
use crate::orders::View;
use crate::scenario::Scenario;

const ROUTE: &str = "/api/scenarios/{name}";

#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    status: u16,
    duration_ms: u64,
    trace_id: String,
    links: Links,
    result: View,
}

pub(super) fn run(gateway: &Arc<Gateway>) -> BoxedFilter<(Response,)> {
    let gateway = Arc::clone(gateway);
    warp::path!("api" / "scenarios" / String)
        .and(warp::post())
        .and(route(ROUTE))
        .then(move |name: String| {
            let gateway = Arc::clone(&gateway);
            async move {
                match Scenario::named(&name) {
                    None => answer::failed(&gateway.log, ROUTE, &Failure::NotFound("scenario")),
                    Some(scenario) if scenario.fault().is_some() && !gateway.faults => {
                        answer::failed(&gateway.log, ROUTE, &Failure::FaultsOff)
                    }
                    Some(scenario) => report(&gateway, scenario).await,
                }
            }
        })
        .boxed()
}

/// The status is that of the order. A failure is a problem document that has the members of a report too; in both, `result` is
/// what `POST /api/orders` would have answered.
async fn report(gateway: &Gateway, scenario: Scenario) -> Response {
    let run = scenario.run(&gateway.clients, &gateway.log).await;
    let trace_id = trace_id().unwrap_or_default();
    let links = Links::new(&gateway.backends, &trace_id, SystemTime::now());
    match run.result {
        Ok(result) => {
            let status = StatusCode::CREATED;
            let report = Report {
                scenario: scenario.name(),
                status: status.as_u16(),
                duration_ms: run.duration_ms,
                trace_id,
                links,
                result,
            };
            answer::json(status, &report)
        }
        Err(failure) => {
            answer::report(&gateway.log, ROUTE, &failure);
            let problem = failure.problem();
            let result = json(&problem);
            problem
                .with("scenario", scenario.name())
                .with("duration_ms", run.duration_ms)
                .with("links", json(&links))
                .with("result", result)
                .into_response()
        }
    }
}

/// A struct of strings and numbers has no way to fail.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
