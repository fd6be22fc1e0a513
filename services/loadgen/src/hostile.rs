//! Requests that nobody should make, to see that their number does not become the number of series, streams or span names.
//!
//! Bounded: no path or header is longer than [`LONGEST`], and there are no more of them than a run may send at all.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::random::Random;
use crate::shape::{Prepared, uri};

/// Of an id, a query or a header.
pub const LONGEST: usize = 4_096;

const KNOWN: [&str; 4] = ["/api/products", "/api/orders", "/healthz", "/"];

/// Traversals, empty segments, templates, quotes, control characters and letters beyond ASCII.
const ODD: [&str; 12] = [
    "../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "./",
    "/",
    "{id}",
    "%00",
    "%0d%0aset-cookie:%20a=b",
    "%1b%5b31m",
    "%22%3e%3cscript%3ealert(1)%3c/script%3e",
    "'%20or%20'1'='1",
    "%e2%80%ae%f0%9f%92%a5",
    "%ff%fe%zz",
];

/// One kind of hostile request.
type Kind = fn(&mut Random, &Authority) -> Prepared;

const KINDS: [Kind; 9] = [
    unknown_path,
    long_id,
    odd_characters,
    unknown_method,
    known_method_of_another_route,
    no_order,
    order_of_nothing,
    headers,
    unknown_scenario,
];

pub(crate) fn next(random: &mut Random, gateway: &Authority) -> Prepared {
    let kind = KINDS[random.below(KINDS.len())];
    kind(random, gateway)
}

fn unknown_path(random: &mut Random, gateway: &Authority) -> Prepared {
    let segments = 1 + random.below(6);
    let path: String = (0..segments)
        .map(|_| format!("/{}", random.word(8)))
        .collect();
    let path = format!("{path}?{}={}", random.word(4), random.word(16));
    request(Method::GET, &path, gateway)
}

fn long_id(random: &mut Random, gateway: &Authority) -> Prepared {
    let collection = KNOWN[random.below(2)];
    let length = 65 + random.below(LONGEST - 65);
    let id = random.word(length);
    request(Method::GET, &format!("{collection}/{id}"), gateway)
}

fn odd_characters(random: &mut Random, gateway: &Authority) -> Prepared {
    let collection = KNOWN[random.below(KNOWN.len())];
    let odd = ODD[random.below(ODD.len())];
    let path = format!("{collection}/{odd}{}", random.word(6));
    request(Method::GET, &path, gateway)
}

fn unknown_method(random: &mut Random, gateway: &Authority) -> Prepared {
    let method = random.word(8).to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE);
    let path = match random.below(2) {
        0 => KNOWN[random.below(KNOWN.len())].to_owned(),
        _ => format!("/{}", random.word(12)),
    };
    request(method, &path, gateway)
}

fn known_method_of_another_route(random: &mut Random, gateway: &Authority) -> Prepared {
    let methods = [
        Method::DELETE,
        Method::PUT,
        Method::PATCH,
        Method::OPTIONS,
        Method::HEAD,
    ];
    let method = methods[random.below(methods.len())].clone();
    let path = format!("/api/orders/{}", random.word(20));
    request(method, &path, gateway)
}

/// A body that is none, or not called one.
fn no_order(random: &mut Random, gateway: &Authority) -> Prepared {
    let body = match random.below(3) {
        0 => random.word(200),
        1 => format!("{{\"items\":[{{\"{}\":1}}]}}", random.word(8)),
        _ => "[".repeat(1 + random.below(500)),
    };
    let content_type = match random.below(2) {
        0 => "application/json".to_owned(),
        _ => format!("application/{}", random.word(8)),
    };
    let mut request = request(Method::POST, "/api/orders", gateway);
    *request.body_mut() = Full::from(body);
    header(&mut request, CONTENT_TYPE, &content_type);
    request
}

/// An order as it should be, of a product that does not exist, or far too many of one that does not.
fn order_of_nothing(random: &mut Random, gateway: &Authority) -> Prepared {
    let quantity = [1, 0, -1, i64::MAX][random.below(4)];
    let order = json!({"items": [{"product_id": random.word(20), "quantity": quantity}]});
    let mut request = request(Method::POST, "/api/orders", gateway);
    *request.body_mut() = Full::from(order.to_string());
    header(&mut request, CONTENT_TYPE, "application/json");
    let key = HeaderName::from_static("idempotency-key");
    let value = random.word(40);
    header(&mut request, key, &value);
    request
}

/// All that an edge could copy into telemetry.
fn headers(random: &mut Random, gateway: &Authority) -> Prepared {
    let mut request = request(Method::GET, "/api/products", gateway);
    let host = format!("{}.example", random.word(12));
    header(&mut request, HOST, &host);
    header(&mut request, USER_AGENT, &random.word(100));
    let baggage = format!(
        "shop.fault=product-error,{}={}",
        random.word(8),
        random.word(2_000)
    );
    let traceparent = format!("00-{}-{}-01", random.word(32), random.word(16));
    for (name, value) in [
        ("baggage", baggage),
        ("traceparent", traceparent),
        ("tracestate", random.word(600)),
        ("x-forwarded-for", random.word(15)),
        ("x-request-id", random.word(LONGEST)),
    ] {
        header(&mut request, HeaderName::from_static(name), &value);
    }
    request
}

fn unknown_scenario(random: &mut Random, gateway: &Authority) -> Prepared {
    let path = format!("/api/scenarios/{}", random.word(16));
    request(Method::POST, &path, gateway)
}

fn request(method: Method, path: &str, gateway: &Authority) -> Prepared {
    // A path that HTTP cannot carry at all cannot be asked for: a test sees that none of these is one.
    let path = PathAndQuery::try_from(path).unwrap_or(PathAndQuery::from_static("/"));
    let mut request = Request::new(Full::<Bytes>::default());
    *request.method_mut() = method;
    *request.uri_mut() = uri(gateway, path);
    request
}

fn header(request: &mut Prepared, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        request.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_odd_path_can_be_asked_for() {
        for odd in ODD {
            PathAndQuery::try_from(format!("/api/orders/{odd}")).unwrap();
        }
    }

    #[test]
    fn requests_differ_and_keep_their_bound() {
        let mut random = Random::new(1);
        let gateway = Authority::from_static("127.0.0.1:1");
        let mut targets = BTreeSet::new();
        let mut methods = BTreeSet::new();
        for _ in 0..1_000 {
            let request = next(&mut random, &gateway);
            assert!(request.uri().path().len() <= LONGEST + 20);
            assert!(
                request
                    .headers()
                    .values()
                    .all(|value| value.len() <= LONGEST)
            );
            methods.insert(request.method().to_string());
            targets.insert(request.uri().to_string());
        }
        assert!(targets.len() > 500, "{}", targets.len());
        assert!(methods.len() > 50, "{}", methods.len());
    }
}
