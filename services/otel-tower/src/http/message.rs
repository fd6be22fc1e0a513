//! What HTTP servers and clients read alike from requests and responses.

use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{Method, StatusCode, Version};

use crate::call::BodyEnd;
use crate::names;

/// The method as an attribute value, if it is one of the known ones.
pub(super) fn known_method(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::PATCH => "PATCH",
        _ => return None,
    })
}

/// `{METHOD}` or `{METHOD} {template}`, with `HTTP` for a method outside the known set.
pub(super) fn span_name(method: &'static str, template: Option<&'static str>) -> String {
    let method = if method == names::OTHER {
        "HTTP"
    } else {
        method
    };
    match template {
        Some(template) => format!("{method} {template}"),
        None => method.to_owned(),
    }
}

pub(super) fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

/// Where the body of this response ends on the wire: the transport drops the body there, unread
/// where there is nothing to send.
pub(super) fn body_end(is_head: bool, parts: &Parts) -> BodyEnd {
    let bodiless = is_head
        || parts.status.is_informational()
        || matches!(
            parts.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    if bodiless {
        return BodyEnd::Length(0);
    }
    let length = parts.headers.get(CONTENT_LENGTH);
    match length.and_then(|value| value.to_str().ok()?.parse().ok()) {
        Some(length) => BodyEnd::Length(length),
        None => BodyEnd::Unknown,
    }
}
