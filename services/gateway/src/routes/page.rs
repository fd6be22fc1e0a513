//! `GET /`: the scenario page, with its script and style as routes of their own, because its policy allows nothing inline.

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
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Links lead to the backends; they need not know from where.
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // The page changes with the binary, and is small.
    (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

pub(super) fn files() -> BoxedFilter<(Response,)> {
    let page = warp::path::end().and(warp::get()).and(route("/")).map(|| {
        file(
            "text/html; charset=utf-8",
            include_str!("../page/index.html"),
        )
    });
    let script = warp::path!("page.js")
        .and(warp::get())
        .and(route("/page.js"))
        .map(|| {
            file(
                "text/javascript; charset=utf-8",
                include_str!("../page/page.js"),
            )
        });
    let style = warp::path!("page.css")
        .and(warp::get())
        .and(route("/page.css"))
        .map(|| file("text/css; charset=utf-8", include_str!("../page/page.css")));
    page.or(script).unify().or(style).unify().boxed()
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let mut response = warp::Reply::into_response(text);
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
