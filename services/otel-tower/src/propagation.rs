//! W3C trace context and baggage on `http::HeaderMap`: what is accepted, what is ignored.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, TraceState};

use crate::Instrumentation;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";
pub(crate) const HEADERS: [&str; 3] = [TRACEPARENT, TRACESTATE, BAGGAGE];

/// The limits of the W3C recommendations; a longer header is not parsed at all.
const MAX_TRACESTATE_MEMBERS: usize = 32;
const MAX_BAGGAGE_MEMBERS: usize = 64;
const MAX_LIST_BYTES: usize = 8192;
/// A `traceparent` of version 00 has exactly this many characters; later versions may append.
const TRACEPARENT_LEN: usize = 55;

/// Reads the caller's context. What is broken is counted and left out, and never fails the request.
pub(crate) fn extract(instrumentation: &Instrumentation, headers: &HeaderMap) -> Context {
    let carrier = Checked::new(headers, |header| instrumentation.count_ignored(header));
    instrumentation
        .with_propagator(|propagator| propagator.extract_with_context(&Context::new(), &carrier))
}

/// Writes `context` to the headers in place of any context that they already carry: a proxy that
/// copies its caller's headers would otherwise pass on baggage that its edge has dropped.
pub(crate) fn inject(instrumentation: &Instrumentation, cx: &Context, headers: &mut HeaderMap) {
    instrumentation.with_propagator(|propagator| {
        for field in propagator.fields() {
            headers.remove(field);
        }
        propagator.inject_context(cx, &mut Writer(headers));
    });
}

/// The `traceresponse` value of a span, or `None` where there is no span.
pub(crate) fn traceresponse(span: &SpanContext) -> Option<HeaderValue> {
    if !span.is_valid() {
        return None;
    }
    let (trace_id, span_id, flags) = (span.trace_id(), span.span_id(), span.trace_flags());
    HeaderValue::from_str(&format!("00-{trace_id}-{span_id}-{flags:02x}")).ok()
}

/// The inbound headers as a propagator may see them: broken ones are not there.
///
/// The SDK's propagators are lenient (short ids, only the first of two `tracestate` headers) and log
/// a baggage header that they cannot read, value included. So they are handed checked text only.
struct Checked<'a> {
    headers: &'a HeaderMap,
    traceparent: Option<&'a str>,
    tracestate: Option<String>,
    baggage: Option<String>,
}

impl<'a> Checked<'a> {
    fn new(headers: &'a HeaderMap, ignored: impl Fn(&'static str)) -> Self {
        let accept = |header, value: Result<Option<String>, Broken>| {
            value.unwrap_or_else(|Broken| {
                ignored(header);
                None
            })
        };
        let traceparent = traceparent(headers).unwrap_or_else(|Broken| {
            ignored(TRACEPARENT);
            None
        });
        let tracestate = match traceparent {
            Some(_) => accept(TRACESTATE, tracestate(headers)),
            // Without a `traceparent` it means nothing, broken or not.
            None => None,
        };
        Self {
            headers,
            traceparent,
            tracestate,
            baggage: accept(BAGGAGE, baggage(headers)),
        }
    }
}

impl Extractor for Checked<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent,
            TRACESTATE => self.tracestate.as_deref(),
            BAGGAGE => self.baggage.as_deref(),
            other => self.headers.get(other)?.to_str().ok(),
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }
}

struct Writer<'a>(&'a mut HeaderMap);

impl Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The SDK writes an empty `tracestate` for a trace without one.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(key), HeaderValue::from_str(&value)) {
            self.0.insert(name, value);
        }
    }
}

struct Broken;

fn traceparent(headers: &HeaderMap) -> Result<Option<&str>, Broken> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| Broken)?;
    if values.next().is_some() || !is_traceparent(value) {
        return Err(Broken);
    }
    Ok(Some(value))
}

fn is_traceparent(value: &str) -> bool {
    let bytes = value.as_bytes();
    let hex = |range: std::ops::Range<usize>| {
        bytes[range]
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |range: std::ops::Range<usize>| bytes[range].iter().all(|b| *b == b'0');
    let length = match bytes.get(..2) {
        Some(b"00") => bytes.len() == TRACEPARENT_LEN,
        Some(_) => bytes.len() == TRACEPARENT_LEN || bytes.get(TRACEPARENT_LEN) == Some(&b'-'),
        None => false,
    };
    length
        && [2, 35, 52].iter().all(|at| bytes[*at] == b'-')
        && hex(0..2)
        && &bytes[..2] != b"ff"
        && hex(3..35)
        && !zero(3..35)
        && hex(36..52)
        && !zero(36..52)
        && hex(53..55)
}

fn tracestate(headers: &HeaderMap) -> Result<Option<String>, Broken> {
    let Some(joined) = list(headers, TRACESTATE, MAX_TRACESTATE_MEMBERS)? else {
        return Ok(None);
    };
    match TraceState::from_str(&joined) {
        Ok(_) => Ok(Some(joined)),
        Err(_) => Err(Broken),
    }
}

/// The members without their properties. The SDK decodes a property and writes it undecoded to the next
/// hop: a `%2C` in it would smuggle in a member that no edge has seen, a `%0A` would cost all members.
fn baggage(headers: &HeaderMap) -> Result<Option<String>, Broken> {
    let Some(joined) = list(headers, BAGGAGE, MAX_BAGGAGE_MEMBERS)? else {
        return Ok(None);
    };
    let pairs = joined.split(',').map(|member| {
        let pair = member.split(';').next().unwrap_or_default();
        if is_baggage_pair(pair) {
            Ok(pair)
        } else {
            Err(Broken)
        }
    });
    let pairs: Vec<&str> = pairs.collect::<Result<_, Broken>>()?;
    Ok(Some(pairs.join(",")))
}

/// `key=value`, each percent-encoded UTF-8; the SDK drops a key that is no token without a word.
fn is_baggage_pair(pair: &str) -> bool {
    let Some((key, value)) = pair.split_once('=') else {
        return false;
    };
    decoded(key).is_some_and(|key| is_token(key.trim())) && decoded(value).is_some()
}

/// A token of RFC 9110.
fn is_token(text: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_tchar)
}

