//! `GET /`: the scenario page, with its script, style and icon as routes of their own, because its policy allows nothing inline.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use otel_tower::http::route;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Links lead to the backends; they need not know from where.
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // The page changes with the binary, and is small.
    (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

pub(super) fn files() -> BoxedFilter<(Response,)> {
    let page = warp::path::end()
        .and(warp::get())
        .and(route("/"))
        .map(|| file(HTML, include_str!("../page/index.html")));
    let script = warp::path!("page.js")
        .and(warp::get())
        .and(route("/page.js"))
        .map(|| file(SCRIPT, include_str!("../page/page.js")));
    let style = warp::path!("page.css")
        .and(warp::get())
        .and(route("/page.css"))
        .map(|| file(STYLE, include_str!("../page/page.css")));
    // Without one, each browser asks for /favicon.ico, and each visit leaves a 404 in the telemetry.
    let icon = warp::path!("icon.svg")
        .and(warp::get())
        .and(route("/icon.svg"))
        .map(|| file(ICON, include_str!("../page/icon.svg")));
    let files = page.or(script).unify().or(style).unify();
    files.or(icon).unify().boxed()
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let mut response = warp::Reply::into_response(text);
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
