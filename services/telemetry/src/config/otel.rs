//! Values of standard `OTEL_*` variables, in the forms the specification gives them.

use std::time::Duration;

use opentelemetry_sdk::trace::SpanLimits;

use super::Reader;

/// What decides whether a trace is recorded: `OTEL_TRACES_SAMPLER` with `OTEL_TRACES_SAMPLER_ARG`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerConfig {
    /// `parentbased_*`: a span with a parent takes the parent's decision.
    pub parent_based: bool,
    /// The share of traces recorded, from 0 to 1.
    pub ratio: f64,
}

/// One of `OTEL_PROPAGATORS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagator {
    /// `tracecontext`: the headers `traceparent` and `tracestate`.
    TraceContext,
    /// `baggage`: the header `baggage`.
    Baggage,
}

const BOOLEAN: &str = "true or false";
const MILLISECONDS: &str = "a whole number of milliseconds, 1 or more";

pub(super) fn boolean(reader: &mut Reader<'_>, variable: &str, default: bool) -> bool {
    reader.parse(variable, default, BOOLEAN, |text| {
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    })
}

pub(super) fn milliseconds(reader: &mut Reader<'_>, variable: &str, default: Duration) -> Duration {
    reader.parse(variable, default, MILLISECONDS, |text| {
        let millis = text.parse().ok().filter(|millis| *millis >= 1)?;
        Some(Duration::from_millis(millis))
    })
}

pub(super) fn sampler(reader: &mut Reader<'_>) -> SamplerConfig {
    let ratio = reader.parse(
        "OTEL_TRACES_SAMPLER_ARG",
        1.0,
        "a share from 0 to 1",
        |text| {
            text.parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
        },
    );
    let always = SamplerConfig {
        parent_based: true,
        ratio: 1.0,
    };
    reader.parse(
        "OTEL_TRACES_SAMPLER",
        always,
        "[parentbased_]always_on, [parentbased_]always_off or [parentbased_]traceidratio",
        |text| {
            let root = text.strip_prefix("parentbased_");
            let ratio = match root.unwrap_or(text) {
                "always_on" => 1.0,
                "always_off" => 0.0,
                "traceidratio" => ratio,
                _ => return None,
            };
            Some(SamplerConfig {
                parent_based: root.is_some(),
                ratio,
            })
        },
    )
}

pub(super) fn span_limits(reader: &mut Reader<'_>) -> SpanLimits {
    let mut limit =
        |variable: &str| reader.parse(variable, 128, "a whole number", |text| text.parse().ok());
    SpanLimits {
        max_attributes_per_span: limit("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
        max_events_per_span: limit("OTEL_SPAN_EVENT_COUNT_LIMIT"),
        max_links_per_span: limit("OTEL_SPAN_LINK_COUNT_LIMIT"),
        max_attributes_per_event: limit("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
        max_attributes_per_link: limit("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
    }
}

pub(super) fn propagators(reader: &mut Reader<'_>) -> Vec<Propagator> {
    reader.parse(
        "OTEL_PROPAGATORS",
        vec![Propagator::TraceContext, Propagator::Baggage],
        "tracecontext and baggage separated by commas, or none",
        |text| {
            if text == "none" {
                return Some(Vec::new());
            }
            let names = text.split(',').map(str::trim);
            names
                .map(|name| match name {
                    "tracecontext" => Some(Propagator::TraceContext),
                    "baggage" => Some(Propagator::Baggage),
                    _ => None,
                })
                .collect()
        },
    )
}

/// `key=value` pairs separated by commas, percent-decoded: the form of resource attributes and of headers.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim);
    members
        .filter(|member| !member.is_empty())
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let key = percent_decoded(key.trim())?;
            (!key.is_empty()).then_some((key, percent_decoded(value.trim())?))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_percent_decoded_and_broken_ones_refused() {
        let decoded = |pairs: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            Some(pairs.iter().map(owned).collect::<Vec<_>>())
        };
        assert_eq!(
            pairs("team=a%20b%2Cc, empty= ,"),
            decoded(&[("team", "a b,c"), ("empty", "")])
        );
        assert_eq!(pairs("key=a=b"), decoded(&[("key", "a=b")]));
        for broken in ["novalue", "=value", "key=%4", "key=%zz", "key=%ff"] {
            assert_eq!(pairs(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_ratio_counts_only_for_the_sampler_that_takes_one() {
        let read = |name: &'static str| {
            let lookup = move |variable: &str| match variable {
                "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
                "OTEL_TRACES_SAMPLER_ARG" => Some("0.25".to_owned()),
                _ => None,
            };
            let mut reader = Reader::new(&lookup);
            let sampler = sampler(&mut reader);
            (sampler.parent_based, sampler.ratio, reader.finish().is_ok())
        };
        assert_eq!(read("parentbased_traceidratio"), (true, 0.25, true));
        assert_eq!(read("traceidratio"), (false, 0.25, true));
        assert_eq!(read("always_off"), (false, 0.0, true));
        assert_eq!(read("parentbased_always_on"), (true, 1.0, true));
        assert_eq!(read("jaeger_remote"), (true, 1.0, false));
    }
}
