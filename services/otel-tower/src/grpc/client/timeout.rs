//! The `grpc-timeout` header: at most eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

const GRPC_TIMEOUT: &str = "grpc-timeout";
const MAX_VALUE: u128 = 99_999_999;

/// The shorter of the request's own timeout and `deadline`; what holds is what the server is told.
pub(super) fn agree(headers: &mut HeaderMap, deadline: Option<Duration>) -> Option<Duration> {
    let own = headers.get(GRPC_TIMEOUT).and_then(decode);
    let shorter = match (own, deadline) {
        (Some(own), Some(deadline)) => Some(own.min(deadline)),
        (own, deadline) => own.or(deadline),
    };
    if let Some(value) = shorter.filter(|_| own != shorter).and_then(encode) {
        headers.insert(GRPC_TIMEOUT, value);
    }
    shorter
}

/// In the finest unit that fits, rounded up: the server must not give up before the client.
fn encode(timeout: Duration) -> Option<HeaderValue> {
    let micros = timeout.as_nanos().div_ceil(1_000);
    let units = [('u', 1), ('m', 1_000), ('S', 1_000_000), ('M', 60_000_000)];
    let (value, unit) = units
        .into_iter()
        .map(|(unit, size)| (micros.div_ceil(size), unit))
        .find(|(value, _)| *value <= MAX_VALUE)?;
    HeaderValue::from_str(&format!("{value}{unit}")).ok()
}

fn decode(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn agreed(
        header: Option<&'static str>,
        deadline: Option<Duration>,
    ) -> (Option<Duration>, String) {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(header));
        }
        let held = agree(&mut headers, deadline);
        let sent = headers
            .get(GRPC_TIMEOUT)
            .map_or("", |value| value.to_str().unwrap());
        (held, sent.to_owned())
    }

    #[test]
    fn the_shorter_of_header_and_deadline_holds_and_is_sent() {
        assert_eq!(agreed(None, None), (None, String::new()));
        assert_eq!(
            agreed(None, Some(SECOND)),
            (Some(SECOND), "1000000u".to_owned())
        );
        assert_eq!(agreed(Some("1S"), None), (Some(SECOND), "1S".to_owned()));
        assert_eq!(
            agreed(Some("1S"), Some(3 * SECOND)),
            (Some(SECOND), "1S".to_owned())
        );
        assert_eq!(
            agreed(Some("9H"), Some(SECOND)),
            (Some(SECOND), "1000000u".to_owned())
        );
        assert_eq!(
            agreed(Some("soon"), Some(SECOND)),
            (Some(SECOND), "1000000u".to_owned())
        );
    }

    #[test]
    fn a_timeout_is_sent_in_a_unit_that_fits_and_never_too_short() {
        let sent = |timeout| encode(timeout).unwrap().to_str().unwrap().to_owned();
        assert_eq!(sent(Duration::from_nanos(1)), "1u");
        assert_eq!(sent(Duration::from_micros(99_999_999)), "99999999u");
        assert_eq!(sent(Duration::from_micros(100_000_001)), "100001m");
        assert_eq!(sent(Duration::from_secs(100_000)), "100000S");
        assert_eq!(sent(Duration::from_secs(1_000_000)), "1000000S");
    }

    #[test]
    fn a_malformed_timeout_is_none() {
        for text in ["", "S", "1", "123456789S", "-1S", "1s", "1.5S"] {
            let timeout = decode(&HeaderValue::from_static(text));
            assert_eq!(timeout.filter(|held| !held.is_zero()), None, "{text}");
        }
    }
}
