//! What a trace must have to be whole.

use std::collections::HashSet;

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
    let (date_time, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    let (date, time) = date_time.split_once('T')?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if fraction.len() != 9 {
        return None;
    }
    // Days since the epoch, with years that begin in March: the leap day is then the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(u64::try_from(seconds).ok()? * 1_000_000_000 + fraction.parse::<u64>().ok()?)
}

#[test]
fn a_time_is_read_to_the_nanosecond() {
    assert_eq!(nanoseconds("1970-01-01T00:00:00.000000001Z"), Some(1));
    assert_eq!(
        nanoseconds("2024-02-29T12:34:56.123456789Z"),
        Some(1_709_210_096_123_456_789)
    );
    assert_eq!(
        nanoseconds("2024-02-29T12:34:56.123456Z"),
        None,
        "not nine digits"
    );
}
