//! From a result to a response, and the one place where a failed request is logged.

use contract::events;
use http::StatusCode;
use serde::Serialize;
use slog::{Logger, error};
use warp::Reply;
use warp::reply::Response;

use crate::failure::Failure;

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    warp::reply::with_status(warp::reply::json(body), status).into_response()
}

/// A refusal is the caller's concern; only what we or a dependency failed at is an error.
pub(super) fn failed(log: &Logger, route: &'static str, failure: &Failure) -> Response {
    report(log, route, failure);
    failure.problem().into_response()
}

pub(super) fn report(log: &Logger, route: &'static str, failure: &Failure) {
    let status = failure.status();
    if status.is_server_error() {
        error!(log, "request failed";
            "event.name" => events::GATEWAY_REQUEST_FAILED,
            "http.route" => route,
            "http.response.status_code" => status.as_u16(),
            "error" => #failure);
    }
}