fn decoded(text: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        let hex = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

/// Joins all headers of that name, as HTTP asks for lists, without empty members.
fn list(headers: &HeaderMap, name: &str, most: usize) -> Result<Option<String>, Broken> {
    let mut joined = String::new();
    let mut members = 0;
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| Broken)?;
        if joined.len() + value.len() > MAX_LIST_BYTES {
            return Err(Broken);
        }
        for member in value.split(',').map(str::trim).filter(|m| !m.is_empty()) {
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(member);
            members += 1;
        }
    }
    if members > most {
        return Err(Broken);
    }
    Ok((members > 0).then_some(joined))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// What the propagator gets to see of each header, and which headers were counted as ignored.
    fn check(headers: &[(&'static str, &str)]) -> (Vec<Option<String>>, Vec<&'static str>) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                (HeaderName::from_static(name), value)
            })
            .collect();
        let ignored = RefCell::new(Vec::new());
        let checked = Checked::new(&map, |header| ignored.borrow_mut().push(header));
        let seen = HEADERS
            .iter()
            .map(|header| checked.get(header).map(str::to_owned))
            .collect();
        (seen, ignored.into_inner())
    }

    #[test]
    fn a_valid_traceparent_is_accepted_also_of_a_later_version() {
        let later = VALID.replacen("00", "01", 1);
        let appended = format!("{later}-extra");
        for value in [VALID, &later, &appended] {
            assert_eq!(
                check(&[("traceparent", value)]).0[0].as_deref(),
                Some(value)
            );
        }
    }

    #[test]
    fn a_broken_traceparent_is_ignored_and_counted_once_and_takes_its_tracestate_along() {
        let broken = [
            "".to_owned(),
            "00".to_owned(),
            "00-1-1-01".to_owned(),
            format!("{VALID}0"),
            format!("{VALID}-extra"),
            VALID.replacen("00", "ff", 1),
            VALID.replacen("4b", "4B", 1),
            VALID.replacen("4bf", "4bg", 1),
            VALID.replace("-00f067aa0ba902b7", "-0000000000000000"),
            VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            VALID.replace("00f067aa0ba902b7", "00f067aa0ba902é"),
        ];
        for value in broken {
            let (seen, ignored) = check(&[("traceparent", &value), ("tracestate", "no pair")]);
            assert_eq!(seen, [None, None, None], "{value:?}");
            assert_eq!(ignored, ["traceparent"], "{value:?}");
        }
    }

    #[test]
    fn two_traceparents_are_broken() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
        headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
        assert!(traceparent(&headers).is_err());
    }

    #[test]
    fn tracestate_headers_are_joined_and_a_broken_list_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.append(TRACESTATE, HeaderValue::from_static("a=1, b=2,"));
        headers.append(TRACESTATE, HeaderValue::from_static("c=3"));
        assert_eq!(
            tracestate(&headers).ok().flatten().as_deref(),
            Some("a=1,b=2,c=3")
        );

        let many = vec!["a=1"; MAX_TRACESTATE_MEMBERS + 1].join(",");
        for value in ["no pair", many.as_str()] {
            let (seen, ignored) = check(&[("traceparent", VALID), ("tracestate", value)]);
            assert_eq!(seen[1], None, "{value}");
            assert_eq!(ignored, ["tracestate"], "{value}");
        }
    }

    #[test]
    fn baggage_within_the_limits_is_accepted_and_anything_else_ignored_and_counted() {
        let accepted = "shop.fault=long-request,name=caf%C3%A9";
        assert_eq!(
            check(&[("baggage", accepted)]).0[2].as_deref(),
            Some(accepted)
        );

        let long = format!("key={}", "x".repeat(64 * 1024));
        let many = vec!["a=1"; MAX_BAGGAGE_MEMBERS + 1].join(",");
        let broken = [
            "no pair", "=value", "a=%FF", "a=é", "a b=1", "a%20b=1", "a%2Cb=1", "%FF=1", &long,
            &many,
        ];
        for value in broken {
            let (seen, ignored) = check(&[("baggage", value)]);
            assert_eq!(seen[2], None, "{value}");
            assert_eq!(ignored, ["baggage"], "{value}");
        }
    }

    #[test]
    fn properties_of_baggage_are_left_out() {
        let value = "a=1;p=%2Cb%3D2;q, c=3 ;r=%0A;s=%C3%A9;t=%FF,d=4";
        let (seen, ignored) = check(&[("baggage", value)]);
        assert_eq!(seen[2].as_deref(), Some("a=1,c=3 ,d=4"));
        assert_eq!(ignored, [""; 0]);
    }

    #[test]
    fn absent_or_empty_lists_are_not_broken() {
        assert_eq!(check(&[]).1, [""; 0]);
        assert_eq!(check(&[("baggage", " , ")]), (vec![None; 3], vec![]));
    }
}
