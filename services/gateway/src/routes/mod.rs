//! The routes of the API, one file each. A route names its template right after its path and method have matched; from there on
//! it answers and never rejects, or another route of the chain would be asked.

mod answer;
mod orders;
mod page;
mod products;
mod scenarios;

use std::sync::Arc;

use hosting::health::{self, Check};
use slog::Logger;
use telemetry::ServiceContext;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::clients::Clients;
use crate::config::Backends;

/// What every route works with.
pub(crate) struct Gateway {
    pub(crate) clients: Clients,
    pub(crate) backends: Backends,
    pub(crate) faults: bool,
    pub(crate) log: Logger,
}

pub(crate) fn all(
    gateway: &Arc<Gateway>,
    checks: Vec<Check>,
    ctx: &ServiceContext,
) -> BoxedFilter<(Response,)> {
    orders::place(gateway)
        .or(orders::get(gateway))
        .unify()
        .or(products::list(gateway))
        .unify()
        .or(products::get(gateway))
        .unify()
        .or(scenarios::run(gateway))
        .unify()
        .or(page::files())
        .unify()
        .or(health::routes(checks, ctx))
        .unify()
        .boxed()
}
