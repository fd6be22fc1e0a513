//! What a trace must have to be whole.

use std::collections::HashSet;
use std::time::UNIX_EPOCH;

use telemetry_testing::{Kind, Span};

/// What is not there yet, or will never be; `None` for a whole trace.
pub(crate) fn missing(spans: &[Span]) -> Option<String> {
    let ids: HashSet<_> = spans.iter().map(|span| &span.span_id).collect();
    let parents: HashSet<_> = spans
        .iter()
        .filter_map(|s| s.parent_span_id.as_ref())
        .collect();
    let roots: Vec<_> = spans
        .iter()
        .filter(|s| s.parent_span_id.is_none())
        .collect();
    match roots.as_slice() {
        [] => return Some("no root".to_owned()),
        [root] if root.kind == Kind::Server && root.service() == "gateway" => {}
        others => {
            return Some(format!(
                "{} roots, the first is {}",
                others.len(),
                others[0].name
            ));
        }
    }
    if let Some(orphan) = parents.iter().find(|id| !ids.contains(**id)) {
        return Some(format!("no parent {orphan}"));
    }
    let cut = spans
        .iter()
        .find(|s| was_served(s) && !parents.contains(&s.span_id));
    cut.map(|span| {
        format!(
            "no server span behind CLIENT {} of {}",
            span.name,
            span.service()
        )
    })
}

/// Whether a call has an answer that only the other side can have given.
fn was_served(span: &Span) -> bool {
    const BY_THE_SERVER: [&str; 5] = [
        "OK",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "INTERNAL",
    ];
    let rpc = span.attributes.text("rpc.response.status_code");
    span.kind == Kind::Client
        && (span.attributes.get("http.response.status_code").is_some()
            || rpc.is_some_and(|code| BY_THE_SERVER.contains(&code)))
}

/// Nanoseconds since the epoch of an RFC 3339 time in UTC with nine digits, as log files have it.
pub(crate) fn nanoseconds(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let is_precise = text.split_once('.')?.1.len() == "123456789Z".len();
    is_precise.then(|| u64::try_from(since.as_nanos()).ok())?
}
